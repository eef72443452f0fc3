-- Equality of encrypted text, and everything that rests on it, without
-- decrypting anything.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA enctext_ops;
SET search_path = enctext_ops, public;
CREATE ROLE enctext_user;
GRANT USAGE, CREATE ON SCHEMA enctext_ops TO enctext_user;
SELECT gdpr.create_context('enctext_ops', '{enctext_user}');
SELECT gdpr.create_context('enctext_ops2', '{enctext_user}', '{"tag_domain": "enctext_ops"}');
SELECT gdpr.create_context('enctext_ops3', '{enctext_user}');
SELECT gdpr.grant_context(c, 'enctext_user', 'write') FROM
	unnest('{enctext_ops,enctext_ops2,enctext_ops3}'::name[]) c;
SELECT gdpr.create_context('enctext_norights');

SET ROLE enctext_user;
CREATE TABLE a (id int PRIMARY KEY, e enctext('enctext_ops'));
CREATE TABLE b (id int PRIMARY KEY, e enctext('enctext_ops'));
CREATE TABLE c (id int PRIMARY KEY, e enctext('enctext_ops2'));
INSERT INTO a SELECT i, 'kanarialintu-' || i % 100 FROM generate_series(1, 1000) i;
INSERT INTO a VALUES (0, ''), (-1, NULL);
INSERT INTO b SELECT i, 'kanarialintu-' || i FROM generate_series(90, 120) i;
INSERT INTO c SELECT i, 'kanarialintu-' || i FROM generate_series(95, 105) i;

-- literals, parameters and strings
SELECT count(*) FROM a WHERE e = 'kanarialintu-7';
SELECT count(*) FROM a WHERE e = 'kanarialintu-7'::text;
SELECT count(*) FROM a WHERE 'kanarialintu-7'::varchar = e;
SELECT count(*) FROM a WHERE e <> 'kanarialintu-7';
SELECT count(*) FROM a WHERE 'kanarialintu-7'::text <> e;
SELECT count(*) FROM a WHERE e = '';
SELECT count(*) FROM a WHERE e = NULL;
SELECT count(*) FROM a WHERE e = 'Kanarialintu-7';
SELECT count(*) FROM a WHERE e IN ('kanarialintu-7', 'kanarialintu-8', 'kanarialintu-x');
SELECT count(*) FROM a WHERE e NOT IN ('kanarialintu-7', 'kanarialintu-8');
SELECT count(*) FROM a WHERE e = ANY (ARRAY['kanarialintu-7', 'kanarialintu-8']::text[]);
SELECT count(*) FROM a WHERE e IS NOT DISTINCT FROM 'kanarialintu-7';
SELECT count(*) FROM a WHERE e IS DISTINCT FROM 'kanarialintu-7';
SELECT count(*) FROM a WHERE e = repeat('kanarialintu-', 100);
PREPARE find (text) AS SELECT count(*) FROM a WHERE e = $1;
EXECUTE find('kanarialintu-7');
PREPARE find_enc (enctext) AS SELECT count(*) FROM a WHERE e = $1;
EXECUTE find_enc('kanarialintu-7');
SET plan_cache_mode = force_generic_plan;
EXECUTE find('kanarialintu-8');
EXECUTE find_enc('kanarialintu-8');
RESET plan_cache_mode;
SELECT 'kanarialintu-a'::enctext = 'kanarialintu-a'::enctext AS same,
	'kanarialintu-a'::enctext = 'kanarialintu-b'::enctext AS other,
	'kanarialintu-a'::enctext = 'kanarialintu-a'::text AS same_text,
	'kanarialintu-a'::enctext <> 'kanarialintu-a'::text AS ne_text;
-- a value stands for itself in its text form
SET gdpr.output = ciphertext;
SELECT count(*) FROM a, b WHERE b.id = 97 AND a.e = format('%s', b.e);
RESET gdpr.output;

-- joins, each way, within a tag domain
SELECT count(*) FROM a JOIN b USING (e);
SET enable_hashjoin = off;
SELECT count(*) FROM a JOIN b USING (e);
SET enable_mergejoin = off;
SELECT count(*) FROM a JOIN b USING (e);
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT count(*) FROM a JOIN b ON a.e = b.e WHERE b.id = 95;
SELECT count(*) FROM b WHERE e IN (SELECT e FROM a);
SELECT count(*) FROM b WHERE NOT EXISTS (SELECT FROM a WHERE a.e = b.e);
SELECT count(*) FROM a JOIN c ON a.e = c.e;

-- grouping and sets
SELECT count(DISTINCT e) FROM a;
SELECT count(*) FROM (SELECT e FROM a GROUP BY e) g;
SELECT count(*) FROM (SELECT DISTINCT e FROM a) g;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT DISTINCT e FROM a) g;
SELECT e, count(*) FROM a WHERE id < 203 GROUP BY e HAVING count(*) > 2 ORDER BY e::text;
RESET enable_hashagg;
SELECT count(*) FROM (SELECT e FROM a UNION SELECT e FROM b) u;
SELECT count(*) FROM (SELECT e FROM a INTERSECT SELECT e FROM b) u;
SELECT count(*) FROM (SELECT e FROM b EXCEPT SELECT e FROM a) u;
SELECT x, count(*) FROM (VALUES ('kanarialintu-a'::enctext), ('kanarialintu-b'), ('kanarialintu-a')) v(x)
	GROUP BY x ORDER BY x::text;
SELECT count(*) OVER (PARTITION BY e) FROM a WHERE id = 7;

-- indexes
CREATE INDEX a_btree ON a (e);
CREATE INDEX b_hash ON b USING hash (e);
SET enable_seqscan = off;
SELECT count(*) FROM a WHERE e = 'kanarialintu-7'::enctext('enctext_ops');
SELECT count(*) FROM b WHERE e = 'kanarialintu-97'::enctext('enctext_ops');
SELECT count(*) FROM a JOIN b ON a.e = b.e;
RESET enable_seqscan;
SELECT count(*) = count(e) + 1 AS all_there FROM (SELECT e FROM a ORDER BY e) o;
REINDEX TABLE a;
CREATE UNIQUE INDEX a_unique ON a (e);
CREATE TABLE u (id int, e enctext('enctext_ops') PRIMARY KEY);
INSERT INTO u VALUES (1, 'unique'), (2, 'other');
INSERT INTO u VALUES (3, 'unique');
INSERT INTO u VALUES (3, NULL);
INSERT INTO u VALUES (3, 'unique') ON CONFLICT DO NOTHING;
INSERT INTO u VALUES (3, 'unique') ON CONFLICT (e) DO UPDATE SET id = excluded.id;
INSERT INTO u VALUES (4, 'Unique');
SELECT id, e FROM u ORDER BY id;
MERGE INTO u USING (SELECT 5 AS id, 'unique'::enctext('enctext_ops') AS e) s ON u.e = s.e
	WHEN MATCHED THEN UPDATE SET id = s.id;
SELECT id, e FROM u ORDER BY id;
CREATE TABLE f (e enctext('enctext_ops') REFERENCES u ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO f VALUES ('unique');
INSERT INTO f VALUES ('nobody');
UPDATE u SET e = 'renamed' WHERE id = 5;
SELECT e FROM f;
DELETE FROM u WHERE id = 5;
SELECT e FROM f;
CREATE TABLE x (e enctext('enctext_ops'), EXCLUDE USING hash (e WITH =));
INSERT INTO x VALUES ('unique');
INSERT INTO x VALUES ('unique');

-- arrays and composites compare through it
SELECT ARRAY[e] = ARRAY[e] AS same, ROW(e, 1) = ROW(e, 1) AS row_same FROM a WHERE id = 7;
SELECT count(DISTINCT ARRAY[e]) FROM a;
SELECT count(*) FROM a x JOIN a y ON ARRAY[x.e] = ARRAY[y.e] WHERE x.id = 7;

-- values too long to stay in the row compare by their beginning
CREATE TABLE long (id int, e enctext('enctext_ops'));
INSERT INTO long SELECT i, repeat('kanarialintu-' || i % 3, 10000) FROM generate_series(1, 9) i;
CREATE INDEX ON long USING hash (e);
SELECT count(DISTINCT e) FROM long;
SELECT id FROM long WHERE e = repeat('kanarialintu-2', 10000) ORDER BY id;

-- the order is no order of the plaintext, and no < finds it
SELECT e < e FROM a;
SELECT e >= 'x' FROM a;
SELECT e BETWEEN 'a' AND 'b' FROM a;
SELECT min(e) FROM a;
SELECT bool_and(x.e OPERATOR(gdpr.#<#) y.e = (y.e OPERATOR(gdpr.#>#) x.e)
	AND (x.e OPERATOR(gdpr.#<=#) y.e) = NOT (x.e OPERATOR(gdpr.#>#) y.e)
	AND (x.e OPERATOR(gdpr.#>=#) y.e) = NOT (x.e OPERATOR(gdpr.#<#) y.e)
	AND sign(gdpr.enctext_cmp(x.e, y.e)) = - sign(gdpr.enctext_cmp(y.e, x.e))
	AND (gdpr.enctext_cmp(x.e, y.e) = 0) = (x.e = y.e)
	AND (x.e <> y.e OR gdpr.enctext_hash(x.e) = gdpr.enctext_hash(y.e))
	AND (x.e <> y.e OR gdpr.enctext_hash_extended(x.e, 5) = gdpr.enctext_hash_extended(y.e, 5))) AS total
	FROM a x, a y WHERE x.id < 150 AND y.id < 150;
SELECT gdpr.enctext_hash(e) = gdpr.enctext_hash_extended(e, 0)::bit(32)::int FROM a WHERE id = 7;

-- probes: a value of the domain passes, one of another is refused
SELECT count(*) FROM a, (SELECT atttypmod AS m FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'e') t
	WHERE e = gdpr.enctext_probe('kanarialintu-7'::enctext, m);
SELECT count(*) FROM a, (SELECT atttypmod AS m FROM pg_attribute WHERE attrelid = 'c'::regclass AND attname = 'e') t
	WHERE e = gdpr.enctext_probe('kanarialintu-7'::text, m);
SELECT count(*) FROM b, LATERAL gdpr.enctext_probe(b.e,
	(SELECT atttypmod FROM pg_attribute WHERE attrelid = 'c'::regclass AND attname = 'e')) p WHERE p = b.e;
SELECT gdpr.enctext_probe('kanarialintu-7'::enctext('enctext_ops3'),
	(SELECT atttypmod FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'e'));
SELECT gdpr.enctext_probe('kanarialintu-7'::text, 4711);
SELECT gdpr.enctext_probe('kanarialintu-7'::enctext, -1);
-- a probe is not a value
SELECT gdpr.enctext_probe('kanarialintu-7'::text,
	(SELECT atttypmod FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'e'))::text;
INSERT INTO a SELECT 5000, gdpr.enctext_probe('kanarialintu-7'::text,
	(SELECT atttypmod FROM pg_attribute WHERE attrelid = 'a'::regclass AND attname = 'e'));

-- read-only transactions keep no count of nonces: values for use in the statement
BEGIN READ ONLY;
SELECT count(*) FROM a WHERE e = 'kanarialintu-7'::enctext('enctext_ops');
SELECT 'kanarialintu-7'::enctext('enctext_ops')::text;
SELECT count(*) FROM a JOIN (SELECT 'kanarialintu-7'::enctext('enctext_ops') AS e) v USING (e);
SELECT 'kanarialintu-7'::enctext('enctext_ops')::enctext('enctext_ops3')::text;
COMMIT;
CREATE TEMPORARY TABLE temporary (e enctext('enctext_ops'));
BEGIN READ ONLY;
INSERT INTO temporary VALUES ('kanarialintu-7');
COMMIT;
DROP TABLE temporary;

-- parallel workers read, search, encrypt and print as their leader may
CREATE TABLE wide AS SELECT i, ('kanarialintu-' || i % 100)::enctext('enctext_ops') AS e FROM generate_series(1, 20000) i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SET parallel_leader_participation = off;
CREATE FUNCTION workers(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line LIKE '%Workers Planned%' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT workers($$SELECT count(e::text) FROM wide WHERE e::text LIKE '%-7'$$) AS planned;
SELECT workers($$SELECT count(*) FROM wide WHERE e = 'kanarialintu-7'$$) AS planned;
SELECT count(e::text) FROM wide WHERE e::text LIKE '%-7';
SELECT count(*) FROM wide WHERE e = 'kanarialintu-7';
SELECT count(*) FROM wide WHERE e = 'kanarialintu-7'::text;
SELECT count(*) FROM wide WHERE format('%s', e) = 'kanarialintu-7';
SELECT count(DISTINCT e::enctext('enctext_ops3')) FROM wide;
SELECT count(*) FROM wide WHERE (e::text || '')::enctext('enctext_ops') = e;
CREATE TABLE wide_copy AS SELECT e::enctext('enctext_ops3') AS e FROM wide;
SELECT count(*), count(DISTINCT e), min(e::text) FROM wide_copy;
GRANT SELECT ON wide TO PUBLIC;
RESET ROLE;
SELECT count(*) FROM wide WHERE format('%s', e) NOT LIKE 'gdpr:AR%';
SELECT count(e::text) FROM wide;
SET ROLE enctext_user;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
RESET parallel_leader_participation;

-- a sort of values in a TOAST table leaves nothing behind
SET ROLE enctext_user;
CREATE TABLE toasted (e enctext('enctext_ops'));
INSERT INTO toasted SELECT repeat(g::text, 1000)::text FROM generate_series(1, 4000) g;
RESET ROLE;
SET enable_hashagg = off;
BEGIN;
DECLARE sorted CURSOR FOR SELECT DISTINCT e FROM toasted;
MOVE 1 FROM sorted;
SELECT name, pg_size_pretty(used_bytes) FROM pg_backend_memory_contexts
	WHERE used_bytes > 1500000 AND name <> 'CacheMemoryContext';
ROLLBACK;
RESET enable_hashagg;

-- how the operators are marked
RESET ROLE;
SELECT p.oid::regprocedure, p.provolatile, p.proleakproof, p.proparallel, p.proisstrict FROM pg_proc p
	WHERE pronamespace = 'gdpr'::regnamespace AND proname ~ '^(text|enctext)_(eq|ne|cmp|hash|in|probe)' ORDER BY p.oid::regprocedure::text;
SELECT amproc::regproc FROM pg_amproc WHERE amproclefttype = 'enctext'::regtype ORDER BY amproc::regproc::text;
SELECT amvalidate(oid) FROM pg_opclass WHERE opcintype = 'enctext'::regtype;

DROP SCHEMA enctext_ops CASCADE;
DROP ROLE enctext_user;
