-- Article 17: erasure, and the ledger that shows it.

CREATE TABLE gdpr.erasure_ledger (
	id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	kind name NOT NULL,
	pseudonym bytea NOT NULL CHECK (pg_catalog.octet_length(pseudonym) = 16),
	key_version integer NOT NULL,
	plan_hash text NOT NULL,
	relations json NOT NULL,
	reason text,
	requested_by name NOT NULL,
	level text NOT NULL DEFAULT 'logical',
	forgotten_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX erasure_ledger_pseudonym ON gdpr.erasure_ledger (pseudonym);
COMMENT ON TABLE gdpr.erasure_ledger IS 'erasures: who, by keyed pseudonym, what, why, when';
COMMENT ON COLUMN gdpr.erasure_ledger.pseudonym IS 'keyed hash of kind and key; personal data all the same';
COMMENT ON COLUMN gdpr.erasure_ledger.key_version IS 'generation of the key that made the pseudonym';
COMMENT ON COLUMN gdpr.erasure_ledger.relations IS 'names, counts, grounds and dates, as in the certificate';
COMMENT ON COLUMN gdpr.erasure_ledger.reason IS 'the caller''s words; must hold no personal data';
COMMENT ON INDEX gdpr.erasure_ledger_pseudonym IS 'was this person forgotten before?';
REVOKE ALL ON gdpr.erasure_ledger FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.erasure_ledger', '');

CREATE FUNCTION gdpr.ledger_guard()
	RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_ledger_guard';
COMMENT ON FUNCTION gdpr.ledger_guard() IS 'refuses every change of the ledger of erasures';
REVOKE ALL ON FUNCTION gdpr.ledger_guard() FROM PUBLIC;

CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON gdpr.erasure_ledger
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.ledger_guard();
COMMENT ON TRIGGER guard ON gdpr.erasure_ledger IS 'the ledger is only added to';
ALTER TABLE gdpr.erasure_ledger ENABLE ALWAYS TRIGGER guard;

CREATE VIEW gdpr.erasure AS
	SELECT id, kind, pg_catalog.encode(pseudonym, 'hex') AS pseudonym, plan_hash, relations, reason,
		requested_by, level, forgotten_at
	FROM gdpr.erasure_ledger;
COMMENT ON VIEW gdpr.erasure IS 'the erasures and how far each has come; no key of a person';
REVOKE ALL ON gdpr.erasure FROM PUBLIC;

CREATE FUNCTION @extschema@.gdpr_forget(subject text, kind name DEFAULT NULL, reason text DEFAULT NULL,
		dry_run boolean DEFAULT false, options jsonb DEFAULT '{}')
	RETURNS json
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_forget';
COMMENT ON FUNCTION @extschema@.gdpr_forget(text, name, text, boolean, jsonb) IS 'erases a person as the approved map says and returns the certificate; the reason goes into the ledger and must hold no personal data';
REVOKE ALL ON FUNCTION @extschema@.gdpr_forget(text, name, text, boolean, jsonb) FROM PUBLIC;
