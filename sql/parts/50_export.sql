-- Article 15: everything that is held on one person.  Runs with the caller's
-- rights on the tables; where row security would hide rows it is an error.

CREATE FUNCTION @extschema@.gdpr_export(subject text, kind name DEFAULT NULL, options jsonb DEFAULT '{}')
	RETURNS json
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_export';
COMMENT ON FUNCTION @extschema@.gdpr_export(text, name, jsonb) IS 'one json document with every row that belongs to a person, encrypted columns decrypted';
REVOKE ALL ON FUNCTION @extschema@.gdpr_export(text, name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.export_rows(subject text, kind name DEFAULT NULL,
		OUT relation regclass, OUT data json)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_export_rows';
COMMENT ON FUNCTION gdpr.export_rows(text, name) IS 'the rows of gdpr_export, one by one';
REVOKE ALL ON FUNCTION gdpr.export_rows(text, name) FROM PUBLIC;
