-- \set round: each case once, as the reader, working for the purpose.  Point reads take turns, a hundred each; who
-- is first changes every time, for the sake of the caches.
BEGIN;
SELECT gdpr.begin_work(purpose => 'bench_support') \g /dev/null
CREATE TEMPORARY TABLE took (name text, ms float8) ON COMMIT DROP;
GRANT INSERT ON took TO bench_reader;
SET LOCAL ROLE bench_reader;
CREATE FUNCTION pg_temp.time(name text, sql text, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz := clock_timestamp();
	got bigint;
BEGIN
	EXECUTE sql INTO got;
	INSERT INTO took VALUES (name, extract(epoch FROM clock_timestamp() - started) * 1000);
	IF got <> wanted THEN
		RAISE EXCEPTION '% gives % rows, not %', name, got, wanted;
	END IF;
END $$;
SELECT count(*) AS rows FROM bench.plain \gset
-- A new process pays for the first touch of every shared page; each table's is paid for here.
SELECT pg_temp.time('warm', format('SELECT count(note) FROM bench.%s', name), :rows) FROM unnest('{plain,ruled}'::text[]) name \g /dev/null
SELECT pg_temp.time('warm', format('SELECT bench.read_%s(1, %s)', name, :rows / 100), :rows) FROM unnest('{plain,ruled}'::text[]) name \g /dev/null
SELECT pg_temp.time(name, sql, :rows)
FROM (VALUES ('scan rule', 'SELECT count(note) FROM bench.ruled'),
	('scan in', 'SELECT count(note) FROM bench.plain WHERE subject IN (SELECT subject FROM bench.agreed)'),
	('scan plain', 'SELECT count(note) FROM bench.plain')) AS x (name, sql)
ORDER BY CASE WHEN :round % 2 = 0 THEN name END, name DESC \g /dev/null
SELECT pg_temp.time('point ' || name, format('SELECT bench.read_%s(%s, %s)', name, part * 100 + 1, part * 100 + 100), 10000)
FROM generate_series(0, least(2000, :rows / 100) / 100 - 1) part, unnest('{plain,ruled}'::text[]) name
ORDER BY part, (part % 2 = 0) = (name = 'plain') \g /dev/null
RESET ROLE;
INSERT INTO bench.result SELECT :round, name, sum(ms) FROM took WHERE name <> 'warm' GROUP BY name;
COMMIT;
