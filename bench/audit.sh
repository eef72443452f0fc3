#!/usr/bin/env bash
# audit.sh ROWS ROUNDS SECONDS: bulk updates and pgbench's TPC-B with audited writes, beside plain.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=$1 rounds=$2 seconds=$3

q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql"
q -v rows="$rows" -f "$here/sql/audit_setup.sql"
for round in $(seq 0 "$rounds"); do
	q -v round="$round" -f "$here/sql/audit_round.sql"
done

q -P pager=off <<'SQL'
DELETE FROM bench.result WHERE round = 0;
\echo milliseconds for all rows, medians:
SELECT name, round(ms::numeric) AS ms, rounds FROM bench.median ORDER BY ms;
\echo over plain, medians of the rounds; the aim of ours is at most 2:
SELECT r.name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 2) AS ratio
FROM bench.result r JOIN bench.result p USING (round) WHERE p.name = 'update plain' AND r.name <> p.name GROUP BY r.name ORDER BY 2;
SQL

# The server's processor time, in clock ticks: the postmaster's own and that of its children, dead ones too.
postmaster=$(head -n 1 "$GDPR_PGDATA/postmaster.pid")
ticks() {
	local total=0 f stat
	for f in /proc/[0-9]*/stat; do
		stat=$(cat "$f" 2>/dev/null) || continue
		set -- ${stat##*) }
		[ "${stat%% *}" = "$postmaster" ] && total=$((total + ${12} + ${13} + ${14} + ${15}))
		[ "$2" = "$postmaster" ] && total=$((total + ${12} + ${13}))
	done
	echo $total
}

# one DATABASE: microseconds of processor time a transaction
one() {
	local before after n
	q -d "$1" -c CHECKPOINT
	before=$(ticks)
	n=$(pgbench -n -M prepared -c 4 -j 2 -T "$seconds" "$1" 2>/dev/null | sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
	after=$(ticks)
	echo $(((after - before) * 1000000 / $(getconf CLK_TCK) * 10 / n))
}

base=$PGDATABASE
for db in plain protected; do
	createdb "${base}_$db"
	pgbench -i -q -s 20 "${base}_$db" >/dev/null 2>&1
done
q -d "${base}_protected" -o /dev/null <<'SQL'
CREATE EXTENSION gdpr_ext;
SELECT gdpr.protect(oid::regclass) FROM pg_class WHERE relname IN ('pgbench_accounts', 'pgbench_branches', 'pgbench_tellers', 'pgbench_history');
SQL
one "${base}_plain" >/dev/null
one "${base}_protected" >/dev/null
for round in $(seq 1 "$rounds"); do
	p=$(one "${base}_plain")
	r=$(one "${base}_protected")
	q -c "INSERT INTO bench.result VALUES ($round, 'tpcb plain', $p / 10.0), ($round, 'tpcb protected', $r / 10.0)"
done
q -P pager=off <<'SQL'
\echo TPC-B, four protected tables: microseconds of the server''s processor time a transaction, medians:
SELECT name, round(ms::numeric, 1) AS us, rounds FROM bench.median WHERE name LIKE 'tpcb%' ORDER BY name;
\echo protected over plain, median of the rounds; the aim is at most 1.15:
SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / p.ms)::numeric, 3) AS ratio, 1.15 AS aim
FROM bench.result r JOIN bench.result p USING (round) WHERE r.name = 'tpcb protected' AND p.name = 'tpcb plain';
SQL
