#!/bin/sh
# The OBJS of the Makefile are the .c files of src/, each once, sorted.
set -u
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
failed=0
awk '/^OBJS *=/ { on = 1; sub(/^OBJS *=/, "") }
	on { more = /\\$/; sub(/\\$/, ""); for (i = 1; i <= NF; i++) print $i; if (!more) exit }' \
	Makefile | sed 's/\.o$/.c/' >"$t/listed"
find src -name '*.c' | LC_ALL=C sort >"$t/there"
LC_ALL=C sort -u "$t/listed" >"$t/sorted"
if ! cmp -s "$t/listed" "$t/sorted"; then
	echo "Makefile: OBJS is not sorted (LC_ALL=C), or names a file twice:"
	diff "$t/listed" "$t/sorted"
	failed=1
fi
if ! cmp -s "$t/sorted" "$t/there"; then
	echo "Makefile: OBJS (<) and src/ (>) differ:"
	diff "$t/sorted" "$t/there"
	failed=1
fi
exit $failed
