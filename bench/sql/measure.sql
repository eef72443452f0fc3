-- One table of measurements and one procedure that takes them.
CREATE SCHEMA bench;

CREATE TABLE bench.result (round int, name text, ms float8);

-- Runs sql once in its own transaction, after a checkpoint, and records the time.
CREATE PROCEDURE bench.measure(round int, name text, sql text, before text = NULL)
LANGUAGE plpgsql AS $$
DECLARE
	started timestamptz;
BEGIN
	IF before IS NOT NULL THEN
		EXECUTE before;
	END IF;
	COMMIT;
	CHECKPOINT;
	started := clock_timestamp();
	EXECUTE sql;
	COMMIT;
	INSERT INTO bench.result
	VALUES (round, name, extract(epoch FROM clock_timestamp() - started) * 1000);
	COMMIT;
END $$;

CREATE VIEW bench.median AS
SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) AS ms, count(*) AS rounds
FROM bench.result GROUP BY name;
