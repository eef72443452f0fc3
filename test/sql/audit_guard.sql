-- What nobody may do to the audit log and to what fills it, superusers included.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA aug;
CREATE TABLE aug.t (id int PRIMARY KEY, v text);
CREATE TABLE aug.kid () INHERITS (aug.t);
CREATE FUNCTION aug.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;

-- a trigger that took the name of ours
CREATE TRIGGER gdpr_audit AFTER INSERT ON aug.t FOR EACH ROW EXECUTE FUNCTION aug.nothing();
SELECT gdpr.protect('aug.t');
DROP TRIGGER gdpr_audit ON aug.t;
SELECT gdpr.protect('aug.t');
INSERT INTO aug.t VALUES (1, 'kanarialintu-a');
SELECT to_char(now() AT TIME ZONE 'UTC', '"gdpr.audit_log_"YYYYMMDD') AS today \gset

-- the log's tables
CREATE TRIGGER x BEFORE UPDATE ON :today FOR EACH ROW EXECUTE FUNCTION aug.nothing();
CREATE TABLE gdpr.audit_log_mine PARTITION OF gdpr.audit_log FOR VALUES FROM ('2040-01-01') TO ('2040-01-02');
ALTER TABLE :today SET SCHEMA aug;
ALTER TABLE :today OWNER TO pg_monitor;
ALTER TABLE :today RENAME COLUMN payload TO other;
ALTER TABLE gdpr.audit_log RENAME TO other;
ALTER TABLE :today DROP CONSTRAINT nosuch;
ALTER TABLE :today ENABLE ROW LEVEL SECURITY;
ALTER TRIGGER guard ON :today RENAME TO other;
MERGE INTO gdpr.audit_log l USING (VALUES (1)) v ON true WHEN MATCHED THEN DELETE;
WITH gone AS (DELETE FROM gdpr.audit_log RETURNING *) SELECT count(*) FROM gone;
CREATE VIEW aug.v AS SELECT * FROM gdpr.audit_log;
DELETE FROM aug.v;
DROP VIEW aug.v;
-- what takes nothing from it
ALTER TABLE :today SET (autovacuum_enabled = on);
ALTER TABLE :today RESET (autovacuum_enabled);
ALTER TABLE :today REPLICA IDENTITY FULL;

-- the functions, and what follows DDL
CREATE OR REPLACE FUNCTION gdpr.audit_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE OR REPLACE FUNCTION gdpr.audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
ALTER FUNCTION gdpr.audit_row() COST 5;
DROP FUNCTION gdpr.audit_row() CASCADE;
ALTER EVENT TRIGGER gdpr_audit_follow_ddl DISABLE;
ALTER EVENT TRIGGER gdpr_audit_follow_ddl ENABLE REPLICA;
-- nor are they moved away first, to make room for others
ALTER FUNCTION gdpr.audit_row() SET SCHEMA public;
ALTER FUNCTION gdpr.audit_row() RENAME TO other;
ALTER ROUTINE gdpr.audit_row() RENAME TO other;
ALTER FUNCTION gdpr.audit_row() OWNER TO pg_monitor;
ALTER FUNCTION gdpr.audit_row() DEPENDS ON EXTENSION plpgsql;
ALTER TRIGGER gdpr_audit ON aug.t DEPENDS ON EXTENSION plpgsql;
ALTER FUNCTION gdpr.audit_actor(bytea) COST 5;
CREATE OR REPLACE FUNCTION gdpr.audit_actor(actor bytea) RETURNS text LANGUAGE sql AS $$ SELECT 'somebody else' $$;
SET search_path = gdpr;
CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
ALTER FUNCTION audit_row() RENAME TO other;
RESET search_path;
ALTER SCHEMA gdpr RENAME TO other;
ALTER EVENT TRIGGER gdpr_audit_follow_ddl RENAME TO other;
ALTER EVENT TRIGGER gdpr_audit_follow_ddl OWNER TO CURRENT_USER;
DROP EVENT TRIGGER gdpr_audit_follow_ddl;
DROP EVENT TRIGGER IF EXISTS gdpr_audit_nothing, gdpr_audit_follow_ddl CASCADE;
-- nor taken out of the extension
ALTER EXTENSION gdpr_ext DROP FUNCTION gdpr.audit_row();
ALTER EXTENSION gdpr_ext DROP FUNCTION gdpr.audit_changes(bytea, bigint, timestamptz, integer, text[]);
ALTER EXTENSION gdpr_ext DROP EVENT TRIGGER gdpr_audit_follow_ddl;
ALTER EXTENSION gdpr_ext DROP VIEW gdpr.audit;
ALTER EXTENSION gdpr_ext DROP TABLE gdpr.audit_log;
ALTER EXTENSION gdpr_ext DROP SCHEMA gdpr;
DO $$ BEGIN EXECUTE 'ALTER EXTENSION gdpr_ext DROP TABLE gdpr.protected'; END $$;
-- unless the log may go anyway; what was taken out is not ours
BEGIN;
SET LOCAL gdpr.allow_drop = on;
ALTER EXTENSION gdpr_ext DROP VIEW gdpr.audit;
ALTER VIEW gdpr.audit RENAME TO other;
ROLLBACK;

-- what the log is read by, and what says what is recorded
CREATE OR REPLACE VIEW gdpr.audit AS SELECT 1 AS id;
SET search_path = gdpr;
CREATE OR REPLACE VIEW audit AS SELECT 1 AS id;
RESET search_path;
ALTER VIEW gdpr.audit RENAME TO other;
ALTER TABLE gdpr.audit RENAME TO other;
ALTER VIEW gdpr.audit RENAME COLUMN role TO other;
ALTER VIEW gdpr.audit SET SCHEMA aug;
ALTER VIEW gdpr.audit OWNER TO pg_monitor;
ALTER TABLE gdpr.audit OWNER TO CURRENT_USER;
ALTER VIEW gdpr.audit SET (security_invoker = on);
ALTER VIEW gdpr.audit ALTER COLUMN role SET DEFAULT 'x';
CREATE RULE r AS ON INSERT TO gdpr.audit DO INSTEAD NOTHING;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO gdpr.audit DO INSTEAD SELECT * FROM gdpr.audit WHERE false;
ALTER RULE "_RETURN" ON gdpr.audit RENAME TO other;
ALTER TABLE gdpr.protected RENAME TO other;
ALTER TABLE gdpr.audit_source SET SCHEMA aug;
CREATE RULE r AS ON INSERT TO gdpr.protected DO INSTEAD NOTHING;

-- others of the same names are nobody's concern
SET search_path = aug, gdpr;
CREATE OR REPLACE VIEW audit AS SELECT 1 AS id;
CREATE OR REPLACE VIEW audit AS SELECT 2 AS id;
ALTER VIEW audit RENAME TO audit_2;
CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE OR REPLACE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
ALTER FUNCTION audit_row() RENAME TO audit_row_2;
RESET search_path;
-- and no guard of the log
CREATE TRIGGER x BEFORE INSERT ON :today FOR EACH ROW EXECUTE FUNCTION aug.audit_guard();

-- the triggers
ALTER TABLE aug.t DISABLE TRIGGER gdpr_audit;
ALTER TABLE aug.t DISABLE TRIGGER gdpr_audit_truncate;
ALTER TABLE aug.t DISABLE TRIGGER ALL;
ALTER TABLE aug.t DISABLE TRIGGER USER;
ALTER TABLE aug.t ENABLE TRIGGER ALL;
ALTER TABLE aug.t ENABLE REPLICA TRIGGER gdpr_audit;
ALTER TABLE aug.t ENABLE TRIGGER gdpr_audit;
ALTER TABLE aug.kid DISABLE TRIGGER ALL;
DROP TRIGGER gdpr_audit ON aug.t;
DROP TRIGGER gdpr_audit ON aug.kid;
DROP TRIGGER IF EXISTS gdpr_audit_truncate ON aug.t CASCADE;
CREATE OR REPLACE TRIGGER gdpr_audit AFTER INSERT ON aug.t FOR EACH ROW EXECUTE FUNCTION aug.nothing();
ALTER TRIGGER gdpr_audit ON aug.t RENAME TO other;
DO $$ BEGIN EXECUTE 'ALTER TABLE aug.t DISABLE TRIGGER ALL'; END $$;
-- other triggers are nobody's concern
CREATE TRIGGER other AFTER INSERT ON aug.t FOR EACH ROW EXECUTE FUNCTION aug.nothing();
ALTER TABLE aug.t DISABLE TRIGGER other;
ALTER TABLE aug.t ENABLE TRIGGER other;
DROP TRIGGER other ON aug.t;

-- children that come while replication's role is set are recorded too
SET session_replication_role = replica;
CREATE TABLE aug.late () INHERITS (aug.t);
RESET session_replication_role;
INSERT INTO aug.late VALUES (2, 'kanarialintu-b');
-- the way out is listed, and recorded
SELECT * FROM gdpr.uninstall_plan() u WHERE u LIKE '%aug.%';
SELECT gdpr.unprotect('aug.t');
INSERT INTO aug.t VALUES (3, 'kanarialintu-c');
SELECT relation, operation FROM gdpr.audit WHERE relation LIKE 'aug.%' ORDER BY id;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'gdpr_audit%' AND tgrelid::regclass::text LIKE 'aug.%';
DROP SCHEMA aug CASCADE;
