-- Legal holds: what they stop, whoever asks, and who may place and release them.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE ROLE hold_officer;
CREATE ROLE hold_operator;
CREATE ROLE hold_plain;
SELECT gdpr.grant_duty('hold_officer', 'officer');
SELECT gdpr.grant_duty('hold_operator', 'operator');
CREATE SCHEMA hold;
GRANT USAGE ON SCHEMA hold TO PUBLIC;
CREATE TABLE hold.person (id int PRIMARY KEY, name text);
CREATE TABLE hold.purchase (id int PRIMARY KEY, person int NOT NULL REFERENCES hold.person, at date);
CREATE TABLE hold.review (id int PRIMARY KEY, purchase int REFERENCES hold.purchase, author int REFERENCES hold.person, body text);
CREATE TABLE hold.line (id int PRIMARY KEY, purchase int NOT NULL REFERENCES hold.purchase ON DELETE CASCADE);
INSERT INTO hold.person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 8) i;
INSERT INTO hold.purchase SELECT i, i, '2015-01-01' FROM generate_series(1, 8) i;
-- the second person wrote about the purchase of the first
INSERT INTO hold.review VALUES (1, 1, 2, 'kanarialintu'), (2, 3, 3, 'kanarialintu');
INSERT INTO hold.line SELECT i, i FROM generate_series(1, 8) i;
SELECT gdpr.declare_subject('hold_person', 'hold.person');
SELECT gdpr.declare_column('hold.person', 'name', 'name');
SELECT gdpr.declare_link('hold.purchase', '{person}', 'hold.person', '{id}');
SELECT gdpr.declare_link('hold.review', '{purchase}', 'hold.purchase', '{id}');
SELECT gdpr.declare_link('hold.review', '{author}', 'hold.person', '{id}');
SELECT gdpr.declare_link('hold.line', '{purchase}', 'hold.purchase', '{id}');
SELECT gdpr.approve_map('hold_person') IS NOT NULL;
GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA hold TO hold_officer;
ALTER TABLE hold.line OWNER TO hold_operator;

-- placed
SET ROLE hold_officer;
SELECT gdpr.hold_subject('2', 'hold_person', 'case 2') AS person \gset
SELECT gdpr.hold_relation('hold.line', 'case 4', options => '{"filter": "id = 4"}');
RESET ROLE;
SET ROLE hold_operator;
SELECT gdpr.hold_subject('2', 'hold_person', 'case 2');
SELECT gdpr.hold_relation('hold.purchase', 'not mine');
SELECT gdpr.hold_relation('hold.line', 'case 4', options => '{"filter": "id = 4"}') AS line \gset
RESET ROLE;
SELECT gdpr.hold_relation('hold.person', 'none', options => '{"filter": "EXISTS (SELECT 1)"}');
SELECT gdpr.hold_relation('hold.person', 'none', options => '{"filters": "true"}');
SELECT gdpr.hold_relation('pg_class', 'none');
SELECT gdpr.hold_subject('kanarialintu', 'hold_person');
SELECT gdpr.hold_subject('2', 'nosuch');
-- an end that is past holds nothing
SELECT gdpr.hold_subject('1', 'hold_person', until => '-infinity');
SELECT gdpr.hold_relation('hold.person', until => now());
\set VERBOSITY default
SELECT gdpr.hold_subject('1', 'hold_person', until => now() - interval '1 day');
SELECT gdpr.hold_relation('hold.person', until => 'yesterday');
\set VERBOSITY sqlstate
SET ROLE hold_plain;
SELECT gdpr.hold_subject('1', 'hold_person');
SELECT gdpr.hold_relation('hold.line');
SELECT gdpr.release_hold(:person);
SELECT * FROM gdpr.hold;
RESET ROLE;

-- erasure: the person; a row that is his too, when another goes; a row below
SET ROLE hold_officer;
SELECT gdpr_forget('2', 'hold_person');
SELECT gdpr_forget('1', 'hold_person');
SELECT gdpr_forget('4', 'hold_person');
SELECT s, p.relation, p.rows, p.reason, p.blocker ~ '^legal hold [0-9]+$' AS hold
	FROM unnest(ARRAY['1', '2', '3', '4']) s, gdpr.forget_plan(s, 'hold_person') p WHERE p.blocker IS NOT NULL ORDER BY s, p.relation::text;
SELECT json_array_length(gdpr_forget('4', 'hold_person', dry_run => true) -> 'blockers');
SELECT (gdpr_forget('5', 'hold_person') ->> 'changed')::boolean AS others_go;
RESET ROLE;

-- retention: the rows that lead to what is held stay, in one batch with others
SELECT gdpr.set_retention('hold.purchase', '1 year', 'at', 'delete') AS rule \gset
SELECT relation, action, rows FROM gdpr.retention_plan(:rule) ORDER BY relation::text, action;
SELECT count(gdpr.approve_retention(:rule, hash)) FROM (SELECT hash FROM gdpr.retention_plan(:rule) LIMIT 1) x;
CALL gdpr.run_retention('hold.purchase');
SELECT id FROM hold.purchase ORDER BY id;
SELECT id FROM hold.review ORDER BY id;
SELECT id FROM hold.line ORDER BY id;
SELECT done, last_error FROM gdpr.retention_state WHERE rule = :rule;

-- anonymising
SELECT gdpr.declare_column('hold.review', 'body', 'free_text');
SELECT gdpr.approve_map('hold_person') IS NOT NULL;
ALTER TABLE hold.review ADD at timestamptz DEFAULT '2015-01-01';
INSERT INTO hold.review VALUES (5, NULL, 6, 'kanarialintu');
SELECT gdpr.set_retention('hold.review', '1 year', 'at') AS review \gset
SELECT relation, action, rows FROM gdpr.retention_plan(:review) ORDER BY action;
SELECT count(gdpr.approve_retention(:review, hash)) FROM (SELECT hash FROM gdpr.retention_plan(:review) LIMIT 1) x;
CALL gdpr.run_retention('hold.review');
SELECT id, body FROM hold.review ORDER BY id;

-- released, by whom it may
SET ROLE hold_operator;
SELECT gdpr.release_hold(:person);
SELECT gdpr.release_hold(:line);
RESET ROLE;
-- a filter that is not any more what was looked at: nothing goes that it might hold
ALTER TABLE hold.line ADD sort text;
SELECT gdpr.hold_relation('hold.line', 'sort', options => '{"filter": "sort = ''x''"}') AS sort \gset
ALTER TABLE hold.line DROP sort;
SET ROLE hold_officer;
SELECT gdpr_forget('4', 'hold_person');
RESET ROLE;
SET ROLE hold_officer;
SELECT gdpr.release_hold(:person);
SELECT gdpr.release_hold(:sort);
SELECT gdpr.release_hold(:sort);
RESET ROLE;
SELECT reason, released_at IS NOT NULL AS released FROM gdpr.hold WHERE reason IN ('case 2', 'case 4', 'sort') ORDER BY reason;
SELECT count(gdpr.approve_retention(:rule, hash)) FROM (SELECT hash FROM gdpr.retention_plan(:rule) LIMIT 1) x;
CALL gdpr.run_retention('hold.purchase');
SELECT count(*) FROM hold.purchase;
SET ROLE hold_officer;
SELECT (gdpr_forget('2', 'hold_person') ->> 'changed')::boolean;
-- over by itself; and one to come is in force until then
SELECT gdpr.hold_subject('6', 'hold_person', 'past', until => clock_timestamp() + interval '300 ms') IS NOT NULL;
SELECT FROM pg_sleep(0.35);
SELECT gdpr.hold_subject('7', 'hold_person', 'future', until => now() + interval '1 day') IS NOT NULL;
SELECT (gdpr_forget('6', 'hold_person') ->> 'changed')::boolean;
SELECT gdpr_forget('7', 'hold_person');
RESET ROLE;
-- a kind that was taken back, a relation that is gone
SELECT gdpr.hold_relation('hold.review', 'gone') IS NOT NULL;
DROP TABLE hold.review;
SELECT count(*) FROM gdpr.hold WHERE reason = 'gone';
SELECT gdpr.approve_map('hold_person') IS NOT NULL;
SELECT (gdpr_forget('8', 'hold_person') ->> 'changed')::boolean;

SELECT gdpr.undeclare_subject('hold_person');
SELECT gdpr.revoke_duty('hold_officer', 'officer');
SELECT gdpr.revoke_duty('hold_operator', 'operator');
DROP SCHEMA hold CASCADE;
DROP ROLE hold_officer, hold_operator, hold_plain;
DELETE FROM gdpr.hold WHERE reason IN ('case 2', 'case 4', 'sort', 'past', 'future');
SELECT format('ALTER DATABASE %I SET gdpr.enabled = on', current_database()) \gexec
