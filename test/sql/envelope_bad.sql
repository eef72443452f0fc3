-- Damaged, forged and misplaced envelopes of every type, by every road: their
-- own SQLSTATEs, the context named, nothing of a value said, nobody's crash.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA envelope_bad;
SET search_path = envelope_bad, public;
SELECT gdpr.create_context('envelope_bad', '{}');
SELECT gdpr.create_context('envelope_other', '{}');
SELECT gdpr.grant_context(c, current_user, p) FROM unnest('{envelope_bad,envelope_other}'::text[]) c, unnest('{read,write}'::text[]) p;
SET gdpr.output = ciphertext;

SET datestyle = iso;
SET timezone = utc;

-- One line a type: a value, and another of the same length.  Of encbytea only casts with functions could bring the bytes in.
CREATE TABLE kind (type regtype PRIMARY KEY, value text, another text);
INSERT INTO kind VALUES
	('enctext', 'kanarialintu-ahti', 'kanarialintu-inka'),
	('encsecret', 'kanarialintu-ahti', 'kanarialintu-inka'),
	('encitext', 'kanarialintu-ahti', 'kanarialintu-inka'),
	('encjsonb', '{"lintu": "ahti"}', '{"lintu": "inka"}'),
	('encnumeric', '1234.50', '1234.51'),
	('encint8', '1234567890123', '1234567890124'),
	('encdate', '1999-12-31', '2000-01-01'),
	('enctimestamptz', '1999-12-31 23:59:59+00', '2000-01-01 00:00:00+00');

-- Stored bytes as no input function would let them in: casts that ask nobody.
CREATE TABLE original (type regtype, value text, v bytea, another bytea, elsewhere bytea, loose bytea);
CREATE FUNCTION bytes(form text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(substr(form, 6), 'base64') $$;
CREATE FUNCTION form(v bytea) RETURNS text LANGUAGE sql AS $$ SELECT 'gdpr:' || translate(encode(v, 'base64'), E'\n', '') $$;
DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT * FROM kind LOOP
		EXECUTE format('CREATE TABLE t_%1$s (v %1$s(''envelope_bad''))', k.type);
		EXECUTE format('CREATE TABLE o_%1$s (v %1$s(''envelope_other''))', k.type);
		EXECUTE format('CREATE TABLE bad_%1$s (v %1$s(''envelope_bad''))', k.type);
		EXECUTE format('CREATE CAST (bytea AS %s) WITHOUT FUNCTION', k.type);
		EXECUTE format('CREATE CAST (%s AS bytea) WITHOUT FUNCTION', k.type);
		EXECUTE format('INSERT INTO t_%1$s VALUES (%2$L), (%3$L)', k.type, k.value, k.another);
		EXECUTE format('INSERT INTO o_%1$s VALUES (%2$L)', k.type, k.value);
		EXECUTE format('INSERT INTO original
			SELECT %1$L, %2$L, a.v::bytea, b.v::bytea, o.v::bytea, %2$L::%1$s::bytea
			FROM t_%1$s a, t_%1$s b, o_%1$s o WHERE a.v::text = %2$L AND b.v::text = %3$L',
			k.type, k.value, k.another);
		EXECUTE format('TRUNCATE t_%s', k.type);
	END LOOP;
END $$;
SELECT type, length(v), length(another), length(elsewhere), length(loose) FROM original ORDER BY type::text;

-- Every way in which bytes can be bad.
CREATE FUNCTION spliced(a bytea, b bytea) RETURNS SETOF bytea LANGUAGE sql AS
	$$ SELECT substr(a, 1, n) || substr(b, n + 1) FROM generate_series(1, length(a) - 1) n $$;
-- Roads that are much the same take one in seven.
CREATE TABLE damaged AS
SELECT type, value, what, b, row_number() OVER () % 7 = 0 OR what IN ('key version', 'context', 'context of another', 'long') AS few FROM original, LATERAL (
	SELECT 'bit flipped', set_bit(v, n, 1 - get_bit(v, n)) FROM generate_series(0, length(v) * 8 - 1) n
	UNION ALL SELECT 'byte flipped', set_byte(v, n, 255 - get_byte(v, n)) FROM generate_series(0, length(v) - 1) n
	UNION ALL SELECT 'cut short', substr(v, 1, n) FROM generate_series(9, length(v) - 1) n
	UNION ALL SELECT 'cut short in its header', substr(v, 1, n) FROM generate_series(0, 8) n
	UNION ALL SELECT 'head cut off', CASE get_byte(v, n - 1) WHEN 1 THEN set_byte(substr(v, n), 0, 2) ELSE substr(v, n) END FROM generate_series(2, length(v)) n
	UNION ALL SELECT 'lengthened', v || substr(v, 1, n) FROM generate_series(1, length(v)) n
	UNION ALL SELECT 'version', set_byte(v, 0, n) FROM generate_series(0, 255) n WHERE n <> 1
	UNION ALL SELECT 'flags', set_byte(v, 1, n) FROM generate_series(0, 255) n WHERE n <> get_byte(v, 1)
	UNION ALL SELECT 'key version', set_byte(set_byte(v, 6, n / 256), 7, n % 256) FROM unnest('{0,2,255,256,65535}'::int[]) n
	UNION ALL SELECT 'context', substr(v, 1, 2) || c || substr(v, 7) FROM unnest('{\\x00000000,\\x00000001,\\x7fffffff,\\x80000000,\\xffffffff}'::bytea[]) c
	UNION ALL SELECT 'context of another', substr(v, 1, 2) || substr(elsewhere, 3, 4) || substr(v, 7)
	UNION ALL SELECT 'spliced', spliced(v, another)
	UNION ALL SELECT 'spliced across contexts', spliced(v, elsewhere)
	UNION ALL SELECT 'spliced with one in flight', spliced(v, loose || '\x00'::bytea)
	UNION ALL SELECT 'long', v || decode(repeat('00', 100000), 'hex')
) d(what, b);
-- Runs a statement and remembers what was said; 'same', 'other' or NULL for what it returned.
CREATE TABLE said (road text, type regtype, what text, outcome text, message text);
CREATE FUNCTION attempt(road text, damage damaged, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	result text;
	m text; d text; h text; c text;
BEGIN
	IF road LIKE 'COPY%' THEN
		EXECUTE statement;
	ELSE
		EXECUTE statement INTO result USING damage.b, form(damage.b);
	END IF;
	INSERT INTO said VALUES (road, damage.type, damage.what, CASE WHEN result IS NULL THEN 'null'
		WHEN result = damage.value THEN 'same' WHEN result LIKE 'gdpr:%' THEN 'ciphertext'
		WHEN result IN ('true', 'false') THEN result ELSE 'other' END);
EXCEPTION WHEN OTHERS THEN
	-- Of the others the context is the statement, with the literal in it.
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, c = PG_EXCEPTION_CONTEXT;
	INSERT INTO said VALUES (road, damage.type, damage.what, SQLSTATE, concat_ws(E'\n', m, d, h, CASE WHEN road LIKE 'COPY%' THEN c END));
END $$;

\set texts '''{enctext,encsecret,encitext}''::regtype[]'
-- In: a literal, a string of SQL, COPY in both formats.
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/envelope_bad.copy'
SELECT attempt('literal', d, format('INSERT INTO t_%s VALUES (%L) RETURNING v::text', d.type, form(d.b))) FROM damaged d \g /dev/null
SELECT attempt('literal without context', d, format('SELECT %L::%s::text', form(d.b), d.type)) FROM damaged d WHERE few \g /dev/null
SELECT attempt('cast from text', d, format('INSERT INTO t_%s VALUES ($2::text) RETURNING v::text', d.type)) FROM damaged d WHERE few AND type = ANY (:texts) \g /dev/null
CREATE FUNCTION by_copy(damage damaged, file text, format text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT %L::text) TO %L (FORMAT %s)', form(damage.b), file, format);
	PERFORM attempt('COPY ' || format, damage, format('COPY t_%s FROM %L (FORMAT %s)', damage.type, file, format));
END $$;
SELECT by_copy(d, :'file', 'text'), by_copy(d, :'file', 'binary') FROM damaged d WHERE few \g /dev/null

-- Out of storage: casts, comparison, moving to another context, output and maintenance.
SELECT attempt('read', d, format('SELECT $1::%s::text', d.type)) FROM damaged d \g /dev/null
SELECT attempt('read as json', d, format('SELECT $1::%s::jsonb #>> ''{}''', d.type)) FROM damaged d WHERE few AND type = ANY (:texts) \g /dev/null
SELECT attempt('read by ||', d, format('SELECT $1::%s || ''''', d.type)) FROM damaged d WHERE few AND type = ANY (:texts) \g /dev/null
SELECT attempt('moved', d, format('INSERT INTO o_%1$s SELECT $1::%1$s RETURNING v::text', d.type)) FROM damaged d \g /dev/null
SELECT attempt('shown', d, format('SELECT format(''%%s'', $1::%s)', d.type)) FROM damaged d WHERE few \g /dev/null
SELECT attempt('sent', d, format('SELECT convert_from(%2$s($1::%1$s), ''UTF8'')', d.type, (SELECT typsend FROM pg_type p WHERE p.oid = d.type))) FROM damaged d WHERE few \g /dev/null
SET gdpr.output = plaintext;
SELECT attempt('shown as plaintext', d, format('SELECT format(''%%s'', $1::%s)', d.type)) FROM damaged d WHERE few \g /dev/null
SET gdpr.output = ciphertext;
SELECT attempt('equal to a literal', d, format('SELECT ($1::%s = ''kanarialintu-ahti'')::text', d.type)) FROM damaged d WHERE few AND type = 'enctext'::regtype \g /dev/null
SELECT attempt('equal to a string', d, format('SELECT ($1::%s = lower(''kanarialintu-ahti''))::text', d.type)) FROM damaged d WHERE few AND type = 'enctext'::regtype \g /dev/null
SELECT attempt('equal to itself', d, format('SELECT ($1::%1$s = $1::%1$s)::text', d.type)) FROM damaged d WHERE few AND type = 'enctext'::regtype \g /dev/null
SELECT attempt('hashed', d, format('SELECT (gdpr.enctext_hash($1::%s) = 0)::text', d.type)) FROM damaged d WHERE few AND type = 'enctext'::regtype \g /dev/null

-- What came of it: every type alike, but for its own name.
SELECT road, what, string_agg(DISTINCT outcome, ' ' ORDER BY outcome) AS outcomes FROM said
	WHERE road IN ('literal', 'read') GROUP BY road, what ORDER BY road, what;
SELECT road, string_agg(DISTINCT outcome, ' ' ORDER BY outcome) AS outcomes FROM said GROUP BY road ORDER BY road;
-- A bit that says nothing about a value's context or key changes what is read of it at most to nothing.
SELECT road, type, count(*) FROM said WHERE outcome = 'other' AND what NOT LIKE 'spliced%' GROUP BY 1, 2 ORDER BY 1, 2;
-- What is said: a context by its name or number, and no value.
SELECT DISTINCT outcome, regexp_replace(replace(split_part(message, E'\n', 1), type::text, '(type)'), '\d+', 'N', 'g') AS message
	FROM said WHERE message IS NOT NULL ORDER BY 1, 2;
SELECT count(*) FROM said WHERE message LIKE '%kanarialintu%' OR message LIKE '%gdpr:A%' OR message ~ '1234\.5|123456789012|1999-12|ahti';

-- A column takes what has a header of its context. Such tables can be indexed, analysed, copied out and counted.
SELECT attempt('stored', d, format('INSERT INTO bad_%1$s SELECT $1::%1$s RETURNING format(''%%s'', v)', d.type)) FROM damaged d WHERE what <> 'long' \g /dev/null
SELECT what, string_agg(DISTINCT outcome, ' ' ORDER BY outcome) AS outcomes FROM said WHERE road = 'stored' GROUP BY what ORDER BY what;
ANALYZE bad_enctext, bad_encsecret;
CREATE INDEX ON bad_enctext (v);
CREATE INDEX ON bad_enctext USING hash (v);
SELECT count(*) > 0 AS found FROM bad_enctext a JOIN original o ON a.v = o.v::enctext('envelope_bad') WHERE o.type = 'enctext'::regtype;
SELECT count(*) > 0 AS found FROM bad_enctext WHERE v = 'kanarialintu-ahti';
SELECT e.item, e.count > 0 AS enctext, s.count > 0 AS encsecret FROM gdpr.check_column('bad_enctext', 'v') e
	JOIN gdpr.check_column('bad_encsecret', 'v') s USING (item) WHERE e.key_version IS NULL ORDER BY item;
COPY bad_enctext TO :'file' (FORMAT binary);
COPY bad_enctext TO :'file';

-- Text that only looks a little like a value is text; what was one is refused, with or without a column.
CREATE TABLE texts (n serial, t text);
INSERT INTO texts (t) VALUES ('gdpr:'), ('gdpr:AQ'), ('gdpr:Aaltonen'), ('gdpr:Access to personal data'), ('gdpr:AREAAAA'), ('gdpr:Article17OfTheRegulation'),
	('gdpr:' || repeat('a0', 32)), ('gdpr:' || upper(encode(sha256(''), 'hex'))), ('gdpr:' || encode(sha256(''), 'base64')),
	('GDPR:AREAAAAB'), ('gdpr:' || repeat('A', 47)), ('gdpr:' || repeat('A', 48) || '.'), ('gdpr:AREAAAAB AQA');
INSERT INTO t_enctext SELECT t FROM texts;
SELECT t FROM texts WHERE t NOT IN (SELECT v::text FROM t_enctext) ORDER BY n;
SELECT sum(length(v::text::enctext::text)) = sum(length(t)) AS same FROM (SELECT t::enctext AS v, t FROM texts) x;
CREATE FUNCTION taken(form text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT %L::enctext', form);
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d+', 'N');
END $$;
WITH f AS (SELECT form(v) AS f FROM original WHERE type = 'enctext'::regtype)
SELECT what, taken(t) FROM f, LATERAL (VALUES ('one character less', left(f, -1)), ('two', left(f, -2)), ('three', left(f, -3)), ('a blank within', overlay(f PLACING ' ' FROM 40)),
	('a line end within', overlay(f PLACING E'\n' FROM 60)), ('a blank behind', f || ' '), ('no padding', rtrim(f, '=')), ('the header alone', left(f, 17)),
	('the url alphabet', overlay(f PLACING '-' FROM 50)), ('a later version', overlay(f PLACING 'Ag' FROM 6 FOR 2)), ('without its prefix', substr(f, 6)),
	('escaped', 'gdpr:=' || left(f, -1))) x(what, t);
SELECT length('gdpr:=gdpr:AREAAAABAAEBx'::enctext::text);
SET gdpr.output = plaintext;
SELECT 'gdpr:=gdpr:AREAAAABAAEBx'::enctext;

DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT * FROM kind LOOP
		EXECUTE format('DROP CAST (bytea AS %s)', k.type);
		EXECUTE format('DROP CAST (%s AS bytea)', k.type);
	END LOOP;
END $$;
