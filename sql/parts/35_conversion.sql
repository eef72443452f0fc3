-- Conversion while the table is in use: a spare column beside the column, kept
-- in step by a trigger, filled in batches, and swapped with it in the end.

CREATE TABLE gdpr.conversion (
	relation regclass NOT NULL,
	column_name name NOT NULL,
	spare name NOT NULL,
	direction text NOT NULL CHECK (direction IN ('encrypt', 'decrypt', 'move')),
	phase text NOT NULL DEFAULT 'fill' CHECK (phase IN ('fill', 'clear')),
	via regtype NOT NULL,
	role name NOT NULL,
	part regclass,
	next_block bigint NOT NULL DEFAULT 0,
	rows bigint NOT NULL DEFAULT 0,
	skipped bigint NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	swapped_at timestamptz,
	active_at timestamptz,
	PRIMARY KEY (relation, column_name)
);
COMMENT ON TABLE gdpr.conversion IS 'conversions under way; made by gdpr.encrypt_column and gdpr.decrypt_column with the option "online"';
COMMENT ON COLUMN gdpr.conversion.direction IS 'move: from one context, or type of equality, into another';
COMMENT ON COLUMN gdpr.conversion.spare IS 'the second column: the converted values before the swap, those of before that are being removed after it';
COMMENT ON COLUMN gdpr.conversion.phase IS 'fill: values are converted into the spare column; clear: the columns are swapped, and the values of before are removed';
COMMENT ON COLUMN gdpr.conversion.via IS 'the plain type that values are cast through';
COMMENT ON COLUMN gdpr.conversion.role IS 'who began it: values are converted with the rights of this role, whoever writes them';
COMMENT ON COLUMN gdpr.conversion.part IS 'the table that is worked on; those before it, by number, are done';
COMMENT ON COLUMN gdpr.conversion.rows IS 'rows changed in this phase';
COMMENT ON COLUMN gdpr.conversion.skipped IS 'rows that the last pass found locked and left for the next';
REVOKE ALL ON gdpr.conversion FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('gdpr.conversion', '');

CREATE VIEW gdpr.conversion_status AS
	SELECT v.relation, v.column_name, v.direction, v.phase, v.rows,
		pg_catalog.round((100 * CASE WHEN v.phase OPERATOR(pg_catalog.=) 'clear' AND b.total OPERATOR(pg_catalog.=) 0 THEN 1
			WHEN b.total OPERATOR(pg_catalog.=) 0 THEN 0
			ELSE least(1, (b.before OPERATOR(pg_catalog.+) v.next_block)::numeric OPERATOR(pg_catalog./) b.total) END)::numeric, 1) AS percent,
		v.skipped, v.role, v.spare, v.started_at, v.swapped_at, v.active_at
	FROM gdpr.conversion v
	CROSS JOIN LATERAL (
		WITH RECURSIVE tree AS (
			SELECT v.relation::oid AS oid
			UNION SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) tree.oid
		), leaf AS (
			SELECT c.oid, pg_catalog.pg_relation_size(c.oid)
				OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::bigint AS blocks
			FROM tree JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) tree.oid
			WHERE c.relkind OPERATOR(pg_catalog.=) 'r'
		)
		SELECT coalesce(pg_catalog.sum(blocks), 0) AS total,
			coalesce(pg_catalog.sum(blocks) FILTER (WHERE oid OPERATOR(pg_catalog.<) v.part::oid), 0) AS before
		FROM leaf) b;
COMMENT ON VIEW gdpr.conversion_status IS 'how far conversions are; percent is of the phase''s present pass over the table';
REVOKE ALL ON gdpr.conversion_status FROM PUBLIC;

-- What stands in the way of an online conversion alone, beside what
-- gdpr.column_report says.
CREATE FUNCTION gdpr.conversion_report(
		relation regclass, column_name name,
		OUT item text, OUT object text, OUT action text, OUT blocking boolean)
	RETURNS SETOF record
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE tree AS (
	SELECT relation::oid AS oid
	UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), same AS (
	SELECT c.oid AS relid, c.relkind, c.relispartition, c.reloftype, a.attnum, a.attidentity
	FROM tree
	JOIN pg_class c ON c.oid = tree.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = column_name AND NOT a.attisdropped
), report AS (
	SELECT 15 AS rank, 'order' AS item, format('%I of %s', column_name, relation) AS object,
		'becomes the last column: name the columns in INSERT, COPY and SELECT' AS action, false AS blocking
	UNION ALL
	SELECT 20, 'child', s.relid::regclass::text, 'convert without "online": tables that inherit and are no partitions have triggers of their own', true
	FROM same s WHERE s.relid <> relation AND NOT s.relispartition
	UNION ALL
	SELECT 20, 'partition', s.relid::regclass::text, 'convert without "online", or detach it: a foreign table cannot be filled', true
	FROM same s WHERE s.relkind = 'f'
	UNION ALL
	SELECT 23, 'typed table', s.relid::regclass::text, 'convert without "online": a table of a type takes no spare column', true
	FROM same s WHERE s.reloftype <> 0
	UNION ALL
	SELECT 24, 'sequence', format('%I of %s', column_name, s.relid::regclass), 'convert without "online", or drop the identity', true
	FROM same s WHERE s.attidentity <> ''
	UNION ALL
	SELECT 24, 'sequence', d.objid::regclass::text, 'ALTER SEQUENCE … OWNED BY NONE before: it would go with the old column', true
	FROM same s
	JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.relid AND d.refobjsubid = s.attnum
		AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
	JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
	WHERE s.attidentity = ''
	UNION ALL
	SELECT 41, 'unique', format('%s on %s', c.conname, c.conrelid::regclass),
		'convert without "online", or drop the constraint and keep a unique index: a constraint of a partitioned table cannot take over an index', true
	FROM same s
	JOIN pg_constraint c ON c.conrelid = s.relid AND c.contype = ANY ('{p,u}') AND s.attnum = ANY (c.conkey)
	WHERE s.relkind = 'p'
	UNION ALL
	SELECT 42, 'index', i.indexrelid::regclass::text, 'convert without "online": operator class parameters are not carried over', true
	FROM same s
	JOIN pg_index i ON i.indrelid = s.relid AND s.attnum = ANY (i.indkey::int2[])
	WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attoptions IS NOT NULL)
	UNION ALL
	SELECT 42, 'index', i.indexrelid::regclass::text, 'drop it, or build it anew: it is invalid', true
	FROM same s
	JOIN pg_index i ON i.indrelid = s.relid AND s.attnum = ANY (i.indkey::int2[])
	WHERE NOT i.indisvalid
	UNION ALL
	SELECT 62, 'trigger', format('%I on %s', t.tgname, s.relid::regclass), 'rename it: it fires after ours, and what it changes would not be converted', true
	FROM same s
	JOIN pg_trigger t ON t.tgrelid = s.relid AND NOT t.tgisinternal
	WHERE t.tgtype & 1 = 1 AND t.tgtype & 2 = 2 AND t.tgtype & 20 <> 0
		AND t.tgname::text COLLATE "C" >= '~gdpr_convert_' COLLATE "C"
		-- ours give a value another key, and no other plaintext
		AND NOT EXISTS (SELECT FROM pg_proc f WHERE f.oid = t.tgfoid AND f.pronamespace = 'gdpr'::regnamespace)
	UNION ALL
	SELECT 66, 'publication', p.pubname::text,
		'convert without "online", or take the table out: its subscribers would need the spare column', true
	FROM same s
	JOIN pg_class c ON c.oid = s.relid
	JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_publication_tables p ON p.schemaname = n.nspname AND p.tablename = c.relname
	WHERE column_name = ANY (p.attnames)
	UNION ALL
	SELECT 67, 'security label', l.provider, 'drop it, and set it again after', true
	FROM same s
	JOIN pg_seclabel l ON l.classoid = 'pg_class'::regclass AND l.objoid = s.relid AND l.objsubid = s.attnum
)
SELECT DISTINCT ON (r.rank, r.item, r.object, r.action) r.item, r.object, r.action, r.blocking
FROM report r
ORDER BY r.rank, r.item, r.object, r.action;
$$;
COMMENT ON FUNCTION gdpr.conversion_report(regclass, name) IS
	'what stands in the way of converting a column online, beside what gdpr.column_report says';
REVOKE ALL ON FUNCTION gdpr.conversion_report(regclass, name) FROM PUBLIC;

-- Indexes of the column, and those that take their place.
CREATE FUNCTION gdpr.conversion_replacement(
		relation regclass, column_name name,
		OUT index oid, OUT part oid, OUT replacement name, OUT step integer, OUT statement text, OUT done boolean)
	RETURNS SETOF record
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE tree AS (
	SELECT relation::oid AS oid
	UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), same AS (
	SELECT c.oid AS relid, c.relkind, c.relnamespace, a.attnum, v.spare, b.attnum AS spare_attnum
	FROM gdpr.conversion v
	CROSS JOIN tree
	JOIN pg_class c ON c.oid = tree.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = v.column_name
	JOIN pg_attribute b ON b.attrelid = c.oid AND b.attname = v.spare
	WHERE v.relation = conversion_replacement.relation AND v.column_name = conversion_replacement.column_name
		AND v.phase = 'fill'
), old AS (
	SELECT i.*, s.relkind, s.attnum, s.spare, s.spare_attnum, x.relam, am.amname, x.reloptions, x.reltablespace,
		n.nspname, ('gdpr_c_' || CASE WHEN octet_length(x.relname) > 56 THEN md5(x.relname) ELSE x.relname END)::name AS replacement,
		p.inhparent
	FROM same s
	JOIN pg_index i ON i.indrelid = s.relid AND s.attnum = ANY (i.indkey::int2[])
	JOIN pg_class x ON x.oid = i.indexrelid
	JOIN pg_am am ON am.oid = x.relam
	JOIN pg_namespace n ON n.oid = x.relnamespace
	LEFT JOIN pg_inherits p ON p.inhrelid = i.indexrelid
), new AS (
	SELECT old.indexrelid AS old, r.*
	FROM old
	JOIN pg_class x ON x.relname = old.replacement
	JOIN pg_namespace n ON n.oid = x.relnamespace AND n.nspname = old.nspname
	JOIN pg_index r ON r.indexrelid = x.oid AND r.indrelid = old.indrelid
	WHERE x.relam = old.relam AND r.indisunique = old.indisunique AND r.indnkeyatts = old.indnkeyatts
		AND r.indnullsnotdistinct = old.indnullsnotdistinct
		AND r.indoption::text = old.indoption::text
		AND r.indkey::int2[] = array_replace(old.indkey::int2[], old.attnum, old.spare_attnum)
		AND pg_get_expr(r.indexprs, r.indrelid) IS NOT DISTINCT FROM pg_get_expr(old.indexprs, old.indrelid)
		AND pg_get_expr(r.indpred, r.indrelid) IS NOT DISTINCT FROM pg_get_expr(old.indpred, old.indrelid)
), definition AS (
	SELECT old.*,
		format('%s ON %s%s USING %I (%s)%s%s%s%s%s',
			quote_ident(old.replacement), CASE WHEN old.relkind = 'p' THEN 'ONLY ' ELSE '' END,
			old.indrelid::regclass, old.amname,
			(SELECT string_agg(
				CASE WHEN old.indkey[n - 1] = old.attnum THEN quote_ident(old.spare)
				ELSE pg_get_indexdef(old.indexrelid, n, false)
					|| coalesce(' COLLATE ' || (SELECT format('%I.%I', cn.nspname, c.collname)
						FROM pg_collation c JOIN pg_namespace cn ON cn.oid = c.collnamespace
						WHERE c.oid = old.indcollation[n - 1]), '')
					|| (SELECT format(' %I.%I', cn.nspname, c.opcname)
						FROM pg_opclass c JOIN pg_namespace cn ON cn.oid = c.opcnamespace
						WHERE c.oid = old.indclass[n - 1])
				END || CASE WHEN old.amname <> 'btree' THEN ''
					ELSE CASE WHEN old.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE ' ASC' END
						|| CASE WHEN old.indoption[n - 1] & 2 = 2 THEN ' NULLS FIRST' ELSE ' NULLS LAST' END
				END, ', ' ORDER BY n)
			FROM generate_series(1, old.indnkeyatts) n),
			coalesce((SELECT format(' INCLUDE (%s)', string_agg(
				CASE WHEN old.indkey[n - 1] = old.attnum THEN quote_ident(old.spare)
				ELSE pg_get_indexdef(old.indexrelid, n, false) END, ', ' ORDER BY n))
			FROM generate_series(old.indnkeyatts + 1, old.indnatts) n HAVING count(*) > 0), ''),
			CASE WHEN old.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
			coalesce((SELECT format(' WITH (%s)', string_agg(format('%I = %L', o.option_name, o.option_value), ', '))
				FROM pg_options_to_table(old.reloptions) o HAVING count(*) > 0), ''),
			coalesce((SELECT format(' TABLESPACE %I', t.spcname) FROM pg_tablespace t WHERE t.oid = old.reltablespace), ''),
			coalesce(' WHERE ' || pg_get_expr(old.indpred, old.indrelid), '')) AS body
	FROM old
), statements AS (
	SELECT d.indexrelid, d.indrelid, d.replacement, 1 AS step,
		format('CREATE %sINDEX %s;', CASE WHEN d.indisunique THEN 'UNIQUE ' ELSE '' END, d.body) AS statement,
		EXISTS (SELECT FROM new WHERE new.old = d.indexrelid) AS done
	FROM definition d WHERE d.relkind = 'p'
	UNION ALL
	-- what a build left that did not come to its end
	SELECT d.indexrelid, d.indrelid, d.replacement, 2, format('DROP INDEX CONCURRENTLY %I.%I;', d.nspname, d.replacement), false
	FROM definition d
	JOIN new ON new.old = d.indexrelid
	WHERE d.relkind = 'r' AND NOT new.indisvalid
	UNION ALL
	SELECT d.indexrelid, d.indrelid, d.replacement, 3,
		format('CREATE %sINDEX CONCURRENTLY %s;', CASE WHEN d.indisunique THEN 'UNIQUE ' ELSE '' END, d.body),
		EXISTS (SELECT FROM new WHERE new.old = d.indexrelid AND new.indisvalid)
	FROM definition d WHERE d.relkind = 'r'
	UNION ALL
	SELECT d.indexrelid, d.indrelid, d.replacement, 4,
		format('ALTER INDEX %I.%I ATTACH PARTITION %I.%I;', u.nspname, u.replacement, d.nspname, d.replacement),
		EXISTS (SELECT FROM new JOIN pg_inherits i ON i.inhrelid = new.indexrelid WHERE new.old = d.indexrelid)
	FROM definition d
	JOIN definition u ON u.indexrelid = d.inhparent
)
SELECT s.indexrelid, s.indrelid, s.replacement, s.step, s.statement, s.done
FROM statements s
ORDER BY s.step, s.indexrelid;
$$;
COMMENT ON FUNCTION gdpr.conversion_replacement(regclass, name) IS
	'the indexes of a column under conversion, and the statements that build those that take their place';
REVOKE ALL ON FUNCTION gdpr.conversion_replacement(regclass, name) FROM PUBLIC;

CREATE FUNCTION gdpr.conversion_indexes(relation regclass, column_name name)
	RETURNS SETOF text
	AS 'MODULE_PATHNAME', 'gdpr_conversion_indexes'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.conversion_indexes(regclass, name) IS
	'the statements that build what is missing of a converted column''s indexes, for psql''s \gexec: CREATE INDEX CONCURRENTLY runs in no function';
REVOKE ALL ON FUNCTION gdpr.conversion_indexes(regclass, name) FROM PUBLIC;

-- What is wrong with a conversion under way, so that columns cannot be swapped.
CREATE FUNCTION gdpr.conversion_fault(relation regclass, column_name name) RETURNS text
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE tree AS (
	SELECT relation::oid AS oid
	UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), leaf AS (
	SELECT c.oid FROM tree JOIN pg_class c ON c.oid = tree.oid WHERE c.relkind = 'r'
), conv AS (
	SELECT v.* FROM gdpr.conversion v
	WHERE v.relation = conversion_fault.relation AND v.column_name = conversion_fault.column_name
), fault AS (
	SELECT 1 AS rank, format('the trigger %I of %s is missing or not always enabled', '~' || conv.spare, leaf.oid::regclass) AS fault
	FROM conv CROSS JOIN leaf
	WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = leaf.oid AND t.tgname = '~' || conv.spare
		AND t.tgfoid = 'gdpr.convert_row'::regproc AND t.tgenabled = 'A' AND t.tgqual IS NOT NULL)
	UNION ALL
	SELECT 2, format('the constraint %I of %s is missing', conv.spare, leaf.oid::regclass)
	FROM conv CROSS JOIN leaf
	WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = leaf.oid AND c.conname = conv.spare AND c.contype = 'c')
	UNION ALL
	SELECT 3, format('%s %s is in the way: %s', r.item, r.object, r.action)
	FROM conv
	CROSS JOIN LATERAL gdpr.conversion_report(conv.relation, conv.column_name) r
	WHERE r.blocking AND conv.phase = 'fill'
	UNION ALL
	SELECT 4, format('%s %s is in the way: %s', r.item, CASE WHEN r.item = 'default' THEN 'of the column' ELSE r.object END, r.action)
	FROM conv
	CROSS JOIN LATERAL gdpr.column_report(conv.relation, conv.column_name) r
	WHERE r.blocking AND conv.phase = 'fill'
		-- those of the conversion itself name the column, too
		AND NOT (r.item = 'check' AND r.object ^@ (conv.spare || ' on '))
		AND NOT (r.item = 'trigger' AND r.object ^@ format('trigger %s on ', '~' || conv.spare))
	UNION ALL
	SELECT 5, 'the default of the column is in the way: drop it, and set it again after'
	FROM conv
	CROSS JOIN tree
	JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attname = conv.column_name
	JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE conv.direction <> 'encrypt' AND conv.phase = 'fill'
		AND gdpr.plain_default(tree.oid::regclass, conv.column_name) IS NULL
)
SELECT f.fault FROM fault f ORDER BY f.rank, f.fault LIMIT 1;
$$;
COMMENT ON FUNCTION gdpr.conversion_fault(regclass, name) IS 'what keeps a conversion under way from going on; null when nothing does';
REVOKE ALL ON FUNCTION gdpr.conversion_fault(regclass, name) FROM PUBLIC;

-- The swap, statement by statement.
CREATE FUNCTION gdpr.conversion_swap(relation regclass, column_name name) RETURNS SETOF text
	LANGUAGE SQL STABLE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE tree AS (
	SELECT relation::oid AS oid, 0 AS depth
	UNION ALL SELECT i.inhrelid, tree.depth + 1 FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
), conv AS (
	SELECT v.* FROM gdpr.conversion v
	WHERE v.relation = conversion_swap.relation AND v.column_name = conversion_swap.column_name AND v.phase = 'fill'
), same AS (
	SELECT conv.*, c.oid AS relid, c.relkind, tree.depth, a.attnum, a.attnotnull, nullif(a.attstattarget, -1) AS target,
		ad.adbin, b.atttypid AS spare_type, b.atttypmod AS spare_typmod
	FROM conv
	CROSS JOIN tree
	JOIN pg_class c ON c.oid = tree.oid
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = conv.column_name
	JOIN pg_attribute b ON b.attrelid = c.oid AND b.attname = conv.spare
	LEFT JOIN pg_attrdef ad ON ad.adrelid = c.oid AND ad.adnum = a.attnum
), replaced AS (
	SELECT r.index, r.replacement, s.relid, s.depth, s.relkind, s.spare, i.indisclustered, i.indisreplident,
		x.relname, n.nspname, p.inhparent, co.oid AS constraint, co.conname, co.contype, co.condeferrable, co.condeferred
	FROM same s
	JOIN gdpr.conversion_replacement(relation, column_name) r ON r.part = s.relid AND r.step = ANY ('{1,3}')
	JOIN pg_index i ON i.indexrelid = r.index
	JOIN pg_class x ON x.oid = r.index
	JOIN pg_namespace n ON n.oid = x.relnamespace
	LEFT JOIN pg_inherits p ON p.inhrelid = r.index
	LEFT JOIN pg_constraint co ON co.conindid = r.index AND co.conrelid = s.relid AND co.contype = ANY ('{p,u}')
), statements (step, depth, statement) AS (
	SELECT 10, 0, format('DROP TRIGGER %I ON %s', '~' || conv.spare, conv.relation) FROM conv
	UNION ALL
	SELECT 20, 0, format('ALTER TABLE %s DROP CONSTRAINT %I', r.relid::regclass, r.conname)
	FROM replaced r WHERE r.constraint IS NOT NULL
	UNION ALL
	SELECT 21, 0, format('DROP INDEX %I.%I', r.nspname, r.relname)
	FROM replaced r WHERE r.constraint IS NULL AND r.inhparent IS NULL
	UNION ALL
	SELECT 30, n, format('ALTER TABLE %s RENAME COLUMN %I TO %I', conv.relation, f, t)
	FROM conv
	CROSS JOIN LATERAL (VALUES (1, conv.column_name, left('~' || conv.spare, 63)::name),
		(2, conv.spare, conv.column_name), (3, left('~' || conv.spare, 63)::name, conv.spare)) AS x (n, f, t)
	UNION ALL
	SELECT 40, s.depth, format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', s.relid::regclass, s.spare)
	FROM same s WHERE s.attnotnull AND NOT EXISTS (
		SELECT FROM pg_inherits i JOIN same u ON u.relid = i.inhparent WHERE i.inhrelid = s.relid AND u.attnotnull)
	UNION ALL
	SELECT 41, s.depth, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', s.relid::regclass, s.column_name)
	FROM same s WHERE s.attnotnull
	UNION ALL
	SELECT 42, s.depth, format('ALTER TABLE ONLY %s ALTER COLUMN %I DROP DEFAULT', s.relid::regclass, s.spare)
	FROM same s WHERE s.adbin IS NOT NULL
	UNION ALL
	SELECT 43, s.depth, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT (%s)::%s::%s', s.relid::regclass, s.column_name,
		CASE s.direction WHEN 'encrypt' THEN pg_get_expr(s.adbin, s.relid) ELSE gdpr.plain_default(s.relid::regclass, s.column_name) END,
		s.via, format_type(s.spare_type, s.spare_typmod))
	FROM same s WHERE s.adbin IS NOT NULL
	UNION ALL
	SELECT 45, 0, format('ALTER TABLE %s DROP CONSTRAINT %I', conv.relation, conv.spare) FROM conv
	UNION ALL
	SELECT 50, r.depth, format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s', r.relid::regclass, r.conname,
		CASE r.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, r.replacement,
		CASE WHEN r.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN r.condeferrable THEN ' DEFERRABLE' ELSE '' END)
	FROM replaced r WHERE r.constraint IS NOT NULL
	UNION ALL
	SELECT 50, r.depth, format('ALTER INDEX %I.%I RENAME TO %I', r.nspname, r.replacement, r.relname)
	FROM replaced r WHERE r.constraint IS NULL
	UNION ALL
	SELECT 55, r.depth, format('ALTER TABLE %s CLUSTER ON %I', r.relid::regclass, r.relname)
	FROM replaced r WHERE r.indisclustered
	UNION ALL
	SELECT 55, r.depth, format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', r.relid::regclass, r.relname)
	FROM replaced r WHERE r.indisreplident
	UNION ALL
	SELECT 60, r.depth, format('COMMENT ON INDEX %I.%I IS %L', r.nspname, r.relname, d.description)
	FROM replaced r JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.index AND d.objsubid = 0
	UNION ALL
	SELECT 60, r.depth, format('COMMENT ON CONSTRAINT %I ON %s IS %L', r.conname, r.relid::regclass, d.description)
	FROM replaced r JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = r.constraint
	UNION ALL
	SELECT 61, s.depth, x.statement
	FROM same s
	JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = s.relid AND d.objsubid = s.attnum
	CROSS JOIN LATERAL (VALUES (format('COMMENT ON COLUMN %s.%I IS NULL', s.relid::regclass, s.spare)),
		(format('COMMENT ON COLUMN %s.%I IS %L', s.relid::regclass, s.column_name, d.description))) AS x (statement)
	UNION ALL
	SELECT 62, s.depth, format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', s.relid::regclass, s.column_name, s.target)
	FROM same s WHERE s.target IS NOT NULL
	UNION ALL
	SELECT 70, 0, CASE
		WHEN conv.direction <> 'decrypt' THEN format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%I IS NULL) NOT VALID', conv.relation, conv.spare, conv.spare)
		ELSE format('ALTER TABLE %s DROP COLUMN %I', conv.relation, conv.spare) END
	FROM conv
)
SELECT s.statement FROM statements s ORDER BY s.step, s.depth, s.statement;
$$;
COMMENT ON FUNCTION gdpr.conversion_swap(regclass, name) IS
	'the statements by which a converted column takes the place of the old one; gdpr.convert_column runs them in one transaction';
REVOKE ALL ON FUNCTION gdpr.conversion_swap(regclass, name) FROM PUBLIC;

CREATE FUNCTION gdpr.convert_row() RETURNS trigger
	AS 'MODULE_PATHNAME', 'gdpr_convert_row'
	LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.convert_row() IS
	'trigger: keeps the spare column of a conversion in step with the column, and after the swap empty';
-- Everybody's: whoever adds a partition makes its trigger, and what it does is
-- said by the conversion, not by who made it.

CREATE PROCEDURE gdpr.convert_column(relation regclass, column_name name, options jsonb DEFAULT '{}')
	AS 'MODULE_PATHNAME', 'gdpr_convert_column'
	LANGUAGE C;
COMMENT ON PROCEDURE gdpr.convert_column(regclass, name, jsonb) IS
	'works on a conversion that was begun with the option "online", batch by batch, to its end; goes on where it stopped; options "batch_size" and "delay" (ms)';
REVOKE ALL ON PROCEDURE gdpr.convert_column(regclass, name, jsonb) FROM PUBLIC;

CREATE FUNCTION gdpr.cancel_conversion(relation regclass, column_name name) RETURNS void
	AS 'MODULE_PATHNAME', 'gdpr_cancel_conversion'
	LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION gdpr.cancel_conversion(regclass, name) IS
	'gives a conversion up: the table is as it was before; not after the columns were swapped';
REVOKE ALL ON FUNCTION gdpr.cancel_conversion(regclass, name) FROM PUBLIC;
