-- What goes wrong with a rule is the rule's own affair: others run, its status
-- can be read, nothing is said of values, and nobody gets at more than is his.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE ROLE rfault_owner;
CREATE ROLE rfault_plain;
CREATE SCHEMA rfault AUTHORIZATION rfault_owner;
CREATE FUNCTION rfault.approve(r bigint) RETURNS void LANGUAGE sql AS
	$$ SELECT gdpr.approve_retention(r, hash) FROM (SELECT hash FROM gdpr.retention_plan(r) LIMIT 1) x $$;
CREATE FUNCTION rfault.make(name text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE rfault.%I (id int PRIMARY KEY, at date, name text)', name);
	EXECUTE format('INSERT INTO rfault.%I SELECT i, ''2020-01-01'', ''kanarialintu-'' || i FROM generate_series(1, %s) i', name, n);
	EXECUTE format('ALTER TABLE rfault.%I OWNER TO rfault_owner', name);
	PERFORM gdpr.declare_column(format('rfault.%I', name)::regclass, 'name', 'name');
END $$;
CREATE VIEW rfault.state AS SELECT r.relation, s.done, s.failures, s.last_error
	FROM gdpr.retention_rule r JOIN gdpr.retention_state s USING (rule) WHERE r.relation::text ~ '^rfault\.';

-- a filter fails on a value: the value is in no message, here and later
SELECT rfault.make('cast', 3);
\set VERBOSITY default
SELECT gdpr.set_retention('rfault.cast', '1 year', 'at', options => '{"filter": "name::int > 0"}');
\set VERBOSITY sqlstate
UPDATE rfault.cast SET name = id;
SELECT gdpr.set_retention('rfault.cast', '1 year', 'at', options => '{"filter": "name::int > 0"}') AS rule \gset
SELECT rfault.approve(:rule);
UPDATE rfault.cast SET name = 'kanarialintu-' || id;
\set VERBOSITY default
SELECT * FROM gdpr.retention_plan(:rule);
\set VERBOSITY sqlstate
SELECT relation, due FROM gdpr.retention_status WHERE rule = :rule;
CALL gdpr.run_retention('rfault.cast');
SELECT * FROM rfault.state WHERE relation = 'rfault.cast'::regclass;
SELECT gdpr.drop_retention(:rule);

-- bounds: what is added to dates must be a date
SELECT gdpr.set_retention('rfault.cast', '1001 years', 'at');
SELECT gdpr.set_retention('rfault.cast', '1 year', 'at', options => '{"every": "2 years"}');
SELECT gdpr.set_retention('rfault.cast', '1 year', 'at', options => '{"every": "0.5 seconds"}');
SELECT gdpr.set_retention('rfault.cast', '1 year', 'at', options => '{"rule": 0}');

-- a rule that cannot run hides no other from who looks, and stops none
SELECT rfault.make('broken', 3);
SELECT rfault.make('sound', 3);
SELECT gdpr.set_retention('rfault.broken', '1 year', 'at') AS broken \gset
SELECT gdpr.set_retention('rfault.sound', '1 year', 'at') AS sound \gset
SELECT rfault.approve(:broken), rfault.approve(:sound);
SELECT gdpr.undeclare_column('rfault.broken', 'name');
SELECT relation, due, approved FROM gdpr.retention_status WHERE rule IN (:broken, :sound) ORDER BY rule;
CALL gdpr.run_retention();
SELECT * FROM rfault.state WHERE relation IN ('rfault.broken'::regclass, 'rfault.sound'::regclass) ORDER BY relation::text;
-- however often it failed before
UPDATE gdpr.retention_state SET failures = 100000 WHERE rule = :broken;
CALL gdpr.run_retention('rfault.broken');
SELECT failures, next_run - now() BETWEEN interval '17 days' AND interval '23 days' AS twenty_days
	FROM gdpr.retention_state WHERE rule = :broken;
-- owner, role and type of the column
ALTER TABLE rfault.sound OWNER TO CURRENT_USER;
CALL gdpr.run_retention('rfault.sound');
SELECT last_error FROM gdpr.retention_state WHERE rule = :sound;
ALTER TABLE rfault.sound OWNER TO rfault_owner;
ALTER ROLE rfault_owner RENAME TO rfault_renamed;
CALL gdpr.run_retention('rfault.sound');
SELECT last_error FROM gdpr.retention_state WHERE rule = :sound;
SELECT due IS NULL FROM gdpr.retention_status WHERE rule = :sound;
ALTER ROLE rfault_renamed RENAME TO rfault_owner;
ALTER TABLE rfault.sound ALTER at TYPE text;
CALL gdpr.run_retention('rfault.sound');
SELECT last_error FROM gdpr.retention_state WHERE rule = :sound;
ALTER TABLE rfault.sound ALTER at TYPE timestamp USING at::timestamp;
UPDATE rfault.sound SET name = 'kanarialintu-' || id;
CALL gdpr.run_retention('rfault.sound');
SELECT last_error, done FROM gdpr.retention_state WHERE rule = :sound;

-- a row that cannot be changed costs its batch
SELECT rfault.make('poison', 20);
CREATE FUNCTION rfault.poison() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF OLD.id = 8 THEN RAISE EXCEPTION 'not %', OLD.name; END IF; RETURN NEW; END $$;
CREATE TRIGGER poison BEFORE UPDATE ON rfault.poison FOR EACH ROW EXECUTE FUNCTION rfault.poison();
SELECT gdpr.set_retention('rfault.poison', '1 year', 'at', options => '{"batch_size": 5}') AS poison \gset
SELECT rfault.approve(:poison);
CALL gdpr.run_retention('rfault.poison');
SELECT id FROM rfault.poison WHERE name IS NOT NULL ORDER BY id;
SELECT * FROM rfault.state WHERE relation = 'rfault.poison'::regclass;

-- what every row would run into is said before it is approved
SELECT rfault.make('checked', 3);
ALTER TABLE rfault.checked ADD CONSTRAINT long CHECK (length(name) > 3);
SELECT gdpr.declare_column('rfault.checked', 'name', 'name', mask => 'constant:-');
SELECT gdpr.set_retention('rfault.checked', '1 year', 'at') AS checked \gset
\set VERBOSITY default
SELECT * FROM gdpr.retention_plan(:checked);
\set VERBOSITY sqlstate
SELECT gdpr.declare_column('rfault.checked', 'name', 'name', mask => 'constant:gone');
SELECT action, rows FROM gdpr.retention_plan(:checked);

-- where nothing is due there is a plan to be approved all the same
CREATE TABLE rfault.person (id int PRIMARY KEY, at date);
SELECT gdpr.declare_subject('rfault_person', 'rfault.person');
SELECT gdpr.approve_map('rfault_person') IS NOT NULL;
SELECT gdpr.set_retention('rfault.person', '1 year', 'at', 'delete') AS person \gset
SELECT relation, action, rows, length(hash) FROM gdpr.retention_plan(:person);
CREATE TABLE rfault.parted (id int, at date NOT NULL) PARTITION BY RANGE (at);
SELECT gdpr.set_retention('rfault.parted', '1 year', 'at', 'delete') AS parted \gset
SELECT relation, action, rows, length(hash) FROM gdpr.retention_plan(:parted);

-- without a map, foreign keys are shown, and are part of what is approved
CREATE TABLE rfault.visit (id int PRIMARY KEY, at timestamptz);
CREATE TABLE rfault.page (visit int REFERENCES rfault.visit ON DELETE CASCADE);
CREATE TABLE rfault.mention (visit int REFERENCES rfault.visit ON DELETE SET NULL);
CREATE TABLE rfault.ticket (visit int REFERENCES rfault.visit);
INSERT INTO rfault.visit SELECT i, '2020-01-01' FROM generate_series(1, 4) i;
INSERT INTO rfault.page VALUES (1), (2);
INSERT INTO rfault.mention VALUES (1);
SELECT gdpr.set_retention('rfault.visit', '1 year', 'at', 'delete', '{"batch_size": 1}') AS visit \gset
SELECT relation, action, rows FROM gdpr.retention_plan(:visit) ORDER BY relation::text;
SELECT rfault.approve(:visit);
CREATE TABLE rfault.picture (visit int REFERENCES rfault.visit ON DELETE CASCADE);
CALL gdpr.run_retention('rfault.visit');
SELECT done, last_error FROM gdpr.retention_state WHERE rule = :visit;
SELECT rfault.approve(:visit);
INSERT INTO rfault.ticket VALUES (3);
CALL gdpr.run_retention('rfault.visit');
SELECT id FROM rfault.visit ORDER BY id;
SELECT (SELECT count(*) FROM rfault.page) AS pages, (SELECT count(*) FROM rfault.mention WHERE visit IS NULL) AS mentions;
SELECT done, last_error FROM gdpr.retention_state WHERE rule = :visit;

-- a date is a day, and that has to be over; a moment is a moment
CREATE TABLE rfault.day (id int PRIMARY KEY, d date, t timestamptz);
INSERT INTO rfault.day VALUES (1, current_date - 2, now() - interval '2 days'), (2, current_date - 1, now() - interval '25 hours'),
	(3, current_date, now() - interval '23 hours');
SELECT gdpr.set_retention('rfault.day', '1 day', 'd', 'delete') AS d \gset
SELECT gdpr.set_retention('rfault.day', '1 day', 't', 'delete') AS t \gset
SELECT rows FROM gdpr.retention_plan(:d);
SELECT rows FROM gdpr.retention_plan(:t);

-- periods of the law count from any date there is
CREATE TABLE rfault.bill (id int PRIMARY KEY, person int REFERENCES rfault.person, made date, dated timestamptz, sort text);
INSERT INTO rfault.person VALUES (1, current_date);
INSERT INTO rfault.bill SELECT i, 1, '2000-01-01', x::timestamptz, 'a' FROM unnest(ARRAY['infinity', '-infinity', '0044-03-15 BC',
	'2001-01-01', NULL, '250000-01-01']) WITH ORDINALITY AS t (x, i);
INSERT INTO rfault.bill VALUES (7, 1, '2000-01-01', now(), 'a'), (8, 1, '2000-01-01', now(), 'b');
SELECT gdpr.declare_link('rfault.bill', '{person}', 'rfault.person', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "x", "keep": "6 years", "keep_from": "fiscal_year_end", "keep_since": "dated", "predicate": "sort = ''a''"}');
SELECT gdpr.approve_map('rfault_person') IS NOT NULL;
SET gdpr.fiscal_year_end = '06-30';
SELECT gdpr.set_retention('rfault.bill', '1 year', 'made', 'delete') AS bill \gset
SELECT rfault.approve(:bill);
CALL gdpr.run_retention('rfault.bill');
SELECT id FROM rfault.bill ORDER BY id;
SELECT last_error FROM gdpr.retention_state WHERE rule = :bill;

-- who looks leaves the constraints of his transaction as they are
CREATE TABLE rfault.later (id int REFERENCES rfault.person DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO rfault.later VALUES (77);
SELECT count(*) > 0 FROM gdpr.retention_status;
SELECT count(*) > 0 FROM gdpr.retention_plan(:d);
INSERT INTO rfault.later VALUES (78);
INSERT INTO rfault.person VALUES (77), (78);
COMMIT;

-- what a trigger sets is not the caller's setting afterwards
SELECT rfault.make('setter', 1);
SET ROLE rfault_owner;
CREATE FUNCTION rfault.setter() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN SET search_path = 'rfault'; PERFORM set_config('TimeZone', 'Pacific/Apia', false); SET lock_timeout = 1; RETURN NEW; END $$;
CREATE TRIGGER setter BEFORE UPDATE ON rfault.setter FOR EACH ROW EXECUTE FUNCTION rfault.setter();
RESET ROLE;
SELECT gdpr.set_retention('rfault.setter', '1 year', 'at') AS setter \gset
SELECT rfault.approve(:setter);
SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone, current_setting('lock_timeout') AS wait \gset
CALL gdpr.run_retention('rfault.setter');
SELECT done, last_error FROM gdpr.retention_state WHERE rule = :setter;
SELECT current_setting('search_path') = :'path', current_setting('TimeZone') = :'zone', current_setting('lock_timeout') = :'wait';

-- other ways to call
SET default_transaction_isolation = 'repeatable read';
CALL gdpr.run_retention();
RESET default_transaction_isolation;
SET session_replication_role = replica;
CALL gdpr.run_retention();
RESET session_replication_role;
SET default_transaction_read_only = on;
CALL gdpr.run_retention('rfault.setter');
RESET default_transaction_read_only;
CREATE FUNCTION rfault.call() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL gdpr.run_retention(); END $$;
SELECT rfault.call();
SET ROLE rfault_plain;
CALL gdpr.run_retention();
SELECT gdpr.retention_due(1);
SELECT * FROM gdpr.retention_status;
SELECT * FROM gdpr.retention_plan(1);
SELECT gdpr.set_retention('rfault.day', '1 day', 'd', 'delete');
SELECT gdpr.approve_retention(1, 'x');
SELECT gdpr.drop_retention(1);
RESET ROLE;

-- names as hostile as they come
CREATE SCHEMA "R ""f";
CREATE TABLE "R ""f"."T ""1" ("I ""d" int PRIMARY KEY, "d'ay $1" date, "n $1; --" text);
INSERT INTO "R ""f"."T ""1" VALUES (1, '2010-01-01', 'kanarialintu-1'), (2, '2010-01-01', NULL);
SELECT gdpr.declare_column('"R ""f"."T ""1"', 'n $1; --', 'name', mask => 'pseudonym');
SELECT gdpr.set_retention('"R ""f"."T ""1"', '1 year', 'd''ay $1', options => '{"filter": "\"n $1; --\" IS NOT NULL"}') AS hostile \gset
SELECT rfault.approve(:hostile);
CALL gdpr.run_retention('"R ""f"."T ""1"');
SELECT "I ""d", "n $1; --" ~ '^erased-' AS masked FROM "R ""f"."T ""1" ORDER BY 1;
SELECT done, last_error FROM gdpr.retention_state WHERE rule = :hostile;

SELECT count(*) FROM gdpr.retention_state WHERE last_error ~ 'kanarialintu';
SELECT gdpr.undeclare_subject('rfault_person');
DROP SCHEMA rfault CASCADE;
DROP SCHEMA "R ""f" CASCADE;
DROP ROLE rfault_owner, rfault_plain;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = on', current_database()) \gexec
