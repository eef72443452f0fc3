-- What a table's owner, an odd name, an odd key or an odd date tries to make
-- of export and erasure.
SET client_min_messages = warning;
CREATE SCHEMA hs;
SET search_path = hs, public;
CREATE FUNCTION ready(kind name) RETURNS boolean LANGUAGE sql AS $$ SELECT gdpr.approve_map(kind) IS NOT NULL $$;

-- 1. Columns called like the aliases of our own statements.
CREATE TABLE odd (id int PRIMARY KEY, c text, d text, j text, k0 text, m text, p text, tid text, u text, v0 text, "a""b'c
%s" text);
CREATE TABLE odd_child (id int, odd_id int NOT NULL REFERENCES odd, d text, c int, p int);
INSERT INTO odd SELECT g, 'c', 'd', 'j', 'k', 'm', 'p', 't', 'u', 'v', 'q' FROM generate_series(1, 2) g;
INSERT INTO odd_child VALUES (1, 1, 'd', 1, 1);
SELECT gdpr.declare_subject('hs_odd', 'odd');
SELECT gdpr.declare_link('odd_child', '{odd_id}', 'odd', '{id}', on_forget => 'anonymise');
SELECT gdpr.declare_column('odd', n, 'other', 'pseudonym')
FROM unnest('{c,d,j,k0,m,p,tid,u}'::name[]) n;
SELECT gdpr.declare_column('odd', 'v0', 'other', E'constant:o''b\\"x%s');
SELECT gdpr.declare_column('odd', E'a"b''c\n%s', 'other', 'null');
SELECT ready('hs_odd');
SELECT gdpr_export('1', 'hs_odd')->'data' AS data;
\set VERBOSITY sqlstate
SELECT gdpr_forget('1', 'hs_odd', dry_run => true, options => '{"plan_hash": "another"}');
\set VERBOSITY default
SELECT gdpr_forget('1', 'hs_odd')->'relations' AS relations;
SELECT id, c LIKE 'erased-%' AND d LIKE 'erased-%' AND tid LIKE 'erased-%' AS masked, v0 FROM odd ORDER BY id;

-- 2. A key is the person that it says, whatever the session's settings are.
CREATE TABLE k_stamp (id timestamptz PRIMARY KEY, x text);
CREATE TABLE k_name (id name PRIMARY KEY);
CREATE TABLE k_char (id "char" PRIMARY KEY);
CREATE TABLE k_bytea (id bytea PRIMARY KEY, x text);
CREATE TABLE k_range (id daterange PRIMARY KEY);
INSERT INTO k_stamp VALUES ('2024-01-01 00:00Z', 'right'), ('2023-12-31 22:00Z', 'wrong');
INSERT INTO k_name VALUES (repeat('a', 63));
INSERT INTO k_char VALUES ('a');
INSERT INTO k_bytea VALUES ('\x00ff', 'x');
INSERT INTO k_range VALUES ('[2024-01-02,2024-02-03)');
SELECT gdpr.declare_subject('hs_' || c.relname, c.oid) FROM pg_class c
WHERE relnamespace = 'hs'::regnamespace AND relname ~ '^k_' AND relkind = 'r' ORDER BY relname;
SELECT ready('hs_k_stamp');
SET TimeZone = 'Europe/Helsinki';
SELECT gdpr_forget('2024-01-01 00:00Z', 'hs_k_stamp')->'relations'->0->'deleted' AS deleted;
RESET TimeZone;
SELECT x FROM k_stamp;
\set VERBOSITY sqlstate
SELECT gdpr_export(repeat('a', 63) || 'b', 'hs_k_name');
SELECT gdpr_export('ab', 'hs_k_char');
\set VERBOSITY default
SELECT gdpr_export(repeat('a', 63), 'hs_k_name') IS NOT NULL AS found, gdpr_export('a', 'hs_k_char') IS NOT NULL AS found;
CREATE TEMP TABLE keys AS SELECT gdpr_export('\x00ff', 'hs_k_bytea')->'subject'->>'key' AS bytea,
	gdpr_forget('\x00ff', 'hs_k_bytea', dry_run => true)->>'pseudonym' AS pseudonym,
	gdpr_export('[2024-01-02,2024-02-03)', 'hs_k_range')->'subject'->>'key' AS range;
SET bytea_output = 'escape';
SET DateStyle = 'SQL, DMY';
SELECT gdpr_export('\x00ff', 'hs_k_bytea')->'subject'->>'key' = bytea AS same,
	gdpr_forget('\x00ff', 'hs_k_bytea', dry_run => true)->>'pseudonym' = pseudonym AS same,
	gdpr_export('[02/01/2024,03/02/2024)', 'hs_k_range')->'subject'->>'key' = range AS same FROM keys;
RESET bytea_output;
RESET DateStyle;

-- 3. Export runs no code of a table's owner.
CREATE ROLE hs_owner;
CREATE ROLE hs_officer;
SELECT gdpr.grant_duty('hs_owner', 'operator');
SELECT gdpr.grant_duty('hs_officer', 'officer');
GRANT ALL ON SCHEMA hs TO hs_owner, hs_officer;
CREATE TABLE ran (what text, by name DEFAULT current_user);
GRANT ALL ON ran TO PUBLIC;
SET ROLE hs_owner;
CREATE FUNCTION run(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO hs.ran VALUES (what); RETURN '1'; END $$;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE moods AS (m mood, n int);
CREATE TYPE moodrange AS RANGE (subtype = mood);
CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE sql AS $$ SELECT hs.run('cast to json')::json $$;
CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE sql AS $$ SELECT hs.run('cast to text') $$;
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood);
CREATE DOMAIN trap AS text CHECK (hs.run('domain') = '1');
CREATE TYPE trapped AS (t trap);
CREATE VIEW spring AS SELECT hs.run('view') AS x;
CREATE TABLE root (id mood PRIMARY KEY, x text);
CREATE TABLE leaf (id int PRIMARY KEY, root mood NOT NULL REFERENCES root, one mood, many mood[], row moods, range moodrange,
	flag text, since date);
INSERT INTO root VALUES ('good'), ('bad');
INSERT INTO leaf VALUES (1, 'good', 'bad', '{good,bad,NULL}', '(bad,1)', '[good,bad]', 'a', '2024-01-01'), (2, 'good', NULL, NULL, NULL, NULL, 'a', NULL);
GRANT SELECT ON root, leaf, spring TO hs_officer;
SELECT gdpr.declare_subject('hs_root', 'root');
\set VERBOSITY sqlstate
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', options => jsonb_build_object('predicate', p))
FROM (VALUES ('table_to_xml(''hs.spring''::regclass, true, true, '''')::text <> ''''')) v (p);
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', options => jsonb_build_object('predicate', 'c.flag::hs.trap[] IS NOT NULL'));
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', options => jsonb_build_object('predicate', 'c.flag::hs.trapped IS NOT NULL'));
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', options => jsonb_build_object('predicate',
	'jsonb_populate_record(NULL::hs.trapped, ''{}'') IS NOT NULL'));
\set VERBOSITY default
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', options => '{"predicate": "flag = ''a'' AND one IS DISTINCT FROM ''good''"}');
SET ROLE hs_officer;
SELECT gdpr_export('good', 'hs_root')->'data' AS data;
SELECT * FROM ran;
-- A predicate that meanwhile means the owner's operator; a date that is none.
SET ROLE hs_owner;
CREATE TYPE flag AS ENUM ('a');
CREATE FUNCTION flag_eq(flag, text) RETURNS boolean LANGUAGE sql AS $$ SELECT hs.run('operator') = '1' $$;
CREATE OPERATOR = (LEFTARG = flag, RIGHTARG = text, FUNCTION = flag_eq);
ALTER TABLE leaf ALTER flag TYPE flag USING flag::flag;
SET ROLE hs_officer;
\set VERBOSITY sqlstate
SELECT gdpr_export('good', 'hs_root')->'data' AS data;
\set VERBOSITY default
SET ROLE hs_owner;
SELECT gdpr.declare_link('leaf', '{root}', 'root', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "since"}');
ALTER TABLE leaf ALTER since TYPE mood USING 'good';
CREATE FUNCTION mood_date(mood) RETURNS date LANGUAGE sql AS $$ SELECT hs.run('cast to date')::text::date $$;
CREATE CAST (mood AS date) WITH FUNCTION mood_date(mood);
SELECT on_forget FROM gdpr.data_map('hs_root') WHERE relation = 'leaf'::regclass;
SET ROLE hs_officer;
SELECT count(*) FROM gdpr.forget_plan('good', 'hs_root');
RESET ROLE;
SELECT * FROM ran;

-- 4. Errors of a trigger's own statements name what is not there: a value.  At
-- debug1 the server itself does, so it is no canary.
CREATE TABLE loud (id int PRIMARY KEY, email text);
CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT 1 FROM %I', OLD.email); RETURN OLD; END $$;
CREATE TRIGGER loud BEFORE DELETE ON loud FOR EACH ROW EXECUTE FUNCTION loud();
INSERT INTO loud VALUES (1, 'no such table');
SELECT gdpr.declare_subject('hs_loud', 'loud');
SELECT ready('hs_loud');
SELECT gdpr_forget('1', 'hs_loud');
CREATE OR REPLACE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SELECT %I', OLD.email); RETURN OLD; END $$;
SELECT gdpr_forget('1', 'hs_loud');

-- 5. Dates that say nothing about an end, or cannot.
CREATE TABLE buyer (id int PRIMARY KEY, name text);
CREATE TABLE bill (id int PRIMARY KEY, buyer int NOT NULL REFERENCES buyer, day date);
INSERT INTO buyer SELECT g, 'n' FROM generate_series(1, 6) g;
INSERT INTO bill VALUES (1, 1, '2020-02-29'), (2, 1, NULL), (3, 2, 'infinity'), (4, 3, '5874897-12-31'),
	(5, 4, '4713-01-01 BC'), (6, 5, NULL), (7, 6, '2020-02-29');
SELECT gdpr.declare_subject('hs_buyer', 'buyer');
SELECT gdpr.declare_link('bill', '{buyer}', 'buyer', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "calendar_year_end", "keep_since": "day"}');
SELECT ready('hs_buyer');
SELECT s, r->>'relation' AS relation, r->'kept' AS kept, r->>'until' AS until
FROM generate_series(1, 6) s, json_array_elements(gdpr_forget(s::text, 'hs_buyer', dry_run => true)->'relations') r ORDER BY 1, 2;
SELECT relation, action, rows, reason FROM gdpr.forget_plan('1', 'hs_buyer') ORDER BY relation::text, reason;
\set VERBOSITY sqlstate
SELECT gdpr.declare_link('bill', '{buyer}', 'buyer', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "1001 years", "keep_from": "row", "keep_since": "day"}');
\set VERBOSITY default

-- 6. Many rows outside that the server sets null are one line and one entry.
CREATE TABLE visit (id int PRIMARY KEY, buyer int NOT NULL REFERENCES buyer);
CREATE TABLE click (visit int REFERENCES visit ON DELETE SET NULL, first int REFERENCES visit ON DELETE SET NULL);
INSERT INTO visit SELECT g, 6 FROM generate_series(1, 50) g;
INSERT INTO click SELECT g, g FROM generate_series(1, 50) g;
SELECT gdpr.declare_link('visit', '{buyer}', 'buyer', '{id}');
SELECT gdpr.declare_link('click', '{visit}', 'visit', '{id}', belongs => 'none');
SELECT gdpr.declare_link('click', '{first}', 'visit', '{id}', belongs => 'none');
SELECT ready('hs_buyer');
SELECT relation, action, rows, reason FROM gdpr.forget_plan('6', 'hs_buyer') WHERE relation = 'click'::regclass ORDER BY reason;
SELECT r FROM json_array_elements(gdpr_forget('6', 'hs_buyer')->'relations') r WHERE r->>'relation' IN ('hs.click', 'hs.visit');
SELECT count(visit), count(first) FROM click;

-- 7. What else a column cannot take.
CREATE DOMAIN mailbox AS text CHECK (value LIKE '%@%');
CREATE TABLE member (id int PRIMARY KEY, club int NOT NULL REFERENCES buyer, email text, nick text, mail mailbox NOT NULL,
	n int GENERATED ALWAYS AS IDENTITY, room text, EXCLUDE USING btree (room WITH =), note text, bad text);
CREATE UNIQUE INDEX ON member (lower(email));
CREATE TABLE parted (id int, club int NOT NULL REFERENCES buyer, land text, town text) PARTITION BY LIST (land);
CREATE TABLE parted_fi PARTITION OF parted FOR VALUES IN ('fi') PARTITION BY LIST (lower(town));
CREATE TABLE parted_rest PARTITION OF parted_fi DEFAULT;
INSERT INTO member (id, club, email, nick, mail, bad) VALUES (1, 1, 'a@x', 'a', 'a@x', 'no'), (2, 2, 'b@x', 'b', 'b@x', 'yes');
SELECT gdpr.declare_column('member', 'email', 'email', 'constant:gone');
SELECT gdpr.declare_column('member', 'room', 'other', 'constant:gone');
SELECT gdpr.declare_column('member', 'mail', 'email', 'pseudonym');
SELECT gdpr.declare_column('member', 'mail', 'email', 'constant:gone');
SELECT gdpr.declare_column('member', 'n', 'other', 'pseudonym');
SELECT gdpr.declare_column('parted', 'land', 'other', 'constant:gone');
SELECT gdpr.declare_column('parted', 'town', 'other', 'constant:gone');
SELECT gdpr.declare_column('parted_rest', 'town', 'other', 'pseudonym');
SELECT gdpr.declare_column('member', 'email', 'email', 'pseudonym');
SELECT gdpr.declare_column('member', 'mail', 'email', 'constant:gone@example.org');
SELECT gdpr.declare_column('member', 'nick', 'username', 'constant:gone');
ALTER TABLE member ADD CONSTRAINT good CHECK (bad = 'yes') NOT VALID;
SELECT gdpr.declare_link('member', '{club}', 'buyer', '{id}', on_forget => 'anonymise');
SELECT gdpr.declare_link('parted', '{club}', 'buyer', '{id}', belongs => 'none');
SELECT ready('hs_buyer');
SELECT relation, action, blocker FROM gdpr.forget_plan('1', 'hs_buyer') WHERE blocker IS NOT NULL;
SELECT relation, action, blocker FROM gdpr.forget_plan('2', 'hs_buyer') WHERE blocker IS NOT NULL;
-- Constraints that came after the declaration are lines of the plan.
CREATE UNIQUE INDEX ON member (lower(nick));
ALTER DOMAIN mailbox ADD CHECK (value NOT LIKE 'gone%') NOT VALID;
SELECT relation, action, blocker FROM gdpr.forget_plan('2', 'hs_buyer') WHERE blocker IS NOT NULL ORDER BY blocker;

-- 8. What stays is said: an address that only a link names, a part that leaves.
CREATE TABLE letter (email text, body text);
CREATE TABLE visitor (id int PRIMARY KEY, email text);
CREATE TABLE seen (email text, day date) PARTITION BY RANGE (day);
CREATE TABLE seen_old PARTITION OF seen FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY RANGE (day);
CREATE TABLE seen_older PARTITION OF seen_old DEFAULT;
CREATE TABLE heard (email text);
CREATE TABLE heard_old () INHERITS (heard);
SELECT gdpr.declare_subject('hs_visitor', 'visitor');
SELECT gdpr.declare_link('letter', '{email}', 'visitor', '{email}', on_forget => 'anonymise');
SELECT gdpr.declare_link('seen', '{email}', 'visitor', '{email}');
SELECT gdpr.declare_link('heard', '{email}', 'visitor', '{email}');
SELECT warning ~ 'not declared: email, body' AS warned FROM gdpr.data_map('hs_visitor') WHERE relation = 'letter'::regclass;
ALTER TABLE seen_old DETACH PARTITION seen_older;
ALTER TABLE heard_old NO INHERIT heard;
ALTER TABLE seen DETACH PARTITION seen_old;

SELECT gdpr.undeclare_subject(kind) FROM gdpr.subject WHERE kind ~ '^hs_' ORDER BY kind;
DROP SCHEMA hs CASCADE;
SELECT gdpr.revoke_duty('hs_owner', 'operator');
SELECT gdpr.revoke_duty('hs_officer', 'officer');
DROP OWNED BY hs_owner, hs_officer;
DROP ROLE hs_owner, hs_officer;
