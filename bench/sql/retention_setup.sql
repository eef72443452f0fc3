-- \set rows: one table of old rows, six columns, two indexes; its copy is made anew for each case.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE TABLE bench.source AS
SELECT i AS id, timestamptz '2015-01-01' + i * interval '1 second' AS created, 'name ' || i AS name,
	'user' || i || '@example.org' AS email, '+44 7700 900' || lpad((i % 1000)::text, 3, '0') AS phone, md5(i::text) AS note
FROM generate_series(1, :rows) i;
VACUUM ANALYZE bench.source;
