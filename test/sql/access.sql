-- Access rules: who sees which columns and rows, and who cannot go round it.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE access_owner;
CREATE ROLE access_web;
CREATE ROLE access_sales;
CREATE ROLE access_store;
CREATE ROLE access_group;
CREATE ROLE access_member IN ROLE access_group;
CREATE ROLE access_stranger;
CREATE ROLE access_officer;
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
CREATE SCHEMA acc AUTHORIZATION access_owner;
GRANT USAGE, CREATE ON SCHEMA acc TO access_web, access_sales, access_store, access_group, access_stranger, access_officer;
SELECT gdpr.create_context('acc_ctx', readers => '{access_sales,access_owner}');
SELECT gdpr.grant_context('acc_ctx', 'access_owner', 'write');
CREATE TABLE acc.customer (id int PRIMARY KEY, name text, email enctext('acc_ctx'), national_id text, note text);
CREATE TABLE acc.line (id int PRIMARY KEY, customer int NOT NULL REFERENCES acc.customer, product text, quantity int);
CREATE TABLE acc.invoice (id int PRIMARY KEY, customer int NOT NULL REFERENCES acc.customer, total int);
ALTER TABLE acc.customer OWNER TO access_owner;
ALTER TABLE acc.line OWNER TO access_owner;
ALTER TABLE acc.invoice OWNER TO access_owner;
SET ROLE access_owner;
INSERT INTO acc.customer SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i || '@example.org', 'kanarialintu-n' || i, 'n' FROM generate_series(1, 3) i;
INSERT INTO acc.line SELECT i, 1 + i % 3, 'p' || i, i FROM generate_series(1, 6) i;
INSERT INTO acc.invoice SELECT i, 1 + i % 3, 10 * i FROM generate_series(1, 3) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA acc TO access_web;
GRANT SELECT ON acc.customer TO access_group;
GRANT SELECT (id) ON acc.customer TO access_store;
RESET ROLE;
SELECT gdpr.declare_column('acc.customer', 'name', 'name');
SELECT gdpr.declare_column('acc.customer', 'email', 'email');
SELECT gdpr.declare_column('acc.customer', 'national_id', 'national_id');
SELECT gdpr.declare_subject('acc_customer', 'acc.customer');

-- what is refused
SELECT * FROM gdpr.allow(NULL, 'acc.line');
SELECT * FROM gdpr.allow('access_nobody', 'acc.line');
SELECT * FROM gdpr.allow('access_store', 'acc.line', '{secrets}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', privileges => '{TRUNCATE}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', privileges => '{}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"others": "drop"}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"purpose": "x"}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"purposes": ["nosuch"]}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"filter": "nosuch = 1"}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"filter": "true) OR (true"}');
SELECT * FROM gdpr.allow('access_store', 'acc.line', options => '{"own": "nosuch"}');
SELECT * FROM gdpr.allow('access_store', 'pg_class');
SELECT gdpr.deny(NULL, 'acc.line');
SELECT gdpr.release('acc.line');
SET ROLE access_stranger;
SELECT * FROM gdpr.allow('access_stranger', 'acc.customer');
SELECT count(*) FROM gdpr.access_matrix;
RESET ROLE;
-- the others are named, until something is decided about each
\set VERBOSITY default
SELECT * FROM gdpr.allow('access_sales', 'acc.customer', '{contact}');
\set VERBOSITY sqlstate
-- nothing is changed by a dry run
CREATE TEMP TABLE catalogs AS SELECT c.oid, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c WHERE relnamespace = 'acc'::regnamespace;
SELECT role, category, via, before, after FROM gdpr.allow('access_sales', 'acc.customer', '{contact}', options => '{"others": "keep", "dry_run": true}')
	WHERE role LIKE 'access_%' ORDER BY 1, 2, 3;
SELECT count(*) FROM (SELECT c.oid, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c WHERE relnamespace = 'acc'::regnamespace
	EXCEPT SELECT * FROM catalogs) x;
SELECT count(*) FROM gdpr.access_rule;

-- sales: contact data of customers, and no other personal column
SELECT role, category, via, before, after FROM gdpr.allow('access_sales', 'acc.customer', '{contact}', options => '{"others": "keep"}')
	WHERE before IS DISTINCT FROM after ORDER BY 1, 2, 3;
-- the store: quantities, nothing else
SELECT role, category, via, before, after FROM gdpr.allow('access_store', 'acc.line', options => '{"others": "keep"}')
	WHERE before IS DISTINCT FROM after ORDER BY 1, 2, 3;
SELECT gdpr.deny('access_store', 'acc.customer');
SELECT role, relation, decision, categories, privileges FROM gdpr.access_rule ORDER BY relation::text, role;

SET ROLE access_sales;
SELECT id, name, email, note FROM acc.customer ORDER BY id;
SELECT national_id FROM acc.customer;
SELECT * FROM acc.customer;
SELECT * FROM acc.invoice;
UPDATE acc.customer SET name = 'x';
SET ROLE access_store;
SELECT product, quantity FROM acc.line ORDER BY id LIMIT 2;
SELECT id FROM acc.customer;
SELECT * FROM acc.invoice;
-- kept: as before
SET ROLE access_web;
SELECT count(*), max(national_id) FROM acc.customer;
UPDATE acc.customer SET note = 'm' WHERE id = 1;
SET ROLE access_member;
SELECT count(*) FROM acc.customer;

-- walking round it
SET ROLE access_stranger;
SELECT count(*) FROM acc.customer;
SET ROLE access_store;
CREATE VIEW acc.store_view AS SELECT * FROM acc.invoice;
SELECT * FROM acc.store_view;
CREATE VIEW acc.store_view2 AS SELECT name FROM acc.customer;
SELECT * FROM acc.store_view2;
CREATE FUNCTION acc.store_peek() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT total::text FROM acc.invoice';
SELECT * FROM acc.store_peek();
COPY acc.invoice TO STDOUT;
COPY (SELECT total FROM acc.invoice) TO STDOUT;
COPY acc.customer (name) TO STDOUT;
EXPLAIN (COSTS OFF) SELECT name FROM acc.customer;
PREPARE p AS SELECT product FROM acc.line ORDER BY id LIMIT 1;
EXECUTE p;
SET row_security = off;
SELECT product FROM acc.line;
RESET row_security;
SELECT attname FROM pg_stats WHERE schemaname = 'acc';
RESET ROLE;
DROP VIEW acc.store_view, acc.store_view2;
-- a grant on the table gives columns, and still no row without a rule
SET ROLE access_owner;
GRANT SELECT ON acc.customer TO access_stranger;
GRANT SELECT ON ALL TABLES IN SCHEMA acc TO access_stranger;
GRANT SELECT ON acc.invoice TO access_stranger;
REVOKE SELECT ON acc.invoice FROM access_stranger;
CREATE POLICY mine ON acc.customer USING (true);
ALTER TABLE acc.customer DISABLE ROW LEVEL SECURITY;
ALTER TABLE acc.customer NO FORCE ROW LEVEL SECURITY;
ALTER POLICY nosuch ON acc.customer USING (true);
DROP POLICY gdpr_rule_1_s ON acc.customer;
ALTER TABLE acc.customer OWNER TO access_web;
-- the owner is kept; denied, he sees nothing, and foreign keys are checked all the same
SELECT count(*) FROM acc.customer;
RESET ROLE;
SELECT gdpr.deny('access_owner', 'acc.customer');
SET ROLE access_owner;
SELECT count(*) FROM acc.customer;
COPY acc.customer TO STDOUT;
UPDATE acc.customer SET note = 'z';
INSERT INTO acc.line VALUES (7, 1, 'p', 1);
INSERT INTO acc.line VALUES (8, 99, 'p', 1);
RESET ROLE;

-- encrypted columns are for those who may read or search their context
SET client_min_messages = notice;
SELECT count(*) FROM gdpr.allow('access_store', 'acc.customer', '{contact}');
SET client_min_messages = warning;
SET ROLE access_store;
SELECT id, name FROM acc.customer ORDER BY id;
SELECT email FROM acc.customer;
RESET ROLE;
-- a filter, with a subquery; and writing
SELECT count(*) > 0 FROM gdpr.allow('access_store', 'acc.customer', '{name}', '{SELECT, UPDATE}',
	'{"filter": "id IN (SELECT customer FROM acc.line WHERE quantity > 5)"}');
SELECT filter FROM gdpr.access_rule WHERE role = 'access_store' AND relation = 'acc.customer'::regclass;
SET ROLE access_store;
SELECT id, name FROM acc.customer ORDER BY id;
UPDATE acc.customer SET note = 's' RETURNING id;
UPDATE acc.customer SET id = 9 WHERE id = 1;
DELETE FROM acc.customer;
RESET ROLE;
-- own rows: by the session's subject, with an index
SELECT count(*) > 0 FROM gdpr.allow('access_store', 'acc.line', options => '{"own": "acc_customer"}');
CREATE INDEX line_customer ON acc.line (customer);
SET ROLE access_store;
SELECT count(*) FROM acc.line;
BEGIN;
SELECT gdpr.begin_work(subject => 'acc_customer:2');
SELECT DISTINCT customer FROM acc.line;
SET LOCAL enable_seqscan = off;
SELECT pg_temp.plan('SELECT product FROM acc.line');
SELECT gdpr.begin_work(subject => 'acc_customer:2 OR true');
SELECT count(*) FROM acc.line;
SELECT gdpr.begin_work(subject => 'other:2');
SELECT count(*) FROM acc.line;
COMMIT;
RESET ROLE;
SELECT count(*) > 0 FROM gdpr.allow('access_store', 'acc.customer', '{name}', options => '{"own": "acc_customer"}');
SET ROLE access_store;
BEGIN;
SELECT gdpr.begin_work(subject => 'acc_customer:3');
SELECT id FROM acc.customer;
COMMIT;
RESET ROLE;

-- purposes
SELECT gdpr.create_purpose('acc_support', 'contract', '{"description": "answering questions"}');
SELECT gdpr.create_purpose('acc_ads', 'consent');
SELECT gdpr.create_purpose('acc_ads', 'consent');
SELECT gdpr.create_purpose('acc_x', 'whim');
SELECT gdpr.create_purpose('', 'consent');
SELECT gdpr.create_purpose(NULL, 'consent');
SELECT gdpr.grant_purpose('access_group', 'acc_support');
SELECT gdpr.grant_purpose('access_group', 'nosuch');
SELECT gdpr.grant_purpose('access_nobody', 'acc_support');
SELECT gdpr.revoke_purpose('access_group', 'acc_ads');
SELECT count(*) > 0 FROM gdpr.allow('access_group', 'acc.customer', '{contact}', options => '{"purposes": ["acc_support", "acc_ads"]}');
SELECT gdpr.drop_purpose('acc_ads');
SET ROLE access_member;
SELECT count(*) FROM acc.customer;
BEGIN; SELECT gdpr.begin_work('acc_support', 'kanarialintu-actor'); SELECT count(*) FROM acc.customer; SELECT national_id FROM acc.customer; ROLLBACK;
BEGIN; SELECT gdpr.begin_work('acc_ads'); SELECT count(*) FROM acc.customer; ROLLBACK;
BEGIN; SELECT gdpr.begin_work('kanarialintu'); SELECT count(*) FROM acc.customer; ROLLBACK;
BEGIN; SET LOCAL gdpr.purpose = 'acc_support'; SELECT count(id) FROM acc.customer; COMMIT;
SELECT count(id) FROM acc.customer;
-- the purpose is the current user's, also in a plan that is kept
PREPARE q AS SELECT count(id) FROM acc.customer;
BEGIN; SELECT gdpr.begin_work('acc_support'); EXECUTE q; COMMIT;
EXECUTE q;
RESET ROLE;
SELECT gdpr.revoke_purpose('access_group', 'acc_support');
SET ROLE access_member;
BEGIN; SELECT gdpr.begin_work('acc_support'); EXECUTE q; ROLLBACK;
RESET ROLE;

-- a session does not keep them
SET gdpr.purpose = 'acc_support';
SET SESSION gdpr.actor = 'kanarialintu';
DO $$ BEGIN SET gdpr.subject = 'a:b'; END $$;
RESET gdpr.purpose;
SET gdpr.purpose TO DEFAULT;
BEGIN; SET LOCAL gdpr.actor = 'kanarialintu'; SHOW gdpr.actor; COMMIT;
SHOW gdpr.actor;
SET LOCAL gdpr.subject = 'nocolon';
SELECT gdpr.begin_work(subject => 'nocolon');
SELECT set_config('gdpr.purpose', 'acc_support', false);
SET client_min_messages = warning;
SHOW gdpr.purpose;
ALTER ROLE access_member SET gdpr.purpose = 'acc_support';

-- who sees what
SELECT role, relation, category, privileges, rows, purposes, via, bypasses FROM gdpr.access_matrix
	WHERE relation::text LIKE 'acc.%' AND role LIKE 'access_%' ORDER BY relation::text, role, category, via;
-- what SUPERUSER and BYPASSRLS give is a SET ROLE away, also for members that inherit
CREATE ROLE access_root SUPERUSER;
CREATE ROLE access_root_in IN ROLE access_root;
CREATE ROLE access_over BYPASSRLS IN ROLE pg_read_all_data;
CREATE ROLE access_over_in IN ROLE access_over;
CREATE ROLE access_reader IN ROLE pg_read_all_data;
CREATE ROLE access_reader_not NOINHERIT IN ROLE access_reader;
SELECT role, relation, category, privileges, rows, via, bypasses FROM gdpr.access_matrix
	WHERE relation::text IN ('acc.line', 'acc.customer') AND category IN ('not personal', 'national_id')
		AND role ~ '^access_(root|over|reader)' ORDER BY relation::text, role, category, via;
-- and bare of row security no less
CREATE TABLE acc.bare (id int, name text);
SELECT gdpr.declare_column('acc.bare', 'name', 'name');
SELECT role, category, privileges, rows, via, bypasses FROM gdpr.access_matrix
	WHERE relation::text = 'acc.bare' AND role ~ '^access_(root|over|reader)' ORDER BY role, category, via;
SELECT gdpr.undeclare_column('acc.bare', 'name');
DROP TABLE acc.bare;
DROP ROLE access_root_in, access_root, access_over_in, access_over, access_reader_not, access_reader;

-- a column that becomes personal is taken from those without its category
SELECT count(*) > 0 FROM gdpr.allow('access_sales', 'acc.line');
SELECT gdpr.declare_column('acc.line', 'product', 'free_text');
SELECT has_column_privilege('access_sales', 'acc.line', 'product', 'SELECT');
SELECT gdpr.undeclare_column('acc.line', 'product');
SELECT has_column_privilege('access_sales', 'acc.line', 'product', 'SELECT');

-- parts: direct access is closed, later ones too
CREATE TABLE acc.visit (id int, at date, page text) PARTITION BY RANGE (at);
CREATE TABLE acc.visit_1 PARTITION OF acc.visit FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
INSERT INTO acc.visit VALUES (1, '2020-05-05', 'p');
GRANT SELECT ON acc.visit, acc.visit_1 TO access_sales;
SELECT * FROM gdpr.allow('access_sales', 'acc.visit_1');
SELECT count(*) > 0 FROM gdpr.allow('access_sales', 'acc.visit');
CREATE TABLE acc.visit_2 PARTITION OF acc.visit FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO acc.visit VALUES (2, '2021-05-05', 'p');
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname LIKE 'visit%' AND relnamespace = 'acc'::regnamespace ORDER BY 1;
SET ROLE access_sales;
SELECT count(*) FROM acc.visit;
SELECT count(*) FROM acc.visit_1;
RESET ROLE;

-- released: as it was
SELECT gdpr.release('acc.customer');
SELECT gdpr.release('acc.line');
SELECT gdpr.release('acc.visit');
SELECT count(*) FROM (SELECT c.oid, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c WHERE relname IN ('customer', 'line')
	AND relnamespace = 'acc'::regnamespace EXCEPT SELECT * FROM catalogs) x;
SELECT attname, attacl FROM pg_attribute WHERE attrelid IN ('acc.customer'::regclass, 'acc.line'::regclass) AND attacl IS NOT NULL;
SELECT count(*) FROM pg_policy WHERE polrelid IN ('acc.customer'::regclass, 'acc.line'::regclass, 'acc.visit'::regclass);
SELECT count(*) FROM gdpr.access_rule;
SELECT count(*) FROM gdpr.access_original;
SET ROLE access_group;
SELECT count(*) FROM acc.customer;
RESET ROLE;

SELECT gdpr.drop_purpose('acc_support'), gdpr.drop_purpose('acc_ads');
SELECT gdpr.undeclare_subject('acc_customer');
DROP SCHEMA acc CASCADE;
SELECT gdpr.revoke_context('acc_ctx', r) FROM unnest('{access_sales,access_owner}'::name[]) r;
DROP ROLE access_owner, access_web, access_sales, access_store, access_group, access_member, access_stranger, access_officer;
