-- The statements by which everything of a tag domain gets another tag key.

CREATE FUNCTION gdpr.tag_rotation_plan(tag_domain name, suffix text = '_2') RETURNS SETOF text
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH context AS (
	SELECT c.name, c.hash, c.name || suffix AS new, c.tag_domain || suffix AS new_domain
	FROM gdpr.context c
	WHERE c.tag_domain = tag_rotation_plan.tag_domain AND c.name <> 'gdpr'
), member AS (
	SELECT d.objid AS oid
	FROM pg_depend d
	JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_type'::regclass AND d.deptype = 'e' AND e.extname = 'gdpr_ext'
), plain AS (
	-- the encrypted types and arrays of them, which have the context in the column
	SELECT t.oid, false AS array FROM member m JOIN pg_type t ON t.oid = m.oid WHERE t.typtype = 'b' AND t.typelem = 0 AND t.typname ^@ 'enc'
	UNION ALL
	SELECT t.typarray, true FROM member m JOIN pg_type t ON t.oid = m.oid WHERE t.typtype = 'b' AND t.typelem = 0 AND t.typname ^@ 'enc'
), moves AS (
	SELECT c.oid AS relid, c.relkind, a.attnum, a.attname, plain.array, x.new
	FROM context x
	JOIN pg_attribute a ON a.atttypmod = x.hash AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
	JOIN plain ON plain.oid = a.atttypid
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = ANY ('{r,p}')
	WHERE NOT EXISTS (SELECT FROM gdpr.conversion v WHERE v.relation = c.oid AND a.attname IN (v.column_name, v.spare))
), refers AS (
	SELECT DISTINCT f.oid, f.conrelid, f.conname, c.relkind
	FROM moves m
	JOIN pg_constraint f ON f.contype = 'f' AND f.conparentid = 0
		AND (f.conrelid = m.relid AND m.attnum = ANY (f.conkey) OR f.confrelid = m.relid AND m.attnum = ANY (f.confkey))
	JOIN pg_class c ON c.oid = f.conrelid
), plan (step, object, part, statement) AS (
	SELECT 0, x.name::text, 0, format('-- by hand: context %I is of another tag domain than %I: give another suffix', x.new, x.new_domain)
	FROM context x JOIN gdpr.context n ON n.name = x.new AND n.tag_domain <> x.new_domain
	UNION ALL
	SELECT 1, v.relation::text, 0, format('CALL gdpr.convert_column(%L, %L); -- under way', v.relation, v.column_name)
	FROM gdpr.conversion v
	JOIN pg_attribute a ON a.attrelid = v.relation AND a.attname IN (v.column_name, v.spare)
	JOIN context x ON x.hash = a.atttypmod
	UNION ALL
	SELECT 2, t.oid::regtype::text, 0, format('-- by hand: make domain %s anew, and give its columns the underlying type meanwhile', t.oid::regtype)
	FROM context x
	JOIN pg_type t ON t.typtype = 'd' AND t.typtypmod = x.hash
	JOIN plain ON plain.oid = t.typbasetype
	UNION ALL
	SELECT 2, c.oid::regclass::text, 1, format('-- by hand: %s column %I of %s',
		CASE c.relkind WHEN 'c' THEN 'make the type anew: it has a context in' WHEN 'm' THEN 'make the materialized view anew:'
			ELSE 'make the foreign table anew:' END, a.attname, c.oid::regclass)
	FROM context x
	JOIN pg_attribute a ON a.atttypmod = x.hash AND a.attnum > 0 AND NOT a.attisdropped
	JOIN plain ON plain.oid = a.atttypid
	JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = ANY ('{c,m,f}')
	UNION ALL
	SELECT 3, m.relid::regclass::text, m.attnum, format('-- by hand: %s, in the way of column %I of %s: %s',
		CASE WHEN r.object ^@ (r.item || ' ') THEN r.object ELSE concat_ws(' ', r.item, r.object) END,
		m.attname, m.relid::regclass, r.action)
	FROM moves m
	CROSS JOIN LATERAL gdpr.column_report(m.relid::regclass, m.attname) r
	WHERE r.blocking AND r.item <> 'foreign key'
	UNION ALL
	SELECT 3, d.adrelid::regclass::text, d.adnum, format('-- by hand: the default of column %I of %s: drop it, and set it again at the end', m.attname, m.relid::regclass)
	FROM moves m
	JOIN pg_attrdef d ON d.adrelid = m.relid AND d.adnum = m.attnum
	WHERE gdpr.plain_default(m.relid::regclass, m.attname) IS NULL
	UNION ALL
	SELECT 10, x.name::text, 0, format('SELECT gdpr.create_context(%L, options => %L);', x.new, jsonb_build_object('tag_domain', x.new_domain))
	FROM context x WHERE NOT EXISTS (SELECT FROM gdpr.context n WHERE n.name = x.new)
	UNION ALL
	SELECT 11, concat_ws(' ', x.name, g.role), 0, format('SELECT gdpr.grant_context(%L, %L, %L);', x.new, g.role, g.privilege)
	FROM context x
	JOIN gdpr.context_grant g ON g.context = x.name
	WHERE NOT EXISTS (SELECT FROM gdpr.context_grant n WHERE n.context = x.new AND n.role = g.role AND n.privilege = g.privilege)
	UNION ALL
	SELECT 20, f.conrelid::regclass::text, 0, format('ALTER TABLE %s DROP CONSTRAINT %I;', f.conrelid::regclass, f.conname)
	FROM refers f
	UNION ALL
	SELECT 30, m.relid::regclass::text, 10 * m.attnum + s.part, s.statement
	FROM moves m
	CROSS JOIN LATERAL (SELECT NOT EXISTS (SELECT FROM gdpr.conversion_report(m.relid::regclass, m.attname) r WHERE r.blocking) AS online) o
	CROSS JOIN LATERAL (VALUES
		(0, true, format('SELECT * FROM gdpr.encrypt_column(%L, %L, %L, %L);', m.relid::regclass, m.attname, m.new, '{"online": true}')),
		(1, true, format('SELECT gdpr.conversion_indexes(%L, %L) \gexec', m.relid::regclass, m.attname)),
		(2, true, format('CALL gdpr.convert_column(%L, %L);', m.relid::regclass, m.attname)),
		(0, false, format('SELECT * FROM gdpr.encrypt_column(%L, %L, %L);', m.relid::regclass, m.attname, m.new))
	) AS s (part, online, statement)
	WHERE s.online = o.online
	UNION ALL
	-- a partitioned table takes no foreign key that is not valid
	SELECT 40, f.conrelid::regclass::text, 0, format('ALTER TABLE %s ADD CONSTRAINT %I %s%s;', f.conrelid::regclass, f.conname,
		pg_get_constraintdef(f.oid), CASE WHEN f.relkind = 'p' OR NOT k.convalidated THEN '' ELSE ' NOT VALID' END)
	FROM refers f JOIN pg_constraint k ON k.oid = f.oid
	UNION ALL
	SELECT 41, f.conrelid::regclass::text, 0, format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', f.conrelid::regclass, f.conname)
	FROM refers f JOIN pg_constraint k ON k.oid = f.oid WHERE f.relkind <> 'p' AND k.convalidated
	UNION ALL
	SELECT 50, m.relid::regclass::text, m.attnum, format('SELECT * FROM gdpr.check_column(%L, %L);', m.relid::regclass, m.attname)
	FROM moves m WHERE NOT m.array
)
SELECT p.statement
FROM (SELECT DISTINCT plan.step, plan.object, plan.part, plan.statement FROM plan) AS p
ORDER BY p.step, p.object, p.part, p.statement;
$$;
COMMENT ON FUNCTION gdpr.tag_rotation_plan(name, text) IS
	'the ordered statements, for psql, that move every column of a tag domain to contexts of a new one; those of what is left to do';
REVOKE ALL ON FUNCTION gdpr.tag_rotation_plan(name, text) FROM PUBLIC;
