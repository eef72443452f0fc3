-- enctext: values go in, rest encrypted, and come out for those who may read.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA enctext_test;
SET search_path = enctext_test, public;
CREATE ROLE enctext_reader;
CREATE ROLE enctext_nobody;
GRANT USAGE, CREATE ON SCHEMA enctext_test TO enctext_reader, enctext_nobody;
SELECT gdpr.create_context('enctext_pii', '{enctext_reader}');
SELECT gdpr.grant_context('enctext_pii', 'enctext_reader', 'write');
SELECT gdpr.create_context('enctext_''odd', '{enctext_reader}');

-- the type modifier
CREATE TABLE kinds (a enctext('enctext_pii'), b enctext(enctext_pii), c enctext('enctext_''odd'));
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = 'kinds'::regclass AND attnum > 0 ORDER BY attnum;
SELECT format_type('enctext'::regtype, 4711), format_type('enctext'::regtype, -1);
CREATE TABLE by_number (a enctext(4711));
SELECT format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = 'by_number'::regclass AND attnum = 1;
INSERT INTO by_number VALUES ('kanarialintu-x');
CREATE TABLE refused (a enctext(''));
CREATE TABLE refused (a enctext('a', 'b'));
CREATE TABLE refused (a enctext(0));
CREATE TABLE refused (a enctext(2147483648));
CREATE TABLE refused (a enctext('kanarialintu-0123456789012345678901234567890123456789012345678901'));
\set VERBOSITY terse
SET client_min_messages = notice;
CREATE TABLE unknown (a enctext('enctext_unknown'), b enctext('enctext_unknown'));
SET client_min_messages = warning;
\set VERBOSITY sqlstate
INSERT INTO unknown VALUES ('kanarialintu-x');
INSERT INTO unknown VALUES (NULL);

-- values of all shapes
SET ROLE enctext_reader;
CREATE TABLE t (id int PRIMARY KEY, plain text, e enctext('enctext_pii'));
INSERT INTO t (id, plain) VALUES
	(1, 'kanarialintu-aino@example.org'), (2, ''), (3, NULL), (4, ' '), (5, 'gdpr:'),
	(6, 'gdpr:kanarialintu-åäö'), (7, E'kanarialintu-\n\t\\"'''), (8, 'Ääkköset ja 日本語 🐦'),
	(9, 'gdpr:='), (10, 'gdpr:=gdpr:='), (11, repeat('x', 126)), (12, repeat('y', 127)),
	(13, repeat('kanarialintu-', 500)), (14, repeat('z', 1048576));
UPDATE t SET e = plain;
SELECT id, e::text IS NOT DISTINCT FROM plain AS same FROM t ORDER BY id;
SELECT id, e FROM t WHERE id < 11 ORDER BY id;
-- input and output undo each other, also for what looks like our own text form
SELECT id, format('%s', e)::enctext::text = plain AS cast_back FROM t
	WHERE id NOT IN (3, 9, 10) ORDER BY id;
CREATE TABLE escapes (e enctext('enctext_pii'));
INSERT INTO escapes VALUES ('gdpr:='), ('gdpr:=x'), ('gdpr:=gdpr:=x'), ('gdpr:=gdpr:AREAAAABAAEB'), ('gdpr:AAAA');
SELECT e::text AS plain, e AS printed FROM escapes ORDER BY 1;
-- 53 bytes and the server's header of 1 or 4; a new nonce each time
SELECT id, pg_column_size(e) - octet_length(plain) AS overhead FROM t WHERE id IN (2, 4, 11) ORDER BY id;
SET gdpr.output = ciphertext;
SELECT id, format('%s', e) LIKE 'gdpr:AR%' AS sealed FROM t WHERE id IN (1, 2, 3, 13) ORDER BY id;
CREATE TABLE again (v text);
INSERT INTO again SELECT format('%s', e) FROM t WHERE id = 1;
CREATE TABLE sealed_again AS SELECT plain::enctext('enctext_pii') AS e FROM t WHERE id = 1;
SELECT format('%s', s.e) = v AS nonce_repeats FROM sealed_again s, again;
RESET gdpr.output;

RESET ROLE;
GRANT SELECT ON ALL TABLES IN SCHEMA enctext_test TO enctext_nobody;
-- the superuser is no reader
SELECT count(*) FROM t WHERE e IS NOT NULL AND format('%s', e) NOT LIKE 'gdpr:AR%';
SELECT count(*) FROM t WHERE e IS NULL;
SET ROLE enctext_nobody;
SELECT count(*) FROM t WHERE e IS NOT NULL AND format('%s', e) NOT LIKE 'gdpr:AQ%';
SELECT e::text FROM t;
SELECT to_jsonb(t) FROM t;

-- types built on it
SET ROLE enctext_reader;
CREATE DOMAIN email AS enctext('enctext_pii') CHECK (VALUE::text LIKE '%@%');
CREATE TYPE contact AS (name enctext('enctext_pii'), age int);
CREATE TABLE built (id int, d email, c contact, a enctext('enctext_pii')[]);
INSERT INTO built VALUES
	(1, 'kanarialintu-a@example.org', ROW('kanarialintu-b', 4), '{kanarialintu-c,NULL,"kanarialintu d"}'),
	(2, 'kanarialintu-a@example.org'::text, ROW('kanarialintu-b'::text, 5), ARRAY['kanarialintu-c'::text]);
INSERT INTO built VALUES (3, 'kanarialintu', NULL, NULL);
SELECT id, d, c, a FROM built ORDER BY id;
SELECT id, d::text, (c).name::text, a[1]::text, a::text[] FROM built ORDER BY id;
SET gdpr.output = ciphertext;
SELECT id, format('%s %s %s', d, c, a) LIKE '%kanarialintu%' AS leaks FROM built ORDER BY id;
RESET gdpr.output;
SELECT a || 'kanarialintu-e'::enctext AS appended, array_length(a, 1) FROM built WHERE id = 1;
UPDATE built SET a[2] = 'kanarialintu-f' WHERE id = 1;
SELECT a::text[] FROM built WHERE id = 1;

-- partitions, temporary tables
CREATE TABLE parted (k int, e enctext('enctext_pii')) PARTITION BY LIST (k);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted VALUES (1, 'kanarialintu-1'), (2, 'kanarialintu-2');
UPDATE parted SET k = 2 WHERE k = 1;
SELECT tableoid::regclass, e FROM parted ORDER BY e::text;
CREATE TABLE by_value (e enctext('enctext_pii')) PARTITION BY HASH (e);
CREATE TABLE by_value_0 PARTITION OF by_value FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_value_1 PARTITION OF by_value FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO by_value SELECT 'kanarialintu-' || i FROM generate_series(1, 40) i;
SELECT count(DISTINCT e), count(DISTINCT tableoid) FROM by_value;
CREATE TEMPORARY TABLE temporary (e enctext('enctext_pii'), loose enctext);
INSERT INTO temporary VALUES ('kanarialintu-1', 'kanarialintu-2');
SELECT * FROM temporary;
INSERT INTO t SELECT 100, NULL, loose FROM temporary;
DROP TABLE temporary;
SELECT e FROM t WHERE id = 100;

-- PL/pgSQL variables, prepared statements, functions
DO $$
DECLARE
	v enctext('enctext_pii') := 'kanarialintu-variable';
	w t.e%TYPE;
	r t%ROWTYPE;
BEGIN
	w := v;
	INSERT INTO t VALUES (101, NULL, w);
	SELECT * INTO r FROM t WHERE id = 101;
	r.id := 102;
	r.e := 'kanarialintu-row';
	INSERT INTO t VALUES (r.*);
END $$;
SELECT id, e FROM t WHERE id IN (101, 102) ORDER BY id;
PREPARE put (int, text, enctext) AS INSERT INTO t VALUES ($1, $2, $3);
EXECUTE put(103, NULL, 'kanarialintu-prepared');
SET plan_cache_mode = force_generic_plan;
EXECUTE put(104, NULL, 'kanarialintu-generic');
RESET plan_cache_mode;
PREPARE put_text (int, text) AS INSERT INTO t VALUES ($1, NULL, $2);
EXECUTE put_text(105, 'kanarialintu-text');
SELECT id, e FROM t WHERE id > 102 ORDER BY id;
CREATE FUNCTION whole(t) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.e::text';
SELECT whole(t) FROM t WHERE id = 105;

-- COPY FROM takes plaintext and our own text form; errors do not print the value
CREATE TABLE copied (id int, e enctext('enctext_pii'));
COPY copied FROM stdin;
1	kanarialintu-copied
2	
3	\N
4	gdpr:=gdpr:=
\.
COPY copied FROM stdin CSV;
5,"kanarialintu, ""quoted"""
6,""
7,
\.
SELECT id, e, e IS NULL AS is_null FROM copied ORDER BY id;
SET ROLE enctext_nobody;
\set VERBOSITY default
CREATE TABLE copied_nobody (id int, e enctext('enctext_pii'));
COPY copied_nobody FROM stdin;
1	kanarialintu-refused
\.
INSERT INTO copied_nobody VALUES (1, 'kanarialintu-refused');
\set VERBOSITY sqlstate
RESET ROLE;

-- what is stored beside it: no value, no tag
ANALYZE t, built;
SELECT tablename, attname, most_common_vals IS NULL AND histogram_bounds IS NULL
		AND most_common_elems IS NULL AND correlation IS NULL AS nothing_kept
	FROM pg_stats WHERE schemaname = 'enctext_test' AND attname IN ('e', 'a', 'd')
	ORDER BY 1, 2;
SELECT stanullfrac > 0 AS nulls, stawidth > 53 AS width, stadistinct <> 0 AS distinct_count
	FROM pg_statistic WHERE starelid = 't'::regclass AND staattnum = 3;

DROP SCHEMA enctext_test CASCADE;
DROP ROLE enctext_reader, enctext_nobody;
