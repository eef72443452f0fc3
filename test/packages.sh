#!/bin/bash
# packages.sh STEP: installs the Debian packages that STEP needs and that are
# missing, saying which.  Prints the PostgreSQL major on its last line.
#
# GDPR_NO_INSTALL=1, or a system without apt: names what is missing and exits 1.
# GDPR_PG=N picks the PostgreSQL major.
set -u
step=$1

say() { echo "packages: $*" >&2; }

have() { # is the package installed?
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

offered() { # can apt install it?
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
	else
		say "not root, and there is no sudo"
		return 1
	fi
}

apt() { # quiet unless it fails
	local out rc
	out=$(root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 -q "$@" </dev/null 2>&1)
	rc=$?
	[ $rc = 0 ] || echo "$out" | tail -n 40 >&2
	return $rc
}

refreshed=
refresh() {
	[ -n "$refreshed" ] && return
	refreshed=1
	say "apt-get update"
	apt update || say "apt-get update failed; going on with the lists at hand"
}

# The major: the caller's choice, the newest one that we can build against, or
# the newest one that this system's packages offer.
major() {
	local n
	if [ -n "${GDPR_PG:-}" ]; then
		echo "$GDPR_PG"
		return
	fi
	for n in 18 17 16 15; do
		if [ -e /usr/lib/postgresql/$n/lib/pgxs/src/makefiles/pgxs.mk ]; then
			echo $n
			return
		fi
	done
	if command -v apt-cache >/dev/null; then
		[ "${GDPR_NO_INSTALL:-0}" != 1 ] && ! offered postgresql && refresh
		for n in 18 17 16 15; do
			if offered postgresql-server-dev-$n; then
				echo $n
				return
			fi
		done
	fi
	echo 15
}

# Without packages of Debian's, look at what the packages would bring.
files_missing() {
	local c
	for c in make gcc perl prove; do
		command -v $c >/dev/null || echo "$c"
	done
	[ -e /usr/lib/postgresql/$pg/lib/pgxs/src/makefiles/pgxs.mk ] || echo "postgresql-server-dev-$pg"
	[ -x /usr/lib/postgresql/$pg/bin/postgres ] || echo "postgresql-$pg"
}

pg=$(major)
build="make gcc libc6-dev libssl-dev postgresql-$pg postgresql-client-$pg postgresql-server-dev-$pg"
tests="perl libipc-run-perl clang postgresql-$pg-pgtap libtap-parser-sourcehandler-pgtap-perl"
format=clang-format-14

case $step in
demo | psql) want=$build ;;
bench) want="$build valgrind" ;;
check | lint | sanitize | soak) want="$build $tests $format" ;;
check-core) want="$build dpkg-dev postgresql-$pg-pgaudit" ;;
format) want=$format ;;
fuzz) want="$build clang-14 libclang-rt-14-dev" ;;
majors | fresh) want="debootstrap" ;;
*)
	say "unknown step $step"
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	missing=$(files_missing | xargs)
	if [ -n "$missing" ]; then
		say "this system has no apt; missing: $missing"
		exit 1
	fi
	echo "$pg"
	exit 0
fi

missing=
for p in $want; do
	have "$p" || missing="$missing $p"
done

# Only bookworm is sure to have the pinned clang-format; elsewhere the format lint
# is skipped, and says so, where it is not at hand.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null)
if [ "$step" != format ] && [ "$codename" != bookworm ] && ! offered $format; then
	missing=${missing/ $format/}
fi

if [ -n "$missing" ]; then
	if [ "${GDPR_NO_INSTALL:-0}" = 1 ]; then
		say "missing:$missing"
		say "GDPR_NO_INSTALL=1 is set, so nothing was installed"
		exit 1
	fi
	say "installing$missing"
	for p in $missing; do
		offered "$p" || { refresh; break; }
	done

	# Debian's package would create and start a cluster of its own; ours are
	# throwaway.  The machine is left as its owner had it.
	drop=/etc/postgresql-common/createcluster.d/gdpr_ext.conf
	made_dir=
	made_drop=
	if [[ " $missing " == *" postgresql-$pg "* ]] && [ ! -e $drop ]; then
		[ -d /etc/postgresql-common ] || made_dir=1
		root mkdir -p "${drop%/*}" &&
			root sh -c "echo 'create_main_cluster = false' >$drop" && made_drop=1
	fi
	tidy() {
		[ -n "$made_drop" ] && root rm -f $drop
		if [ -n "$made_dir" ]; then
			root rmdir --ignore-fail-on-non-empty -p "${drop%/*}" 2>/dev/null
		fi
		made_drop=
		made_dir=
	}
	trap 'tidy' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP

	if ! apt install -y --no-install-recommends $missing; then
		refresh
		apt install -y --no-install-recommends $missing || {
			say "could not install:$missing"
			exit 1
		}
	fi
	say "installed$missing"
fi
echo "$pg"
