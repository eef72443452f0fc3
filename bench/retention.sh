#!/usr/bin/env bash
# retention.sh ROWS ROUNDS: CALL gdpr.run_retention() beside one UPDATE of the same four columns.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=$1 rounds=$2

q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql"
q -v rows="$rows" -f "$here/sql/retention_setup.sql"
for round in $(seq 0 "$rounds"); do
	for how in plain rule; do
		q -v round="$round" -v how="$how" -f "$here/sql/retention_round.sql"
	done
done

q -P pager=off -v rows="$rows" <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo milliseconds for all rows, medians:
SELECT name, round(ms::numeric) AS ms, rounds FROM bench.median ORDER BY name;
\echo retention over one plain UPDATE, median of the rounds; the aim is at most 1.3:
SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 2) AS ratio, 1.3 AS aim
FROM bench.result r JOIN bench.result p USING (round) WHERE r.name = 'retention rule' AND p.name = 'retention plain';
SQL
