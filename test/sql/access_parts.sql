-- Access rules on partitioned tables and inheritance: parts by name, parts that
-- come and go.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE parts_owner;
CREATE ROLE parts_sales;
CREATE ROLE parts_web;
CREATE SCHEMA parts AUTHORIZATION parts_owner;
GRANT USAGE ON SCHEMA parts TO parts_sales, parts_web;
SET ROLE parts_owner;
ALTER DEFAULT PRIVILEGES IN SCHEMA parts GRANT SELECT ON TABLES TO parts_sales;
CREATE TABLE parts.visit (id int, at date, name text) PARTITION BY RANGE (at);
CREATE TABLE parts.visit_1 PARTITION OF parts.visit FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE parts.visit_2 PARTITION OF parts.visit FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
CREATE TABLE parts.visit_2a PARTITION OF parts.visit_2 DEFAULT;
INSERT INTO parts.visit VALUES (1, '2020-05-05', 'kanarialintu-a'), (2, '2021-05-05', 'kanarialintu-b');
GRANT SELECT, INSERT ON parts.visit, parts.visit_1 TO parts_web;
RESET ROLE;
-- declared on one part: personal in the whole
SELECT gdpr.declare_column('parts.visit_2a', 'name', 'name');
CREATE TEMP TABLE looked AS SELECT c.oid, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c WHERE relnamespace = 'parts'::regnamespace;

SELECT count(*) FROM gdpr.allow('parts_sales', 'parts.visit_1');
SELECT count(*) FROM gdpr.allow('parts_sales', 'parts.visit_2a');
SELECT gdpr.deny('parts_sales', 'parts.visit_1');
SELECT gdpr.release('parts.visit_1');
\set VERBOSITY default
SELECT count(*) FROM gdpr.allow('parts_sales', 'parts.visit');
\set VERBOSITY sqlstate
SELECT role, category, via, before, after FROM gdpr.allow('parts_sales', 'parts.visit', options => '{"others": "keep"}') ORDER BY role, category, via;
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname LIKE 'visit%' AND relnamespace = 'parts'::regnamespace ORDER BY 1;
SET ROLE parts_sales;
SELECT id FROM parts.visit ORDER BY id;
SELECT name FROM parts.visit;
SELECT id FROM parts.visit_1;
SELECT id FROM parts.visit_2a;
-- kept: as before, a part by its name too
SET ROLE parts_web;
SELECT count(*) FROM parts.visit_1;
INSERT INTO parts.visit_1 VALUES (3, '2020-06-06', 'kanarialintu-c');
SET ROLE parts_owner;
SELECT count(*) FROM parts.visit;
SELECT count(*) FROM parts.visit_2a;
-- made and attached later
CREATE TABLE parts.visit_3 PARTITION OF parts.visit FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE parts.visit_4 (at date, name text, id int);
ALTER TABLE parts.visit ATTACH PARTITION parts.visit_4 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE parts.visit_2b PARTITION OF parts.visit_2 FOR VALUES IN (5);
INSERT INTO parts.visit VALUES (4, '2022-05-05', 'kanarialintu-d'), (5, '2023-05-05', 'kanarialintu-e');
SELECT relname, relrowsecurity, relforcerowsecurity, has_table_privilege('parts_sales', oid, 'SELECT') AS sales
	FROM pg_class WHERE relname LIKE 'visit%' AND relnamespace = 'parts'::regnamespace ORDER BY 1;
-- with a policy of its own it is no part
CREATE TABLE parts.visit_5 (id int, at date, name text);
ALTER TABLE parts.visit_5 ENABLE ROW LEVEL SECURITY;
CREATE POLICY open ON parts.visit_5 USING (true);
ALTER TABLE parts.visit ATTACH PARTITION parts.visit_5 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
DROP TABLE parts.visit_5;
SET ROLE parts_sales;
SELECT id FROM parts.visit ORDER BY id;
SELECT id FROM parts.visit_4;
RESET ROLE;
-- foreign tables have no row security
CREATE FOREIGN DATA WRAPPER parts_wrapper;
CREATE SERVER parts_server FOREIGN DATA WRAPPER parts_wrapper;
CREATE FOREIGN TABLE parts.visit_6 PARTITION OF parts.visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') SERVER parts_server;
DROP FOREIGN DATA WRAPPER parts_wrapper CASCADE;

-- detaching is no way to the rows: denied, the owner stays denied
SELECT gdpr.deny('parts_owner', 'parts.visit');
SET ROLE parts_owner;
SELECT count(*) FROM parts.visit;
SELECT count(*) FROM parts.visit_1;
ALTER TABLE parts.visit DETACH PARTITION parts.visit_1;
SELECT count(*) FROM parts.visit_1;
ALTER TABLE parts.visit_1 DISABLE ROW LEVEL SECURITY;
GRANT SELECT ON parts.visit_1 TO parts_sales;
CREATE POLICY p ON parts.visit_1 USING (true);
CREATE TABLE parts.elsewhere (id int, at date, name text) PARTITION BY RANGE (at);
ALTER TABLE parts.elsewhere ATTACH PARTITION parts.visit_1 DEFAULT;
SELECT count(*) FROM parts.visit_1;
SET ROLE parts_web;
SELECT count(*) FROM parts.visit_1;
SET ROLE parts_sales;
SELECT count(*) FROM parts.visit_1;
RESET ROLE;
SELECT relation, role, decision FROM gdpr.access_rule WHERE relation::text LIKE 'parts.%' ORDER BY relation::text, role;
-- and a kept role that is denied later sees it no more
SELECT gdpr.deny('parts_web', 'parts.visit_1');
SELECT count(*) FROM pg_policy WHERE polrelid = 'parts.visit_1'::regclass;
-- released, it is as it was before the rules of the whole
SELECT gdpr.release('parts.visit_1');
SELECT count(*) FROM (SELECT c.oid, c.relacl::text, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c WHERE oid = 'parts.visit_1'::regclass
	EXCEPT SELECT * FROM looked) x;
ALTER TABLE parts.visit ATTACH PARTITION parts.visit_1 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'parts.visit_1'::regclass;
-- what left may come back
ALTER TABLE parts.visit DETACH PARTITION parts.visit_3;
ALTER TABLE parts.visit ATTACH PARTITION parts.visit_3 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
SELECT gdpr.release('parts.visit_3');
ALTER TABLE parts.visit DETACH PARTITION parts.visit_3;
SELECT gdpr.release('parts.visit_3');
ALTER TABLE parts.visit ATTACH PARTITION parts.visit_3 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
SELECT gdpr.release('parts.visit');
SELECT c.relname FROM pg_class c JOIN looked l USING (oid)
	WHERE (c.relacl::text, c.relrowsecurity, c.relforcerowsecurity) IS DISTINCT FROM (l.relacl, l.relrowsecurity, l.relforcerowsecurity);
SELECT relname, relrowsecurity, has_table_privilege('parts_sales', oid, 'SELECT') AS sales
	FROM pg_class WHERE relname LIKE 'visit%' AND relnamespace = 'parts'::regnamespace ORDER BY 1;
SELECT count(*) FROM gdpr.access_original WHERE part::text LIKE 'parts.%';
SELECT count(*) FROM pg_policy WHERE polrelid::regclass::text LIKE 'parts.%';

-- inheritance
SET ROLE parts_owner;
CREATE TABLE parts.person (id int, name text);
CREATE TABLE parts.staff (salary int) INHERITS (parts.person);
INSERT INTO parts.person VALUES (1, 'kanarialintu-f');
INSERT INTO parts.staff VALUES (2, 'kanarialintu-g', 100);
RESET ROLE;
SELECT count(*) FROM gdpr.allow('parts_sales', 'parts.staff');
SELECT count(*) > 0 FROM gdpr.allow('parts_sales', 'parts.person', options => '{"others": "keep"}');
SET ROLE parts_sales;
SELECT id FROM parts.person ORDER BY id;
SELECT salary FROM parts.staff;
RESET ROLE;
SELECT gdpr.deny('parts_owner', 'parts.person');
SET ROLE parts_owner;
SELECT count(*) FROM ONLY parts.person;
SELECT count(*) FROM parts.staff;
ALTER TABLE parts.staff NO INHERIT parts.person;
SELECT count(*) FROM parts.staff;
ALTER TABLE parts.staff DISABLE ROW LEVEL SECURITY;
CREATE TABLE parts.other (id int, name text, salary int);
ALTER TABLE parts.staff INHERIT parts.other;
DROP TABLE parts.person;
ALTER TABLE parts.staff DISABLE ROW LEVEL SECURITY;
SELECT count(*) FROM parts.staff;
DROP TABLE parts.staff;
RESET ROLE;
SELECT count(*) FROM gdpr.access_rule WHERE relation::text LIKE 'parts.%';
SELECT count(*) FROM gdpr.access_original;
DROP SCHEMA parts CASCADE;
DROP ROLE parts_owner, parts_sales, parts_web;
