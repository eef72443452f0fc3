-- Values under the keys of single persons.

CREATE FUNCTION gdpr.seal_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_shred_row';
COMMENT ON FUNCTION gdpr.seal_row() IS 'trigger: seals a row''s encrypted values by the key of the person that the row names';
REVOKE ALL ON FUNCTION gdpr.seal_row() FROM PUBLIC;

CREATE FUNCTION gdpr.verify_values(relation regclass,
		OUT column_name name, OUT finding text, OUT good boolean, OUT count bigint, OUT places text[])
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_verify_values';
COMMENT ON FUNCTION gdpr.verify_values(regclass) IS 'counts the values of a relation by whose key they are under, and says where some are not under that of the person whom their row names; shows no value';
REVOKE ALL ON FUNCTION gdpr.verify_values(regclass) FROM PUBLIC;
