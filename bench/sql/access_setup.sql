-- \set rows: three equal tables, 100 rows a subject: without row security, under a rule with a purpose, and under a policy that asks for every row.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE ROLE bench_reader;
CREATE TABLE bench.plain AS
SELECT i AS id, 1 + (i - 1) / 100 AS subject, repeat('x', 40) || i AS payload FROM generate_series(1, :rows) i;
CREATE TABLE bench.ruled AS TABLE bench.plain;
CREATE TABLE bench.each AS TABLE bench.plain;
CREATE TABLE bench.consent AS SELECT i AS subject, true AS granted FROM generate_series(1, :rows / 100) i;
CREATE INDEX ON bench.plain (subject);
CREATE INDEX ON bench.ruled (subject);
CREATE INDEX ON bench.each (subject);
CREATE INDEX ON bench.consent (subject);
GRANT USAGE ON SCHEMA bench TO bench_reader;
GRANT SELECT ON bench.plain, bench.each, bench.consent TO bench_reader;
GRANT INSERT ON bench.result TO bench_reader;
SELECT gdpr.create_purpose('bench', 'contract'), gdpr.grant_purpose('bench_reader', 'bench');
SELECT count(*) FROM gdpr.allow('bench_reader', 'bench.ruled', '{*}', options => '{"purposes": ["bench"]}');
ALTER TABLE bench.each ENABLE ROW LEVEL SECURITY;
SELECT format('CREATE POLICY each ON bench.each USING (gdpr.row_access(%s))', rule) FROM gdpr.access_rule WHERE role = 'bench_reader' \gexec
VACUUM ANALYZE bench.plain;
VACUUM ANALYZE bench.ruled;
VACUUM ANALYZE bench.each;
VACUUM ANALYZE bench.consent;

-- Times one statement, or n of a prepared one, within this session's purpose.
CREATE FUNCTION bench.timed(round int, name text, sql text, n int, subjects int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz;
BEGIN
	EXECUTE 'PREPARE timed (int) AS ' || sql;
	EXECUTE 'EXECUTE timed (1)';
	started := clock_timestamp();
	FOR i IN 1 .. n LOOP
		EXECUTE 'EXECUTE timed (' || 1 + i * 7919 % subjects || ')';
	END LOOP;
	INSERT INTO bench.result VALUES (round, name, extract(epoch FROM clock_timestamp() - started) * 1000);
	DEALLOCATE timed;
END $$;

-- The same as PL/pgSQL runs it: the plan is kept and nothing is parsed.
CREATE FUNCTION bench.points(round int, name text, relation regclass, n int, subjects int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($f$
		CREATE OR REPLACE FUNCTION pg_temp.point(n int, subjects int) RETURNS float8 LANGUAGE plpgsql AS $p$
		DECLARE
			started timestamptz := clock_timestamp();
			found int;
		BEGIN
			FOR i IN 1 .. n LOOP
				SELECT count(payload) INTO found FROM %s WHERE subject = 1 + i * 7919 %% subjects;
			END LOOP;
			RETURN extract(epoch FROM clock_timestamp() - started) * 1000;
		END $p$ $f$, relation);
	PERFORM pg_temp.point(200, subjects);
	INSERT INTO bench.result SELECT round, name, pg_temp.point(n, subjects);
END $$;
