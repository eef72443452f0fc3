-- Retention by the map: what hangs below goes, stays or keeps its parent; what
-- the law keeps goes when its day has come; and legal holds.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE SCHEMA rmap;
CREATE TABLE rmap.person (id int PRIMARY KEY, name text NOT NULL, email text);
CREATE TABLE rmap.purchase (id int PRIMARY KEY, person int NOT NULL REFERENCES rmap.person, at date NOT NULL, remark text, replaces int REFERENCES rmap.purchase);
CREATE TABLE rmap.line (id int PRIMARY KEY, purchase int NOT NULL REFERENCES rmap.purchase ON DELETE CASCADE, what text);
CREATE TABLE rmap.voucher (id int PRIMARY KEY, purchase int NOT NULL REFERENCES rmap.purchase, dated date NOT NULL, total int);
CREATE TABLE rmap.review (id int PRIMARY KEY, purchase int REFERENCES rmap.purchase, body text);
INSERT INTO rmap.person SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i || '@example.org' FROM generate_series(1, 6) i;
-- each person has one old purchase and one of today; the first two of the old ones a voucher
INSERT INTO rmap.purchase SELECT i, i, '2015-05-05', 'kanarialintu-' || i FROM generate_series(1, 6) i;
INSERT INTO rmap.purchase SELECT 10 + i, i, current_date, 'kanarialintu-' || i, i FROM generate_series(1, 6) i WHERE i = 6;
INSERT INTO rmap.purchase SELECT 10 + i, i, current_date, 'kanarialintu-' || i FROM generate_series(1, 5) i;
INSERT INTO rmap.line SELECT 100 * i + p.id, p.id, 'x' FROM generate_series(1, 24) i JOIN rmap.purchase p ON p.id % 10 = i % 10;
INSERT INTO rmap.voucher VALUES (1, 1, '2015-05-05', 10), (2, 2, current_date - 30, 20);
INSERT INTO rmap.review SELECT i, i, 'kanarialintu-' || i FROM generate_series(1, 6) i;
SELECT gdpr.declare_subject('rmap_person', 'rmap.person');
SELECT gdpr.declare_column('rmap.person', 'name', 'name', options => '{"on_forget": "keep"}');
SELECT gdpr.declare_column('rmap.person', 'email', 'email');
SELECT gdpr.declare_column('rmap.purchase', 'remark', 'free_text');
SELECT gdpr.declare_link('rmap.purchase', '{person}', 'rmap.person', '{id}');
SELECT gdpr.declare_link('rmap.purchase', '{replaces}', 'rmap.purchase', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('rmap.line', '{purchase}', 'rmap.purchase', '{id}');
SELECT gdpr.declare_link('rmap.review', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'unlink');
-- "then" is for kept rows, and one of two words
SELECT gdpr.declare_link('rmap.line', '{purchase}', 'rmap.purchase', '{id}', options => '{"then": "delete"}');
SELECT gdpr.declare_link('rmap.voucher', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated", "then": "burn"}');
SELECT gdpr.declare_link('rmap.voucher', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated"}');
SELECT gdpr.map_hash('rmap_person') AS hash \gset
-- a rule needs the yes to the map
SELECT gdpr.set_retention('rmap.purchase', '2 years', 'at', 'delete');
SELECT gdpr.approve_map('rmap_person') = :'hash';
SELECT gdpr.declare_link('rmap.voucher', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated", "then": "anonymise"}');
SELECT gdpr.map_hash('rmap_person') <> :'hash' AS follows_is_part_of_the_hash;
SELECT gdpr.declare_link('rmap.voucher', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated", "then": "delete"}');
SELECT gdpr.map_hash('rmap_person') = :'hash' AS what_follows_by_default_is_not;

-- holds: of persons and of rows
SELECT gdpr.hold_subject('3', 'rmap_person', 'case 1') AS person_hold \gset
SELECT gdpr.hold_relation('rmap.purchase', 'case 2', options => '{"filter": "id = 4"}') AS row_hold \gset
SELECT gdpr.hold_subject('5', 'rmap_person', 'over', until => clock_timestamp() + interval '300 ms') > 0;
SELECT FROM pg_sleep(0.35);
SELECT gdpr.hold_subject('99', 'rmap_person');
SELECT gdpr.hold_subject(NULL);
SELECT gdpr.hold_relation('rmap.purchase', options => '{"filter": "no such thing"}');
SELECT gdpr.hold_relation(NULL);
SELECT gdpr.release_hold(NULL);
SELECT gdpr.release_hold(-1);
SELECT kind, pseudonym IS NOT NULL AS person, relation, filter, reason, until < now() AS over FROM gdpr.hold WHERE reason IN ('case 1', 'case 2', 'over') ORDER BY id;
SELECT h::text !~ 'kanarialintu' AND position('"3"'::bytea in subject) = 0 FROM gdpr.hold h WHERE reason = 'case 1';

-- delete by the map: 1 keeps nothing (its voucher's time is over), 2 stays reduced, 3 and 4 are held
SELECT gdpr.set_retention('rmap.purchase', '2 years', 'at', 'delete', '{"batch_size": 2}') AS rule \gset
SELECT relation, action, rows FROM gdpr.retention_plan(:rule) ORDER BY relation::text, action;
SELECT count(gdpr.approve_retention(:rule, hash)) FROM (SELECT hash FROM gdpr.retention_plan(:rule) LIMIT 1) x;
CALL gdpr.run_retention('rmap.purchase');
SELECT last_error, failures FROM gdpr.retention_state WHERE rule = :rule;
SELECT id, at = current_date AS new, remark, replaces FROM rmap.purchase ORDER BY id;
SELECT id, purchase FROM rmap.voucher ORDER BY id;
SELECT purchase, count(*) FROM rmap.line GROUP BY 1 ORDER BY 1;
SELECT id, purchase, body FROM rmap.review ORDER BY id;
SELECT done, due FROM gdpr.retention_status WHERE rule = :rule;
-- again: nothing goes in circles
CALL gdpr.run_retention('rmap.purchase');
SELECT done FROM gdpr.retention_status WHERE rule = :rule;
-- a hold stops erasure too
SELECT gdpr_forget('3', 'rmap_person');
SELECT relation, action, rows, blocker ~ '^legal hold [0-9]+$' AS hold FROM gdpr.forget_plan('3', 'rmap_person') WHERE blocker IS NOT NULL;
SELECT relation, rows, blocker ~ '^legal hold [0-9]+$' AS hold FROM gdpr.forget_plan('4', 'rmap_person') WHERE blocker IS NOT NULL;
SELECT (gdpr_forget('5', 'rmap_person') ->> 'changed')::boolean AS over_is_over;
-- released, they go
SELECT gdpr.release_hold(:person_hold), gdpr.release_hold(:row_hold);
SELECT gdpr.release_hold(:row_hold);
CALL gdpr.run_retention('rmap.purchase');
SELECT id FROM rmap.purchase WHERE id < 10 ORDER BY id;

-- vouchers themselves: not before their time, whatever the rule says
SELECT gdpr.set_retention('rmap.voucher', '1 day', 'dated', 'delete') AS vouchers \gset
SELECT relation, action, rows FROM gdpr.retention_plan(:vouchers) ORDER BY relation::text, action;
SELECT gdpr.drop_retention(:vouchers);

-- what follows keeping: two persons are forgotten, of whom vouchers stay
INSERT INTO rmap.purchase VALUES (31, 1, current_date, 'kanarialintu-1'), (32, 2, current_date, 'kanarialintu-2');
INSERT INTO rmap.voucher VALUES (31, 31, current_date, 1), (32, 32, current_date, 2);
SELECT r ->> 'relation' AS relation, r ->> 'deleted' AS deleted, r ->> 'kept' AS kept, r ->> 'until' IS NOT NULL AS until
	FROM json_array_elements(gdpr_forget('1', 'rmap_person') -> 'relations') r;
SELECT kind, due > current_date AS later, forgotten_by = current_user AS by_me FROM gdpr.kept_subject WHERE kind = 'rmap_person';
SELECT k::text !~ 'kanarialintu' FROM gdpr.kept_subject k WHERE kind = 'rmap_person';
SELECT relation, action, approved, due, next_run > now() AS later FROM gdpr.retention_status WHERE rule IS NULL AND relation = 'rmap.person'::regclass;
-- not yet
CALL gdpr.run_retention();
SELECT id, name, email FROM rmap.person WHERE id = 1;
-- years later
UPDATE rmap.voucher SET dated = dated - 4000 WHERE id = 31;
UPDATE gdpr.kept_subject SET due = current_date WHERE kind = 'rmap_person';
SELECT relation, action, due FROM gdpr.retention_status WHERE rule IS NULL AND relation = 'rmap.person'::regclass;
CALL gdpr.run_retention();
SELECT count(*) FROM rmap.person WHERE id = 1;
SELECT count(*) FROM rmap.voucher WHERE id = 31;
SELECT count(*) FROM gdpr.kept_subject WHERE kind = 'rmap_person';
SELECT reason FROM gdpr.erasure WHERE kind = 'rmap_person' AND reason IS NOT NULL;
-- "anonymise": the voucher stays without what is declared of it
-- and what was kept of those above it for its sake goes too, where a mask fits
SELECT gdpr.declare_column('rmap.voucher', 'total', 'financial', mask => 'constant:0');
SELECT gdpr.declare_link('rmap.voucher', '{purchase}', 'rmap.purchase', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "dated", "then": "anonymise"}');
SELECT gdpr.approve_map('rmap_person') IS NOT NULL;
SELECT (gdpr_forget('2', 'rmap_person') ->> 'changed')::boolean;
SELECT id, total FROM rmap.voucher ORDER BY id;
UPDATE rmap.voucher SET dated = dated - 4000 WHERE id IN (2, 32);
UPDATE gdpr.kept_subject SET due = current_date WHERE kind = 'rmap_person';
CALL gdpr.run_retention();
SELECT id, total FROM rmap.voucher ORDER BY id;
SELECT last_error FROM gdpr.kept_subject WHERE kind = 'rmap_person';
SELECT rows, blocker FROM gdpr.forget_plan('2', 'rmap_person') WHERE blocker IS NOT NULL;
SELECT gdpr.declare_column('rmap.person', 'name', 'name', mask => 'constant:gone', options => '{"on_forget": "keep"}');
SELECT gdpr.approve_map('rmap_person') IS NOT NULL;
UPDATE gdpr.kept_subject SET next_run = NULL WHERE kind = 'rmap_person';
CALL gdpr.run_retention();
SELECT id, total FROM rmap.voucher ORDER BY id;
SELECT id, name, email FROM rmap.person WHERE id = 2;
SELECT count(*) FROM gdpr.kept_subject WHERE kind = 'rmap_person';
-- the role that forgot is gone, or may no more: it is said, and tried again later
CREATE ROLE rmap_officer;
SELECT gdpr.grant_duty('rmap_officer', 'officer');
GRANT USAGE ON SCHEMA rmap TO rmap_officer;
GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rmap TO rmap_officer;
INSERT INTO rmap.purchase VALUES (36, 6, current_date, 'kanarialintu-6');
INSERT INTO rmap.voucher VALUES (36, 36, current_date, 1);
SET ROLE rmap_officer;
SELECT (gdpr_forget('6', 'rmap_person') ->> 'changed')::boolean;
RESET ROLE;
SELECT forgotten_by FROM gdpr.kept_subject WHERE kind = 'rmap_person';
REVOKE DELETE ON rmap.voucher FROM rmap_officer;
REVOKE SELECT ON rmap.line FROM rmap_officer;
UPDATE gdpr.kept_subject SET due = current_date WHERE kind = 'rmap_person';
CALL gdpr.run_retention();
SELECT failures, last_error, next_run > now() FROM gdpr.kept_subject WHERE kind = 'rmap_person';
SELECT last_error IS NOT NULL FROM gdpr.retention_status WHERE rule IS NULL AND relation = 'rmap.person'::regclass;
DELETE FROM gdpr.kept_subject WHERE kind = 'rmap_person';

SELECT gdpr.drop_retention(:rule);
SELECT gdpr.revoke_duty('rmap_officer', 'officer');
SELECT gdpr.undeclare_subject('rmap_person');
DROP SCHEMA rmap CASCADE;
DROP ROLE rmap_officer;
DELETE FROM gdpr.hold WHERE reason IN ('case 1', 'case 2', 'over');
SELECT format('ALTER DATABASE %I SET gdpr.enabled = on', current_database()) \gexec
