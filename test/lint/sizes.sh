#!/bin/sh
# No function above 120 lines, no .c file above 900.
set -u
find src -name '*.c' | LC_ALL=C sort | xargs awk '
	function bad(what) { print what; failed = 1 }
	function whole() { if (lines > 900) bad(file ": " lines " lines (at most 900)") }
	FNR == 1 { whole(); file = FILENAME; start = 0 }
	{ lines = FNR }
	/^[A-Za-z_][A-Za-z0-9_]*\(/ { name = $0; sub(/\(.*/, "", name) }
	/^\{/ { start = FNR }
	/^\}/ && start {
		if (FNR - start - 1 > 120)
			bad(FILENAME ":" start ": " name " has " FNR - start - 1 " lines (at most 120)")
		start = 0
	}
	END { whole(); exit failed }' || exit 1
