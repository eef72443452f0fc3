-- \set round and how: plain or rule.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench.visit;
CREATE TABLE bench.visit (id integer PRIMARY KEY, created timestamptz, name text, email text, phone text, note text);
INSERT INTO bench.visit SELECT * FROM bench.source;
CREATE INDEX ON bench.visit (created);
VACUUM ANALYZE bench.visit;
SELECT gdpr.declare_column('bench.visit', c, 'other', mask => m)
FROM (VALUES ('name', 'constant:-'), ('email', 'constant:-'), ('phone', 'null'), ('note', 'null')) AS x (c, m) \g /dev/null
SELECT gdpr.set_retention('bench.visit', '1 year', 'created', options => '{"batch_size": 1000}') AS rule \gset
SELECT gdpr.approve_retention(:rule, hash) FROM (SELECT hash FROM gdpr.retention_plan(:rule) LIMIT 1) x \g /dev/null
CHECKPOINT;
SELECT clock_timestamp() AS started \gset
SELECT CASE :'how' WHEN 'plain'
	THEN $$UPDATE bench.visit SET name = '-', email = '-', phone = NULL, note = NULL WHERE created < now() - interval '1 year'$$
	ELSE 'CALL gdpr.run_retention(''bench.visit'')' END AS statement \gset
:statement;
INSERT INTO bench.result SELECT :round, 'retention ' || :'how', extract(epoch FROM clock_timestamp() - :'started'::timestamptz) * 1000;
SELECT count(*) FILTER (WHERE phone IS NOT NULL OR name <> '-') = 0 AS all_done FROM bench.visit \gset
\if :all_done
\else
	\echo not all rows are done
	\quit
\endif
