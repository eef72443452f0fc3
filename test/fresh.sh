#!/bin/bash
# fresh.sh: what a stranger meets.  "make demo" and "make check" in a new Debian 12
# (debootstrap, minbase) with nothing but git and make, as root, without a terminal
# and without input, from a checkout in a folder that only root can read.
# Ends with "N passed, N failed".
set -u
top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$top/test/lib/chroot.sh"

need_root fresh
make_chroot bookworm git,make || exit 1
copy_tree "$top" /root/gdpr_ext
in_chroot chmod 700 /root/gdpr_ext

passed=0
failed=0

# Told not to install, it names what is missing and stops.
if waited in_chroot env GDPR_NO_INSTALL=1 make -C /root/gdpr_ext check >/dev/null ||
	! grep -q 'missing:.* postgresql-15 ' "$chroot_log"; then
	cat "$chroot_log"
	echo "  FAIL  GDPR_NO_INSTALL=1 names what is missing"
	failed=$((failed + 1))
else
	echo "  ok    GDPR_NO_INSTALL=1 names what is missing"
	passed=$((passed + 1))
fi

for step in demo check; do
	echo
	echo "== make $step in a new Debian 12"
	began=$(date +%s)
	if waited in_chroot make -C /root/gdpr_ext $step; then
		echo "  ok    make $step ($(($(date +%s) - began)) s)"
		passed=$((passed + 1))
	else
		echo "  FAIL  make $step ($(($(date +%s) - began)) s)"
		failed=$((failed + 1))
	fi
	left=$(left_behind)
	if [ -n "$left" ]; then
		echo "  FAIL  make $step leaves behind: $left"
		failed=$((failed + 1))
	else
		echo "  ok    make $step leaves nothing behind"
		passed=$((passed + 1))
	fi
done
echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
