#!/bin/bash
# run.sh STEP: what "make STEP" does for the targets that prepare everything
# themselves (see OWN in the Makefile).
#
# This script is the supervisor: it sees to the packages, copies the tree into
# a throwaway folder that belongs to an unprivileged user, lets test/inside.sh
# do the work there as that user, and on any exit ends every process of the
# folder and removes it.  Nothing but Debian packages reaches the system.
set -u
step=${1:-}
top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1

case $step in
check | check-core | demo | psql | lint | bench | sanitize | soak | fuzz | format | majors | fresh) ;;
*)
	echo "usage: test/run.sh check|check-core|demo|psql|lint|bench|format|sanitize|majors|fresh|soak|fuzz" >&2
	exit 2
	;;
esac

export LC_ALL=C.UTF-8
pg=$("$top/test/packages.sh" "$step") || exit 1
pg=${pg##*$'\n'}

# These work on the checkout or beside it and need no server here.
case $step in
format)
	cd "$top" && find src test/fuzz -name '*.[ch]' -exec clang-format-14 -i {} + 2>/dev/null
	exit 0
	;;
majors) exec "$top/test/majors.sh" ${GDPR_MAJORS:-15 17 18} ;;
fresh) exec "$top/test/fresh.sh" ;;
esac

work=
pid=

# Every process that works inside our folder: postmasters leave our process
# group (pg_ctl gives them a session), so they are found by their folder.
processes() {
	find /proc -mindepth 2 -maxdepth 2 -name cwd \( -lname "$work" -o -lname "$work/*" -o -lname "$work (deleted)" \) \
		-printf '%h\n' 2>/dev/null | sed 's,.*/,,'
	# Without /proc the pid files have to do.
	[ -e /proc/self/cwd ] || find "$work" -name postmaster.pid -exec head -qn1 {} + 2>/dev/null
}

end_processes() {
	local sig list
	for sig in QUIT QUIT KILL KILL; do
		list=$(processes)
		[ -z "$list" ] && return
		kill -$sig $list 2>/dev/null
		for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			[ -z "$(processes)" ] && return
			sleep 0.1
		done
	done
}

finish() {
	local rc=$?
	trap '' INT TERM HUP
	trap - EXIT
	if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
		kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null
	fi
	if [ -n "$work" ] && [ -d "$work" ]; then
		end_processes
		if [ -n "$(ls -A "$work/out" 2>/dev/null)" ]; then
			rm -rf "$top/build"
			mkdir -p "$top/build" && tar -C "$work/out" -cf - . |
				tar -C "$top/build" --no-same-owner -xf -
			[ "$(id -u)" = 0 ] && chown -R --reference="$top" "$top/build"
			echo "logs and differences: $top/build" >&2
		fi
		rm -rf "$work"
	fi
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

rm -rf "$top/build"

# A short path: the name of a unix socket has at most 107 bytes.
work=$(mktemp -d "${GDPR_TMP:-/tmp}/gdpr.XXXXXX") || exit 1
mkdir "$work/tree" "$work/tmp" "$work/out"
if [ "$(id -u)" = 0 ]; then
	user=postgres
	if ! id $user >/dev/null 2>&1; then
		echo "run.sh: user $user is missing; servers do not run as root" >&2
		exit 1
	fi
	# No function: a shell would stand between us and what we end.
	as=(setpriv --reuid=$user --regid=$user --init-groups --)
	chown -R $user: "$work"
else
	user=$(id -un)
	as=()
fi
chmod 711 "$work"

# The checkout may lie in a folder that only its owner can read.
tar -C "$top" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' \
	--exclude='*.so' --exclude=./results --exclude=./tmp_check --exclude=./output_iso \
	-cf - . | (cd / && "${as[@]}" tar -C "$work/tree" --no-same-owner -xf -) || exit 1
cd / || exit 1

env=(PATH="$PATH" HOME="$work" TMPDIR="$work/tmp" LC_ALL=C.UTF-8 LANG=C.UTF-8 TZ=UTC
	TERM="${TERM:-dumb}" USER="$user" LOGNAME="$user" WORK="$work" GDPR_PG="$pg")
for v in ${!GDPR_@}; do
	[ "$v" = GDPR_PG ] || env+=("$v=${!v}")
done
# This step fetches a source package, by the way that apt takes.
[ "$step" = check-core ] && env+=(${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"})

# A step runs in a process group of its own and is waited for, so that a signal
# to us acts at once.
run() {
	local rc
	set -m
	"${as[@]}" env -i "${env[@]}" PAGER=cat bash "$work/tree/test/inside.sh" "$1" </dev/null &
	pid=$!
	set +m
	wait "$pid"
	rc=$?
	pid=
	return $rc
}

if [ "$step" != psql ]; then
	run "$step"
	exit $?
fi

run psql-server || exit 1
. "$work/server.env"
# psql shares our process group, for the terminal's sake, and takes Ctrl-C itself.
trap : INT
exec 3<&0
"${as[@]}" env -C "$work" -i "${env[@]}" PAGER="${PAGER:-}" PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER="$PGUSER" \
	PGDATABASE="$PGDATABASE" "/usr/lib/postgresql/$pg/bin/psql" <&3 &
pid=$!
while :; do
	wait "$pid"
	rc=$?
	kill -0 "$pid" 2>/dev/null || break
done
pid=
exit $rc
