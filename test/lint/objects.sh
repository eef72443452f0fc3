#!/bin/sh
# Every SQL object of the extension has a comment, and every object that reaches
# for names at run time as its owner pins them.  Asks the installed extension.
# needs: server
set -u
db=${GDPR_LINT_DB:-lint}
if [ -z "${GDPR_LINT_DB:-}" ]; then
	dropdb --if-exists $db 2>/dev/null
	createdb $db && psql -XAtq -d $db -c 'CREATE EXTENSION gdpr_ext' || exit 1
fi
found=$(psql -XAtq -v ON_ERROR_STOP=1 -d $db <<'SQL'
WITH member AS (
  SELECT d.classid, d.objid
  FROM pg_depend d
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'gdpr_ext')
)
SELECT pg_describe_object(m.classid, m.objid, 0) || ': no comment'
FROM member m
WHERE NOT EXISTS (SELECT FROM pg_description c
                  WHERE c.classoid = m.classid AND c.objoid = m.objid AND c.objsubid = 0)
  -- what another object brings along: array and row types, an index's opfamily, rules of views
  AND NOT (m.classid = 'pg_type'::regclass AND EXISTS (
           SELECT FROM pg_type t WHERE t.oid = m.objid
             AND (t.typelem <> 0 AND t.typname LIKE '\_%' OR t.typrelid <> 0 AND NOT EXISTS (
                  SELECT FROM pg_class r WHERE r.oid = t.typrelid AND r.relkind = 'c'))))
  AND NOT (m.classid = 'pg_class'::regclass AND EXISTS (
           SELECT FROM pg_class r WHERE r.oid = m.objid AND r.relkind IN ('i', 'I', 't', 'c')))
  AND NOT (m.classid = 'pg_class'::regclass AND EXISTS (
           SELECT FROM pg_depend d WHERE d.classid = m.classid AND d.objid = m.objid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')))
  AND m.classid NOT IN ('pg_rewrite'::regclass, 'pg_default_acl'::regclass)
UNION ALL
SELECT p.oid::regprocedure || ': SECURITY DEFINER without SET search_path = pg_catalog, pg_temp'
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE p.prosecdef AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))
UNION ALL
SELECT p.oid::regprocedure || ': PL/pgSQL is not used in the installed extension'
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
  JOIN pg_language l ON l.oid = p.prolang
WHERE l.lanname NOT IN ('c', 'sql')
UNION ALL
SELECT format('%s on %s: no foreign keys between our tables: pg_restore -j fills them in any order',
              c.conname, c.conrelid::regclass)
FROM member m JOIN pg_constraint c ON m.classid = 'pg_class'::regclass AND c.conrelid = m.objid
WHERE c.contype = 'f'
UNION ALL
-- PUBLIC has what a column of ours needs, and what a session says of itself
SELECT p.oid::regprocedure || ': PUBLIC may execute it'
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
WHERE has_function_privilege('public', p.oid, 'EXECUTE')
  AND p.proname !~ '(^|_)enc(text|itext|secret|bytea|jsonb|numeric|int8|date|timestamptz|type)(_|$)'
  AND p.proname NOT IN ('begin_work', 'own_key', 'row_access', 'searches')
  AND p.proname <> 'convert_row'                             -- whoever adds a partition clones its trigger
  AND NOT 'internal'::regtype::oid = ANY (p.proargtypes)     -- SQL cannot call it
UNION ALL
SELECT c.oid::regclass || ': PUBLIC may ' || a.privilege_type
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid, aclexplode(c.relacl) a
WHERE a.grantee = 0
ORDER BY 1;
SQL
) || exit 1
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
