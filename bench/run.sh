#!/usr/bin/env bash
# make bench: every benchmark, each in a database of its own (PG* environment, superuser).
# GDPR_BENCH_ROWS and GDPR_BENCH_ROUNDS make it smaller; GDPR_BENCH names some of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rows=${GDPR_BENCH_ROWS:-1000000} rounds=${GDPR_BENCH_ROUNDS:-5}
export PAGER=cat

wanted=${GDPR_BENCH:-idle encryption persons lookup reencrypt saves rights audit access retention}
for bench in $wanted; do
	createdb "bench_$bench"
done
has() { case " $wanted " in *" $1 "*) ;; *) return 1 ;; esac }

if has idle; then
	echo "== idle"
	"$here/idle.sh"
	echo
fi
if has encryption; then
	echo "== encryption: $rows values, $rounds rounds"
	PGDATABASE=bench_encryption "$here/encryption.sh" "$rows" "$rounds"
fi
if has persons; then
	echo
	echo "== persons: $((rows / 5)) persons, $rounds rounds"
	PGDATABASE=bench_persons "$here/persons.sh" $((rows / 5)) "$rounds"
fi
if has lookup; then
	echo
	echo "== lookup: $rows rows, $rounds rounds"
	PGDATABASE=bench_lookup "$here/lookup.sh" "$rows" "$rounds"
fi
if has reencrypt; then
	echo
	echo "== reencrypt: $rows rows, $rounds rounds"
	PGDATABASE=bench_reencrypt "$here/reencrypt.sh" "$rows" "$rounds"
fi
if has saves; then
	echo
	echo "== saves: $rows saves"
	PGDATABASE=bench_saves "$here/saves.sh" "$rows"
fi
if has rights; then
	echo
	echo "== rights: $((rows / 100)) and $((rows / 10)) subjects, $rounds rounds"
	PGDATABASE=bench_rights "$here/rights.sh" $((rows / 100)) $((rows / 10)) "$rounds"
fi
if has audit; then
	echo
	echo "== audit: $((rows / 2)) rows, $rounds rounds"
	PGDATABASE=bench_audit "$here/audit.sh" $((rows / 2)) "$rounds" 7
fi
if has access; then
	echo
	echo "== access: $rows rows, $rounds rounds"
	PGDATABASE=bench_access "$here/access.sh" "$rows" "$rounds"
fi
if has retention; then
	echo
	echo "== retention: $rows rows, $rounds rounds"
	PGDATABASE=bench_retention "$here/retention.sh" "$rows" "$rounds"
fi
