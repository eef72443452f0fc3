# fuzz.sh: builds and runs the harnesses of test/fuzz.  Sourced by inside.sh.
#
# Each harness test/fuzz/NAME.c names the pure files it drives in a comment
# "fuzz: src/a/b.c src/c/d.c".  It runs for GDPR_FUZZ_SECONDS (30), or
# GDPR_FUZZ_RUNS times however long that takes, under the address and
# undefined-behaviour sanitizers, from test/fuzz/corpus/NAME if that
# is there.  An input that ends it is kept.

fuzz() {
	local f n sources longest bin seconds=${GDPR_FUZZ_SECONDS:-30} limit
	limit=(timeout $((seconds + 60)))
	seconds=-max_total_time=$seconds
	if [ -n "${GDPR_FUZZ_RUNS:-}" ]; then
		limit=() seconds=-runs=$GDPR_FUZZ_RUNS
	fi
	echo
	echo "== fuzz"
	for f in test/fuzz/*.c; do
		n=$(basename "$f" .c)
		case $n in server) continue ;; esac
		wanted "$n" || continue
		sources=$(sed -n 's,^.*fuzz: *\(src/[^*]*\).*,\1,p' "$f")
		longest=$(sed -n 's,^.*longest: *\([0-9]*\).*,\1,p' "$f")
		if [ -z "$sources" ]; then
			fail "fuzz $n: no comment 'fuzz: src/…' names what it drives"
			continue
		fi
		bin=$WORK/fuzz.$n
		if ! clang-14 -g -O1 -std=gnu11 -D_GNU_SOURCE -DGDPR_EXT_VERSION='"fuzz"' -Isrc -Itest/fuzz \
			-isystem "$(pg_config --includedir-server)" -Wno-unused-command-line-argument \
			-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
			"$f" test/fuzz/server.c $sources -o "$bin" -Wl,--allow-multiple-definition \
			-L"$(pg_config --libdir)" -L"$(pg_config --pkglibdir)" -lpgcommon -lpgport -lcrypto -lm \
			>"$logs/fuzz.$n" 2>&1; then
			excerpt "$logs/fuzz.$n"
			fail "fuzz $n: it does not build"
			continue
		fi
		mkdir -p "$WORK/corpus.$n"
		[ -d "test/fuzz/corpus/$n" ] && cp test/fuzz/corpus/"$n"/* "$WORK/corpus.$n/"
		if "${limit[@]}" "$bin" "$seconds" \
			-timeout=5 -rss_limit_mb=1024 -max_len="${longest:-4096}" -detect_leaks=0 -print_final_stats=1 \
			-artifact_prefix="$out/$n-" "$WORK/corpus.$n" >"$logs/fuzz.$n" 2>&1; then
			pass "fuzz $n: $(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/fuzz.$n") runs, $(
				sed -n 's/^#[0-9]*[[:space:]]*DONE *cov: \([0-9]*\) ft: \([0-9]*\) corp: \([^ ]*\).*/\1 edges, \2 features, corpus \3/p' "$logs/fuzz.$n")"
		else
			excerpt "$logs/fuzz.$n" 60
			keep "$logs/fuzz.$n"
			fail "fuzz $n"
		fi
	done
}
