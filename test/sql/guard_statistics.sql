-- ANALYZE keeps no values of rows and arrays that hold encrypted ones.
\set VERBOSITY sqlstate
CREATE SCHEMA guard_statistics;
SET search_path = guard_statistics, public;
SELECT gdpr.create_context('guard_statistics', '{}');
SELECT gdpr.grant_context('guard_statistics', current_user, 'read');
CREATE DOMAIN mail AS enctext('guard_statistics');
CREATE DOMAIN mails AS enctext('guard_statistics')[];
CREATE TYPE contact AS (n int, e enctext('guard_statistics'));
CREATE TABLE t (plain int, e enctext('guard_statistics'), d mail, a enctext('guard_statistics')[], da mails,
	ad mail[], c contact, ca contact[]);
CREATE FUNCTION first(contact[]) RETURNS contact LANGUAGE sql IMMUTABLE AS 'SELECT $1[1]';
CREATE INDEX ON t (first(ca), plain);
CREATE TABLE parted (ad mail[], plain int) PARTITION BY RANGE (plain);
CREATE TABLE part PARTITION OF parted DEFAULT;
CREATE TEMP TABLE temporary (c contact);
ALTER TABLE t ALTER c SET STATISTICS 100;
CREATE MATERIALIZED VIEW m AS SELECT c, plain FROM t;
SELECT attrelid::regclass, attname FROM pg_attribute
	WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'guard_statistics'::regnamespace OR oid = 'temporary'::regclass)
		AND attnum > 0 AND attstattarget = 0
	ORDER BY attrelid::regclass::text, attnum;
INSERT INTO t SELECT g, x, x, ARRAY[x]::enctext('guard_statistics')[], ARRAY[x]::enctext('guard_statistics')[],
		ARRAY[x]::mail[], ROW(g, x)::contact, ARRAY[ROW(g, x)::contact]
	FROM generate_series(1, 200) g, LATERAL (SELECT 'kanarialintu-' || g % 50 AS x) v;
INSERT INTO parted SELECT ad, plain FROM t;
INSERT INTO temporary SELECT c FROM t;
REFRESH MATERIALIZED VIEW m;
ANALYZE t, parted, part, m, temporary;
SELECT tablename, attname FROM pg_stats
	WHERE (schemaname = 'guard_statistics' OR tablename = 'temporary')
		AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL OR most_common_elems IS NOT NULL)
	ORDER BY 1, 2;
DROP TABLE temporary;
DROP SCHEMA guard_statistics CASCADE;
