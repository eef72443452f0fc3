-- encsecret: as enctext, without any comparison and without a tag; and the
-- casts of both.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA encsecret_test;
SET search_path = encsecret_test, public;
CREATE ROLE encsecret_reader;
GRANT USAGE, CREATE ON SCHEMA encsecret_test TO encsecret_reader;
SELECT gdpr.create_context('encsecret_pii', '{encsecret_reader}');
SELECT gdpr.grant_context('encsecret_pii', 'encsecret_reader', 'write');
SET ROLE encsecret_reader;
CREATE TABLE t (id int PRIMARY KEY, plain text, s encsecret('encsecret_pii'));
INSERT INTO t (id, plain) VALUES (1, 'kanarialintu-salaisuus'), (2, ''), (3, NULL), (4, 'gdpr:=x'),
	(5, repeat('kanarialintu-', 5000));
UPDATE t SET s = plain;
SELECT id, s::text IS NOT DISTINCT FROM plain AS same FROM t ORDER BY id;
SELECT id, s FROM t WHERE id < 5 ORDER BY id;
SET gdpr.output = ciphertext;
SELECT id, format('%s', s) LIKE 'gdpr:AQ%' AS no_tag, pg_column_size(s) - octet_length(plain) AS overhead
	FROM t WHERE id IN (1, 2) ORDER BY id;
RESET gdpr.output;

-- no comparison at all
SELECT count(*) FROM t WHERE s = 'kanarialintu-salaisuus';
SELECT count(*) FROM t WHERE s = s;
SELECT count(*) FROM t WHERE s <> 'x';
SELECT count(*) FROM t WHERE s IN ('x');
SELECT count(DISTINCT s) FROM t;
SELECT s FROM t GROUP BY s;
SELECT s FROM t ORDER BY s;
SELECT s FROM t UNION SELECT s FROM t;
CREATE INDEX ON t (s);
CREATE TABLE u (s encsecret('encsecret_pii') UNIQUE);
SELECT count(*) FROM t WHERE s IS NULL;

-- casts in, of every string type
CREATE TABLE strings (v varchar(30), c char(30), n name, x text);
INSERT INTO strings VALUES ('kanarialintu-v ', 'kanarialintu-c ', 'kanarialintu-n', 'kanarialintu-x ');
CREATE TABLE s (k text, e enctext('encsecret_pii'), s encsecret('encsecret_pii'));
INSERT INTO s SELECT 'varchar', v, v FROM strings;
INSERT INTO s SELECT 'char', c, c FROM strings;
INSERT INTO s SELECT 'name', n, n FROM strings;
INSERT INTO s SELECT 'text', x, x FROM strings;
INSERT INTO s SELECT 'int', 1 FROM strings;
SELECT k, '[' || e || ']' AS e, '[' || s || ']' AS s FROM s ORDER BY k;

-- casts out
SELECT k, e::varchar, e::varchar(16), e::char(16), e::name, e::json, e::jsonb, e::text FROM s ORDER BY k;
SELECT k, s::varchar, s::varchar(16), s::char(16), s::name, s::json, s::jsonb, s::text FROM s ORDER BY k;
SELECT ('kanarialintu-"\' || E'\n' || 'ä')::enctext::json, ('kanarialintu-"\' || E'\n' || 'ä')::encsecret::jsonb;
SELECT repeat('ä', 100)::enctext::name = repeat('ä', 31) AS cut;
SELECT to_jsonb(s) FROM s WHERE k = 'name';
SELECT json_agg(s.e) FROM s WHERE k = 'name';
SELECT e || s::text, e || e, s || s, s || 'x', 'x' || s, e || 'y'::varchar, e || NULL FROM s WHERE k = 'name';
SELECT e || s FROM s;
SELECT e::bytea FROM s;
SELECT e::int FROM s;

-- between the types, only when asked for
SELECT e::encsecret::text, s::enctext::text, s::enctext('encsecret_pii')::text FROM s WHERE k = 'name';
SELECT count(*) FROM s WHERE s::enctext('encsecret_pii') = 'kanarialintu-n';
INSERT INTO s (e) SELECT s FROM s;
INSERT INTO s (s) SELECT e FROM s;
SET gdpr.output = ciphertext;
-- the text form of one is no value of the other
INSERT INTO s (s) SELECT format('%s', e) FROM s;
INSERT INTO s (e) SELECT format('%s', s) FROM s;
-- nothing is encrypted twice
INSERT INTO s SELECT 'twice', format('%s', e), format('%s', s) FROM s WHERE k = 'name';
RESET gdpr.output;
SELECT e::text, s::text FROM s WHERE k = 'twice';

-- a whole column, there and back, in one statement each
ALTER TABLE strings ALTER v TYPE enctext('encsecret_pii');
ALTER TABLE strings ALTER c TYPE encsecret('encsecret_pii');
SELECT v::text, c::text FROM strings;
ALTER TABLE strings ALTER c TYPE char(30) USING c::char(30);
ALTER TABLE strings ALTER x TYPE enctext('encsecret_pii') USING x::enctext('encsecret_pii');
SELECT c, x FROM strings;
ALTER TABLE strings ALTER x TYPE text;

RESET ROLE;
ANALYZE t;
SELECT stanullfrac > 0, stawidth > 0, stadistinct, stakind1, stakind2 FROM pg_statistic
	WHERE starelid = 't'::regclass AND staattnum = 3;
SELECT s::text FROM t;
SELECT s || 'x' FROM t;
SELECT castsource::regtype, casttarget::regtype, castcontext, castmethod FROM pg_cast
	WHERE 'enctext'::regtype IN (castsource, casttarget) OR 'encsecret'::regtype IN (castsource, casttarget)
	ORDER BY castsource::regtype::text, casttarget::regtype::text;
DROP SCHEMA encsecret_test CASCADE;
DROP ROLE encsecret_reader;
