-- The records of one statement are gathered into rows of the log: whatever its
-- triggers do meanwhile, none is lost, doubled or kept from what failed.
SET client_min_messages = warning;
CREATE SCHEMA aub;
SET search_path = aub, public;
CREATE TABLE master (id int PRIMARY KEY, v int);
CREATE TABLE detail (id int PRIMARY KEY, master int REFERENCES master ON DELETE CASCADE ON UPDATE CASCADE, v int CHECK (v < 100));
SELECT gdpr.protect('master'), gdpr.protect('detail');
CREATE VIEW trail AS
SELECT relation, operation, count(*) AS records, count(*) = count(DISTINCT id) AS distinct_ids FROM gdpr.audit WHERE relation LIKE 'aub.%' GROUP BY 1, 2 ORDER BY 1, 2;
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

-- many records in a row; each has its own values, and numbers and rows agree
SELECT max(rows) > 5 AS gathered, sum(rows) = (SELECT count(*) FROM gdpr.audit WHERE relation LIKE 'aub.%') AS all_shown
FROM gdpr.audit_log WHERE relation LIKE 'aub.%';
CREATE TABLE item (id int PRIMARY KEY, a text, b text);
SELECT gdpr.protect('item');
SELECT coalesce(max(id), 0) AS upto FROM gdpr.audit \gset
INSERT INTO item SELECT i, repeat('x', CASE WHEN i % 10 = 0 THEN 300 WHEN i % 7 = 0 THEN 5000 ELSE i END), CASE WHEN i % 3 = 0 THEN '' END FROM generate_series(1, 100) i;
UPDATE item SET a = CASE WHEN id % 2 = 0 THEN a || '!' ELSE a END, b = CASE WHEN id % 5 = 0 THEN NULL ELSE 'b' END;
SELECT operation, count(*), count(*) FILTER (WHERE
	CASE operation WHEN 'insert' THEN changes ->> 'b' IS NOT DISTINCT FROM CASE WHEN i.id % 3 = 0 THEN '[null, ""]' END AND length(changes #>> '{a,1}') = length(rtrim(i.a, '!'))
	ELSE (changes ? 'a') = (i.id % 2 = 0) AND changes #>> '{b,1}' IS NOT DISTINCT FROM i.b END) AS right_values
FROM gdpr.audit a JOIN item i ON a.subject IS NULL AND i.id = coalesce((a.changes #>> '{id,1}')::int, 0) OR (a.operation = 'update' AND i.id = (SELECT x.id FROM item x
	WHERE a.changes #>> '{a,1}' = x.a LIMIT 1))
WHERE a.id > :upto GROUP BY 1 ORDER BY 1;
-- values that lie out of line
SELECT count(*) FROM gdpr.audit WHERE id > :upto AND length(changes #>> '{a,1}') > 5000 AND operation = 'update';

-- a definer's function within: each record says whose rights counted
CREATE ROLE aub_owner;
CREATE TABLE ledger (id serial PRIMARY KEY, item int);
SELECT gdpr.protect('ledger');
GRANT USAGE ON SCHEMA aub TO aub_owner;
GRANT INSERT ON ledger TO aub_owner;
GRANT USAGE ON SEQUENCE ledger_id_seq TO aub_owner;
CREATE FUNCTION log_item() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = aub AS $$
BEGIN
	INSERT INTO ledger (item) VALUES (new.id);
	RETURN NULL;
END $$;
ALTER FUNCTION log_item() OWNER TO aub_owner;
CREATE TRIGGER z_log AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION log_item();
SELECT coalesce(max(id), 0) AS upto FROM gdpr.audit \gset
UPDATE item SET b = 'c' WHERE id <= 50;
SELECT relation, role = session_user AS own_rights, role = 'aub_owner' AS owners_rights, count(*) FROM gdpr.audit WHERE id > :upto GROUP BY 1, 2, 3 ORDER BY 1, 2;
DROP TRIGGER z_log ON item;

-- nobody but the auditor unpacks
SET ROLE aub_owner;
SELECT gdpr.audit_entries(3::smallint);
SELECT gdpr.audit_strip('\x', 1, now(), '{}');
RESET ROLE;
SELECT gdpr.audit_strip('\x', 1, now(), '{0}') IS NULL AS nothing_opens;
SELECT gdpr.audit_strip('\x', 1, now(), '{null}');
SELECT gdpr.audit_changes(payload, id, at, entry, columns) IS NULL AS not_there FROM gdpr.audit_log, LATERAL (VALUES (-1), (rows), (32767)) v (entry) WHERE relation = 'aub.item' AND payload IS NOT NULL GROUP BY 1;
SELECT gdpr.audit_changes(payload, id + 1, at, 0, columns) IS NULL AS moved FROM gdpr.audit_log WHERE relation = 'aub.item' AND payload IS NOT NULL GROUP BY 1;

-- one of many in a row is forgotten: the others keep their values, to the letter
CREATE TABLE person (id int PRIMARY KEY, name text);
SELECT gdpr.declare_subject('aub_person', 'person');
SELECT gdpr.declare_column('person', 'name', 'name');
SELECT gdpr.approve_map('aub_person') IS NOT NULL;
SELECT gdpr.protect('person');
INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 40) i;
UPDATE person SET name = name || '!';
CREATE TEMP TABLE before AS SELECT * FROM gdpr.audit WHERE relation = 'aub.person' AND operation <> 'protect';
SELECT (gdpr_forget(i::text, 'aub_person') ->> 'changed')::boolean, count(*) FROM generate_series(3, 6) i GROUP BY 1;
SELECT count(*) FILTER (WHERE a.changes IS NULL) AS taken, count(*) FILTER (WHERE a IS DISTINCT FROM b) AS changed, count(*) AS all
FROM before b LEFT JOIN gdpr.audit a USING (id);
SELECT count(*) FROM gdpr.audit WHERE relation = 'aub.person' AND changes::text ~ 'kanarialintu-[3-6](!|")';
SELECT operation, changes IS NOT NULL AS has_values, count(*) FROM gdpr.audit_trail('7', 'aub_person') GROUP BY 1, 2 ORDER BY 1;
SELECT operation, changes IS NOT NULL AS has_values, count(*) FROM gdpr.audit_trail('5', 'aub_person') GROUP BY 1, 2 ORDER BY 1;
-- all of a row: nothing is left to seal
SELECT count(gdpr_forget(id::text, 'aub_person')) FROM (SELECT id FROM person) p;
SELECT count(*) FILTER (WHERE payload IS NOT NULL) AS sealed, count(*) > 0 AS rows FROM gdpr.audit_log WHERE relation = 'aub.person' AND operation <> 'protect';

-- forgotten by a trigger, in the statement whose records are not written yet
INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(101, 110) i;
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id = 105 THEN
		PERFORM gdpr_forget('103', 'aub_person');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER z_forget AFTER UPDATE OF name ON person FOR EACH ROW WHEN (new.name IS NOT NULL) EXECUTE FUNCTION forget();
UPDATE person SET name = name || '?';
SELECT operation, changes IS NOT NULL AS has_values, count(*) FROM gdpr.audit_trail('103', 'aub_person') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM gdpr.audit WHERE relation = 'aub.person' AND changes::text ~ 'kanarialintu-103';
-- in an exception block of it: they cannot be written for both outcomes
CREATE OR REPLACE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id = 106 THEN
		BEGIN
			PERFORM gdpr_forget('104', 'aub_person');
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			RAISE NOTICE '%', sqlerrm;
		END;
	END IF;
	RETURN NULL;
END $$;
SET client_min_messages = notice;
UPDATE person SET name = name || '?';
SET client_min_messages = warning;
SELECT count(*) FROM person WHERE id = 104;

DROP TRIGGER z_forget ON person;

-- forgotten while his row was changed already, and is recorded only then: by the statement itself, and by a trigger before his turn
WITH u AS (UPDATE person SET name = name || '+' WHERE id IN (104, 105) RETURNING id) SELECT (gdpr_forget(id::text, 'aub_person') ->> 'changed')::boolean FROM u WHERE id = 104;
UPDATE person SET name = name || '+' WHERE id IN (106, 107) RETURNING CASE WHEN id = 106 THEN gdpr_forget('106', 'aub_person') IS NOT NULL END AS forgotten;
CREATE OR REPLACE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.id = 107 THEN
		-- undone: his record keeps its values
		BEGIN
			PERFORM gdpr_forget('109', 'aub_person');
			RAISE EXCEPTION 'undo';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
		PERFORM gdpr_forget('108', 'aub_person');
	END IF;
	RETURN NULL;
END $$;
-- before our own, so that nothing is gathered yet
CREATE TRIGGER a_forget AFTER UPDATE ON person FOR EACH ROW EXECUTE FUNCTION forget();
UPDATE person SET name = name || '+' WHERE id BETWEEN 107 AND 109;
SELECT t.operation, count(*), count(*) FILTER (WHERE t.changes IS NOT NULL) AS with_values
FROM generate_series(104, 109) i, gdpr.audit_trail(i::text, 'aub_person') t WHERE i IN (104, 106, 108) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM gdpr.audit WHERE relation = 'aub.person' AND changes::text ~ 'kanarialintu-10[468]';
SELECT changes FROM gdpr.audit_trail('109', 'aub_person') WHERE operation = 'update' ORDER BY id DESC LIMIT 1;
-- who comes with the same key later is another
INSERT INTO person VALUES (104, 'kanarialintu-new');
SELECT changes IS NOT NULL AS has_values FROM gdpr.audit_trail('104', 'aub_person') ORDER BY id DESC LIMIT 1;
DROP TRIGGER a_forget ON person;

-- what a superuser writes into the log: copies lose their values too, and nothing breaks
INSERT INTO gdpr.audit_log SELECT id - 1000000000, at, xid, rows, own, keys, up, subject, relation, operation, origin, columns, tags, session_role, role, actor, purpose, application, address, payload
	FROM gdpr.audit_log WHERE relation = 'aub.person' AND operation = 'insert';
INSERT INTO gdpr.audit_log SELECT id - 2000000000, at, xid, 1, 32767, 32767, 32767, subject, relation, operation, origin, columns, tags, session_role, role, actor, purpose, application, address, '\x00'
	FROM gdpr.audit_log WHERE relation = 'aub.person' AND operation = 'insert' AND id > 0;
SELECT (gdpr_forget('110', 'aub_person') ->> 'changed')::boolean;
SELECT count(*) FROM gdpr.audit_log l, gdpr.audit_entries(l.rows) n WHERE relation = 'aub.person'
	AND (gdpr.audit_changes(payload, id, at, n, columns)::text LIKE '%kanarialintu-110%' OR gdpr.audit_changes(payload, id + 1000000000, at, n, columns)::text LIKE '%kanarialintu-110%');
\set VERBOSITY terse
INSERT INTO gdpr.audit_log_default (id, at, xid, rows, own, keys, up, relation, operation, origin, session_role, role) VALUES (1, '2000-01-01', '1', 0, 0, 0, 0, 'a.b', 'update', 'application', 'x', 'x');
INSERT INTO gdpr.audit_log_default (id, at, xid, rows, own, keys, up, relation, operation, origin, session_role, role) VALUES (9223372036854775807, '2000-01-01', '1', 2, 0, 0, 0, 'a.b', 'update', 'application', 'x', 'x');
INSERT INTO gdpr.audit_log_default (id, at, xid, rows, own, keys, up, relation, operation, origin, session_role, role) VALUES (1, '2000-01-01', '1', 1, -1, 0, 0, 'a.b', 'update', 'application', 'x', 'x');
\set VERBOSITY default

-- a row of more than the auditor could be shown is recorded by lengths and digests
DO $$ BEGIN EXECUTE 'CREATE TABLE wide (' || (SELECT string_agg('c' || i || ' text', ', ') FROM generate_series(1, 140) i) || ')'; END $$;
SELECT gdpr.protect('wide');
DO $$ BEGIN EXECUTE 'INSERT INTO wide SELECT ' || (SELECT string_agg('v', ', ') FROM generate_series(1, 140)) || ' FROM repeat(chr(1), 262144) v'; END $$;
SELECT length(changes #>> '{c1,1}') AS first, changes #>> '{c140,1}' AS last FROM gdpr.audit WHERE relation = 'aub.wide' AND operation = 'insert';

-- statements in its triggers take numbers too: records are gathered all the same
CREATE FUNCTION log_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ledger (item) VALUES (new.id);
	RETURN NULL;
END $$;
CREATE TRIGGER z_log AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION log_person();
SELECT max(id + rows - 1) AS upto FROM gdpr.audit_log \gset
UPDATE item SET b = 'd';
SELECT relation, sum(rows) AS records, count(*) < 20 AS gathered FROM gdpr.audit_log WHERE id > :upto AND relation = 'aub.item' GROUP BY 1 ORDER BY 1;
SELECT count(*) = count(DISTINCT id) AS distinct_ids FROM gdpr.audit;

SELECT gdpr.undeclare_subject('aub_person');
DROP SCHEMA aub CASCADE;
DROP ROLE aub_owner;
