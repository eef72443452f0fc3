-- Whose rights export and forget run with: the caller's, and nobody else's.
SET client_min_messages = warning;
CREATE SCHEMA rr;
CREATE ROLE rr_officer;
CREATE ROLE rr_clerk;
CREATE ROLE rr_partner;
GRANT USAGE ON SCHEMA rr TO rr_officer, rr_clerk, rr_partner;
CREATE TABLE rr.person (id int PRIMARY KEY, name text NOT NULL, phone text);
CREATE TABLE rr.order_ (id int PRIMARY KEY, person int NOT NULL REFERENCES rr.person, note text);
CREATE TABLE rr.bill (id int PRIMARY KEY, person int NOT NULL REFERENCES rr.person, dated date);
CREATE TABLE rr.event (person int NOT NULL, at date) PARTITION BY RANGE (at);
CREATE TABLE rr.event_1 PARTITION OF rr.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO rr.person SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i FROM generate_series(1, 4) i;
INSERT INTO rr.order_ SELECT i, i, 'kanarialintu-' || i FROM generate_series(1, 4) i;
INSERT INTO rr.bill VALUES (1, 1, '2024-05-05'), (4, 4, '2024-05-05');
INSERT INTO rr.event SELECT i, '2024-05-05' FROM generate_series(1, 4) i;
SELECT gdpr.declare_subject('rr_person', 'rr.person') > 0 AS declared;
SELECT gdpr.declare_link('rr.order_', '{person}', 'rr.person', '{id}');
SELECT gdpr.declare_link('rr.event', '{person}', 'rr.person', '{id}');
SELECT gdpr.declare_link('rr.bill', '{person}', 'rr.person', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.declare_column('rr.person', 'phone', 'phone');
SELECT gdpr.approve_map('rr_person') IS NOT NULL AS approved;

-- Nobody may call it without the duty.
SET ROLE rr_clerk;
SELECT gdpr_export('1', 'rr_person');
SELECT gdpr_forget('1', 'rr_person');
SELECT * FROM gdpr.forget_plan('1', 'rr_person');
SELECT * FROM gdpr.export_rows('1', 'rr_person');
SELECT * FROM gdpr.erasure;
SELECT * FROM gdpr.erasure_ledger;
RESET ROLE;

-- The duty gives the verbs, not the tables.
SELECT gdpr.grant_duty('rr_officer', 'officer');
SET ROLE rr_officer;
SELECT gdpr_export('1', 'rr_person');
SELECT gdpr_forget('1', 'rr_person');
SELECT * FROM gdpr.erasure_ledger;
INSERT INTO gdpr.erasure_ledger (kind, pseudonym, key_version, plan_hash, relations, requested_by) VALUES ('x', '\x00', 1, '', '[]', 'x');
RESET ROLE;

-- What is missing is listed, one privilege after the other.
GRANT SELECT ON rr.person TO rr_officer;
SET ROLE rr_officer;
SELECT gdpr_export('1', 'rr_person');
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('1', 'rr_person') ORDER BY relation::text, blocker;
SELECT gdpr_forget('1', 'rr_person');
RESET ROLE;
GRANT SELECT ON rr.order_, rr.bill, rr.event TO rr_officer;
SET ROLE rr_officer;
SELECT key, json_array_length(value) FROM json_each(gdpr_export('1', 'rr_person')->'data');
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('1', 'rr_person') ORDER BY relation::text, action, blocker;
SELECT gdpr_forget('1', 'rr_person');
RESET ROLE;
SELECT count(*) AS persons, count(phone) AS phones FROM rr.person;
GRANT UPDATE (phone), DELETE ON rr.person TO rr_officer;
GRANT UPDATE, DELETE ON rr.order_, rr.event TO rr_officer;
GRANT UPDATE (id) ON rr.bill TO rr_officer;
-- The partition itself is not granted: the parent's privileges do.
SET ROLE rr_officer;
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('1', 'rr_person') ORDER BY relation::text, action, blocker;
SELECT gdpr_forget('1', 'rr_person')->'relations' AS relations;
SELECT gdpr_export('1', 'rr_person')->'data' AS data;
SELECT gdpr_forget('2', 'rr_person', reason => 'letter of 5 May')->'relations' AS relations;
SELECT requested_by, reason FROM gdpr.erasure WHERE kind = 'rr_person' ORDER BY forgotten_at;
-- The date of an erasure is for the officer ...
\set VERBOSITY terse
SELECT gdpr_export('2', 'rr_person');
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM gdpr_export('2', 'rr_person');
EXCEPTION WHEN SQLSTATE 'PD001' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE WARNING '%', regexp_replace(detail, ' at .*', ' at ...');
END $$;
RESET ROLE;
-- ... and for nobody else who may export.
GRANT EXECUTE ON FUNCTION gdpr_export(text, name, jsonb) TO rr_partner;
GRANT SELECT ON ALL TABLES IN SCHEMA rr TO rr_partner;
SET ROLE rr_partner;
SELECT gdpr_export('3', 'rr_person')->'subject' AS subject;
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM gdpr_export('2', 'rr_person');
EXCEPTION WHEN SQLSTATE 'PD001' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE WARNING 'detail: "%"', detail;
END $$;
RESET ROLE;
\set VERBOSITY default

-- Row security that would hide rows is an error, not an answer.
ALTER TABLE rr.order_ ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_only ON rr.order_ USING (id > 100);
SET ROLE rr_officer;
SELECT gdpr_export('3', 'rr_person');
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('3', 'rr_person') ORDER BY relation::text, action, blocker;
SELECT gdpr_forget('3', 'rr_person');
RESET ROLE;
ALTER TABLE rr.order_ DISABLE ROW LEVEL SECURITY;

-- A trigger runs as the caller, so its owner gains nothing.
CREATE FUNCTION rr.who() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'trigger runs as %', current_user; RETURN OLD; END $$;
CREATE TRIGGER who AFTER DELETE ON rr.order_ FOR EACH ROW EXECUTE FUNCTION rr.who();
SET ROLE rr_officer;
SELECT gdpr_forget('3', 'rr_person')->>'changed' AS changed;
RESET ROLE;

-- Encrypted columns: decrypted for a reader, refused for others, never ciphertext.
SELECT gdpr.create_context('rr_pii');
SELECT gdpr.grant_context('rr_pii', 'rr_partner', 'read');
SELECT gdpr.grant_context('rr_pii', 'rr_partner', 'write');
SELECT gdpr.grant_context('rr_pii', 'rr_officer', 'write');
CREATE TABLE rr.patient (id int PRIMARY KEY, name enctext('rr_pii') NOT NULL, email enctext('rr_pii') UNIQUE, pin encsecret('rr_pii'));
CREATE TABLE rr.visit (id int PRIMARY KEY, patient int NOT NULL REFERENCES rr.patient, at date);
CREATE TABLE rr.letter (id int PRIMARY KEY, email enctext('rr_pii'));
GRANT SELECT, INSERT, UPDATE, DELETE ON rr.patient, rr.visit, rr.letter TO rr_partner, rr_officer;
SELECT gdpr.grant_duty('rr_partner', 'officer');
SELECT gdpr.declare_subject('rr_patient', 'rr.patient') > 0 AS declared;
SELECT gdpr.declare_link('rr.visit', '{patient}', 'rr.patient', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "at"}');
SELECT gdpr.declare_link('rr.letter', '{email}', 'rr.patient', '{email}');
SELECT gdpr.declare_column('rr.patient', 'name', 'name', 'constant:nobody');
SELECT gdpr.declare_column('rr.patient', 'email', 'email', 'pseudonym');
SELECT gdpr.declare_column('rr.patient', 'pin', 'credential', 'constant:none');
SELECT gdpr.approve_map('rr_patient') IS NOT NULL AS approved;
SET ROLE rr_partner;
INSERT INTO rr.patient VALUES (1, 'kanarialintu-anna', 'kanarialintu-a@example.org', 'kanarialintu-1234'), (2, 'kanarialintu-bo', NULL, NULL);
INSERT INTO rr.visit VALUES (1, 1, '2024-05-05'), (2, 2, '2024-05-05');
INSERT INTO rr.letter VALUES (1, 'kanarialintu-a@example.org'), (2, 'kanarialintu-b@example.org');
SELECT gdpr_export('1', 'rr_patient')->'data' AS data;
SET gdpr.output = ciphertext;
SELECT gdpr_export('1', 'rr_patient')->'data' AS data;
RESET gdpr.output;
SET ROLE rr_officer;
SELECT gdpr_export('1', 'rr_patient')->'data' AS data;
SELECT count(*) FROM gdpr.export_rows('1', 'rr_patient');
SET ROLE rr_partner;
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('1', 'rr_patient') ORDER BY relation::text, action, blocker;
SELECT gdpr_forget('1', 'rr_patient')->'relations' AS relations;
SELECT id, name::text, email::text ~ '^erased-[0-9a-f]{32}$' AS email, pin::text FROM rr.patient ORDER BY id;
SELECT id FROM rr.letter;
SELECT gdpr_forget('1', 'rr_patient')->>'changed' AS changed;
SELECT gdpr_forget('2', 'rr_patient')->>'changed' AS changed;
-- Without write there are no masks; without read a mask cannot be told from a value, and is set again.
RESET ROLE;
SELECT gdpr.revoke_context('rr_pii', 'rr_partner', 'write');
SET ROLE rr_partner;
INSERT INTO rr.visit VALUES (3, 1, '2024-05-05');
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('1', 'rr_patient') WHERE blocker IS NOT NULL ORDER BY blocker;
SELECT gdpr_forget('1', 'rr_patient');
BEGIN READ ONLY;
SELECT count(*) FROM gdpr.forget_plan('1', 'rr_patient');
COMMIT;
SET ROLE rr_officer;
SELECT gdpr_forget('1', 'rr_patient')->>'changed' AS changed;
RESET ROLE;
SELECT gdpr.grant_context('rr_pii', 'rr_partner', 'write');
SET ROLE rr_partner;
BEGIN READ ONLY;
SELECT gdpr_forget('1', 'rr_patient', dry_run => true)->>'changed' AS changed;
COMMIT;
SELECT pin::text FROM rr.patient WHERE id = 1;
RESET ROLE;
SELECT gdpr.undeclare_subject('rr_person'), gdpr.undeclare_subject('rr_patient');

DROP SCHEMA rr CASCADE;
SELECT gdpr.revoke_duty('rr_officer', 'officer'), gdpr.revoke_duty('rr_partner', 'officer');
SELECT gdpr.revoke_context('rr_pii', 'rr_partner'), gdpr.revoke_context('rr_pii', 'rr_officer');
REVOKE ALL ON FUNCTION gdpr_export(text, name, jsonb) FROM rr_partner;
DROP ROLE rr_officer, rr_clerk, rr_partner;
