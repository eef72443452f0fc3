-- \set round: each case once, working for the purpose.  Point reads take turns, a hundred each; who is first changes
-- every time, for the sake of the caches.
BEGIN;
SELECT gdpr.begin_work(purpose => 'bench_support') \g /dev/null
CREATE TEMPORARY TABLE took (name text, ms float8) ON COMMIT DROP;
GRANT INSERT ON took TO bench_reader, bench_unbound;
CREATE FUNCTION pg_temp.time(name text, who text, sql text, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz;
	got bigint;
BEGIN
	PERFORM set_config('role', who, true);
	started := clock_timestamp();
	EXECUTE sql INTO got;
	INSERT INTO took VALUES (name, extract(epoch FROM clock_timestamp() - started) * 1000);
	IF got <> wanted THEN
		RAISE EXCEPTION '% gives % rows, not %', name, got, wanted;
	END IF;
END $$;
SELECT count(*) AS rows FROM bench.plain \gset
-- A new process pays for the first touch of every shared page; that is done here.
SELECT pg_temp.time('warm', 'bench_reader', format('SELECT count(note) FROM bench.%s', name), :rows) FROM unnest('{plain,ruled}'::text[]) name \g /dev/null
SELECT pg_temp.time('warm', 'bench_' || who, format('SELECT bench.read_%s(1, %s)', name, :rows / 100), :rows)
FROM (VALUES ('reader', 'ruled'), ('unbound', 'unbound')) x (who, name) \g /dev/null
SELECT pg_temp.time(name, 'bench_reader', sql, :rows)
FROM (VALUES ('scan rule', 'SELECT count(note) FROM bench.ruled'),
	('scan in', 'SELECT count(note) FROM bench.plain WHERE subject IN (SELECT subject FROM bench.agreed)'),
	('scan plain', 'SELECT count(note) FROM bench.plain')) AS x (name, sql)
ORDER BY CASE WHEN :round % 2 = 0 THEN name END, name DESC \g /dev/null
SELECT pg_temp.time('point ' || name, 'bench_' || who, format('SELECT bench.read_%s(%s, %s)', name, part * 100 + 1, part * 100 + 100), 10000)
FROM generate_series(0, least(2000, :rows / 100) / 100 - 1) part, (VALUES ('reader', 'ruled'), ('unbound', 'unbound')) x (who, name)
ORDER BY part, (part % 2 = 0) = (name = 'unbound') \g /dev/null
SELECT pg_temp.time('one ' || name, 'bench_' || who, format('SELECT bench.fetch_%s(%s, %s)', name, part * 1000 + 1, part * 1000 + 1000), 1000)
FROM generate_series(0, 19) part, (VALUES ('reader', 'ruled'), ('unbound', 'unbound')) x (who, name)
ORDER BY part, (part % 2 = 0) = (name = 'unbound') \g /dev/null
RESET ROLE;
INSERT INTO bench.result SELECT :round, name, sum(ms) FROM took WHERE name <> 'warm' GROUP BY name;
COMMIT;
