#!/bin/sh
# Says what "make installcheck" needs when the running server lacks it.
# usage: test/installcheck.sh BINDIR
set -u
ask() { "$1/psql" -XAtq -d postgres -c "$2" 2>&1; }

if ! preload=$(ask "$1" 'SHOW shared_preload_libraries'); then
	echo "installcheck: no server answers: $preload" >&2
	echo "Set PGHOST, PGPORT and PGUSER, or run 'make check', which starts its own." >&2
	exit 1
fi
case ",$(echo "$preload" | tr -d ' ')," in
*,gdpr_ext,*) ;;
*)
	echo "installcheck: the server does not preload the library.  After 'make install', add" >&2
	echo "    shared_preload_libraries = 'gdpr_ext'" >&2
	echo "    gdpr.root_key_file = '/path/to/key'    # 64 hex digits, mode 0600, the server's user" >&2
	echo "to postgresql.conf and restart.  'make check' needs none of this." >&2
	exit 1
	;;
esac
source=$(ask "$1" "SELECT string_agg(setting, '') FROM pg_settings
	WHERE name IN ('gdpr.root_key_file', 'gdpr.root_key_command')")
if [ -z "$source" ]; then
	echo "installcheck: the server has no root key.  Set gdpr.root_key_file to a file of" >&2
	echo "64 hex digits (openssl rand -hex 32), mode 0600, owned by the server's user, and restart." >&2
	exit 1
fi
