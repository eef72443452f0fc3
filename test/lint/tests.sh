#!/bin/sh
# No test is left out: a file that lies where no suite finds it, a test without
# expected output, an expected output without a test.
set -u
failed=0
bad() { echo "$*"; failed=1; }

here() { [ -e "$1" ]; }

for f in test/sql/* test/specs/* test/pgtap/* test/t/*; do
	here "$f" || continue
	case $f in
	test/sql/iso_*) bad "$f: the prefix iso_ is for isolation specs" ;;
	test/sql/*.sql)
		n=$(basename "$f" .sql)
		here "expected/$n.out" || bad "$f: expected/$n.out is missing"
		here "sql/$n.sql" && bad "$f: sql/$n.sql would be run in its place"
		grep -qE '^[ \t]*\\set +ECHO' "$f" && bad "$f: \\set ECHO hides what is tested"
		;;
	test/specs/iso_*.spec)
		n=$(basename "$f" .spec)
		here "expected/$n.out" || bad "$f: expected/$n.out is missing"
		;;
	test/pgtap/*.sql) ;;
	test/t/[0-9][0-9][0-9]_*.pl) ;;
	test/t/*.pm) ;;
	*) bad "$f: no suite runs a file of this name" ;;
	esac
done
for f in expected/*; do
	here "$f" || continue
	n=$(basename "$f" .out)
	case $f in
	*.out) ;;
	*) bad "$f: not an expected output"; continue ;;
	esac
	here "test/sql/$n.sql" || here "test/specs/$n.spec" ||
		here "test/sql/${n%_[0-9]}.sql" || here "test/specs/${n%_[0-9]}.spec" ||
		bad "$f: there is no test of this name"
done
for f in $(find . -path ./.git -prune -o \( -name '*.spec' -o -name '*.pl' \) -print); do
	case $f in
	./test/specs/* | ./test/t/* | ./test/lint/* | ./bench/* | ./demo/* | ./test/lib/*) ;;
	*) bad "$f: no suite looks here" ;;
	esac
done
exit $failed
