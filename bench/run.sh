#!/usr/bin/env bash
# make bench: every benchmark, each in a database of its own (PG* environment, superuser).
# GDPR_BENCH_ROWS and GDPR_BENCH_ROUNDS make it smaller.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${GDPR_BENCH_ROWS:-1000000} rounds=${GDPR_BENCH_ROUNDS:-5}
export PAGER=cat

for bench in encryption rights; do
	createdb "bench_$bench"
done
echo "== encryption: $rows values, $rounds rounds"
PGDATABASE=bench_encryption "$here/encryption.sh" "$rows" "$rounds"
echo
echo "== rights: $((rows / 100)) and $((rows / 10)) subjects, $rounds rounds"
PGDATABASE=bench_rights "$here/rights.sh" $((rows / 100)) $((rows / 10)) "$rounds"
