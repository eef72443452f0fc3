#!/usr/bin/env bash
# reencrypt.sh ROWS ROUNDS: CALL gdpr.reencrypt() beside one UPDATE of the same rows, and what others' lookups notice of both.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=$1 rounds=$2
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

# 99 of 100 lookups take at most so many milliseconds.
p99() { cat "$logs"/"$1".* | awk '{ print $3 / 1000 }' | sort -n | awk '{ a[NR] = $1 } END { print a[int(NR * 0.99)] }'; }

# lookups NAME SECONDS: two clients look up one row after the other, with a rest as applications have.
lookups() {
	cat >"$logs/lookup.sql" <<SQL
\set id random(1, $rows)
SELECT n FROM bench.person WHERE id = :id;
\sleep 2 ms
SQL
	pgbench -n -c 2 -M prepared -T "$2" -f "$logs/lookup.sql" -l --log-prefix="$logs/$1" >/dev/null 2>&1
}

q -f "$here/sql/measure.sql"
q -v rows="$rows" -f "$here/sql/reencrypt_setup.sql"
for round in $(seq 0 "$rounds"); do
	for how in plain update reencrypt; do
		q -v round="$round" -v how="$how" -f "$here/sql/reencrypt_round.sql"
	done
done

q -P pager=off <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo milliseconds for all rows, medians:
SELECT name, round(ms::numeric) AS ms, rounds FROM bench.median ORDER BY name;
\echo gdpr.reencrypt over one UPDATE of the same rows in a plain table, median of the rounds; the aim is at most 2:
SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 2) AS ratio, 2 AS aim
FROM bench.result r JOIN bench.result p USING (round) WHERE r.name = 'reencrypt reencrypt' AND p.name = 'reencrypt plain';
SQL

for round in $(seq 1 "$rounds"); do
	for how in quiet throttled plain reencrypt; do
		case $how in
		quiet) work="SELECT 1" ;;
		throttled) work="SELECT gdpr.rotate_context('bench') \g /dev/null
CALL gdpr.reencrypt('bench.person', '{\"batch_size\": 1000, \"delay_ms\": 100}')" ;;
		plain) work="UPDATE bench.person SET email = email::text" ;;
		reencrypt) work="SELECT gdpr.rotate_context('bench') \g /dev/null
CALL gdpr.reencrypt('bench.person')" ;;
		esac
		q -c 'VACUUM bench.person' -c CHECKPOINT
		rm -f "$logs/$how".*
		PGAPPNAME=worker psql -X -q <<<"SET client_min_messages = error;
$work;" >/dev/null 2>&1 &
		lookups "$how" 6
		psql -X -q -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'worker'" >/dev/null
		wait
		q -c "INSERT INTO bench.result VALUES ($round, 'p99 $how', $(p99 "$how"))"
	done
done
q -P pager=off <<'SQL'
\echo 99 of 100 lookups of one row by its key took at most so many milliseconds, beside what is named, medians:
SELECT name, round(ms::numeric, 3) AS ms, rounds FROM bench.median WHERE name LIKE 'p99%' ORDER BY name;
\echo over those that nothing ran beside, medians of the rounds; the aim is at most 1.2:
SELECT r.name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 2) AS ratio
FROM bench.result r JOIN bench.result p USING (round) WHERE p.name = 'p99 quiet' AND r.name LIKE 'p99%' AND r.name <> p.name
GROUP BY r.name ORDER BY r.name;
SQL
