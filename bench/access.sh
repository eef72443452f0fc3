#!/usr/bin/env bash
# access.sh ROWS ROUNDS: a rule with a purpose, beside hand-written conditions and no policy at all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=$1 rounds=$2
subjects=$((rows / 100))

q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql"
q -v rows="$rows" -f "$here/sql/access_setup.sql" >/dev/null
for round in $(seq 0 "$rounds"); do
	q -v round="$round" -v subjects="$subjects" >/dev/null <<'SQL'
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET ROLE bench_reader;
BEGIN;
SELECT gdpr.begin_work('bench');
SELECT bench.timed(:round, 'scan, no condition', 'SELECT count(*), sum(length(payload)) FROM bench.plain WHERE $1 IS NOT NULL', 3, :subjects);
SELECT bench.timed(:round, 'scan, WHERE IN', 'SELECT count(*), sum(length(payload)) FROM bench.plain WHERE $1 IS NOT NULL AND subject IN (SELECT subject FROM bench.consent WHERE granted)', 3, :subjects);
SELECT bench.timed(:round, 'scan, rule', 'SELECT count(*), sum(length(payload)) FROM bench.ruled WHERE $1 IS NOT NULL', 3, :subjects);
SELECT bench.timed(:round, 'scan, asked each row', 'SELECT count(*), sum(length(payload)) FROM bench.each WHERE $1 IS NOT NULL', 3, :subjects);
SELECT bench.points(:round, 'points, no policy', 'bench.plain', 2000, :subjects);
SELECT bench.points(:round, 'points, rule', 'bench.ruled', 2000, :subjects);
SELECT bench.points(:round, 'points, asked each row', 'bench.each', 2000, :subjects);
COMMIT;
SQL
done

q -P pager=off <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo milliseconds, medians:
SELECT name, round(ms::numeric, 1) AS ms, rounds FROM bench.median ORDER BY name;
\echo ratios, medians over the rounds; the aims are 1.0 and 1.15:
SELECT r.name, p.name AS over, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 2) AS ratio
FROM bench.result r JOIN bench.result p USING (round)
WHERE (r.name ~ '^scan, (rule|asked)' AND p.name = 'scan, WHERE IN') OR (r.name ~ '^points, (rule|asked)' AND p.name = 'points, no policy')
GROUP BY r.name, p.name ORDER BY p.name DESC, r.name;
SQL
