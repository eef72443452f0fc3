# chroot.sh: throwaway Debian systems.  Sourced by fresh.sh and majors.sh.
#
# GDPR_MIRROR   where packages come from; default: where this system's come from
# GDPR_CHROOTS  folder for the systems (default /var/tmp); they need 2 GB each

chroot=
chroot_pid=
chroot_log=$(mktemp)

need_root() {
	[ "$(id -u)" = 0 ] && return
	echo "$1: debootstrap and chroot need root" >&2
	exit 1
}

chroot_processes() {
	[ -n "$chroot" ] || return
	find /proc -mindepth 2 -maxdepth 2 -name root -lname "$chroot" -printf '%h\n' 2>/dev/null | sed 's,.*/,,'
}

remove_chroot() {
	local list
	[ -n "$chroot" ] || return
	for _ in 1 2 3; do
		list=$(chroot_processes)
		[ -z "$list" ] && break
		kill -KILL $list 2>/dev/null
		sleep 0.3
	done
	umount -R "$chroot/proc" 2>/dev/null
	# Never reach through a mount that stayed.
	rm -rf --one-file-system "$chroot"
	chroot=
}

chroot_finish() {
	local rc=$?
	trap '' INT TERM HUP
	if [ -n "$chroot_pid" ]; then
		kill -TERM -- $(jobs -p | sed 's/^/-/') 2>/dev/null
		sleep 1
	fi
	remove_chroot
	rm -f "$chroot_log" "$chroot_log.rc"
	exit $rc
}
trap chroot_finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# make_chroot RELEASE PACKAGES
make_chroot() {
	local mirror=${GDPR_MIRROR:-}
	remove_chroot
	chroot=$(mktemp -d "${GDPR_CHROOTS:-/var/tmp}/gdpr-$1.XXXXXX") || return 1
	chmod 755 "$chroot"
	if [ -z "$mirror" ]; then
		mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 2>/dev/null |
			sed -n 's/ Debian Debian$//p' | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
	fi
	echo "debootstrap $1 ($(date +%T))"
	if ! waited debootstrap --variant=minbase --include="$2" "$1" "$chroot" $mirror >/dev/null; then
		tail -n 20 "$chroot_log"
		return 1
	fi
	# What lets apt reach the mirror here lets it reach it there.
	cp /etc/resolv.conf "$chroot/etc/resolv.conf" 2>/dev/null
	grep -hiE '^ *acquire::[a-z]*::?proxy' /etc/apt/apt.conf /etc/apt/apt.conf.d/* \
		>"$chroot/etc/apt/apt.conf.d/00mirror" 2>/dev/null
	# A snapshot of a moving release is not fresh; its signature still holds.
	[ "$1" = sid ] && echo 'Acquire::Check-Valid-Until "false";' >"$chroot/etc/apt/apt.conf.d/00valid"
	mount -t proc proc "$chroot/proc" 2>/dev/null
	in_chroot apt-get -qq update >"$chroot_log" 2>&1 || tail -n 5 "$chroot_log"
	return 0
}

# Runs a command as root in the system, with an environment of a new login.
in_chroot() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		TERM=dumb ${http_proxy:+http_proxy="$http_proxy"} chroot "$chroot" "$@"
}

# waited COMMAND...: in a process group of its own, waited for, so that a signal to
# us acts at once; its output is kept in $chroot_log too.
waited() {
	local rc
	set -m
	{ "$@" 2>&1; echo $? >"$chroot_log.rc"; } </dev/null | tee "$chroot_log" &
	chroot_pid=$!
	set +m
	wait "$chroot_pid"
	chroot_pid=
	rc=$(cat "$chroot_log.rc" 2>/dev/null || echo 1)
	rm -f "$chroot_log.rc"
	return "$rc"
}

# copy_tree FROM TO: as a checkout would be, without what was built
copy_tree() {
	mkdir -p "$chroot$2"
	tar -C "$1" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude=./results -cf - . | tar -C "$chroot$2" --no-same-owner -xf -
}

# What a run leaves: processes, work folders, a cluster, our drop-in.
left_behind() {
	chroot_processes | sed 's/^/process /'
	find "$chroot/tmp" -mindepth 1 -maxdepth 1 | sed "s,^$chroot,,"
	find "$chroot/var/lib/postgresql" -mindepth 2 -maxdepth 2 2>/dev/null | sed "s,^$chroot,,"
	find "$chroot/etc/postgresql-common/createcluster.d" -name 'gdpr_ext*' 2>/dev/null | sed "s,^$chroot,,"
}
