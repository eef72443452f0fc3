#!/bin/sh
# The version has one source, default_version of the control file; META.json and
# the newest heading of CHANGELOG.md agree with it.
set -u
failed=0
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" gdpr_ext.control)
[ -n "$version" ] || { echo "gdpr_ext.control: no default_version"; exit 1; }
# meta-spec has a version of its own.
grep -v 'meta-spec' META.json | sed '/"version": "1.0.0",$/{N;/pgxn.org/d}' |
	sed -n 's/.*"version" *: *"\([^"]*\)".*/\1/p' | sort -u | {
	read -r meta && [ "$meta" = "$version" ] && ! read -r more
} || { echo "META.json: every version but the one of meta-spec is $version"; failed=1; }
head=$(sed -n 's/^## \([^ ]*\).*/\1/p' CHANGELOG.md | head -n1)
[ "$head" = "$version" ] || { echo "CHANGELOG.md: newest heading is '$head', not $version"; failed=1; }
if ls sql/gdpr_ext--*--*.sql >/dev/null 2>&1 && ! ls sql/gdpr_ext--*--"$version".sql >/dev/null 2>&1; then
	echo "sql/: no upgrade script leads to $version"
	failed=1
fi
exit $failed
