-- Views on a column that is converted are dropped and made again as they were.
CREATE SCHEMA cview;
SET search_path = cview, public;
SELECT gdpr.create_context('cview_pii', '{}');
CREATE ROLE cview_owner LOGIN;
CREATE ROLE cview_viewer LOGIN;
CREATE ROLE cview_app LOGIN;
CREATE ROLE cview_other LOGIN;
GRANT cview_viewer TO cview_owner;
GRANT ALL ON SCHEMA cview TO cview_owner, cview_viewer;
GRANT USAGE ON SCHEMA cview TO cview_app;
GRANT EXECUTE ON FUNCTION gdpr.encrypt_column, gdpr.decrypt_column, gdpr.cancel_conversion TO cview_owner;
GRANT EXECUTE ON PROCEDURE gdpr.convert_column TO cview_owner;
SELECT gdpr.grant_context('cview_pii', 'cview_owner', 'read');
SELECT gdpr.grant_context('cview_pii', 'cview_owner', 'write');
SET ROLE cview_owner;
CREATE TABLE person (id int PRIMARY KEY, email text, name varchar(30));
INSERT INTO person SELECT i, 'kanarialintu-' || i, 'kanarialintu-n' || i FROM generate_series(1, 5) i;
GRANT SELECT ON person TO cview_viewer WITH GRANT OPTION;
GRANT INSERT, UPDATE ON person TO cview_viewer;
ALTER DEFAULT PRIVILEGES IN SCHEMA cview GRANT DELETE ON TABLES TO cview_app;
SET ROLE cview_viewer;
CREATE VIEW "all of it" WITH (security_barrier, security_invoker = true) AS
	SELECT id, email AS "E-Mail", (email = 'kanarialintu-3') AS third FROM person;
ALTER VIEW "all of it" RENAME third TO "the third";
ALTER VIEW "all of it" ALTER id SET DEFAULT 7;
COMMENT ON VIEW "all of it" IS 'it is the owner''s';
COMMENT ON COLUMN "all of it"."E-Mail" IS 'where to write to';
GRANT SELECT ON "all of it" TO cview_app WITH GRANT OPTION;
GRANT UPDATE ("E-Mail") ON "all of it" TO cview_owner;
SET ROLE cview_app;
GRANT SELECT ON cview."all of it" TO cview_other;
SET ROLE cview_owner;
CREATE VIEW above AS SELECT a."E-Mail", p.name FROM "all of it" a JOIN person p USING (id) WHERE p.email <> 'kanarialintu-1';
CREATE VIEW few AS SELECT id, email FROM person WHERE id < 4 WITH LOCAL CHECK OPTION;
CREATE VIEW counts AS WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3)
	SELECT i, (SELECT count(DISTINCT email) FROM person) AS persons FROM n;
CREATE FUNCTION look() RETURNS TABLE (view text, owner name, options text[], acl text, columns text) LANGUAGE sql AS $$
	SELECT c.oid::regclass::text, c.relowner::regrole, c.reloptions, replace(c.relacl::text, 'Dxtm', 'Dxt'),
		(SELECT string_agg(concat_ws(' ', a.attname, a.attacl::text, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)), ', ' ORDER BY a.attnum)
			FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE a.attrelid = c.oid)
	FROM pg_class c WHERE c.relnamespace = 'cview'::regnamespace AND c.relkind = 'v' $$;
CREATE TABLE before AS SELECT * FROM look();
SELECT item, object, action, blocking FROM gdpr.encrypt_column('person', 'email', 'cview_pii', '{"dry_run": true}') WHERE item IN ('view', 'policy');
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('person', 'email', 'cview_pii');
TABLE before EXCEPT SELECT * FROM look();
SELECT * FROM look() ORDER BY view COLLATE "C";
SELECT obj_description('"all of it"'::regclass);
SELECT id, "E-Mail", "the third" FROM "all of it" ORDER BY id;
SELECT * FROM above ORDER BY name;
SELECT * FROM counts;
INSERT INTO few VALUES (0, 'kanarialintu-0');
\set VERBOSITY sqlstate
INSERT INTO few VALUES (9, 'kanarialintu-9');
\set VERBOSITY default

-- back, and while the table is in use
SELECT count(*) > 3 AS report FROM gdpr.decrypt_column('person', 'email', '{"online": true}');
CALL gdpr.convert_column('person', 'email');
TABLE before EXCEPT SELECT * FROM look();
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'above'::regclass AND attnum = 1;
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('person', 'email', 'cview_pii', '{"online": true}');
CALL gdpr.convert_column('person', 'email');
TABLE before EXCEPT SELECT * FROM look();
SELECT * FROM above ORDER BY name;
SELECT count(*) > 3 AS report FROM gdpr.decrypt_column('person', 'email');
TABLE before EXCEPT SELECT * FROM look();

-- beside the types, where names need no schema
RESET ROLE;
CREATE VIEW public.cview_shown AS SELECT email FROM person;
SELECT count(*) > 3 AS report FROM gdpr.encrypt_column('person', 'email', 'cview_pii');
SELECT oid::regclass FROM pg_class WHERE relname = 'cview_shown';
SELECT gdpr.grant_context('cview_pii', CURRENT_USER);
SELECT count(*) > 3 AS report FROM gdpr.decrypt_column('person', 'email');
SELECT gdpr.revoke_context('cview_pii', CURRENT_USER);
DROP VIEW public.cview_shown;
SET ROLE cview_owner;

-- what means nothing over encrypted values stops it, and nothing of the view is printed
CREATE VIEW pattern AS SELECT id FROM person WHERE email LIKE 'kanarialintu-%';
SELECT gdpr.encrypt_column('person', 'email', 'cview_pii');
SELECT gdpr.encrypt_column('person', 'email', 'cview_pii', '{"online": true}');
DROP VIEW pattern;
CREATE VIEW sorted AS SELECT id FROM person ORDER BY email;
SELECT gdpr.encrypt_column('person', 'email', 'cview_pii');
SELECT gdpr.encrypt_column('person', 'email', 'cview_pii', '{"online": true}');
DROP VIEW sorted;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attnum > 0 ORDER BY attnum;

-- what cannot be made again is in the way
CREATE FUNCTION f(above) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE RULE r AS ON INSERT TO few DO ALSO NOTHING;
CREATE FUNCTION body() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM counts; END;
CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER t INSTEAD OF INSERT ON "all of it" FOR EACH ROW EXECUTE FUNCTION t();
RESET ROLE;
GRANT ALL ON SCHEMA cview TO cview_other;
GRANT SELECT ON person TO cview_other;
SET ROLE cview_other;
CREATE VIEW foreigner AS SELECT email FROM person;
RESET ROLE;
SET ROLE cview_owner;
SELECT item, object, action FROM gdpr.encrypt_column('person', 'email', 'cview_pii', '{"dry_run": true}') WHERE blocking;
\set VERBOSITY sqlstate
SELECT gdpr.encrypt_column('person', 'email', 'cview_pii');
RESET ROLE;
SET client_min_messages = error;
DROP SCHEMA cview CASCADE;
DROP OWNED BY cview_owner, cview_viewer, cview_app, cview_other;
DROP ROLE cview_owner, cview_viewer, cview_app, cview_other;
