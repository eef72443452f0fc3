-- What the input function returns is not sealed yet (src/enctype/unsealed.c). It goes through everything that copies,
-- stores, compares or shows values, and is everywhere as good as a sealed one.
\set VERBOSITY terse
CREATE SCHEMA unsealed_test;
SET search_path = unsealed_test, public;
CREATE ROLE unsealed_writer;
CREATE ROLE unsealed_seeker;
SELECT gdpr.create_context('unsealed', '{unsealed_writer}');
SELECT gdpr.grant_context('unsealed', 'unsealed_writer', 'write');
SELECT gdpr.grant_context('unsealed', 'unsealed_seeker', 'search');
GRANT USAGE, CREATE ON SCHEMA unsealed_test TO unsealed_writer;
GRANT USAGE ON SCHEMA unsealed_test TO unsealed_seeker;
SET ROLE unsealed_writer;
CREATE TABLE person (id int PRIMARY KEY, s text, e enctext('unsealed') UNIQUE, n encint8('unsealed'));
GRANT SELECT ON person TO unsealed_seeker;

-- Stable, so the executor calls it and not the planner; a subquery that cannot be pulled up keeps what it returned.
INSERT INTO person SELECT i, s, gdpr.enctext_in(textout(s), 0, -1), gdpr.encint8_in(textout(i::text), 0, -1)
	FROM (SELECT i, 'name ' || i AS s FROM generate_series(1, 20) i) x;
SELECT count(*) AS good FROM person WHERE e::text = s AND n::int = id;
RESET ROLE;
SELECT item, count FROM gdpr.check_column('person', 'e');
SET ROLE unsealed_writer;
CREATE FUNCTION given(s text) RETURNS enctext LANGUAGE sql STABLE AS 'SELECT gdpr.enctext_in(textout(s), 0, -1)';
CREATE FUNCTION kept(s text) RETURNS enctext LANGUAGE plpgsql STABLE AS
	$$DECLARE e enctext := gdpr.enctext_in(textout(s), 0, -1); f enctext; BEGIN f := e; RETURN f; END$$;

\echo -- twice the same bytes, and never those of another
SELECT given(s)::text AS g, kept(s)::text AS k, record_image_eq(ROW(e), ROW(e)) AS same, record_image_eq(ROW(given(s)), ROW(given(s))) AS other
	FROM (SELECT s, given(s) AS e FROM person WHERE id = 3 OFFSET 0) x;
SELECT pg_column_size(e) BETWEEN 30 AND 80 AS size, pg_column_compression(e), pg_typeof(e), e IS NULL AS is_null
	FROM (SELECT given('x') AS e OFFSET 0) x;

\echo -- copied: tuples, tuplestores, arrays, rows, cursors
WITH w AS MATERIALIZED (SELECT given(s) AS e FROM person WHERE id < 3) SELECT a.e::text, b.e::text FROM w a, w b ORDER BY 1, 2;
SELECT (ARRAY[given('a'), given('b'), NULL])[2]::text, (array_agg(given(s) ORDER BY id))[20]::text FROM person;
SELECT ((x).e)::text FROM (SELECT ROW(1, s, given('row'), NULL)::person AS x FROM person WHERE id = 1 OFFSET 0) y;
SELECT e::text, before::text FROM (SELECT id, given(s) AS e, lag(given(s)) OVER (ORDER BY id) AS before FROM person) x WHERE id < 3;
SELECT CASE WHEN id = 1 THEN given('one') ELSE coalesce(NULL, given(s)) END::text FROM person WHERE id < 3 ORDER BY id;
SELECT x::text FROM (SELECT given('u') UNION ALL SELECT e FROM person WHERE id = 1) u(x) ORDER BY 1;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT given(s) FROM person WHERE id < 3 ORDER BY id;
COMMIT;
FETCH 1 FROM c \gset
SELECT :'given' AS held;
CLOSE c;
CREATE DOMAIN nick AS enctext('unsealed') CHECK (VALUE IS NOT NULL);
SELECT given('d')::nick::text AS domain;
DO $$
DECLARE r record; e enctext; a enctext[]; got text := '';
BEGIN
	FOR r IN SELECT id, given(s) AS e FROM person WHERE id < 4 ORDER BY id LOOP
		e := r.e; a[r.id] := e; got := got || e::text || ', ';
	END LOOP;
	EXECUTE 'SELECT $1[2]::text || $2::text' INTO r USING a, given('!');
	RAISE NOTICE '%, %', got, r;
END$$;

\echo -- compared
SELECT id FROM person WHERE e = given('name 7');
SELECT id FROM person WHERE e IN (given('name 7'), kept('name 8'), NULL) ORDER BY id;
SELECT id FROM person WHERE e IS NOT DISTINCT FROM given('name 9');
SELECT given('a') = given('a') AS t, given('a') = kept('b') AS f, given('a') IS DISTINCT FROM given('a') AS f;
SELECT count(DISTINCT given(s)) FROM person;
SELECT count(*) FROM person p JOIN (SELECT given(s) AS e FROM person OFFSET 0) q ON p.e::text = q.e::text;
SET enable_seqscan = off;
SELECT id FROM person WHERE e = (SELECT given('name 11'));
SELECT p.id FROM (SELECT given(s) AS e FROM person WHERE id < 4 OFFSET 0) q CROSS JOIN LATERAL
	(SELECT id FROM person WHERE person.e = q.e) p ORDER BY 1;
RESET enable_seqscan;

\echo -- shown
SELECT to_jsonb(given('j')), json_build_object('k', given('j')), row_to_json(x) FROM (SELECT given('r') AS g OFFSET 0) x;
SELECT given('a') || 'b' AS cat, given('a')::varchar, given('12')::text::int;

\echo -- stored: assigned without a cast, over an index, in a table of its own
UPDATE person SET e = given('changed') WHERE id = 1;
INSERT INTO person VALUES (21, 'd', given('changed'), NULL);
INSERT INTO person VALUES (21, 'changed', given('changed'), NULL) ON CONFLICT (e) DO UPDATE SET s = excluded.e::text;
SELECT id, s, e::text FROM person WHERE id IN (1, 21);
CREATE TEMP TABLE loose AS SELECT given('x') AS e;
SELECT pg_column_size(e) BETWEEN 30 AND 60 AS sealed, e::text FROM loose;
ALTER TABLE person ADD COLUMN extra enctext('unsealed') DEFAULT gdpr.enctext_in('added'::cstring, 0, -1);
SELECT DISTINCT extra::text FROM person;

\echo -- rights are those of the moment
SET ROLE unsealed_seeker;
SELECT gdpr.enctext_in(textout('name 7'), 0, -1) = e AS found FROM person WHERE id = 7;
SELECT unsealed_test.given('mine')::text;
SELECT gdpr.enctext_in(textout('x'), 0, -1)::enctext('unsealed');
SELECT e::text FROM person;
RESET ROLE;

\echo -- of any length, empty, and broken
SET ROLE unsealed_writer;
SELECT n, length(given(repeat('x', n))::text), length(((SELECT given(repeat('y', n)))::enctext('unsealed'))::text)
	FROM unnest('{0,1,255,256,257,511,513,100000}'::int[]) n;
SELECT gdpr.encint8_in(textout('12x'), 0, -1);
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA unsealed_test CASCADE;
