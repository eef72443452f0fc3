#!/bin/sh
# The library exports what SQL and PostgreSQL call, and nothing else.
# needs: build
set -u
so=${GDPR_SO:-gdpr_ext.so}
sql=$(ls sql/gdpr_ext--*.sql | grep -v -- '--.*--' | head -n1)
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
nm -D --defined-only "$so" | awk '{ print $NF }' | LC_ALL=C sort >"$t/exported"
[ -s "$t/exported" ] || { echo "$so: exports nothing"; exit 1; }

# C functions that SQL names: AS 'MODULE_PATHNAME', 'symbol'; without a symbol
# the function's own name is it.
perl -0777 -ne '
	s/--[^\n]*//g;
	while (/CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+(?:[\w@]+\.)?"?(\w+)"?(.*?);/gis) {
		my ($name, $rest) = ($1, $2);
		next unless $rest =~ /\bAS\s+\x27(?:MODULE_PATHNAME|\$libdir\/gdpr_ext)\x27\s*(?:,\s*\x27(\w+)\x27)?/is;
		print defined $1 ? $1 : $name, "\n";
	}' "$sql" | LC_ALL=C sort -u >"$t/sql"

# Background workers are looked up by name.
grep -rhoE 'bgw_function_name[^;]*"[a-z_]+"' src | grep -oE '"[a-z_]+"' | tr -d '"' >"$t/workers"

{
	echo Pg_magic_func
	echo _PG_init
	cat "$t/sql" "$t/workers"
	sed 's/^/pg_finfo_/' "$t/sql"
} | LC_ALL=C sort -u >"$t/allowed"
LC_ALL=C comm -23 "$t/exported" "$t/allowed" |
	sed "s/.*/&: exported, but neither SQL nor the server calls it by name/" >"$t/bad"
cat "$t/bad"
[ ! -s "$t/bad" ]
