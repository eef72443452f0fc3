#!/bin/bash
# inside.sh STEP: the work of test/run.sh, done by an unprivileged user in a copy
# of the tree.  The supervisor (run.sh) sets WORK, the throwaway folder, and
# GDPR_PG, the PostgreSQL major, and removes what is left behind.
#
# GDPR_ONLY="suite ..."   runs only these suites of check, or configurations of check-core
# GDPR_TESTS="name ..."   runs only these regress, isolation, pgTAP and TAP files
# GDPR_STAGE=folder       tests what is staged there instead of building anew
set -u
step=$1
umask 022
cd "$WORK/tree" || exit 1

bindir=/usr/lib/postgresql/$GDPR_PG/bin
testdir=/usr/lib/postgresql/$GDPR_PG/lib/pgxs/src/test
export PATH=$bindir:$PATH
export GDPR_PG bindir testdir
jobs=$(nproc 2>/dev/null || echo 2)
out=$WORK/out
logs=$WORK/logs
mkdir -p "$logs"

. test/lib/report.sh
. test/lib/server.sh
. test/lib/suites.sh

suites_check="lint build clang regress isolation pgtap tap readme"
suites_sanitize="build regress isolation tap"
suites_soak="regress isolation"

run_suites() {
	local s wanted=${GDPR_ONLY:-$*}
	for s in $wanted; do
		case " $suites_check " in
		*" $s "*) ;;
		*)
			echo "GDPR_ONLY: no suite '$s' (there are: $suites_check)" >&2
			exit 2
			;;
		esac
	done
	for s in "$@"; do
		case " $wanted " in *" $s "*) suite "$s" ;; esac
	done
	if [ -n "${GDPR_ONLY:-}${GDPR_TESTS:-}" ]; then
		echo
		echo "A part only: GDPR_ONLY='${GDPR_ONLY:-}' GDPR_TESTS='${GDPR_TESTS:-}'"
	fi
}

case $step in
check)
	run_suites $suites_check
	finish_report
	;;
check-core)
	. test/lib/core.sh
	core
	finish_report
	;;
lint)
	GDPR_ONLY=lint run_suites $suites_check
	finish_report
	;;
sanitize)
	# The first undefined behaviour aborts the server, and so fails its test.
	build_flags=(COPT='-fsanitize=undefined -fno-sanitize-recover=undefined -DUSE_ASSERT_CHECKING')
	run_suites $suites_sanitize
	finish_report
	;;
soak)
	. test/lib/soak.sh
	soak
	finish_report
	;;
fuzz)
	. test/lib/fuzz.sh
	fuzz
	finish_report
	;;
demo)
	build_quietly || exit 1
	start_server main || exit 1
	createdb shop || exit 1
	PGDATABASE=shop exec bash demo/run.sh ${GDPR_DEMO_SIZE:+"$GDPR_DEMO_SIZE"}
	;;
psql-server)
	build_quietly || exit 1
	start_server main || exit 1
	createdb shop || exit 1
	export PGDATABASE=shop
	if [ -x demo/load.sh ]; then
		echo "loading the demo (GDPR_DEMO_SIZE=${GDPR_DEMO_SIZE:=1000})"
		bash demo/load.sh "$GDPR_DEMO_SIZE" >"$logs/load" 2>&1 || {
			tail -40 "$logs/load"
			exit 1
		}
	fi
	for v in PGHOST PGPORT PGUSER PGDATABASE; do
		echo "$v='${!v}'"
	done >"$WORK/server.env"
	echo "PostgreSQL $GDPR_PG is up at $PGHOST until psql ends"
	;;
bench)
	build_quietly || exit 1
	start_server main bench/postgresql.conf || exit 1
	createdb bench || exit 1
	PGDATABASE=bench exec bash bench/run.sh
	;;
*)
	echo "inside.sh: no step '$step'" >&2
	exit 2
	;;
esac
