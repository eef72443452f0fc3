-- Columns are converted while the table is in use.
CREATE SCHEMA online;
SET search_path = online, public;
SELECT gdpr.create_context('online_pii', '{}');
CREATE ROLE online_owner LOGIN;
CREATE ROLE online_app LOGIN;
CREATE ROLE online_other LOGIN;
GRANT ALL ON SCHEMA online TO online_owner;
GRANT USAGE ON SCHEMA online TO online_app;
GRANT EXECUTE ON FUNCTION gdpr.encrypt_column, gdpr.decrypt_column, gdpr.check_column, gdpr.cancel_conversion,
	gdpr.conversion_indexes TO online_owner, online_other;
GRANT EXECUTE ON PROCEDURE gdpr.convert_column TO online_owner, online_other;
SELECT gdpr.grant_context('online_pii', 'online_owner', 'read');
SELECT gdpr.grant_context('online_pii', 'online_owner', 'write');
SELECT gdpr.grant_context('online_pii', 'online_app', 'read');
SET ROLE online_owner;
CREATE TABLE customer (id int PRIMARY KEY, email varchar(50) DEFAULT 'none@example.com' NOT NULL, name text, note text);
INSERT INTO customer SELECT i, 'kanarialintu-' || i, CASE WHEN i % 10 > 0 THEN 'kanarialintu-n' || i END, 'x'
	FROM generate_series(1, 3000) i;
ALTER TABLE customer ADD CONSTRAINT customer_email_unique UNIQUE (email) DEFERRABLE;
CREATE INDEX customer_email ON customer (email, id DESC) INCLUDE (note) WITH (fillfactor = 80) WHERE note IS NOT NULL;
CREATE UNIQUE INDEX customer_lower ON customer (lower(note) text_pattern_ops, email, id);
COMMENT ON COLUMN customer.email IS 'where to write to';
COMMENT ON INDEX customer_email IS 'the index';
GRANT SELECT (id, email), INSERT (id, email), UPDATE (email) ON customer TO online_app;
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.note := ''touched''; RETURN new; END';
CREATE TRIGGER touched BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touched();
CREATE TABLE before AS SELECT * FROM customer;
SELECT item, object, action, blocking FROM gdpr.encrypt_column('customer', 'email', 'online_pii', '{"online": true, "dry_run": true}')
	WHERE item <> 'role';
SELECT count(*) > 5 AS report FROM gdpr.encrypt_column('customer', 'email', 'online_pii', '{"online": true}');
RESET ROLE;
SELECT relation, column_name, direction, phase, rows, percent, role, spare FROM gdpr.conversion_status;
SET ROLE online_owner;
\d customer

-- whoever writes, and whatever he says of the spare column
INSERT INTO customer (id, email) VALUES (3001, 'kanarialintu-3001');
INSERT INTO customer (id, email, gdpr_convert_2) VALUES (3002, 'kanarialintu-3002', 'kanarialintu-false');
UPDATE customer SET email = 'kanarialintu-changed' WHERE id = 1;
UPDATE customer SET gdpr_convert_2 = 'kanarialintu-false' WHERE id IN (1, 2);
INSERT INTO customer (id, email) VALUES (3, 'kanarialintu-three') ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email;
MERGE INTO customer c USING (VALUES (4, 'kanarialintu-four'), (3003, 'kanarialintu-3003')) v (id, email) ON c.id = v.id
	WHEN MATCHED THEN UPDATE SET email = v.email WHEN NOT MATCHED THEN INSERT (id, email) VALUES (v.id, v.email);
COPY customer (id, email) FROM stdin;
3004	kanarialintu-3004
\.
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO customer (id, email) VALUES (3005, 'kanarialintu-3005');
RESET session_replication_role;
-- a role that may not write to the context goes on until the swap
SET ROLE online_app;
INSERT INTO customer (id, email) VALUES (3006, 'kanarialintu-3006');
UPDATE customer SET email = 'kanarialintu-app' WHERE email = 'kanarialintu-5';
RESET ROLE;
SET ROLE online_owner;
SELECT count(*), count(gdpr_convert_2), count(*) FILTER (WHERE gdpr_convert_2::text <> email) AS different FROM customer;

-- the columns are taken
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'online_pii', '{"online": true}');
SELECT gdpr.encrypt_column('customer', 'email', 'online_pii');
ALTER TABLE customer RENAME email TO mail;
ALTER TABLE customer DROP email;
ALTER TABLE customer DROP email CASCADE;
ALTER TABLE customer ALTER email TYPE text;
ALTER TABLE customer DROP gdpr_convert_2 CASCADE;
ALTER TABLE customer DISABLE TRIGGER USER;
ALTER TABLE customer DISABLE TRIGGER "~gdpr_convert_2";
ALTER TABLE customer ENABLE TRIGGER "~gdpr_convert_2";
ALTER TABLE customer ENABLE ALWAYS TRIGGER "~gdpr_convert_2";
ALTER TABLE customer DISABLE TRIGGER touched;
ALTER TABLE customer ENABLE TRIGGER touched;
ALTER TRIGGER "~gdpr_convert_2" ON customer RENAME TO other;
DROP TRIGGER "~gdpr_convert_2" ON customer;
CREATE TRIGGER "~last" BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touched();
CALL gdpr.convert_column('customer', 'email');
DROP TRIGGER "~last" ON customer;
BEGIN;
CALL gdpr.convert_column('customer', 'email');
ROLLBACK;
CALL gdpr.convert_column('customer', 'email', '{"batch_size": 0}');
CALL gdpr.convert_column('customer', 'email', '{"size": 1}');
CALL gdpr.convert_column('customer', NULL);
CALL gdpr.convert_column('customer', 'name');
RESET ROLE;
SET ROLE online_other;
CALL gdpr.convert_column('online.customer', 'email');
SELECT gdpr.cancel_conversion('online.customer', 'email');
SELECT gdpr.conversion_indexes('online.customer', 'email');
RESET ROLE;
SET ROLE online_owner;
-- values, then indexes, then the swap
CALL gdpr.convert_column('customer', 'email', '{"batch_size": 100}');
\set VERBOSITY default
SELECT count(*), count(gdpr_convert_2), count(*) FILTER (WHERE gdpr_convert_2::text <> email) AS different,
	count(*) FILTER (WHERE note = 'touched') AS touched FROM customer;
SELECT * FROM gdpr.conversion_indexes('customer', 'email');
\o /dev/null
SELECT gdpr.conversion_indexes('customer', 'email') \gexec
\o
SELECT count(*) FROM gdpr.conversion_indexes('customer', 'email');
CALL gdpr.convert_column('customer', 'email');
RESET ROLE;
SELECT * FROM gdpr.conversion_status;
SET ROLE online_owner;
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attacl FROM pg_attribute
	WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT pg_get_indexdef(indexrelid), indisvalid, obj_description(indexrelid) FROM pg_index WHERE indrelid = 'customer'::regclass ORDER BY 1;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'customer'::regclass AND contype <> 'n' ORDER BY 1;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'customer'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT col_description('customer'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attname = 'email';
SELECT count(*) FROM customer c JOIN before b USING (id, name) WHERE c.email::text <> b.email;
SELECT id, email FROM customer c WHERE id > 3000 OR email IN ('kanarialintu-changed', 'kanarialintu-three', 'kanarialintu-four', 'kanarialintu-app') ORDER BY id;
SELECT item, count FROM gdpr.check_column('customer', 'email') WHERE count > 0;
INSERT INTO customer (id) VALUES (3007);
SELECT email FROM customer WHERE id = 3007;
\set VERBOSITY sqlstate
INSERT INTO customer (id, email) VALUES (3008, 'kanarialintu-3001');
INSERT INTO customer (id, email) VALUES (3008, NULL);
RESET ROLE;
SET ROLE online_app;
INSERT INTO online.customer (id, email) VALUES (3008, 'kanarialintu-3008');
SELECT email FROM online.customer WHERE id = 3006;
RESET ROLE;
\set VERBOSITY default

-- given up, at whatever point
SET ROLE online_owner;
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'name', 'online_pii', '{"online": true, "type": "encsecret"}');
SELECT gdpr.cancel_conversion('customer', 'name');
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'name', 'online_pii', '{"online": true}');
UPDATE customer SET name = 'kanarialintu-new' WHERE id = 7;
SELECT gdpr.cancel_conversion('customer', 'name');
\d customer
SELECT name FROM customer WHERE id IN (7, 8, 10) ORDER BY id;

-- a column that may be null, and back
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('customer', 'name', 'online_pii', '{"online": true, "type": "encsecret"}');
CALL gdpr.convert_column('customer', 'name', '{"batch_size": 17}');
SELECT count(*), count(name), count(*) FILTER (WHERE name::text = 'kanarialintu-n' || id) FROM customer;
SELECT count(*) > 3 AS report FROM gdpr.decrypt_column('customer', 'email', '{"online": true, "type": "varchar(5)"}');
\set VERBOSITY sqlstate
CALL gdpr.convert_column('customer', 'email');
UPDATE customer SET email = 'kanarialintu-6' WHERE id = 6;
\set VERBOSITY default
SELECT gdpr.cancel_conversion('customer', 'email');
SELECT count(*) > 3 AS report FROM gdpr.decrypt_column('customer', 'email', '{"online": true, "type": "varchar(50)"}');
UPDATE customer SET email = 'kanarialintu-back' WHERE id = 6;
-- who may not read has nothing decrypted for him: he could bring it from elsewhere
RESET ROLE;
SELECT gdpr.grant_context('online_pii', 'online_app', 'write');
SELECT gdpr.revoke_context('online_pii', 'online_app', 'read');
GRANT UPDATE (note) ON customer TO online_app;
SET ROLE online_app;
\set VERBOSITY sqlstate
INSERT INTO customer (id, email) VALUES (3010, 'kanarialintu-3010');
UPDATE customer SET email = 'kanarialintu-app' WHERE id = 8;
UPDATE customer SET note = 'y' WHERE id = 8;
RESET ROLE;
SET ROLE online_owner;
CALL gdpr.convert_column('customer', 'email');
\set VERBOSITY default
\o /dev/null
SELECT gdpr.conversion_indexes('customer', 'email') \gexec
\o
CALL gdpr.convert_column('customer', 'email');
SELECT count(*) > 2 AS report FROM gdpr.decrypt_column('customer', 'name', '{"online": true}');
CALL gdpr.convert_column('customer', 'name');
\d customer
SELECT id, name, email FROM customer WHERE id IN (6, 7, 8, 10, 3001) ORDER BY id;
SELECT count(*) FROM customer c JOIN before b USING (id) WHERE c.email = b.email AND c.name IS NOT DISTINCT FROM b.name;

-- large values, stored out of line
CREATE TABLE large (id int, e text, other text);
INSERT INTO large SELECT i, 'kanarialintu-' || string_agg(md5(i::text || j), ''), string_agg(md5(j::text || i), '')
	FROM generate_series(1, 20) i, generate_series(1, 1000) j GROUP BY i;
CREATE TABLE large_before AS SELECT * FROM large;
SELECT count(*) >= 3 AS report FROM gdpr.encrypt_column('large', 'e', 'online_pii', '{"online": true}');
UPDATE large SET other = 'kanarialintu-o' WHERE id = 7;
CALL gdpr.convert_column('large', 'e');
SELECT count(*) FROM large l JOIN large_before b USING (id) WHERE l.e::text = b.e AND (l.other = b.other OR id = 7);

-- partitions, with columns in another order, and indexes of their own
CREATE TABLE parted (id int, e text, n text NOT NULL) PARTITION BY LIST (id);
CREATE TABLE parted1 (n text NOT NULL, gone int, e text DEFAULT 'kanarialintu-d', id int);
ALTER TABLE parted1 DROP gone;
ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES IN (1);
CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2, 3) PARTITION BY LIST (id);
CREATE TABLE parted22 PARTITION OF parted2 FOR VALUES IN (2);
CREATE INDEX parted_e ON parted (e);
CREATE INDEX an_index_whose_name_is_so_long_that_nothing_fits_before_it ON parted1 (id, e);
CREATE UNIQUE INDEX parted1_own ON parted1 (e);
INSERT INTO parted SELECT i % 2 + 1, 'kanarialintu-' || i, 'kanarialintu-n' || i FROM generate_series(1, 400) i;
SELECT item, object, blocking FROM gdpr.encrypt_column('parted', 'e', 'online_pii', '{"online": true}') WHERE item <> 'role';
CREATE TABLE parted3 PARTITION OF parted FOR VALUES IN (4);
INSERT INTO parted VALUES (4, 'kanarialintu-4', 'kanarialintu-n4'), (1, NULL, 'kanarialintu-null');
INSERT INTO parted1 (id, n) VALUES (1, 'kanarialintu-default');
UPDATE parted SET id = 4 WHERE e = 'kanarialintu-1';
\set VERBOSITY sqlstate
ALTER TABLE parted DETACH PARTITION parted1;
ALTER TABLE parted1 DISABLE TRIGGER ALL;
CALL gdpr.convert_column('parted', 'e');
\set VERBOSITY default
SELECT * FROM gdpr.conversion_indexes('parted', 'e');
\o /dev/null
SELECT gdpr.conversion_indexes('parted', 'e') \gexec
\o
CALL gdpr.convert_column('parted', 'e');
SELECT a.attrelid::regclass, format_type(a.atttypid, a.atttypmod), i.indexrelid::regclass, i.indisvalid, i.indisunique
	FROM pg_attribute a JOIN pg_partition_tree('parted') t ON t.relid = a.attrelid
	LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey)
	WHERE a.attname = 'e' ORDER BY 1, 3;
SELECT id, count(*), count(e), count(*) FILTER (WHERE e = replace(n, '-n', '-')) AS as_before FROM parted GROUP BY id ORDER BY id;
INSERT INTO parted1 (id, n) VALUES (1, 'kanarialintu-default');
INSERT INTO parted (id, n, e) VALUES (1, 'kanarialintu-one', 'kanarialintu-one');
SELECT id, e FROM parted WHERE e IN ('kanarialintu-d', 'kanarialintu-one', 'kanarialintu-1', 'kanarialintu-4') ORDER BY e::text, id;

-- what cannot be carried over stops it before it begins
CREATE TABLE stops (e text PRIMARY KEY, f text, g text);
CREATE TABLE below () INHERITS (stops);
ALTER TABLE below ADD UNIQUE (e);
CREATE TABLE refers (e text REFERENCES stops);
CREATE VIEW shows AS SELECT f FROM stops;
CREATE SEQUENCE numbers OWNED BY stops.f;
CREATE TRIGGER "~~" BEFORE INSERT ON stops FOR EACH ROW EXECUTE FUNCTION touched();
ALTER TABLE parted ADD UNIQUE (id, n);
SELECT item, object, action FROM gdpr.encrypt_column('stops', 'e', 'online_pii', '{"online": true, "dry_run": true}') WHERE blocking;
SELECT item, object, action FROM gdpr.encrypt_column('stops', 'f', 'online_pii', '{"online": true, "dry_run": true}') WHERE blocking;
SELECT item, object, action FROM gdpr.encrypt_column('parted', 'n', 'online_pii', '{"online": true, "dry_run": true}') WHERE blocking;
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('stops', 'e', 'online_pii', '{"online": true}');
SELECT gdpr.encrypt_column('parted1', 'e', 'online_pii', '{"online": true}');
RESET ROLE;
SET client_min_messages = error;
CREATE PUBLICATION online_pub FOR TABLE customer (id, email);
RESET client_min_messages;
SET ROLE online_owner;
SELECT item, object, action FROM gdpr.encrypt_column('customer', 'email', 'online_pii', '{"online": true, "dry_run": true}') WHERE blocking;
SELECT item, object, action FROM gdpr.encrypt_column('customer', 'name', 'online_pii', '{"online": true, "dry_run": true}') WHERE blocking;
-- a reader's right is asked before anything is begun, and a writer's
RESET ROLE;
DROP PUBLICATION online_pub;
CREATE TABLE others (e text, c enctext('online_pii'));
ALTER TABLE others OWNER TO online_other;
GRANT ALL ON SCHEMA online TO online_other;
SET ROLE online_other;
SELECT gdpr.encrypt_column('online.others', 'e', 'online_pii', '{"online": true}');
SELECT gdpr.decrypt_column('online.others', 'c', '{"online": true}');
RESET ROLE;
SELECT attname FROM pg_attribute WHERE attrelid = 'others'::regclass AND attnum > 0;
-- a trigger of the function without a conversion does nothing but fail
CREATE TABLE fakes (e text, f text);
CREATE TRIGGER t BEFORE INSERT ON fakes FOR EACH ROW EXECUTE FUNCTION gdpr.convert_row('f');
INSERT INTO fakes VALUES ('x', 'y');
-- a table that goes takes its conversion along
CREATE TABLE goes (e text);
SELECT count(*) > 1 AS report FROM gdpr.encrypt_column('goes', 'e', 'online_pii', '{"online": true}');
DROP TABLE goes;
SELECT count(*) FROM gdpr.conversion;

SET client_min_messages = error;
DROP SCHEMA online CASCADE;
DROP OWNED BY online_owner, online_app, online_other;
DROP ROLE online_owner, online_app, online_other;
