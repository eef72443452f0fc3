#!/usr/bin/env bash
# What values under the keys of single persons cost, beside the context's key, plain text and OpenSSL alone.
# persons.sh PERSONS ROUNDS, in a database of its own on a quiet server (PG* environment, superuser).
# All times are processor time of the server's ended processes, so that other work tells less.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
persons=${1:-200000} rounds=${2:-5} values=$((${1:-200000} * 5))
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

${CC:-cc} -O2 -o "$tmp/bare" "$here/bare.c" -lcrypto
${CC:-cc} -O2 -fPIC -shared -I"$(pg_config --includedir-server)" -o "$tmp/noop.so" "$here/noop.c"
chmod 755 "$tmp" "$tmp/noop.so"
q -v persons="$persons" -v noop="$tmp/noop" -f "$here/sql/measure.sql" -f "$here/sql/persons_setup.sql" >/dev/null

postmaster=$(head -1 "$(psql -XAtc 'SHOW data_directory')/postmaster.pid")
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($16 + $17) / hz }' "/proc/$postmaster/stat"; }
timed() {				# name, command: records the milliseconds that the server took
	local name=$1 before
	shift
	psql -X -q -c CHECKPOINT
	sleep 0.3			# until the postmaster has reaped the backend
	before=$(cpu)
	"$@" >/dev/null
	sleep 0.3
	q -c "INSERT INTO bench.result VALUES ($round, '$name', ($(cpu) - $before) * 1000)"
}
case_of() { timed "$1" q -c "$2"; }
# The second of two runs in one session: the first touch of a page is a fault that costs more than its rows.
warm() {				# name, query
	q <<SQL >/dev/null
$2;
SELECT bench.processor_time() AS before \\gset
$2;
INSERT INTO bench.result VALUES ($round, '$1', bench.processor_time() - :before);
SQL
}
bare() {
	"$tmp/bare" | while read -r name ns; do
		q -c "INSERT INTO bench.result VALUES ($round, 'bare $name', $ns * $values / 1e6)"
	done
}

five() { echo "$1, $1, $1, $1, $1"; }
sum() { printf 'length(%s) + ' "a$1" "b$1" "c$1" "d$1"; echo "length(e$1)"; }
cast() { case $1 in *plain | *storage) ;; *) echo '::text' ;; esac }

# 100 rows of bound parameters a transaction in one pipeline, of persons who have keys: one after the
# other, as a load has them, or in random order.
script() {				# table, name, first lines
	local v=:v
	[ "$1" = storage ] && v='bench.noop(:v)'
	{ echo "$3"
	  echo '\startpipeline'; echo 'BEGIN;'
	  for i in $(seq 100); do echo "INSERT INTO bench.$1 VALUES (:p$i, $(five "$v"));"; done
	  echo 'COMMIT;'; echo '\endpipeline'; } >"$tmp/$2.pgbench"
}
in_order=$(echo "\set p0 mod(:p100, $((persons - 100)))"; for i in $(seq 100); do echo "\set p$i :p0 + $i"; done)
at_random=$(for i in $(seq 100); do echo "\set p$i random(1, $persons)"; done)
for t in plain storage context keyed; do
	script $t $t "$in_order"
done
script keyed random "$at_random"

run_script() { pgbench -n -M prepared -t $((persons / 200)) -D p100=0 -D v=user000000001@example.org -f "$tmp/$1.pgbench"; }

one_round() {
	local t v
	bare
	for t in plain storage context keyed; do
		v=v; [ $t = storage ] && v='bench.noop(v)'
		[ $t = keyed ] && q -c 'TRUNCATE gdpr.subject_key'
		q -c "TRUNCATE bench.$t"
		case_of "write $t" "INSERT INTO bench.$t SELECT id, $(five $v) FROM bench.five"
	done
	q -c 'VACUUM ANALYZE gdpr.subject_key' -c 'TRUNCATE bench.keyed'
	case_of 'write keyed, persons with keys' "INSERT INTO bench.keyed SELECT id, $(five v) FROM bench.five"
	bare
	q -c 'VACUUM ANALYZE bench.storage'
	warm 'read storage' "SELECT count($(printf 'length(bench.noop_back(%s)) + ' a b c d e) 0) FROM bench.storage"
	for t in plain context keyed; do
		q -c "VACUUM ANALYZE bench.$t"
		warm "read $t" "SELECT count($(sum "$(cast $t)")) FROM bench.$t"
		case_of "read $t, two workers" "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
			SET min_parallel_table_scan_size = 0; SELECT count($(sum "$(cast $t)")) FROM bench.$t"
	done
	q -c 'TRUNCATE bench.shuffled' -c 'INSERT INTO bench.shuffled SELECT * FROM bench.keyed ORDER BY random()' -c 'VACUUM ANALYZE bench.shuffled'
	warm 'read keyed, random order' "SELECT count($(sum ::text)) FROM bench.shuffled"
	for t in plain context keyed; do
		case_of "update $t" "UPDATE bench.$t SET a = v, b = v, c = v, d = v, e = v FROM (SELECT id, 'x' || v AS v FROM bench.five) s WHERE id = person"
	done
	bare
	for t in plain storage context keyed; do
		timed "bound $t" run_script $t
	done
	timed 'bound keyed, random order' run_script random
	for t in one_plain one_storage one_context one_keyed; do
		v=v; [ $t = one_storage ] && v='bench.noop(v)'
		[ $t = one_keyed ] && q -c 'TRUNCATE gdpr.subject_key'
		q -c "TRUNCATE bench.$t"
		case_of "write $t" "INSERT INTO bench.$t SELECT id, $v FROM bench.source"
	done
	q -c 'VACUUM ANALYZE gdpr.subject_key'
	for t in one_plain one_context one_keyed; do
		q -c "VACUUM ANALYZE bench.$t"
		warm "read $t" "SELECT count(length(a$(cast $t))) FROM bench.$t"
	done
	bare
}

for round in $(seq "$rounds"); do
	one_round
done

q -P pager=off -v values="$values" -f "$here/sql/persons_report.sql"
