-- Duties: what a plain role, an officer, an auditor, an operator and the one
-- who makes backups may do; and that no function of ours was forgotten.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE duty_nobody;
CREATE ROLE duty_officer;
CREATE ROLE duty_auditor;
CREATE ROLE duty_operator;
CREATE ROLE "duty ""Backup""";
CREATE SCHEMA duty;
CREATE TABLE duty.person (id integer PRIMARY KEY, name text);
ALTER TABLE duty.person OWNER TO duty_operator;
GRANT USAGE ON SCHEMA duty TO duty_operator;

SELECT gdpr.grant_duty('duty_officer', 'officer');
SELECT gdpr.grant_duty('duty_auditor', 'auditor');
SELECT gdpr.grant_duty(role => 'duty_operator', duty => 'operator');
SELECT gdpr.grant_duty('duty "Backup"', 'backup');
-- twice is once
SELECT gdpr.grant_duty('duty_officer', 'officer');
SELECT role, duty, granted_by = session_user FROM gdpr.duty_grant WHERE role LIKE 'duty%' ORDER BY role;

SELECT gdpr.grant_duty('duty_missing', 'officer');
SELECT gdpr.grant_duty('public', 'officer');
SELECT gdpr.grant_duty('duty_nobody', 'king');
SELECT gdpr.grant_duty('duty_nobody', '');
SELECT gdpr.grant_duty('duty_nobody; DROP TABLE gdpr.link', 'officer');
SELECT gdpr.grant_duty(NULL, 'officer');
SELECT gdpr.revoke_duty('duty_missing', 'officer');
SELECT gdpr.revoke_duty('duty_officer', NULL);
-- a renamed role loses its duty by its new name
ALTER ROLE duty_officer RENAME TO duty_officer2;
SELECT gdpr.revoke_duty('duty_officer', 'officer');
SELECT gdpr.revoke_duty('duty_officer2', 'officer');
SELECT has_function_privilege('duty_officer2', 'gdpr.data_map(name)', 'EXECUTE');
ALTER ROLE duty_officer2 RENAME TO duty_officer;
SELECT gdpr.grant_duty('duty_officer', 'officer');

CREATE TEMP VIEW ours AS
	SELECT p.oid, p.oid::regprocedure::text AS name, p.prorettype
	FROM pg_proc p
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
	WHERE e.extname = 'gdpr_ext';
-- every function is for PUBLIC or in a duty, except triggers, the guard of the
-- script, and the giving of duties itself
SELECT name FROM ours
WHERE prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
	AND NOT has_function_privilege('duty_nobody', oid, 'EXECUTE')
	AND NOT has_function_privilege('duty_officer', oid, 'EXECUTE')
	AND NOT has_function_privilege('duty_auditor', oid, 'EXECUTE')
	AND NOT has_function_privilege('duty_operator', oid, 'EXECUTE')
ORDER BY name COLLATE "C";
-- whoever has no duty calls no verb of the DBA's and reads no table
SELECT name FROM ours WHERE has_function_privilege('duty_nobody', oid, 'EXECUTE')
	AND name ~ '(declare|approve|map|duty|forget|export|create_|grant_|revoke_|crypt_column)' ORDER BY 1;
SELECT oid::regclass FROM pg_class
WHERE relnamespace = 'gdpr'::regnamespace AND relkind IN ('r', 'v', 'p', 'm')
	AND (has_table_privilege('duty_nobody', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
		OR has_table_privilege('duty_officer', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
		OR has_table_privilege('duty_operator', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
		OR has_table_privilege('duty "Backup"', oid, 'INSERT, UPDATE, DELETE, TRUNCATE'));
SELECT count(*) FROM pg_class WHERE relnamespace = 'gdpr'::regnamespace
	AND CASE relkind WHEN 'S' THEN has_sequence_privilege('duty_nobody', oid, 'SELECT, USAGE, UPDATE') END;

SET ROLE duty_nobody;
SELECT gdpr.data_map();
SELECT gdpr.declare_subject('duty_kind', 'duty.person');
SELECT gdpr.grant_duty('duty_nobody', 'officer');
SELECT count(*) FROM gdpr.subject;
RESET ROLE;

SET ROLE duty_operator;
SELECT gdpr.declare_subject('duty_kind', 'duty.person');
SELECT gdpr.approve_map('duty_kind') = gdpr.map_hash('duty_kind');
SELECT kind, key FROM gdpr.subject WHERE kind = 'duty_kind';
SELECT count(*) > 0 FROM gdpr.key_status;
SELECT gdpr.grant_duty('duty_operator', 'officer');
SELECT count(*) FROM gdpr.context_key;
UPDATE gdpr.subject SET relation = 'pg_class';
RESET ROLE;

-- what is protected, all three see: no records may mean no protection
SELECT r, has_table_privilege(r, 'gdpr.protected', 'SELECT') FROM unnest(ARRAY['duty_nobody', 'duty_officer', 'duty_auditor', 'duty_operator']) r;

SET ROLE duty_officer;
SELECT path FROM gdpr.data_map('duty_kind');
SELECT gdpr.approve_map('duty_kind');
SELECT gdpr.undeclare_subject('duty_kind');
RESET ROLE;

-- who makes backups reads every table and sequence, also those made later
SELECT gdpr.create_context('duty_context');
SELECT relkind, bool_and(CASE relkind WHEN 'S' THEN has_sequence_privilege('duty "Backup"', oid, 'SELECT')
	ELSE has_table_privilege('duty "Backup"', oid, 'SELECT') END) AS readable
FROM pg_class WHERE relnamespace = 'gdpr'::regnamespace AND relkind IN ('r', 'S') GROUP BY relkind ORDER BY relkind;
SET ROLE "duty ""Backup""";
SELECT count(*) > 0 FROM gdpr.context_key;
SELECT gdpr.data_map('duty_kind');
RESET ROLE;

-- taking one duty leaves what another gives
SELECT gdpr.grant_duty('duty_officer', 'operator');
SELECT gdpr.revoke_duty('duty_officer', 'operator');
SET ROLE duty_officer;
SELECT path FROM gdpr.data_map('duty_kind');
SELECT gdpr.approve_map('duty_kind');
SELECT count(*) FROM gdpr.subject;
RESET ROLE;

SELECT gdpr.revoke_duty('duty_officer', 'officer');
SELECT gdpr.revoke_duty('duty_auditor', 'auditor');
SELECT gdpr.revoke_duty('duty "Backup"', 'backup');
SET ROLE duty_officer;
SELECT path FROM gdpr.data_map('duty_kind');
RESET ROLE;
SELECT gdpr.undeclare_subject('duty_kind');
DROP SCHEMA duty CASCADE;
-- nothing is left of a revoked duty that would keep the role
DROP ROLE duty_nobody, duty_officer, duty_auditor, "duty ""Backup""";
-- a role dropped with its duty: the row is taken back by name
DROP OWNED BY duty_operator;
DROP ROLE duty_operator;
SELECT gdpr.revoke_duty('duty_operator', 'operator');
SELECT count(*) FROM gdpr.duty_grant WHERE role LIKE 'duty%';
