-- What DDL may not do to encrypted values.

CREATE FUNCTION gdpr.guard_ddl() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'gdpr_guard_ddl'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.guard_ddl() IS
	'event trigger: refuses encrypted columns without a context and encrypted constants in stored expressions';
REVOKE ALL ON FUNCTION gdpr.guard_ddl() FROM PUBLIC;

CREATE FUNCTION gdpr.guard_drop() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'gdpr_guard_before_drop'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.guard_drop() IS
	'event trigger: loads the library, and with it the guard, before anything is dropped';
REVOKE ALL ON FUNCTION gdpr.guard_drop() FROM PUBLIC;

-- Without preload a session that has touched no encrypted value has no guard.
CREATE EVENT TRIGGER gdpr_guard_drop ON ddl_command_start
	WHEN TAG IN ('DROP DOMAIN', 'DROP EXTENSION', 'DROP OWNED', 'DROP SCHEMA', 'DROP TYPE')
	EXECUTE FUNCTION gdpr.guard_drop();
COMMENT ON EVENT TRIGGER gdpr_guard_drop IS
	'the guard against dropping encrypted columns works without preload too';

CREATE EVENT TRIGGER gdpr_guard ON ddl_command_end
	EXECUTE FUNCTION gdpr.guard_ddl();
COMMENT ON EVENT TRIGGER gdpr_guard IS
	'keeps values that have no context, and constants, out of what is stored';
