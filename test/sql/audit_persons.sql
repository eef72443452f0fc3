-- Whose a record is: what erasure takes out of the log, and what it leaves
-- because it is somebody else's.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA aup;
CREATE ROLE aup_eye;
CREATE ROLE aup_curious;
SELECT gdpr.grant_duty('aup_eye', 'auditor');
CREATE TABLE aup.address (id int PRIMARY KEY, street text);
CREATE TABLE aup.person (id int PRIMARY KEY, email text UNIQUE, address int REFERENCES aup.address, name text);
CREATE TABLE aup.news (id int PRIMARY KEY, email text, body text);
CREATE TABLE aup.note (id int PRIMARY KEY, owner_type text, owner_id int, body text);
CREATE TABLE aup.buy (id int PRIMARY KEY, person int REFERENCES aup.person, what text);
CREATE TABLE aup.line (buy int REFERENCES aup.buy, no int, what text, PRIMARY KEY (buy, no));
SELECT gdpr.declare_subject('aup_person', 'aup.person');
SELECT gdpr.declare_link('aup.person', '{address}', 'aup.address', '{id}', belongs => 'owns');
SELECT gdpr.declare_link('aup.news', '{email}', 'aup.person', '{email}');
SELECT gdpr.declare_link('aup.note', '{owner_id}', 'aup.person', '{id}', options => '{"predicate": "c.owner_type = ''person''"}');
SELECT gdpr.declare_link('aup.buy', '{person}', 'aup.person', '{id}');
SELECT gdpr.declare_column('aup.person', 'name', 'name');
SELECT gdpr.approve_map('aup_person') IS NOT NULL;
SELECT gdpr.protect_subject('aup_person');

-- an address of two persons, and one of one
INSERT INTO aup.address VALUES (1, 'kanarialintu-shared'), (2, 'kanarialintu-own'), (3, 'kanarialintu-former');
INSERT INTO aup.person VALUES (1, 'kanarialintu-x', 1, 'kanarialintu-A'), (2, 'kanarialintu-y', 1, 'kanarialintu-B'), (3, 'kanarialintu-c', 3, 'kanarialintu-C');
UPDATE aup.person SET address = 2 WHERE id = 3;
DELETE FROM aup.address WHERE id = 3;
-- the same number is another's in another table
INSERT INTO aup.note VALUES (1, 'person', 1, 'kanarialintu-note'), (2, 'supplier', 1, 'kanarialintu-supplier');
-- a row that is given away, and one that is gone
INSERT INTO aup.buy VALUES (5, 1, 'kanarialintu-before'), (6, 1, 'kanarialintu-gone'), (7, 2, 'kanarialintu-B');
INSERT INTO aup.line VALUES (6, 1, 'kanarialintu-gone'), (7, 1, 'kanarialintu-B');
DELETE FROM aup.line WHERE buy = 6;
DELETE FROM aup.buy WHERE id = 6;
UPDATE aup.buy SET person = 2 WHERE id = 5;
UPDATE aup.buy SET what = 'kanarialintu-after' WHERE id = 5;
-- an address of mail that has another owner later
INSERT INTO aup.news VALUES (1, 'kanarialintu-x', 'kanarialintu-news');
UPDATE aup.person SET email = 'kanarialintu-z' WHERE id = 1;
DELETE FROM aup.news;
UPDATE aup.person SET email = 'kanarialintu-x' WHERE id = 2;

CREATE FUNCTION pg_temp.log() RETURNS TABLE (relation text, operation text, origin text, changes text) LANGUAGE sql AS
	$$ SELECT relation, operation, origin, changes::text FROM gdpr.audit
	WHERE relation LIKE 'aup.%' AND operation <> 'protect' ORDER BY id $$;
-- the second person's records, to the byte: but what refers by his present address of mail was the first's
CREATE TEMP TABLE others AS SELECT * FROM gdpr.audit WHERE id IN (SELECT id FROM gdpr.audit_trail('2', 'aup_person') WHERE relation <> 'aup.news' AND changes::text !~ '"person": .*"1", "2"');
SELECT (gdpr_forget('1', 'aup_person') ->> 'changed')::boolean;
SELECT * FROM pg_temp.log();
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE l IS DISTINCT FROM o) AS changed FROM others o LEFT JOIN gdpr.audit l USING (id);
-- a former address, that nobody else ever had
SELECT (gdpr_forget('3', 'aup_person') ->> 'changed')::boolean;
SELECT relation, operation, changes FROM pg_temp.log() WHERE relation = 'aup.address';
-- the trail of a person who is gone, for the auditor
SET ROLE aup_eye;
SELECT relation, operation, origin, changes FROM gdpr.audit_trail('3', 'aup_person');
SELECT count(*) FROM aup.person;
RESET ROLE;
SET ROLE aup_curious;
SELECT count(*) FROM gdpr.audit_trail('3', 'aup_person');
SELECT count(*) FROM gdpr.audit_records('3', 'aup_person');
SELECT gdpr.audit_changes('\x', 1, now(), 0, '{}');
SELECT gdpr.audit_actor('\x');
RESET ROLE;

-- a publication of all tables does not stop erasure; default rights do not open the log
CREATE TABLE aup.more (id int PRIMARY KEY);
SET client_min_messages = error;
CREATE PUBLICATION aup_everything FOR ALL TABLES;
SET client_min_messages = warning;
SELECT (gdpr_forget('2', 'aup_person') ->> 'changed')::boolean;
DROP PUBLICATION aup_everything;
SELECT count(*) FROM pg_temp.log() WHERE changes IS NOT NULL AND relation <> 'aup.note';

-- a key that is encrypted, and one of two columns; a child of another type
SELECT gdpr.create_context('aup_ctx');
SELECT gdpr.grant_context('aup_ctx', session_user::name);
CREATE TABLE aup.member (email enctext('aup_ctx') PRIMARY KEY, name text);
CREATE TABLE aup.fee (id int PRIMARY KEY, member enctext('aup_ctx') REFERENCES aup.member, amount int);
CREATE TABLE aup.pupil (country char(4), no int, name text, PRIMARY KEY (country, no));
CREATE TABLE aup.mark (country char(4), no bigint, mark text);
SELECT gdpr.declare_subject('aup_member', 'aup.member');
SELECT gdpr.declare_link('aup.fee', '{member}', 'aup.member', '{email}');
SELECT gdpr.declare_column('aup.member', 'name', 'name');
SELECT gdpr.approve_map('aup_member') IS NOT NULL;
SELECT gdpr.declare_subject('aup_pupil', 'aup.pupil');
SELECT gdpr.declare_link('aup.mark', '{country,no}', 'aup.pupil', '{country,no}');
SELECT gdpr.declare_column('aup.pupil', 'name', 'name');
SELECT gdpr.approve_map('aup_pupil') IS NOT NULL;
SELECT gdpr.protect_subject('aup_member'), gdpr.protect_subject('aup_pupil');
INSERT INTO aup.member VALUES ('kanarialintu-m', 'kanarialintu-M'), ('kanarialintu-n', 'kanarialintu-N');
INSERT INTO aup.fee VALUES (1, 'kanarialintu-m', 10), (2, 'kanarialintu-n', 20), (3, 'kanarialintu-m', 30);
DELETE FROM aup.fee WHERE id = 1;
INSERT INTO aup.pupil VALUES ('fi', 7, 'kanarialintu-P'), ('se', 7, 'kanarialintu-Q');
INSERT INTO aup.mark VALUES ('fi', 7, 'kanarialintu-ten'), ('se', 7, 'kanarialintu-nine');
DELETE FROM aup.mark WHERE country = 'fi';
SELECT relation, operation FROM gdpr.audit_trail('kanarialintu-m', 'aup_member');
SELECT relation, operation FROM gdpr.audit_trail('["fi","7"]', 'aup_pupil');
SELECT relation, operation FROM gdpr.audit_trail('fi', 'aup_pupil');
SELECT (gdpr_forget('kanarialintu-m', 'aup_member') ->> 'changed')::boolean, (gdpr_forget('["fi","7"]', 'aup_pupil') ->> 'changed')::boolean;
SELECT relation, operation, origin, changes IS NOT NULL AS has_values, subject IS NOT NULL AS subject
FROM gdpr.audit WHERE relation ~ 'aup.(member|fee|pupil|mark)' AND operation <> 'protect' ORDER BY id;

-- what the trail of a person shows who was recorded before he was one
CREATE TABLE aup.late (id int PRIMARY KEY, name text);
SELECT gdpr.protect('aup.late');
INSERT INTO aup.late VALUES (1, 'kanarialintu-early'), (2, 'kanarialintu-early2');
SELECT gdpr.declare_subject('aup_late', 'aup.late');
SELECT gdpr.declare_column('aup.late', 'name', 'name');
SELECT gdpr.approve_map('aup_late') IS NOT NULL;
UPDATE aup.late SET name = 'kanarialintu-later' WHERE id = 1;
SELECT operation, subject IS NOT NULL AS subject FROM gdpr.audit_trail('1', 'aup_late');
SELECT (gdpr_forget('1', 'aup_late') ->> 'changed')::boolean;
SELECT operation, changes FROM gdpr.audit WHERE relation = 'aup.late' AND operation <> 'protect' ORDER BY id;

-- an index on a partition that is written to is kept
SELECT to_char(now() AT TIME ZONE 'UTC', '"gdpr.audit_log_"YYYYMMDD') AS today \gset
CREATE INDEX aup_tags ON :today USING gin (tags);
INSERT INTO aup.late VALUES (3, 'kanarialintu-indexed');
SET enable_seqscan = off;
SELECT operation, changes FROM gdpr.audit_trail('3', 'aup_late');
SELECT (gdpr_forget('3', 'aup_late') ->> 'changed')::boolean;
SELECT operation, origin, changes FROM gdpr.audit_trail('3', 'aup_late');
RESET enable_seqscan;
DROP INDEX gdpr.aup_tags;

-- a transaction of an old snapshot does not spoil what comes after it
CREATE TABLE aup.fresh (id int PRIMARY KEY);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1;
SELECT gdpr.protect('aup.fresh');
INSERT INTO aup.fresh VALUES (1);
COMMIT;
INSERT INTO aup.fresh VALUES (2);
SELECT operation, columns FROM gdpr.audit WHERE relation = 'aup.fresh' ORDER BY id;

-- what is protected no longer, a child alone, a key that comes later
CREATE TABLE aup.human (id int PRIMARY KEY, name text);
CREATE TABLE aup.thing (id int, human int, name text);
CREATE TABLE aup.toy (colour text) INHERITS (aup.thing);
SELECT gdpr.declare_subject('aup_human', 'aup.human');
SELECT gdpr.declare_link('aup.thing', '{human}', 'aup.human', '{id}');
SELECT gdpr.declare_column('aup.human', 'name', 'name');
SELECT gdpr.approve_map('aup_human') IS NOT NULL;
SELECT gdpr.protect('aup.human'), gdpr.protect('aup.toy');
INSERT INTO aup.human VALUES (1, 'kanarialintu-h'), (2, 'kanarialintu-i');
INSERT INTO aup.toy VALUES (1, 1, 'kanarialintu-toy', 'red'), (2, 2, 'kanarialintu-toy2', 'red');
DELETE FROM aup.toy WHERE id = 1;
SELECT gdpr.unprotect('aup.human'), gdpr.unprotect('aup.toy');
ALTER TABLE aup.thing ADD PRIMARY KEY (id);
SELECT gdpr.protect('aup.thing');
INSERT INTO aup.thing VALUES (3, 1, 'kanarialintu-thing');
DELETE FROM aup.thing WHERE id = 3;
SELECT (gdpr_forget('1', 'aup_human') ->> 'changed')::boolean;
SELECT relation, operation, changes IS NOT NULL AS has_values FROM gdpr.audit WHERE relation ~ 'aup.(human|toy|thing)' AND operation !~ 'protect' ORDER BY id;
CREATE TABLE aup.keyless (id int, name text);
SELECT gdpr.protect('aup.keyless');
INSERT INTO aup.keyless VALUES (1, 'kanarialintu-k');
ALTER TABLE aup.keyless ADD PRIMARY KEY (id);
UPDATE aup.keyless SET name = 'kanarialintu-l';
SELECT operation, cardinality(tags) AS tags FROM gdpr.audit_log WHERE relation = 'aup.keyless' ORDER BY id;

SELECT count(gdpr.undeclare_subject(kind)) FROM (VALUES ('aup_person'::name), ('aup_member'), ('aup_pupil'), ('aup_late'), ('aup_human')) v (kind);
DROP SCHEMA aup CASCADE;
SELECT gdpr.revoke_context('aup_ctx', session_user::name);
SELECT gdpr.revoke_duty('aup_eye', 'auditor');
DROP ROLE aup_eye, aup_curious;
