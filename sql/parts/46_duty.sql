-- Duties: what the officer, the auditor, the operator and the one who makes
-- backups may call and read.  The lists are in src/registry/duty.c.

CREATE TABLE gdpr.duty_grant (
	role name,
	duty text CHECK (duty IN ('officer', 'auditor', 'operator', 'backup')),
	granted_by name NOT NULL DEFAULT SESSION_USER,
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (role, duty)
);
COMMENT ON TABLE gdpr.duty_grant IS 'which role has which duty; roles by name, so that a missing one does not stop a restore';
REVOKE ALL ON gdpr.duty_grant FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.duty_grant', '');

CREATE FUNCTION gdpr.grant_duty(role name, duty text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_grant_duty';
COMMENT ON FUNCTION gdpr.grant_duty(name, text) IS 'gives a role the functions and views of a duty: officer, auditor, operator or backup';
REVOKE ALL ON FUNCTION gdpr.grant_duty(name, text) FROM PUBLIC;

CREATE FUNCTION gdpr.revoke_duty(role name, duty text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_revoke_duty';
COMMENT ON FUNCTION gdpr.revoke_duty(name, text) IS 'takes a duty from a role';
REVOKE ALL ON FUNCTION gdpr.revoke_duty(name, text) FROM PUBLIC;
