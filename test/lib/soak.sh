# soak.sh: the regress and isolation suites over and over in one server, in random
# order, for GDPR_SOAK_MINUTES.  Sourced by inside.sh.
#
# What one pass cannot show: tests that lean on each other, memory and files that
# grow.  Every round is counted as one; the server's size after the first and the
# last round is printed.

server_memory() { # kB of the postmaster's family, shared pages counted once
	local pid
	pid=$(head -n1 "$GDPR_PGDATA/postmaster.pid")
	cat /proc/"$pid"/smaps_rollup 2>/dev/null | awk '/^Pss:/ { print $2 }'
}

# Values of hundreds of megabytes, which take too much memory for every make check.
large_values() {
	createdb large && psql -X -q -d large -c 'CREATE EXTENSION gdpr_ext' \
		-v file="$WORK/tmp/large" -f test/large.sql >"$logs/large" 2>&1
	if sed 's/^psql:[^ ]* //' "$logs/large" | diff test/large.out - >"$logs/large.diff"; then
		pass "values of hundreds of megabytes"
	else
		cat "$logs/large.diff"
		fail "values of hundreds of megabytes"
	fi
	rm -f "$WORK/tmp/large"
	dropdb large
}

soak() {
	local round=0 first end regress isolation bad
	ready soak || return
	large_values
	end=$(($(now) + ${GDPR_SOAK_MINUTES:-10} * 60))
	while [ "$(now)" -lt "$end" ] || [ $round = 0 ]; do
		round=$((round + 1))
		regress=$(names test/sql .sql | shuf)
		isolation=$(names test/specs .spec | shuf)
		bad=
		if [ -n "$regress" ]; then
			"$testdir/regress/pg_regress" --inputdir=test --outputdir=. --bindir="$bindir" \
				--dbname=regression --load-extension=gdpr_ext $regress >"$logs/soak" 2>&1 || bad=1
		fi
		if [ -z "$bad" ] && [ -n "$isolation" ]; then
			"$testdir/isolation/pg_isolation_regress" --inputdir=test --outputdir=. \
				--bindir="$bindir" --dbname=isolation_regression --load-extension=gdpr_ext \
				$isolation >"$logs/soak" 2>&1 || bad=1
		fi
		if [ -n "$bad" ]; then
			excerpt "$logs/soak"
			regress_diffs soak
			fail "round $round ($(echo $regress $isolation))"
			return
		fi
		pass "round $round, postmaster $(server_memory) kB"
	done
}
