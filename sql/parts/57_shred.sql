-- Values under the keys of single persons.

CREATE FUNCTION gdpr.seal_row() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_shred_row';
COMMENT ON FUNCTION gdpr.seal_row() IS 'trigger: seals a row''s encrypted values by the key of the person that the row names';
REVOKE ALL ON FUNCTION gdpr.seal_row() FROM PUBLIC;
