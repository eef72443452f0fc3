-- Values of a hundred megabytes, and the longest that there is: part of make soak, for it takes gigabytes of memory.
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
SELECT gdpr.create_context('large', ARRAY[current_user]);
SELECT gdpr.grant_context('large', current_user, 'write');
CREATE TABLE large (id int PRIMARY KEY, t enctext('large'), b encbytea('large'), s encsecret('large'));
ALTER TABLE large ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER s SET STORAGE EXTERNAL;
INSERT INTO large (id, t) SELECT 1, repeat(repeat('kanarialintu', 8000), 1000);
SELECT length(t::text), md5(t::text) = md5(repeat(repeat('kanarialintu', 8000), 1000)) FROM large WHERE id = 1;
SELECT id FROM large WHERE t = repeat(repeat('kanarialintu', 8000), 1000);
SELECT count(*) FROM large WHERE t = repeat(repeat('kanarialintu', 7999), 1000);
INSERT INTO large (id, b) SELECT 2, decode(repeat(repeat('00ff61', 33000), 1000), 'hex');
SELECT length(b::bytea), md5(b::bytea) = md5(decode(repeat(repeat('00ff61', 33000), 1000), 'hex')) FROM large WHERE id = 2;
-- A save that changes nothing, another key, a copy.
UPDATE large SET t = repeat(repeat('kanarialintu', 8000), 1000) WHERE id = 1;
SELECT gdpr.rotate_context('large') > 1;
CALL gdpr.reencrypt('large');
SELECT item, key_version, count FROM gdpr.check_column('large', 't') WHERE count > 0;
SELECT item, key_version, count FROM gdpr.check_column('large', 'b') WHERE count > 0;
COPY (SELECT t FROM large WHERE id = 1) TO :'file' (FORMAT binary);
CREATE TABLE copied (t enctext('large'));
COPY copied FROM :'file' (FORMAT binary);
SELECT length(t::text), md5(t::text) = md5(repeat(repeat('kanarialintu', 8000), 1000)) FROM copied;
DROP TABLE copied;
-- The longest that there is, and one byte more.
\set longest 805306256
INSERT INTO large (id, s) SELECT 3, left(repeat(repeat('x', 1000000), 806), :longest);
SELECT length(s::text) = :longest FROM large WHERE id = 3;
INSERT INTO large (id, s) SELECT 4, left(repeat(repeat('x', 1000000), 806), :longest + 1);
SELECT count(*) FROM large;
DROP TABLE large;
