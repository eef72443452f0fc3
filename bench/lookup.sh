#!/usr/bin/env bash
# Equality by an index on an encrypted column, beside the same on a plain one, with and without a row policy.
# lookup.sh ROWS ROUNDS, in a database of its own on a quiet server (PG* environment, superuser).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${1:-1000000} rounds=$((${2:-5} * 3)) seconds=${GDPR_BENCH_SECONDS:-3}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql" -v rows="$rows" -f "$here/sql/lookup_setup.sql" >/dev/null
for t in plain enc hash storage; do
	printf '%s\n' "\\set v random(1, $rows) + 1000000000000000000" "SELECT id FROM bench.look_$t WHERE v = :v;" >"$tmp/$t"
	sed 's/:v;/:v::text;/' "$tmp/$t" >"$tmp/$t.text"
done

postmaster=$(head -1 "$(psql -XAtc 'SHOW data_directory')/postmaster.pid")
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($16 + $17) / hz }' "/proc/$postmaster/stat"; }

# Milliseconds a lookup, four clients at once: a client's, and of the server's processor time.
lookup() {				# role, script
	local out before
	before=$(cpu)
	out=$(PGOPTIONS="-c role=$1" pgbench -n -M prepared -c 4 -j 2 -T "$seconds" -f "$tmp/$2" 2>&1)
	sleep 0.3				# until the postmaster has reaped the backends
	{ cpu; echo "$out"; } | awk -v before="$before" '
		NR == 1 { used = $1 - before }
		/^number of transactions actually processed/ { n = $6 }
		/^latency average/ { ms = $4 }
		END { print ms, used * 1000 / n }'
}

# As many bytes in a text column as an encrypted value has, and in the same order: none computed, but for
# the constant that is looked for.
printf '%s\n' "\\set v random(1, $rows) + 1000000000000000000" \
	"SELECT id FROM bench.look_storage WHERE v = md5(:v::text) || repeat('x', 40);" >"$tmp/storage"

# Where a lookup does not use the index, the rest would measure something else.
for t in plain enc hash; do
	q -At -c "SET ROLE bench_bound; EXPLAIN SELECT id FROM bench.look_$t WHERE v = '1000000000000000001'" >"$tmp/plan"
	grep -q 'Index Scan' "$tmp/plan" || { cat "$tmp/plan" >&2; exit 1; }
done

for round in $(seq 0 "$rounds"); do
	for role in bench_free bench_bound; do
		for script in plain enc hash storage plain.text enc.text hash.text; do
			read -r ms cpu < <(lookup $role $script)
			# Round 0 warms the caches.
			[ "$round" = 0 ] || q -c "INSERT INTO bench.result VALUES ($round, '$role $script', $ms), ($round, '$role $script, server', $cpu)"
		done
	done
done

q -P pager=off <<'SQL'
\echo microseconds a lookup, four clients, medians (bench_bound is under a row policy; text: the parameter
\echo is cast to text; enc: a B-tree, hash: a hash index, storage: a B-tree on as many bytes of text; server: its processor time, which says more where other things run):
SELECT name, round((ms * 1000)::numeric, 1) AS us, rounds FROM bench.median ORDER BY name;
\echo lookups a second over those of a plain text column, medians of the rounds:
SELECT e.name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p.ms / e.ms)::numeric, 3) AS ratio, 0.95 AS aim
FROM bench.result e JOIN bench.result p ON p.round = e.round AND p.name = regexp_replace(e.name, ' (enc|hash|storage)', ' plain')
WHERE e.name ~ ' (enc|hash|storage)' GROUP BY e.name ORDER BY e.name;
SQL
