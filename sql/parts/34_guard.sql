-- What DDL may not do to encrypted values.

CREATE FUNCTION gdpr.guard_ddl() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'gdpr_guard_ddl'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.guard_ddl() IS
	'event trigger: refuses encrypted columns without a context and encrypted constants in stored expressions';
REVOKE ALL ON FUNCTION gdpr.guard_ddl() FROM PUBLIC;

CREATE EVENT TRIGGER gdpr_guard ON ddl_command_end
	EXECUTE FUNCTION gdpr.guard_ddl();
COMMENT ON EVENT TRIGGER gdpr_guard IS
	'keeps values that have no context, and constants, out of what is stored';
