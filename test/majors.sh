#!/bin/bash
# majors.sh MAJOR...: the suites on each PostgreSQL major, in the Debian release
# that has its packages (debootstrap, minbase).  One result line a major; a major
# whose packages are not found counts as failed.  What failed is in build/majors-N.
#
# GDPR_ONLY picks suites (default: build regress isolation pgtap tap readme).
set -u
top=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$top/test/lib/chroot.sh"

need_root majors
[ $# -gt 0 ] || set -- 15 17 18
passed=0
failed=0
lines=()

result() { # ok|FAIL TEXT
	lines+=("  $1  PostgreSQL $2")
	echo "  $1  PostgreSQL $2"
	if [ "$1" = "ok  " ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

major() {
	local n=$1 release last
	case $n in
	15) release=bookworm ;;
	17) release=trixie ;;
	18) release=sid ;;
	*)
		result FAIL "$n: no Debian release that this script knows has its packages"
		return
		;;
	esac
	echo
	echo "== PostgreSQL $n in Debian $release"
	if ! make_chroot $release make; then
		result FAIL "$n: $release cannot be set up"
		return
	fi
	if ! in_chroot apt-cache policy postgresql-server-dev-$n | grep -q 'Candidate: [^(]'; then
		result FAIL "$n: packages of PostgreSQL $n are not found in $release"
		return
	fi
	copy_tree "$top" /root/gdpr_ext
	if waited in_chroot env GDPR_PG=$n GDPR_LLVM="${GDPR_LLVM:-yes}" GDPR_TESTS="${GDPR_TESTS:-}" \
		GDPR_ONLY="${GDPR_ONLY:-build regress isolation pgtap tap readme}" \
		make -C /root/gdpr_ext check; then
		result "ok  " "$n ($release): $(grep -E '^[0-9]+ passed, [0-9]+ failed' "$chroot_log" | tail -n1)"
	else
		last=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$chroot_log" | tail -n1)
		rm -rf "$top/build/majors-$n"
		mkdir -p "$top/build" && cp -r "$chroot/root/gdpr_ext/build" "$top/build/majors-$n" 2>/dev/null
		result FAIL "$n ($release): ${last:-it did not come to the tests}"
	fi
}

for n; do
	major "$n"
	remove_chroot
done
echo
printf '%s\n' "${lines[@]}"
echo
echo "$passed passed, $failed failed"
[ $failed = 0 ]
