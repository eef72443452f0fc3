-- \set rows, set by the caller.  Values are 19 digits, because those are what pgbench can draw.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
SELECT gdpr.create_context('pii', '{}');
SELECT gdpr.grant_context('pii', current_user, 'read'), gdpr.grant_context('pii', current_user, 'write');
CREATE SCHEMA bench;
CREATE TABLE bench.result (round int, name text, ms float8);

CREATE TABLE bench.save_plain (id int PRIMARY KEY, name text, email text UNIQUE, phone text, note text) WITH (fillfactor = 80);
CREATE TABLE bench.save_enc (id int PRIMARY KEY, name enctext('pii'), email enctext('pii') UNIQUE, phone encsecret('pii'), note text)
	WITH (fillfactor = 80);
INSERT INTO bench.save_plain SELECT i, v, v, v, v FROM generate_series(1, :rows) i, LATERAL (SELECT (1000000000000000000 + i)::text) t(v);
INSERT INTO bench.save_enc SELECT id, name, email, phone, note FROM bench.save_plain;
SELECT gdpr.declare_subject('customer', 'bench.save_enc'), gdpr.protect('bench.save_enc');
VACUUM ANALYZE bench.save_plain;
VACUUM ANALYZE bench.save_enc;

-- What must not change: the log, and every stored value, byte for byte.
CREATE VIEW bench.stored AS
SELECT (SELECT count(*) FROM gdpr.audit_log) AS records,
	   (SELECT md5(string_agg(md5(concat_ws(' ', id, name, email, phone, note)), '' ORDER BY id)) FROM bench.save_enc) AS values;
-- Somebody who may not read sees values as they are stored.
CREATE ROLE bench_blind;
GRANT USAGE ON SCHEMA bench TO bench_blind;
GRANT SELECT ON bench.stored TO bench_blind;
CREATE TABLE bench.stored_before (records bigint, values text);
GRANT INSERT, SELECT ON bench.stored_before TO bench_blind;
SET ROLE bench_blind;
INSERT INTO bench.stored_before SELECT * FROM bench.stored;
RESET ROLE;
CREATE VIEW bench.pages AS
SELECT c.oid::regclass::text AS name, pg_relation_size(c.oid) / 8192 AS pages
FROM pg_class c WHERE relname LIKE 'save\_%';
CREATE TABLE bench.pages_before AS SELECT * FROM bench.pages;
CHECKPOINT;
