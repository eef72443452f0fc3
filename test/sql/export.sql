-- gdpr_export: one document, each row once, in the order of its key, whatever
-- the session's settings; what is encrypted is decrypted.
SET client_min_messages = warning;
\set VERBOSITY sqlstate
CREATE SCHEMA rx;
SET search_path = rx, public;

-- Keys of many types; the key is written the same under every setting.
CREATE TABLE by_date (born date, no int, at timestamptz NOT NULL, PRIMARY KEY (born, no));
CREATE TABLE by_stamp (at timestamptz PRIMARY KEY);
CREATE TABLE by_char (code char(6) PRIMARY KEY);
CREATE TABLE by_uuid (id uuid PRIMARY KEY);
CREATE TABLE "By Name" ("The Id" varchar(20) PRIMARY KEY, "json" json, "row" text);
CREATE TABLE "part of ""it""" (id int PRIMARY KEY, "of" varchar(20) REFERENCES "By Name", bytes bytea, nums numeric[], at interval);
INSERT INTO by_date VALUES ('2000-12-24', 1, '2024-06-01 12:00+00');
INSERT INTO by_stamp VALUES ('2024-06-01 12:00+00');
INSERT INTO by_char VALUES ('ab');
INSERT INTO by_uuid VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11');
INSERT INTO "By Name" VALUES ('kanarialintu-"1"', '{"a" : 1, "a": 2}', 'x');
INSERT INTO "part of ""it""" VALUES (10, 'kanarialintu-"1"', '\xdead', '{1.50,2}', '1 day'), (9, 'kanarialintu-"1"', NULL, NULL, NULL),
	(2, 'kanarialintu-"1"', NULL, '{}', NULL);
DO $$ BEGIN
	PERFORM gdpr.declare_subject('rx_date', 'by_date');
	PERFORM gdpr.declare_subject('rx_stamp', 'by_stamp');
	PERFORM gdpr.declare_subject('rx_char', 'by_char');
	PERFORM gdpr.declare_subject('rx_uuid', 'by_uuid');
	PERFORM gdpr.declare_subject('rx_name', '"By Name"');
END $$;
SET TimeZone = 'Europe/Helsinki';
SET DateStyle = 'German';
SELECT gdpr_export('["24.12.2000","01"]', 'rx_date')->'subject' AS subject;
SELECT gdpr_export('01.06.2024 15:00', 'rx_stamp')->'subject' AS subject;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SELECT gdpr_export('["2000-12-24","1"]', 'rx_date')->'subject' AS subject;
SELECT gdpr_export('2024-06-01 12:00', 'rx_stamp')->'subject' AS subject;
SELECT gdpr_export('ab    ', 'rx_char')->'subject' AS subject;
SELECT gdpr_export('{A0EEBC999C0B4EF8BB6D6BB9BD380A11}', 'rx_uuid')->'subject' AS subject;
SELECT gdpr_export('kanarialintu-"1"', 'rx_name')->'subject' AS subject;

-- The rows by key, in the types' own json; a json value as it was written.
SELECT gdpr_export('kanarialintu-"1"', 'rx_name')->'data' AS data;
SELECT relation, data FROM gdpr.export_rows('kanarialintu-"1"', 'rx_name');
SELECT json_object_keys(gdpr_export('ab', 'rx_char')) AS keys;
SELECT gdpr_export('ab', 'rx_char')->>'format' AS format, (gdpr_export('ab', 'rx_char')->>'exported_at')::timestamptz = now() AS now;

-- What a link says is not shown, is not; what the registry knows is said.
CREATE TABLE person (id int PRIMARY KEY, email text, phone text, score int);
CREATE TABLE shown (id int PRIMARY KEY, person int NOT NULL REFERENCES person, dated date);
CREATE TABLE hidden (id int PRIMARY KEY, person int NOT NULL REFERENCES person);
CREATE TABLE below (id int PRIMARY KEY, hidden int NOT NULL REFERENCES hidden);
INSERT INTO person VALUES (1, 'kanarialintu-e', 'kanarialintu-p', 3);
INSERT INTO shown VALUES (1, 1, '2024-01-01');
INSERT INTO hidden VALUES (1, 1);
INSERT INTO below VALUES (1, 1);
DO $$ BEGIN
	PERFORM gdpr.declare_subject('rx_person', 'person');
	PERFORM gdpr.declare_link('shown', '{person}', 'person', '{id}', on_forget => 'keep', options =>
		'{"ground": "17(3)(b)", "law": "some law", "keep": "2 years", "keep_from": "fiscal_year_end", "keep_since": "dated"}');
	PERFORM gdpr.declare_link('hidden', '{person}', 'person', '{id}', on_export => 'skip');
	PERFORM gdpr.declare_link('below', '{hidden}', 'hidden', '{id}');
	PERFORM gdpr.declare_column('person', 'email', 'email', options => '{"origin": "provided"}');
	PERFORM gdpr.declare_column('person', 'score', 'other', options => '{"origin": "derived"}');
END $$;
SELECT gdpr_export('1', 'rx_person')->'data' AS data;
SELECT gdpr_export('1', 'rx_person')->'processing' AS processing;
SELECT gdpr_export('1', 'rx_person', options => '{"secret": 1}');

-- Encrypted columns of every shape, and an encrypted key.
SELECT gdpr.create_context('rx_pii');
DO $$ BEGIN PERFORM gdpr.grant_context('rx_pii', current_user, 'read'); END $$;
CREATE DOMAIN secret_name AS enctext('rx_pii');
CREATE TABLE sealed (email enctext('rx_pii') PRIMARY KEY, name secret_name, all_names enctext('rx_pii')[], pin encsecret('rx_pii'), none enctext('rx_pii'));
CREATE TABLE sealed_part (id int PRIMARY KEY, email enctext('rx_pii') REFERENCES sealed, note text);
INSERT INTO sealed VALUES ('kanarialintu-1@example.org', 'kanarialintu-n', ARRAY['kanarialintu-a', NULL]::enctext('rx_pii')[], 'kanarialintu-pin', NULL),
	('kanarialintu-2@example.org', 'kanarialintu-m', NULL, NULL, NULL);
INSERT INTO sealed_part VALUES (1, 'kanarialintu-1@example.org', 'one'), (2, 'kanarialintu-2@example.org', 'two');
DO $$ BEGIN
	PERFORM gdpr.declare_subject('rx_sealed', 'sealed');
	PERFORM gdpr.declare_link('sealed_part', '{email}', 'sealed', '{email}');
	PERFORM gdpr.approve_map('rx_sealed');
END $$;
SELECT gdpr_export('kanarialintu-1@example.org', 'rx_sealed')->'data' AS data;
SELECT gdpr_export('kanarialintu-3@example.org', 'rx_sealed')->'data' AS data;
SELECT gdpr_forget('kanarialintu-1@example.org', 'rx_sealed')->'relations' AS relations;
SELECT email::text FROM sealed;
SELECT id, email::text FROM sealed_part;
DO $$ BEGIN PERFORM gdpr.revoke_context('rx_pii', current_user); END $$;
SELECT gdpr_export('kanarialintu-2@example.org', 'rx_sealed')->'data' AS data;

-- A snapshot: what changes while it runs, or later in the statement, does not show.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT json_array_length(gdpr_export('1', 'rx_person')->'data'->'rx.shown') AS shown;
ROLLBACK;
INSERT INTO shown VALUES (2, 1, '2024-01-01') RETURNING json_array_length(gdpr_export('1', 'rx_person')->'data'->'rx.shown') AS before;
SELECT json_array_length(gdpr_export('1', 'rx_person')->'data'->'rx.shown') AS after;

SELECT count(gdpr.undeclare_subject(k::name)) FROM unnest('{rx_date,rx_stamp,rx_char,rx_uuid,rx_name,rx_person,rx_sealed}'::text[]) k;
DROP SCHEMA rx CASCADE;
