#!/usr/bin/env bash
# access.sh ROWS ROUNDS: reading under a rule with a purpose, beside a hand-written condition and beside no rule.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=$1 rounds=$2

q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql"
q -v rows="$rows" -f "$here/sql/access_setup.sql" -o /dev/null
for round in $(seq 0 "$rounds"); do
	q -v round="$round" -f "$here/sql/access_round.sql"
done

q -P pager=off <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo milliseconds, medians (point: 2000 executions of one plan, a hundred rows each; one: 20,000, one row each):
SELECT name, round(ms::numeric, 1) AS ms, rounds FROM bench.median ORDER BY name;
\echo the rule over what it is compared with, medians of the rounds:
SELECT what, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / o.ms)::numeric, 3) AS ratio, aim
FROM (VALUES ('scan, by the hand-written IN', 'scan rule', 'scan in', 1.0), ('scan, by no rule', 'scan rule', 'scan plain', NULL),
	('point read, by no rule', 'point ruled', 'point unbound', 1.15),
	('one row, by no rule', 'one ruled', 'one unbound', NULL)) AS x (what, ours, theirs, aim)
JOIN bench.result r ON r.name = ours JOIN bench.result o ON o.name = theirs AND o.round = r.round
GROUP BY what, aim ORDER BY what;
DROP OWNED BY bench_reader, bench_unbound;
DROP ROLE bench_reader, bench_unbound;
SQL
