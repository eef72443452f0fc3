-- The background worker visits the databases whose setting says so.  A copy
-- made with CREATE DATABASE ... TEMPLATE has no settings, and so is left alone.
CREATE FUNCTION gdpr.worker_enable() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_worker_enable';
SELECT gdpr.worker_enable();
DROP FUNCTION gdpr.worker_enable();
