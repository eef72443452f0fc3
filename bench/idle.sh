#!/usr/bin/env bash
# What the library costs where nothing is declared: user-space instructions a statement of
# one backend, without it, preloaded, and with the extension created.
# idle.sh STATEMENTS.  Needs the settings of "make bench" (TEMP_CONFIG), but no server:
# a backend of its own runs alone (postgres --single), so that the counts are exact.
set -euo pipefail
statements=${1:-2000}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT

# Counts what the arguments run takes: perf where the processor's counters can be read,
# else callgrind, which counts the same (it simulates one processor).
if perf stat -x, -e instructions:u true 2>&1 | grep -q '^[0-9].*instructions:u'; then
	tool="perf stat -e instructions:u"
	count() {
		perf stat -x, -o "$tmp/count" -e instructions:u "$@" >"$tmp/out" 2>"$tmp/err"
		awk -F, '/instructions:u/ { print $1 }' "$tmp/count"
	}
elif command -v valgrind >/dev/null; then
	tool="valgrind --tool=callgrind"
	count() {
		valgrind --tool=callgrind --callgrind-out-file="$tmp/callgrind" "$@" >"$tmp/out" 2>"$tmp/err"
		sed -n 's/^\(summary\|totals\): *//p' "$tmp/callgrind" | head -n1
	}
else
	echo "neither perf's counters nor valgrind are there: install valgrind" >&2
	exit 1
fi

server() {				# configuration, database: a backend that reads statements
	echo postgres --single -j -D "$tmp/$1" "$2"
}

prepare() {				# configuration, libraries, statement
	initdb -D "$tmp/$1" -N --no-locale -E UTF8 -A trust -U postgres >/dev/null
	{ grep -v shared_preload "$TEMP_CONFIG"; echo "shared_preload_libraries = '$2'"; } >>"$tmp/$1/postgresql.conf"
	$(server "$1" postgres) >"$tmp/out" 2>&1 <<SQL
CREATE TABLE idle (id int PRIMARY KEY, a int, b text);

INSERT INTO idle SELECT i, i, 'row ' || i FROM generate_series(1, 1000) i;

$3
VACUUM (FREEZE, ANALYZE);

SQL
	if grep -E 'ERROR|FATAL|PANIC' "$tmp/out"; then exit 1; fi
}

kinds='point_select_prepared point_select_planned insert_prepared update_prepared'
script() {				# kind, number: statements end with an empty line (-j)
	case $1 in
	point_select_prepared) echo 'PREPARE s(int) AS SELECT a, b FROM idle WHERE id = $1;' ;;
	insert_prepared) echo 'PREPARE s(int) AS INSERT INTO idle VALUES ($1 + 1000000, $1, $1::text);' ;;
	update_prepared) echo 'PREPARE s(int) AS UPDATE idle SET a = a + 1 WHERE id = $1;' ;;
	esac
	echo
	for ((i = 0; i < $2; i++)); do
		if [ "$1" = point_select_planned ]; then
			echo "SELECT a, b FROM idle WHERE id = $((1 + i % 1000));"
		elif [ "$1" = insert_prepared ]; then
			echo "EXECUTE s($i);"
		else
			echo "EXECUTE s($((1 + i % 1000)));"
		fi
		echo
	done
}

# The cost of N statements is what 1.1 N take more than 0.1 N: starting up is not counted.
# Each count begins with the same files.
per_statement() {			# configuration, kind
	local n counts=()
	for n in $((statements / 10)) $((statements + statements / 10)); do
		rm -rf "$tmp/run"
		cp -r "$tmp/$1" "$tmp/run"
		script "$2" "$n" >"$tmp/script"
		counts+=("$(count $(server run postgres) <"$tmp/script")")
		if grep -hE '(ERROR|FATAL|PANIC):' "$tmp/out" "$tmp/err" >&2; then exit 1; fi
	done
	echo $(((counts[1] - counts[0]) / statements))
}

prepare plain '' ''
prepare preloaded gdpr_ext ''
prepare created gdpr_ext 'CREATE EXTENSION gdpr_ext;
'
echo "user-space instructions a statement ($tool, $statements statements); the aim is a ratio of at most 1.01"
printf '%-24s %10s %10s %10s %10s %10s\n' statement without preloaded ratio created ratio
for kind in $kinds; do
	plain=$(per_statement plain "$kind")
	preloaded=$(per_statement preloaded "$kind")
	created=$(per_statement created "$kind")
	awk -v k="${kind//_/ }" -v p="$plain" -v l="$preloaded" -v c="$created" 'BEGIN {
		printf "%-24s %10d %10d %10.3f %10d %10.3f\n", k, p, l, l / p, c, c / p }'
done
