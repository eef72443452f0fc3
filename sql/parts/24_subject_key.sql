-- Keys of single persons, and the epoch keys that wrap them.  A person's key
-- is random and never derived: when its row is gone, so is the key.

CREATE TABLE gdpr.subject_epoch (
	epoch		integer PRIMARY KEY CHECK (epoch BETWEEN 1 AND 65535),
	status		text NOT NULL CHECK (status IN ('primary', 'enabled', 'emptied', 'destroyed')),
	lineage		text CHECK (lineage ~ '^[0-9a-f]{16}$'),
	root_id		text,
	wrapped		bytea CHECK (pg_catalog.octet_length(wrapped) = 60),
	emptied_at	pg_lsn,
	created_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	destroyed_at timestamptz,
	CHECK (status = 'destroyed' OR (wrapped IS NULL) = (root_id IS NULL)),
	CHECK (status = 'destroyed' OR wrapped IS NOT NULL OR lineage IS NOT NULL)
);
CREATE UNIQUE INDEX subject_epoch_primary ON gdpr.subject_epoch (status) WHERE status = 'primary';
COMMENT ON TABLE gdpr.subject_epoch IS 'keys that wrap the keys of persons, each wrapped by a root key: here, or in the keystore';
COMMENT ON COLUMN gdpr.subject_epoch.lineage IS 'names the objects of this database in the keystore; null for a key that lies here';
COMMENT ON COLUMN gdpr.subject_epoch.emptied_at IS 'the place in the WAL from which on no key is wrapped by it';
COMMENT ON COLUMN gdpr.subject_epoch.root_id IS 'id of the root key that wraps it';
COMMENT ON COLUMN gdpr.subject_epoch.wrapped IS 'nonce, encrypted key, authentication tag';
COMMENT ON INDEX gdpr.subject_epoch_primary IS 'keys of new persons have one epoch';

CREATE TABLE gdpr.subject_key (
	id			bigint PRIMARY KEY,
	subject		bytea NOT NULL CHECK (pg_catalog.octet_length(subject) = 16),
	epoch		integer NOT NULL,
	wrapped		bytea NOT NULL CHECK (pg_catalog.octet_length(wrapped) = 60)
);
CREATE UNIQUE INDEX subject_key_subject ON gdpr.subject_key (subject);
COMMENT ON TABLE gdpr.subject_key IS 'keys of persons, each wrapped by an epoch key; erasure deletes the row';
COMMENT ON COLUMN gdpr.subject_key.id IS 'random; in every value that the key sealed';
COMMENT ON COLUMN gdpr.subject_key.subject IS 'keyed pseudonym of kind and key, as in the ledger; personal data all the same';
COMMENT ON COLUMN gdpr.subject_key.wrapped IS 'nonce, encrypted key, authentication tag';
COMMENT ON INDEX gdpr.subject_key_subject IS 'a person has one key';

REVOKE ALL ON gdpr.subject_epoch, gdpr.subject_key FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.subject_epoch', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.subject_key', '');

-- Keys that go, a restore's included, reach every process; keys that come are
-- looked for.
CREATE FUNCTION gdpr.subject_key_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'gdpr_subject_key_changed'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.subject_key_changed() IS
	'trigger: makes every process drop the keys of persons that it has opened';
REVOKE ALL ON FUNCTION gdpr.subject_key_changed() FROM PUBLIC;
CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON gdpr.subject_key
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.subject_key_changed();
COMMENT ON TRIGGER changed ON gdpr.subject_key IS 'drops every process''s cache';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.subject_epoch
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.subject_key_changed();
COMMENT ON TRIGGER changed ON gdpr.subject_epoch IS 'drops every process''s cache';
-- What a subscription applies fires no trigger of statements.
CREATE TRIGGER applied AFTER UPDATE OR DELETE ON gdpr.subject_key
	FOR EACH ROW EXECUTE FUNCTION gdpr.subject_key_changed();
COMMENT ON TRIGGER applied ON gdpr.subject_key IS 'the same for rows that a subscription applies';
CREATE TRIGGER applied AFTER INSERT OR UPDATE OR DELETE ON gdpr.subject_epoch
	FOR EACH ROW EXECUTE FUNCTION gdpr.subject_key_changed();
COMMENT ON TRIGGER applied ON gdpr.subject_epoch IS 'the same for rows that a subscription applies';
ALTER TABLE gdpr.subject_key ENABLE REPLICA TRIGGER applied;
ALTER TABLE gdpr.subject_epoch ENABLE REPLICA TRIGGER applied;
ALTER TABLE gdpr.subject_key ENABLE ALWAYS TRIGGER changed;
ALTER TABLE gdpr.subject_epoch ENABLE ALWAYS TRIGGER changed;

CREATE FUNCTION gdpr.end_epoch() RETURNS text
	AS 'MODULE_PATHNAME', 'gdpr_end_epoch'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.end_epoch() IS
	'one step towards destroying the key that older copies of erased persons'' keys are wrapped by; the worker does them by itself';
REVOKE ALL ON FUNCTION gdpr.end_epoch() FROM PUBLIC;

CREATE FUNCTION gdpr.restore_subject_keys(OUT restored bigint, OUT removed bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_restore_subject_keys'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.restore_subject_keys() IS
	'after an older backup was restored: takes the keys of all persons who are left from the keystore, and no others';
REVOKE ALL ON FUNCTION gdpr.restore_subject_keys() FROM PUBLIC;

CREATE FUNCTION gdpr.standby_ready(OUT item text, OUT ready boolean, OUT detail text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_standby_ready'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.standby_ready() IS
	'whether this server, a standby too, has library, root keys and keystore that go with its data';
REVOKE ALL ON FUNCTION gdpr.standby_ready() FROM PUBLIC;
