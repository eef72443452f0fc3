-- Let in only those whose work needs it: purposes, rules about roles and
-- relations, and what a relation looked like before the first rule.

CREATE TABLE gdpr.purpose (
	name name PRIMARY KEY,
	lawful_basis text NOT NULL CHECK (lawful_basis IN ('consent', 'contract', 'legal_obligation',
		'vital_interests', 'public_task', 'legitimate_interests')),
	description text,
	created_by name NOT NULL DEFAULT SESSION_USER,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE gdpr.purpose IS 'why personal data is read, and on what basis of Article 6(1)';

CREATE TABLE gdpr.purpose_grant (
	role name,
	purpose name,
	granted_by name NOT NULL DEFAULT SESSION_USER,
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (role, purpose)
);
COMMENT ON TABLE gdpr.purpose_grant IS 'which role may work for which purpose; made by gdpr.grant_purpose';

CREATE SEQUENCE gdpr.access_rule_number;
COMMENT ON SEQUENCE gdpr.access_rule_number IS 'numbers of access rules';
REVOKE ALL ON SEQUENCE gdpr.access_rule_number FROM PUBLIC;

CREATE TABLE gdpr.access_rule (
	rule bigint PRIMARY KEY DEFAULT pg_catalog.nextval('gdpr.access_rule_number'),
	relation regclass NOT NULL,
	role name NOT NULL,
	decision text NOT NULL CHECK (decision IN ('allow', 'deny', 'keep')),
	categories text[] NOT NULL DEFAULT '{}',
	privileges text[] NOT NULL DEFAULT '{}',
	filter text,
	own name,
	purposes name[] NOT NULL DEFAULT '{}',
	decided_by name NOT NULL DEFAULT SESSION_USER,
	decided_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	UNIQUE (relation, role)
);
COMMENT ON TABLE gdpr.access_rule IS 'what was decided about each role that uses a relation; made by gdpr.allow and gdpr.deny';
COMMENT ON COLUMN gdpr.access_rule.role IS 'the role''s name; "public" is everybody';

CREATE TABLE gdpr.access_original (
	relation regclass NOT NULL,
	part regclass NOT NULL,
	column_name name NOT NULL,
	acl text[],
	row_security boolean NOT NULL,
	force_row_security boolean NOT NULL,
	PRIMARY KEY (relation, part, column_name)
);
COMMENT ON TABLE gdpr.access_original IS 'privileges and row security of relations before their first rule, for gdpr.release; the relation itself has an empty column name';

REVOKE ALL ON gdpr.purpose, gdpr.purpose_grant, gdpr.access_rule, gdpr.access_original FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.purpose', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.purpose_grant', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.access_rule_number', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.access_rule', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.access_original', '');

-- Whatever changes these tables reaches every process.
CREATE FUNCTION gdpr.access_changed() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_access_changed';
COMMENT ON FUNCTION gdpr.access_changed() IS 'trigger: makes every process read rules and purposes again';
REVOKE ALL ON FUNCTION gdpr.access_changed() FROM PUBLIC;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.access_rule
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.access_changed();
COMMENT ON TRIGGER changed ON gdpr.access_rule IS 'drops every process''s cache';
ALTER TABLE gdpr.access_rule ENABLE ALWAYS TRIGGER changed;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gdpr.purpose_grant
	FOR EACH STATEMENT EXECUTE FUNCTION gdpr.access_changed();
COMMENT ON TRIGGER changed ON gdpr.purpose_grant IS 'drops every process''s cache';
ALTER TABLE gdpr.purpose_grant ENABLE ALWAYS TRIGGER changed;

CREATE FUNCTION gdpr.create_purpose(purpose name, lawful_basis text, options jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_create_purpose';
COMMENT ON FUNCTION gdpr.create_purpose(name, text, jsonb) IS 'declares a purpose and its basis of Article 6(1): consent, contract, legal_obligation, vital_interests, public_task or legitimate_interests';
REVOKE ALL ON FUNCTION gdpr.create_purpose(name, text, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.drop_purpose(purpose name)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_drop_purpose';
COMMENT ON FUNCTION gdpr.drop_purpose(name) IS 'takes a purpose back, with its grants; refused while a rule names it';
REVOKE ALL ON FUNCTION gdpr.drop_purpose(name) FROM PUBLIC;

CREATE FUNCTION gdpr.grant_purpose(role name, purpose name)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_grant_purpose';
COMMENT ON FUNCTION gdpr.grant_purpose(name, name) IS 'lets a role, and its members, work for a purpose';
REVOKE ALL ON FUNCTION gdpr.grant_purpose(name, name) FROM PUBLIC;

CREATE FUNCTION gdpr.revoke_purpose(role name, purpose name)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_revoke_purpose';
COMMENT ON FUNCTION gdpr.revoke_purpose(name, name) IS 'takes a purpose from a role';
REVOKE ALL ON FUNCTION gdpr.revoke_purpose(name, name) FROM PUBLIC;

CREATE FUNCTION gdpr.begin_work(purpose name DEFAULT NULL, actor text DEFAULT NULL, subject text DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_begin_work';
COMMENT ON FUNCTION gdpr.begin_work(name, text, text) IS 'says for this transaction why, who at the application, and on whose behalf (kind:key); null clears';

CREATE FUNCTION gdpr.row_access(rule bigint)
	RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'gdpr_row_access';
COMMENT ON FUNCTION gdpr.row_access(bigint) IS 'for row policies: may the current user work for the session''s purpose under this rule? 42501 when a purpose is missing';

CREATE FUNCTION gdpr.own_key(kind name, number integer, type anyelement)
	RETURNS anyelement
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'gdpr_own_key';
COMMENT ON FUNCTION gdpr.own_key(name, integer, anyelement) IS 'for row policies: a column of the key of the session''s subject, in the type of the last argument; null without a subject of the kind';

CREATE FUNCTION gdpr.allow(role name, relation regclass, categories text[] DEFAULT '{}', privileges text[] DEFAULT '{SELECT}', options jsonb DEFAULT '{}',
		OUT role name, OUT category text, OUT via text, OUT before text, OUT after text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_allow';
COMMENT ON FUNCTION gdpr.allow(name, regclass, text[], text[], jsonb) IS 'lets a role see the columns of a relation that are not personal and those of the categories named; returns who sees what before and after';
REVOKE ALL ON FUNCTION gdpr.allow(name, regclass, text[], text[], jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.deny(role name, relation regclass)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_deny';
COMMENT ON FUNCTION gdpr.deny(name, regclass) IS 'records that a role has no business with a relation, and takes its privileges';
REVOKE ALL ON FUNCTION gdpr.deny(name, regclass) FROM PUBLIC;

CREATE FUNCTION gdpr.release(relation regclass)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_release';
COMMENT ON FUNCTION gdpr.release(regclass) IS 'takes all rules off a relation; privileges and row security are as before the first';
REVOKE ALL ON FUNCTION gdpr.release(regclass) FROM PUBLIC;

CREATE FUNCTION gdpr.access_follow_ddl() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_access_follow_ddl';
COMMENT ON FUNCTION gdpr.access_follow_ddl() IS 'event trigger: new parts of relations under rules are closed to direct access';
REVOKE ALL ON FUNCTION gdpr.access_follow_ddl() FROM PUBLIC;
CREATE EVENT TRIGGER gdpr_access_follow_ddl ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE')
	EXECUTE FUNCTION gdpr.access_follow_ddl();
COMMENT ON EVENT TRIGGER gdpr_access_follow_ddl IS 'new parts of relations under rules are closed to direct access';

CREATE FUNCTION gdpr.access_follow_column() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'gdpr_access_follow_column';
COMMENT ON FUNCTION gdpr.access_follow_column() IS 'trigger: who sees a column follows its declaration';
REVOKE ALL ON FUNCTION gdpr.access_follow_column() FROM PUBLIC;
CREATE TRIGGER access_follow_column AFTER INSERT OR UPDATE OR DELETE ON gdpr.personal_column
	FOR EACH ROW EXECUTE FUNCTION gdpr.access_follow_column();
COMMENT ON TRIGGER access_follow_column ON gdpr.personal_column IS 'who sees a column follows its declaration';

CREATE VIEW gdpr.access_matrix AS
	-- Tables of ours are never analysed, and taken for some hundred rows: what is
	-- joined with them would be worth compiling, which takes seconds.
	WITH RECURSIVE covered AS (
		SELECT relation FROM pg_catalog.unnest(ARRAY(
			SELECT relation FROM gdpr.access_rule UNION SELECT relation FROM gdpr.personal_column)) relation
	), part AS (
		SELECT relation, relation::oid AS part FROM covered
		UNION SELECT p.relation, i.inhrelid FROM part p
			JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) p.part
	), relation_column AS (
		SELECT DISTINCT v.relation, a.attnum, coalesce(p.category, 'not personal') AS category
		FROM covered v
			JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) v.relation
				AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
			LEFT JOIN (part t JOIN gdpr.personal_column p ON p.relation OPERATOR(pg_catalog.=) t.part)
				ON t.relation OPERATOR(pg_catalog.=) v.relation
				AND p.column_name OPERATOR(pg_catalog.=) a.attname
	), who AS (
		SELECT r.oid, r.rolname, r.rolsuper, r.rolbypassrls FROM pg_catalog.pg_roles r
		WHERE r.rolname OPERATOR(pg_catalog.!~) '^pg_'
	), may AS (
		SELECT w.oid, w.rolname, w.rolsuper, w.rolbypassrls, c.relation, c.category,
			pg_catalog.concat_ws(', ',
				CASE WHEN pg_catalog.bool_or(pg_catalog.has_column_privilege(w.oid, c.relation, c.attnum, 'SELECT')) THEN 'SELECT' END,
				CASE WHEN pg_catalog.bool_or(pg_catalog.has_column_privilege(w.oid, c.relation, c.attnum, 'INSERT')) THEN 'INSERT' END,
				CASE WHEN pg_catalog.bool_or(pg_catalog.has_column_privilege(w.oid, c.relation, c.attnum, 'UPDATE')) THEN 'UPDATE' END,
				CASE WHEN pg_catalog.has_table_privilege(w.oid, c.relation, 'DELETE') THEN 'DELETE' END) AS privileges
		FROM who w CROSS JOIN relation_column c
		GROUP BY w.oid, w.rolname, w.rolsuper, w.rolbypassrls, c.relation, c.category
	), grantee AS (
		SELECT DISTINCT c.oid AS relation, x.grantee
		FROM pg_catalog.pg_class c
			CROSS JOIN LATERAL (
				SELECT a.grantee FROM pg_catalog.aclexplode(c.relacl) a
				UNION SELECT b.grantee FROM pg_catalog.pg_attribute t
					CROSS JOIN LATERAL pg_catalog.aclexplode(t.attacl) b
					WHERE t.attrelid OPERATOR(pg_catalog.=) c.oid) x
		WHERE c.oid OPERATOR(pg_catalog.=) ANY (SELECT relation FROM covered)
	), direct AS (
		SELECT m.*, c.relowner, c.relrowsecurity,
			CASE WHEN m.rolsuper THEN 'superuser'
				WHEN c.relowner OPERATOR(pg_catalog.=) m.oid THEN 'owner'
				WHEN EXISTS (SELECT 1 FROM grantee g WHERE g.relation OPERATOR(pg_catalog.=) m.relation
					AND g.grantee OPERATOR(pg_catalog.=) m.oid) THEN 'direct'
				ELSE coalesce('member of ' OPERATOR(pg_catalog.||) (
						SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_get_userbyid(g.grantee)::text, ', ')
						FROM (SELECT g.grantee FROM grantee g WHERE g.relation OPERATOR(pg_catalog.=) m.relation
							UNION SELECT c.relowner) g
						WHERE g.grantee OPERATOR(pg_catalog.<>) 0::oid AND pg_catalog.pg_has_role(m.oid, g.grantee, 'USAGE')),
					CASE WHEN EXISTS (SELECT 1 FROM grantee g WHERE g.relation OPERATOR(pg_catalog.=) m.relation
						AND g.grantee OPERATOR(pg_catalog.=) 0::oid) THEN 'PUBLIC' ELSE 'predefined role' END)
			END AS via
		FROM may m JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.relation
		WHERE m.privileges OPERATOR(pg_catalog.<>) ''
	)
	, through AS (
		-- views and views of views, by the column where they name one
		SELECT c.relation, c.category, w.ev_class AS view, k.relowner AS owner
		FROM relation_column c
			JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::regclass
				AND d.refobjid OPERATOR(pg_catalog.=) c.relation
				AND (d.refobjsubid OPERATOR(pg_catalog.=) c.attnum OR d.refobjsubid OPERATOR(pg_catalog.=) 0)
				AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::regclass
			JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
			JOIN pg_catalog.pg_class k ON k.oid OPERATOR(pg_catalog.=) w.ev_class
				AND k.relkind OPERATOR(pg_catalog.=) ANY ('{v,m}'::"char"[])
		WHERE pg_catalog.has_column_privilege(k.relowner, c.relation, c.attnum, 'SELECT')
			AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_options_to_table(k.reloptions) o
				WHERE o.option_name OPERATOR(pg_catalog.=) 'security_invoker' AND o.option_value::boolean)
		UNION
		SELECT t.relation, t.category, w.ev_class, t.owner
		FROM through t
			JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::regclass
				AND d.refobjid OPERATOR(pg_catalog.=) t.view
				AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::regclass
			JOIN pg_catalog.pg_rewrite w ON w.oid OPERATOR(pg_catalog.=) d.objid
				AND w.ev_class OPERATOR(pg_catalog.<>) t.view
	), cell AS (
		SELECT d.oid, d.rolname AS role, d.relation::regclass AS relation, d.category, d.privileges,
		CASE WHEN d.rolsuper OR d.rolbypassrls OR NOT d.relrowsecurity THEN 'all'
			ELSE coalesce((
				SELECT pg_catalog.string_agg(DISTINCT CASE WHEN r.decision OPERATOR(pg_catalog.=) 'keep' THEN 'all'
					WHEN r.own IS NOT NULL AND r.filter IS NOT NULL THEN 'own and filter'
					WHEN r.own IS NOT NULL THEN 'own' WHEN r.filter IS NOT NULL THEN 'filter' ELSE 'all' END, ', ')
				FROM gdpr.access_rule r
				WHERE r.relation OPERATOR(pg_catalog.=) d.relation AND r.decision OPERATOR(pg_catalog.<>) 'deny'
					AND (r.role OPERATOR(pg_catalog.=) 'public'
						OR r.role OPERATOR(pg_catalog.=) ANY (SELECT x.rolname FROM pg_catalog.pg_roles x
							WHERE pg_catalog.pg_has_role(d.oid, x.oid, 'USAGE')))), 'none')
		END AS rows,
		(SELECT pg_catalog.string_agg(DISTINCT p::text, ', ') FROM gdpr.access_rule r
			CROSS JOIN LATERAL pg_catalog.unnest(r.purposes) p
			WHERE r.relation OPERATOR(pg_catalog.=) d.relation AND NOT d.rolsuper AND NOT d.rolbypassrls
				AND r.role OPERATOR(pg_catalog.=) ANY (SELECT x.rolname FROM pg_catalog.pg_roles x
					WHERE pg_catalog.pg_has_role(d.oid, x.oid, 'USAGE'))) AS purposes,
		d.via, d.relrowsecurity AND (d.rolsuper OR d.rolbypassrls) AS bypasses
	FROM direct d
	)
	SELECT role, relation, category, privileges, rows, purposes, via, bypasses FROM cell
	UNION ALL
	-- Rights that are a SET ROLE away.  The attributes SUPERUSER and BYPASSRLS are
	-- never inherited, so what they give is, of members that inherit, too.
	SELECT w.rolname, c.relation, c.category, c.privileges, c.rows, c.purposes,
		'SET ROLE ' OPERATOR(pg_catalog.||) c.role, c.bypasses
	FROM cell c JOIN who w ON NOT w.rolsuper AND w.oid OPERATOR(pg_catalog.<>) c.oid
		AND (c.bypasses OR c.via OPERATOR(pg_catalog.=) 'superuser'
			OR NOT pg_catalog.pg_has_role(w.oid, c.oid, 'USAGE'))
		AND pg_catalog.pg_has_role(w.oid, c.oid,
			CASE WHEN pg_catalog.current_setting('server_version_num')::integer OPERATOR(pg_catalog.>=) 160000
				THEN 'SET' ELSE 'MEMBER' END)
	WHERE c.via OPERATOR(pg_catalog.=) ANY ('{direct,owner,superuser,predefined role}') OR c.bypasses
	UNION ALL
	SELECT w.rolname, t.relation::regclass, t.category, 'SELECT',
		CASE WHEN o.rolsuper OR o.rolbypassrls OR NOT k.relrowsecurity THEN 'all' ELSE 'as ' OPERATOR(pg_catalog.||) o.rolname END,
		NULL, 'view ' OPERATOR(pg_catalog.||) t.view::regclass::text, k.relrowsecurity AND (o.rolsuper OR o.rolbypassrls)
	FROM through t
		JOIN pg_catalog.pg_class k ON k.oid OPERATOR(pg_catalog.=) t.relation
		JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) t.owner
		JOIN who w ON NOT w.rolsuper AND w.oid OPERATOR(pg_catalog.<>) t.owner
			AND pg_catalog.has_any_column_privilege(w.oid, t.view, 'SELECT');
COMMENT ON VIEW gdpr.access_matrix IS 'who sees what: role, relation, category; rows all, filter, own or none; directly, through which role or which view; bypasses: row security does not bind';
REVOKE ALL ON gdpr.access_matrix FROM PUBLIC;
