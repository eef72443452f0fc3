-- The statements that lead from here to a database without the extension.
CREATE FUNCTION gdpr.uninstall_plan() RETURNS SETOF text
	LANGUAGE SQL STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE member AS (
	SELECT d.classid, d.objid
	FROM pg_depend d
	JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'gdpr_ext'
), enc AS (
	-- the encrypted types, arrays of them, and domains over either
	SELECT t.oid, 0 AS arrays, 0 AS depth
	FROM member m
	JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
	WHERE t.typtype = 'b' AND t.typelem = 0 AND t.typname ^@ 'enc'
	UNION
	SELECT t.oid, enc.arrays + CASE WHEN t.typtype = 'd' THEN 0 ELSE 1 END, enc.depth + 1
	FROM enc
	JOIN pg_type t ON t.typelem = enc.oid OR t.typtype = 'd' AND t.typbasetype = enc.oid
), mixed AS (
	-- what holds them beside others, and whatever is made of that
	SELECT t.oid
	FROM enc
	JOIN pg_attribute a ON a.atttypid = enc.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_type t ON t.typrelid = a.attrelid
	UNION SELECT r.rngtypid FROM enc JOIN pg_range r ON r.rngsubtype = enc.oid
	UNION
	SELECT x.oid
	FROM mixed
	CROSS JOIN LATERAL (
		SELECT t.oid FROM pg_type t WHERE t.typelem = mixed.oid OR t.typtype = 'd' AND t.typbasetype = mixed.oid
		UNION ALL
		SELECT t.oid FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid
		WHERE a.atttypid = mixed.oid AND a.attnum > 0 AND NOT a.attisdropped) AS x
), encrypted AS (
	SELECT DISTINCT c.oid AS relid, c.relkind, a.attnum, a.attname
	FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid
	JOIN enc ON enc.oid = a.atttypid
	WHERE c.relkind = ANY ('{r,p}') AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0 AND enc.arrays < 2
		AND NOT EXISTS (SELECT FROM gdpr.conversion v WHERE v.relation = c.oid AND a.attname IN (v.column_name, v.spare))
), constrained AS (
	SELECT DISTINCT c.oid, c.conrelid, c.conname, c.contype, EXISTS (
		SELECT FROM pg_depend d JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid
		WHERE d.classid = 'pg_constraint'::regclass AND d.objid = c.oid AND c.contype = 'c') AS bound
	FROM encrypted e
	JOIN pg_constraint c ON c.contype = ANY ('{c,f}') AND c.conparentid = 0 AND c.coninhcount = 0
		AND (c.conrelid = e.relid AND e.attnum = ANY (c.conkey)
			OR c.contype = 'f' AND c.confrelid = e.relid AND e.attnum = ANY (c.confkey))
), plan (step, statement) AS (
	SELECT 10, CASE v.phase
		WHEN 'fill' THEN format('SELECT gdpr.cancel_conversion(%L, %L);', v.relation, v.column_name)
		ELSE format('CALL gdpr.convert_column(%L, %L);', v.relation, v.column_name) END
	FROM gdpr.conversion v
	UNION ALL
	SELECT 11, format('SELECT * FROM gdpr.decrypt_column(%L, %L);', v.relation, v.column_name)
	FROM gdpr.conversion v WHERE v.direction = 'move' OR (v.phase = 'clear') = (v.direction = 'encrypt')
	UNION ALL
	SELECT 0, format('SELECT gdpr.unprotect(%L);', p.relation)
	FROM gdpr.protected p
	WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation)
	UNION ALL
	SELECT 0, format('SELECT gdpr.release(%L);', r.relation)
	FROM gdpr.access_rule r
	WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = r.relation)
	UNION ALL
	SELECT 20, format('-- by hand: column %I of %s holds encrypted values inside type %s: copy them as text, and drop it',
		a.attname, c.oid::regclass, a.atttypid::regtype)
	FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relkind = ANY ('{r,p,f}') AND a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
		AND (a.atttypid IN (SELECT mixed.oid FROM mixed) OR a.atttypid IN (SELECT enc.oid FROM enc WHERE enc.arrays > 1))
	UNION ALL
	SELECT 20, format('-- by hand: drop foreign table %s, or its column %I', c.oid::regclass, a.attname)
	FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relkind = 'f' AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (SELECT enc.oid FROM enc)
	UNION ALL
	SELECT 21, format('-- by hand: drop type %s, when nothing uses it', t.oid::regtype)
	FROM pg_type t
	LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE t.oid IN (SELECT mixed.oid FROM mixed) AND (c.relkind = 'c' OR t.typtype = ANY ('{d,r}'))
	UNION ALL
	SELECT 22, format('-- by hand: drop %s, and create it again at the end', pg_describe_object('pg_class'::regclass, c.oid, 0))
	FROM pg_class c
	WHERE c.relkind = 'm' AND EXISTS (
		SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			AND (a.atttypid IN (SELECT enc.oid FROM enc) OR a.atttypid IN (SELECT mixed.oid FROM mixed)))
	UNION ALL
	-- a view that only compares is made again by decrypt_column
	SELECT 22, format('-- by hand: drop view %s, and create it again at the end: its definition names an encrypted type', c.oid::regclass)
	FROM pg_class c
	WHERE c.relkind = 'v' AND c.relnamespace <> 'gdpr'::regnamespace
		AND EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
			JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid WHERE r.ev_class = c.oid)
		AND (pg_get_viewdef(c.oid) ~ '::(@extschema@\.)?enc[a-z0-9]+\M'
			OR EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
				JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid
				WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass))
	UNION ALL
	SELECT 23, format('-- by hand: drop %s, and make it again at the end', pg_describe_object(d.classid, d.objid, d.objsubid))
	FROM pg_depend d
	LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
	-- functions that only name a column stand in the way of it, too
	WHERE d.classid = ANY (ARRAY['pg_proc', 'pg_trigger', 'pg_operator', 'pg_aggregate', 'pg_event_trigger']::regclass[]::oid[])
		AND d.deptype = 'n'
		AND (EXISTS (SELECT FROM member m WHERE m.classid = d.refclassid AND m.objid = d.refobjid)
			OR d.refclassid = 'pg_class'::regclass AND EXISTS (
				SELECT FROM encrypted e WHERE d.classid = 'pg_proc'::regclass AND e.relid = d.refobjid AND e.attnum = d.refobjsubid)
			OR d.refclassid = 'pg_type'::regclass AND (d.refobjid IN (SELECT enc.oid FROM enc) OR d.refobjid IN (SELECT mixed.oid FROM mixed)))
		AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classid AND m.objid = d.objid)
		-- triggers of ours go by what stands above
		AND NOT coalesce(t.tgfoid IN (SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'gdpr'::regnamespace), false)
	UNION ALL
	SELECT 22, format('-- by hand: drop %s %s, and create it again at the end', r.item, r.object)
	FROM encrypted e
	CROSS JOIN LATERAL gdpr.column_report(e.relid::regclass, e.attname) r
	WHERE r.item = 'materialized view'
	UNION ALL
	SELECT 24, format('-- by hand: %s, in the way of column %I of %s: %s',
		CASE WHEN r.object ^@ (r.item || ' ') THEN r.object ELSE concat_ws(' ', r.item, r.object) END,
		e.attname, e.relid::regclass, r.action)
	FROM encrypted e
	CROSS JOIN LATERAL gdpr.column_report(e.relid::regclass, e.attname) r
	WHERE r.blocking AND r.item <> ALL ('{check,foreign key,function,materialized view}')
		AND NOT (r.item = 'policy' AND e.relid IN (SELECT a.relation::oid FROM gdpr.access_rule a) AND r.object ^@ 'policy gdpr_')
	UNION ALL
	SELECT 24, format('-- by hand: the default of column %I of %s: drop it, and set a plain one at the end', e.attname, e.relid::regclass)
	FROM encrypted e
	JOIN pg_attrdef d ON d.adrelid = e.relid AND d.adnum = e.attnum
	WHERE gdpr.plain_default(e.relid::regclass, e.attname) IS NULL
	UNION ALL
	SELECT 24, format('-- by hand: drop check %I of %s, which names an encrypted type', c.conname, c.conrelid::regclass)
	FROM constrained c WHERE c.bound
	UNION ALL
	SELECT 30, format('ALTER TABLE %s DROP CONSTRAINT %I;', c.conrelid::regclass, c.conname)
	FROM constrained c WHERE NOT c.bound
	UNION ALL
	SELECT 40, format('SELECT * FROM gdpr.decrypt_column(%L, %L);', e.relid::regclass, e.attname)
	FROM encrypted e
	UNION ALL
	SELECT CASE c.contype WHEN 'c' THEN 50 ELSE 51 END,
		format('ALTER TABLE %s ADD CONSTRAINT %I %s;', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
	FROM constrained c WHERE NOT c.bound
	UNION ALL
	SELECT 100 - max(enc.depth), format('DROP DOMAIN %s;', t.oid::regtype)
	FROM enc JOIN pg_type t ON t.oid = enc.oid AND t.typtype = 'd'
	GROUP BY t.oid
	UNION ALL
	-- made by hand, to or from another extension's type
	SELECT 105, format('DROP CAST (%s AS %s);', k.castsource::regtype, k.casttarget::regtype)
	FROM pg_cast k
	WHERE (k.castsource IN (SELECT enc.oid FROM enc) OR k.casttarget IN (SELECT enc.oid FROM enc))
		AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_cast'::regclass AND m.objid = k.oid)
	UNION ALL
	SELECT 110, 'SET gdpr.allow_drop = on;'
	UNION ALL
	SELECT 120, 'DROP EXTENSION gdpr_ext;'
)
SELECT p.statement
FROM (SELECT DISTINCT plan.step, plan.statement FROM plan) AS p
ORDER BY p.step, p.statement;
$$;
COMMENT ON FUNCTION gdpr.uninstall_plan() IS
	'the ordered statements that lead to a database without the extension; decrypts everything';
REVOKE ALL ON FUNCTION gdpr.uninstall_plan() FROM PUBLIC;
