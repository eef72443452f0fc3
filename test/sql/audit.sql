-- Audited writes: who, when, which columns, and their values, sealed.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE audit_app;
CREATE ROLE audit_eye;
CREATE ROLE audit_owner;
CREATE SCHEMA aud AUTHORIZATION audit_owner;
GRANT USAGE ON SCHEMA aud TO audit_app;
SELECT gdpr.grant_duty('audit_eye', 'auditor');
SELECT gdpr.create_context('aud_ctx', readers => '{audit_app}');
SELECT gdpr.grant_context('aud_ctx', 'audit_app', 'write');
CREATE TABLE aud.person (
	id int PRIMARY KEY, name text, email enctext('aud_ctx'), secret encsecret('aud_ctx'),
	mails enctext('aud_ctx')[], born date, seen timestamptz, big text, extra int[], gen text GENERATED ALWAYS AS (upper(name)) STORED, gone int, touched int);
ALTER TABLE aud.person DROP COLUMN gone;
CREATE TABLE aud.buy (id int PRIMARY KEY, person int NOT NULL REFERENCES aud.person ON DELETE CASCADE ON UPDATE CASCADE, what text);
CREATE TABLE aud.line (buy int NOT NULL REFERENCES aud.buy ON DELETE CASCADE, no int, what text, PRIMARY KEY (buy, no));
CREATE TABLE aud.letter (person int REFERENCES aud.person ON DELETE SET NULL ON UPDATE CASCADE, body text);
ALTER TABLE aud.person OWNER TO audit_owner;
ALTER TABLE aud.buy OWNER TO audit_owner;
ALTER TABLE aud.line OWNER TO audit_owner;
ALTER TABLE aud.letter OWNER TO audit_owner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aud TO audit_app;
SELECT gdpr.declare_subject('aud_person', 'aud.person');
SELECT gdpr.declare_link('aud.letter', '{person}', 'aud.person', '{id}');
SELECT gdpr.declare_column('aud.person', 'name', 'name');
SELECT gdpr.approve_map('aud_person') IS NOT NULL;

-- what is refused
SELECT gdpr.protect(NULL);
SELECT gdpr.protect('aud.person', NULL);
SELECT gdpr.protect('aud.person', '{"reads": true}');
SELECT gdpr.protect('aud.person', '{"except_columns": "touched"}');
SELECT gdpr.protect('aud.person', '{"except_columns": ["nosuch"]}');
SELECT gdpr.protect('aud.line', '{"except_columns": ["what", "no", "buy", "no"]}');
\set VERBOSITY default
SELECT gdpr.protect_subject('aud_person', '{"except_columns": ["person", "body"]}');
\set VERBOSITY sqlstate
SELECT gdpr.protect('pg_class');
SELECT gdpr.protect_subject('nosuch');
SELECT gdpr.unprotect('aud.person');
SET ROLE audit_app;
SELECT gdpr.protect('aud.person');
SELECT count(*) FROM gdpr.audit;
SELECT * FROM gdpr.audit_trail('1');
RESET ROLE;

SELECT gdpr.protect_subject('aud_person', '{"except_columns": ["touched"]}');
SELECT relation, except_columns FROM gdpr.protected WHERE relation::text LIKE 'aud.%' ORDER BY relation::text;
-- what the auditor sees of this schema
CREATE FUNCTION pg_temp.trail(since bigint) RETURNS TABLE (relation text, operation text, origin text, columns text[], changes text, subject boolean) LANGUAGE sql AS
	$$ SELECT relation, operation, origin, columns, changes::text, subject IS NOT NULL FROM gdpr.audit
	WHERE id > since AND (relation LIKE 'aud.%') ORDER BY id $$;
CREATE FUNCTION pg_temp.upto() RETURNS bigint LANGUAGE sql AS $$ SELECT coalesce(max(id), 0) FROM gdpr.audit $$;
SELECT * FROM pg_temp.trail(0);

SELECT pg_temp.upto() AS upto \gset
SET ROLE audit_app;
BEGIN;
SET LOCAL gdpr.actor = 'kanarialintu-actor';
SET LOCAL gdpr.purpose = 'support';
INSERT INTO aud.person (id, name, email, secret, mails, born, seen, extra)
	VALUES (1, 'kanarialintu-1', 'kanarialintu-1@example.org', 'kanarialintu-s', '{kanarialintu-a}', '2000-02-03', '2020-01-01 12:00+00', '{1,2}');
COMMIT;
INSERT INTO aud.buy VALUES (10, 1, 'kanarialintu-b'), (11, 1, 'kanarialintu-c');
INSERT INTO aud.line VALUES (10, 1, 'kanarialintu-l'), (10, 2, 'kanarialintu-m');
INSERT INTO aud.letter VALUES (1, 'kanarialintu-letter');
UPDATE aud.person SET name = 'kanarialintu-2', born = NULL WHERE id = 1;
RESET ROLE;
SELECT relation, operation, columns, regexp_replace(changes, 'gdpr:[A-Za-z0-9+/=]+', 'gdpr:...', 'g') AS changes, subject FROM pg_temp.trail(:upto);
SELECT DISTINCT session_role = session_user AS session, role, actor, purpose, application, address FROM gdpr.audit WHERE id > :upto ORDER BY actor;
SELECT count(*) FROM gdpr.audit_log WHERE id > :upto AND (payload::text || coalesce(actor, '')::text) ~ encode('kanarialintu', 'hex');

-- an application that writes every column back leaves no record; nor do excepted columns
SELECT pg_temp.upto() AS upto \gset
SET ROLE audit_app;
UPDATE aud.person SET name = name, email = 'kanarialintu-1@example.org', secret = 'kanarialintu-s', extra = extra, touched = 7;
UPDATE aud.person SET touched = touched + 1;
UPDATE aud.buy SET person = person;
RESET ROLE;
SELECT count(*) FROM pg_temp.trail(:upto);
SET ROLE audit_app;
UPDATE aud.person SET email = 'kanarialintu-9@example.org', secret = 'kanarialintu-t' WHERE id = 1;
RESET ROLE;
SELECT columns FROM pg_temp.trail(:upto);

-- every kind of statement
SELECT pg_temp.upto() AS upto \gset
INSERT INTO aud.buy VALUES (10, 1, 'kanarialintu-x') ON CONFLICT DO NOTHING;
INSERT INTO aud.buy VALUES (10, 1, 'kanarialintu-x') ON CONFLICT (id) DO UPDATE SET what = excluded.what;
MERGE INTO aud.buy b USING (VALUES (10), (12), (11)) AS v (id) ON b.id = v.id
	WHEN MATCHED AND v.id = 11 THEN DELETE WHEN MATCHED THEN UPDATE SET what = 'kanarialintu-merged'
	WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'kanarialintu-new');
COPY aud.line FROM stdin;
12	1	kanarialintu-copied
\.
WITH moved AS (DELETE FROM aud.line WHERE no = 2 RETURNING *) INSERT INTO aud.line SELECT buy, 3, what FROM moved;
BEGIN; UPDATE aud.buy SET what = 'kanarialintu-undone'; ROLLBACK;
BEGIN; SAVEPOINT s; UPDATE aud.buy SET what = 'kanarialintu-undone'; ROLLBACK TO s; COMMIT;
SET session_replication_role = replica;
UPDATE aud.buy SET what = 'kanarialintu-replica' WHERE id = 12;
RESET session_replication_role;
UPDATE aud.person SET id = 2;
SELECT relation, operation, columns, changes, subject FROM pg_temp.trail(:upto);
SELECT pg_temp.upto() AS upto \gset
DELETE FROM aud.person;
SELECT relation, operation, columns FROM pg_temp.trail(:upto) ORDER BY relation, columns::text;
TRUNCATE aud.person CASCADE;
SELECT relation, operation FROM pg_temp.trail(:upto) WHERE operation = 'truncate' ORDER BY relation;

-- partitions, also later ones with other column numbers; inheritance children
SELECT pg_temp.upto() AS upto \gset
CREATE TABLE aud.visit (id int, at date, page text) PARTITION BY RANGE (at);
CREATE TABLE aud.visit_1 PARTITION OF aud.visit FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
SELECT gdpr.protect('aud.visit');
SELECT gdpr.protect('aud.visit_1');
CREATE TABLE aud.visit_2 (junk int, page text, at date, id int);
ALTER TABLE aud.visit_2 DROP COLUMN junk;
ALTER TABLE aud.visit ATTACH PARTITION aud.visit_2 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE aud.visit_3 PARTITION OF aud.visit FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE aud.base (id int PRIMARY KEY, v text);
CREATE TABLE aud.kid (extra text) INHERITS (aud.base);
SELECT gdpr.protect('aud.base');
CREATE TABLE aud.kid2 () INHERITS (aud.base);
INSERT INTO aud.visit VALUES (1, '2020-05-05', 'p'), (2, '2021-05-05', 'p'), (3, '2022-05-05', 'p');
UPDATE aud.visit SET at = '2022-06-06' WHERE id = 1;
UPDATE aud.visit_2 SET page = 'q';
SET session_replication_role = replica;
UPDATE aud.visit_3 SET page = 'r' WHERE id = 3;
RESET session_replication_role;
INSERT INTO aud.kid VALUES (1, 'a', 'b');
INSERT INTO aud.kid2 VALUES (2, 'a');
UPDATE aud.base SET v = 'c';
TRUNCATE aud.visit_3;
SELECT relation, operation, columns, changes FROM pg_temp.trail(:upto);

-- nobody changes the log, and nobody silences the triggers
SELECT to_char(now() AT TIME ZONE 'UTC', '"gdpr.audit_log_"YYYYMMDD') AS today \gset
UPDATE gdpr.audit_log SET role = 'nobody';
DELETE FROM gdpr.audit_log;
TRUNCATE gdpr.audit_log;
DELETE FROM :today;
UPDATE :today SET payload = NULL;
TRUNCATE :today;
DELETE FROM gdpr.audit_log_default;
DROP TABLE :today;
ALTER TABLE gdpr.audit_log DETACH PARTITION :today;
ALTER TABLE :today DISABLE TRIGGER ALL;
ALTER TABLE gdpr.audit_log DISABLE TRIGGER guard;
ALTER TABLE gdpr.audit_log DROP COLUMN payload;
DROP TRIGGER guard ON :today;
CREATE RULE quiet AS ON INSERT TO :today DO INSTEAD NOTHING;
SET session_replication_role = replica;
DELETE FROM :today;
RESET session_replication_role;
SET ROLE audit_owner;
ALTER TABLE aud.buy DISABLE TRIGGER ALL;
ALTER TABLE aud.buy DISABLE TRIGGER USER;
ALTER TABLE aud.buy DISABLE TRIGGER gdpr_audit;
ALTER TABLE aud.buy ENABLE REPLICA TRIGGER gdpr_audit;
ALTER TABLE aud.buy ENABLE TRIGGER gdpr_audit;
DROP TRIGGER gdpr_audit ON aud.buy;
ALTER TRIGGER gdpr_audit ON aud.buy RENAME TO x;
ALTER TABLE aud.buy ADD COLUMN more int;
RESET ROLE;
ALTER TABLE aud.visit DISABLE TRIGGER ALL;

-- unprotected, recorded too; dropped, likewise
SELECT pg_temp.upto() AS upto \gset
SELECT gdpr.unprotect('aud.base');
UPDATE aud.kid SET v = 'd';
SELECT gdpr.protect('aud.base');
DROP TABLE aud.base CASCADE;
SELECT relation, operation FROM pg_temp.trail(:upto);
SELECT count(*) FROM gdpr.protected p WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation);

-- a person is forgotten: values go, also of rows that are gone; who, when and what stay
SELECT pg_temp.upto() AS upto \gset
INSERT INTO aud.person (id, name) VALUES (5, 'kanarialintu-5'), (6, 'kanarialintu-6');
INSERT INTO aud.buy VALUES (50, 5, 'kanarialintu-5'), (51, 5, 'kanarialintu-5'), (60, 6, 'kanarialintu-6');
INSERT INTO aud.line VALUES (50, 1, 'kanarialintu-5'), (51, 1, 'kanarialintu-5'), (60, 1, 'kanarialintu-6');
UPDATE aud.line SET what = 'kanarialintu-55' WHERE buy = 50;
DELETE FROM aud.line WHERE buy = 50;
DELETE FROM aud.buy WHERE id = 50;
UPDATE aud.buy SET person = 6 WHERE id = 51;
CREATE TEMP TABLE sixth AS SELECT * FROM gdpr.audit_trail('6', 'aud_person');
SET ROLE audit_eye;
SELECT relation, operation, columns, changes FROM gdpr.audit_trail('5', 'aud_person');
RESET ROLE;
SELECT gdpr_forget('5', 'aud_person') AS certificate \gset
SET ROLE audit_eye;
SELECT relation, operation, origin, columns, changes, role IS NOT NULL AS who FROM gdpr.audit_trail('5', 'aud_person');
SELECT count(*) > 0 AS by_pseudonym FROM gdpr.audit WHERE subject = CAST(:'certificate' AS json) ->> 'pseudonym';
SELECT * FROM gdpr.audit_trail('99', 'aud_person');
SELECT * FROM gdpr.audit_trail('x', 'aud_person');
SELECT * FROM gdpr.audit_trail(NULL);
SELECT gdpr.audit_changes(payload, id + 1, at, 0, '{}') FROM (SELECT '\x01'::bytea AS payload, 1::bigint AS id, now() AS at) x;
SELECT count(*) FROM gdpr.audit_log;
RESET ROLE;
SELECT count(*) FROM (SELECT * FROM sixth EXCEPT SELECT * FROM gdpr.audit_trail('6', 'aud_person')) x;
-- the buy that moved to the other person lost its values with the first: it was his
SELECT count(*) FROM gdpr.audit WHERE id > :upto AND changes::text LIKE '%kanarialintu-5%';

-- rows that the law keeps keep their history, what is masked does not
CREATE TABLE aud.bill (id int PRIMARY KEY, person int NOT NULL REFERENCES aud.person, dated date, total int);
SELECT gdpr.declare_link('aud.bill', '{person}', 'aud.person', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.approve_map('aud_person') IS NOT NULL;
SELECT gdpr.protect('aud.bill');
INSERT INTO aud.bill VALUES (1, 6, current_date, 10);
SELECT gdpr_forget('6', 'aud_person') ->> 'changed';
SELECT relation, operation, origin, columns, changes IS NOT NULL AS has_values FROM gdpr.audit_trail('6', 'aud_person') ORDER BY id;

-- retention takes values out of the log too
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE TABLE aud.log (id int PRIMARY KEY, at date, who text);
SELECT gdpr.declare_column('aud.log', 'who', 'name', mask => 'null');
SELECT gdpr.protect('aud.log');
SELECT pg_temp.upto() AS upto \gset
INSERT INTO aud.log VALUES (1, '2020-01-01', 'kanarialintu-1'), (2, current_date, 'kanarialintu-2');
SELECT gdpr.set_retention('aud.log', '1 year', 'at') AS rule \gset
SELECT count(gdpr.approve_retention(:rule, hash)) FROM gdpr.retention_plan(:rule);
CALL gdpr.run_retention('aud.log');
SELECT operation, origin, columns, changes - 'at' AS changes FROM (SELECT operation, origin, columns, changes::jsonb FROM pg_temp.trail(:upto)) x;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = on', current_database()) \gexec

-- a day for which nobody made a partition; and days that are over are indexed
SELECT gdpr.audit_maintain();
SELECT count(*) FROM pg_inherits WHERE inhparent = 'gdpr.audit_log'::regclass;

SELECT gdpr.undeclare_subject('aud_person');
DROP SCHEMA aud CASCADE;
SELECT count(*) FROM gdpr.audit_key k WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = k.relation);
SELECT gdpr.revoke_duty('audit_eye', 'auditor');
SELECT gdpr.revoke_context('aud_ctx', 'audit_app');
DROP ROLE audit_app, audit_eye, audit_owner;
