-- Keys live in memory that only the starting server can ask for, so the
-- extension is not created in a server that did not preload the library.
CREATE FUNCTION gdpr.require_preload() RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_key_status_require_preload'
	LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.require_preload() IS
	'raises 55000 unless gdpr_ext is in shared_preload_libraries';
REVOKE ALL ON FUNCTION gdpr.require_preload() FROM PUBLIC;
SELECT gdpr.require_preload();
