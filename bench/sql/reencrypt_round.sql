-- \set round, and how: plain, update or reencrypt.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench.person;
SELECT CASE :'how' WHEN 'plain' THEN 'text' ELSE 'enctext(''bench'')' END AS type,
	CASE :'how' WHEN 'plain' THEN 'UPDATE bench.person SET email = email || ''.'''
		WHEN 'update' THEN 'UPDATE bench.person SET email = email::text'
		ELSE 'CALL gdpr.reencrypt(''bench.person'')' END AS statement \gset
CREATE TABLE bench.person (id int PRIMARY KEY, email :type, n int);
INSERT INTO bench.person SELECT id, email, n FROM bench.plain_source;
CREATE INDEX ON bench.person (email);
SELECT gdpr.rotate_context('bench') \g /dev/null
VACUUM ANALYZE bench.person;
CHECKPOINT;
SELECT clock_timestamp() AS started \gset
:statement;
INSERT INTO bench.result SELECT :round, 'reencrypt ' || :'how', extract(epoch FROM clock_timestamp() - :'started'::timestamptz) * 1000;
