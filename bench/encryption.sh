#!/usr/bin/env bash
# What an encrypted column costs over a plain one, beside OpenSSL alone and pgcrypto.
# encryption.sh ROWS ROUNDS, in a database of its own on a quiet server (PG* environment).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${1:-1000000} rounds=${2:-5}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

${CC:-cc} -O2 -o "$tmp/bare" "$here/bare.c" -lcrypto

# 100 bound inserts a transaction in one pipeline, by the processor time that the
# server's ended processes took: the client's time and its waits say nothing here.
bound() {
	{ echo '\startpipeline'; echo 'BEGIN;'
	  for _ in $(seq 100); do echo "INSERT INTO bench.$1 VALUES (:v);"; done
	  echo 'COMMIT;'; echo '\endpipeline'; } > "$tmp/$1.pgbench"
}
bound plain; bound enc; bound storage
postmaster=$(head -1 "$(psql -XAtc 'SHOW data_directory')/postmaster.pid")
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($16 + $17) / hz }' "/proc/$postmaster/stat"; }
per_value() {				# table, value: microseconds a value
	local n=$((rows / 200)) before
	psql -X -q -c "TRUNCATE bench.$1" -c CHECKPOINT
	before=$(cpu)
	pgbench -n -M prepared -t $n -D "v=$2" -f "$tmp/$1.pgbench" >/dev/null 2>&1
	sleep 0.3				# until the postmaster has reaped the backend
	cpu | awk -v before="$before" -v n=$n '{ print ($1 - before) * 1e6 / (n * 100) }'
}

q -f "$here/sql/measure.sql" -v rows="$rows" -f "$here/sql/encryption_setup.sql" >/dev/null
wide='\x'$(printf 'ab%.0s' $(seq 78))
for round in $(seq "$rounds"); do
	q -v round="$round" -f "$here/sql/encryption_round.sql"
	"$tmp/bare" | while read -r name ns; do
		q -c "INSERT INTO bench.result VALUES ($round, 'bare $name', $ns * $rows / 1e6)"
	done
	for t in plain enc storage; do
		v=user000000001@example.org; [ $t = storage ] && v=$wide
		us=$(per_value $t "$v")
		q -c "INSERT INTO bench.result VALUES ($round, 'bound $t', $us * $rows / 1e3)"
	done
done

q -P pager=off -v rows="$rows" <<'SQL'
\echo
\echo nanoseconds a value, medians:
SELECT name, round((ms * 1e6 / :rows * CASE WHEN name LIKE '%(1/50)' THEN 50 ELSE 1 END)::numeric, 0) AS ns, rounds
FROM bench.median ORDER BY name;
\echo against the aims, medians of the per-round ratios of (cost over plain) to (OpenSSL alone)
WITH r AS (
	SELECT round,
		   max(ms) FILTER (WHERE name = 'write plain') AS wp,
		   max(ms) FILTER (WHERE name = 'write storage') AS ws,
		   max(ms) FILTER (WHERE name = 'write enctext') AS we,
		   max(ms) FILTER (WHERE name = 'read plain') AS rp,
		   max(ms) FILTER (WHERE name = 'read enctext') AS re,
		   max(ms) FILTER (WHERE name = 'bound plain') AS bp,
		   max(ms) FILTER (WHERE name = 'bound storage') AS bs,
		   max(ms) FILTER (WHERE name = 'bound enc') AS be,
		   max(ms) FILTER (WHERE name = 'bare encrypt_with_tag') AS ce,
		   max(ms) FILTER (WHERE name = 'bare decrypt') AS cd
	FROM bench.result GROUP BY round)
SELECT 'INSERT ... SELECT, without storage' AS cost,
	   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (we - greatest(ws, wp)) / ce))::numeric, 2) AS times_bare, 1.5 AS aim FROM r
UNION ALL
SELECT 'INSERT ... SELECT, over plain text',
	   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (we - wp) / ce))::numeric, 2), NULL FROM r
UNION ALL
SELECT 'bound parameter, without storage',
	   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (be - greatest(bs, bp)) / ce))::numeric, 2), 2.5 FROM r
UNION ALL
SELECT 'bound parameter, over plain text',
	   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (be - bp) / ce))::numeric, 2), 2.5 FROM r
UNION ALL
SELECT 'read and cast to text, over plain text',
	   round((percentile_cont(0.5) WITHIN GROUP (ORDER BY (re - rp) / cd))::numeric, 2), 1.5 FROM r;
SQL
