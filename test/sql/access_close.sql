-- Closing a table: whom the refusal names, options that would ask for nothing,
-- and how the role of a rule tries to see more.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE close_owner;
CREATE ROLE close_group;
CREATE ROLE close_inner IN ROLE close_group;
CREATE ROLE close_member IN ROLE close_inner;
CREATE ROLE close_sales;
CREATE SCHEMA close AUTHORIZATION close_owner;
GRANT USAGE, CREATE ON SCHEMA close TO close_sales;
GRANT USAGE ON SCHEMA close TO close_group;
SELECT gdpr.grant_duty('close_owner', 'operator');
SET ROLE close_owner;
CREATE TABLE close.customer (id int PRIMARY KEY, name text, national_id text);
INSERT INTO close.customer SELECT i, 'kanarialintu-' || i, 'kanarialintu-n' || i FROM generate_series(1, 3) i;
GRANT SELECT ON close.customer TO close_group;
SELECT gdpr.declare_column('close.customer', 'name', 'name');
SELECT gdpr.declare_column('close.customer', 'national_id', 'national_id');

-- the refusal names who holds a grant, the owner among them; members come with their group
\set VERBOSITY default
SELECT * FROM gdpr.allow('close_sales', 'close.customer', '{name}');
-- a rule of a member's is none of the group's
SELECT * FROM gdpr.allow('close_member', 'close.customer', '{name}');
SELECT gdpr.deny('close_member', 'close.customer');
SELECT * FROM gdpr.allow('close_sales', 'close.customer', '{name}');
\set VERBOSITY sqlstate
-- a look shows the members
SELECT role, category, via, before, after
	FROM gdpr.allow('close_sales', 'close.customer', '{name}', options => '{"others": "keep", "dry_run": true}')
	WHERE role <> 'close_owner' AND role LIKE 'close%' ORDER BY role, category COLLATE "C", via COLLATE "C";
-- the group decided, nobody asks about its members
SELECT gdpr.deny('close_group', 'close.customer');
SELECT count(*) > 0 FROM gdpr.allow('close_owner', 'close.customer', '{*}');
SELECT count(*) > 0 FROM gdpr.allow('close_sales', 'close.customer', '{name}');
SET ROLE close_member;
SELECT count(*) FROM close.customer;
RESET ROLE;

-- a list of no purposes would ask for none
SELECT gdpr.create_purpose('close_care', 'contract');
SELECT gdpr.grant_purpose('close_sales', 'close_care');
SELECT count(*) > 0 FROM gdpr.allow('close_sales', 'close.customer', '{name}', options => '{"purposes": ["close_care"]}');
\set VERBOSITY default
SELECT count(*) > 0 FROM gdpr.allow('close_sales', 'close.customer', '{name}', options => '{"purposes": []}');
\set VERBOSITY sqlstate
SELECT count(*) > 0 FROM gdpr.allow('close_sales', 'close.customer', '{name}', options => '{"purposes": {}}');
SELECT purposes FROM gdpr.access_rule WHERE role = 'close_sales';
SET ROLE close_sales;
SELECT count(*) FROM close.customer;
RESET ROLE;

-- what sales tries to see of the column that it has not, and without its purpose
SET ROLE close_sales;
CREATE VIEW close.sales_view AS SELECT id, national_id FROM close.customer;
SELECT * FROM close.sales_view;
CREATE VIEW close.sales_names AS SELECT id, name FROM close.customer;
SELECT count(*) FROM close.sales_names;
CREATE FUNCTION close.sales_peek() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT national_id FROM close.customer';
SELECT * FROM close.sales_peek();
CREATE FUNCTION close.sales_cheap(text, int) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING '%', $1; RETURN true; END $$;
SELECT count(*) FROM close.customer WHERE close.sales_cheap(name, id);
SELECT count(*) FROM close.customer c WHERE close.sales_cheap(c::text, id);
COPY close.customer TO STDOUT;
COPY close.customer (national_id) TO STDOUT;
COPY close.customer (id, name) TO STDOUT;
COPY (SELECT national_id FROM close.customer) TO STDOUT;
BEGIN;
SELECT gdpr.begin_work('close_care');
SELECT count(*) FROM close.sales_names;
COPY close.customer (id, name) TO STDOUT;
COPY (SELECT national_id FROM close.customer) TO STDOUT;
ROLLBACK;
BEGIN;
SELECT gdpr.begin_work('close_care');
SELECT * FROM close.sales_view;
ROLLBACK;
BEGIN;
SELECT gdpr.begin_work('close_care');
SELECT * FROM close.sales_peek();
ROLLBACK;
RESET ROLE;

SELECT gdpr.release('close.customer');
SELECT gdpr.revoke_purpose('close_sales', 'close_care');
SELECT gdpr.drop_purpose('close_care');
SELECT gdpr.revoke_duty('close_owner', 'operator');
DROP SCHEMA close CASCADE;
DROP ROLE close_owner, close_group, close_inner, close_member, close_sales;
