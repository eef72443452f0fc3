-- Who may do what with encrypted values, and the roads round it.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SET datestyle = ISO;
CREATE SCHEMA enctext_rights;
SET search_path = enctext_rights, public;
CREATE ROLE enctext_doctor;
CREATE ROLE enctext_clerk;
CREATE ROLE enctext_finder;
CREATE ROLE enctext_writer;
GRANT USAGE, CREATE ON SCHEMA enctext_rights TO
	enctext_doctor, enctext_clerk, enctext_finder, enctext_writer;
-- the doctor reads health; the clerk reads and writes his own context
SELECT gdpr.create_context('enctext_health', '{enctext_doctor}');
SELECT gdpr.grant_context('enctext_health', 'enctext_doctor', 'write');
SELECT gdpr.grant_context('enctext_health', 'enctext_finder', 'search');
SELECT gdpr.grant_context('enctext_health', 'enctext_writer', 'write');
SELECT gdpr.create_context('enctext_mine', '{enctext_clerk}');
SELECT gdpr.grant_context('enctext_mine', 'enctext_clerk', 'write');
SELECT gdpr.grant_context('enctext_mine', 'enctext_doctor', 'write');

SET ROLE enctext_doctor;
CREATE TABLE patient (id int PRIMARY KEY, born enctext('enctext_health'), note encsecret('enctext_health'));
INSERT INTO patient SELECT i, (date '1950-01-01' + i * 37)::text, 'kanarialintu-note' FROM generate_series(1, 200) i;
GRANT SELECT ON patient TO enctext_clerk, enctext_finder, enctext_writer;
RESET ROLE;
GRANT SELECT ON patient TO CURRENT_USER;

-- The birth-date join of a role that sees only ciphertext.
SET ROLE enctext_clerk;
SELECT count(*) FROM patient p JOIN generate_series(date '1950-01-01', '1975-01-01', '1 day') d
	ON p.born = d::date::text;
SELECT count(*) FROM patient p JOIN generate_series(date '1950-01-01', '1975-01-01', '1 day') d
	ON p.born = d::date::text::enctext;
SELECT count(*) FROM patient WHERE born = '1950-02-07';
SELECT count(*) FROM patient WHERE born <> '1950-02-07';
SELECT count(*) FROM patient WHERE '1950-02-07'::text = born;
SELECT count(*) FROM patient WHERE born = ANY ('{1950-02-07}');
SELECT count(*) FROM patient WHERE born IS NOT DISTINCT FROM '1950-02-07';
SELECT gdpr.enctext_probe('1950-02-07'::text, hash) FROM (VALUES (1)) v(hash) WHERE false;
SELECT count(*) FROM patient, (SELECT atttypmod AS m FROM pg_attribute
	WHERE attrelid = 'patient'::regclass AND attname = 'born') a
	WHERE born = gdpr.enctext_probe('1950-02-07'::text, m);
SELECT count(*) FROM patient, (SELECT atttypmod AS m FROM pg_attribute
	WHERE attrelid = 'patient'::regclass AND attname = 'born') a
	WHERE born = gdpr.enctext_probe('1950-02-07'::enctext, m);
SELECT '1950-02-07'::enctext('enctext_health');

-- Who may search finds, and reads nothing.
SET ROLE enctext_finder;
SELECT id FROM patient WHERE born = '1950-02-07';
SELECT id FROM patient WHERE born = '1950-02-07'::varchar;
SELECT id FROM patient WHERE born = '1950-02-07'::enctext('enctext_health');
SELECT id FROM patient WHERE born = '1950-02-07'::text::enctext('enctext_health');
SELECT id FROM patient JOIN (VALUES ('1950-02-07')) v(d) ON born = d::enctext('enctext_health');
SELECT nullif('1950-02-07'::enctext('enctext_health'), born) FROM patient;
SELECT born::text FROM patient;
SELECT count(*) FROM patient WHERE format('%s', born) LIKE 'gdpr:AR%';
SELECT '1950-02-07'::enctext('enctext_health');
-- Who may write makes values that he cannot read, and sees no tags.
SET ROLE enctext_writer;
CREATE TABLE guesses (v enctext('enctext_health'));
INSERT INTO guesses VALUES ('1950-02-07');
SELECT v::text FROM guesses;
SELECT count(*) FROM guesses WHERE format('%s', v) LIKE 'gdpr:AQ%';
SELECT count(*) FROM guesses WHERE v = '1950-02-07';
SELECT count(*) FROM guesses WHERE v = '1950-02-07'::enctext('enctext_health');

-- Laundering: a non-reader moves values into a context that he may read.
SET ROLE enctext_clerk;
CREATE TABLE mine (v enctext('enctext_mine'), s encsecret('enctext_mine'), a enctext('enctext_mine')[]);
SELECT born::enctext('enctext_mine') FROM patient;
SELECT note::encsecret('enctext_mine') FROM patient;
SELECT born::encsecret('enctext_mine') FROM patient;
SELECT note::enctext('enctext_mine') FROM patient;
SELECT note::enctext FROM patient;
SELECT note::enctext('enctext_health') FROM patient;
INSERT INTO mine (v) SELECT born FROM patient;
INSERT INTO mine (s) SELECT note FROM patient;
INSERT INTO mine (a) SELECT array_agg(born) FROM patient;
SELECT ARRAY[born]::enctext('enctext_mine')[] FROM patient;
DO $$ DECLARE v enctext('enctext_mine'); BEGIN SELECT born INTO v FROM patient WHERE id = 1; END $$;
DO $$ DECLARE v mine; BEGIN SELECT born INTO v.v FROM patient WHERE id = 1; END $$;
SELECT CASE WHEN true THEN born ELSE v END::enctext('enctext_mine') FROM patient LEFT JOIN mine ON true;
SELECT (SELECT born UNION ALL SELECT v FROM mine)::enctext('enctext_mine') FROM patient;
SELECT coalesce(born, 'x'::enctext)::enctext('enctext_mine') FROM patient;
CREATE FUNCTION launder(enctext) RETURNS mine LANGUAGE sql AS 'SELECT $1::enctext(''enctext_mine''), NULL::encsecret(''enctext_mine''), NULL::enctext(''enctext_mine'')[]';
SELECT (launder(born)).v FROM patient;
CREATE DOMAIN of_mine AS enctext('enctext_mine');
SELECT born::of_mine FROM patient;
SELECT born || 'x' FROM patient;
SELECT 'x' || born FROM patient;
SELECT note || note FROM patient;
SELECT born::text FROM patient;
SELECT born::varchar(20) FROM patient;
SELECT born::char(20) FROM patient;
SELECT born::name FROM patient;
SELECT born::json FROM patient;
SELECT born::jsonb FROM patient;
SELECT to_json(born) FROM patient;
SELECT row_to_json(patient) FROM patient;
-- from its text form, into a column of another context
INSERT INTO mine (v) SELECT format('%s', born) FROM patient;
INSERT INTO mine (v) SELECT format('%s', born)::enctext FROM patient;
SELECT format('%s', born)::enctext::text FROM patient;
SELECT format('%s', note)::encsecret::text FROM patient;
\getenv builddir PG_ABS_BUILDDIR
\set file :builddir '/enctext_rights.copy'
\set put '\\copy (SELECT born FROM patient WHERE id = 1) TO ' :'file'
:put
\set get '\\copy mine (v) FROM ' :'file'
:get
\set get '\\copy mine (s) FROM ' :'file'
:get
SELECT count(*) FROM mine;
-- its own context he may have, byte for byte, and see as ciphertext
CREATE TABLE kept (v enctext('enctext_health'));
\set get '\\copy kept FROM ' :'file'
:get
INSERT INTO kept SELECT format('%s', born) FROM patient WHERE id = 1;
INSERT INTO kept SELECT born FROM patient WHERE id = 1;
SELECT count(*) FROM kept k JOIN patient p ON k.v = p.born WHERE p.id = 1;
SELECT v::text FROM kept;
-- what only reads where nothing is read is free
SELECT count(*) FROM mine WHERE v::text = 'x';

-- The reader may move what he reads where he may write.
SET ROLE enctext_doctor;
CREATE TABLE moved (v enctext('enctext_mine'), s encsecret('enctext_mine'));
INSERT INTO moved SELECT born, note FROM patient WHERE id < 4;
INSERT INTO moved SELECT note::enctext, born::encsecret FROM patient WHERE id = 4;
GRANT SELECT ON moved TO enctext_clerk;
SELECT count(*) FROM moved WHERE format('%s', v) LIKE 'gdpr:AQ%';
SELECT v::text FROM moved;
\set get '\\copy moved (v) FROM ' :'file'
:get
SET ROLE enctext_clerk;
SELECT v::text, s::text FROM moved ORDER BY 1;
-- Values of different contexts are not compared by tag.
SELECT count(*) FROM patient p JOIN moved m ON p.born = m.v;

-- Our own text form is verified where the keys are: no byte of it may change.
SET ROLE enctext_doctor;
CREATE FUNCTION taken(v bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO forged VALUES ('gdpr:' || translate(encode(v, 'base64'), E'\n', ''));
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE TABLE forged (v enctext('enctext_health'));
SET gdpr.output = ciphertext;
CREATE TABLE original AS SELECT decode(substr(format('%s', born), 6), 'base64') AS v FROM patient WHERE id = 1;
SELECT length(v), taken(v) FROM original;
SELECT part, array_agg(DISTINCT taken(set_byte(v, i, get_byte(v, i) # 128))) FROM original,
	LATERAL (SELECT i, CASE WHEN i = 1 THEN '1 flags' WHEN i < 6 THEN '2 context' WHEN i = 8 THEN '3 generation'
			WHEN i < 25 THEN '4 tag' WHEN i < 37 THEN '5 nonce' WHEN i < 47 THEN '6 ciphertext' ELSE '7 GCM tag' END AS part
		FROM generate_series(1, length(v) - 1) i WHERE i NOT IN (6, 7)) p
	GROUP BY part ORDER BY part;
-- another kind, a subject key that is not there, in flight, in flight with a tag, cut short, too long
SELECT flags, taken(set_byte(v, 1, flags)) FROM original, unnest('{18,19,3,1,49,65,81,145}'::int[]) flags ORDER BY flags;
SELECT array_agg(DISTINCT taken(substr(v, 1, n))) FROM original, generate_series(9, length(v) - 1) n;
SELECT taken(v || '\x00') FROM original;
-- an erased value has nothing but its tag; it stays erased, reads as NULL, and prints as it is stored
SELECT taken(substr(set_byte(v, 1, 145), 1, 25)), taken(substr(set_byte(v, 1, 129), 1, 9)) FROM original;
SELECT taken(substr(set_byte(set_byte(v, 1, 129), 8, 0), 1, 9)) FROM original;
RESET gdpr.output;
SELECT v::text, v::json, v || 'x' AS cat, format('%s', v) LIKE 'gdpr:AZ%' AS erased, length(format('%s', v))
	FROM forged WHERE v::text IS NULL ORDER BY 5;
SELECT format('%s', v::enctext('enctext_mine')) LIKE 'gdpr:AY%' AS still_erased FROM forged WHERE v::text IS NULL;
-- Bytes that the input function never let in: output prints them, casts refuse
-- them, order and hash stay total.
RESET ROLE;
CREATE CAST (bytea AS enctext) WITHOUT FUNCTION;
CREATE CAST (enctext AS bytea) WITHOUT FUNCTION;
SET ROLE enctext_doctor;
CREATE TEMPORARY TABLE corrupt (what text, v enctext);
INSERT INTO corrupt SELECT what, b::enctext FROM original, LATERAL (VALUES
	('empty', ''::bytea), ('short', substr(v, 1, 8)), ('cut', substr(v, 1, 40)), ('version', set_byte(v, 0, 2)),
	('kind', set_byte(v, 1, 31)), ('payload', set_byte(v, 40, get_byte(v, 40) # 1)), ('GCM tag', set_byte(v, 60, get_byte(v, 60) # 1)),
	('key version', set_byte(v, 6, 9)), ('no tag', set_byte(set_byte(substr(v, 1, 9), 1, 1), 8, 0) || substr(v, 26)),
	('in flight', set_byte(v, 1, 81)), ('good', v)) f(what, b);
SELECT what, format('%s', v) LIKE 'gdpr:%' AS as_stored FROM corrupt ORDER BY what;
CREATE FUNCTION plain(v enctext) RETURNS text LANGUAGE plpgsql AS
	$$ BEGIN RETURN v::text; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
SELECT what, plain(v) FROM corrupt ORDER BY what;
SELECT bool_and(sign(gdpr.enctext_cmp(x.v, y.v)) = - sign(gdpr.enctext_cmp(y.v, x.v))
	AND ((gdpr.enctext_cmp(x.v, y.v) = 0) = (x.v OPERATOR(gdpr.#<=#) y.v AND y.v OPERATOR(gdpr.#<=#) x.v))
	AND (gdpr.enctext_cmp(x.v, y.v) <> 0 OR gdpr.enctext_hash(x.v) = gdpr.enctext_hash(y.v))) AS total FROM corrupt x, corrupt y;
SELECT what FROM corrupt c JOIN original o ON gdpr.enctext_cmp(c.v, o.v::enctext) = 0 ORDER BY what;
ANALYZE corrupt;
DROP TABLE corrupt;
RESET ROLE;
DROP CAST (bytea AS enctext);
DROP CAST (enctext AS bytea);

SET ROLE enctext_clerk;

-- Assignment out of the type does not exist, not even for a reader.
SET ROLE enctext_doctor;
CREATE TABLE log (a varchar(40), b text, c char(40), d name, e json, f bytea);
INSERT INTO log (a) SELECT born FROM patient;
INSERT INTO log (b) SELECT born FROM patient;
INSERT INTO log (c) SELECT born FROM patient;
INSERT INTO log (d) SELECT born FROM patient;
INSERT INTO log (e) SELECT born FROM patient;
INSERT INTO log (f) SELECT born FROM patient;
INSERT INTO log (b) SELECT note FROM patient;
INSERT INTO log (a) SELECT ARRAY[born] FROM patient;
INSERT INTO log (b) SELECT ARRAY[note] FROM patient;
UPDATE log SET b = born FROM patient;
SELECT length(born) FROM patient;
SELECT upper(born) FROM patient;
SELECT * FROM patient WHERE born LIKE '19%';
SELECT born::int FROM patient;

-- The privileges are the current user's, also behind a view of somebody else's.
CREATE VIEW births AS SELECT id, born, born::text AS plain FROM patient;
GRANT SELECT ON births TO enctext_clerk;
SELECT plain FROM births WHERE id = 1;
SET ROLE enctext_clerk;
SELECT plain FROM births WHERE id = 1;
SELECT count(*) FROM births WHERE born = '1950-02-07';
SELECT format('%s', born) LIKE 'gdpr:AQ%' FROM births WHERE id = 1;
RESET ROLE;
-- A change of rights works at once, also in a prepared statement.
SET ROLE enctext_clerk;
PREPARE find AS SELECT id FROM patient WHERE born = '1950-02-07';
EXECUTE find;
RESET ROLE;
SELECT gdpr.grant_context('enctext_health', 'enctext_clerk', 'search');
SET ROLE enctext_clerk;
EXECUTE find;
RESET ROLE;
SELECT gdpr.revoke_context('enctext_health', 'enctext_clerk', 'search');
SET ROLE enctext_clerk;
EXECUTE find;
RESET ROLE;
-- A member inherits; a superuser reads only when named.
CREATE ROLE enctext_intern IN ROLE enctext_doctor;
SET ROLE enctext_intern;
SELECT born::text FROM patient WHERE id = 1;
RESET ROLE;
SELECT born::text FROM patient WHERE id = 1;
SELECT count(*) FROM patient WHERE born = '1950-02-07';

DROP SCHEMA enctext_rights CASCADE;
DROP ROLE enctext_intern, enctext_doctor, enctext_clerk, enctext_finder, enctext_writer;
