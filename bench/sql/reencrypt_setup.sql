-- \set rows: the same values in a plain and in an encrypted table, each with two indexes; copies are made anew for each case.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
SELECT gdpr.create_context('bench', ARRAY[current_user]::name[]) \g /dev/null
CREATE TABLE bench.plain_source AS
-- Addresses in no order, as registers have them: an index in the order of its table is cheaper to write than others.
SELECT i AS id, 'user' || left(md5(i::text), 9) || '@example.org' AS email, 0 AS n FROM generate_series(1, :rows) i;
VACUUM ANALYZE bench.plain_source;
