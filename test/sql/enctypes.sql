-- Every encrypted type, by one table of samples: what goes in comes out as the
-- plain type would show it, by every road.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE SCHEMA enctypes;
SET search_path = enctypes, public;
CREATE ROLE enctypes_reader;
CREATE ROLE enctypes_writer;
GRANT USAGE, CREATE ON SCHEMA enctypes TO enctypes_reader, enctypes_writer;
SELECT gdpr.create_context('enctypes_a', '{enctypes_reader}');
SELECT gdpr.create_context('enctypes_b', '{enctypes_reader}');
SELECT gdpr.grant_context(c, r, 'write') FROM unnest('{enctypes_a,enctypes_b}'::name[]) c, unnest('{enctypes_reader,enctypes_writer}'::name[]) r;

CREATE TABLE kind (type text, base text, canonical text[], alike text[], bad text[]);
GRANT SELECT ON kind TO enctypes_reader, enctypes_writer;
INSERT INTO kind VALUES
('enctext', 'text', ARRAY['kanarialintu-a', '', 'gdpr:x', 'gdpr:=x', repeat('kanarialintu-', 3000)], '{}', '{}'),
('encitext', 'text', ARRAY['Kanarialintu-A', '', 'gdpr:x', 'gdpr:=x', repeat('kanarialintu-', 3000)], '{}', '{}'),
('encsecret', 'text', ARRAY['kanarialintu-a', '', 'gdpr:x', 'gdpr:=x', repeat('kanarialintu-', 3000)], '{}', '{}'),
('encbytea', 'bytea', ARRAY['\x', '\x00ff', '\x676470723a3d78', '\x' || repeat('ab00', 20000)], ARRAY['kanarialintu-a', '\\x'], ARRAY['\xabc', '\xzz', '\9']),
('encjsonb', 'jsonb', ARRAY['{"a": 1, "b": [null, true, 1.50]}', '"kanarialintu-a"', 'null', '{}', '[1, "' || repeat('kanarialintu-', 3000) || '"]'],
	ARRAY['{"b":1,"a":2, "a":3}'], ARRAY['', '{"kanarialintu-a"', '"\u0000"', '{"a":}']),
('encnumeric', 'numeric', ARRAY['0', '-1.50', '1e-30'::numeric::text, 'NaN', 'Infinity', '-Infinity', repeat('9', 1000) || '.' || repeat('3', 1000)],
	ARRAY['1e3', ' 007.10 ', '-0'], ARRAY['', 'kanarialintu-a', '1.2.3', '1e200000']),
('encint8', 'int8', ARRAY['0', '-1', '9223372036854775807', '-9223372036854775808'], ARRAY[' 007 '],
	ARRAY['', 'kanarialintu-a', '1.5', '9223372036854775808']),
('encdate', 'date', ARRAY['2020-02-29', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity', '1999-12-31'],
	ARRAY['Feb 29 2020', '20200229', 'epoch'], ARRAY['', 'kanarialintu-a', '2020-02-30', '5874898-01-01', '99/99/9999']),
('enctimestamptz', 'timestamptz', ARRAY['2020-02-29 01:02:03.123456+00', '4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00',
	'infinity', '-infinity', '1970-01-01 00:00:00+00'],
	ARRAY['2020-02-29', '2020-02-29 01:02 Europe/Helsinki', '2020-02-29T01:02:03Z'], ARRAY['', 'kanarialintu-a', '2020-02-30', '2020-02-29 01:02 Nowhere/Here', '294277-01-01']);

-- what a statement made of a type's name and base does, as its result or its SQLSTATE
CREATE FUNCTION try(statement text, VARIADIC args text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; detail text; context text; message text;
BEGIN
	EXECUTE statement INTO result USING args;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN SQLSTATE || CASE WHEN concat(message, detail) ~ 'kanarialintu|9223372036854775808|99/99|5874898|Nowhere' THEN ' SHOWS IT' ELSE '' END;
END $$;

SET ROLE enctypes_reader;
-- in and out as the plain type's, by input, casts and json, from a column of a context
SELECT type, count(*),
	bool_and(try(format('SELECT ($1[1]::%s)::%s::text', type, base), x) = x) AS via_cast,
	bool_and(try(format('SELECT format(''%%s'', %L::%s)', l, type)) = l) AS literal,
	bool_and(try(format('SELECT %L::%s(''enctypes_a'')::text', l, type)) = x) AS as_text,
	bool_and(try(format('SELECT ($1[1]::%s)::%s(''enctypes_a'')::%s::text', base, type, base), x) = x) AS from_base,
	bool_and(try(format('SELECT (to_json(%L::%s(''enctypes_a'')))::text', l, type)) = try(format('SELECT to_json(%L::%s)::text', x, base))) AS json,
	bool_and(try(format('SELECT (to_jsonb(%L::%s(''enctypes_a'')))::text', l, type)) = try(format('SELECT to_jsonb(%L::%s)::text', x, base))) AS jsonb,
	bool_and(try(format('SELECT json_build_object(''k'', %L::%s)::text', l, type)) = try(format('SELECT json_build_object(''k'', %L::%s)::text', x, base))) AS build
	FROM kind, unnest(canonical) x, LATERAL (SELECT CASE WHEN x LIKE 'gdpr:=%' THEN 'gdpr:=' ELSE '' END || x AS l) e GROUP BY type ORDER BY type;
SELECT type, bool_and(try(format('SELECT %L::%s(''enctypes_a'')::text', x, type)) = try(format('SELECT %L::%s::text', x, base))) AS alike
	FROM kind, unnest(alike) x GROUP BY type ORDER BY type;
-- what does not fit has the plain type's SQLSTATE, and is not shown
SELECT type, x, try(format('SELECT %L::%s', x, type)) AS input, try(format('SELECT ($1[1]::text)::%s', type), x) AS string, try(format('SELECT %L::%s', x, base)) LIKE
	try(format('SELECT %L::%s', x, type)) || '%' AS same_code
	FROM kind, unnest(bad) WITH ORDINALITY b(x, n) ORDER BY type, n;

-- the same columns in tables of every sort
SELECT string_agg(format('%s %s(''enctypes_a'')', replace(type, 'enc', 'c'), type), ', ' ORDER BY type) AS columns,
	string_agg(format('%L', canonical[1]), ', ' ORDER BY type) AS first,
	string_agg(format('%L', canonical[2]), ', ' ORDER BY type) AS second,
	string_agg(replace(type, 'enc', 'c'), ', ' ORDER BY type) AS names,
	string_agg(format('%s::%s AS %s', replace(type, 'enc', 'c'), base, replace(type, 'enc', 'c')), ', ' ORDER BY type) AS plain FROM kind \gset
CREATE TABLE t (id int PRIMARY KEY, :columns);
INSERT INTO t VALUES (1, :first), (2, :second);
INSERT INTO t VALUES (3);
SELECT to_jsonb(t) FROM t ORDER BY id;
CREATE UNLOGGED TABLE un (LIKE t);
CREATE TEMPORARY TABLE te (LIKE t);
CREATE TABLE parted (LIKE t) PARTITION BY LIST (id);
CREATE TABLE parted1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2, 3);
INSERT INTO un TABLE t;
INSERT INTO te TABLE un;
INSERT INTO parted TABLE te;
UPDATE parted SET id = 2 WHERE id = 1;
UPDATE parted SET id = 1 WHERE id = 2 AND ctext = 'kanarialintu-a';
SELECT to_jsonb(a) = to_jsonb(b) AS same FROM parted a JOIN t b USING (id) ORDER BY id;
CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
CREATE VIEW vi AS SELECT id, :plain FROM t;
SELECT to_jsonb(vi) = to_jsonb(t) AS same FROM vi JOIN t USING (id) ORDER BY id;

-- composites, domains, arrays of all
CREATE TYPE whole AS (:columns);
CREATE TABLE co (w whole, a whole[]);
INSERT INTO co SELECT ROW(:names)::whole, ARRAY[ROW(:names)::whole] FROM t;
SELECT to_jsonb(w) = to_jsonb(a[1]) AS same, to_jsonb(w) = to_jsonb(t) - 'id' AS as_row FROM co JOIN t ON to_jsonb(w) = to_jsonb(t) - 'id';
SELECT format('CREATE DOMAIN d%s AS %1$s(''enctypes_a'') CHECK (VALUE::text <> ''kanarialintu-x'')', type) FROM kind ORDER BY type \gexec
SELECT type, try(format('SELECT (%L::d%s)::%s::text', canonical[2], type, base)) = canonical[2] AS domain,
	try(format('SELECT (ARRAY[%L]::%s[])[1]::text', canonical[2], type)) = canonical[2] AS array,
	try(format('SELECT (ARRAY[$1[1]]::%s[])::%s(''enctypes_a'')[]::%1$s[]::text', base, type), canonical[2]) =
	try(format('SELECT (ARRAY[$1[1]]::%s[])::text', base), canonical[2]) AS cast_array,
	try(format('SELECT ARRAY[%L::%s(''enctypes_a'')]::text', canonical[2], type)) = try(format('SELECT ARRAY[%L::%s]::text', canonical[2], base)) AS printed
	FROM kind WHERE canonical[2] !~ '^gdpr' ORDER BY type;

-- COPY in text, csv and binary carries ciphertext and takes it back; plaintext is taken too
RESET ROLE;
CREATE TABLE back (LIKE t);
GRANT ALL ON back, t TO enctypes_reader;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/enctypes.copy'
\set put '\\copy t TO ' :'file'
\set get '\\copy back FROM ' :'file'
:put
:get
\set put :put ' (FORMAT csv)'
\set get :get ' (FORMAT csv)'
:put
:get
\set put '\\copy t TO ' :'file' ' (FORMAT binary)'
\set get '\\copy back FROM ' :'file' ' (FORMAT binary)'
:put
:get
SET ROLE enctypes_reader;
SELECT id, count(DISTINCT to_jsonb(b)) FROM back b GROUP BY id ORDER BY id;
SELECT bool_and(to_jsonb(b) = to_jsonb(t)) AS same FROM back b JOIN t USING (id);
COPY (SELECT id, cint8, cdate FROM t ORDER BY id) TO STDOUT;
COPY (SELECT id, cint8, cdate FROM t ORDER BY id) TO STDOUT (FORMAT csv);
COPY back (id, cint8, cdate, cnumeric, cbytea) FROM STDIN;
4	7	2020-02-29	1.50	\\x00
\.
COPY back (id, cint8) FROM STDIN (FORMAT csv);
5,kanarialintu-a
\.
SELECT cint8, cdate, cnumeric, cbytea FROM back WHERE id = 4;

-- prepared statements, with generic plans; plpgsql
SELECT string_agg(format('$%s', n), ', ') AS params, string_agg(type, ', ') AS types, string_agg(base, ', ') AS bases
	FROM (SELECT type, base, row_number() OVER (ORDER BY type) AS n FROM kind) k \gset
PREPARE ins_enc (:types) AS INSERT INTO t VALUES (10, :params);
PREPARE ins_base (:bases) AS INSERT INTO t VALUES (11, :params);
EXECUTE ins_enc (:first);
EXECUTE ins_base (:first);
SET plan_cache_mode = force_generic_plan;
DELETE FROM t WHERE id = 11;
EXECUTE ins_base (:first);
RESET plan_cache_mode;
SELECT to_jsonb(a) - 'id' = to_jsonb(b) - 'id' AS same FROM t a, t b WHERE a.id = 1 AND b.id IN (10, 11);
DELETE FROM t WHERE id > 3;
CREATE FUNCTION through(t) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	r t;
	i encint8;
	d encdate('enctypes_a');
	n bigint;
BEGIN
	r := $1;
	i := r.cint8;
	d := '2020-02-29';
	r.cdate := d;
	n := r.cint8::bigint + 1;
	r.cint8 := n;
	INSERT INTO un SELECT r.*;
	RETURN to_jsonb(r);
END $$;
SELECT through(t) - ARRAY['ctext', 'citext', 'csecret', 'cbytea', 'cjsonb', 'cnumeric', 'ctimestamptz'] FROM t WHERE id = 1;
SELECT cint8, cdate FROM un WHERE cint8::bigint = 1;

-- settings of the session shape text as they do for the plain types
SET datestyle = 'German';
SET timezone = 'Europe/Helsinki';
SET bytea_output = 'escape';
SELECT '29.02.2020'::encdate, '29.02.2020 01:02'::enctimestamptz, 'gdpr:=\000'::encbytea, '29.02.2020'::encdate::json, '29.02.2020 01:02'::enctimestamptz::jsonb;
SELECT cdate, ctimestamptz, cbytea FROM t WHERE id = 1;
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
RESET bytea_output;

-- erased values are NULL to a cast and null in json; no right to read is 42501
SET gdpr.output = ciphertext;
CREATE TABLE erased (LIKE t);
ALTER TABLE erased ALTER id DROP NOT NULL;
SELECT string_agg(format('INSERT INTO erased (%s) SELECT ''gdpr:'' || encode(substr(set_byte(v, 1, get_byte(v, 1) | 128), 1, CASE WHEN get_byte(v, 1) & 16 > 0 THEN 25 ELSE 9 END), ''base64'')'
	' FROM (SELECT decode(substr(format(''%%s'', %1$s), 6), ''base64'') AS v FROM t WHERE id = 1) x', replace(type, 'enc', 'c')), '; ') AS statements FROM kind \gset
:statements;
RESET gdpr.output;
SELECT count(*), count(to_jsonb(erased)), count(DISTINCT to_jsonb(erased)) FROM erased;
SELECT count(*) FROM (SELECT :plain FROM erased) e, jsonb_each(to_jsonb(e)) x WHERE x.value <> 'null';
GRANT SELECT ON t, erased TO enctypes_writer;
SET ROLE enctypes_writer;
SELECT type, (SELECT bool_and(try(format('SELECT %s::%s FROM enctypes.t WHERE id = 1', replace(k.type, 'enc', 'c'), x)) = '42501')
	FROM unnest(ARRAY[base, 'text', 'varchar', 'bpchar', 'name', 'json', 'jsonb', type || '(''enctypes_b'')']) x) AS refused,
	try(format('SELECT format(''%%s'', %s) LIKE ''gdpr:A%%'' FROM enctypes.t WHERE id = 1', replace(type, 'enc', 'c'))) AS ciphertext
	FROM kind k ORDER BY type;
INSERT INTO t VALUES (20, :first);
SET ROLE enctypes_reader;
GRANT INSERT ON t TO enctypes_writer;
SET ROLE enctypes_writer;
INSERT INTO t VALUES (20, :first);
SET ROLE enctypes_reader;
SELECT to_jsonb(a) - 'id' = to_jsonb(b) - 'id' AS same FROM t a, t b WHERE a.id = 1 AND b.id = 20;

-- no comparison, no order, no index but for those with equality
CREATE TABLE operation (n int, what text, statement text);
INSERT INTO operation VALUES (1, '=', 'SELECT c = c FROM enctypes.t'), (2, '= literal', 'SELECT c = ''1'' FROM enctypes.t'), (3, 'IN', 'SELECT c IN (''1'') FROM enctypes.t'),
	(4, 'distinct', 'SELECT count(*) FROM (SELECT DISTINCT c FROM enctypes.t) s'), (5, 'group', 'SELECT count(*) FROM (SELECT c FROM enctypes.t GROUP BY c) s'),
	(6, 'union', 'SELECT count(*) FROM (SELECT c FROM enctypes.t UNION SELECT c FROM enctypes.t) s'), (7, 'index', 'CREATE INDEX ON enctypes.t (c)'),
	(8, '<', 'SELECT c < c FROM enctypes.t'), (9, 'between', 'SELECT c BETWEEN ''1'' AND ''2'' FROM enctypes.t'), (10, 'order', 'SELECT c FROM enctypes.t ORDER BY c'),
	(11, 'min', 'SELECT min(c) FROM enctypes.t'), (12, 'like', 'SELECT c LIKE ''%'' FROM enctypes.t'), (13, '~', 'SELECT c ~ ''a'' FROM enctypes.t'),
	(14, 'gin', 'CREATE INDEX ON enctypes.t USING gin (c)'), (15, 'count distinct', 'SELECT count(DISTINCT c) FROM enctypes.t'), (16, 'greatest', 'SELECT greatest(c, c) FROM enctypes.t'),
	(17, 'function', 'SELECT upper(c) FROM enctypes.t'), (18, 'is null', 'SELECT count(*) FROM enctypes.t WHERE c IS NULL AND id < 4');
SELECT what, (SELECT string_agg(CASE WHEN r ~ '^[0-9A-Z]{5}' THEN r ELSE '.' END, ' ' ORDER BY k.type)
	FROM kind k, LATERAL try(regexp_replace(statement, '\mc\M', replace(k.type, 'enc', 'c'), 'g')) r) AS results FROM operation ORDER BY n;
-- the hints
\set VERBOSITY default
SELECT ctext < 'kanarialintu-a' FROM t;
SELECT ctext LIKE 'kanarialintu-a' FROM t;
SELECT min(ctext) FROM t;
SELECT ctext FROM t ORDER BY ctext;
SELECT ctext = citext FROM t;
SELECT cdate BETWEEN '2020-01-01' AND '2020-12-31' FROM t;
SELECT cint8 = 1 FROM t;
SELECT cjsonb ->> 'a' FROM t;
SELECT cint8 FROM t GROUP BY cint8;
SELECT cbytea FROM t ORDER BY cbytea;
CREATE INDEX ON t (cdate);
CREATE TABLE k (i encint8('enctypes_a') PRIMARY KEY);
SELECT 'a'::encnothing;
SET search_path = pg_catalog;
SELECT count(*) FROM enctypes.t WHERE ctext = 'kanarialintu-a';
SELECT count(*) FROM enctypes.t WHERE ctext = 'kanarialintu-a'::text;
SELECT count(*) FROM enctypes.t WHERE ctext IN ('kanarialintu-a');
SET search_path = enctypes, public;
SELECT 'kanarialintu-a'::text::encint8;
SELECT ('kanarialintu-a'::text)::encdate('enctypes_a');
\set VERBOSITY sqlstate

-- every type that a column of that kind has elsewhere
SELECT castsource::regtype AS source, casttarget::regtype AS target, castcontext FROM pg_cast
	WHERE (castsource::regtype::text ~ '^enc(bytea|jsonb|numeric|int8|date|timestamptz)' OR casttarget::regtype::text ~ '^enc(bytea|jsonb|numeric|int8|date|timestamptz)')
		AND NOT (castsource::regtype, casttarget::regtype)::text ~ '\[\]' AND castsource <> casttarget ORDER BY castcontext, castsource::regtype::text, casttarget::regtype::text;
SELECT 7::int2::encint8::int2, 7::encint8::int4, 7.5::encint8, 7.5::float8::encint8::float4, 7::encint8::numeric(5,2), 7::encint8::varchar(3), 7::encint8::char(3);
SELECT 1.25::float4::encnumeric, (0.1::float8 + 0.2)::encnumeric::float8 = 0.1::float8 + 0.2 AS exact, 1.25::encnumeric::numeric(5,1), 1.5::encnumeric::int, 'NaN'::float8::encnumeric;
SELECT '2020-02-29 23:59'::timestamp::encdate, '2020-02-29'::encdate::timestamp, '2020-02-29'::encdate::timestamptz(0), '2020-02-29 01:02'::timestamp::enctimestamptz,
	'2020-02-29 01:02:03.9'::timestamptz::enctimestamptz::timestamptz(0), '2020-02-29 01:02'::timestamptz::enctimestamptz::timestamp(0), '2020-02-29'::date::enctimestamptz::date;
SELECT '{"a":1}'::json::encjsonb, '{"a":1}'::jsonb::encjsonb::json, '{"a":1}'::json::enctext, '{"a":1}'::jsonb::encitext, '{"a": 1}'::encjsonb::varchar(4);
SELECT 70000::encint8::int2;
SELECT 1e30::encint8;
SELECT 'NaN'::numeric::encint8;
SELECT '"\u0000"'::json::encjsonb;
SELECT 7::encint8::date;
SELECT '2020-02-29'::encdate::int;
CREATE TABLE log (i int, x text, d date);
INSERT INTO log (i) SELECT cint8 FROM t;
INSERT INTO log (x) SELECT cint8 FROM t;
INSERT INTO log (d) SELECT cdate FROM t;

-- constants are not shown by plans, statistics hold none
CREATE FUNCTION shows(statement text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE) ' || statement LOOP
		IF line ~ '424242|2042|kanarialintu' THEN RETURN true; END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT shows($$INSERT INTO enctypes.t (id, cint8, cnumeric, cdate, ctimestamptz, cjsonb, cbytea, ctext, citext)
	VALUES (30, 424242, 424242.5, '2042-01-01'::date, '2042-01-01'::timestamp, '{"a":"kanarialintu"}'::jsonb, 'kanarialintu'::bytea, 'kanarialintu'::name, 'kanarialintu'::text)$$);
SELECT shows($$UPDATE enctypes.t SET cint8 = 424242.0, cnumeric = 424242, cdate = '2042-01-01'::timestamptz WHERE id = 1$$);
ANALYZE t;
SELECT attname, null_frac > 0 AS nulls, n_distinct <> 0 AS distinct, most_common_vals, histogram_bounds FROM pg_stats
	WHERE schemaname = 'enctypes' AND tablename = 't' AND attname <> 'id' ORDER BY attname;

-- values in the tens of megabytes
CREATE TABLE big (b encbytea('enctypes_a'), j encjsonb('enctypes_a'), e enctext('enctypes_a'));
INSERT INTO big SELECT decode(repeat('00ff', 32 * 1024 * 1024), 'hex'), to_jsonb(repeat('k', 32 * 1024 * 1024)), repeat('k', 64 * 1024 * 1024);
SELECT length(b::bytea), length(j::text), length(e::text), length(format('%s', b)), md5(b::bytea) = md5(decode(repeat('00ff', 32 * 1024 * 1024), 'hex')) AS same FROM big;
RESET ROLE;

DROP SCHEMA enctypes CASCADE;
DROP OWNED BY enctypes_reader, enctypes_writer;
DROP ROLE enctypes_reader, enctypes_writer;
