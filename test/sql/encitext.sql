-- encitext: equality but for case, by a rule that no server, locale or Unicode
-- of the database has a say in.  The value itself is kept as it was written.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE SCHEMA encitext_test;
SET search_path = encitext_test, public;
CREATE ROLE encitext_user;
CREATE ROLE encitext_clerk;
GRANT USAGE, CREATE ON SCHEMA encitext_test TO encitext_user, encitext_clerk;
SELECT gdpr.create_context('encitext_pii', '{encitext_user}');
SELECT gdpr.create_context('encitext_other', '{encitext_user}');
SELECT gdpr.grant_context(c, 'encitext_user', 'write') FROM unnest('{encitext_pii,encitext_other}'::name[]) c;

SET ROLE encitext_user;
CREATE TABLE a (id int PRIMARY KEY, e encitext('encitext_pii'));
INSERT INTO a SELECT i, CASE i % 2 WHEN 0 THEN 'kanarialintu-Aino' ELSE 'KANARIALINTU-aino' END || i % 100 FROM generate_series(1, 400) i;
INSERT INTO a VALUES (0, ''), (-1, NULL);
SELECT id, e, e::text, e || '!' AS cat FROM a WHERE id IN (0, 1, 2) ORDER BY id;

-- literals, parameters and strings
SELECT count(*) FROM a WHERE e = 'Kanarialintu-AINO7';
SELECT count(*) FROM a WHERE e = 'KANARIALINTU-aino7'::text;
SELECT count(*) FROM a WHERE 'kanarialintu-aino7'::varchar = e;
SELECT count(*) FROM a WHERE e <> 'kanarialintu-aino7';
SELECT count(*) FROM a WHERE e = '';
SELECT count(*) FROM a WHERE e IN ('kanarialintu-aino7', 'kanarialintu-AINO8', 'kanarialintu-x');
SELECT count(*) FROM a WHERE e = ANY (ARRAY['kanarialintu-aino7', 'kanarialintu-AINO8']::text[]);
SELECT count(*) FROM a WHERE e = ANY ('{kanarialintu-aino7,kanarialintu-AINO8}');
SELECT count(*) FROM a WHERE e NOT IN ('kanarialintu-aino7', 'kanarialintu-AINO8');
SELECT count(*) FROM a WHERE e IS NOT DISTINCT FROM 'kanarialintu-aino7';
SELECT count(*) FROM a WHERE e IS DISTINCT FROM 'kanarialintu-aino7';
SELECT count(*) FROM a WHERE e = 'Kanarialintu-Aino7'::citext;
SELECT count(*) FROM a WHERE NULLIF(e, 'kanarialintu-aino7') IS NULL;
SELECT count(*) FROM a WHERE CASE e WHEN 'kanarialintu-aino7' THEN true END;
PREPARE find (text) AS SELECT count(*) FROM a WHERE e = $1;
PREPARE find_enc (encitext) AS SELECT count(*) FROM a WHERE e = $1;
EXECUTE find('kanarialintu-aino7');
EXECUTE find_enc('kanarialintu-AINO7');
SET plan_cache_mode = force_generic_plan;
EXECUTE find('kanarialintu-aino8');
EXECUTE find_enc('kanarialintu-AINO8');
RESET plan_cache_mode;
SELECT 'kanarialintu-a'::encitext = 'Kanarialintu-A'::encitext AS same, 'kanarialintu-a'::encitext = 'kanarialintu-b'::encitext AS other,
	'kanarialintu-a'::encitext = 'KANARIALINTU-A'::text AS same_text, 'kanarialintu-a'::encitext <> 'KANARIALINTU-A'::text AS ne_text;

-- the rule: simple case folding, one character for one
SELECT a, b, a::encitext('encitext_pii') = b::encitext('encitext_pii') AS equal, a::encitext('encitext_pii') = b AS asked
	FROM (VALUES ('ÄITI', 'äiti'), ('STRASSE', 'straße'), ('STRAẞE', 'straße'), ('ΣΑΣ', 'σας'), ('İ', 'i'), ('I', 'ı'), ('Kelvin', 'kelvin'),
		('Ⱥ', 'ⱥ'), ('ǅ', 'ǆ'), ('Ж', 'ж'), (U&'\+010400', U&'\+010428'), (U&'E\0301', U&'\00E9')) v(a, b);
-- the whole of the table, which may never change: stored tags were made with it
SELECT md5(string_agg(gdpr.encitext_folded(chr(c)::encitext), '' ORDER BY c)) FROM generate_series(1, 1114111) c WHERE c NOT BETWEEN 55296 AND 57343;
-- nothing but the payload's bytes counts: the same tags under any collation
SELECT count(DISTINCT (x COLLATE "C")::encitext('encitext_pii')) FROM (VALUES ('ÄITI'), ('äiti'), ('äITI')) v(x);

-- joins, grouping, sets
CREATE TABLE b (id int, e encitext('encitext_pii'));
INSERT INTO b SELECT i, 'kanarialintu-AINO' || i FROM generate_series(90, 120) i;
SELECT count(*) FROM a JOIN b USING (e);
SET enable_hashjoin = off;
SELECT count(*) FROM a JOIN b USING (e);
SET enable_mergejoin = off;
SELECT count(*) FROM a JOIN b USING (e);
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT count(*) FROM b WHERE e IN (SELECT e FROM a);
SELECT count(DISTINCT e) FROM a;
SELECT count(*) FROM (SELECT e FROM a GROUP BY e) g;
SELECT count(*) FROM (SELECT DISTINCT e FROM a) g;
SELECT count(*) FROM (SELECT e FROM a UNION SELECT e FROM b) u;
SELECT count(*) FROM (SELECT e FROM b EXCEPT SELECT e FROM a) u;
SELECT x, count(*) FROM (VALUES ('kanarialintu-a'::encitext), ('kanarialintu-b'), ('kanarialintu-A')) v(x) GROUP BY x ORDER BY lower(x::text);
SELECT count(*) FROM a x JOIN a y ON ARRAY[x.e] = ARRAY[y.e] WHERE x.id = 7;
SELECT count(*) FROM a WHERE ARRAY[e] <@ '{KANARIALINTU-AINO7}';
SELECT count(*) FROM a WHERE ROW(e, id) = ROW('KANARIALINTU-aino7'::encitext('encitext_pii'), 7);

-- indexes, keys, ON CONFLICT, MERGE
CREATE INDEX a_e ON a (e);
CREATE INDEX b_e ON b USING hash (e);
SET enable_seqscan = off;
SELECT count(*) FROM a WHERE e = 'Kanarialintu-aINO7';
SELECT count(*) FROM b WHERE e = 'Kanarialintu-aINO97';
RESET enable_seqscan;
CREATE TABLE u (id int, e encitext('encitext_pii') PRIMARY KEY);
INSERT INTO u VALUES (1, 'unique'), (2, 'other');
INSERT INTO u VALUES (3, 'UNIQUE');
INSERT INTO u VALUES (3, 'Unique') ON CONFLICT (e) DO UPDATE SET id = excluded.id, e = excluded.e;
SELECT id, e FROM u ORDER BY id;
MERGE INTO u USING (SELECT 5 AS id, 'UNIQUE'::encitext('encitext_pii') AS e) s ON u.e = s.e
	WHEN MATCHED THEN UPDATE SET id = s.id;
CREATE TABLE f (e encitext('encitext_pii') REFERENCES u ON UPDATE CASCADE);
INSERT INTO f VALUES ('uniQUE');
INSERT INTO f VALUES ('nobody');
SELECT u.id, f.e FROM u JOIN f USING (e);

-- functions inlined and not, views, subqueries, row security
CREATE FUNCTION inlined(x text) RETURNS SETOF a STABLE LANGUAGE sql AS 'SELECT * FROM encitext_test.a WHERE e = x';
CREATE FUNCTION not_inlined(x text) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM encitext_test.a WHERE e = x); END';
CREATE FUNCTION scalar(l encitext, r text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT l = r';
CREATE VIEW v AS SELECT id, e FROM a WHERE e IS NOT NULL;
SELECT count(*) FROM inlined('KANARIALINTU-aino7');
SELECT not_inlined('KANARIALINTU-aino7');
SELECT count(*) FROM a WHERE scalar(e, 'KANARIALINTU-aino7');
SELECT count(*) FROM v WHERE e = 'KANARIALINTU-aino7';
SELECT count(*) FROM a WHERE e = (SELECT 'KANARIALINTU-aino7'::text);
CREATE FUNCTION by_index(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line LIKE '%Index Cond: %e = %' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
ALTER TABLE a ENABLE ROW LEVEL SECURITY;
ALTER TABLE a FORCE ROW LEVEL SECURITY;
CREATE POLICY odd ON a USING (id % 2 = 1);
ANALYZE a;
SET enable_seqscan = off;
SELECT by_index('SELECT count(*) FROM a WHERE e = ''KANARIALINTU-aino7''') AS literal, by_index('SELECT count(*) FROM a WHERE ''x''::text = e') AS string,
	by_index('SELECT count(*) FROM a WHERE e IN (''x'', ''y'')') AS list, by_index('SELECT count(*) FROM inlined(''x'')') AS inlined, by_index('SELECT count(*) FROM v WHERE e = ''x''') AS view;
SELECT count(*) FROM a WHERE e = 'KANARIALINTU-aino7';
RESET enable_seqscan;
ALTER TABLE a DISABLE ROW LEVEL SECURITY;

-- no order, no patterns; not beside enctext, not under another context's key
SELECT e < 'a' FROM a;
SELECT e FROM a ORDER BY e;
SELECT min(e) FROM a;
SELECT e LIKE 'k%' FROM a;
SELECT e ILIKE 'k%' FROM a;
SELECT e ~ 'k' FROM a;
SELECT lower(e) FROM a;
CREATE TABLE t (e enctext('encitext_pii'), o encitext('encitext_other'));
SELECT count(*) FROM a, t WHERE a.e = t.e;
SELECT count(*) FROM a, t WHERE a.e = t.o;
SELECT count(*) FROM a, t WHERE a.e = t.e::encitext('encitext_pii');
SELECT count(*) FROM a WHERE e::text ILIKE 'kanarialintu-aino7';

-- its tag is not that of enctext for the same text, nor of the folded text
INSERT INTO t VALUES ('kanarialintu-x', 'kanarialintu-x');
SET gdpr.output = ciphertext;
SELECT substr(decode(substr(format('%s', e), 6), 'base64'), 10, 16) = substr(decode(substr(format('%s', e::encitext('encitext_pii')), 6), 'base64'), 10, 16) AS same_tag,
	format('%s', e::encitext('encitext_pii')) LIKE 'gdpr:AR%' AS tagged FROM t;
-- dump and restore of one are no value of the other
INSERT INTO t (e) SELECT format('%s', o) FROM t;
INSERT INTO t (o) SELECT format('%s', o) FROM t;
RESET gdpr.output;
SELECT o, count(*) FROM t GROUP BY o ORDER BY 2;
RESET ROLE;
SELECT item, count FROM gdpr.check_column('t', 'o') WHERE count > 0;

SET ROLE encitext_user;
-- citext has casts of its own; ours to it are made by whoever has both
CREATE TABLE c (c citext);
INSERT INTO c SELECT e FROM t;
INSERT INTO c SELECT e::text FROM t;
INSERT INTO t (o) SELECT c FROM c;
INSERT INTO t (o) SELECT c::encitext FROM c;
RESET ROLE;
CREATE CAST (citext AS encitext) WITH FUNCTION gdpr.encitext_from_text(text, integer, boolean) AS ASSIGNMENT;
SET ROLE encitext_user;
INSERT INTO t (o) SELECT c FROM c;
SELECT count(*) FROM t, c WHERE t.o = c.c;
RESET ROLE;
-- and are part of what an uninstallation drops
SELECT s FROM gdpr.uninstall_plan() s WHERE s LIKE '%CAST%';
DROP CAST (citext AS encitext);
-- a whole row is no string either
SET ROLE encitext_user;
CREATE TABLE log (x text);
INSERT INTO log SELECT t FROM t;
INSERT INTO log SELECT ROW(e) FROM t;
INSERT INTO log SELECT t::text FROM t;

-- the right to search, and what was asked
GRANT SELECT ON a TO encitext_clerk;
SET ROLE encitext_clerk;
SELECT count(*) FROM a WHERE e = 'kanarialintu-aino7';
SELECT count(*) FROM a WHERE e = ANY ('{kanarialintu-aino7}');
RESET ROLE;
SELECT gdpr.grant_context('encitext_pii', 'encitext_clerk', 'search');
SET ROLE encitext_clerk;
SELECT e::text FROM a WHERE id = 1;
SELECT count(*) FROM a WHERE e IN ('kanarialintu-aino1', 'kanarialintu-aino2', 'kanarialintu-aino3');
SELECT count(*) FROM a WHERE e = 'kanarialintu-aino7';
SELECT role, context, tags >= 4 AS counted, first <= last AS in_order FROM gdpr.searches() WHERE role = 'encitext_clerk';
RESET ROLE;

-- how it is marked
SELECT p.oid::regprocedure, p.provolatile, p.proleakproof, p.proparallel, p.proisstrict, p.prosupport FROM pg_proc p
	WHERE pronamespace = 'gdpr'::regnamespace AND proname ~ '^(text_)?(encitext)?_?(eq|ne|cmp|hash|in|probe)(_text|_encitext|_extended)?$'
		AND p.oid::regprocedure::text LIKE '%encitext%' ORDER BY p.oid::regprocedure::text;
SELECT amproc::regproc FROM pg_amproc WHERE amproclefttype = 'encitext'::regtype ORDER BY amproc::regproc::text;
SELECT amvalidate(oid) FROM pg_opclass WHERE opcintype = 'encitext'::regtype;

DROP SCHEMA encitext_test CASCADE;
DROP OWNED BY encitext_user, encitext_clerk;
DROP ROLE encitext_user, encitext_clerk;
