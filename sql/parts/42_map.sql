-- Subject kinds and their maps: which rows belong to a person, and what is
-- done with them.  The verbs are C; what they write is in 40_registry.sql.

CREATE FUNCTION gdpr.declare_subject(kind name, relation regclass, key name[] DEFAULT NULL, options jsonb DEFAULT '{}')
	RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_declare_subject';
COMMENT ON FUNCTION gdpr.declare_subject(name, regclass, name[], jsonb) IS 'declares a kind of persons and proposes a link for each foreign key around it; returns how many';
REVOKE ALL ON FUNCTION gdpr.declare_subject(name, regclass, name[], jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.undeclare_subject(kind name)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_undeclare_subject';
COMMENT ON FUNCTION gdpr.undeclare_subject(name) IS 'takes a kind back, with the approval of its map; links and columns stay declared';
REVOKE ALL ON FUNCTION gdpr.undeclare_subject(name) FROM PUBLIC;

CREATE FUNCTION gdpr.declare_link(child regclass, child_columns name[], parent regclass, parent_columns name[],
		belongs text DEFAULT 'owned', on_forget text DEFAULT 'delete', on_export text DEFAULT 'full', options jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_declare_link';
COMMENT ON FUNCTION gdpr.declare_link(regclass, name[], regclass, name[], text, text, text, jsonb) IS 'declares a reference that no foreign key states, or decides about one that one does';
REVOKE ALL ON FUNCTION gdpr.declare_link(regclass, name[], regclass, name[], text, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.undeclare_link(child regclass, child_columns name[], parent regclass, parent_columns name[])
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_undeclare_link';
COMMENT ON FUNCTION gdpr.undeclare_link(regclass, name[], regclass, name[]) IS 'takes a declared link back; a foreign key is then only a proposal again';
REVOKE ALL ON FUNCTION gdpr.undeclare_link(regclass, name[], regclass, name[]) FROM PUBLIC;

CREATE FUNCTION gdpr.declare_column(relation regclass, column_name name, category text, mask text DEFAULT NULL, options jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_declare_column';
COMMENT ON FUNCTION gdpr.declare_column(regclass, name, text, text, jsonb) IS 'declares a personal column, its category and what takes its place in rows that stay';
REVOKE ALL ON FUNCTION gdpr.declare_column(regclass, name, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.undeclare_column(relation regclass, column_name name)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_undeclare_column';
COMMENT ON FUNCTION gdpr.undeclare_column(regclass, name) IS 'takes the declaration of a personal column back';
REVOKE ALL ON FUNCTION gdpr.undeclare_column(regclass, name) FROM PUBLIC;

CREATE FUNCTION gdpr.data_map(kind name DEFAULT NULL,
		OUT kind name, OUT relation regclass, OUT depth integer, OUT path text, OUT belongs text,
		OUT on_forget text, OUT on_export text, OUT origin text, OUT index text, OUT warning text)
	RETURNS SETOF record
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_data_map';
COMMENT ON FUNCTION gdpr.data_map(name) IS 'what belongs to a person of the kind, why, and what export and erasure do with it';
REVOKE ALL ON FUNCTION gdpr.data_map(name) FROM PUBLIC;

CREATE FUNCTION gdpr.map_hash(kind name)
	RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_map_hash';
COMMENT ON FUNCTION gdpr.map_hash(name) IS 'the hash of a kind''s map as it is now; what approve_map can be held to';
REVOKE ALL ON FUNCTION gdpr.map_hash(name) FROM PUBLIC;

CREATE FUNCTION gdpr.approve_map(kind name, map_hash text DEFAULT NULL)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_approve_map';
COMMENT ON FUNCTION gdpr.approve_map(name, text) IS 'a person''s yes to a kind''s map; refuses while a link is undecided; returns the hash';
REVOKE ALL ON FUNCTION gdpr.approve_map(name, text) FROM PUBLIC;

CREATE FUNCTION gdpr.registry_on_drop()
	RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_registry_on_drop';
COMMENT ON FUNCTION gdpr.registry_on_drop() IS 'removes declarations about dropped tables and columns';
REVOKE ALL ON FUNCTION gdpr.registry_on_drop() FROM PUBLIC;

CREATE FUNCTION gdpr.registry_on_rename()
	RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_registry_on_rename';
COMMENT ON FUNCTION gdpr.registry_on_rename() IS 'follows renamed columns in declarations; warns of partitions that leave';
REVOKE ALL ON FUNCTION gdpr.registry_on_rename() FROM PUBLIC;

CREATE EVENT TRIGGER gdpr_registry_on_drop ON sql_drop
	EXECUTE FUNCTION gdpr.registry_on_drop();
COMMENT ON EVENT TRIGGER gdpr_registry_on_drop IS 'removes declarations about dropped tables and columns';

CREATE EVENT TRIGGER gdpr_registry_on_rename ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE')
	EXECUTE FUNCTION gdpr.registry_on_rename();
COMMENT ON EVENT TRIGGER gdpr_registry_on_rename IS 'follows renamed columns in declarations';
