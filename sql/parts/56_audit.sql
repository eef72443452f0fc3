-- Who touched what and when: the log of writes, its triggers and its guard.
-- Partitions of the log are made as days come; they are ordinary tables of
-- schema gdpr, which a dump carries with their rows.

CREATE SEQUENCE gdpr.audit_number INCREMENT BY 1024;
COMMENT ON SEQUENCE gdpr.audit_number IS 'numbers of audit records, by the thousand: each process takes its own from a block';
REVOKE ALL ON SEQUENCE gdpr.audit_number FROM PUBLIC;

CREATE TABLE gdpr.audit_log (
	id bigint NOT NULL,
	at timestamptz NOT NULL,
	xid xid8 NOT NULL,
	rows smallint NOT NULL,
	own smallint NOT NULL CHECK (own >= 0),
	keys smallint NOT NULL CHECK (keys >= 0),
	up smallint NOT NULL CHECK (up >= 0),
	subject smallint,
	relation text NOT NULL,
	operation text NOT NULL,
	origin text NOT NULL,
	columns text[],
	tags uuid[],
	session_role text NOT NULL,
	role text NOT NULL,
	actor bytea,
	purpose text,
	application text,
	address inet,
	payload bytea,
	CHECK (rows > 0 AND id <= 9223372036854775807 - rows)
) PARTITION BY RANGE (at);
CREATE TABLE gdpr.audit_log_default PARTITION OF gdpr.audit_log DEFAULT USING heap;
-- a publication FOR ALL TABLES would otherwise stop erasure
ALTER TABLE gdpr.audit_log_default REPLICA IDENTITY FULL;
COMMENT ON TABLE gdpr.audit_log IS 'records of writes, those of one statement together, a partition a day; read it by the view gdpr.audit';
COMMENT ON TABLE gdpr.audit_log_default IS 'records of days for which no partition was made in time';
COMMENT ON COLUMN gdpr.audit_log.id IS 'number of the first of its records; the others follow it';
COMMENT ON COLUMN gdpr.audit_log.rows IS 'how many records';
COMMENT ON COLUMN gdpr.audit_log.subject IS 'which of a record''s tags, from 1, is the pseudonym of the person, as in the ledger; null where the row does not name him itself';
COMMENT ON COLUMN gdpr.audit_log.tags IS 'record by record, keyed pseudonyms: of the row (the first own), of its other keys and of the person that it is (keys), of the rows that it belongs to (up), and of those that belong to it';
COMMENT ON COLUMN gdpr.audit_log.payload IS 'record by record, old and new values of the changed columns, sealed; null for changes by forget and retention, and once nobody''s values are left';
COMMENT ON COLUMN gdpr.audit_log.actor IS 'the name that the application gave, sealed';

CREATE TABLE gdpr.protected (
	relation regclass PRIMARY KEY,
	except_columns name[] NOT NULL DEFAULT '{}',
	subject_keys boolean NOT NULL DEFAULT false,
	protected_by name NOT NULL DEFAULT SESSION_USER,
	protected_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE gdpr.protected IS 'relations whose writes are recorded; made by gdpr.protect';
COMMENT ON COLUMN gdpr.protected.subject_keys IS 'are encrypted values sealed by the key of the person that their row names?';

CREATE TABLE gdpr.audit_key (
	id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	relation regclass NOT NULL,
	columns name[] NOT NULL,
	UNIQUE (relation, columns)
);
COMMENT ON TABLE gdpr.audit_key IS 'columns by which rows are known to the log; the number stays when tables and columns are renamed';

CREATE TABLE gdpr.audit_source (
	relation regclass NOT NULL,
	part text NOT NULL CHECK (part IN ('own', 'keys', 'up', 'owns')),
	kind name,
	key uuid,
	columns name[] NOT NULL,
	predicate text,
	CHECK ((kind IS NULL) <> (key IS NULL))
);
COMMENT ON TABLE gdpr.audit_source IS 'which columns of a protected relation give its records tags, in which part of them, and for which rows';

REVOKE ALL ON gdpr.audit_log, gdpr.audit_log_default, gdpr.protected, gdpr.audit_key, gdpr.audit_source FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.audit_number', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.audit_log', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.audit_log_default', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.protected', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.audit_key', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.audit_source', '');

CREATE FUNCTION gdpr.audit_guard() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_guard';
COMMENT ON FUNCTION gdpr.audit_guard() IS 'trigger: refuses every change of the audit log';
REVOKE ALL ON FUNCTION gdpr.audit_guard() FROM PUBLIC;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON gdpr.audit_log
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.audit_guard();
COMMENT ON TRIGGER guard ON gdpr.audit_log IS 'the log is only added to';
ALTER TABLE gdpr.audit_log ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON gdpr.audit_log_default
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.audit_guard();
COMMENT ON TRIGGER guard ON gdpr.audit_log_default IS 'the log is only added to';
ALTER TABLE gdpr.audit_log_default ENABLE ALWAYS TRIGGER guard;

CREATE FUNCTION gdpr.audit_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_row';
COMMENT ON FUNCTION gdpr.audit_row() IS 'trigger: records a changed row of a protected relation';
REVOKE ALL ON FUNCTION gdpr.audit_row() FROM PUBLIC;

CREATE FUNCTION gdpr.audit_truncate() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_truncate';
COMMENT ON FUNCTION gdpr.audit_truncate() IS 'trigger: records TRUNCATE of a protected relation';
REVOKE ALL ON FUNCTION gdpr.audit_truncate() FROM PUBLIC;

-- Whatever changes what is recorded, and how, reaches every process.
CREATE FUNCTION gdpr.audit_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_changed';
COMMENT ON FUNCTION gdpr.audit_changed() IS 'trigger: makes every process read again what is recorded of protected relations';
REVOKE ALL ON FUNCTION gdpr.audit_changed() FROM PUBLIC;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.protected
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.audit_changed();
COMMENT ON TRIGGER changed ON gdpr.protected IS 'drops every process''s cache';
ALTER TABLE gdpr.protected ENABLE ALWAYS TRIGGER changed;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.audit_source
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.audit_changed();
COMMENT ON TRIGGER changed ON gdpr.audit_source IS 'drops every process''s cache';
ALTER TABLE gdpr.audit_source ENABLE ALWAYS TRIGGER changed;

CREATE FUNCTION gdpr.protect(relation regclass, options jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_protect';
COMMENT ON FUNCTION gdpr.protect(regclass, jsonb) IS 'records every write of a relation from now on: who, when, which columns, and their values, sealed';
REVOKE ALL ON FUNCTION gdpr.protect(regclass, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.protect_subject(kind name, options jsonb DEFAULT '{}')
	RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_protect_subject';
COMMENT ON FUNCTION gdpr.protect_subject(name, jsonb) IS 'protects every relation of a kind''s map in which something is a person''s; returns how many';
REVOKE ALL ON FUNCTION gdpr.protect_subject(name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.unprotect(relation regclass)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_unprotect';
COMMENT ON FUNCTION gdpr.unprotect(regclass) IS 'records the writes of a relation no longer, and that; what is recorded stays';
REVOKE ALL ON FUNCTION gdpr.unprotect(regclass) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_maintain()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_maintain';
COMMENT ON FUNCTION gdpr.audit_maintain() IS 'makes the log''s partitions of the next days, and the indexes of those that are over; the worker does it daily';
REVOKE ALL ON FUNCTION gdpr.audit_maintain() FROM PUBLIC;

CREATE FUNCTION gdpr.audit_entries(rows smallint)
	RETURNS SETOF integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 4
	AS 'MODULE_PATHNAME', 'gdpr_audit_entries';
COMMENT ON FUNCTION gdpr.audit_entries(smallint) IS 'the places of the records in a row of the log: 0 to rows - 1';
REVOKE ALL ON FUNCTION gdpr.audit_entries(smallint) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_changes(payload bytea, id bigint, at timestamptz, entry integer, columns text[])
	RETURNS jsonb
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
	AS 'MODULE_PATHNAME', 'gdpr_audit_changes';
COMMENT ON FUNCTION gdpr.audit_changes(bytea, bigint, timestamptz, integer, text[]) IS 'old and new values of one record of a row of the log; null without the key, and for another row than the one they were sealed for';
REVOKE ALL ON FUNCTION gdpr.audit_changes(bytea, bigint, timestamptz, integer, text[]) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_has_values(payload bytea, id bigint, at timestamptz, entry integer)
	RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000
	AS 'MODULE_PATHNAME', 'gdpr_audit_has_values';
COMMENT ON FUNCTION gdpr.audit_has_values(bytea, bigint, timestamptz, integer) IS 'are there values of one record of a row of the log; true as well for what cannot be opened';
REVOKE ALL ON FUNCTION gdpr.audit_has_values(bytea, bigint, timestamptz, integer) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_strip(payload bytea, id bigint, at timestamptz, entries integer[])
	RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_strip';
COMMENT ON FUNCTION gdpr.audit_strip(bytea, bigint, timestamptz, integer[]) IS 'a payload without the values of these records, sealed anew; null when nothing is left, or nothing can be opened';
REVOKE ALL ON FUNCTION gdpr.audit_strip(bytea, bigint, timestamptz, integer[]) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_actor(actor bytea)
	RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_actor';
COMMENT ON FUNCTION gdpr.audit_actor(bytea) IS 'the name of an actor as the application gave it; null without the key';
REVOKE ALL ON FUNCTION gdpr.audit_actor(bytea) FROM PUBLIC;

CREATE VIEW gdpr.audit AS
	SELECT l.id + n AS id, l.at, l.relation, l.operation, l.origin, l.columns,
		gdpr.audit_changes(l.payload, l.id, l.at, n, l.columns) AS changes,
		pg_catalog.replace(l.tags[n * (pg_catalog.cardinality(l.tags) / l.rows) + l.subject]::text, '-', '') AS subject,
		l.session_role, l.role, gdpr.audit_actor(l.actor) AS actor, l.purpose, l.application, l.address, l.xid
	FROM gdpr.audit_log l, gdpr.audit_entries(l.rows) n;
COMMENT ON VIEW gdpr.audit IS 'who touched what and when; for the auditor''s duty';
COMMENT ON COLUMN gdpr.audit.changes IS 'column: [old, new]; null where the person was forgotten, or forget or retention made the change';
COMMENT ON COLUMN gdpr.audit.subject IS 'pseudonym of the person, the same as in certificates and in gdpr.erasure';
REVOKE ALL ON gdpr.audit FROM PUBLIC;

CREATE FUNCTION gdpr.audit_records(subject text, kind name DEFAULT NULL)
	RETURNS SETOF bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_records';
COMMENT ON FUNCTION gdpr.audit_records(text, name) IS 'numbers of the audit records about a person, also of one who was forgotten, and of rows that are gone';
REVOKE ALL ON FUNCTION gdpr.audit_records(text, name) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_trail(subject text, kind name DEFAULT NULL)
	RETURNS SETOF gdpr.audit
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	AS $$ SELECT a.* FROM gdpr.audit a
		WHERE a.id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT gdpr.audit_records($1, $2)))
		ORDER BY a.at, a.id $$;
COMMENT ON FUNCTION gdpr.audit_trail(text, name) IS 'the audit records about a person, oldest first';
REVOKE ALL ON FUNCTION gdpr.audit_trail(text, name) FROM PUBLIC;

CREATE FUNCTION gdpr.audit_follow_ddl() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_audit_follow_ddl';
COMMENT ON FUNCTION gdpr.audit_follow_ddl() IS 'event trigger: partitions and children of protected relations are protected too';
REVOKE ALL ON FUNCTION gdpr.audit_follow_ddl() FROM PUBLIC;
CREATE EVENT TRIGGER gdpr_audit_follow_ddl ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE')
	EXECUTE FUNCTION gdpr.audit_follow_ddl();
ALTER EVENT TRIGGER gdpr_audit_follow_ddl ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER gdpr_audit_follow_ddl IS 'partitions and children of protected relations are protected too';
