-- An UPDATE that writes a value back keeps its stored form.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA keep;
SET search_path = keep, public;
CREATE ROLE keep_reader;
CREATE ROLE keep_writer;
GRANT USAGE ON SCHEMA keep TO keep_reader, keep_writer;
SELECT gdpr.create_context('keep_pii', ARRAY['keep_reader', current_user]);
SELECT gdpr.grant_context('keep_pii', r, 'write') FROM unnest('{keep_reader, keep_writer}'::name[]) r;
CREATE DOMAIN keep_email AS enctext('keep_pii');
CREATE TABLE t (id int PRIMARY KEY, email enctext('keep_pii') UNIQUE, note encsecret('keep_pii'), mail keep_email, plain text) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON t TO keep_reader, keep_writer;
INSERT INTO t SELECT i, 'kanarialintu-' || i, 'kanarialintu-note', 'kanarialintu-mail', 'x' FROM generate_series(1, 3) i;
CREATE FUNCTION forms() RETURNS TABLE (id int, email text, note text, mail text) LANGUAGE plpgsql SET gdpr.output = ciphertext AS
	$$ BEGIN RETURN QUERY SELECT t.id, format('%s', t.email), format('%s', t.note), format('%s', t.mail) FROM t; END $$;
CREATE TABLE seen AS SELECT * FROM forms();
-- which columns have another form than when last looked
CREATE FUNCTION changed() RETURNS TABLE (id int, email boolean, note boolean, mail boolean) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT f.id, f.email IS DISTINCT FROM s.email, f.note IS DISTINCT FROM s.note, f.mail IS DISTINCT FROM s.mail
		FROM forms() f LEFT JOIN seen s USING (id) WHERE f IS DISTINCT FROM s ORDER BY f.id;
	DELETE FROM seen;
	INSERT INTO seen SELECT * FROM forms();
END $$;

-- as an application saves: every column, by literals, parameters, casts
UPDATE t SET id = 1, email = 'kanarialintu-1', note = 'kanarialintu-note', mail = 'kanarialintu-mail', plain = 'y' WHERE id = 1;
UPDATE t SET email = email, note = note::text, mail = mail::text WHERE id = 2;
PREPARE save AS UPDATE t SET email = $1, note = $2, mail = $3, plain = $4 WHERE id = $5;
SET plan_cache_mode = force_generic_plan;
EXECUTE save('kanarialintu-3', 'kanarialintu-note', 'kanarialintu-mail', 'z', 3);
SELECT * FROM changed();
-- what changes is sealed
EXECUTE save('kanarialintu-33', 'kanarialintu-note', 'kanarialintu-other', 'z', 3);
SELECT * FROM changed();
SELECT email, note, mail FROM t WHERE id = 3;
UPDATE t SET email = 'kanarialintu-3', note = NULL WHERE id = 3;
UPDATE t SET note = 'kanarialintu-note' WHERE id = 3;
SELECT * FROM changed();
-- the other ways to update
INSERT INTO t VALUES (1, 'kanarialintu-1', 'kanarialintu-note', 'kanarialintu-mail') ON CONFLICT (id) DO UPDATE SET email = excluded.email, note = excluded.note, mail = 'kanarialintu-mail';
MERGE INTO t USING (VALUES (2, 'kanarialintu-2')) AS v (id, email) ON t.id = v.id WHEN MATCHED THEN UPDATE SET email = v.email, note = 'kanarialintu-note';
WITH w AS (UPDATE t SET (email, note) = (SELECT 'kanarialintu-3', 'kanarialintu-note') WHERE id = 3 RETURNING 1) SELECT * FROM w;
CREATE VIEW v AS SELECT id, email, note FROM t;
UPDATE v SET email = 'kanarialintu-2' WHERE id = 2;
DO $$ BEGIN UPDATE t SET email = r.email, note = r.note FROM (SELECT 1 AS id, 'kanarialintu-1' AS email, 'kanarialintu-note' AS note) r WHERE t.id = r.id; END $$;
SELECT * FROM changed();

-- no record of the audit log, no new index entries
SELECT gdpr.declare_subject('keep_person', 'keep.t');
SELECT gdpr.protect('keep.t');
CREATE TEMP TABLE before AS SELECT pg_relation_size('t_email_key') AS size;
DO $$ BEGIN FOR i IN 1 .. 300 LOOP
	UPDATE t SET email = 'kanarialintu-1', note = 'kanarialintu-note' WHERE id = 1;
END LOOP; END $$;
SELECT pg_relation_size('t_email_key') - size AS grown FROM before;
SELECT count(*) FROM gdpr.audit WHERE relation = 'keep.t' AND operation = 'update';

-- without equality only for who may read: what is stored must not tell a writer
-- whether he guessed right
SET ROLE keep_writer;
UPDATE t SET email = 'kanarialintu-1', note = 'kanarialintu-note' WHERE id = 1;
RESET ROLE;
SELECT * FROM changed();
SET ROLE keep_reader;
UPDATE t SET email = 'kanarialintu-1', note = 'kanarialintu-note' WHERE id = 1;
RESET ROLE;
SELECT * FROM changed();
SELECT gdpr.enctype_keep(NULL::text, 'a'), gdpr.enctype_keep('a'::text, NULL), gdpr.enctype_keep('a'::text, 'b'), gdpr.enctype_keep(1, 2);

-- partitions and children whose columns lie elsewhere
CREATE TABLE p (id int, region int, email enctext('keep_pii')) PARTITION BY LIST (region);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 (email enctext('keep_pii'), gone int, region int, id int);
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
INSERT INTO p VALUES (1, 1, 'kanarialintu-1'), (2, 2, 'kanarialintu-2');
CREATE FUNCTION form_of(enctext) RETURNS text LANGUAGE plpgsql SET gdpr.output = ciphertext AS $$ BEGIN RETURN format('%s', $1); END $$;
CREATE TEMP TABLE parts AS SELECT id, form_of(email) AS form FROM p;
UPDATE p SET email = 'kanarialintu-' || id, region = region;
UPDATE p SET email = 'kanarialintu-' || id, region = 3 - region;
SELECT p.id, p.region, form_of(p.email) = form AS same, email FROM p JOIN parts USING (id) ORDER BY 1;

SELECT gdpr.unprotect('keep.t');
DROP SCHEMA keep CASCADE;
DROP ROLE keep_reader, keep_writer;
