-- One table of measurements and one procedure that takes them.
CREATE SCHEMA bench;

CREATE TABLE bench.result (round int, name text, ms float8);

-- Milliseconds of processor time that this backend has taken (field 14 and 15 of proc_pid_stat(5), in hundredths).
CREATE FUNCTION bench.processor_time() RETURNS float8 LANGUAGE sql AS $$
	SELECT (f[12]::float8 + f[13]::float8) * 10
	FROM regexp_split_to_array(regexp_replace(pg_read_file('/proc/self/stat'), '^.*\) ', ''), ' ') f
$$;

-- Runs sql once in its own transaction, after a checkpoint, and records the time, and under "name, processor"
-- the processor time.
CREATE PROCEDURE bench.measure(round int, name text, sql text, before text = NULL)
LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz;
	used float8;
BEGIN
	IF before IS NOT NULL THEN
		EXECUTE before;
	END IF;
	COMMIT;
	CHECKPOINT;
	used := bench.processor_time();
	started := clock_timestamp();
	EXECUTE sql;
	COMMIT;
	INSERT INTO bench.result
	VALUES (round, name, extract(epoch FROM clock_timestamp() - started) * 1000),
		   (round, name || ', processor', bench.processor_time() - used);
	COMMIT;
END $$;

CREATE VIEW bench.median AS
SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, count(*) AS rounds
FROM bench.result GROUP BY name;
