-- Values under the keys of single persons.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA sk;
CREATE ROLE sk_reader;
CREATE ROLE sk_writer;
CREATE ROLE sk_officer;
GRANT USAGE ON SCHEMA sk TO sk_reader, sk_writer;
SELECT gdpr.create_context('sk_pii', '{sk_reader}');
SELECT gdpr.grant_context('sk_pii', r, 'write') FROM unnest('{sk_reader, sk_writer}'::name[]) r;
SELECT gdpr.grant_context('sk_pii', current_user, 'read');
CREATE TABLE sk.person (id int PRIMARY KEY, email enctext('sk_pii') UNIQUE, note encsecret('sk_pii'), tags enctext('sk_pii')[]);
CREATE TABLE sk.invoice (id int PRIMARY KEY, person int REFERENCES sk.person, name enctext('sk_pii'), paid date, changed timestamptz);
CREATE TABLE sk.message (id int PRIMARY KEY, sender int REFERENCES sk.person, receiver int REFERENCES sk.person, body encsecret('sk_pii'));
CREATE TABLE sk.product (id int PRIMARY KEY, secret encsecret('sk_pii'));
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sk TO sk_reader, sk_writer;
INSERT INTO sk.person VALUES (1, 'kanarialintu-old', NULL, NULL);
SELECT gdpr.declare_subject('sk_person', 'sk.person');
SELECT gdpr.declare_column('sk.person', 'email', 'email');
SELECT gdpr.declare_column('sk.person', 'note', 'free_text');
SELECT gdpr.declare_column('sk.invoice', 'name', 'name', options => '{"on_forget": "keep", "ground": "17(3)(b)"}');
SELECT gdpr.declare_link('sk.invoice', '{person}', 'sk.person', '{id}', on_forget => 'keep',
	options => '{"ground": "17(3)(b)", "law": "bookkeeping", "keep": "106 years", "keep_from": "row", "keep_since": "paid"}');
SELECT gdpr.declare_link('sk.message', '{sender}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.declare_link('sk.message', '{receiver}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.approve_map('sk_person') IS NOT NULL;

-- only where a row names one person
SELECT gdpr.protect('sk.message', '{"subject_keys": true}');
SELECT gdpr.protect('sk.product', '{"subject_keys": true}');
SELECT gdpr.protect('sk.person', '{"subject_keys": "yes"}');
SELECT gdpr.protect_subject('sk_person', '{"subject_keys": true}');
SELECT relation, subject_keys FROM gdpr.protected WHERE relation::text LIKE 'sk.%' ORDER BY 1;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgfoid = 'gdpr.seal_row'::regproc AND tgrelid::regclass::text LIKE 'sk.%' ORDER BY 1;

-- which key a value is under: the id, as a number of its own
CREATE FUNCTION pg_temp.key_of(anyelement) RETURNS text LANGUAGE plpgsql SET gdpr.output = ciphertext AS $$
DECLARE
	b bytea := decode(substr(format('%s', $1), 6), 'base64');
	at int := 10;
BEGIN
	IF $1 IS NULL THEN RETURN 'null'; END IF;
	IF get_byte(b, 1) & 32 = 0 THEN RETURN 'context'; END IF;
	IF get_byte(b, 1) & 16 <> 0 THEN at := at + 16; END IF;
	RETURN coalesce((SELECT 'person ' || n FROM pg_temp.persons() p(n, k) WHERE k = substr(b, at, 8)), 'gone');
END $$;
CREATE TABLE sk.others AS SELECT id FROM gdpr.subject_key;
CREATE TABLE sk.keys (n bigint, k bytea UNIQUE);
CREATE FUNCTION pg_temp.persons() RETURNS TABLE (n bigint, k bytea) LANGUAGE sql AS $$ SELECT n, k FROM sk.keys $$;
CREATE FUNCTION pg_temp.look() RETURNS void LANGUAGE sql AS $$
	INSERT INTO sk.keys SELECT (SELECT count(*) + 1 FROM sk.keys), int8send(id) FROM gdpr.subject_key
	WHERE id NOT IN (SELECT id FROM sk.others) ON CONFLICT DO NOTHING $$;

-- a value of before stays as it is; what is written gets the person's key
INSERT INTO sk.person VALUES (2, 'kanarialintu-b', 'kanarialintu-note', '{kanarialintu-t}');
SELECT pg_temp.look();
INSERT INTO sk.invoice VALUES (21, 2, 'kanarialintu-b', '2026-01-01', NULL), (22, NULL, 'kanarialintu-nobody', '2026-01-01', NULL);
INSERT INTO sk.invoice VALUES (11, 1, 'kanarialintu-a', '2026-01-01', NULL);
SELECT pg_temp.look();
SELECT id, pg_temp.key_of(email) AS email, pg_temp.key_of(note) AS note, email, note, tags::text FROM sk.person ORDER BY id;
SELECT id, pg_temp.key_of(name) AS name, name FROM sk.invoice ORDER BY id;
SELECT count(DISTINCT epoch) AS epochs, count(*) FROM gdpr.subject_key WHERE id NOT IN (SELECT id FROM sk.others);
UPDATE sk.person SET note = 'kanarialintu-new' WHERE id = 1;
SELECT id, pg_temp.key_of(email) AS email, pg_temp.key_of(note) AS note FROM sk.person ORDER BY id;
-- equality goes by the tag, whatever the key
SELECT id FROM sk.person WHERE email = 'kanarialintu-b';
SELECT p.id, i.id FROM sk.person p JOIN sk.invoice i ON i.name = p.email ORDER BY 2;
INSERT INTO sk.person VALUES (3, 'kanarialintu-b', NULL, NULL);
INSERT INTO sk.person VALUES (2, 'kanarialintu-b', NULL, NULL) ON CONFLICT (email) DO UPDATE SET note = excluded.note RETURNING pg_temp.key_of(note);
SELECT count(*) FROM gdpr.subject_key WHERE id NOT IN (SELECT id FROM sk.others);

-- a key made in a transaction that fails is no key
BEGIN;
INSERT INTO sk.person VALUES (4, 'kanarialintu-d', 'kanarialintu-d', NULL);
SAVEPOINT a;
INSERT INTO sk.person VALUES (5, 'kanarialintu-e', 'kanarialintu-e', NULL);
ROLLBACK TO a;
INSERT INTO sk.person VALUES (5, 'kanarialintu-e', 'kanarialintu-e', NULL);
SELECT email, note FROM sk.person WHERE id IN (4, 5) ORDER BY id;
ROLLBACK;
INSERT INTO sk.person VALUES (4, 'kanarialintu-d', 'kanarialintu-d', NULL);
SELECT pg_temp.look();
INSERT INTO sk.person VALUES (5, 'kanarialintu-e', NULL, NULL);
SELECT pg_temp.look();
SELECT id, pg_temp.key_of(email), email FROM sk.person WHERE id IN (4, 5) ORDER BY id;

-- a row that is given to another person, or to none, and back
UPDATE sk.invoice SET person = 4 WHERE id = 21;
SELECT id, pg_temp.key_of(name), name FROM sk.invoice ORDER BY id;
UPDATE sk.invoice SET person = NULL WHERE id = 21;
SELECT id, pg_temp.key_of(name), name FROM sk.invoice WHERE id = 21;
UPDATE sk.invoice SET person = 2 WHERE id = 21;
SELECT id, pg_temp.key_of(name), name FROM sk.invoice WHERE id = 21;
-- by a role that may write and not read too: it sees nothing
SET ROLE sk_writer;
UPDATE sk.invoice SET person = 4 WHERE id = 21;
RESET ROLE;
SELECT id, pg_temp.key_of(name), name FROM sk.invoice WHERE id = 21;
UPDATE sk.invoice SET person = 2 WHERE id = 21;

-- another person's value: who may read it may write it, nobody else
SET ROLE sk_reader;
UPDATE sk.person SET note = (SELECT p.note FROM sk.person p WHERE p.id = 4) WHERE id = 5;
SELECT note FROM sk.person WHERE id = 5;
RESET ROLE;
SELECT id, pg_temp.key_of(note) FROM sk.person WHERE id IN (4, 5) ORDER BY id;
SET ROLE sk_writer;
UPDATE sk.person SET note = (SELECT p.note FROM sk.person p WHERE p.id = 4) WHERE id = 5;
INSERT INTO sk.invoice (id, person, name) SELECT 99, 5, name FROM sk.invoice WHERE id = 21;
SELECT note FROM sk.person WHERE id = 5 AND note IS NULL;
-- a value in its stored form, by one who saw it
SELECT note AS stolen FROM sk.person WHERE id = 4 \gset
UPDATE sk.person SET note = :'stolen' WHERE id = 5;
RESET ROLE;

-- triggers of the user's run before, whatever their names
CREATE FUNCTION sk.rename() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'kanarialintu-by-trigger'; NEW.changed := '2026-01-01'; RETURN NEW; END $$;
CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON sk.invoice FOR EACH ROW EXECUTE FUNCTION sk.rename();
INSERT INTO sk.invoice VALUES (41, 4, 'kanarialintu-x', '2026-02-01');
SELECT pg_temp.key_of(name), name FROM sk.invoice WHERE id = 41;
-- bookkeeping does not let an invoice be changed
CREATE FUNCTION sk.fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'posted' USING ERRCODE = 'ZZ001'; END $$;
CREATE TRIGGER fixed BEFORE UPDATE ON sk.invoice FOR EACH ROW EXECUTE FUNCTION sk.fixed();

-- the triggers stay
ALTER TABLE sk.person DISABLE TRIGGER "~gdpr_subject_key";
DROP TRIGGER "~gdpr_subject_key" ON sk.person;
-- and nothing sees a row after them
CREATE TRIGGER "~z" BEFORE INSERT ON sk.invoice FOR EACH ROW EXECUTE FUNCTION sk.rename();
ALTER TRIGGER zzz ON sk.invoice RENAME TO "~z";
CREATE TRIGGER "~z" AFTER INSERT ON sk.invoice FOR EACH ROW EXECUTE FUNCTION sk.rename();
DROP TRIGGER "~z" ON sk.invoice;

-- erasure: what stays moves to the context's key, and then the key is gone
SELECT r ->> 'relation' AS relation, r ->> 'kept' AS kept, r ->> 'deleted' AS deleted, r ->> 'anonymised' AS anonymised
	FROM json_array_elements(gdpr_forget('4', 'sk_person', dry_run => true) -> 'relations') r ORDER BY 1;
CREATE TEMP TABLE before AS SELECT id, person, name::text, paid, changed FROM sk.invoice;
-- another session's values of the key, kept from before
CREATE TABLE sk.copied AS SELECT id, email, note FROM sk.person;
SELECT id, pg_temp.key_of(email), pg_temp.key_of(note) FROM sk.copied ORDER BY id;
-- and the log as a backup has it
CREATE TABLE sk.log AS SELECT * FROM gdpr.audit_log WHERE relation LIKE 'sk.%' AND payload IS NOT NULL;
CREATE TABLE sk.tags AS SELECT 4 AS id, k.subject FROM gdpr.subject_key k JOIN sk.keys ON int8send(k.id) = sk.keys.k AND n = 3
	UNION SELECT 2, k.subject FROM gdpr.subject_key k JOIN sk.keys ON int8send(k.id) = sk.keys.k AND n = 1;
CREATE FUNCTION pg_temp.logged(who int) RETURNS TABLE (relation text, records bigint, readable bigint) LANGUAGE sql AS $$
	SELECT relation, count(*), count(c) FROM sk.log l, gdpr.audit_entries(l.rows) n, gdpr.audit_changes(l.payload, l.id, l.at, n, l.columns) c
	WHERE l.tags[n * (cardinality(l.tags) / l.rows) + l.subject] = (SELECT encode(subject, 'hex')::uuid FROM sk.tags WHERE id = who) GROUP BY 1 ORDER BY 1 $$;
SELECT * FROM pg_temp.logged(4);
SELECT c ->> 'changed' AS changed, c -> 'key' ->> 'destroyed' AS destroyed, c -> 'key' ->> 'older_copies' AS older_copies FROM gdpr_forget('4', 'sk_person') c;
SELECT * FROM pg_temp.logged(4);
SELECT * FROM pg_temp.logged(2);
SELECT id, pg_temp.key_of(name), name FROM sk.invoice ORDER BY id;
SELECT count(*) AS altered FROM before b FULL JOIN (SELECT id, person, name::text, paid, changed FROM sk.invoice) i USING (id)
	WHERE b.name IS DISTINCT FROM i.name OR b.changed IS DISTINCT FROM i.changed;
SELECT id, pg_temp.key_of(email) AS email, pg_temp.key_of(note) AS note FROM sk.person ORDER BY id;
SELECT email, note FROM sk.person WHERE id IN (4, 5);
-- what was copied of her is as good as erased: no error, no value
SELECT id, email::text, note::text, to_json(email) AS json, left(format('%s', email), 5) AS form, email || 'x' AS cat FROM sk.copied ORDER BY id;
SELECT item, count FROM gdpr.check_column('sk.copied', 'email') WHERE count > 0 OR item = 'corrupt' ORDER BY 1;
-- copied on, into another context and as text, it stays so
SELECT gdpr.create_context('sk_other', ARRAY[current_user]);
CREATE TABLE sk.further (id int, email enctext('sk_other'), note encsecret('sk_pii'));
INSERT INTO sk.further SELECT id, email, note FROM sk.copied;
SELECT id, email::text, note::text FROM sk.further ORDER BY id;

-- the same number is a new person
UPDATE sk.person SET note = 'kanarialintu-again' WHERE id = 4;
INSERT INTO sk.person VALUES (4, 'kanarialintu-again', 'kanarialintu-again', NULL);
SELECT pg_temp.look();
SELECT id, pg_temp.key_of(email), email FROM sk.person WHERE id = 4;

-- a second protect without the option: values stay readable, and erasure finds them
DROP TRIGGER fixed ON sk.invoice;
SELECT gdpr.protect('sk.invoice');
INSERT INTO sk.invoice VALUES (23, 2, 'kanarialintu-x', '2026-01-01', NULL);
SELECT id, pg_temp.key_of(name), name FROM sk.invoice WHERE person = 2 ORDER BY id;
SELECT (gdpr_forget('2', 'sk_person') ->> 'changed')::boolean;
SELECT id, pg_temp.key_of(name), name FROM sk.invoice WHERE id IN (21, 23) ORDER BY id;

-- nobody's but the extension's
SET ROLE sk_reader;
SELECT count(*) FROM gdpr.subject_key;
SELECT count(*) FROM gdpr.subject_epoch;
SELECT gdpr.seal_row();
SELECT gdpr.subject_key_changed();
RESET ROLE;
SELECT gdpr.seal_row();

-- partitions, those of later too
CREATE TABLE sk.visit (id int, person int REFERENCES sk.person, place encsecret('sk_pii'), PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE sk.visit_1 PARTITION OF sk.visit FOR VALUES FROM (0) TO (10);
SELECT gdpr.declare_link('sk.visit', '{person}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.approve_map('sk_person') IS NOT NULL;
SELECT gdpr.protect('sk.visit', '{"subject_keys": true}');
CREATE TABLE sk.visit_2 PARTITION OF sk.visit FOR VALUES FROM (10) TO (20);
CREATE TABLE sk.visit_3 (place encsecret('sk_pii'), id int NOT NULL, person int);
ALTER TABLE sk.visit ATTACH PARTITION sk.visit_3 FOR VALUES FROM (20) TO (30);
INSERT INTO sk.visit SELECT i, 5, 'kanarialintu-place' FROM unnest('{1, 11, 21}'::int[]) i;
SELECT pg_temp.look();
SELECT id, pg_temp.key_of(place), place FROM sk.visit ORDER BY id;
UPDATE sk.visit SET id = 12, person = 1 WHERE id = 1;
SELECT id, pg_temp.key_of(place), place FROM sk.visit ORDER BY id;
SELECT gdpr.unprotect('sk.visit');
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'gdpr.seal_row'::regproc AND tgrelid::regclass::text LIKE 'sk.visit%';
-- what was there before gets the keys of its persons in bulk
CREATE TABLE sk.letter (id int PRIMARY KEY, person int REFERENCES sk.person, body encsecret('sk_pii'), words encsecret('sk_pii')[]);
INSERT INTO sk.letter VALUES (1, 5, 'kanarialintu-letter', NULL), (2, 1, 'kanarialintu-letter2', '{kanarialintu-word}'), (3, NULL, 'kanarialintu-letter', NULL);
SELECT gdpr.declare_link('sk.letter', '{person}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.protect('sk.letter', '{"subject_keys": true}');
SELECT id, pg_temp.key_of(body) FROM sk.letter ORDER BY id;
CALL gdpr.reencrypt('sk.letter');
SELECT id, pg_temp.key_of(body), body, words::text FROM sk.letter ORDER BY id;
CREATE TABLE sk.before_again AS SELECT id, ctid AS place FROM sk.letter;
CALL gdpr.reencrypt('sk.letter');
SELECT count(*) AS moved FROM sk.letter l JOIN sk.before_again b USING (id) WHERE l.ctid <> b.place;
-- values that came into another's row past the trigger are found
SET session_replication_role = replica;
UPDATE sk.letter SET body = (SELECT l.body FROM sk.letter l WHERE l.id = 2) WHERE id = 1;
INSERT INTO sk.letter SELECT 4, 5, v.v FROM (SELECT s.note AS v FROM sk.copied s WHERE s.id = 4) v;
INSERT INTO sk.letter VALUES (5, 1, 'kanarialintu-letter');
RESET session_replication_role;
SELECT * FROM gdpr.verify_values('sk.letter');
SELECT * FROM gdpr.verify_values('sk.copied');
SET ROLE sk_reader;
SELECT * FROM gdpr.verify_values('sk.letter');
RESET ROLE;
DELETE FROM sk.letter WHERE id > 3;
UPDATE sk.letter SET body = 'kanarialintu-letter' WHERE id = 1;
SELECT * FROM gdpr.verify_values('sk.letter') WHERE NOT good;
-- but not where the relation has no such keys: a copy keeps them
CREATE TABLE sk.letter_copy AS SELECT id, body FROM sk.letter;
CALL gdpr.reencrypt('sk.letter_copy');
SELECT id, pg_temp.key_of(body) FROM sk.letter_copy ORDER BY id;
-- the first encrypted column of a relation brings the trigger
CREATE TABLE sk.pet (id int PRIMARY KEY, person int REFERENCES sk.person);
SELECT gdpr.declare_link('sk.pet', '{person}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.protect('sk.pet', '{"subject_keys": true}');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'sk.pet'::regclass AND tgname LIKE '~%';
ALTER TABLE sk.pet ADD name enctext('sk_pii');
INSERT INTO sk.pet VALUES (1, 5, 'kanarialintu-dog');
SELECT pg_temp.key_of(name) FROM sk.pet;
-- nor does one that was there before
CREATE TABLE sk.late (id int PRIMARY KEY, person int REFERENCES sk.person, name enctext('sk_pii'));
CREATE TRIGGER "~z" BEFORE INSERT ON sk.late FOR EACH ROW EXECUTE FUNCTION sk.rename();
SELECT gdpr.declare_link('sk.late', '{person}', 'sk.person', '{id}', on_forget => 'delete');
SELECT gdpr.protect('sk.late', '{"subject_keys": true}');
-- values that need more room than a page
UPDATE sk.person SET note = repeat('kanarialintu-', 10000) WHERE id = 5;
SELECT id, pg_temp.key_of(note), length(note::text) FROM sk.person WHERE id = 5;

SELECT gdpr.unprotect(relation) FROM gdpr.protected WHERE relation::text LIKE 'sk.%';
DELETE FROM gdpr.subject_key WHERE id NOT IN (SELECT id FROM sk.others);
DROP SCHEMA sk CASCADE;
DROP ROLE sk_reader, sk_writer, sk_officer;
