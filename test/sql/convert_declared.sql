-- Everything that is declared about a column goes on meaning it while it is
-- converted, and after.
CREATE SCHEMA cdecl;
SET search_path = cdecl, public;
SELECT gdpr.create_context('cdecl_pii', ARRAY[CURRENT_USER]);
SELECT gdpr.grant_context('cdecl_pii', CURRENT_USER, 'write');
CREATE ROLE cdecl_desk LOGIN;
CREATE ROLE cdecl_stats LOGIN;
GRANT USAGE ON SCHEMA cdecl TO cdecl_desk, cdecl_stats;
SELECT gdpr.grant_context('cdecl_pii', 'cdecl_desk', 'read');
SELECT gdpr.grant_context('cdecl_pii', 'cdecl_desk', 'write');
CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL, name text, since date NOT NULL DEFAULT '2015-01-01');
CREATE TABLE ticket (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, mail text);
INSERT INTO customer SELECT i, 'kanarialintu-' || i, 'kanarialintu-n' || i FROM generate_series(1, 20) i;
INSERT INTO ticket SELECT i, i, 'kanarialintu-' || i FROM generate_series(1, 20) i;
SELECT gdpr.declare_subject('cdecl', 'customer');
SELECT gdpr.declare_column('customer', 'email', 'email', mask => 'pseudonym', options => '{"label": "E-mail"}');
SELECT gdpr.declare_column('customer', 'name', 'name', mask => 'null');
SELECT gdpr.declare_column('ticket', 'mail', 'email', mask => 'null');
SELECT gdpr.approve_map('cdecl');
SELECT gdpr.protect('customer');
SELECT count(*) > 0 AS rules FROM gdpr.allow('cdecl_desk', 'customer', '{email}', '{SELECT,UPDATE}', '{"others": "keep", "filter": "id <> 9"}');
SELECT count(*) > 0 AS rules FROM gdpr.allow('cdecl_stats', 'customer', '{}');
SELECT gdpr.set_retention('customer', '20 years', 'since') > 0 AS rule;
CREATE FUNCTION hash() RETURNS text LANGUAGE sql AS $$ SELECT gdpr.map_hash('cdecl') $$;
CREATE TABLE before AS SELECT hash();
CREATE FUNCTION writes() RETURNS TABLE (operation text, columns text[], changes jsonb) LANGUAGE sql AS $$
	SELECT operation, columns, changes FROM gdpr.audit WHERE relation = 'cdecl.customer' AND operation IN ('insert', 'update', 'delete') ORDER BY id $$;
CREATE FUNCTION seen() RETURNS TABLE (role text, columns text) LANGUAGE sql AS $$
	SELECT r.rolname, string_agg(a.attname, ' ' ORDER BY a.attname) FROM pg_roles r, pg_attribute a
	WHERE r.rolname ^@ 'cdecl_' AND a.attrelid = 'cdecl.customer'::regclass AND a.attnum > 0 AND NOT a.attisdropped
		AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'SELECT') GROUP BY 1 ORDER BY 1 $$;
SELECT * FROM seen();

SELECT count(*) > 2 AS report FROM gdpr.encrypt_column('customer', 'email', 'cdecl_pii', '{"online": true}');
SELECT * FROM seen();
SELECT hash() = hash AS same_map FROM before;
SET ROLE cdecl_desk;
UPDATE customer SET email = 'kanarialintu-desk' WHERE id IN (2, 9);
RESET ROLE;
-- a declaration that changes has the grants made anew: the spare column is as personal
SELECT gdpr.declare_column('customer', 'name', 'name', mask => 'null', options => '{"label": "Name"}');
SELECT * FROM seen();
SELECT gdpr_export('2', 'cdecl')->'data'->'cdecl.customer' AS row;
SELECT gdpr_forget('3', 'cdecl')->>'level' AS level;
CALL gdpr.convert_column('customer', 'email');
SELECT * FROM seen();
SELECT hash() = hash AS same_map FROM before;
-- the conversion is no write, and the spare column no column
SELECT * FROM writes();
SET ROLE cdecl_desk;
SELECT id, email FROM customer WHERE id IN (2, 9);
UPDATE customer SET email = 'kanarialintu-again' WHERE id = 2;
RESET ROLE;
SET ROLE cdecl_stats;
SELECT id FROM cdecl.customer WHERE id = 2;
\set VERBOSITY sqlstate
SELECT email FROM cdecl.customer WHERE id = 2;
\set VERBOSITY default
RESET ROLE;
SELECT operation, columns, changes->'email'->>0 ^@ 'gdpr:' AS sealed FROM writes() OFFSET 2;
SELECT relation, column_name, category, mask, label FROM gdpr.personal_column WHERE relation::text ~ 'customer$' ORDER BY 2;
SELECT gdpr_export('2', 'cdecl')->'data'->'cdecl.customer' AS row;
SELECT gdpr_forget('4', 'cdecl')->>'level' AS level;
SELECT id, email::text ~ '^kanarialintu' AS plain, name FROM customer WHERE id IN (3, 4, 5) ORDER BY id;

-- and back
SELECT count(*) > 2 AS report FROM gdpr.decrypt_column('customer', 'email', '{"online": true}');
SELECT * FROM seen();
SELECT count(*) > 0 AS rules FROM gdpr.allow('cdecl_stats', 'customer', '{}');
SELECT * FROM seen();
CALL gdpr.convert_column('customer', 'email');
SELECT * FROM seen();
SELECT hash() = hash AS same_map FROM before;
SELECT id, email FROM customer WHERE id IN (1, 2) ORDER BY id;
SELECT gdpr.release('customer');
SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'customer'::regclass AND attacl IS NOT NULL;
SELECT gdpr.unprotect('customer');
SELECT gdpr.undeclare_subject('cdecl');
SET client_min_messages = error;
DROP SCHEMA cdecl CASCADE;
DROP OWNED BY cdecl_desk, cdecl_stats;
DROP ROLE cdecl_desk, cdecl_stats;
