#!/bin/bash
# Plants a violation of every lint in a copy of the tree and sees it caught.
# needs: server
set -u
top=$(pwd)
t=$(mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
failed=0
planted=" selftest "

# fresh: a new copy to spoil, and the current folder
fresh() {
	rm -rf "$t/tree"
	mkdir "$t/tree"
	tar -C "$top" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.bc' \
		--exclude=./results --exclude=./expected --exclude=./demo --exclude=./bench -cf - . |
		tar -C "$t/tree" -xf -
	cp -r "$top/expected" "$t/tree/" 2>/dev/null
	cd "$t/tree" || exit 1
}

# caught LINT PATTERN: the lint fails and says PATTERN
caught() {
	planted="$planted$1 "
	bash "test/lint/$1.sh" >"$t/out" 2>&1
	local rc=$?
	[ $rc = 77 ] && return
	if [ $rc != 1 ] || ! grep -qE -- "$2" "$t/out"; then
		echo "$1: the planted violation ($2) is not caught (status $rc):"
		head -n 5 "$t/out"
		failed=1
	fi
	fresh
}

fresh
echo 'char *f(char *a) { return strcpy(a, "b"); }' >src/base/plant.c
caught banned 'src/base/plant.c:1: strcpy'

echo "CREATE FUNCTION gdpr.plant() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';" >sql/parts/99_plant.sql
caught definer 'function gdpr.plant: SECURITY DEFINER without'
echo "CREATE PROCEDURE gdpr.plant() LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';" >sql/parts/99_plant.sql
caught definer 'procedure gdpr.plant: neither'

touch src/base/plant.c
caught files 'src/base/plant.c'
sed -i 's,^OBJS = \\,&\n\tsrc/zzz.o \\,' Makefile
caught files 'not sorted'

printf 'int f( int a ){return a;}\n' >src/base/plant.c
caught format 'clang-format|src/base/plant.c'

mkdir -p src/rights
touch src/rights/plant.h
echo '#include "rights/plant.h"' >src/base/plant.h
caught layers 'base \(rank 0\) includes rights/plant.h'
printf '#include "postgres.h"\n' >src/base/plant.c
caught layers 'the first include is base/compat.h'
mkdir src/plant
echo '#include "base/guc.h"' >src/plant/plant.h
caught layers '"plant" has no rank'

printf 'see /ho%s/somebody/gdpr_ext\n' me >docs/plant.md
caught paths 'docs/plant.md'

echo '#if PG_VERSION_NUM >= 170000' >src/base/plant.c
caught places 'PG_VERSION_NUM belongs'
echo '	DefineCustomBoolVariable("gdpr.x");' >src/base/plant.c
caught places 'DefineCustom belongs'
echo '	ExecutorStart_hook = plant;' >src/base/plant.c
caught places 'setting a hook'
echo '	get_relation_info_hook = plant;' >src/base/plant.c
caught places 'setting a hook'

echo 'void f(void) { ereport(ERROR, (errmsg("no \"code\" (here"))); }' >src/base/plant.c
caught reports 'plant.c:1: no errcode'
echo 'void f(void) { ereport(level, errmsg("no code")); }' >src/base/plant.c
caught reports 'plant.c:1: no errcode'
printf 'void f(void)\n{ ereport(NOTICE, errmsg("value %%s", TextDatumGetCString(d))); }' >src/base/plant.c
caught reports 'plant.c:2: TextDatumGetCString inside'
echo 'void f(void) { ereport(ERROR, errcode(1), errmsg("full stop.")); }' >src/base/plant.c
caught reports 'ends with a period'

printf 'if true; then\n' >test/plant.sh
caught scripts 'plant.sh'
chmod -x test/run.sh
caught scripts 'test/run.sh: not executable'

echo '| `gdpr.zzz_plant` | nothing |' >>docs/settings.md
caught settings 'gdpr.zzz_plant'
first=$(grep -noE '"gdpr\.[a-z_]+"' src/base/guc.c | head -n1)
sed -i "${first%%:*}s/\"gdpr\.[a-z_]*\"/\"gdpr.zzz_plant\"/" src/base/guc.c
caught settings 'not in alphabetical order'

{
	printf '#include "base/compat.h"\nvoid\nplant(void)\n{\n'
	for _ in $(seq 121); do echo '	x();'; done
	echo '}'
} >src/base/plant.c
caught sizes 'plant has 121 lines'
seq 901 >src/base/plant.c
caught sizes '901 lines'

echo '| `PD099` | plant |' >>docs/errors.md
caught sqlstates 'PD099'
echo 'void f(void) { ereport(ERROR, errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("x")); }' >src/base/plant.c
caught sqlstates '22012'

touch test/sql/plant.sql 2>/dev/null || { mkdir -p test/sql && touch test/sql/plant.sql; }
caught tests 'expected/plant.out is missing'
mkdir -p expected && touch expected/plant.out
caught tests 'no test of this name'
touch test/t/plant.pl
caught tests 'no suite runs'

sed -i 's/"version": "[^"]*"/"version": "9.9.9"/' META.json
caught version 'META.json'
sed -i "s/^default_version.*/default_version = '9.9.9'/" gdpr_ext.control
caught version 'CHANGELOG.md'

# A library that exports a stray function.
echo 'int Pg_magic_func(void) { return 0; } int plant(void) { return 0; }' >"$t/plant.c"
gcc -shared -fPIC -o "$t/plant.so" "$t/plant.c"
cp "$top"/sql/gdpr_ext--*.sql sql/
GDPR_SO=$t/plant.so caught symbols '^plant: exported'

# Members of the extension without a comment.
dropdb --if-exists lint_self 2>/dev/null
createdb lint_self
psql -XAtq -v ON_ERROR_STOP=1 -d lint_self <<'SQL' || exit 1
CREATE EXTENSION gdpr_ext;
CREATE FUNCTION gdpr.plant() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE TYPE gdpr.plant_type AS (a int);
CREATE TABLE gdpr.plant_table (a int PRIMARY KEY, b int REFERENCES gdpr.plant_table);
GRANT SELECT ON gdpr.plant_table TO PUBLIC;
ALTER EXTENSION gdpr_ext ADD FUNCTION gdpr.plant();
ALTER EXTENSION gdpr_ext ADD TYPE gdpr.plant_type;
ALTER EXTENSION gdpr_ext ADD TABLE gdpr.plant_table;
SQL
export GDPR_LINT_DB=lint_self
caught objects 'function gdpr.plant\(\): no comment'
caught objects 'type gdpr.plant_type: no comment'
caught objects 'table gdpr.plant_table: no comment'
caught objects 'gdpr.plant\(\): SECURITY DEFINER without'
caught objects 'gdpr.plant\(\): PUBLIC may execute it'
caught objects 'gdpr.plant_table: PUBLIC may SELECT'
caught objects 'no foreign keys between our tables'
unset GDPR_LINT_DB
dropdb lint_self

# The runner of README.md: three sound blocks, and one of each kind of fault.
cat >"$t/toy.md" <<'MD'
```sql
CREATE TABLE t (a int);
INSERT INTO t VALUES (1), (2);
```
```sql
SELECT sum(a) FROM t;
```
```text
 sum
-----
   3
(1 row)
```
```sql error=22012
SELECT 1 / 0;
```
```text
ERROR:  division by zero
```
```sh
false
```
```sql
SELECT 1 / 0;
```
```sql error=22012
SELECT 1;
```
```sql error=22012
SELECT nothing;
```
```sql
SELECT 1 AS one;
```

```text
 two
-----
   2
(1 row)
```
```sql maybe
SELECT 1;
```
MD
counts=$(
	WORK=$t
	. "$top/test/lib/report.sh"
	. "$top/test/lib/readme.sh"
	readme_blocks "$t/toy.md" >"$t/out"
	echo "$passed passed, $failed failed"
)
dropdb --if-exists readme
if [ "$counts" != '3 passed, 5 failed' ]; then
	echo "the README runner: $counts, but 3 blocks of the toy are sound and 5 are not:"
	cat "$t/out"
	failed=1
fi

for f in "$top"/test/lint/*.sh; do
	n=$(basename "$f" .sh)
	case $planted in
	*" $n "*) ;;
	*)
		echo "$n: nothing is planted for this lint"
		failed=1
		;;
	esac
	grep -q "^| \`$n\`" "$top/test/lint/README.md" || {
		echo "$n: test/lint/README.md does not say how to mend it"
		failed=1
	}
done
exit $failed
