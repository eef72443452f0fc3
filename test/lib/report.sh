# report.sh: counting.  Sourced by inside.sh.

passed=0
failed=0
skipped=0
failures=()

now() { date +%s; }

# pass|fail|skip LABEL [COUNT]
pass() { passed=$((passed + ${2:-1})); echo "  ok    $1"; }
skip() { skipped=$((skipped + ${2:-1})); echo "  skip  $1"; }
fail() {
	failed=$((failed + ${2:-1}))
	failures+=("$1")
	echo "  FAIL  $1"
}

# keep FILE...: puts a log or a difference where the checkout gets it
keep() {
	local f
	for f; do
		[ -e "$f" ] && cp -r "$f" "$out/" 2>/dev/null
	done
}

# excerpt FILE [LINES]: the end of a log, set in
excerpt() { tail -n "${2:-40}" "$1" | sed 's/^/        /'; }

# compiler_errors FILE: what the compiler says, without its command lines
compiler_errors() { grep -vE '^([a-z0-9_-]*(gcc|clang|cc)|make)[-0-9]* ' "$1" | head -n 60 | cut -c1-200 | sed 's/^/        /'; }

suite() {
	local began
	began=$(now)
	echo
	echo "== $1"
	"suite_$1"
	echo "  ($(($(now) - began)) s)"
}

# The last line is what people and machines read.
finish_report() {
	local f
	echo
	if [ $failed -gt 0 ]; then
		for f in "${failures[@]}"; do
			echo "failed: $f"
		done
	elif [ $passed -eq 0 ]; then
		echo "nothing was run"
	fi
	if [ $skipped -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ $failed -eq 0 ] && [ $passed -gt 0 ]
	exit $?
}
