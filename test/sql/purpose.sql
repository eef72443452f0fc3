-- Purposes and what a session says of itself: for a transaction, checked at use.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE purpose_team;
CREATE ROLE purpose_anna IN ROLE purpose_team;
CREATE ROLE purpose_otto;
CREATE ROLE purpose_viewer;
CREATE SCHEMA purposes;
GRANT USAGE, CREATE ON SCHEMA purposes TO purpose_team, purpose_otto, purpose_viewer;
CREATE TABLE purposes.person AS SELECT i AS id, 'kanarialintu-' || i AS name FROM generate_series(1, 20000) i;
CREATE INDEX ON purposes.person (id);
ANALYZE purposes.person;
SELECT gdpr.create_purpose('purpose_care', 'contract', '{"description": "answers"}');
SELECT gdpr.create_purpose(purpose => 'Purpose "Ads"', lawful_basis => 'consent');
SELECT gdpr.create_purpose('purpose_x', 'consent', '{"unknown": 1}');
SELECT gdpr.grant_purpose('purpose_team', 'purpose_care');
SELECT gdpr.grant_purpose('public', 'Purpose "Ads"');
SELECT name, lawful_basis, description FROM gdpr.purpose WHERE name ILIKE 'purpose%' ORDER BY name;
SELECT count(*) > 0 FROM gdpr.allow('purpose_team', 'purposes.person', options => '{"purposes": ["purpose_care"]}');
SELECT count(*) > 0 FROM gdpr.allow('purpose_otto', 'purposes.person', options => '{"purposes": ["purpose_care", "Purpose \"Ads\""]}');
SELECT count(*) > 0 FROM gdpr.allow('purpose_viewer', 'purposes.person', options => '{"filter": "id < 4"}');

SET ROLE purpose_anna;
-- missing, and said how to name one
\set VERBOSITY default
SELECT count(*) FROM purposes.person;
BEGIN; SELECT gdpr.begin_work('kanarialintu-purpose'); SELECT count(*) FROM purposes.person; ROLLBACK;
\set VERBOSITY sqlstate
BEGIN; SELECT gdpr.begin_work('purpose_care'); SELECT count(*) FROM purposes.person; COMMIT;
SELECT count(*) FROM purposes.person;
BEGIN; SELECT gdpr.begin_work('Purpose "Ads"'); SELECT count(*) FROM purposes.person; ROLLBACK;
SET ROLE purpose_otto;
BEGIN; SELECT gdpr.begin_work('Purpose "Ads"'); SELECT count(*) FROM purposes.person; COMMIT;
BEGIN; SELECT gdpr.begin_work('purpose_care'); SELECT count(*) FROM purposes.person; ROLLBACK;
-- the role that reads counts, not the one that named the purpose
BEGIN; SET LOCAL ROLE purpose_anna; SELECT gdpr.begin_work('purpose_care'); SET LOCAL ROLE purpose_otto; SELECT count(*) FROM purposes.person; ROLLBACK;
RESET ROLE;

-- a second rule that lets in: rows, no error
GRANT purpose_viewer TO purpose_anna;
SET ROLE purpose_anna;
SELECT count(*) FROM purposes.person;
BEGIN; SELECT gdpr.begin_work('purpose_care'); SELECT count(*) FROM purposes.person; COMMIT;
RESET ROLE;
REVOKE purpose_viewer FROM purpose_anna;

SET ROLE purpose_anna;
-- savepoints take it back
BEGIN;
SAVEPOINT s;
SELECT gdpr.begin_work('purpose_care', 'kanarialintu-actor', 'customer:kanarialintu');
SELECT count(*) FROM purposes.person;
ROLLBACK TO s;
SHOW gdpr.purpose;
SELECT count(*) FROM purposes.person;
ROLLBACK;
-- null clears
BEGIN;
SELECT gdpr.begin_work('purpose_care', 'kanarialintu-actor', 'customer:kanarialintu');
SELECT gdpr.begin_work(actor => 'kanarialintu-other');
SELECT current_setting('gdpr.purpose') = '', current_setting('gdpr.actor'), current_setting('gdpr.subject') = '';
COMMIT;
SELECT current_setting('gdpr.actor') = '';
-- outside of a block it warns, and nothing is left
SELECT gdpr.begin_work('purpose_care');
SELECT count(*) FROM purposes.person;
-- refused values are not repeated
\set VERBOSITY default
BEGIN; SELECT gdpr.begin_work(subject => 'kanarialintu'); ROLLBACK;
BEGIN; SELECT gdpr.begin_work(actor => repeat('kanarialintu-', 30)); ROLLBACK;
\set VERBOSITY sqlstate
-- in a function, and in a procedure that commits
CREATE FUNCTION purposes.work() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM gdpr.begin_work('purpose_care');
	RETURN (SELECT count(*) FROM purposes.person);
END $$;
SELECT purposes.work();
CREATE PROCEDURE purposes.steps() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM gdpr.begin_work('purpose_care');
	PERFORM count(*) FROM purposes.person;
	COMMIT;
	BEGIN
		PERFORM count(*) FROM purposes.person;
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE WARNING 'refused';
	END;
END $$;
\set VERBOSITY terse
CALL purposes.steps();
\set VERBOSITY sqlstate
CREATE FUNCTION purposes.always() RETURNS bigint LANGUAGE sql SET gdpr.purpose = 'purpose_care' AS 'SELECT count(*) FROM purposes.person';
SELECT purposes.always();
SHOW gdpr.purpose;

-- what a session does not keep
SET gdpr.purpose = 'purpose_care';
SET SESSION gdpr.actor TO 'kanarialintu-actor';
SET "GDPR.Subject" TO 'a:b';
CREATE FUNCTION purposes.sets() RETURNS void LANGUAGE plpgsql AS $$ BEGIN SET gdpr.purpose = 'purpose_care'; END $$;
SELECT purposes.sets();
DO $$ BEGIN EXECUTE 'SET gdpr.purpose = x'; END $$;
RESET gdpr.actor;
SET gdpr.actor TO DEFAULT;
-- set_config cannot be seen: it counts for its transaction
BEGIN;
SELECT set_config('gdpr.purpose', 'purpose_care', false);
SELECT count(*) FROM purposes.person;
COMMIT;
SELECT count(*) FROM purposes.person;
SELECT set_config('gdpr.purpose', 'purpose_care', false);
SELECT count(*) FROM purposes.person;
DISCARD ALL;
SET client_min_messages = warning;
-- The same in every major: 17 names the results of InitPlans otherwise.
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		CONTINUE WHEN line ~ 'Params Evaluated';
		RETURN NEXT regexp_replace(regexp_replace(line, ' \(returns \$0\)', ''), '\(InitPlan 1\)\.col1', '$0', 'g');
	END LOOP;
END $$;
SET ROLE purpose_anna;

-- workers of a parallel query see what their leader sees
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT pg_temp.plan($$SELECT count(*) FROM purposes.person WHERE name LIKE '%7'$$);
BEGIN; SELECT gdpr.begin_work('purpose_care'); SELECT count(*) FROM purposes.person WHERE name LIKE '%7'; COMMIT;
SELECT count(*) FROM purposes.person WHERE name LIKE '%7';
SELECT set_config('gdpr.purpose', 'purpose_care', false);
SELECT count(*) FROM purposes.person WHERE name LIKE '%7';
RESET ROLE;
-- as they do for own rows, where the key's text is read in the leader
ALTER TABLE purposes.person ADD PRIMARY KEY (id);
SELECT gdpr.declare_subject('purpose_person', 'purposes.person', '{id}');
SELECT count(*) > 0 FROM gdpr.allow('purpose_otto', 'purposes.person', options => '{"own": "purpose_person"}');
SET ROLE purpose_otto;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT pg_temp.plan('SELECT count(*) FROM purposes.person');
BEGIN;
SELECT gdpr.begin_work(subject => 'purpose_person:7');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'purpose_person:kanarialintu');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'purpose_person:7 ');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'purpose_person:99999999999999');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'purpose_person:["7"]');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'purpose_person:["7"');
SELECT id FROM purposes.person;
SELECT gdpr.begin_work(subject => 'Purpose_person:7');
SELECT id FROM purposes.person;
COMMIT;
SELECT id FROM purposes.person;
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET ROLE;
SELECT gdpr.own_key('purpose_person', 1, NULL::int), gdpr.own_key(NULL, 1, NULL::int), gdpr.own_key('purpose_person', NULL, NULL::int),
	gdpr.own_key('purpose_person', 1, NULL::point), gdpr.own_key('purpose_person', -1, NULL::text);
SELECT gdpr.row_access(NULL), gdpr.row_access(0);
SELECT gdpr.row_access(-1);

-- a view is read with its owner's policies, for the purpose of who reads
SET ROLE purpose_team;
CREATE VIEW purposes.team_view AS SELECT id FROM purposes.person;
GRANT SELECT ON purposes.team_view TO purpose_otto;
SET ROLE purpose_otto;
BEGIN; SELECT gdpr.begin_work('purpose_care'); SELECT count(*) FROM purposes.team_view; ROLLBACK;
RESET ROLE;
-- taken back while a plan is kept
SET ROLE purpose_anna;
PREPARE q AS SELECT count(*) FROM purposes.person;
BEGIN; SELECT gdpr.begin_work('purpose_care'); EXECUTE q; COMMIT;
RESET ROLE;
SELECT gdpr.revoke_purpose('purpose_team', 'purpose_care');
SET ROLE purpose_anna;
BEGIN; SELECT gdpr.begin_work('purpose_care'); EXECUTE q; ROLLBACK;
RESET ROLE;
-- given in a transaction that is rolled back
BEGIN;
SELECT gdpr.grant_purpose('purpose_team', 'purpose_care');
SET LOCAL ROLE purpose_anna;
SELECT gdpr.begin_work('purpose_care');
EXECUTE q;
ROLLBACK;
SET ROLE purpose_anna;
BEGIN; SELECT gdpr.begin_work('purpose_care'); EXECUTE q; ROLLBACK;
RESET ROLE;
SELECT gdpr.grant_purpose('purpose_team', 'purpose_care');
-- no longer a member
REVOKE purpose_team FROM purpose_anna;
SET ROLE purpose_anna;
BEGIN; SELECT gdpr.begin_work('purpose_care'); EXECUTE q; ROLLBACK;
RESET ROLE;
SELECT gdpr.drop_purpose('purpose_care');
SELECT gdpr.drop_purpose('nosuch');
SELECT gdpr.drop_purpose(NULL);
SELECT gdpr.release('purposes.person');
SELECT gdpr.drop_purpose('purpose_care'), gdpr.drop_purpose('Purpose "Ads"');
SELECT count(*) FROM gdpr.purpose_grant;
SELECT gdpr.undeclare_subject('purpose_person');
DROP SCHEMA purposes CASCADE;
DROP ROLE purpose_team, purpose_anna, purpose_otto, purpose_viewer;
