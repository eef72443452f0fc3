#!/usr/bin/env bash
# Equality by an index on an encrypted column, beside the same on a plain one, with and without a row policy.
# lookup.sh ROWS ROUNDS, in a database of its own on a quiet server (PG* environment, superuser).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${1:-1000000} rounds=${2:-5} seconds=${GDPR_BENCH_SECONDS:-6} warm=8
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -f "$here/sql/measure.sql" -v rows="$rows" -f "$here/sql/lookup_setup.sql" >/dev/null
for t in plain enc hash storage; do
	printf '%s\n' "\\set v random(1, $rows) + 1000000000000000000" "SELECT id FROM bench.look_$t WHERE v = :v;" >"$tmp/$t"
	sed 's/:v;/:v::text;/' "$tmp/$t" >"$tmp/$t.text"
done

# Microseconds of a client for a lookup, four clients at once: in the first two seconds, and when they have been
# at it for a while.  A session's first touch of a page of shared memory is a fault of several microseconds;
# tables and indexes of 200 MB have 50,000 pages.
lookup() {				# role, script
	PGOPTIONS="-c role=$1" pgbench -n -M prepared -c 4 -j 2 -T $((warm + seconds + 1)) -P 2 -f "$tmp/$2" 2>&1 |
		awk -v warm="$warm" -v end="$((warm + seconds))" '
			/^progress:/ && $2 < 3 { first = 4e6 / $4 }
			/^progress:/ && $2 > warm && $2 < end + 1 { sum += $4; n++ }
			END { print first, 4e6 / (sum / n) }'
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

for round in $(seq "$rounds"); do
	for role in bench_free bench_bound; do
		for script in plain enc hash storage plain.text enc.text hash.text; do
			read -r first us < <(lookup $role $script)
			q -c "INSERT INTO bench.result VALUES ($round, '$role $script', $us / 1000), ($round, '$role $script, new sessions', $first / 1000)"
		done
	done
done

q -P pager=off <<'SQL'
\echo microseconds a lookup, four clients, medians (bench_bound is under a row policy; text: the parameter
\echo is cast to text; enc: a B-tree, hash: a hash index, storage: a B-tree on as many bytes of text):
SELECT name, round((ms * 1000)::numeric, 1) AS us, rounds FROM bench.median ORDER BY name;
\echo lookups a second over those of a plain text column, medians of the rounds:
SELECT e.name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY p.ms / e.ms)::numeric, 3) AS ratio,
	   round(min(p.ms / e.ms)::numeric, 3) AS least, round(max(p.ms / e.ms)::numeric, 3) AS most, 0.95 AS aim
FROM bench.result e JOIN bench.result p ON p.round = e.round AND p.name = regexp_replace(e.name, ' (enc|hash|storage)', ' plain')
WHERE e.name ~ ' (enc|hash|storage)' GROUP BY e.name ORDER BY e.name;
SQL
