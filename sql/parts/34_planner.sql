-- Comparisons at plan time.

CREATE FUNCTION gdpr.enctext_eq_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'gdpr_rewrite_eq_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctext_eq_support(internal) IS
	'planner support of the equality functions: gives the side without a context the other''s';

CREATE FUNCTION gdpr.enctext_probe(@extschema@.enctext[], integer) RETURNS @extschema@.enctext[]
	AS 'MODULE_PATHNAME', 'gdpr_probe_array_make'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION gdpr.enctext_probe(@extschema@.enctext[], integer) IS
	'what the elements of an array are compared as with values of a context';

CREATE FUNCTION gdpr.enctext_probe(text[], integer) RETURNS @extschema@.enctext[]
	AS 'MODULE_PATHNAME', 'gdpr_probe_array_make'
	LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION gdpr.enctext_probe(text[], integer) IS
	'what the elements of an array are compared as with values of a context';

ALTER FUNCTION gdpr.enctext_eq(@extschema@.enctext, @extschema@.enctext) SUPPORT gdpr.enctext_eq_support;
ALTER FUNCTION gdpr.enctext_ne(@extschema@.enctext, @extschema@.enctext) SUPPORT gdpr.enctext_eq_support;
ALTER FUNCTION gdpr.enctext_eq_text(@extschema@.enctext, text) SUPPORT gdpr.enctext_eq_support;
ALTER FUNCTION gdpr.enctext_ne_text(@extschema@.enctext, text) SUPPORT gdpr.enctext_eq_support;
ALTER FUNCTION gdpr.text_eq_enctext(text, @extschema@.enctext) SUPPORT gdpr.enctext_eq_support;
ALTER FUNCTION gdpr.text_ne_enctext(text, @extschema@.enctext) SUPPORT gdpr.enctext_eq_support;

CREATE FUNCTION gdpr.seal_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'gdpr_seal_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.seal_support(internal) IS
	'planner support of conversions from text: keeps constants of plain text out of plans';

ALTER FUNCTION gdpr.enctext_probe(text, integer) SUPPORT gdpr.seal_support;
ALTER FUNCTION gdpr.enctext_probe(text[], integer) SUPPORT gdpr.seal_support;
ALTER FUNCTION gdpr.enctext_from_text(text, integer, boolean) SUPPORT gdpr.seal_support;
ALTER FUNCTION gdpr.encsecret_from_text(text, integer, boolean) SUPPORT gdpr.seal_support;

-- PUBLIC keeps EXECUTE: it is in everybody's plans.
CREATE FUNCTION gdpr.enctype_keep(old anyelement, new anyelement) RETURNS anyelement
	AS 'MODULE_PATHNAME', 'gdpr_keep_value'
	LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION gdpr.enctype_keep(anyelement, anyelement) IS
	'what an UPDATE stores: the old form of an encrypted value when the new one holds the same plaintext';
