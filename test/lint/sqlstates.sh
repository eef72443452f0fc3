#!/bin/sh
# The SQLSTATEs of src/base/errors.h are the PD rows of docs/errors.md, which names
# every other SQLSTATE that is raised too.
# needs: build
set -u
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
grep -oE "MAKE_SQLSTATE *\([^)]*\)" src/base/errors.h | grep -oE "'.'" | tr -d "'\n" |
	fold -w5 >"$t/lines"
echo >>"$t/lines"
grep -E '^PD' "$t/lines" | LC_ALL=C sort >"$t/code"
[ -s "$t/code" ] || { echo "src/base/errors.h: no SQLSTATE found"; exit 1; }
grep -oE '^\| *`PD[0-9A-Z]{3}`' docs/errors.md | grep -oE 'PD[0-9A-Z]{3}' | LC_ALL=C sort >"$t/docs"
if ! cmp -s "$t/code" "$t/docs"; then
	echo "SQLSTATEs of src/base/errors.h (<) and rows of docs/errors.md (>) differ:"
	diff "$t/code" "$t/docs"
	exit 1
fi
if grep -rnE '#[ \t]*define[ \t]+ERRCODE_' src --include='*.[ch]' | grep -v '^src/base/errors\.h:'; then
	echo "SQLSTATEs are named in src/base/errors.h only"
	exit 1
fi

# Standard codes by the server's list of names; WARNING is no error.
names=$(pg_config --includedir-server)/utils/errcodes.h
[ -e "$names" ] || { echo "$names is missing"; exit 1; }
grep -rhoE 'errcode\(ERRCODE_[A-Z_0-9]+' src --include='*.[ch]' | sed 's/.*(//' |
	LC_ALL=C sort -u | grep -vE '^ERRCODE_(GDPR_.*|WARNING)$' >"$t/raised"
failed=0
while read -r name; do
	code=$(grep -E "^#define $name " "$names" | grep -oE "'.'" | tr -d "'\n")
	if [ -z "$code" ] || ! grep -E '^\|' docs/errors.md | grep -q "\`$code\`"; then
		echo "docs/errors.md: $code ($name) is raised and not there"
		failed=1
	fi
done <"$t/raised"
exit $failed
