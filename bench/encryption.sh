#!/usr/bin/env bash
# What an encrypted column costs over a plain one, beside OpenSSL alone and pgcrypto.
# encryption.sh ROWS ROUNDS, in a database of its own on a quiet server (PG* environment).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${1:-1000000} rounds=${2:-5}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

${CC:-cc} -O2 -o "$tmp/bare" "$here/bare.c" -lcrypto
${CC:-cc} -O2 -fPIC -shared -I"$(pg_config --includedir-server)" -o "$tmp/noop.so" "$here/noop.c"

# 100 bound inserts a transaction in one pipeline, by the processor time that the
# server's ended processes took: the client's time and its waits say nothing here.
bound() {
	{ echo '\startpipeline'; echo 'BEGIN;'
	  for _ in $(seq 100); do echo "INSERT INTO bench.$1 VALUES (${2:-:v});"; done
	  echo 'COMMIT;'; echo '\endpipeline'; } > "$tmp/$1.pgbench"
}
bound plain; bound enc; bound storage 'bench.noop(:v)'
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

q -f "$here/sql/measure.sql" -v rows="$rows" -v noop="$tmp/noop" -f "$here/sql/encryption_setup.sql" >/dev/null
# Several times a round, because the processor's speed changes within one.
bare() {
	"$tmp/bare" | while read -r name ns; do
		q -c "INSERT INTO bench.result VALUES ($round, 'bare $name', $ns * $rows / 1e6)"
	done
}
for round in $(seq "$rounds"); do
	for half in write read; do
		bare
		q -v round="$round" -f "$here/sql/encryption_$half.sql"
	done
	bare
	for t in plain enc storage; do
		us=$(per_value $t user000000001@example.org)
		q -c "INSERT INTO bench.result VALUES ($round, 'bound $t', $us * $rows / 1e3)"
	done
done

q -P pager=off -v rows="$rows" <<'SQL'
\echo
\echo nanoseconds a value, medians:
SELECT name, round(ms::numeric, 1) AS ms, round((ms * 1e6 / :rows * CASE WHEN name LIKE '%(1/50)%' THEN 50 WHEN name LIKE '%(1/10)%' THEN 10 ELSE 1 END)::numeric, 0) AS ns, rounds
FROM bench.median ORDER BY name;
\echo against the aims, medians of the rounds: what is left of the cost over plain text when storing the result of
\echo a function that does nothing (or reading as many bytes by one) is taken off, in times of what OpenSSL alone takes (AES-256-GCM and the tag; to read, AES-256-GCM)
CREATE VIEW bench.by_round AS
SELECT round,
	   max(ms) FILTER (WHERE name = 'write plain, processor') AS wp,
	   max(ms) FILTER (WHERE name = 'write storage, processor') AS ws,
	   max(ms) FILTER (WHERE name = 'write enctext, processor') AS we,
	   max(ms) FILTER (WHERE name = 'read plain, processor') AS rp,
	   max(ms) FILTER (WHERE name = 'read storage, processor') AS rs,
	   max(ms) FILTER (WHERE name = 'read enctext, processor') AS re,
	   max(ms) FILTER (WHERE name = 'read plain') AS rp1,
	   max(ms) FILTER (WHERE name = 'read enctext') AS re1,
	   max(ms) FILTER (WHERE name = 'read plain, parallel') AS rpp,
	   max(ms) FILTER (WHERE name = 'read enctext, parallel') AS rep,
	   max(ms) FILTER (WHERE name = 'bound plain') AS bp,
	   max(ms) FILTER (WHERE name = 'bound storage') AS bs,
	   max(ms) FILTER (WHERE name = 'bound enc') AS be,
	   avg(ms) FILTER (WHERE name = 'bare encrypt_with_tag') AS ce,
	   avg(ms) FILTER (WHERE name = 'bare decrypt') AS cd
FROM bench.result GROUP BY round;
SELECT cost, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio)::numeric, 2) AS times_bare,
	   round(min(ratio)::numeric, 2) AS least, round(max(ratio)::numeric, 2) AS most, aim
FROM bench.by_round, LATERAL (VALUES
	(1, 'INSERT ... SELECT with the cast, processor time', (we - greatest(ws, wp)) / ce, 1.25),
	(2, 'the same with what storing costs', (we - wp) / ce, NULL),
	(3, 'bound parameter', (be - greatest(bs, bp)) / ce, 2.25),
	(4, 'the same with what storing costs', (be - bp) / ce, NULL),
	(5, 'read and cast to text, processor time', (re - greatest(rs, rp)) / cd, 1.3),
	(6, 'the same with what reading as many bytes costs', (re - rp) / cd, 1.3)) c(n, cost, ratio, aim)
GROUP BY n, cost, aim ORDER BY n;
\echo a scan by two processes (one worker) is so many times faster than by one, medians of the rounds:
SELECT column_type, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio)::numeric, 2) AS times_faster
FROM bench.by_round, LATERAL (VALUES ('enctext', re1 / rep), ('plain text', rp1 / rpp)) c(column_type, ratio)
GROUP BY column_type ORDER BY column_type;
SQL
