-- Reading the values of more persons than a process keeps keys of: places of
-- their keys are remembered within the transaction, and may be wrong by then.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA sh;
CREATE TABLE sh.others AS SELECT id FROM gdpr.subject_key;
SELECT gdpr.create_context('sh_pii', '{}');
SELECT gdpr.grant_context('sh_pii', current_user, p) FROM unnest('{read, write}'::text[]) p;
CREATE TABLE sh.person (id int PRIMARY KEY, note encsecret('sh_pii'));
SELECT gdpr.declare_subject('sh_person', 'sh.person');
SELECT gdpr.declare_column('sh.person', 'note', 'free_text');
SELECT gdpr.protect('sh.person', '{"subject_keys": true}');
BEGIN;
INSERT INTO sh.person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 3000) i;
SELECT count(*) FROM sh.person WHERE note::text = 'kanarialintu-' || id;
COMMIT;
CREATE FUNCTION sh.read(OUT opened bigint, OUT gone bigint) LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE note::text = 'kanarialintu-' || id), count(*) FILTER (WHERE note::text IS NULL)
	FROM (SELECT * FROM sh.person ORDER BY md5(id::text)) p $$;
-- keys that move, go and come back while their places are remembered
CREATE TABLE sh.kept AS SELECT * FROM gdpr.subject_key WITH NO DATA;
BEGIN;
SELECT * FROM sh.read();
SELECT * FROM sh.read();
UPDATE gdpr.subject_key SET epoch = epoch;
SELECT * FROM sh.read();
SAVEPOINT a;
WITH gone AS (DELETE FROM gdpr.subject_key WHERE id % 3 = 0 AND id NOT IN (SELECT id FROM sh.others) RETURNING *) INSERT INTO sh.kept SELECT * FROM gone;
SELECT opened + gone AS rows, gone = (SELECT count(*) FROM sh.kept) AS as_many FROM sh.read();
SELECT opened + gone AS rows, gone = (SELECT count(*) FROM sh.kept) AS as_many FROM sh.read();
INSERT INTO gdpr.subject_key SELECT * FROM sh.kept;
SELECT * FROM sh.read();
ROLLBACK TO a;
SELECT * FROM sh.read();
SAVEPOINT b;
CREATE TEMP TABLE sh_all AS SELECT * FROM gdpr.subject_key;
TRUNCATE gdpr.subject_key;
SELECT * FROM sh.read();
INSERT INTO gdpr.subject_key SELECT * FROM sh_all;
SELECT * FROM sh.read();
ROLLBACK TO b;
UPDATE sh.person SET note = 'kanarialintu-' || id;
SELECT * FROM sh.read();
COMMIT;
SELECT * FROM sh.read();
-- by the person, in a write that opens nothing
CREATE TABLE sh.line (person int REFERENCES sh.person, name enctext('sh_pii'));
SELECT gdpr.declare_link('sh.line', '{person}', 'sh.person', '{id}', on_forget => 'delete');
SELECT gdpr.protect('sh.line', '{"subject_keys": true}');
BEGIN;
INSERT INTO sh.line SELECT id, 'kanarialintu-' || id FROM sh.person, generate_series(1, 2) ORDER BY md5(id::text);
INSERT INTO sh.line SELECT id, 'kanarialintu-' || id FROM sh.person ORDER BY md5(id::text);
SELECT count(*) FROM sh.line WHERE name::text = 'kanarialintu-' || person;
COMMIT;
SELECT count(*), count(DISTINCT subject) FROM gdpr.subject_key WHERE id NOT IN (SELECT id FROM sh.others);
-- other tests count keys
SELECT gdpr.unprotect(r) FROM unnest('{sh.line, sh.person}'::regclass[]) r;
DELETE FROM gdpr.subject_key WHERE id NOT IN (SELECT id FROM sh.others);
