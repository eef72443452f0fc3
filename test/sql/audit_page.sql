-- The page of the log stays pinned while a statement's triggers run: whatever
-- they do meanwhile, no pin is left behind (a WARNING) and no record is lost.
SET client_min_messages = warning;
CREATE SCHEMA apg;
SET search_path = apg;
CREATE TABLE master (id int PRIMARY KEY, v int);
CREATE TABLE detail (id int PRIMARY KEY, master int REFERENCES master ON DELETE CASCADE ON UPDATE CASCADE, v int CHECK (v < 100));
SELECT gdpr.protect('master'), gdpr.protect('detail');
CREATE VIEW trail AS
SELECT relation, operation, count(*) FROM gdpr.audit_log WHERE relation LIKE 'apg.%' GROUP BY 1, 2 ORDER BY 1, 2;
INSERT INTO master SELECT i, i FROM generate_series(1, 200) i;
INSERT INTO detail SELECT i, (i + 1) / 2, 0 FROM generate_series(1, 400) i;
TABLE trail;

-- a trigger that changes another protected table, in a subtransaction that fails for every second row
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE detail SET v = v + 1 WHERE master = new.id;
	BEGIN
		UPDATE detail SET v = v + CASE WHEN new.id % 2 = 0 THEN 1000 ELSE 1 END WHERE master = new.id;
	EXCEPTION WHEN check_violation THEN
		NULL;
	END;
	-- one that fails after it wrote records
	BEGIN
		UPDATE detail SET v = v + 1 WHERE master = new.id;
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
		NULL;
	END;
	RETURN NULL;
END $$;
-- before and after our own in the order of names
CREATE TRIGGER a_touch AFTER UPDATE ON master FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER z_touch AFTER UPDATE ON master FOR EACH ROW EXECUTE FUNCTION touch();
UPDATE master SET v = v + 1;
TABLE trail;
SELECT v, count(*) FROM detail GROUP BY v ORDER BY v;

-- the whole statement fails in its triggers, alone and in a subtransaction; the next works
DO $$
BEGIN
	UPDATE detail SET v = v + 1;
	BEGIN
		UPDATE master SET v = 1 / (id - 100);
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	UPDATE detail SET v = v - 1;
END $$;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id = 100 THEN
		RAISE EXCEPTION 'no';
	END IF;
	RETURN NULL;
END $$;
DROP TRIGGER a_touch ON master;
DROP TRIGGER z_touch ON master;
CREATE TRIGGER z_fail AFTER UPDATE ON master FOR EACH ROW EXECUTE FUNCTION fail();
UPDATE master SET v = v + 1;
DO $$
BEGIN
	UPDATE master SET v = v + 1;
EXCEPTION WHEN raise_exception THEN
	UPDATE detail SET v = v + 1;
END $$;
TABLE trail;

-- cascades, constraints at the end, COPY, a cursor open meanwhile, a statement inside another
DROP TRIGGER z_fail ON master;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM detail ORDER BY id;
FETCH 1 FROM c;
UPDATE master SET id = id + 1000;
FETCH 1 FROM c;
COPY master FROM stdin;
1	1
2	2
\.
SAVEPOINT s;
DELETE FROM master WHERE id > 1100;
ROLLBACK TO s;
DELETE FROM master WHERE id > 1190;
COMMIT;
CREATE FUNCTION bump() RETURNS bigint LANGUAGE sql AS $$
	WITH u AS (UPDATE detail SET v = v + 1 WHERE id <= 10 RETURNING 1) SELECT count(*) FROM u $$;
UPDATE master SET v = bump() WHERE id <= 2;
ALTER TABLE detail ALTER CONSTRAINT detail_master_fkey DEFERRABLE INITIALLY DEFERRED;
BEGIN;
UPDATE master SET v = v + 1 WHERE id > 1000 AND id < 1010;
DELETE FROM detail WHERE id < 5;
COMMIT;
TABLE trail;
DROP SCHEMA apg CASCADE;
