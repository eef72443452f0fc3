-- Subject kinds and their maps: which rows belong to a person, and what is
-- done with them.  The verbs are C; what they write is in 40_registry.sql.

CREATE FUNCTION gdpr.declare_subject(kind name, relation regclass, key name[] DEFAULT NULL, options jsonb DEFAULT '{}')
	RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_declare_subject';
COMMENT ON FUNCTION gdpr.declare_subject(name, regclass, name[], jsonb) IS 'declares a kind of persons and proposes a link for each foreign key around it; returns how many';
REVOKE ALL ON FUNCTION gdpr.declare_subject(name, regclass, name[], jsonb) FROM PUBLIC;
