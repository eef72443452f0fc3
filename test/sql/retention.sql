-- Rules of retention: declared, shown, approved, run.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
-- the worker stays out of it
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE ROLE retention_keeper;
CREATE ROLE retention_other;
CREATE SCHEMA retention AUTHORIZATION retention_keeper;
SELECT gdpr.create_context('retention_ctx', readers => '{retention_keeper}');
SELECT gdpr.grant_context('retention_ctx', 'retention_keeper', 'write');
CREATE TABLE retention.visit (
	id integer PRIMARY KEY, seen date, name text, email enctext('retention_ctx') UNIQUE, tag text NOT NULL, page text);
ALTER TABLE retention.visit OWNER TO retention_keeper;
INSERT INTO retention.visit SELECT i, date '2020-01-01' + i, 'kanarialintu-' || i, 'kanarialintu-' || i || '@example.org', 'kanarialintu-t', 'p'
	FROM generate_series(1, 20) i;
INSERT INTO retention.visit VALUES (21, current_date, 'kanarialintu-21', 'kanarialintu-21@example.org', 'kanarialintu-t', 'p'),
	(22, NULL, 'kanarialintu-22', NULL, 'kanarialintu-t', 'p'), (23, 'infinity', 'kanarialintu-23', NULL, 'kanarialintu-t', 'p');

-- what is refused
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen');            -- nothing to mask
SELECT gdpr.declare_column('retention.visit', 'name', 'name', mask => 'null');
SELECT gdpr.declare_column('retention.visit', 'email', 'email', mask => 'pseudonym');
SELECT gdpr.declare_column('retention.visit', 'tag', 'other', mask => 'constant:-');
SELECT gdpr.set_retention(NULL, '1 year', 'seen');
SELECT gdpr.set_retention('retention.visit', NULL, 'seen');
SELECT gdpr.set_retention('retention.visit', '1 year', NULL);
SELECT gdpr.set_retention('retention.visit', '1 year', 'nosuch');
SELECT gdpr.set_retention('retention.visit', '1 year', 'page');
SELECT gdpr.set_retention('retention.visit', '-1 year', 'seen');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', 'shred');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"batch": 5}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"batch_size": 0}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"batch_size": "5"}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"batch_size": 2.5}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"every": "soon"}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"filter": "true) OR (true"}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"filter": "EXISTS (SELECT 1)"}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"kind": "nosuch"}');
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', options => '{"rule": 999999}');
SELECT gdpr.set_retention('pg_class', '1 year', 'relname');
SELECT gdpr.approve_retention(999999, 'x');
SELECT * FROM gdpr.retention_plan(999999);

-- declared, shown, not yet run
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen', 'anonymise',
	options => '{"batch_size": 7, "filter": "page = ''p''", "every": "2 days"}') AS rule \gset
SELECT relation, action, rows, length(hash) FROM gdpr.retention_plan(:rule);
SELECT relation, action, keep, since, approved, due, done, next_run FROM gdpr.retention_status WHERE rule = :rule;
CALL gdpr.run_retention('retention.visit');
SELECT count(*) FROM retention.visit WHERE name IS NULL;
SELECT gdpr.approve_retention(:rule, 'x');
SELECT hash AS plan FROM gdpr.retention_plan(:rule) \gset
SELECT gdpr.approve_retention(:rule, :'plan');
BEGIN;
CALL gdpr.run_retention('retention.visit');
ROLLBACK;

-- others
SET ROLE retention_other;
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen');
CALL gdpr.run_retention();
RESET ROLE;
SELECT gdpr.grant_duty('retention_other', 'operator');
SET ROLE retention_other;
SELECT gdpr.set_retention('retention.visit', '1 year', 'seen');
SELECT * FROM gdpr.retention_plan(:rule);
SELECT gdpr.approve_retention(:rule, :'plan');
SELECT gdpr.drop_retention(:rule);
SELECT due FROM gdpr.retention_status WHERE rule = :rule;
RESET ROLE;

-- run
CALL gdpr.run_retention('retention.visit');
SELECT id, name, tag, page FROM retention.visit ORDER BY id;
SET ROLE retention_keeper;
SELECT id, email::text ~ '^erased-' AS masked FROM retention.visit WHERE id IN (1, 20, 21, 22) ORDER BY id;
SELECT count(DISTINCT email), count(*) FROM retention.visit WHERE id <= 20;
RESET ROLE;
SELECT due, done, last_error, last_success IS NOT NULL AS ok, next_run > now() + interval '47 hours' AS later
	FROM gdpr.retention_status WHERE rule = :rule;
-- again changes nothing
CREATE TEMP TABLE before AS SELECT xmin::text AS x, v.* FROM retention.visit v;
CALL gdpr.run_retention();
SELECT count(*) FROM (SELECT xmin::text, v.id FROM retention.visit v EXCEPT SELECT x, id FROM before) x;
SELECT done FROM gdpr.retention_status WHERE rule = :rule;

-- what was approved has changed: the rule stops, and says so
INSERT INTO retention.visit VALUES (30, '2020-03-03', 'kanarialintu-30', NULL, 'kanarialintu-t', 'p');
SELECT gdpr.declare_column('retention.visit', 'page', 'other', mask => 'null');
CALL gdpr.run_retention('retention.visit');
SELECT name FROM retention.visit WHERE id = 30;
SELECT last_error, next_run > now() AS later FROM gdpr.retention_status WHERE rule = :rule;
SELECT failures FROM gdpr.retention_state WHERE rule = :rule;
SELECT gdpr.undeclare_column('retention.visit', 'page');
CALL gdpr.run_retention('retention.visit');
SELECT name FROM retention.visit WHERE id = 30;
SELECT last_error, failures FROM gdpr.retention_state WHERE rule = :rule;
-- a renamed column is followed
ALTER TABLE retention.visit RENAME COLUMN seen TO visited;
SELECT since FROM gdpr.retention_rule WHERE rule = :rule;
-- replaced, it has to be approved again
SELECT gdpr.set_retention('retention.visit', '10 years', 'visited', options => json_build_object('rule', :rule)::jsonb) = :rule;
SELECT approved, keep FROM gdpr.retention_status WHERE rule = :rule;
-- another owner: no longer the rule's role
SELECT hash AS plan FROM gdpr.retention_plan(:rule) \gset
SELECT gdpr.approve_retention(:rule, :'plan');
ALTER TABLE retention.visit OWNER TO retention_other;
CALL gdpr.run_retention('retention.visit');
SELECT last_error FROM gdpr.retention_state WHERE rule = :rule;
ALTER TABLE retention.visit OWNER TO retention_keeper;
-- a column that goes takes the rule along
SET client_min_messages = notice;
ALTER TABLE retention.visit DROP COLUMN visited;
SELECT count(*) FROM gdpr.retention_rule WHERE rule = :rule;
SELECT count(*) FROM gdpr.retention_state WHERE rule = :rule;
SET client_min_messages = warning;

-- dates of every sort, partitions, and rules that fail beside rules that do not
CREATE TABLE retention.log (id int, at timestamptz NOT NULL, who text) PARTITION BY RANGE (at);
CREATE TABLE retention.log_old PARTITION OF retention.log FOR VALUES FROM ('2000-01-01') TO ('2021-01-01');
CREATE TABLE retention.log_new (who text, at timestamptz NOT NULL, id int);
ALTER TABLE retention.log ATTACH PARTITION retention.log_new FOR VALUES FROM ('2021-01-01') TO ('3000-01-01');
ALTER TABLE retention.log OWNER TO retention_keeper;
ALTER TABLE retention.log_old OWNER TO retention_keeper;
ALTER TABLE retention.log_new OWNER TO retention_keeper;
INSERT INTO retention.log SELECT i, timestamptz '2020-12-25 12:00+00' + i * interval '1 day', 'kanarialintu-' || i FROM generate_series(1, 10) i;
INSERT INTO retention.log VALUES (11, now(), 'kanarialintu-11');
SELECT gdpr.declare_column('retention.log', 'who', 'name', mask => 'null');
SELECT gdpr.set_retention('retention.log_old', '1 year', 'at');
SELECT gdpr.set_retention('retention.log', '1 year', 'at') AS log \gset
CREATE DOMAIN retention.day AS timestamp;
CREATE TABLE retention.note (id int PRIMARY KEY, at retention.day, body text);
ALTER TABLE retention.note OWNER TO retention_keeper;
CREATE FUNCTION retention.fail() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE EXCEPTION 'kanarialintu %', OLD.body; END $$;
CREATE TRIGGER fail BEFORE DELETE ON retention.note FOR EACH ROW EXECUTE FUNCTION retention.fail();
INSERT INTO retention.note VALUES (1, '2020-01-01', 'kanarialintu-1'), (2, now(), 'kanarialintu-2');
SELECT gdpr.set_retention('retention.note', '1 year', 'at', 'delete') AS note \gset
SELECT r.relation, p.action, p.rows FROM (VALUES (:log, 'log'), (:note, 'note')) AS r (rule, relation), gdpr.retention_plan(r.rule) p ORDER BY 1, 2, p.relation::text;
SELECT count(gdpr.approve_retention(r, (SELECT hash FROM gdpr.retention_plan(r) LIMIT 1))) FROM (VALUES (:note), (:log)) AS x (r);
CALL gdpr.run_retention();
SELECT tableoid::regclass, id, who FROM retention.log ORDER BY id;
SELECT id FROM retention.note ORDER BY id;
SELECT relation, done, due, last_error FROM gdpr.retention_status WHERE rule IN (:log, :note) ORDER BY rule;
DROP TRIGGER fail ON retention.note;
CALL gdpr.run_retention('retention.note');
SELECT id FROM retention.note ORDER BY id;

-- a rule has the owner's rights and no more, also when a superuser calls
CREATE TABLE retention.trap (id int PRIMARY KEY, at date, name text);
CREATE TABLE retention.seen (what text);
ALTER TABLE retention.trap OWNER TO retention_keeper;
ALTER TABLE retention.seen OWNER TO retention_keeper;
CREATE FUNCTION retention.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO retention.seen VALUES (TG_NAME || ' as ' || current_user);
	BEGIN RESET ROLE; EXCEPTION WHEN OTHERS THEN INSERT INTO retention.seen VALUES ('reset ' || SQLSTATE); END;
	BEGIN SET SESSION AUTHORIZATION DEFAULT; EXCEPTION WHEN OTHERS THEN INSERT INTO retention.seen VALUES ('authorization ' || SQLSTATE); END;
	BEGIN EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1'; EXCEPTION WHEN OTHERS THEN INSERT INTO retention.seen VALUES ('hold ' || SQLSTATE); END;
	BEGIN EXECUTE 'CREATE TEMP TABLE t (a int)'; EXCEPTION WHEN OTHERS THEN INSERT INTO retention.seen VALUES ('temp ' || SQLSTATE); END;
	RETURN NULL;
END $$;
CREATE TRIGGER now AFTER UPDATE ON retention.trap FOR EACH ROW EXECUTE FUNCTION retention.look();
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON retention.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION retention.look();
CREATE FUNCTION retention.put_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN NULL; END $$;
INSERT INTO retention.trap VALUES (1, '2020-01-01', 'kanarialintu-1');
SELECT gdpr.declare_column('retention.trap', 'name', 'name', mask => 'null');
SELECT gdpr.set_retention('retention.trap', '1 year', 'at') AS trap \gset
SELECT count(gdpr.approve_retention(:trap, hash)) FROM gdpr.retention_plan(:trap);
CALL gdpr.run_retention('retention.trap');
SELECT what, count(*) FROM retention.seen GROUP BY 1 ORDER BY what COLLATE "C";
TRUNCATE retention.seen;
UPDATE retention.trap SET name = 'kanarialintu-1';
TRUNCATE retention.seen;
CREATE TRIGGER aside BEFORE UPDATE ON retention.trap FOR EACH STATEMENT EXECUTE FUNCTION retention.put_off();
CALL gdpr.run_retention('retention.trap');
SELECT what FROM retention.seen;
SELECT last_error FROM gdpr.retention_state WHERE rule = :trap;
SELECT name FROM retention.trap;

-- a superuser's table takes a superuser
CREATE TABLE retention.mighty (id int PRIMARY KEY, at date, name text);
SELECT gdpr.declare_column('retention.mighty', 'name', 'name');
GRANT retention_keeper TO retention_other;
SELECT gdpr.set_retention('retention.mighty', '1 year', 'at') AS mighty \gset
SELECT runs_as = current_user FROM gdpr.retention_rule WHERE rule = :mighty;

SELECT gdpr.revoke_duty('retention_other', 'operator');
DROP SCHEMA retention CASCADE;
SELECT count(*) FROM gdpr.retention_rule r WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = r.relation);
SELECT gdpr.revoke_context('retention_ctx', 'retention_keeper');
DROP ROLE retention_keeper, retention_other;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = on', current_database()) \gexec
