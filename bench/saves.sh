#!/usr/bin/env bash
# Saves that change nothing, as object-relational mappers send them: every column is written back as it was.
# saves.sh SAVES, in a database of its own on a quiet server (PG* environment, superuser).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
saves=${1:-1000000} rows=$((${1:-1000000} / 20)) clients=4
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
q() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

q -v rows="$rows" -f "$here/sql/saves_setup.sql" >/dev/null
for t in plain enc; do
	printf '%s\n' "\\set id random(1, $rows)" '\set v :id + 1000000000000000000' \
		"UPDATE bench.save_$t SET name = :v, email = :v, phone = :v, note = :v WHERE id = :id;" >"$tmp/$t"
done

# Rounds of both in turn; the table is vacuumed between them, as autovacuum would.
rounds=5
for round in $(seq $rounds); do
	for t in plain enc; do
		out=$(pgbench -n -M prepared -c $clients -j 2 -t $((saves / rounds / clients)) -f "$tmp/$t" 2>&1)
		echo "$out" | awk '/^latency average/ { print $4 }' >"$tmp/ms"
		grep -q '^number of failed transactions: 0 ' <<<"$out" || { echo "$out" >&2; exit 1; }
		q -c "INSERT INTO bench.result VALUES ($round, 'save $t', $(cat "$tmp/ms"))" -c "VACUUM bench.save_$t"
	done
done

q -P pager=off -v saves="$saves" -f "$here/sql/saves_report.sql"
