#!/bin/sh
# load.sh [CUSTOMERS]: creates the web shop, schema "shop", in the database
# that psql reaches by the PG* environment.  The same number gives the same
# rows, byte for byte, on every server.
set -eu
export PGCLIENTENCODING=UTF8
here=$(cd "$(dirname "$0")" && pwd)
size=${1:-1000}

case $size in
	''|*[!0-9]*) echo "usage: $0 [CUSTOMERS]" >&2; exit 2 ;;
esac
if [ "$size" -lt 100 ]; then
	echo "$0: at least 100 customers" >&2
	exit 2
fi

encoding=$(psql -X -qAt -c 'SHOW server_encoding')
if [ "$encoding" != UTF8 ]; then
	echo "$0: the database's encoding is $encoding; the names need UTF8" >&2
	exit 1
fi

exec psql -X -q -v ON_ERROR_STOP=1 --single-transaction -v size="$size" \
	-f "$here/schema.sql" -f "$here/data.sql" -f "$here/constraints.sql" >/dev/null
