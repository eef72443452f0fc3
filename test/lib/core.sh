# core.sh: PostgreSQL's own regression and isolation suites with and without us.
# Sourced by inside.sh.
#
# Each configuration has a fresh server; two run side by side.  A configuration
# must give what its reference gives in the same run, test by test: the same
# verdict, and the same regression.diffs.  Whatever else is different about
# this machine is different in the reference too.  test/core/differences lists
# what may differ with the extension created.
#
# GDPR_ONLY="created ..."   these configurations only (and their references)

. test/lib/source.sh

# name, preloaded libraries, what is created in the database, the reference
core_configurations() {
	cat <<-'END'
		plain|||
		preloaded|gdpr_ext||plain
		created|gdpr_ext|gdpr_ext|plain
		others|pg_stat_statements,pgaudit||
		before|gdpr_ext,pg_stat_statements,pgaudit||others
		after|pg_stat_statements,pgaudit,gdpr_ext||others
	END
}

core_field() { core_configurations | awk -F'|' -v name="$1" -v n="$2" '$1 == name { print $n }'; }

# The configurations that are wanted, references first.
core_wanted() {
	local name wanted=
	for name in ${GDPR_ONLY:-$(core_configurations | cut -d'|' -f1)}; do
		wanted="$wanted $name $(core_field "$name" 4)"
	done
	for name in $(core_configurations | cut -d'|' -f1); do
		case " $wanted " in *" $name "*) echo "$name" ;; esac
	done
}

# The functions in C that the suites call.
core_libraries() {
	local s
	core_lib=$WORK/corelib
	mkdir -p "$core_lib"
	for s in src/test/regress/regress contrib/spi/refint contrib/spi/autoinc; do
		[ -e "$source_dir/tree/$s.c" ] || continue
		gcc -O1 -fPIC -shared -I"$(pg_config --includedir-server)" "$source_dir/tree/$s.c" \
			-o "$core_lib/${s##*/}.so" >>"$logs/corelib" 2>&1 || return 1
	done
}

# core_run NAME: both suites in a server of its own
core_run() (
	local dir=$WORK/core/$1 libraries extension
	libraries=$(core_field "$1" 2)
	extension=$(core_field "$1" 3)
	rm -rf "$dir"
	mkdir -p "$dir"
	{
		# The reference knows nothing of us.
		case $libraries in
		*gdpr_ext*) cat "$WORK/server.conf" ;;
		*) grep -v gdpr "$WORK/server.conf" ;;
		esac
		# As pg_regress sets up a server of its own.
		echo "shared_preload_libraries = '$libraries'"
		echo "max_prepared_transactions = 2"
		echo "log_lock_waits = on"
		# Identifiers are made, but EXPLAIN does not print them: they hold OIDs.
		echo "compute_query_id = regress"
	} >"$dir/conf"
	server_conf=$dir/conf
	logs=$dir
	start_server "core/$1" || return 1
	core_suite "$dir" regress pg_regress regression parallel_schedule "$extension"
	core_suite "$dir" isolation pg_isolation_regress isolation_regression isolation_schedule "$extension"
	pg_ctl -D "$GDPR_PGDATA" -m fast -w stop >"$dir/stop" 2>&1
)

# core_suite FOLDER SUITE PROGRAM DATABASE SCHEDULE EXTENSION
core_suite() {
	local input=$source_dir/tree/src/test/$2
	"$testdir/$2/$3" --bindir="$core_bin" --inputdir="$input" --outputdir="$1/$2" \
		--dlpath="$core_lib" --max-concurrent-tests=20 --dbname="$4" \
		--schedule="$input/$5" ${6:+--load-extension=$6} >"$1/$2.log" 2>&1
	core_verdicts "$1/$2.log" >"$1/$2.verdicts"
	core_diffs "$1/$2"
}

# core_verdicts LOG: "name ok" or "name failed" for each test, sorted.  pg_regress
# prints "test x ... ok" before 16, "ok 1 - x" from 16 on.
core_verdicts() {
	sed -nE \
		-e 's/^(test|    ) +([^ ]+) +\.\.\. (ok|FAILED|failed).*/\2 \3/p' \
		-e 's/^ok +[0-9]+ +[-+] ([^ ]+).*/\1 ok/p' \
		-e 's/^not ok +[0-9]+ +[-+] ([^ ]+).*/\1 failed/p' "$1" |
		sed 's/FAILED/failed/' | sort
}

# core_diffs FOLDER: regression.diffs, cut into a file diffs/NAME for each test,
# without what names the folder or the time.
core_diffs() {
	mkdir -p "$1/diffs"
	[ -s "$1/regression.diffs" ] || return
	awk -v dir="$1/diffs" '
		/^diff / {
			name = $NF
			sub(/.*\//, "", name)
			sub(/\.out$/, "", name)
			next
		}
		/^(---|\+\+\+) \// { next }
		{ print >(dir "/" name) }
	' "$1/regression.diffs"
}

# core_listed SUITE/TEST: the patterns of that test's entry
core_listed() {
	awk -v test="$1" '
		/^#/ || /^$/ { next }
		/^[^\t]/ { here = ($1 == test ":"); next }
		here { sub(/^\t/, ""); print }
	' test/core/differences
}

# core_explained SUITE/TEST FOLDER REFERENCE: is each line that differs listed, and
# does each listed pattern differ?  Says what is not so.
core_explained() {
	local suite=${1%/*} name=${1#*/} lines=$WORK/core/lines pattern
	core_listed "$1" >"$WORK/core/patterns"
	[ -s "$WORK/core/patterns" ] || return 1
	diff "$3/$suite/results/$name.out" "$2/$suite/results/$name.out" | grep '^[<>]' >"$lines"
	if grep -vE -f "$WORK/core/patterns" "$lines"; then
		echo "^ not listed for $1 in test/core/differences"
		return 1
	fi
	while read -r pattern; do
		grep -qE -e "$pattern" "$lines" && continue
		echo "listed for $1, but gone: $pattern"
		return 1
	done <"$WORK/core/patterns"
}

# core_compare NAME REFERENCE SUITE: the tests that are not what they should be, one
# a line; sets same and listed, the numbers of those that are.
core_compare() {
	local dir=$WORK/core/$1 ref=$WORK/core/$2 name theirs ours
	same=0
	listed=0
	differing=()
	while read -r name theirs ours; do
		if [ "$theirs" = "$ours" ] && [ "$ours" != missing ] &&
			cmp -s <(cat "$ref/$3/diffs/$name" 2>/dev/null) <(cat "$dir/$3/diffs/$name" 2>/dev/null); then
			if [ -n "$(core_field "$1" 3)" ] && [ -n "$(core_listed "$3/$name")" ]; then
				echo "$3/$name is listed in test/core/differences, but does not differ" >>"$dir/why"
				differing+=("$name")
			else
				same=$((same + 1))
			fi
		elif [ -n "$(core_field "$1" 3)" ] && core_explained "$3/$name" "$dir" "$ref" >>"$dir/why"; then
			listed=$((listed + 1))
		else
			echo "$3/$name: $theirs in $2, $ours in $1" >>"$dir/why"
			diff -uN --label "$2" --label "$1" "$ref/$3/results/$name.out" "$dir/$3/results/$name.out" >>"$dir/why"
			differing+=("$name")
		fi
	done < <(join -a1 -a2 -e missing -o 0,1.2,2.2 "$ref/$3.verdicts" "$dir/$3.verdicts")
}

# core_check NAME: compares both suites with the reference's.  Timing decides some
# tests of the isolation suite, so that what differs runs once more, with its
# reference, before it counts; that is said.
core_check() {
	local name=$1 ref suite again=
	ref=$(core_field "$name" 4)
	for suite in regress isolation; do
		core_compare "$name" "$ref" $suite
		if [ ${#differing[@]} -gt 0 ] && [ -z "$again" ]; then
			again=", at the second attempt"
			echo "  again $name: ${differing[*]}"
			core_run "$ref"
			core_run "$name"
			core_compare "$name" "$ref" $suite
		fi
		[ $same -gt 0 ] && pass "$name, $suite: $same as $ref$again" $same
		[ $listed -gt 0 ] && pass "$name, $suite: $listed differ as test/core/differences says$again" $listed
		if [ ${#differing[@]} -gt 0 ]; then
			head -n 100 "$WORK/core/$name/why" | sed 's/^/        /'
			keep "$WORK/core/$name/why" "$WORK/core/$name/log"
			fail "$name, $suite: ${differing[*]}" ${#differing[@]}
		elif [ $((same + listed)) = 0 ]; then
			excerpt "$WORK/core/$name/$suite.log"
			fail "$name, $suite: nothing was run"
		fi
	done
}

# What the reference itself fails is this machine's or the source's matter, and
# counts against nobody; it is named, since less of it is compared.
core_reference() {
	local bad
	bad=$(cat "$WORK/core/$1"/*.verdicts | sed -n 's/ failed$//p' | xargs)
	echo "  $1, the reference: $(cat "$WORK/core/$1"/*.verdicts | wc -l) tests${bad:+; without us it fails: $bad}"
}

core_prepare() {
	if ! build; then
		compiler_errors "$logs/build"
		keep "$logs/build"
		fail "the build"
		return 1
	fi
	write_conf
	if ! fetch_source; then
		fail "the source of the installed server"
		return 1
	fi
	core_bin=$bindir
	if [ -z "$source_exact" ]; then
		core_bin=$WORK/corebin
		source_psql "$core_bin"
	fi
	echo "  suites of $source_version, server $(postgres --version | sed 's/^.*) //'), psql $("$core_bin/psql" --version | sed 's/^.*) //')"
	if ! core_libraries; then
		excerpt "$logs/corelib"
		fail "regress.so does not build"
		return 1
	fi
}

core() {
	local name names
	echo
	echo "== core"
	for name in ${GDPR_ONLY:-}; do
		[ -n "$(core_field "$name" 1)" ] && continue
		echo "GDPR_ONLY: no configuration '$name' (there are: $(core_configurations | cut -d'|' -f1 | xargs))" >&2
		exit 2
	done
	core_prepare || return
	names=$(core_wanted)
	export WORK
	mkdir -p "$WORK/core"
	for name in $names; do
		core_run "$name" &
		[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
	done
	wait
	for name in $names; do
		if [ -z "$(core_field "$name" 4)" ]; then core_reference "$name"; else core_check "$name"; fi
	done
}
