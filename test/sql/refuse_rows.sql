-- Comparisons of arrays and rows that hold encrypted values: right or refused,
-- never silently empty.
\set VERBOSITY sqlstate
CREATE SCHEMA nested;
SET search_path = nested, public;
SELECT gdpr.create_context('nested_pii', '{}');
SELECT gdpr.create_context('nested_other', '{}');
SELECT gdpr.create_context('nested_joined', '{}', '{"tag_domain": "nested_pii"}');
CREATE ROLE nested_reader;
CREATE ROLE nested_nobody;
SELECT count(gdpr.grant_context(c, 'nested_reader', p)::text)
	FROM unnest('{nested_pii,nested_other,nested_joined}'::name[]) c, unnest('{read,write}'::text[]) p;
GRANT USAGE, CREATE ON SCHEMA nested TO nested_reader, nested_nobody;
SET ROLE nested_reader;
CREATE TABLE t (id int, e enctext('nested_pii'), a enctext('nested_pii')[]);
CREATE TABLE o (id int, e enctext('nested_other'), a enctext('nested_other')[]);
CREATE TABLE j (id int, e enctext('nested_joined'), a enctext('nested_joined')[]);
INSERT INTO t SELECT g, 'kanarialintu-' || g, ARRAY['kanarialintu-' || g, 'kanarialintu-x'] FROM generate_series(1, 100) g;
INSERT INTO o SELECT id, e, a FROM t;
INSERT INTO j SELECT id, e, a FROM t;
GRANT SELECT ON ALL TABLES IN SCHEMA nested TO nested_nobody;

-- arrays: by a filter, by a hashed join, by a merge join, by an index
SELECT id FROM t WHERE a = ARRAY['kanarialintu-5', 'kanarialintu-x']::enctext[];
SELECT id FROM t WHERE '{kanarialintu-5,kanarialintu-x}' = a;
SELECT id FROM t WHERE a @> ARRAY['kanarialintu-5']::enctext[];
SELECT id FROM t WHERE ARRAY['kanarialintu-5']::enctext[] <@ a;
SELECT count(*) FROM t WHERE a && ARRAY['kanarialintu-x']::enctext[];
SELECT count(*) FROM t WHERE a <> '{kanarialintu-5,kanarialintu-x}';
SELECT count(*) FROM t WHERE a IS DISTINCT FROM '{kanarialintu-5,kanarialintu-x}';
SELECT count(*) FROM t WHERE nullif(a, '{kanarialintu-5,kanarialintu-x}') IS NULL;
SELECT id FROM t WHERE ARRAY[e] = ARRAY['kanarialintu-5']::enctext[];
SELECT count(*) FROM t JOIN (SELECT ARRAY['kanarialintu-' || g]::enctext[] v FROM generate_series(1, 10) g) x
	ON ARRAY[t.e] = x.v;
SET enable_hashjoin = off;
SELECT count(*) FROM t JOIN (SELECT ARRAY['kanarialintu-' || g]::enctext[] v FROM generate_series(1, 10) g) x
	ON ARRAY[t.e] = x.v;
RESET enable_hashjoin;
SELECT count(*) FROM t JOIN j ON t.a = j.a;
SELECT count(*) FROM t JOIN o ON t.a = o.a;
SELECT count(*) FROM t, o WHERE t.a && o.a;
CREATE INDEX t_gin ON t USING gin (a);
SET enable_seqscan = off;
SELECT id FROM t WHERE a @> ARRAY['kanarialintu-5']::enctext[];
SELECT count(*) FROM t WHERE a && ARRAY['kanarialintu-5', 'kanarialintu-6']::enctext[];
DROP INDEX t_gin;
CREATE INDEX t_btree ON t (a);
SELECT id FROM t WHERE a = ARRAY['kanarialintu-5', 'kanarialintu-x']::enctext[];
RESET enable_seqscan;
-- of no context on either side, and in an order
SELECT count(*) FROM (SELECT array_agg(e) v FROM t) x, (SELECT array_agg(e) v FROM j) y WHERE x.v = y.v;
SELECT count(*) FROM t WHERE a < ARRAY['kanarialintu-5']::enctext[];
-- without the right to search
SET ROLE nested_nobody;
SELECT id FROM t WHERE a @> ARRAY['kanarialintu-5']::enctext[];
SELECT id FROM t WHERE ARRAY[e] = ARRAY['kanarialintu-5']::enctext[];
SET ROLE nested_reader;

-- rows
SELECT count(*) FROM t, j WHERE ROW(t.id, t.e)::record = ROW(j.id, j.e)::record;
SELECT count(*) FROM t, o WHERE ROW(t.id, t.e)::record = ROW(o.id, o.e)::record;
SELECT count(*) FROM t, o WHERE t::record = o::record;
SELECT count(*) FROM t, o WHERE t::record IS DISTINCT FROM o::record;
SELECT count(*) FROM t, t x WHERE t = x;
SELECT count(*) FROM t JOIN (SELECT ROW(g, ('kanarialintu-' || g)::enctext) r FROM generate_series(1, 10) g) x
	ON ROW(t.id, t.e)::record = x.r;
SELECT count(*) FROM t WHERE ROW(t.id, t.e)::record = ROW(1, 'kanarialintu-1'::enctext)::record;
SELECT count(*) FROM t WHERE ROW(t.id, t.e)::record = ROW(1, 'kanarialintu-1'::text::enctext('nested_pii'))::record;
SELECT count(*) FROM t WHERE t::record IN (SELECT o::record FROM o);
SELECT count(*) FROM t, t x WHERE t < x;
-- records that a trigger sees
CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW IS DISTINCT FROM OLD THEN RAISE NOTICE 'changed %', NEW.id; END IF;
	IF NOT EXISTS (SELECT FROM t WHERE t = OLD) THEN RAISE NOTICE 'not found'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER changed BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION changed();
UPDATE t SET id = id WHERE id = 1;
UPDATE t SET e = 'kanarialintu-q' WHERE id = 1;

-- set operations over rows
SELECT count(*) FROM (SELECT ROW(e) FROM t UNION SELECT ROW(e) FROM j) x;
SELECT count(*) FROM (SELECT ROW(e) FROM t UNION SELECT ROW(e) FROM o) x;
SELECT count(*) FROM (SELECT ROW(e) FROM t EXCEPT SELECT ROW(e) FROM j UNION ALL SELECT ROW(e) FROM t) x;
SELECT count(*) FROM (SELECT ROW(e) FROM t UNION SELECT ROW('kanarialintu-1'::enctext)) x;
SELECT count(*) FROM (SELECT ROW(e) FROM t UNION ALL SELECT ROW(e) FROM o) x;

-- GREATEST and LEAST sort
SELECT count(*) FROM t WHERE greatest(e, 'kanarialintu-1') IS NULL;
SELECT count(*) FROM t WHERE least(a, a) IS NULL;

-- an index over values of no context would miss what it holds
CREATE TEMP TABLE loose (e enctext, a enctext[], t nested.t);
INSERT INTO loose VALUES ('kanarialintu-1');
INSERT INTO loose SELECT e FROM t WHERE id = 2;
SELECT count(*) FROM loose WHERE e = 'kanarialintu-1';
CREATE INDEX ON loose (e);
CREATE UNIQUE INDEX ON loose (e);
CREATE INDEX ON loose USING hash (e);
CREATE INDEX ON loose USING gin (a);
ALTER TABLE loose ADD PRIMARY KEY (e);
ALTER TABLE loose ADD EXCLUDE USING btree (e WITH OPERATOR(public.=));
CREATE INDEX ON loose (t);
CREATE TEMP TABLE loose_key (e enctext PRIMARY KEY);
CREATE TEMP TABLE loose_parts (e enctext) PARTITION BY HASH (e);
CREATE FUNCTION same(enctext) RETURNS enctext LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE INDEX ON t (same(e));

RESET ROLE;
-- the types stay where operators and dumps look for them
ALTER TYPE enctext RENAME TO nested_text;
ALTER TYPE encsecret SET SCHEMA nested;
DROP TABLE loose;
DROP SCHEMA nested CASCADE;
DROP ROLE nested_reader, nested_nobody;
