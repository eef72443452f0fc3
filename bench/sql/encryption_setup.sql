-- \set rows, set by the caller: values of 25 bytes.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
SELECT gdpr.create_context('pii', '{}');
SELECT gdpr.grant_context('pii', current_user, 'read');
SELECT gdpr.grant_context('pii', current_user, 'write');

CREATE UNLOGGED TABLE bench.source AS
SELECT 'user' || lpad(i::text, 9, '0') || '@example.org' AS v
FROM generate_series(1, :rows) i;
-- The bytes of a stored value: 25 + 53.
CREATE UNLOGGED TABLE bench.source_bytes AS
SELECT substr(sha512(v::bytea) || sha512(v::bytea), 1, 78) AS v FROM bench.source;
VACUUM ANALYZE bench.source;
VACUUM ANALYZE bench.source_bytes;

CREATE TABLE bench.plain (v text);
CREATE TABLE bench.storage (v bytea);
CREATE TABLE bench.enc (v enctext('pii'));
CREATE TABLE bench.secret (v encsecret('pii'));
CREATE TABLE bench.raw (v bytea);
CREATE TABLE bench.pgp (v bytea);
