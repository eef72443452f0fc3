-- \set rows, set by the caller: values of 25 bytes.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
SELECT gdpr.create_context('pii', '{}');
SELECT gdpr.grant_context('pii', current_user, 'read');
SELECT gdpr.grant_context('pii', current_user, 'write');

CREATE UNLOGGED TABLE bench.source AS
SELECT 'user' || lpad(i::text, 9, '0') || '@example.org' AS v
FROM generate_series(1, :rows) i;
VACUUM ANALYZE bench.source;

CREATE TABLE bench.plain (v text);
CREATE TABLE bench.storage (v bytea);
CREATE TABLE bench.enc (v enctext('pii'));
-- A tenth of the rows, for searches that look at each.
CREATE TABLE bench.plain_tenth AS SELECT v FROM bench.source LIMIT :rows / 10;
CREATE TABLE bench.enc_tenth (v enctext('pii'));
INSERT INTO bench.enc_tenth SELECT v FROM bench.plain_tenth;
VACUUM ANALYZE bench.plain_tenth;
VACUUM ANALYZE bench.enc_tenth;
CREATE TABLE bench.secret (v encsecret('pii'));
CREATE TABLE bench.raw (v bytea);
CREATE TABLE bench.pgp (v bytea);
CREATE TABLE bench.tuned (v bytea);
-- As many bytes as a stored value has (25 + 53), by a function in C that computes nothing.
CREATE FUNCTION bench.noop(text) RETURNS bytea LANGUAGE C STRICT STABLE PARALLEL SAFE AS :'noop', 'noop';
CREATE FUNCTION bench.noop_back(bytea) RETURNS text LANGUAGE C STRICT STABLE PARALLEL SAFE AS :'noop', 'noop_back';
