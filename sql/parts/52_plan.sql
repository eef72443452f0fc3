-- What forget would do with a person's rows, physical relation by relation.

CREATE FUNCTION gdpr.forget_plan(subject text, kind name DEFAULT NULL,
		OUT relation regclass, OUT action text, OUT rows bigint, OUT reason text,
		OUT index text, OUT blocker text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_forget_plan';
COMMENT ON FUNCTION gdpr.forget_plan(text, name) IS 'what gdpr_forget would do, and what stands in its way; changes nothing';
REVOKE ALL ON FUNCTION gdpr.forget_plan(text, name) FROM PUBLIC;
