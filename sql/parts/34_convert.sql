-- From a plain column to an encrypted one and back.

-- Views that show or use a column, through other views too, in an order in which
-- they can be made; an obstacle where one cannot be dropped and made again.
CREATE FUNCTION gdpr.column_view(
		relation regclass, column_name name,
		OUT view oid, OUT number integer, OUT obstacle text)
	RETURNS SETOF record
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE tree AS (
	SELECT relation::oid AS oid
	UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), views AS (
	SELECT r.ev_class AS oid, 1 AS depth
	FROM tree
	JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attname = column_name AND NOT a.attisdropped
	JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = tree.oid AND d.refobjsubid = a.attnum
		AND d.classid = 'pg_rewrite'::regclass
	JOIN pg_rewrite r ON r.oid = d.objid
	JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = ANY ('{v,m}')
	UNION
	SELECT r.ev_class, views.depth + 1
	FROM views
	JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = views.oid
		AND d.classid = 'pg_rewrite'::regclass
	JOIN pg_rewrite r ON r.oid = d.objid
	JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = ANY ('{v,m}')
	WHERE r.ev_class <> views.oid
), deepest AS (
	SELECT views.oid, max(views.depth) AS depth FROM views GROUP BY views.oid
)
SELECT v.oid, (row_number() OVER (ORDER BY deepest.depth, v.oid))::integer,
	CASE WHEN v.relkind = 'm' THEN 'drop it, and create it again after: with column::text where it shows plaintext'
	WHEN EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = v.oid AND d.deptype = 'e')
		THEN 'drop it: it belongs to an extension'
	WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = v.oid AND r.rulename <> '_RETURN')
		THEN 'drop it, and create it again after: it has rules'
	WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = v.oid)
		THEN 'drop it, and create it again after: it has triggers'
	WHEN EXISTS (SELECT FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = v.oid)
		THEN 'drop it, and create it again after: it has security labels'
	ELSE (
		SELECT format('drop it, and create it again after: %s depends on it', pg_describe_object(d.classid, d.objid, d.objsubid))
		FROM pg_depend d
		LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
		WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid
			OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (v.reltype, (SELECT t.typarray FROM pg_type t WHERE t.oid = v.reltype)))
			AND d.deptype <> 'i'
			AND coalesce(r.ev_class NOT IN (SELECT deepest.oid FROM deepest), true)
			AND NOT (d.classid = 'pg_attrdef'::regclass
				AND EXISTS (SELECT FROM pg_attrdef ad WHERE ad.oid = d.objid AND ad.adrelid = v.oid))
		ORDER BY 1 LIMIT 1)
	END
FROM deepest
JOIN pg_class v ON v.oid = deepest.oid;
$$;
COMMENT ON FUNCTION gdpr.column_view(regclass, name) IS
	'the views on a column, and what keeps one from being dropped and made again when the column''s type changes';
REVOKE ALL ON FUNCTION gdpr.column_view(regclass, name) FROM PUBLIC;

-- What depends on a column, and what that means for changing its type.  Reads
-- catalogs alone; gdpr.encrypt_column and gdpr.decrypt_column show its rows.
CREATE FUNCTION gdpr.column_report(
		relation regclass, column_name name,
		OUT item text, OUT object text, OUT action text, OUT blocking boolean)
	RETURNS SETOF record
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE col AS (
	SELECT c.oid AS relid, a.attnum, a.attname, c.relispartition, c.relkind,
		a.attinhcount, a.attgenerated, a.atthasdef
	FROM pg_class c
	JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.oid = relation AND a.attname = column_name
), tree AS (
	SELECT col.relid AS oid FROM col
	UNION
	SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), leaf AS (
	-- a table that was never analysed has no count: a row is taken for 100 bytes
	SELECT c.oid, b.bytes, CASE WHEN c.reltuples < 0 THEN b.bytes / 100 ELSE c.reltuples END AS tuples
	FROM tree
	JOIN pg_class c ON c.oid = tree.oid
	CROSS JOIN LATERAL (SELECT pg_table_size(c.oid) AS bytes) AS b
	WHERE c.relkind = 'r'
), same AS (
	-- the column in the relation and in everything that inherits it
	SELECT a.attrelid, a.attnum
	FROM tree
	JOIN pg_attribute a ON a.attrelid = tree.oid
	WHERE a.attname = column_name AND NOT a.attisdropped
), dep AS (
	SELECT DISTINCT d.classid, d.objid, d.objsubid
	FROM pg_depend d
	JOIN same ON d.refobjid = same.attrelid
		AND d.refobjsubid = same.attnum
	WHERE d.refclassid = 'pg_class'::regclass
), indexes AS (
	SELECT i.indexrelid, i.indisexclusion, am.amname,
		concat(i.indexprs::text, i.indpred::text)
			~ format(':varattno %s ', same.attnum) AS by_expression,
		coalesce((SELECT NOT o.opcdefault
			FROM unnest(i.indkey::int2[], i.indclass::oid[]) AS k (attnum, opclass)
			JOIN pg_opclass o ON o.oid = k.opclass
			WHERE k.attnum = same.attnum AND NOT o.opcdefault LIMIT 1), false) AS by_opclass,
		coalesce((SELECT true
			FROM unnest(i.indkey::int2[], i.indcollation::oid[]) AS k (attnum, coll)
			JOIN pg_attribute a ON a.attrelid = i.indrelid
				AND a.attnum = k.attnum
			WHERE k.attnum = same.attnum
				AND k.coll <> 0
				AND k.coll <> a.attcollation LIMIT 1), false) AS by_collation
	FROM same
	JOIN pg_index i ON i.indrelid = same.attrelid
	JOIN pg_class x ON x.oid = i.indexrelid
	JOIN pg_am am ON am.oid = x.relam
	WHERE same.attnum = ANY (i.indkey::int2[])
		OR concat(i.indexprs::text, i.indpred::text)
			~ format(':varattno %s ', same.attnum)
), report AS (
	SELECT 10 AS rank, 'lock' AS item, relation::text AS object,
		format('ACCESS EXCLUSIVE while the table is rewritten: about %s rows, %s, about %s s',
			coalesce(sum(leaf.tuples)::bigint, 0),
			pg_size_pretty(coalesce(sum(leaf.bytes), 0)),
			ceil(coalesce(sum(leaf.tuples)::numeric * 0.000004
				+ sum(leaf.bytes) / 100000000, 0))) AS action,
		false AS blocking
	FROM leaf
	UNION ALL
	SELECT 20, 'partition', tree.oid::regclass::text, 'converted with its parent', false
	FROM tree JOIN col ON tree.oid <> col.relid
	UNION ALL
	SELECT 21, 'parent', i.inhparent::regclass::text, 'convert the column there: it is inherited', true
	FROM col JOIN pg_inherits i ON i.inhrelid = col.relid
	WHERE col.attinhcount > 0
	UNION ALL
	SELECT 22, 'partition key', col.relid::regclass::text,
		'a table cannot be partitioned by the column that changes', true
	FROM col JOIN pg_partitioned_table p ON p.partrelid = col.relid
	WHERE col.attnum = ANY (p.partattrs::int2[])
		OR p.partexprs::text ~ format(':varattno %s ', col.attnum)
	UNION ALL
	SELECT 30, CASE v.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, v.oid::regclass::text,
		coalesce(d.obstacle, 'made again as it is: it shows what the column shows'), d.obstacle IS NOT NULL
	FROM gdpr.column_view(relation, column_name) d
	JOIN pg_class v ON v.oid = d.view
	UNION ALL
	SELECT 40, 'index', i.indexrelid::regclass::text,
		CASE WHEN i.by_expression THEN 'drop it: an expression or a predicate cannot see the plaintext'
			WHEN i.indisexclusion THEN 'drop the exclusion constraint: encrypted values have equality alone'
			WHEN i.amname <> ALL ('{btree,hash}')
				THEN format('drop it: encrypted values cannot be searched by %s', i.amname)
			WHEN i.by_opclass THEN 'drop it: encrypted values have equality alone, not patterns'
			WHEN i.by_collation THEN 'drop it: encrypted values have no collation'
			ELSE 'rebuilt' END,
		i.by_expression OR i.indisexclusion OR i.by_opclass OR i.by_collation
			OR i.amname <> ALL ('{btree,hash}')
	FROM indexes i
	UNION ALL
	SELECT 50, 'foreign key', format('%s on %s', c.conname, c.conrelid::regclass),
		'drop it, convert both columns to one context or tag domain, and add it again', true
	FROM same
	JOIN pg_constraint c ON c.contype = 'f'
		AND c.conparentid = 0
		AND ((c.conrelid = same.attrelid AND same.attnum = ANY (c.conkey))
			OR (c.confrelid = same.attrelid AND same.attnum = ANY (c.confkey)))
	UNION ALL
	SELECT 51, 'check', format('%s on %s', c.conname, c.conrelid::regclass),
		'drop it: a check sees the stored value, and the plaintext only for a role that may read', true
	FROM same
	JOIN pg_constraint c ON c.contype = 'c'
		AND c.conrelid = same.attrelid
		AND same.attnum = ANY (c.conkey)
	UNION ALL
	SELECT 60, 'generated column', format('%I of %s', a.attname, a.attrelid::regclass),
		'drop its expression: it cannot see the plaintext', true
	FROM dep
	JOIN pg_attrdef ad ON dep.classid = 'pg_attrdef'::regclass
		AND ad.oid = dep.objid
	JOIN pg_attribute a ON a.attrelid = ad.adrelid
		AND a.attnum = ad.adnum
	WHERE a.attgenerated <> ''
	UNION ALL
	SELECT 61, 'policy', pg_describe_object(dep.classid, dep.objid, 0),
		'drop it, and create it again after: equality works as before', true
	FROM dep WHERE dep.classid = 'pg_policy'::regclass
	UNION ALL
	SELECT 62, 'trigger', pg_describe_object(dep.classid, dep.objid, 0),
		'drop it, and create it again after: its WHEN or UPDATE OF names the column', true
	FROM dep WHERE dep.classid = 'pg_trigger'::regclass
	UNION ALL
	SELECT 63, 'function', pg_describe_object(dep.classid, dep.objid, 0),
		'drop it, and create it again after: its body names the column', true
	FROM dep WHERE dep.classid = 'pg_proc'::regclass
	UNION ALL
	SELECT 64, 'statistics', pg_describe_object(dep.classid, dep.objid, 0),
		'drop it: extended statistics keep values', true
	FROM dep WHERE dep.classid = 'pg_statistic_ext'::regclass
	UNION ALL
	SELECT 65, 'rule', pg_describe_object(dep.classid, dep.objid, 0),
		'drop it, and create it again after', true
	FROM dep
	JOIN pg_rewrite r ON r.oid = dep.objid
	JOIN pg_class v ON v.oid = r.ev_class
	WHERE dep.classid = 'pg_rewrite'::regclass
		AND v.relkind <> ALL ('{v,m}')
	UNION ALL
	SELECT 66, 'publication', p.pubname::text,
		CASE WHEN pr.prqual IS NOT NULL
			AND pr.prqual::text ~ format(':varattno %s ', same.attnum)
			THEN 'take the table out, and add it again after: its row filter names the column'
			ELSE 'subscribers receive the stored form: give their column the same type and context' END,
		coalesce(pr.prqual::text ~ format(':varattno %s ', same.attnum), false)
	FROM same
	JOIN pg_publication_rel pr ON pr.prrelid = same.attrelid
	JOIN pg_publication p ON p.oid = pr.prpubid
	UNION ALL
	SELECT 70, 'default', pg_get_expr(ad.adbin, ad.adrelid), 'kept, and converted when it is used', false
	FROM col
	JOIN pg_attrdef ad ON ad.adrelid = col.relid
		AND ad.adnum = col.attnum
	WHERE col.attgenerated = ''
	UNION ALL
	SELECT 71, 'generated column', format('%I of %s', col.attname, col.relid::regclass),
		'drop its expression: an encrypted value cannot be generated', true
	FROM col WHERE col.attgenerated <> ''
)
SELECT r.item, r.object, r.action, r.blocking
FROM (SELECT DISTINCT report.rank, report.item, report.object, report.action, report.blocking FROM report) AS r
ORDER BY r.rank, r.object;
$$;
COMMENT ON FUNCTION gdpr.column_report(regclass, name) IS
	'what depends on a column and what becomes of it when the column''s type changes';
REVOKE ALL ON FUNCTION gdpr.column_report(regclass, name) FROM PUBLIC;

-- A default of an encrypted column is a plain expression cast into its type:
-- that expression, or null where it is something else.
CREATE FUNCTION gdpr.plain_default(relation regclass, column_name name) RETURNS text
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
SELECT e.plain
FROM (
	SELECT CASE
		WHEN x.tree ~ '^{FUNCEXPR :funcid \d+ :funcresulttype \d+ :funcretset false :funcvariadic false :funcformat 2 ' AND x.expr !~ x.cast_last
			THEN x.expr
		WHEN x.tree ^@ '{FUNCEXPR ' AND x.expr ~ ('^\(.*\)' || x.cast_last)
			THEN regexp_replace(x.expr, '^\((.*)\)' || x.cast_last, '\1') END AS plain, x.type
	FROM (
		SELECT pg_get_expr(d.adbin, d.adrelid) AS expr, d.adbin::text AS tree, t.type,
			'::' || regexp_replace(t.type, '([^[:alnum:]_ ])', '\\\1', 'g') || '(\([^()]*\))?$' AS cast_last
		FROM pg_attribute a
		JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		CROSS JOIN LATERAL (SELECT format_type(a.atttypid, NULL) AS type) AS t
		WHERE a.attrelid = relation AND a.attname = column_name AND a.attgenerated = ''
	) AS x
) AS e
WHERE strpos(e.plain, '::' || e.type) = 0;
$$;
COMMENT ON FUNCTION gdpr.plain_default(regclass, name) IS
	'the plain expression of which an encrypted column''s default is made; null when there is none';
REVOKE ALL ON FUNCTION gdpr.plain_default(regclass, name) FROM PUBLIC;

CREATE FUNCTION gdpr.encrypt_column(
		relation regclass, column_name name, context name, options jsonb = '{}',
		OUT item text, OUT object text, OUT action text, OUT blocking boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_convert_encrypt'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.encrypt_column(regclass, name, name, jsonb) IS
	'encrypts a column, or moves an encrypted one into another context; options "type" (default: what fits the column), "dry_run" and "online"';
REVOKE ALL ON FUNCTION gdpr.encrypt_column(regclass, name, name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.decrypt_column(
		relation regclass, column_name name, options jsonb = '{}',
		OUT item text, OUT object text, OUT action text, OUT blocking boolean)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_convert_decrypt'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.decrypt_column(regclass, name, jsonb) IS
	'makes an encrypted column plain again; options "type" (default: what was encrypted), "dry_run" and "online"';
REVOKE ALL ON FUNCTION gdpr.decrypt_column(regclass, name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.check_column(
		relation regclass, column_name name,
		OUT item text, OUT key_version integer, OUT count bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gdpr_check_column'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.check_column(regclass, name) IS
	'counts the values of an encrypted column that decrypt and that do not, without showing one';
REVOKE ALL ON FUNCTION gdpr.check_column(regclass, name) FROM PUBLIC;
