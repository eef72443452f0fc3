# suites.sh: the suites of "make check", one function suite_NAME each.  Sourced
# by inside.sh.  Every suite takes the files it finds; test/lint/tests.sh sees
# to it that none lies where it is not found.

# wanted NAME: does GDPR_TESTS, if set, name this test?
wanted() {
	[ -z "${GDPR_TESTS:-}" ] && return 0
	case " $GDPR_TESTS " in *" $1 "*) return 0 ;; esac
	return 1
}

# names FOLDER SUFFIX: the tests of a folder that are wanted
names() {
	local f n
	for f in "$1"/*"$2"; do
		[ -e "$f" ] || continue
		n=$(basename "$f" "$2")
		wanted "$n" && echo "$n"
	done
}

# A suite that needs the build and a server says so when it cannot have them.
ready() {
	if ! build; then
		[ -n "${build_failed:-}" ] || { compiler_errors "$logs/build"; keep "$logs/build"; }
		build_failed=1
		fail "$1: the build failed"
		return 1
	fi
	[ "${2:-server}" = build ] && return 0
	start_server main || { fail "$1: the server does not start"; return 1; }
}

suite_build() {
	if build; then
		pass "gcc, -Wall -Wextra -Werror"
	else
		build_failed=1
		compiler_errors "$logs/build"
		keep "$logs/build"
		fail "gcc, -Wall -Wextra -Werror"
	fi
}

suite_clang() {
	local version
	version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" gdpr_ext.control)
	if find src -name '*.c' -print0 | xargs -0 -n8 -P"$jobs" clang -fsyntax-only \
		-std=gnu11 -D_GNU_SOURCE -DGDPR_EXT_VERSION="\"$version\"" \
		-isystem "$(pg_config --includedir-server)" -Isrc -Wall -Wextra -Werror \
		-Wmissing-prototypes -Wmissing-variable-declarations -Wdeclaration-after-statement \
		-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
		>"$logs/clang" 2>&1; then
		pass "clang, -Wall -Wextra -Werror"
	else
		compiler_errors "$logs/clang"
		keep "$logs/clang"
		fail "clang, -Wall -Wextra -Werror"
	fi
}

suite_lint() {
	local f n need
	for f in test/lint/*.sh; do
		n=$(basename "$f" .sh)
		wanted "$n" || continue
		need=$(sed -n 's/^# needs: //p' "$f")
		case $need in
		'') ;;
		build) ready "lint $n" build || continue ;;
		server) ready "lint $n" || continue ;;
		esac
		bash "$f" >"$logs/lint.$n" 2>&1
		case $? in
		0) pass "lint $n" ;;
		77) skip "lint $n: $(tail -n1 "$logs/lint.$n")" ;;
		*)
			excerpt "$logs/lint.$n"
			fail "lint $n (how to mend it: test/lint/README.md)"
			;;
		esac
	done
}

# count_regress KIND LOG NAME...: pg_regress prints "test x ... ok" before 16 and
# "ok 1 - x" from 16 on.  A test without a line has not passed.
count_regress() {
	local kind=$1 log=$2 n
	shift 2
	for n; do
		if grep -qE "^(test +$n +\.\.\. ok|ok [0-9]+ +[-+] $n( |\$))" "$log"; then
			pass "$kind $n"
		else
			fail "$kind $n"
		fi
	done
}

regress_diffs() { # KIND
	[ -s regression.diffs ] || return
	excerpt regression.diffs 100
	mv regression.diffs "$out/$1.diffs"
	keep results
	keep "$WORK/main/log"
}

suite_regress() {
	local tests
	tests=$(names test/sql .sql)
	[ -z "$tests" ] && return
	ready regress || return
	"$testdir/regress/pg_regress" --inputdir=test --outputdir=. --bindir="$bindir" \
		--dbname=regression --load-extension=gdpr_ext $tests >"$logs/regress" 2>&1
	grep -qE '^(test |ok |not ok )' "$logs/regress" || excerpt "$logs/regress"
	count_regress regress "$logs/regress" $tests
	regress_diffs regress
}

suite_isolation() {
	local tests
	tests=$(names test/specs .spec)
	[ -z "$tests" ] && return
	ready isolation || return
	"$testdir/isolation/pg_isolation_regress" --inputdir=test --outputdir=. --bindir="$bindir" \
		--dbname=isolation_regression --load-extension=gdpr_ext $tests >"$logs/isolation" 2>&1
	grep -qE '^(test |ok |not ok )' "$logs/isolation" || excerpt "$logs/isolation"
	count_regress isolation "$logs/isolation" $tests
	regress_diffs isolation
}

# count_tap LABEL LOG STATUS SECONDS: one a top-level assertion; a file that
# ends badly without a failed assertion counts as one failure.
count_tap() {
	local good bad skips
	good=$(grep -cE '^ok [0-9]+' "$2")
	bad=$(grep -cE '^not ok [0-9]+' "$2")
	skips=$(grep -cE '^ok [0-9]+.* # (skip|SKIP)' "$2")
	if [ "$3" -eq 0 ] && [ "$bad" -eq 0 ] && [ "$good" -gt 0 ]; then
		[ "$skips" -gt 0 ] && skip "$1" "$skips"
		pass "$1: $((good - skips)) assertions (${4} s)" $((good - skips))
		return
	fi
	if grep -q '^Result: NOTESTS' "$2" && grep -q ' skipped: ' "$2"; then
		skip "$1: $(sed -n 's/.* skipped: //p' "$2")"
		return
	fi
	[ "$bad" -eq 0 ] && bad=1
	passed=$((passed + good))
	grep -vE '^ok |^# *(Running:|### )' "$2" | tail -n 60 | sed 's/^/        /'
	keep "$2"
	fail "$1" "$bad"
}

suite_pgtap() {
	local n rc began tests
	tests=$(names test/pgtap .sql)
	[ -z "$tests" ] && return
	ready pgtap || return
	dropdb --if-exists pgtap 2>/dev/null
	if ! createdb pgtap || ! psql -XAtq -v ON_ERROR_STOP=1 -d pgtap \
		-c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION gdpr_ext'; then
		fail "pgtap: the extensions cannot be created"
		return
	fi
	for n in $tests; do
		began=$(now)
		pg_prove --verbose --dbname pgtap "test/pgtap/$n.sql" >"$logs/pgtap.$n.log" 2>&1
		rc=$?
		count_tap "pgtap $n" "$logs/pgtap.$n.log" $rc $(($(now) - began))
	done
}

# TAP files start servers of their own, each in its own folder, so that two run
# side by side.  Each file's output is kept apart and counted when all are done.
suite_tap() {
	local n tests
	tests=$(names test/t .pl)
	[ -z "$tests" ] && return
	ready tap build || return
	write_conf
	export TESTDIR=$WORK/tap TESTDATADIR=$WORK/tap/tmp_check TESTLOGDIR=$WORK/tap/tmp_check/log
	export PG_REGRESS=$testdir/regress/pg_regress GDPR_TREE=$WORK/tree GDPR_LOGS=$logs
	mkdir -p "$TESTLOGDIR"
	for n in $tests; do echo "$n"; done | (
		unset PGHOST PGUSER PGDATABASE GDPR_PGDATA
		PGPORT=65432 xargs -P"${GDPR_TAP_JOBS:-2}" -I{} sh -c '
			began=$(date +%s)
			timeout 600 prove -v -I "$testdir/perl" -I test/t "test/t/{}.pl" >"$GDPR_LOGS/tap.{}.log" 2>&1
			echo "$? $(($(date +%s) - began))" >"$GDPR_LOGS/tap.{}.rc"
		'
	)
	for n in $tests; do
		set -- 1 0
		[ -e "$logs/tap.$n.rc" ] && set -- $(cat "$logs/tap.$n.rc")
		count_tap "tap $n" "$logs/tap.$n.log" "$1" "$2"
		if [ "$1" -ne 0 ]; then
			keep "$TESTLOGDIR"/*"$n"*
		fi
	done
}

suite_readme() {
	[ -e README.md ] || return
	ready readme || return
	. test/lib/readme.sh
	readme_roles >"$WORK/readme.roles"
	readme_blocks README.md
	readme_whole README.md "$WORK/readme.roles"
}
