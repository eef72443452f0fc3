#!/bin/sh
# The settings stand in src/base/guc.c in alphabetical order, and docs/settings.md
# has a row for each and for no other.
set -u
[ -e src/base/guc.c ] || { echo "src/base/guc.c is missing"; exit 1; }
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
failed=0
# A setting is a string "gdpr.name" that begins an item of the table or an argument.
grep -oE '[{(][ \t]*"gdpr\.[a-z_]+"|^[ \t]*"gdpr\.[a-z_]+"|\.name *= *"gdpr\.[a-z_]+"' src/base/guc.c |
	grep -oE 'gdpr\.[a-z_]+' | awk '!seen[$0]++' >"$t/code"
[ -s "$t/code" ] || { echo "src/base/guc.c: no setting found"; exit 1; }
LC_ALL=C sort "$t/code" >"$t/sorted"
if ! cmp -s "$t/code" "$t/sorted"; then
	echo "src/base/guc.c: the settings are not in alphabetical order:"
	diff "$t/code" "$t/sorted"
	failed=1
fi
grep -oE '^\| *`gdpr\.[a-z_]+`' docs/settings.md | grep -oE 'gdpr\.[a-z_]+' | LC_ALL=C sort >"$t/docs"
if ! cmp -s "$t/sorted" "$t/docs"; then
	echo "settings of src/base/guc.c (<) and rows of docs/settings.md (>) differ:"
	diff "$t/sorted" "$t/docs"
	failed=1
fi
exit $failed
