-- \set rows: two equal tables of visits, a hundred a subject, one under a rule with a purpose; the subjects who agreed.
-- A reader under the rule, and one whom no policy binds, with the same privileges.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE ROLE bench_reader;
CREATE ROLE bench_unbound BYPASSRLS;
GRANT USAGE ON SCHEMA bench TO bench_reader, bench_unbound;
CREATE TABLE bench.plain AS
SELECT i AS id, 1 + i % (:rows / 100) AS subject, timestamptz '2024-01-01' + i * interval '1 second' AS at, md5(i::text) AS note
FROM generate_series(1, :rows) i;
CREATE TABLE bench.ruled AS TABLE bench.plain;
CREATE TABLE bench.agreed AS SELECT s AS subject FROM generate_series(1, :rows / 100) s;
ALTER TABLE bench.plain ADD PRIMARY KEY (id);
ALTER TABLE bench.ruled ADD PRIMARY KEY (id);
ALTER TABLE bench.agreed ADD PRIMARY KEY (subject);
CREATE INDEX ON bench.plain (subject);
CREATE INDEX ON bench.ruled (subject);
VACUUM ANALYZE bench.plain;
VACUUM ANALYZE bench.ruled;
VACUUM ANALYZE bench.agreed;
GRANT SELECT ON bench.plain, bench.agreed TO bench_reader;
SELECT gdpr.create_purpose('bench_support', 'contract');
SELECT gdpr.grant_purpose('bench_reader', 'bench_support');
GRANT SELECT (id, subject, at, note) ON bench.ruled TO bench_unbound;
SELECT gdpr.allow('bench_reader', 'bench.ruled', options => '{"purposes": ["bench_support"], "others": "keep"}');

-- One plan each, 100 rows each time; the same pages, since those of one table may lie worse in memory than another's.
CREATE FUNCTION bench.read_unbound(first int, last int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint := 0;
	n bigint;
BEGIN
	FOR i IN first..last LOOP
		SELECT count(note) INTO n FROM bench.ruled WHERE subject = i;
		total := total + n;
	END LOOP;
	RETURN total;
END $$;
CREATE FUNCTION bench.read_ruled(first int, last int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint := 0;
	n bigint;
BEGIN
	FOR i IN first..last LOOP
		SELECT count(note) INTO n FROM bench.ruled WHERE subject = i;
		total := total + n;
	END LOOP;
	RETURN total;
END $$;
-- One row each time, by the primary key.
CREATE FUNCTION bench.fetch_unbound(first int, last int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint := 0;
	n bigint;
BEGIN
	FOR i IN first..last LOOP
		SELECT count(note) INTO n FROM bench.ruled WHERE id = i;
		total := total + n;
	END LOOP;
	RETURN total;
END $$;
CREATE FUNCTION bench.fetch_ruled(first int, last int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint := 0;
	n bigint;
BEGIN
	FOR i IN first..last LOOP
		SELECT count(note) INTO n FROM bench.ruled WHERE id = i;
		total := total + n;
	END LOOP;
	RETURN total;
END $$;
