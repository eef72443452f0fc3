#!/bin/sh
# A file includes headers of lower ranks or of its own folder only (src/LAYERS),
# and every .c file begins with base/compat.h.
set -u
find src -name '*.[ch]' | LC_ALL=C sort | xargs awk '
	function place(path,  p) {   # src/base/x.c -> base, src/hooks.c -> hooks
		p = path
		sub(/^src\//, "", p)
		if (p ~ /\//) sub(/\/[^\/]*$/, "", p); else sub(/\.[ch]$/, "", p)
		return p
	}
	function exists(path,  line, r) {
		if (path in seen) return seen[path]
		r = (getline line <path) >= 0
		close(path)
		return seen[path] = r
	}
	function bad(what) { print FILENAME ":" FNR ": " what; failed = 1 }
	BEGIN {
		while ((getline line <"src/LAYERS") > 0) {
			if (line ~ /^[ \t]*(#|$)/) continue
			split(line, f, " ")
			rank[f[2]] = f[1]
		}
	}
	FNR == 1 {
		here = place(FILENAME)
		first = 1
		if (!(here in rank)) bad("\"" here "\" has no rank in src/LAYERS")
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		inc = $0
		sub(/^[^"]*"/, "", inc)
		sub(/".*/, "", inc)
		if (first && FILENAME ~ /\.c$/ && inc != "base/compat.h")
			bad("the first include is base/compat.h, not " inc)
		first = 0
		if (exists("src/" inc)) target = "src/" inc
		else {
			dir = FILENAME
			sub(/[^\/]*$/, "", dir)
			if (!exists(dir inc)) next      # a header of the server
			target = dir inc
		}
		there = place(target)
		if (there == here || !(there in rank) || !(here in rank)) next
		if (rank[there] >= rank[here])
			bad(here " (rank " rank[here] ") includes " inc " (rank " rank[there] ")")
	}
	END { exit failed }' || exit 1
