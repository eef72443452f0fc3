#!/bin/sh
# The version has one source, default_version of the control file; META.json and
# the newest heading of CHANGELOG.md agree with it.
set -u
failed=0
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" gdpr_ext.control)
[ -n "$version" ] || { echo "gdpr_ext.control: no default_version"; exit 1; }
for v in $(sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p' META.json | grep -v '^1\.0\.0$'); do
	[ "$v" = "$version" ] || { echo "META.json: version $v, but gdpr_ext.control says $version"; failed=1; }
done
[ "$(grep -c "\"version\" *: *\"$version\"" META.json)" = 2 ] ||
	{ echo "META.json: the distribution and what it provides are both version $version"; failed=1; }
head=$(sed -n 's/^## \([^ ]*\).*/\1/p' CHANGELOG.md | head -n1)
[ "$head" = "$version" ] || { echo "CHANGELOG.md: newest heading is '$head', not $version"; failed=1; }
if ls sql/gdpr_ext--*--*.sql >/dev/null 2>&1 && ! ls sql/gdpr_ext--*--"$version".sql >/dev/null 2>&1; then
	echo "sql/: no upgrade script leads to $version"
	failed=1
fi
exit $failed
