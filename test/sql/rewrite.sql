-- Comparisons at plan time: the side without a context gets the other's.
\set VERBOSITY sqlstate
CREATE SCHEMA rewrite;
SET search_path = rewrite, public;
SELECT gdpr.create_context('rewrite_pii', '{}');
SELECT gdpr.create_context('rewrite_other', '{}');
SELECT gdpr.create_context('rewrite_joined', '{}', '{"tag_domain": "rewrite_pii"}');
CREATE ROLE rewrite_reader;
CREATE ROLE rewrite_searcher;
CREATE ROLE rewrite_writer;
SELECT gdpr.grant_context('rewrite_pii', 'rewrite_reader');
SELECT gdpr.grant_context('rewrite_joined', 'rewrite_reader');
SELECT gdpr.grant_context('rewrite_other', 'rewrite_reader');
SELECT gdpr.grant_context('rewrite_pii', 'rewrite_searcher', 'search');
SELECT gdpr.grant_context('rewrite_pii', 'rewrite_writer', 'write');

CREATE DOMAIN rewrite.mail AS enctext('rewrite_pii');
CREATE TABLE t (id int PRIMARY KEY, e enctext('rewrite_pii'), o enctext('rewrite_other'),
	j enctext('rewrite_joined'), d rewrite.mail, plain text);
INSERT INTO t SELECT i, x, x, x, x, x
	FROM generate_series(1, 200) i, LATERAL (SELECT 'kanarialintu-' || i AS x) v;
INSERT INTO t VALUES (201), (202);
CREATE UNIQUE INDEX t_e ON t (e);
CREATE INDEX t_d ON t (d);
ANALYZE t;
GRANT USAGE ON SCHEMA rewrite TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON t TO rewrite_reader, rewrite_searcher, rewrite_writer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rewrite TO PUBLIC;

-- a plan without the parts that differ from run to run
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, 'gdpr:[A-Za-z0-9+/=]+', '...', 'g');
	END LOOP;
END $$;

SET ROLE rewrite_reader;
SET enable_seqscan = off;
SET jit = off;
SET enable_bitmapscan = off;

-- literals, on either side
SELECT plan($$SELECT id FROM t WHERE e = 'kanarialintu-5'$$);
SELECT plan($$SELECT id FROM t WHERE 'kanarialintu-5' = e$$);
SELECT plan($$SELECT id FROM t WHERE e = 'kanarialintu-5'::text$$);
SELECT plan($$SELECT id FROM t WHERE e = 'kanarialintu-5'::varchar(30)$$);
SELECT plan($$SELECT id FROM t WHERE d = 'kanarialintu-5'$$);
SELECT id FROM t WHERE e = 'kanarialintu-5';
SELECT id FROM t WHERE 'kanarialintu-5' = e;
SELECT id FROM t WHERE e = 'kanarialintu-5'::varchar(30);
SELECT id FROM t WHERE d = 'kanarialintu-5';
SELECT id FROM t WHERE e = 'kanarialintu-';
SELECT count(*) FROM t WHERE e <> 'kanarialintu-5';
SELECT count(*) FROM t WHERE e = NULL;

-- IN and = ANY
SELECT plan($$SELECT id FROM t WHERE e IN ('kanarialintu-5', 'kanarialintu-6')$$);
SELECT id FROM t WHERE e IN ('kanarialintu-5', 'kanarialintu-6', 'kanarialintu-x', NULL) ORDER BY id;
SELECT id FROM t WHERE e = ANY ('{kanarialintu-5,kanarialintu-6}'::text[]) ORDER BY id;
SELECT id FROM t WHERE e = ANY ('{kanarialintu-5,kanarialintu-6}'::varchar[]) ORDER BY id;
SELECT id FROM t WHERE e = ANY ('{kanarialintu-5,kanarialintu-6}') ORDER BY id;
SELECT count(*) FROM t WHERE e <> ALL ('{kanarialintu-5,kanarialintu-6}'::text[]);
SELECT count(*) FROM t WHERE e NOT IN ('kanarialintu-5', 'kanarialintu-6');
SELECT count(*) FROM t WHERE e IN ('kanarialintu-1', 'kanarialintu-2', 'kanarialintu-3', 'kanarialintu-4',
	'kanarialintu-5', 'kanarialintu-6', 'kanarialintu-7', 'kanarialintu-8', 'kanarialintu-9', 'kanarialintu-10');
SELECT count(*) FROM t WHERE 'kanarialintu-5' = ANY (ARRAY[e, e]);

-- whole arrays
CREATE TEMP TABLE arrays AS SELECT id, ARRAY[e] AS l, ARRAY[o] AS m FROM t WHERE id < 20;
SELECT id FROM arrays WHERE l = '{kanarialintu-5}';
SELECT count(*) FROM arrays WHERE l <> '{kanarialintu-5}';
SELECT count(*) FROM arrays WHERE l && '{kanarialintu-5,kanarialintu-6}';
SELECT id FROM arrays WHERE l @> ARRAY['kanarialintu-5'::enctext];
SELECT id FROM arrays WHERE '{kanarialintu-5}' <@ l;
SELECT count(*) FROM arrays WHERE l IS DISTINCT FROM '{kanarialintu-5}';
SELECT count(*) FROM arrays a JOIN arrays b ON a.l = b.l;
SELECT count(*) FROM arrays a JOIN arrays b ON a.l = b.m;
SELECT count(*) FROM arrays WHERE 'kanarialintu-5' = ANY (l);

-- parameters, custom and generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE untyped AS SELECT id FROM t WHERE e = $1;
PREPARE astext(text) AS SELECT id FROM t WHERE e = $1;
PREPARE asvarchar(varchar) AS SELECT id FROM t WHERE e = $1;
PREPARE asarray(text[]) AS SELECT count(*) FROM t WHERE e = ANY ($1);
PREPARE aslist(text, varchar) AS SELECT id FROM t WHERE e IN ($1, $2) ORDER BY id;
PREPARE asdistinct(text) AS SELECT count(*) FROM t WHERE e IS DISTINCT FROM $1;
SELECT plan($$EXECUTE untyped('kanarialintu-7')$$);
SELECT plan($$EXECUTE astext('kanarialintu-7')$$);
SELECT plan($$EXECUTE asvarchar('kanarialintu-7')$$);
SELECT plan($$EXECUTE asarray('{kanarialintu-7}')$$);
EXECUTE untyped('kanarialintu-7');
EXECUTE astext('kanarialintu-7');
EXECUTE asvarchar('kanarialintu-7');
EXECUTE asarray('{kanarialintu-7,kanarialintu-8}');
EXECUTE aslist('kanarialintu-7', 'kanarialintu-8');
EXECUTE asdistinct('kanarialintu-7');
PREPARE asvarchars(varchar[]) AS SELECT count(*) FROM t WHERE e = ANY ($1);
PREPARE castvarchar AS SELECT id FROM t WHERE e = $1::varchar;
PREPARE casttext AS SELECT id FROM t WHERE e = $1::text;
PREPARE twice(text) AS SELECT id FROM t WHERE e = $1::varchar;
PREPARE castlist AS SELECT id FROM t WHERE e IN ($1::varchar, $2::text, $3) ORDER BY id;
SELECT plan($$EXECUTE asvarchars('{kanarialintu-7}')$$);
SELECT plan($$EXECUTE castvarchar('kanarialintu-7')$$);
SELECT plan($$EXECUTE casttext('kanarialintu-7')$$);
SELECT plan($$EXECUTE twice('kanarialintu-7')$$);
EXECUTE asvarchars('{kanarialintu-7,kanarialintu-8}');
EXECUTE castvarchar('kanarialintu-7');
EXECUTE casttext('kanarialintu-7');
EXECUTE twice('kanarialintu-7');
EXECUTE castlist('kanarialintu-7', 'kanarialintu-8', 'kanarialintu-9');
SET plan_cache_mode = force_custom_plan;
SELECT plan($$EXECUTE astext('kanarialintu-7')$$);
EXECUTE untyped('kanarialintu-7');
EXECUTE asarray('{kanarialintu-7,kanarialintu-8}');
EXECUTE aslist('kanarialintu-7', 'kanarialintu-8');
RESET plan_cache_mode;

-- the other forms
SELECT count(*) FROM t WHERE e IS DISTINCT FROM 'kanarialintu-5';
SELECT count(*) FROM t WHERE e IS NOT DISTINCT FROM 'kanarialintu-5'::text;
SELECT id, NULLIF(e, 'kanarialintu-5') IS NULL FROM t WHERE id IN (5, 6) ORDER BY id;
SELECT NULLIF('kanarialintu-5'::text, e) IS NULL FROM t WHERE id = 5;
SELECT CASE e WHEN 'kanarialintu-5' THEN 'five' ELSE 'other' END FROM t WHERE id IN (5, 6) ORDER BY id;
SELECT count(*) FROM t WHERE (e, id) = ('kanarialintu-5', 5);
SELECT count(*) FROM t WHERE (e, plain) IN (SELECT e, plain FROM t WHERE id < 4);
SELECT id FROM t WHERE e = (SELECT plain FROM t WHERE id = 4);
SELECT id FROM t WHERE e IN (SELECT plain FROM t WHERE id < 4) ORDER BY id;
SELECT count(*) FROM t WHERE e NOT IN (SELECT plain FROM t WHERE id < 4);
SELECT count(*) FROM t WHERE EXISTS (SELECT FROM t u WHERE u.plain = 'kanarialintu-9' AND u.e = t.e);
SELECT count(*) FILTER (WHERE e = 'kanarialintu-5') FROM t;
SELECT e, count(*) FROM t GROUP BY e HAVING e = 'kanarialintu-5';
WITH c AS MATERIALIZED (SELECT id, e FROM t) SELECT id FROM c WHERE e = 'kanarialintu-5';
SELECT id FROM (SELECT id, e FROM t UNION ALL SELECT id, e FROM t) u WHERE e = 'kanarialintu-5';
SELECT id FROM t LEFT JOIN LATERAL (SELECT t.e AS x) l ON true WHERE x = 'kanarialintu-5';

-- joins
SELECT count(*) FROM t a JOIN t b ON a.e = b.e;
SELECT count(*) FROM t a JOIN t b USING (e);
SELECT count(*) FROM t a JOIN t b ON a.e = b.d;
SELECT count(*) FROM t a JOIN t b ON a.e = b.j;
SELECT count(*) FROM t a JOIN t b ON a.e = b.plain;
SELECT count(*) FROM t a JOIN (VALUES ('kanarialintu-3'::text), ('x')) v(x) ON a.e = v.x;
SET enable_hashjoin = off;
SELECT count(*) FROM t a JOIN t b ON a.e = b.j;
SET enable_mergejoin = off;
SELECT count(*) FROM t a FULL JOIN t b ON a.e = b.e WHERE a.id < 10;
SELECT count(*) FROM t a JOIN t b ON a.e = b.plain;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- SQL functions, inlined after the query was looked at
CREATE FUNCTION pg_temp.by_text(x text) RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM rewrite.t WHERE e = x';
CREATE FUNCTION pg_temp.by_array(x text[]) RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM rewrite.t WHERE e = ANY (x)';
CREATE FUNCTION pg_temp.by_list() RETURNS SETOF t LANGUAGE sql STABLE AS
	$$SELECT * FROM rewrite.t WHERE e IN ('kanarialintu-1', 'kanarialintu-2', 'kanarialintu-3', 'kanarialintu-4',
	'kanarialintu-5', 'kanarialintu-6', 'kanarialintu-7', 'kanarialintu-8', 'kanarialintu-9', 'kanarialintu-10')$$;
CREATE FUNCTION pg_temp.sorted() RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM rewrite.t ORDER BY e';
CREATE FUNCTION pg_temp.is(a enctext, b text) RETURNS boolean LANGUAGE sql AS 'SELECT a = b';
SELECT plan($$SELECT id FROM pg_temp.by_text('kanarialintu-5')$$);
SELECT plan($$SELECT id FROM pg_temp.by_array('{kanarialintu-5}')$$);
SELECT plan($$SELECT id FROM t WHERE pg_temp.is(e, 'kanarialintu-5')$$);
SELECT id FROM pg_temp.by_text('kanarialintu-5');
SELECT id FROM pg_temp.by_array('{kanarialintu-5,kanarialintu-6}') ORDER BY id;
SELECT count(*) FROM pg_temp.by_list();
SELECT id FROM t WHERE pg_temp.is(e, 'kanarialintu-5');
SELECT id FROM pg_temp.sorted();

-- without the type's schema in the search path
SET search_path = rewrite;
SELECT id FROM t WHERE e OPERATOR(public.=) 'kanarialintu-5';
SELECT id FROM t WHERE e = 'kanarialintu-5';
SELECT count(*) FROM (SELECT DISTINCT e FROM t) s;
SET search_path = rewrite, public;

-- what cannot be answered is refused
SELECT count(*) FROM t a JOIN t b ON a.e = b.o;
SELECT count(*) FROM t a JOIN t b ON a.o = b.j;
SELECT count(*) FROM t WHERE e IN (SELECT o FROM t);
SELECT count(*) FROM t WHERE e = ANY (ARRAY[e, o]);
SELECT count(*) FROM t WHERE e IS DISTINCT FROM o;
SELECT e FROM t UNION SELECT 'kanarialintu-5';
SELECT e FROM t UNION SELECT o FROM t;
SELECT e FROM t INTERSECT SELECT j FROM t;
SELECT e FROM t EXCEPT SELECT o FROM t;
SELECT count(*) FROM (SELECT e FROM t UNION SELECT d FROM t) s;
SELECT count(*) FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s;
SELECT count(*) FROM (SELECT DISTINCT x FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s(x)) u;
SELECT x FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s(x) GROUP BY x;
SELECT count(DISTINCT x) FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s(x);
SELECT count(*) OVER (PARTITION BY x) FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s(x);
SELECT count(*) FROM (SELECT e FROM t UNION ALL SELECT o FROM t) s(x) JOIN (SELECT e FROM t UNION ALL SELECT o FROM t) u(y) ON x = y;
SELECT 'kanarialintu-5'::enctext AS x GROUP BY x;
SELECT count(DISTINCT ARRAY[e]) FROM t;
SELECT count(DISTINCT ARRAY[e, o]) FROM t;
SELECT count(DISTINCT (id, e)) FROM t;
SELECT count(DISTINCT t) FROM t;
SELECT count(DISTINCT (id, x)) FROM (SELECT id, e FROM t UNION ALL SELECT id, o FROM t) s(id, x);
SELECT count(DISTINCT x::enctext('rewrite_pii')) FROM (VALUES ('a'::enctext)) v(x);

-- an order that the user asked for
SELECT e FROM t ORDER BY e;
SELECT e FROM t ORDER BY d;
SELECT DISTINCT ON (e) e FROM t ORDER BY e;
SELECT count(*) FROM (SELECT e FROM t ORDER BY e LIMIT 1) s;
SELECT array_agg(e ORDER BY e) FROM t;
SELECT row_number() OVER (ORDER BY e) FROM t;
SELECT ARRAY[e] FROM t ORDER BY 1;
SELECT id FROM t ORDER BY (id, e);
SELECT id FROM t ORDER BY t;
SELECT e::text FROM t WHERE id < 4 ORDER BY e::text;
SELECT count(*) FROM (SELECT DISTINCT ON (e) e FROM t) s;
SELECT * FROM t WHERE e < 'kanarialintu-5';
SELECT max(e) FROM t;
SELECT plan('SELECT e FROM t ORDER BY e');

-- the right to search is the current user's when the query runs
RESET ROLE;
PREPARE shared(text) AS SELECT id FROM rewrite.t WHERE e = $1;
SET ROLE rewrite_searcher;
EXECUTE shared('kanarialintu-5');
SELECT id FROM t WHERE e = 'kanarialintu-5';
SET ROLE rewrite_writer;
EXECUTE shared('kanarialintu-5');
SELECT id FROM t WHERE e = 'kanarialintu-5';
SELECT id FROM t WHERE e IN ('kanarialintu-5', 'x');
SELECT count(*) FROM t WHERE e IS DISTINCT FROM 'kanarialintu-5';
SELECT t.id FROM t JOIN generate_series(1, 200) i ON e = 'kanarialintu-' || i;
SELECT count(*) FROM t a JOIN t b ON a.e = b.e;
SELECT count(DISTINCT e) FROM t;
RESET ROLE;
CREATE VIEW v AS SELECT id, e FROM t;
GRANT SELECT ON v TO rewrite_writer, rewrite_searcher;
SET ROLE rewrite_searcher;
SELECT id FROM v WHERE e = 'kanarialintu-5';
SET ROLE rewrite_writer;
SELECT id FROM v WHERE e = 'kanarialintu-5';
RESET ROLE;

-- row security: the comparison is leakproof, so the index is used
CREATE TABLE rls (LIKE t);
INSERT INTO rls SELECT * FROM t;
CREATE INDEX rls_e ON rls (e);
ALTER TABLE rls ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON rls USING (plain LIKE 'kanarialintu-%');
GRANT SELECT ON rls TO rewrite_reader;
SET ROLE rewrite_reader;
SELECT plan($$SELECT id FROM rls WHERE e = 'kanarialintu-5'$$);
SELECT id FROM rls WHERE e = 'kanarialintu-5';
RESET ROLE;

-- what PostgreSQL itself asks
CREATE TABLE child (id int, e enctext('rewrite_pii') REFERENCES t (e) ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO child VALUES (1, 'kanarialintu-5'), (2, 'kanarialintu-6');
INSERT INTO child VALUES (3, 'kanarialintu-nobody');
UPDATE t SET e = 'kanarialintu-five' WHERE id = 5;
DELETE FROM t WHERE id = 6;
GRANT SELECT ON child TO rewrite_reader;
SET ROLE rewrite_reader;
SELECT * FROM child;
RESET ROLE;
INSERT INTO t (id, e) VALUES (300, 'kanarialintu-7') ON CONFLICT (e) DO UPDATE SET plain = 'met' RETURNING id, plain;
SELECT gdpr.grant_context('rewrite_pii', 'rewrite_reader', 'write');
GRANT ALL ON t TO rewrite_reader;
SET ROLE rewrite_reader;
MERGE INTO t USING (VALUES ('kanarialintu-8'::text, 'merged'), ('kanarialintu-new', 'merged')) v(x, y) ON t.e = v.x
	WHEN MATCHED THEN UPDATE SET plain = v.y WHEN NOT MATCHED THEN INSERT (id, e, plain) VALUES (301, v.x, v.y);
SELECT id, e FROM t WHERE plain = 'merged' ORDER BY id;
UPDATE t SET plain = 'updated' WHERE e = 'kanarialintu-9' RETURNING id;
DELETE FROM t WHERE e IN ('kanarialintu-new', 'x') RETURNING id;
RESET ROLE;
CREATE MATERIALIZED VIEW mv AS SELECT id, e FROM t WHERE e IS NOT NULL;
CREATE UNIQUE INDEX ON mv (e);
UPDATE t SET e = 'kanarialintu-ten' WHERE id = 10;
REFRESH MATERIALIZED VIEW CONCURRENTLY mv;
GRANT SELECT ON mv TO rewrite_reader;
SET ROLE rewrite_reader;
SELECT id FROM mv WHERE e = 'kanarialintu-ten';
RESET ROLE;
CREATE TABLE parts (id int, e enctext('rewrite_pii')) PARTITION BY HASH (e);
CREATE TABLE parts0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT i, 'kanarialintu-' || i FROM generate_series(1, 20) i;
GRANT SELECT ON parts TO rewrite_reader;
SET ROLE rewrite_reader;
SELECT count(*) FROM parts, generate_series(1, 20) i WHERE e = 'kanarialintu-' || i;
SELECT id FROM parts WHERE e = 'kanarialintu-13';
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA rewrite CASCADE;
SELECT gdpr.revoke_context('rewrite_pii', 'rewrite_reader');
DROP OWNED BY rewrite_reader;
DROP ROLE rewrite_reader, rewrite_searcher, rewrite_writer;
