#!/usr/bin/env bash
# Export and forget of one subject in a small and a large database, beside hand-written SQL.
# rights.sh SMALL LARGE ROUNDS (numbers of subjects, 51 rows each), in a database of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
small=${1:-10000} large=${2:-100000} rounds=${3:-5}
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -c 'CREATE EXTENSION IF NOT EXISTS gdpr_ext' -f "$here/sql/measure.sql" -f "$here/sql/rights_functions.sql"
q -v schema=small -v subjects="$small" -f "$here/sql/rights_setup.sql" >/dev/null
q -v schema=large -v subjects="$large" -f "$here/sql/rights_setup.sql" >/dev/null

for round in $(seq 0 "$rounds"); do		# round 0 warms and is not counted
	for schema in small large; do
		q -v round="$round" -v schema="$schema" -v first=$((round * 150 + 1)) <<'SQL'
INSERT INTO bench.result SELECT :round, 'hand export ' || :'schema', bench.per_call(bench.hand_export(:'schema'), :first, 100, false);
INSERT INTO bench.result SELECT :round, 'gdpr_export ' || :'schema', bench.per_call(format('SELECT gdpr_export($1::text, %L)', :'schema'), :first, 100, false);
INSERT INTO bench.result SELECT :round, 'hand delete ' || :'schema', bench.per_call(format('DELETE FROM %I.subject WHERE id = $1 RETURNING 1', :'schema'), :first, 100, true);
INSERT INTO bench.result SELECT :round, 'gdpr_forget ' || :'schema', bench.per_call(format('SELECT gdpr_forget($1::text, %L)', :'schema'), :first, 100, true);
SQL
	done
done

q -P pager=off <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo
\echo milliseconds a call, medians:
SELECT name, round(ms::numeric, 3) AS ms, rounds FROM bench.median ORDER BY name;
\echo large over small, by hand and by us; the aim is ours at most 1.2 times by hand:
WITH m AS (SELECT name, ms FROM bench.median), r(verb, hand, ours) AS (
	SELECT 'export', h2.ms / h1.ms, o2.ms / o1.ms FROM m h1, m h2, m o1, m o2
	WHERE h1.name = 'hand export small' AND h2.name = 'hand export large'
	  AND o1.name = 'gdpr_export small' AND o2.name = 'gdpr_export large'
	UNION ALL
	SELECT 'forget', h2.ms / h1.ms, o2.ms / o1.ms FROM m h1, m h2, m o1, m o2
	WHERE h1.name = 'hand delete small' AND h2.name = 'hand delete large'
	  AND o1.name = 'gdpr_forget small' AND o2.name = 'gdpr_forget large')
SELECT verb, round(hand::numeric, 2) AS hand, round(ours::numeric, 2) AS ours,
	   round((ours / hand)::numeric, 2) AS ratio, 1.2 AS aim FROM r;
SQL
