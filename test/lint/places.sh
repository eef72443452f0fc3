#!/bin/sh
# What stands in one place only: PG_VERSION_NUM in base/compat.h, settings in
# base/guc.c, the server's hooks in hooks.c.
set -u
failed=0
only() { # WHAT PATTERN FILE...
	what=$1 pattern=$2
	shift 2
	found=$(grep -rnE "$pattern" src --include='*.[ch]')
	for f; do
		found=$(echo "$found" | grep -v "^$f:")
	done
	if [ -n "$found" ]; then
		echo "$what belongs in $* only:"
		echo "$found"
		failed=1
	fi
}
only "PG_VERSION_NUM" '\bPG_VERSION_NUM\b' src/base/compat.h
only "DefineCustom" '\bDefineCustom[A-Za-z]+Variable\b|\bMarkGUCPrefixReserved\b' src/base/guc.c
# Own pointers (gdpr_…_hook) and fields of tables (.check_hook) are something else.
only "setting a hook of the server" '(^|[ \t])([A-FH-Za-z]|g[a-ce-z])[A-Za-z_]*_hook[ \t]*=[^=]' src/hooks.c
exit $failed
