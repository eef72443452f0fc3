-- Export, erasure and retention under access rules: by who sees every row without
-- BYPASSRLS, and refused to who does not.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE ROLE arights_owner;
CREATE ROLE arights_officer;
CREATE ROLE arights_some;
CREATE SCHEMA arights AUTHORIZATION arights_owner;
GRANT USAGE ON SCHEMA arights TO arights_officer, arights_some;
SET ROLE arights_owner;
CREATE TABLE arights.customer (id text PRIMARY KEY, name text);
CREATE TABLE arights.order_ (id int, customer text REFERENCES arights.customer, at date, note text) PARTITION BY RANGE (at);
CREATE TABLE arights.order_1 PARTITION OF arights.order_ FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE arights.order_2 PARTITION OF arights.order_ FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO arights.customer SELECT 'kanarialintu-' || i, 'kanarialintu-n' FROM generate_series(1, 4) i;
INSERT INTO arights.order_ SELECT i, 'kanarialintu-' || (1 + i % 4), date '2020-06-01' + 100 * i, 'kanarialintu' FROM generate_series(0, 5) i;
RESET ROLE;
SELECT gdpr.grant_duty('arights_officer', 'officer'), gdpr.grant_duty('arights_some', 'officer');
SELECT gdpr.grant_duty('arights_owner', 'officer');
SELECT gdpr.declare_column('arights.customer', 'name', 'name', 'null');
SELECT gdpr.declare_subject('arights_customer', 'arights.customer');
SELECT gdpr.declare_link('arights.order_', '{customer}', 'arights.customer', '{id}');
SELECT gdpr.approve_map('arights_customer') IS NOT NULL;
SELECT count(*) > 0 FROM gdpr.allow('arights_officer', 'arights.customer', '{*}', '{SELECT,UPDATE,DELETE}', '{"others": "keep"}');
SELECT count(*) > 0 FROM gdpr.allow('arights_officer', 'arights.order_', '{*}', '{SELECT,UPDATE,DELETE}', '{"others": "keep"}');
SELECT count(*) > 0 FROM gdpr.allow('arights_some', 'arights.customer', '{*}', '{SELECT,UPDATE,DELETE}');
SELECT count(*) > 0 FROM gdpr.allow('arights_some', 'arights.order_', '{*}', '{SELECT,UPDATE,DELETE}', '{"filter": "id > 2"}');

-- a rule without a filter hides nothing
SET ROLE arights_officer;
SELECT gdpr_export('kanarialintu-1', 'arights_customer') -> 'data' -> 'arights.order_' -> 0 ->> 'id';
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('kanarialintu-1', 'arights_customer') ORDER BY 1, 2;
SELECT gdpr_forget('kanarialintu-1', 'arights_customer') -> 'relations' -> 0 ->> 'deleted';
-- the owner was kept
SET ROLE arights_owner;
SELECT (gdpr_export('kanarialintu-2', 'arights_customer') -> 'data' -> 'arights.order_' -> 0 ->> 'id') IS NOT NULL;
SELECT gdpr_forget('kanarialintu-2', 'arights_customer') -> 'relations' -> 0 ->> 'deleted';
-- a filter might hide some
SET ROLE arights_some;
SELECT gdpr_export('kanarialintu-3', 'arights_customer');
SELECT relation, action, blocker FROM gdpr.forget_plan('kanarialintu-3', 'arights_customer') ORDER BY 1, 2;
SELECT gdpr_forget('kanarialintu-3', 'arights_customer');
RESET ROLE;
-- nor does reading all allow to delete all
SELECT count(*) > 0 FROM gdpr.allow('arights_some', 'arights.order_', '{*}', '{SELECT}');
SET ROLE arights_some;
SELECT (gdpr_export('kanarialintu-3', 'arights_customer') -> 'data' -> 'arights.order_' -> 0 ->> 'id') IS NOT NULL;
SELECT count(*) > 0 FROM gdpr.forget_plan('kanarialintu-3', 'arights_customer') WHERE blocker IS NOT NULL;
SELECT gdpr_forget('kanarialintu-3', 'arights_customer');
RESET ROLE;
-- a purpose is asked for by each statement
SELECT gdpr.create_purpose('arights_requests', 'legal_obligation'), gdpr.grant_purpose('arights_some', 'arights_requests');
SELECT count(*) > 0 FROM gdpr.allow('arights_some', 'arights.order_', '{*}', '{SELECT,UPDATE,DELETE}', '{"purposes": ["arights_requests"]}');
SET ROLE arights_some;
SELECT gdpr_export('kanarialintu-3', 'arights_customer');
RESET ROLE;
-- policies of others: restrictive ones hide
SELECT gdpr.release('arights.customer'), gdpr.release('arights.order_');
GRANT SELECT ON ALL TABLES IN SCHEMA arights TO arights_some;
ALTER TABLE arights.order_ ENABLE ROW LEVEL SECURITY;
SET ROLE arights_some;
SELECT gdpr_export('kanarialintu-3', 'arights_customer');
RESET ROLE;
CREATE POLICY everybody ON arights.order_ USING (true);
SET ROLE arights_some;
SELECT (gdpr_export('kanarialintu-3', 'arights_customer') -> 'data' -> 'arights.order_' -> 0 ->> 'id') IS NOT NULL;
RESET ROLE;
CREATE POLICY less ON arights.order_ AS RESTRICTIVE USING (id > 2);
SET ROLE arights_some;
SELECT gdpr_export('kanarialintu-3', 'arights_customer');
-- and an error leaves nothing switched on
SELECT count(*) FROM arights.order_;
BEGIN;
SAVEPOINT s;
SELECT gdpr_export('kanarialintu-3', 'arights_customer');
ROLLBACK TO s;
SELECT count(*) FROM arights.order_;
COMMIT;
RESET ROLE;
SELECT gdpr.drop_purpose('arights_requests');
SELECT gdpr.undeclare_subject('arights_customer');
SELECT gdpr.revoke_duty(r, 'officer') FROM unnest('{arights_owner,arights_officer,arights_some}'::name[]) r;
DROP SCHEMA arights CASCADE;
DROP ROLE arights_owner, arights_officer, arights_some;
