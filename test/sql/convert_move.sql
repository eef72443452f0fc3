-- Columns move from one context into another, and to another tag domain by that.
CREATE SCHEMA move;
SET search_path = move, public;
CREATE ROLE move_owner LOGIN;
CREATE ROLE move_app LOGIN;
CREATE ROLE move_writer LOGIN;
CREATE ROLE move_reader LOGIN;
GRANT ALL ON SCHEMA move TO move_owner;
GRANT USAGE ON SCHEMA move TO move_app, move_writer, move_reader;
GRANT EXECUTE ON FUNCTION gdpr.encrypt_column, gdpr.check_column, gdpr.cancel_conversion, gdpr.conversion_indexes TO move_owner;
GRANT EXECUTE ON PROCEDURE gdpr.convert_column TO move_owner;
SELECT gdpr.create_context('move_a', '{move_app}');
SELECT gdpr.create_context('move_b', '{}');
SELECT gdpr.create_context('move_same', '{}', '{"tag_domain": "move_a"}');
SELECT gdpr.grant_context('move_a', r, 'write') FROM unnest('{move_owner,move_app,move_writer}'::name[]) r;
SET ROLE move_owner;
CREATE TABLE customer (id int PRIMARY KEY, email enctext('move_a') DEFAULT 'kanarialintu-default'::text::enctext('move_a') UNIQUE,
	tags enctext('move_a')[], born encdate('move_a'));
INSERT INTO customer SELECT i, 'kanarialintu-' || i, ARRAY['kanarialintu-t' || i, NULL], date '1950-01-01' + i FROM generate_series(1, 50) i;
INSERT INTO customer VALUES (51, NULL, NULL, NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON customer TO move_app, move_writer, move_reader;

-- what it would do, and who would lose what he may
SELECT item, object, action, blocking FROM gdpr.encrypt_column('customer', 'email', 'move_b', '{"dry_run": true}') WHERE item <> 'lock';
SELECT item, object, action, blocking FROM gdpr.encrypt_column('customer', 'email', 'move_b', '{"dry_run": true, "online": true}') WHERE item = 'column';

-- read on the old context, write on the new one: asked before anything is done
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'move_b');
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"online": true}');
RESET ROLE;
SELECT gdpr.grant_context('move_a', 'move_owner', 'read');
SET ROLE move_owner;
SELECT gdpr.encrypt_column('customer', 'email', 'move_b');
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"online": true}');
RESET ROLE;
SELECT gdpr.grant_context('move_b', 'move_owner', 'write');
SELECT gdpr.revoke_context('move_a', 'move_owner', 'read');
SET ROLE move_owner;
SELECT gdpr.encrypt_column('customer', 'email', 'move_b');
RESET ROLE;
SELECT gdpr.grant_context('move_a', 'move_owner', 'read');
SELECT gdpr.grant_context('move_same', 'move_owner', 'write');
SET ROLE move_owner;
-- nothing to do, no such type, no equality for the index
SELECT gdpr.encrypt_column('customer', 'email', 'move_a');
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"type": "encint8"}');
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"type": "nothing"}');
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"type": "encsecret"}');
SELECT gdpr.encrypt_column('customer', 'born', 'move_b', '{"type": "enctext"}');
SELECT gdpr.encrypt_column('customer', 'email', 'move_c');
\set VERBOSITY default
-- a domain has a context of its own
CREATE DOMAIN address AS enctext('move_a') CHECK (VALUE IS NOT NULL);
CREATE TABLE mail (a address, b address[]);
INSERT INTO mail VALUES ('kanarialintu-mail', '{kanarialintu-mail}');
SELECT gdpr.encrypt_column('mail', 'a', 'move_b');
SELECT gdpr.encrypt_column('mail', 'b', 'move_b');
ALTER TABLE mail ALTER a TYPE enctext('move_a');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('mail', 'a', 'move_b');
DROP TABLE mail;
-- a foreign key goes first
CREATE TABLE newsletter (email enctext('move_a') REFERENCES customer (email));
SELECT item, object, action FROM gdpr.encrypt_column('customer', 'email', 'move_b', '{"dry_run": true, "online": true}') WHERE blocking;
SELECT item, object, action FROM gdpr.encrypt_column('newsletter', 'email', 'move_b', '{"dry_run": true}') WHERE blocking;
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'move_b', '{"online": true}');
\set VERBOSITY default
DROP TABLE newsletter;

-- in one statement
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('customer', 'tags', 'move_b');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('customer', 'born', 'move_b');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('customer', 'email', 'move_same');
\d customer
SELECT item, count FROM gdpr.check_column('customer', 'email') WHERE item IN ('values', 'of another context');
RESET ROLE;
SELECT gdpr.grant_context(c, CURRENT_USER, 'read') FROM unnest('{move_a,move_b,move_same}'::name[]) c;
SELECT count(*), count(email), count(*) FILTER (WHERE email::text = 'kanarialintu-' || id AND tags::text[] = ARRAY['kanarialintu-t' || id, NULL]
	AND born::date = date '1950-01-01' + id) AS as_before FROM customer;
SELECT id FROM customer WHERE email = 'kanarialintu-7' AND born::date = date '1950-01-08' AND 'kanarialintu-t7' = ANY (tags);
SELECT item, count FROM gdpr.check_column('customer', 'email') WHERE count > 0;
SELECT item, count FROM gdpr.check_column('customer', 'born') WHERE count > 0;
-- what is of one tag domain is compared, what is not is refused
CREATE TABLE old (email enctext('move_a'));
INSERT INTO old VALUES ('kanarialintu-t7');
SELECT id FROM customer JOIN old USING (email);
SELECT id FROM customer JOIN old ON old.email = ANY (tags);
INSERT INTO customer (id) VALUES (52);
SELECT email FROM customer WHERE id = 52;
DELETE FROM customer WHERE id = 52;
-- and back, to another type of equality
SELECT gdpr.grant_context('move_same', 'move_owner', 'read');
SET ROLE move_owner;
INSERT INTO customer VALUES (61, 'Kanarialintu-Big');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('customer', 'email', 'move_a', '{"type": "encitext"}');
SELECT id FROM customer WHERE email = 'KANARIALINTU-BIG';
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('customer', 'email', 'move_a', '{"type": "enctext"}');
SELECT id FROM customer WHERE email = 'KANARIALINTU-BIG';
SELECT id FROM customer WHERE email = 'Kanarialintu-Big';

-- online
RESET ROLE;
SELECT gdpr.revoke_context('move_b', CURRENT_USER, 'read');
SELECT gdpr.grant_context('move_b', 'move_app', 'read');
SET ROLE move_owner;
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'email', 'move_b', '{"online": true}');
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'move_b');
\set VERBOSITY default
RESET ROLE;
SELECT relation, column_name, direction, phase FROM gdpr.conversion_status;
SELECT gdpr.uninstall_plan() AS statement LIMIT 1;
SELECT statement FROM gdpr.uninstall_plan() statement WHERE statement ~ 'column.*customer.*email';
-- who writes, may read or not: the same roles read both contexts
SET ROLE move_app;
INSERT INTO customer (id, email) VALUES (71, 'kanarialintu-71');
UPDATE customer SET email = 'kanarialintu-one' WHERE email = 'kanarialintu-1';
RESET ROLE;
SET ROLE move_writer;
INSERT INTO customer (id, email) VALUES (72, 'kanarialintu-72');
UPDATE customer SET email = 'kanarialintu-two' WHERE id = 2;
UPDATE customer SET id = 73 WHERE id = 3;
INSERT INTO customer (id) VALUES (74);
\set VERBOSITY sqlstate
INSERT INTO customer (id, email) VALUES (75, 'kanarialintu-72');
-- where somebody reads the new context alone, the writer's own right is asked
RESET ROLE;
SELECT gdpr.grant_context('move_b', 'move_reader', 'read');
SET ROLE move_writer;
INSERT INTO customer (id, email) VALUES (76, 'kanarialintu-76');
UPDATE customer SET email = (SELECT email FROM customer WHERE id = 4) WHERE id = 5;
UPDATE customer SET id = 77 WHERE id = 7;
RESET ROLE;
SELECT gdpr.revoke_context('move_b', 'move_reader', 'read');
SELECT gdpr.grant_context('move_b', 'move_reader', 'search');
SET ROLE move_writer;
INSERT INTO customer (id, email) VALUES (76, 'kanarialintu-76');
RESET ROLE;
SELECT gdpr.grant_context('move_a', 'move_reader', 'read');
SET ROLE move_writer;
INSERT INTO customer (id, email) VALUES (76, 'kanarialintu-76');
RESET ROLE;
SET ROLE move_owner;
CALL gdpr.convert_column('customer', 'email', '{"batch_size": 7}');
\set VERBOSITY default
SELECT * FROM gdpr.conversion_indexes('customer', 'email');
\o /dev/null
SELECT gdpr.conversion_indexes('customer', 'email') \gexec
\o
CALL gdpr.convert_column('customer', 'email');
\d customer
RESET ROLE;
SELECT count(*) FROM gdpr.conversion;
SELECT item, count FROM gdpr.check_column('customer', 'email') WHERE count > 0;
SELECT gdpr.grant_context('move_b', CURRENT_USER, 'read');
SELECT count(*), count(email), count(*) FILTER (WHERE email::text = 'kanarialintu-' || id) AS same FROM customer;
SELECT id FROM customer WHERE email IN ('kanarialintu-one', 'kanarialintu-two', 'kanarialintu-71', 'kanarialintu-72', 'kanarialintu-3', 'kanarialintu-7') ORDER BY id;
SELECT email FROM customer WHERE id = 74;
-- from the swap on, each role needs its own
SET ROLE move_writer;
\set VERBOSITY sqlstate
INSERT INTO customer (id, email) VALUES (80, 'kanarialintu-80');
RESET ROLE;
-- given up
SELECT gdpr.grant_context('move_b', 'move_owner', 'read');
SET ROLE move_owner;
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'email', 'move_a', '{"online": true, "type": "encitext"}');
INSERT INTO customer (id, email) VALUES (81, 'kanarialintu-81');
SELECT gdpr.cancel_conversion('customer', 'email');
SELECT item, count FROM gdpr.check_column('customer', 'email') WHERE item = 'of another context';
-- arrays, in steps
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'tags', 'move_a', '{"online": true}');
CALL gdpr.convert_column('customer', 'tags');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT count(*) FROM customer WHERE tags::text[] = ARRAY['kanarialintu-t' || id, NULL];
RESET ROLE;
SELECT count(*) FROM customer WHERE 'kanarialintu-t9' = ANY (tags);

-- ---- persons' keys, and what was erased ----
CREATE TABLE person (id int PRIMARY KEY, name enctext('move_a') UNIQUE, note encsecret('move_a'));
SELECT gdpr.declare_subject('move_person', 'person');
SELECT gdpr.approve_map('move_person') IS NOT NULL AS approved;
SELECT gdpr.protect_subject('move_person', '{"subject_keys": true}') IS NOT NULL AS protected;
CREATE TABLE copied (id int PRIMARY KEY, name enctext('move_a'));
CREATE TABLE kept (id int PRIMARY KEY, name enctext('move_a'));
INSERT INTO person SELECT i, 'kanarialintu-p' || i, 'kanarialintu-q' || i FROM generate_series(1, 6) i;
INSERT INTO copied SELECT id, name FROM person;
INSERT INTO kept SELECT id, name FROM person;
-- one is gone, whose values somebody copied
SELECT gdpr_forget('6', 'move_person')->>'level' AS level;
CREATE FUNCTION of_keys(relation regclass, column_name name) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(item || ' ' || count, ', ') FROM gdpr.check_column(relation, column_name)
	WHERE count > 0 $$;
SELECT of_keys('person', 'name'), of_keys('copied', 'name');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('person', 'name', 'move_b');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('person', 'note', 'move_b', '{"online": true}');
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('copied', 'name', 'move_b');
UPDATE person SET note = 'kanarialintu-other' WHERE id = 1;
UPDATE person SET name = 'kanarialintu-other' WHERE id = 2;
-- a row that is another person's now
UPDATE person SET id = 7 WHERE id = 3;
INSERT INTO person VALUES (8, 'kanarialintu-p8', 'kanarialintu-q8');
SET session_replication_role = replica;
UPDATE person SET name = 'kanarialintu-replica' WHERE id = 4;
RESET session_replication_role;
SELECT of_keys('person', 'note');
SELECT gdpr_forget('5', 'move_person')->>'level' AS level;
CALL gdpr.convert_column('person', 'note');
SELECT of_keys('person', 'name'), of_keys('person', 'note'), of_keys('copied', 'name');
SELECT id, name, note FROM person ORDER BY id;
SELECT id, name::text FROM copied ORDER BY id;
-- the keys are those of the rows' persons: what is copied from one who is forgotten is gone
INSERT INTO kept SELECT 7, note::enctext('move_a') FROM person WHERE id = 7;
CREATE TABLE notes (id int, note encsecret('move_b'));
INSERT INTO notes SELECT id, note FROM person;
SELECT gdpr_forget('7', 'move_person')->>'level' AS level;
SELECT id, note::text FROM notes ORDER BY id;
-- erased values stay erased, and equal to no other
SELECT count(*) > 0 AS report FROM gdpr.encrypt_column('kept', 'name', 'move_b', '{"online": true}');
CALL gdpr.convert_column('kept', 'name');
SELECT of_keys('kept', 'name');
SELECT id, name::text FROM kept ORDER BY id;
SELECT count(*) FROM kept a JOIN kept b USING (name);

-- ---- the whole of a tag domain ----
SELECT gdpr.create_context('move_p', '{move_app}');
SELECT gdpr.create_context('move_q', ARRAY[CURRENT_USER], '{"tag_domain": "move_p"}');
SELECT count(gdpr.grant_context(c, CURRENT_USER, p)) FROM unnest('{move_p,move_q}'::name[]) c, unnest('{read,write}'::text[]) p;
CREATE TABLE account (id int PRIMARY KEY, email enctext('move_p') UNIQUE, tags enctext('move_p')[]);
CREATE TABLE "Letter" (email enctext('move_q') REFERENCES account (email) ON DELETE CASCADE, note enctext('move_q') CHECK (note IS NOT NULL));
CREATE TABLE parts (id int, email enctext('move_q') REFERENCES account (email)) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
CREATE DOMAIN of_domain AS enctext('move_p');
CREATE TYPE of_type AS (a enctext('move_p'));
INSERT INTO account SELECT i, 'kanarialintu-' || i, ARRAY['kanarialintu-t'] FROM generate_series(1, 20) i;
INSERT INTO "Letter" SELECT email::text, 'kanarialintu-note' FROM account WHERE id < 6;
INSERT INTO parts SELECT 1, email::text FROM account WHERE id < 4;
SELECT gdpr.tag_rotation_plan('nothing');
SELECT gdpr.grant_duty('move_reader', 'operator');
SET ROLE move_reader;
\pset format unaligned
\pset tuples_only on
SELECT replace(p, quote_literal(session_user), '''me''') FROM gdpr.tag_rotation_plan('move_p', '_new') p;
RESET ROLE;
ALTER TABLE "Letter" DROP CONSTRAINT "Letter_note_check";
DROP TYPE of_type;
DROP DOMAIN of_domain;
-- here in single statements; as it is, it is a script for psql (test/t)
SELECT replace(replace(replace(p, 'SELECT * FROM', 'SELECT FROM'), $$, '{"online": true}'$$, ''), quote_literal(session_user), 'session_user') FROM gdpr.tag_rotation_plan('move_p', '_new') p
	WHERE p !~ 'convert_column|conversion_indexes|check_column'
\gexec
SELECT count(*) FROM gdpr.tag_rotation_plan('move_p', '_new');
SELECT a.id, l.email, p.email FROM account a JOIN "Letter" l USING (email) JOIN parts p USING (email) ORDER BY 1;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint
	WHERE contype = 'f' AND connamespace = 'move'::regnamespace ORDER BY 1, 2;
DELETE FROM account WHERE id = 5;
SELECT count(*) FROM "Letter";
SELECT c.name, c.tag_domain, string_agg(g.role || ' ' || g.privilege, ', ' ORDER BY g.role, g.privilege) = (
	SELECT string_agg(o.role || ' ' || o.privilege, ', ' ORDER BY o.role, o.privilege) FROM gdpr.context_grant o
	WHERE o.context = replace(c.name, '_new', '')) AS same_roles
FROM gdpr.context c JOIN gdpr.context_grant g ON g.context = c.name WHERE c.name ~ '^move_[pq]_new' GROUP BY 1, 2 ORDER BY 1;
\pset tuples_only off
\pset format aligned
SELECT gdpr.revoke_duty('move_reader', 'operator');

SET client_min_messages = error;
RESET search_path;
SELECT gdpr.unprotect('move.person');
DROP SCHEMA move CASCADE;
DROP OWNED BY move_owner, move_app, move_writer, move_reader;
DROP ROLE move_owner, move_app, move_writer, move_reader;
