-- What stands in the way of gdpr_forget, and that nothing is changed then;
-- masks; triggers and rules; errors without values.
SET client_min_messages = warning;
CREATE SCHEMA rb;
SET search_path = rb, public;
CREATE FUNCTION blockers(subject text, kind name) RETURNS TABLE (relation regclass, action text, rows bigint, blocker text)
LANGUAGE sql AS $$
	SELECT relation, action, rows, blocker FROM gdpr.forget_plan(subject, kind) WHERE blocker IS NOT NULL
	ORDER BY relation::text, action, blocker
$$;
CREATE FUNCTION ready(kind name) RETURNS boolean LANGUAGE sql AS $$ SELECT gdpr.approve_map(kind) IS NOT NULL $$;

-- 1. Rows outside the plan that refer to it.
CREATE TABLE person (id int PRIMARY KEY, name text);
CREATE TABLE a_none (id int PRIMARY KEY, person int REFERENCES person);
CREATE TABLE b_cascade (person int NOT NULL REFERENCES person ON DELETE CASCADE);
CREATE TABLE c_null (person int REFERENCES person ON DELETE SET NULL);
CREATE TABLE d_null (person int NOT NULL REFERENCES person ON DELETE SET NULL);
INSERT INTO person VALUES (1, 'kanarialintu-1'), (2, 'kanarialintu-2');
SELECT gdpr.declare_subject('rb_person', 'person') > 0 AS declared;
SELECT gdpr.declare_link('a_none', '{person}', 'person', '{id}', belongs => 'none');
SELECT gdpr.declare_link('b_cascade', '{person}', 'person', '{id}', belongs => 'none');
SELECT gdpr.declare_link('c_null', '{person}', 'person', '{id}', belongs => 'none');
SELECT gdpr.declare_link('d_null', '{person}', 'person', '{id}', belongs => 'none');
SELECT ready('rb_person');
INSERT INTO a_none VALUES (1, 1);
INSERT INTO b_cascade VALUES (1);
INSERT INTO c_null VALUES (1), (1);
INSERT INTO d_null VALUES (1);
SELECT * FROM blockers('1', 'rb_person');
SELECT gdpr_forget('1', 'rb_person');
\echo :LAST_ERROR_SQLSTATE
SELECT gdpr_forget('1', 'rb_person', dry_run => true)->'blockers' AS blockers;
SELECT count(*) FROM person;
DELETE FROM a_none; DELETE FROM b_cascade; DELETE FROM d_null;
SELECT * FROM blockers('1', 'rb_person');
SELECT relation, action, rows, reason FROM gdpr.forget_plan('1', 'rb_person') ORDER BY relation::text;
SELECT gdpr_forget('1', 'rb_person')->'relations' AS relations;
SELECT * FROM c_null;

-- 2. An undecided link: the plan shows it, forget refuses.
CREATE TABLE e_new (person int REFERENCES person);
SELECT * FROM blockers('2', 'rb_person');
SELECT gdpr_forget('2', 'rb_person');
\echo :LAST_ERROR_SQLSTATE
DROP TABLE e_new;

-- 3. Masks: what a column cannot take is refused when it is declared ...
CREATE TABLE card (id int PRIMARY KEY, holder text NOT NULL, email varchar(12) UNIQUE, code char(3), age int CHECK (age > 17),
	born date, score smallint, uid uuid UNIQUE, no bigint UNIQUE, amount numeric(14,2), raw bytea, small numeric(4,1),
	whole text GENERATED ALWAYS AS (upper(holder)) STORED, kind int REFERENCES person, done boolean);
SELECT gdpr.declare_column('card', 'holder', 'name', 'null');
SELECT gdpr.declare_column('card', 'email', 'email', 'constant:kanarialintu@x');
SELECT gdpr.declare_column('card', 'code', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'born', 'birth_date', 'pseudonym');
SELECT gdpr.declare_column('card', 'born', 'birth_date', 'constant:kanarialintu');
SELECT gdpr.declare_column('card', 'score', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'small', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'whole', 'name', 'null');
SELECT gdpr.declare_column('card', 'kind', 'other', 'constant:1');
SELECT gdpr.declare_column('card', 'holder', 'name', 'kanarialintu');
-- ... what it can is built to its type.
CREATE TABLE card_bill (id int PRIMARY KEY, card int NOT NULL REFERENCES card, dated date);
SELECT gdpr.declare_subject('rb_card', 'card') > 0 AS declared;
SELECT gdpr.declare_link('card', '{kind}', 'person', '{id}', belongs => 'none');
SELECT gdpr.declare_link('card_bill', '{card}', 'card', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.declare_column('card', 'holder', 'name', 'constant:nobody');
SELECT gdpr.declare_column('card', 'email', 'email', 'pseudonym');
SELECT gdpr.declare_column('card', 'code', 'other', 'constant:zzz');
SELECT gdpr.declare_column('card', 'age', 'other', 'constant:18');
SELECT gdpr.declare_column('card', 'born', 'birth_date', 'constant:1900-01-01');
SELECT gdpr.declare_column('card', 'uid', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'no', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'amount', 'financial', 'pseudonym');
SELECT gdpr.declare_column('card', 'raw', 'other', 'pseudonym');
SELECT gdpr.declare_column('card', 'done', 'other', 'constant:false');
SELECT ready('rb_card');
INSERT INTO card (id, holder, email, code, age, born, uid, no, amount, raw, done)
	SELECT i, 'kanarialintu-' || i, 'k' || i, 'abc', 30, '1990-05-05', gen_random_uuid(), i, i, '\x00', true FROM generate_series(1, 3) i;
INSERT INTO card (id, holder) VALUES (4, 'kanarialintu-nulls');
INSERT INTO card_bill SELECT i, i, '2024-01-01' FROM generate_series(1, 4) i;
SELECT gdpr_forget(i::text, 'rb_card')->'relations' AS relations FROM generate_series(1, 4) i;
SELECT id, holder, length(email) AS email, code, age, born, uid IS NOT NULL AS uid, no <> id AS no, amount > 3 AS amount,
	length(raw) AS raw, whole, done FROM card ORDER BY id;
SELECT count(DISTINCT email) AS emails, count(DISTINCT uid) AS uids, count(DISTINCT no) AS nos FROM card;
SELECT gdpr_forget(i::text, 'rb_card')->>'changed' AS changed FROM generate_series(1, 4) i;
-- What became of the table since is a blocker.
INSERT INTO card (id, holder, code, born) VALUES (5, 'kanarialintu-5', 'abc', '1990-05-05');
INSERT INTO card_bill VALUES (5, 5, '2024-01-01');
ALTER TABLE card ADD CONSTRAINT real_code CHECK (code <> 'zzz') NOT VALID;
CREATE UNIQUE INDEX one_birthday ON card (born) WHERE id > 4;
SELECT * FROM blockers('5', 'rb_card');
SELECT gdpr_forget('5', 'rb_card');
SELECT holder FROM card WHERE id = 5;

-- 4. Triggers: what they keep is an error, what they touch is found again.
CREATE TABLE head (id int PRIMARY KEY, name text, n int DEFAULT 0);
CREATE TABLE body (id int PRIMARY KEY, head int NOT NULL REFERENCES head, text text, pair int);
CREATE INDEX ON body (head);
SELECT gdpr.declare_subject('rb_head', 'head') > 0 AS declared;
SELECT gdpr.declare_link('body', '{head}', 'head', '{id}');
SELECT ready('rb_head');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE rb.head SET n = n + 1 WHERE id = OLD.head; RETURN OLD; END $$;
CREATE FUNCTION sibling() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM rb.body WHERE id = OLD.pair AND id > OLD.id; RETURN OLD; END $$;
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rb.head VALUES (OLD.id, OLD.name); RETURN NULL; END $$;
CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no: %', OLD.name USING ERRCODE = 'check_violation', DETAIL = OLD.name, HINT = OLD.name; END $$;
INSERT INTO head VALUES (1, 'kanarialintu-1'), (2, 'kanarialintu-2');
INSERT INTO body VALUES (1, 1, 'a', 2), (2, 1, 'b', 1), (3, 2, 'c', NULL);
CREATE TRIGGER touch BEFORE DELETE ON body FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER u_sibling BEFORE DELETE ON body FOR EACH ROW EXECUTE FUNCTION sibling();
SELECT gdpr_forget('1', 'rb_head')->'relations' AS relations;
INSERT INTO head VALUES (1, 'kanarialintu-1');
INSERT INTO body VALUES (1, 1, 'a', NULL), (2, 1, 'b', NULL);
CREATE TRIGGER hold BEFORE DELETE ON body FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION hold();
SELECT gdpr_forget('1', 'rb_head');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER hold ON body;
CREATE TRIGGER again AFTER DELETE ON head FOR EACH ROW EXECUTE FUNCTION again();
SELECT gdpr_forget('1', 'rb_head');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER again ON head;
CREATE TRIGGER talk AFTER DELETE ON head FOR EACH ROW EXECUTE FUNCTION talk();
SELECT gdpr_forget('1', 'rb_head');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER talk ON head;
CREATE RULE other AS ON DELETE TO body DO INSTEAD NOTHING;
SELECT * FROM blockers('1', 'rb_head');
SELECT gdpr_forget('1', 'rb_head');
\echo :LAST_ERROR_SQLSTATE
DROP RULE other ON body;
CREATE TABLE log (what text);
CREATE RULE also AS ON DELETE TO body DO ALSO INSERT INTO rb.log VALUES ('gone');
SELECT count(*) AS heads FROM head;
SELECT count(*) AS bodies FROM body;
SELECT gdpr_forget('1', 'rb_head')->'relations' AS relations;
SELECT count(*) AS logged FROM log;
DROP RULE also ON body;
-- Row by row, rows that refer to one another in their own table go in order.
INSERT INTO head VALUES (5, 'kanarialintu-5');
INSERT INTO body VALUES (50, 5, 'a', NULL), (51, 5, 'b', NULL), (52, 5, 'c', NULL);
ALTER TABLE body ADD COLUMN answers int REFERENCES body;
UPDATE body SET answers = id + 1 WHERE id IN (50, 51);
SELECT gdpr.declare_link('body', '{answers}', 'body', '{id}');
SELECT ready('rb_head');
CREATE RULE also AS ON DELETE TO body DO ALSO NOTHING;
SELECT gdpr_forget('5', 'rb_head')->>'changed' AS changed;
DROP RULE also ON body;
SELECT count(*) AS bodies FROM body WHERE id >= 50;
-- A trigger that puts a masked value back.
CREATE TABLE keeper (id int PRIMARY KEY, name text);
CREATE TABLE kept (id int PRIMARY KEY, keeper int NOT NULL REFERENCES keeper, dated date);
SELECT gdpr.declare_subject('rb_keeper', 'keeper') > 0 AS declared;
SELECT gdpr.declare_link('kept', '{keeper}', 'keeper', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.declare_column('keeper', 'name', 'name');
SELECT ready('rb_keeper');
INSERT INTO keeper VALUES (1, 'kanarialintu-1');
INSERT INTO kept VALUES (1, 1, '2024-01-01');
CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := OLD.name; RETURN NEW; END $$;
CREATE TRIGGER back BEFORE UPDATE ON keeper FOR EACH ROW EXECUTE FUNCTION back();
SELECT gdpr_forget('1', 'rb_keeper');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER back ON keeper;
SELECT gdpr_forget('1', 'rb_keeper')->>'changed' AS changed;

-- A reference without a foreign key that comes back is found, though nothing leads to it.
CREATE TABLE reader (id int PRIMARY KEY, email text);
CREATE TABLE letter (email text, topic text);
SELECT gdpr.declare_subject('rb_reader', 'reader') IS NOT NULL AS declared;
SELECT gdpr.declare_link('letter', '{email}', 'reader', '{email}');
SELECT ready('rb_reader');
INSERT INTO reader VALUES (1, 'kanarialintu-r1');
INSERT INTO letter VALUES ('kanarialintu-r1', 'birds');
CREATE FUNCTION mail_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rb.letter VALUES (OLD.email, 'again'); RETURN NULL; END $$;
CREATE TRIGGER mail_again AFTER DELETE ON reader FOR EACH ROW EXECUTE FUNCTION mail_again();
SELECT gdpr_forget('1', 'rb_reader');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER mail_again ON reader;
SELECT gdpr_forget('1', 'rb_reader')->>'changed' AS changed;
SELECT count(*) AS letters FROM letter;
-- A kept row without a foreign key keeps what is above it too.
INSERT INTO reader VALUES (2, 'kanarialintu-r2'), (3, 'kanarialintu-r3');
CREATE TABLE slip (reader int NOT NULL, dated date);
INSERT INTO slip VALUES (2, '2024-01-01');
SELECT gdpr.declare_link('slip', '{reader}', 'reader', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.declare_column('reader', 'email', 'email');
SELECT ready('rb_reader');
SELECT gdpr_forget('2', 'rb_reader')->'relations' AS relations;
SELECT gdpr_forget('3', 'rb_reader')->'relations' AS relations;
SELECT * FROM reader;

-- 5. Deferred constraints are checked before the certificate is given.
CREATE TABLE late (id int PRIMARY KEY, boss int REFERENCES late DEFERRABLE INITIALLY DEFERRED);
SELECT gdpr.declare_subject('rb_late', 'late') > 0 AS declared;
SELECT gdpr.declare_link('late', '{boss}', 'late', '{id}');
SELECT ready('rb_late');
INSERT INTO late VALUES (1, 2), (2, 1), (3, 3);
BEGIN;
SELECT gdpr_forget('1', 'rb_late')->'relations' AS relations;
INSERT INTO late VALUES (4, 5);	-- still deferred
INSERT INTO late VALUES (5, NULL);
COMMIT;
SELECT * FROM late ORDER BY id;

-- 6. A value that does not fit says nothing of itself.
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TABLE odd (id even PRIMARY KEY);
INSERT INTO odd VALUES (2);
SELECT gdpr.declare_subject('rb_odd', 'odd') IS NOT NULL AS declared;
SELECT gdpr_export('3', 'rb_odd');
SELECT gdpr_export('kanarialintu', 'rb_odd');
SELECT gdpr_export('2', 'rb_odd')->'data' AS data;

SELECT gdpr.undeclare_subject(k::name) FROM unnest('{rb_person,rb_card,rb_head,rb_keeper,rb_reader,rb_late,rb_odd}'::text[]) k;
DROP SCHEMA rb CASCADE;
