-- The life of a key: rotated, retired, destroyed; values moved from one to the next.
\set VERBOSITY sqlstate
CREATE SCHEMA keys;
SET search_path = keys, public;
CREATE ROLE keys_reader;
CREATE ROLE keys_writer;
CREATE ROLE keys_owner;
CREATE ROLE keys_operator;
GRANT USAGE, CREATE ON SCHEMA keys TO keys_owner, keys_reader, keys_writer, keys_operator;
SELECT gdpr.create_context('keys_pii', '{keys_reader}');
SELECT gdpr.create_context('keys_other', '{keys_reader}');
SELECT gdpr.grant_context('keys_pii', 'keys_writer', 'write');
SELECT gdpr.grant_context('keys_pii', 'keys_owner', 'write'), gdpr.grant_context('keys_other', 'keys_owner', 'write');
SELECT gdpr.grant_duty('keys_operator', 'operator');
SELECT gdpr.grant_duty('keys_owner', 'operator');

CREATE VIEW versions AS
	SELECT context, version, status, available, values_left BETWEEN 2147480000 AND 2147483648 AS budget,
		root_id IS NOT NULL AS wrapped, root_fingerprint IS NOT NULL AS root
	FROM gdpr.key_status WHERE context LIKE 'keys%' ORDER BY 1, 2;
TABLE versions;

-- tables of every shape, of an owner who may write and may not read
SET ROLE keys_owner;
CREATE TYPE keys.pair AS (n int, e enctext('keys_pii'));
CREATE DOMAIN keys.mail AS enctext('keys_pii');
CREATE TABLE person (
	id int PRIMARY KEY,
	email keys.mail UNIQUE,
	note encsecret('keys_pii'),
	other enctext('keys_other'),
	tags enctext('keys_pii')[],
	pair keys.pair,
	touched int NOT NULL DEFAULT 0);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN NEW.touched = NEW.touched + 1; RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE ordering (id int, email keys.mail REFERENCES person (email));
INSERT INTO person SELECT i, 'kanarialintu-' || i, 'kanarialintu-note-' || i, 'kanarialintu-o',
		ARRAY['kanarialintu-a' || i, 'kanarialintu-b']::enctext('keys_pii')[],
		ROW(i, ('kanarialintu-p' || i)::enctext('keys_pii'))::keys.pair
	FROM generate_series(1, 20) i;
INSERT INTO person (id) VALUES (21);
INSERT INTO ordering SELECT i, 'kanarialintu-' || i FROM generate_series(1, 20) i;
GRANT SELECT, INSERT, UPDATE ON person TO keys_reader, keys_writer;
CREATE TABLE part (id int, email enctext('keys_pii')) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20);
INSERT INTO part SELECT i, 'kanarialintu-' || i FROM generate_series(0, 19) i;
GRANT SELECT ON part TO keys_reader;
CREATE TABLE plain (id int);
CREATE VIEW shown AS SELECT id, email FROM person;
RESET ROLE;

SET ROLE keys_reader;
CREATE TEMP TABLE before AS SELECT id, email::text, note::text, other::text, tags::text[], (pair).e::text AS pair FROM person;
RESET ROLE;

-- who may do what
SET ROLE keys_reader;
SELECT gdpr.rotate_context('keys_pii');
SELECT gdpr.retire_key('keys_pii', 1);
SELECT gdpr.destroy_key('keys_pii', 1);
SELECT gdpr.reload_keys();
SELECT gdpr.rewrap_keys();
SELECT gdpr.key_backup_challenge();
SELECT gdpr.confirm_key_backup('x');
CALL gdpr.reencrypt('person');
TABLE gdpr.key_event;
RESET ROLE;

-- a new key is new to new values only
SET ROLE keys_operator;
SELECT gdpr.rotate_context('keys_pii');
SELECT gdpr.rotate_context('keys_none');
SELECT gdpr.rotate_context('gdpr');
RESET ROLE;
TABLE versions;
CREATE FUNCTION by_version(relation regclass, column_name name) RETURNS SETOF text LANGUAGE sql AS
	$$SELECT concat_ws(' ', item, key_version, count) FROM gdpr.check_column($1, $2)
	WHERE item = 'decrypt by key version' OR item <> ALL ('{values,decrypt}') AND count > 0$$;
SET ROLE keys_writer;
INSERT INTO person (id, email) VALUES (22, 'kanarialintu-22');
RESET ROLE;
SELECT by_version('person', 'email');
SET ROLE keys_reader;
SELECT count(*) FROM person WHERE email = 'kanarialintu-7';
SELECT count(*) FROM person p JOIN person q USING (email);
RESET ROLE;

-- a transaction that is rolled back takes its key along
BEGIN;
SELECT gdpr.rotate_context('keys_pii');
INSERT INTO person (id, email) VALUES (23, 'kanarialintu-23');
SELECT by_version('person', 'email');
SAVEPOINT s;
SELECT gdpr.rotate_context('keys_pii');
INSERT INTO person (id, email) VALUES (24, 'kanarialintu-24');
ROLLBACK TO s;
INSERT INTO person (id, email) VALUES (24, 'kanarialintu-24');
SELECT by_version('person', 'email');
ROLLBACK;
INSERT INTO person (id, email) VALUES (23, 'kanarialintu-23');
SELECT by_version('person', 'email');

-- moving the old ones: what cannot be
CALL gdpr.reencrypt('plain');
CALL gdpr.reencrypt('shown');
CALL gdpr.reencrypt(NULL);
CALL gdpr.reencrypt('person', '{"batch_size": 0}');
CALL gdpr.reencrypt('person', '{"delay_ms": -1}');
CALL gdpr.reencrypt('person', '{"nonsense": 1}');
BEGIN;
CALL gdpr.reencrypt('person');
ROLLBACK;
SET default_transaction_isolation = 'repeatable read';
CALL gdpr.reencrypt('person');
RESET default_transaction_isolation;
SET ROLE keys_operator;
CALL gdpr.reencrypt('person');
RESET ROLE;

-- and what can: every place of the table, by its owner, who may not read
SET ROLE keys_owner;
CALL gdpr.reencrypt('person', '{"batch_size": 3}');
RESET ROLE;
SELECT leaf, state, rows_changed, rows_held, rows_unavailable, blocks_done = blocks_total AS whole
	FROM gdpr.reencrypt_progress ORDER BY leaf::text;
SELECT by_version('person', 'email');
SELECT by_version('person', 'note');
SELECT by_version('person', 'other');
SET ROLE keys_reader;
SELECT id, email::text, note::text, other::text, tags::text[], (pair).e::text AS pair FROM person WHERE id <= 21
	EXCEPT TABLE before;
SELECT count(*) FROM person WHERE email = 'kanarialintu-7';
RESET ROLE;
SET ROLE keys_writer;
INSERT INTO person (id, email) VALUES (99, 'kanarialintu-7'::text);
RESET ROLE;
SELECT max(touched) AS touched FROM person;
SELECT count(*) FROM person p JOIN ordering USING (email);
CALL gdpr.reencrypt('person');
SELECT leaf, state, rows_changed FROM gdpr.reencrypt_progress ORDER BY leaf::text;

-- destroying: only what is retired, for everybody, and used nowhere
SELECT gdpr.destroy_key('keys_pii', 2);
SELECT gdpr.destroy_key('keys_pii', 1);
SELECT gdpr.retire_key('keys_pii', 2);
SELECT gdpr.retire_key('keys_pii', 9);
BEGIN;
SELECT gdpr.retire_key('keys_pii', 1);
SELECT gdpr.destroy_key('keys_pii', 1);
ROLLBACK;
SELECT gdpr.retire_key('keys_pii', 1);
SELECT gdpr.retire_key('keys_pii', 1);
\set VERBOSITY default
SELECT gdpr.destroy_key('keys_pii', 1);
\set VERBOSITY sqlstate
SELECT gdpr.destroy_key('keys_pii', 1, '{"force": true}');

-- a stored form comes back under the primary key when its own is retired
SET ROLE keys_reader;
SET gdpr.output = ciphertext;
SELECT email AS stored FROM part WHERE id = 1 \gset
RESET gdpr.output;
RESET ROLE;
CREATE TABLE brought (email enctext('keys_pii'));
GRANT SELECT, INSERT ON brought TO keys_writer;
SET ROLE keys_writer;
INSERT INTO brought VALUES (:'stored'), (:'stored'::enctext), (:'stored'::text);
RESET ROLE;
SELECT by_version('brought', 'email');
BEGIN READ ONLY;
SELECT count(*) FROM part WHERE email = :'stored';
COMMIT;

SET ROLE keys_owner;
CALL gdpr.reencrypt('ordering');
CALL gdpr.reencrypt('part');
RESET ROLE;
SELECT leaf, relation, state, rows_changed FROM gdpr.reencrypt_progress ORDER BY leaf::text;
SELECT gdpr.destroy_key('keys_pii', 1);
TABLE versions;
SELECT gdpr.destroy_key('keys_pii', 1);
SELECT gdpr.retire_key('keys_pii', 1);
SET ROLE keys_reader;
SELECT id, email::text, note::text, other::text, tags::text[], (pair).e::text AS pair FROM person WHERE id <= 21
	EXCEPT TABLE before;
INSERT INTO person (id, email) VALUES (30, :'stored');
RESET ROLE;

-- losing values on purpose
SELECT gdpr.rotate_context('keys_other');
SELECT gdpr.retire_key('keys_other', 1);
SELECT gdpr.destroy_key('keys_other', 1);
SELECT gdpr.destroy_key('keys_other', 1, '{"lose_values": true}');
SET ROLE keys_reader;
SELECT other::text FROM person WHERE id = 1;
SELECT count(*) FROM person p JOIN person q USING (other);
RESET ROLE;
SET ROLE keys_owner;
CALL gdpr.reencrypt('person');
RESET ROLE;
SELECT leaf, state, rows_unavailable FROM gdpr.reencrypt_progress WHERE leaf = 'person'::regclass;

-- who did what
SELECT session_role = session_user AS me, action, kind, name, version FROM gdpr.key_event
	WHERE name LIKE 'keys%' ORDER BY happened_at;

-- wrapping by the primary root key: it is that already
SELECT kind, rewrapped, unchanged > 0 AS unchanged,
	EXISTS (SELECT FROM unnest(unavailable) u WHERE u LIKE 'keys%') AS unavailable FROM gdpr.rewrap_keys() WHERE kind <> 'epoch';
SELECT count(*) > 0 AS roots, bool_or(is_primary) AS has_primary FROM gdpr.reload_keys();
SELECT count(*) > 0 FROM gdpr.reload_keys('{"nonsense": 1}');

-- a copy of the root key is proved by an answer to a challenge
SELECT gdpr.key_backup_challenge() AS challenge \gset
SELECT :'challenge' ~ '^[0-9a-f]{16}-[0-9a-f]{32}-[0-9a-f]{16}$' AS form;
SELECT gdpr.confirm_key_backup(:'challenge');
SELECT gdpr.confirm_key_backup('');
SELECT gdpr.confirm_key_backup(:'challenge' || '.1.' || repeat('0', 64));
SELECT gdpr.confirm_key_backup(:'challenge' || '.nix.' || repeat('0', 64));
SELECT gdpr.confirm_key_backup(overlay(:'challenge' PLACING '0' FROM 16) || '.1.' || repeat('0', 64));
SELECT gdpr.confirm_key_backup(:'challenge' || '.' || repeat('i', 33) || '.' || repeat('0', 64));
SELECT count(*) FROM gdpr.key_confirmation;

RESET search_path;
SELECT gdpr.revoke_duty('keys_operator', 'operator'), gdpr.revoke_duty('keys_owner', 'operator');
DROP TABLE before;
DROP SCHEMA keys CASCADE;
SELECT gdpr.revoke_context('keys_pii', 'keys_reader'), gdpr.revoke_context('keys_other', 'keys_reader'),
	gdpr.revoke_context('keys_pii', 'keys_writer'), gdpr.revoke_context('keys_pii', 'keys_owner'),
	gdpr.revoke_context('keys_other', 'keys_owner');
DROP ROLE keys_reader, keys_writer, keys_owner, keys_operator;
