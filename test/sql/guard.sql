-- DDL that would lose encrypted values or show them is refused.
\set VERBOSITY sqlstate
CREATE SCHEMA guard;
SET search_path = guard, public;
SELECT gdpr.create_context('guard_pii', '{}');
SELECT gdpr.create_context('guard_other', '{}');
SELECT gdpr.create_context('guard_joined', '{}', '{"tag_domain": "guard_pii"}');

-- columns without a context, also inside other types
CREATE TABLE bad (e enctext);
CREATE TABLE bad (e encsecret);
CREATE TABLE bad (e enctext[]);
CREATE TABLE bad (id int, e enctext) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE bad (e enctext);
CREATE DOMAIN bad AS enctext;
CREATE TYPE bad AS (e enctext);
CREATE TYPE bad AS RANGE (subtype = enctext, subtype_opclass = gdpr.enctext_ops);
CREATE DOMAIN good AS enctext('guard_pii');
CREATE TYPE pair AS (id int, e enctext('guard_pii'));
CREATE TABLE base (id int PRIMARY KEY, e enctext('guard_pii') UNIQUE, l enctext('guard_pii')[], d good, p pair, k encsecret('guard_pii'));
ALTER TABLE base ADD COLUMN bad enctext;
ALTER TABLE base ALTER e TYPE enctext;
ALTER TYPE pair ADD ATTRIBUTE bad enctext;
CREATE TABLE bad AS SELECT 'x'::enctext AS e;
CREATE TABLE bad AS SELECT (array_agg(l))[1] AS l FROM base;
SELECT 'x'::enctext AS e INTO bad;
CREATE MATERIALIZED VIEW bad AS SELECT (array_agg(e))[1] AS e FROM base;
CREATE TABLE good_copy AS SELECT * FROM base;
CREATE TABLE good_like (LIKE base);
-- a temporary table may, and a view has no values
CREATE TEMP TABLE loose (e enctext);
CREATE VIEW loose_view AS SELECT (array_agg(e))[1] AS e FROM base;

-- encrypted constants in stored expressions
CREATE VIEW bad AS SELECT * FROM base WHERE e = 'x';
CREATE VIEW bad AS SELECT 'x'::enctext AS e;
CREATE VIEW bad AS SELECT * FROM base WHERE e IN ('x', 'y');
CREATE VIEW bad AS SELECT * FROM base WHERE e = ANY ('{x}'::enctext[]);
CREATE MATERIALIZED VIEW bad AS SELECT * FROM base WHERE e = 'x' WITH NO DATA;
ALTER TABLE base ALTER e SET DEFAULT 'x';
ALTER TABLE base ADD COLUMN bad enctext('guard_pii') DEFAULT 'x';
ALTER TABLE base ADD CHECK (e <> 'x');
CREATE POLICY bad ON base USING (e = 'x');
CREATE POLICY bad ON base FOR INSERT WITH CHECK (e = 'x');
CREATE RULE bad AS ON UPDATE TO base WHERE old.e = 'x' DO NOTHING;
CREATE TABLE listed (e enctext('guard_pii')) PARTITION BY LIST (e);
CREATE TABLE bad PARTITION OF listed FOR VALUES IN ('x');
CREATE TABLE listed_x (e enctext('guard_pii'));
ALTER TABLE listed ATTACH PARTITION listed_x FOR VALUES IN ('x');
CREATE FUNCTION bad() RETURNS enctext BEGIN ATOMIC SELECT 'x'::enctext; END;
CREATE FUNCTION bad(e enctext DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION trigger_function() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER bad BEFORE UPDATE ON base FOR EACH ROW WHEN (old.e = 'x') EXECUTE FUNCTION trigger_function();
CREATE DOMAIN bad AS enctext('guard_pii') DEFAULT 'x';
CREATE DOMAIN bad AS enctext('guard_pii') CHECK (VALUE <> 'x');
ALTER DOMAIN good SET DEFAULT 'x';
ALTER DOMAIN good ADD CHECK (VALUE <> 'x');
-- text is converted at run time; null is no constant of anybody's
CREATE VIEW good_view AS SELECT id FROM base WHERE e = 'x'::text OR e = NULL OR e IN ('x'::text);
ALTER TABLE base ALTER e SET DEFAULT 'x'::text;
ALTER TABLE base ALTER e SET DEFAULT NULL;
ALTER TABLE base ADD CONSTRAINT good_check CHECK (e <> 'x'::text);
CREATE POLICY good_policy ON base USING (e = current_user::text);
CREATE FUNCTION good_function() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM base WHERE e = 'x'::text; END;

-- statistics objects
CREATE STATISTICS bad ON id, e FROM base;
CREATE STATISTICS bad ON (e::text) FROM base;
CREATE STATISTICS bad ON id, k FROM base;

-- foreign keys join one tag domain
CREATE TABLE bad (e enctext('guard_other') REFERENCES base (e));
CREATE TABLE bad (e text REFERENCES base (e));
CREATE TABLE child (e enctext('guard_pii') REFERENCES base (e));
CREATE TABLE joined (e enctext('guard_joined') REFERENCES base (e));
ALTER TABLE child ALTER e TYPE enctext('guard_other');
ALTER TABLE child ALTER e TYPE enctext('guard_joined');

-- away from an encrypted type, by any name of the table
ALTER TABLE child ALTER e TYPE text;
ALTER TABLE child ALTER e TYPE text USING 'x';
ALTER TABLE guard.child ALTER COLUMN e SET DATA TYPE varchar(10) USING e::varchar(10);
ALTER TABLE base ALTER l TYPE text[] USING NULL;
ALTER TABLE base ALTER d TYPE text;
CREATE TYPE lone AS (e enctext('guard_pii'));
ALTER TYPE lone ALTER ATTRIBUTE e TYPE text;
ALTER TYPE lone ALTER ATTRIBUTE e TYPE enctext('guard_other');
ALTER TABLE good_copy ALTER k TYPE bytea USING NULL;
ALTER TABLE good_copy ALTER id TYPE bigint;
ALTER TABLE good_copy ALTER k TYPE encsecret('guard_other');
ALTER TABLE good_copy DROP COLUMN k;
DO $$ BEGIN EXECUTE 'ALTER TABLE guard.child ALTER e TYPE text'; END $$;

-- the types go with nobody's columns
DROP EXTENSION gdpr_ext CASCADE;
DROP SCHEMA gdpr CASCADE;
SELECT count(*) > 4 AS listed, count(*) FILTER (WHERE statement LIKE '--%') AS by_hand
	FROM gdpr.uninstall_plan() statement WHERE statement LIKE '%guard.%';
SELECT statement FROM gdpr.uninstall_plan() WITH ORDINALITY u (statement, n) ORDER BY n DESC LIMIT 2;

-- DDL of other tables is none of our business
CREATE TABLE plain (id int, t text DEFAULT 'x' CHECK (t <> 'y'));
ALTER TABLE plain ALTER t TYPE varchar(10);
CREATE VIEW plain_view AS SELECT * FROM plain WHERE t = 'x';
CREATE STATISTICS plain_statistics ON id, t FROM plain;

SET client_min_messages = warning;
DROP SCHEMA guard CASCADE;
