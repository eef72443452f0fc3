-- The life of a key: rotated, retired, destroyed, wrapped by another root key.

CREATE TABLE gdpr.key_event (
	happened_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	session_role	name NOT NULL DEFAULT SESSION_USER,
	action	text NOT NULL CHECK (action IN ('rotate', 'retire', 'destroy', 'rewrap', 'end', 'restore')),
	kind	text NOT NULL,
	name	name,
	version	integer
);
COMMENT ON TABLE gdpr.key_event IS 'what was done to keys, by whom and when; written by the functions that do it';
COMMENT ON COLUMN gdpr.key_event.session_role IS 'the role that the session began as';
COMMENT ON COLUMN gdpr.key_event.kind IS 'context: of a context''s values; tag: of a tag domain''s equality tags; epoch: of the keys of persons';
COMMENT ON COLUMN gdpr.key_event.name IS 'the context or the tag domain; null: all of the database';
REVOKE ALL ON gdpr.key_event FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.key_event', '');

CREATE FUNCTION gdpr.rotate_context(context name) RETURNS integer
	AS 'MODULE_PATHNAME', 'gdpr_rotate_context'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.rotate_context(name) IS
	'gives a context a new key, which new values are sealed with from now on; returns its version';
REVOKE ALL ON FUNCTION gdpr.rotate_context(name) FROM PUBLIC;

CREATE FUNCTION gdpr.retire_key(context name, version integer) RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_rotate_retire'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.retire_key(name, integer) IS
	'lets no value arrive under a key that was rotated; what is there is still read';
REVOKE ALL ON FUNCTION gdpr.retire_key(name, integer) FROM PUBLIC;

CREATE FUNCTION gdpr.destroy_key(context name, version integer, options jsonb = '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_destroy_key'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.destroy_key(name, integer, jsonb) IS
	'destroys a retired key; refused while a value of this database has it, unless the option lose_values says otherwise';
REVOKE ALL ON FUNCTION gdpr.destroy_key(name, integer, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.retire_context(context name) RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_retire_context'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.retire_context(name) IS
	'lets a context that no column belongs to take no new values; what is there is still read';
REVOKE ALL ON FUNCTION gdpr.retire_context(name) FROM PUBLIC;

CREATE FUNCTION gdpr.destroy_context(context name, options jsonb = '{}') RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_destroy_context'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.destroy_context(name, jsonb) IS
	'destroys the keys of a retired context, and with the last context of a tag domain the tag key; refused while a value of this database belongs to it, unless the option lose_values says otherwise';
REVOKE ALL ON FUNCTION gdpr.destroy_context(name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.reload_keys(options jsonb = '{}',
		OUT root_id text, OUT fingerprint text, OUT is_primary boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_reload_keys'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.reload_keys(jsonb) IS
	'reads the root keys again, for the whole server; shows those that it has then';
REVOKE ALL ON FUNCTION gdpr.reload_keys(jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.rewrap_keys(OUT kind text, OUT rewrapped bigint, OUT unchanged bigint, OUT unavailable text[])
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_rewrap_keys'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.rewrap_keys() IS
	'wraps every key of this database by the primary root key; names those that do not open, and leaves them';
REVOKE ALL ON FUNCTION gdpr.rewrap_keys() FROM PUBLIC;

CREATE TABLE gdpr.key_confirmation (
	challenge	text PRIMARY KEY,
	root_id	text NOT NULL,
	fingerprint	text NOT NULL,
	session_role	name NOT NULL DEFAULT SESSION_USER,
	confirmed_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE gdpr.key_confirmation IS
	'who proved when that a copy of a root key is the running one; written by gdpr.confirm_key_backup';
COMMENT ON COLUMN gdpr.key_confirmation.challenge IS 'what was answered; it serves once';
COMMENT ON COLUMN gdpr.key_confirmation.session_role IS 'the role that the session began as';
REVOKE ALL ON gdpr.key_confirmation FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.key_confirmation', '');

CREATE FUNCTION gdpr.key_backup_challenge() RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_confirm_challenge'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.key_backup_challenge() IS
	'something to answer with a copy of a root key: gdpr-key respond FILE CHALLENGE';
REVOKE ALL ON FUNCTION gdpr.key_backup_challenge() FROM PUBLIC;

CREATE FUNCTION gdpr.confirm_key_backup(challenge text,
		OUT root_id text, OUT fingerprint text, OUT is_primary boolean)
	AS 'MODULE_PATHNAME', 'gdpr_confirm_backup'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.confirm_key_backup(text) IS
	'records that a copy of a root key answered a challenge, given as gdpr-key prints it; shows which key it is';
REVOKE ALL ON FUNCTION gdpr.confirm_key_backup(text) FROM PUBLIC;

CREATE VIEW gdpr.key_status AS
	SELECT c.name AS context, c.tag_domain, k.version, k.status, k.root_id,
		s.available, s.tag_available, s.values_counted,
		2147483648::bigint AS values_allowed,
		k.created_at,
		CASE WHEN k.status OPERATOR(pg_catalog.=) 'primary'
			THEN greatest(2147483648::bigint OPERATOR(pg_catalog.-) s.values_counted, 0) END AS values_left,
		s.root_fingerprint,
		(SELECT pg_catalog.max(b.confirmed_at) FROM gdpr.key_confirmation b
			WHERE b.root_id OPERATOR(pg_catalog.=) k.root_id
				AND b.fingerprint OPERATOR(pg_catalog.=) s.root_fingerprint) AS backup_confirmed_at
	FROM gdpr.context c
		JOIN gdpr.context_key k ON k.context OPERATOR(pg_catalog.=) c.name
		CROSS JOIN LATERAL gdpr.key_state(c.name, k.version) s;
COMMENT ON VIEW gdpr.key_status IS
	'keys of contexts: whether the server can open them, and how much of their budget is used';
COMMENT ON COLUMN gdpr.key_status.status IS
	'primary: new values have it; enabled: was primary; retired: no value arrives under it; destroyed: gone';
COMMENT ON COLUMN gdpr.key_status.available IS 'whether the server''s root keys open the key';
COMMENT ON COLUMN gdpr.key_status.tag_available IS 'the same of the key of equality tags';
COMMENT ON COLUMN gdpr.key_status.values_counted IS
	'values sealed with the key, counted in steps of 256';
COMMENT ON COLUMN gdpr.key_status.values_left IS
	'of the primary: before they are used up the next write makes the next key';
COMMENT ON COLUMN gdpr.key_status.root_fingerprint IS
	'of the root key of this id that the server has; null: it has none';
COMMENT ON COLUMN gdpr.key_status.backup_confirmed_at IS
	'when somebody last proved to have a copy of that root key (gdpr.confirm_key_backup)';
REVOKE ALL ON gdpr.key_status FROM PUBLIC;

CREATE TABLE gdpr.reencrypt_state (
	leaf	regclass PRIMARY KEY,
	relation	regclass NOT NULL,
	started_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished_at	timestamptz,
	block	bigint NOT NULL,
	blocks	bigint NOT NULL,
	changed	bigint NOT NULL,
	held	bigint NOT NULL,
	unavailable	bigint NOT NULL
);
COMMENT ON TABLE gdpr.reencrypt_state IS
	'how far gdpr.reencrypt has come with each table; gdpr.reencrypt_progress shows it';
REVOKE ALL ON gdpr.reencrypt_state FROM PUBLIC;

CREATE VIEW gdpr.reencrypt_progress AS
	SELECT s.relation, s.leaf,
		CASE WHEN s.finished_at IS NOT NULL THEN 'finished'
			WHEN l.pid IS NULL THEN 'stopped' ELSE 'running' END AS state,
		s.block AS blocks_done, s.blocks AS blocks_total, s.changed AS rows_changed,
		s.held AS rows_held, s.unavailable AS rows_unavailable,
		s.started_at, s.updated_at, s.finished_at
	FROM gdpr.reencrypt_state s
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.leaf
		-- the lock of reencrypt.c: (0, table, 0x6768)
		LEFT JOIN pg_catalog.pg_locks l ON l.locktype OPERATOR(pg_catalog.=) 'advisory'
			AND l.classid OPERATOR(pg_catalog.=) 0 AND l.objsubid OPERATOR(pg_catalog.=) 26472
			AND l.objid OPERATOR(pg_catalog.=) s.relation::oid AND l.database OPERATOR(pg_catalog.=)
				(SELECT d.oid FROM pg_catalog.pg_database d
				WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database());
COMMENT ON VIEW gdpr.reencrypt_progress IS 'how far gdpr.reencrypt has come with each table';
COMMENT ON COLUMN gdpr.reencrypt_progress.state IS
	'running, stopped (call it again, it goes on there), finished';
COMMENT ON COLUMN gdpr.reencrypt_progress.rows_held IS 'that somebody else has locked; they are come back to';
COMMENT ON COLUMN gdpr.reencrypt_progress.rows_unavailable IS 'with values that no key here opens; they are left';
REVOKE ALL ON gdpr.reencrypt_progress FROM PUBLIC;

CREATE PROCEDURE gdpr.reencrypt(relation regclass, options jsonb = '{}')
	AS 'MODULE_PATHNAME', 'gdpr_reencrypt'
	LANGUAGE C;
COMMENT ON PROCEDURE gdpr.reencrypt(regclass, jsonb) IS
	'seals a table''s values with the primary keys of their contexts, in committed batches; for the table''s owner';
REVOKE ALL ON PROCEDURE gdpr.reencrypt(regclass, jsonb) FROM PUBLIC;
