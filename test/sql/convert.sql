-- Columns are encrypted and decrypted in place.
CREATE SCHEMA convert;
SET search_path = convert, public;
CREATE EXTENSION citext SCHEMA convert;
SELECT gdpr.create_context('convert_pii', '{}');
CREATE ROLE convert_owner LOGIN;
CREATE ROLE convert_app LOGIN;
CREATE ROLE convert_other LOGIN;
GRANT ALL ON SCHEMA convert TO convert_owner;
GRANT USAGE ON SCHEMA convert TO convert_app;
GRANT EXECUTE ON FUNCTION gdpr.encrypt_column, gdpr.decrypt_column, gdpr.check_column TO convert_owner, convert_other;
GRANT EXECUTE ON PROCEDURE gdpr.convert_column TO convert_owner;
SELECT gdpr.grant_context('convert_pii', 'convert_owner', 'read');
SELECT gdpr.grant_context('convert_pii', 'convert_owner', 'write');
SET ROLE convert_owner;
CREATE TABLE customer (id int PRIMARY KEY, email varchar(50) DEFAULT 'none@example.com' NOT NULL,
	name text, nick citext, code char(5), ref int);
INSERT INTO customer SELECT i, 'kanarialintu-' || i, 'kanarialintu-n' || i, 'kanarialintu-k' || i, 'c' || i, i
	FROM generate_series(1, 100) i;
INSERT INTO customer (id, name) VALUES (101, '');
CREATE UNIQUE INDEX customer_email ON customer (email);
CREATE INDEX customer_email_like ON customer (email varchar_pattern_ops);
CREATE INDEX customer_email_lower ON customer (lower(email));
CREATE INDEX customer_email_partial ON customer (id) WHERE email <> 'x';
CREATE INDEX customer_email_c ON customer (email COLLATE "C");
CREATE INDEX customer_name ON customer (name, id DESC) WHERE ref IS NOT NULL;
CREATE INDEX customer_hash ON customer USING hash (name);
ALTER TABLE customer ADD CONSTRAINT has_dash CHECK (email LIKE '%-%' OR id > 100);
ALTER TABLE customer ADD upper_name text GENERATED ALWAYS AS (upper(name)) STORED;
CREATE VIEW v AS SELECT id, email FROM customer;
CREATE VIEW v2 AS SELECT * FROM v;
CREATE MATERIALIZED VIEW mv AS SELECT email FROM customer;
CREATE TABLE orders (email varchar(50) REFERENCES customer (email));
CREATE STATISTICS st ON email, name FROM customer;
CREATE POLICY p ON customer USING (email = current_user);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER tr BEFORE UPDATE OF email ON customer FOR EACH ROW EXECUTE FUNCTION f();
CREATE FUNCTION body() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM customer WHERE email = 'x'; END;
CREATE RULE r AS ON UPDATE TO customer WHERE old.email = 'x' DO NOTHING;
GRANT SELECT ON customer TO convert_app;
ANALYZE customer;

-- the report: what there is, what becomes of it, what stands in the way
CREATE FUNCTION shown(action text) RETURNS text LANGUAGE sql AS
	$$SELECT regexp_replace(regexp_replace(action, '[0-9]+ kB', 'N kB'), 'about [0-9]+ s$', 'about N s')$$;
SELECT item, object, shown(action) AS action, blocking
	FROM gdpr.encrypt_column('customer', 'email', 'convert_pii', '{"dry_run": true}')
	WHERE item <> 'role' OR object LIKE 'convert%';
-- in the way: nothing is changed, nothing dropped
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'convert_pii');
\set VERBOSITY default
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attname = 'email';
DROP VIEW v CASCADE;
DROP MATERIALIZED VIEW mv;
DROP TABLE orders;
DROP STATISTICS st;
DROP POLICY p ON customer;
DROP TRIGGER tr ON customer;
DROP FUNCTION body;
DROP RULE r ON customer;
DROP INDEX customer_email_like, customer_email_lower, customer_email_partial, customer_email_c;
ALTER TABLE customer DROP CONSTRAINT has_dash;
SELECT item, object, blocking FROM gdpr.encrypt_column('customer', 'email', 'convert_pii')
	WHERE item <> 'role' OR object LIKE 'convert%';
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
	WHERE attrelid = 'customer'::regclass AND attnum = 2;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'customer'::regclass ORDER BY 1;
SELECT id, email FROM customer WHERE email = 'kanarialintu-5';
INSERT INTO customer (id, email) VALUES (102, 'kanarialintu-5');
INSERT INTO customer (id) VALUES (102);
SELECT email FROM customer WHERE id = 102;
DELETE FROM customer WHERE id = 102;
SELECT * FROM gdpr.check_column('customer', 'email');
-- a generated column stands in the way of the column that it reads, and cannot be encrypted
SELECT item, object, action, blocking FROM gdpr.encrypt_column('customer', 'name', 'convert_pii', '{"dry_run": true}') WHERE blocking;
SELECT item, object, action, blocking FROM gdpr.encrypt_column('customer', 'upper_name', 'convert_pii', '{"dry_run": true}') WHERE blocking;
ALTER TABLE customer DROP upper_name;
SELECT item, object FROM gdpr.encrypt_column('customer', 'name', 'convert_pii') WHERE item = 'index';
SELECT count(*) FROM gdpr.encrypt_column('customer', 'nick', 'convert_pii') WHERE item = 'column';
SELECT count(*) FROM gdpr.encrypt_column('customer', 'code', 'convert_pii', '{"type": "encsecret"}') WHERE item = 'column';
SELECT id, email, name = '' AS empty, nick, code FROM customer WHERE id IN (5, 101) ORDER BY id;
SELECT gdpr.check_column('customer', 'code');

-- refused
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('customer', 'email', 'convert_pii');
SELECT gdpr.encrypt_column('customer', 'ref', 'convert_pii');
SELECT gdpr.encrypt_column('customer', 'nothing', 'convert_pii');
SELECT gdpr.encrypt_column('customer', 'ctid', 'convert_pii');
SELECT gdpr.encrypt_column('customer', 'email', 'convert_nothing');
SELECT gdpr.encrypt_column('customer', NULL, 'convert_pii');
SELECT gdpr.encrypt_column('customer_name', 'name', 'convert_pii');
CREATE TABLE more (t text, u text);
SELECT gdpr.encrypt_column('more', 't', 'convert_pii', '{"typ": "enctext"}');
SELECT gdpr.encrypt_column('more', 't', 'convert_pii', '{"type": "text"}');
SELECT gdpr.encrypt_column('more', 't', 'convert_pii', '{"dry_run": "yes"}');
SELECT gdpr.encrypt_column('more', 't', 'convert_pii', '[]');
SELECT gdpr.decrypt_column('more', 't');
SELECT gdpr.check_column('more', 't');
SELECT gdpr.check_column('more', 'nothing');
RESET ROLE;
SET ROLE convert_other;
SELECT gdpr.encrypt_column('convert.more', 't', 'convert_pii');
SELECT gdpr.decrypt_column('convert.customer', 'email');
SELECT gdpr.check_column('convert.customer', 'email');
SET ROLE convert_app;
SELECT gdpr.encrypt_column('convert.more', 't', 'convert_pii');
RESET ROLE;
ALTER TABLE more OWNER TO convert_other;
GRANT USAGE, CREATE ON SCHEMA convert TO convert_other;
INSERT INTO more VALUES ('kanarialintu-t', 'kanarialintu-u');
SET ROLE convert_other;
SELECT gdpr.encrypt_column('convert.more', 't', 'convert_pii');
RESET ROLE;
SELECT gdpr.grant_context('convert_pii', 'convert_other', 'write');
SET ROLE convert_other;
SELECT count(*) FROM gdpr.encrypt_column('convert.more', 't', 'convert_pii') WHERE item = 'column';
SELECT gdpr.decrypt_column('convert.more', 't');
SELECT t = 'kanarialintu-t' FROM convert.more;
SELECT item, count FROM gdpr.check_column('convert.more', 't') LIMIT 2;
RESET ROLE;

-- and back
SET ROLE convert_owner;
SELECT gdpr.decrypt_column('customer', 'email', '{"type": "int"}');
SELECT gdpr.decrypt_column('customer', 'email', '{"type": "varchar(5)"}');
SELECT item, object, action FROM gdpr.decrypt_column('customer', 'email', '{"dry_run": true}') WHERE item = 'default' OR blocking;
-- a default that is no plain expression has to go before
ALTER TABLE customer ALTER email SET DEFAULT CASE WHEN true THEN 'kanarialintu-d'::text::enctext('convert_pii') END;
SELECT item, action FROM gdpr.decrypt_column('customer', 'email', '{"dry_run": true}') WHERE blocking;
ALTER TABLE customer ALTER email SET DEFAULT 'kanarialintu-d'::text::enctext('convert_pii');
SELECT gdpr.decrypt_column('customer', 'email', '{"type": "varchar(5)"}');
SELECT count(*) FROM gdpr.decrypt_column('customer', 'email', '{"type": "varchar(50)"}') WHERE item = 'column';
SELECT count(*) FROM gdpr.decrypt_column('customer', 'name') WHERE item = 'column';
SELECT count(*) FROM gdpr.decrypt_column('customer', 'nick', '{"type": "citext"}') WHERE item = 'column';
SELECT count(*) FROM gdpr.decrypt_column('customer', 'code', '{"type": "char(5)"}') WHERE item = 'column';
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
	WHERE attrelid = 'customer'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'customer'::regclass;
SELECT count(*) FROM customer WHERE email = 'kanarialintu-' || id AND name = 'kanarialintu-n' || id
	AND nick::text = 'kanarialintu-k' || id AND code = 'c' || id;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'customer'::regclass ORDER BY 1;

-- a column of each plain type becomes what fits it, there and back
CREATE TABLE kinds (id int, i2 int2, i4 int4 DEFAULT 5, i8 int8, n numeric(10,2), f4 float4, f8 float8, d date,
	ts timestamp, tz timestamptz, j json, jb jsonb DEFAULT '{}', b bytea, ci citext UNIQUE, k int UNIQUE, u uuid);
SET timezone = 'UTC';
INSERT INTO kinds VALUES (1, 1, 4, 8, 1.20, 0.1, 0.1::float8 + 0.2, '2020-02-03', '2020-02-03 04:05', '2020-02-03 04:05+00',
	'{"b": 1, "a": 2}', '{"b": 1}', '\xff00', 'kanarialintu-Aino', 1);
CREATE TABLE kinds_before AS TABLE kinds;
SELECT c, (SELECT string_agg(split_part(action, ' becomes ', 2), '; ') FROM gdpr.encrypt_column('kinds', c, 'convert_pii')
	WHERE item = 'column') AS becomes
	FROM unnest('{i2,i4,i8,n,f4,f8,d,ts,tz,j,jb,b,ci}'::name[]) c;
INSERT INTO kinds (id, ci) VALUES (2, 'KANARIALINTU-aino');
INSERT INTO kinds (id) VALUES (3);
SELECT i4, jb FROM kinds WHERE id = 3;
DELETE FROM kinds WHERE id = 3;
-- no index on a type without equality, no type for uuid, no type that does not fit
SELECT item, object, action, blocking FROM gdpr.encrypt_column('kinds', 'k', 'convert_pii', '{"dry_run": true}') WHERE item = 'index';
SELECT gdpr.encrypt_column('kinds', 'k', 'convert_pii');
SELECT gdpr.encrypt_column('kinds', 'u', 'convert_pii');
SELECT gdpr.encrypt_column('kinds', 'k', 'convert_pii', '{"type": "encdate"}');
SELECT gdpr.encrypt_column('kinds', 'k', 'convert_pii', '{"type": "int"}');
SELECT gdpr.decrypt_column('kinds', 'b', '{"type": "int"}');
SELECT gdpr.decrypt_column('kinds', 'b', '{"type": "enctext(''convert_pii'')"}');
ALTER TABLE kinds ALTER i4 DROP DEFAULT, ALTER jb DROP DEFAULT;
-- PostgreSQL 18 prints json without its schema.
SELECT c, (SELECT string_agg(replace(split_part(action, ' becomes ', 2), 'pg_catalog.', ''), '; ') FROM gdpr.decrypt_column('kinds', c,
	CASE WHEN t IS NULL THEN '{}' ELSE jsonb_build_object('type', t) END) WHERE item = 'column') AS becomes
	FROM unnest('{i2,i4,i8,n,f4,f8,d,ts,tz,j,jb,b,ci}'::name[],
		'{int2,int4,NULL,"numeric(10,2)",float4,float8,NULL,timestamp,NULL,json,NULL,NULL,citext}'::text[]) x(c, t);
SELECT (k::text)::jsonb #- '{j}' = (o::text)::jsonb #- '{j}' AS same FROM
	(SELECT row_to_json(kinds) AS k FROM kinds) a, (SELECT row_to_json(kinds_before) AS o FROM kinds_before) b;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = 'kinds'::regclass AND attnum > 0 ORDER BY attnum;

-- partitions and children go with their parent
CREATE TABLE parted (id int, e text) PARTITION BY LIST (id);
CREATE TABLE parted1 (e text, id int);
ALTER TABLE parted ATTACH PARTITION parted1 FOR VALUES IN (1);
INSERT INTO parted VALUES (1, 'kanarialintu-a');
SELECT gdpr.encrypt_column('parted1', 'e', 'convert_pii');
SELECT item, object FROM gdpr.encrypt_column('parted', 'e', 'convert_pii') WHERE item IN ('lock', 'partition');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'parted1'::regclass AND attname = 'e';
CREATE TABLE by_value (e text) PARTITION BY HASH (e);
SELECT gdpr.encrypt_column('by_value', 'e', 'convert_pii');
CREATE TABLE old (id int, e text);
CREATE TABLE older () INHERITS (old);
INSERT INTO older VALUES (1, 'kanarialintu-a');
SELECT count(*) FROM gdpr.encrypt_column('old', 'e', 'convert_pii') WHERE item = 'column';
SELECT e FROM older;
-- arrays and domains go back, too
CREATE DOMAIN mail AS enctext('convert_pii');
CREATE DOMAIN mails AS enctext('convert_pii')[];
CREATE TYPE pair AS (a int, b enctext('convert_pii'));
CREATE TABLE shapes (m mail, l enctext('convert_pii')[], ml mail[], s mails, p pair, d enctext('convert_pii') DEFAULT 'kanarialintu-d'::text);
INSERT INTO shapes VALUES ('kanarialintu-m', '{kanarialintu-1,NULL}', '{kanarialintu-2}', '{kanarialintu-3}', (1, 'kanarialintu-p')::pair);
SELECT action FROM gdpr.decrypt_column('shapes', 'm') WHERE item = 'column';
SELECT action FROM gdpr.decrypt_column('shapes', 'l', '{"type": "varchar(20)"}') WHERE item = 'column';
SELECT action FROM gdpr.decrypt_column('shapes', 'ml') WHERE item = 'column';
SELECT action FROM gdpr.decrypt_column('shapes', 's', '{"online": true}') WHERE item = 'column';
CALL gdpr.convert_column('shapes', 's');
SELECT gdpr.decrypt_column('shapes', 'p');
SELECT action FROM gdpr.decrypt_column('shapes', 'd') WHERE item IN ('column', 'default');
\d shapes
SELECT m, l, ml, s, d FROM shapes;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA convert CASCADE;
DROP OWNED BY convert_owner, convert_app, convert_other;
DROP ROLE convert_owner, convert_app, convert_other;
