-- Contexts: the encryption key domains, their wrapped keys, and who may use
-- them.  The keys are worthless without the server's root key.
--
-- No foreign keys between them: pg_restore -j fills tables of an extension in
-- any order.

CREATE TABLE gdpr.context (
	name		name PRIMARY KEY,
	hash		integer NOT NULL UNIQUE CHECK (hash > 0),
	tag_domain	name NOT NULL,
	created_at	timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE gdpr.context IS 'encryption contexts; made by gdpr.create_context';
COMMENT ON COLUMN gdpr.context.hash IS 'type modifier of the context''s columns, and in every value';
COMMENT ON COLUMN gdpr.context.tag_domain IS 'contexts of one tag domain have equal tags for equal values';

CREATE TABLE gdpr.context_key (
	context		name NOT NULL,
	version		smallint NOT NULL CHECK (version > 0),
	status		text NOT NULL CHECK (status IN ('primary', 'enabled', 'retired', 'destroyed')),
	root_id		text,
	wrapped		bytea CHECK (pg_catalog.octet_length(wrapped) = 60),
	created_at	timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (context, version),
	CHECK (status = 'destroyed' OR (root_id IS NOT NULL AND wrapped IS NOT NULL))
);
CREATE UNIQUE INDEX context_key_primary ON gdpr.context_key (context) WHERE status = 'primary';
COMMENT ON TABLE gdpr.context_key IS 'keys of contexts, each wrapped by a root key';
COMMENT ON COLUMN gdpr.context_key.root_id IS 'id of the root key that wraps it';
COMMENT ON COLUMN gdpr.context_key.wrapped IS 'nonce, encrypted key, authentication tag';
COMMENT ON INDEX gdpr.context_key_primary IS 'new values of a context have one key';

CREATE TABLE gdpr.tag_key (
	tag_domain	name NOT NULL,
	generation	smallint NOT NULL CHECK (generation BETWEEN 1 AND 255),
	status		text NOT NULL CHECK (status IN ('primary', 'enabled', 'retired', 'destroyed')),
	root_id		text,
	wrapped		bytea CHECK (pg_catalog.octet_length(wrapped) = 60),
	created_at	timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (tag_domain, generation),
	CHECK (status = 'destroyed' OR (root_id IS NOT NULL AND wrapped IS NOT NULL))
);
CREATE UNIQUE INDEX tag_key_primary ON gdpr.tag_key (tag_domain) WHERE status = 'primary';
COMMENT ON TABLE gdpr.tag_key IS 'keys of equality tags, each wrapped by a root key';
COMMENT ON COLUMN gdpr.tag_key.root_id IS 'id of the root key that wraps it';
COMMENT ON COLUMN gdpr.tag_key.wrapped IS 'nonce, encrypted key, authentication tag';
COMMENT ON INDEX gdpr.tag_key_primary IS 'new tags of a domain have one key';

CREATE TABLE gdpr.context_grant (
	context		name NOT NULL,
	role		name NOT NULL,
	privilege	text NOT NULL CHECK (privilege IN ('read', 'search', 'write')),
	PRIMARY KEY (context, role, privilege)
);
COMMENT ON TABLE gdpr.context_grant IS 'who may read, search and write a context; made by gdpr.grant_context';
COMMENT ON COLUMN gdpr.context_grant.role IS
	'the role''s name: a restore where the role is missing keeps the row, which then grants nothing';

REVOKE ALL ON gdpr.context, gdpr.context_key, gdpr.tag_key, gdpr.context_grant FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.context', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.context_key', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.tag_key', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.context_grant', '');

-- Whatever changes these tables, a restore included, reaches every process.
CREATE FUNCTION gdpr.context_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'gdpr_context_trigger_changed'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.context_changed() IS
	'trigger: makes every process read contexts, keys and grants again';
REVOKE ALL ON FUNCTION gdpr.context_changed() FROM PUBLIC;

CREATE FUNCTION gdpr.count_nonces() RETURNS trigger
	AS 'MODULE_PATHNAME', 'gdpr_context_trigger_count_nonces'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.count_nonces() IS
	'trigger: gives every key the sequence that counts its values';
REVOKE ALL ON FUNCTION gdpr.count_nonces() FROM PUBLIC;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.context
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.context_changed();
COMMENT ON TRIGGER changed ON gdpr.context IS 'drops every process''s cache';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.context_key
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.context_changed();
COMMENT ON TRIGGER changed ON gdpr.context_key IS 'drops every process''s cache';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.tag_key
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.context_changed();
COMMENT ON TRIGGER changed ON gdpr.tag_key IS 'drops every process''s cache';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.context_grant
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.context_changed();
COMMENT ON TRIGGER changed ON gdpr.context_grant IS 'drops every process''s cache';
CREATE TRIGGER count_nonces AFTER INSERT ON gdpr.context_key
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.count_nonces();
COMMENT ON TRIGGER count_nonces ON gdpr.context_key IS 'gives every key its sequence';
ALTER TABLE gdpr.context ENABLE ALWAYS TRIGGER changed;
ALTER TABLE gdpr.context_key ENABLE ALWAYS TRIGGER changed;
ALTER TABLE gdpr.context_key ENABLE ALWAYS TRIGGER count_nonces;
ALTER TABLE gdpr.tag_key ENABLE ALWAYS TRIGGER changed;
ALTER TABLE gdpr.context_grant ENABLE ALWAYS TRIGGER changed;

CREATE FUNCTION gdpr.create_context(context name, readers name[] = '{}', options jsonb = '{}')
	RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_context_create'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.create_context(name, name[], jsonb) IS
	'makes an encryption context with a new key; readers get the privilege "read"';
REVOKE ALL ON FUNCTION gdpr.create_context(name, name[], jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.grant_context(context name, role name, privilege text = 'read')
	RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_context_grant'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.grant_context(name, name, text) IS
	'lets a role read, search or write values of a context; read implies search';
REVOKE ALL ON FUNCTION gdpr.grant_context(name, name, text) FROM PUBLIC;

CREATE FUNCTION gdpr.revoke_context(context name, role name, privilege text = NULL)
	RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_context_revoke'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.revoke_context(name, name, text) IS
	'takes a privilege on a context from a role; without a privilege, all of them';
REVOKE ALL ON FUNCTION gdpr.revoke_context(name, name, text) FROM PUBLIC;

CREATE FUNCTION gdpr.key_fingerprint(OUT root_id text, OUT fingerprint text, OUT is_primary boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_key_fingerprint'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.key_fingerprint() IS
	'the root keys that the server has, by a keyed hash that tells nothing of the key';
REVOKE ALL ON FUNCTION gdpr.key_fingerprint() FROM PUBLIC;

CREATE FUNCTION gdpr.key_state(context name, version smallint,
		OUT available boolean, OUT tag_available boolean, OUT values_counted bigint,
		OUT root_fingerprint text)
	AS 'MODULE_PATHNAME', 'gdpr_key_status_state'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.key_state(name, smallint) IS
	'whether the server''s root keys open a context''s key and tag key, and the values sealed with it; for gdpr.key_status';
REVOKE ALL ON FUNCTION gdpr.key_state(name, smallint) FROM PUBLIC;
