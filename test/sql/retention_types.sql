-- Retention over columns of every encrypted type, under their context's key and under the keys of persons.
\set VERBOSITY terse
SET client_min_messages = warning;
-- the worker stays out of it
SELECT format('ALTER DATABASE %I SET gdpr.enabled = off', current_database()) \gexec
CREATE SCHEMA retention_types;
SET search_path = retention_types, public;
SELECT gdpr.create_context('retention_types', ARRAY[current_user]);
SELECT gdpr.grant_context('retention_types', current_user, 'write');
CREATE TABLE person (id int PRIMARY KEY, name encsecret('retention_types'));
CREATE TABLE visit (id int PRIMARY KEY, person int REFERENCES person, seen date, old encdate('retention_types'),
	ci encitext('retention_types') UNIQUE, t enctext('retention_types') UNIQUE, s encsecret('retention_types') NOT NULL, b encbytea('retention_types') NOT NULL,
	j encjsonb('retention_types') NOT NULL, n encnumeric('retention_types') NOT NULL, i encint8('retention_types') NOT NULL,
	d encdate('retention_types') NOT NULL, z enctimestamptz('retention_types') NOT NULL, gone encnumeric('retention_types'));
INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 3) i;

-- what a mask can be
SELECT gdpr.declare_column('visit', 'ci', 'name', mask => 'pseudonym');
SELECT gdpr.declare_column('visit', 't', 'name', mask => 'constant:-');      -- unique
SELECT gdpr.declare_column('visit', 't', 'name', mask => 'pseudonym');
SELECT gdpr.declare_column('visit', 's', 'other');                           -- not null
SELECT gdpr.declare_column('visit', 's', 'other', mask => 'constant:-');
SELECT gdpr.declare_column('visit', 'b', 'other', mask => 'constant:\xf');   -- no bytes
SELECT gdpr.declare_column('visit', 'b', 'other', mask => 'constant:\x00');
SELECT gdpr.declare_column('visit', 'j', 'other', mask => 'constant:{');
SELECT gdpr.declare_column('visit', 'j', 'other', mask => 'pseudonym');
SELECT gdpr.declare_column('visit', 'j', 'other', mask => 'constant:{"masked": true}');
SELECT gdpr.declare_column('visit', 'n', 'other', mask => 'constant:x');
SELECT gdpr.declare_column('visit', 'n', 'other', mask => 'constant:0.00');
SELECT gdpr.declare_column('visit', 'i', 'other', mask => 'constant:9223372036854775808');
SELECT gdpr.declare_column('visit', 'i', 'other', mask => 'pseudonym');
SELECT gdpr.declare_column('visit', 'd', 'other', mask => 'pseudonym');
SELECT gdpr.declare_column('visit', 'd', 'other', mask => 'constant:1900-01-01');
SELECT gdpr.declare_column('visit', 'z', 'other', mask => 'constant:-infinity');
SELECT gdpr.declare_column('visit', 'gone', 'other', mask => 'null');
SELECT gdpr.set_retention('visit', '1 year', 'old');                         -- a date that nobody can order by
SELECT gdpr.set_retention('visit', '1 year', 'seen') AS rule \gset
SELECT hash FROM gdpr.retention_plan(:rule) \gset
SELECT gdpr.approve_retention(:rule, :'hash');

CREATE PROCEDURE fill() LANGUAGE sql AS $$
	INSERT INTO visit SELECT i, i % 3 + 1, date '2020-01-01' + i, '2020-01-01', 'Kanarialintu-' || i, 'kanarialintu-' || i, 'kanarialintu', '\x6b',
		'{"kanarialintu": 1}', 40750.5, 4711, '1950-02-07', '1950-02-07 12:00+00', 1 FROM generate_series(1, 5) i;
	INSERT INTO visit SELECT i, 1, current_date, current_date, 'Kanarialintu-' || i, 'kanarialintu-' || i, 'kanarialintu', '\x6b',
		'{"kanarialintu": 1}', 40750.5, 4711, '1950-02-07', '1950-02-07 12:00+00', 1 FROM generate_series(6, 7) i;
$$;
CREATE VIEW shown AS SELECT id, ci::text ~ '^Kana' AS ci, t::text ~ '^kana' AS t, s::text, b::bytea, j::text, n::numeric, i::int8 = 4711 AS i, d::date,
	z::timestamptz AT TIME ZONE 'UTC' AS z, gone::numeric FROM visit;
CREATE VIEW stored AS SELECT id, sha256(record_send(v)) AS bytes FROM visit v;

\echo -- under the key of the context
CALL fill();
CALL gdpr.run_retention();
SELECT * FROM shown ORDER BY id;
SELECT count(DISTINCT ci), count(DISTINCT t), count(DISTINCT i::int8) FROM visit;
\echo -- what is masked is told, and left alone
SET gdpr.output = ciphertext;
CREATE TABLE before AS SELECT * FROM stored;
CALL gdpr.run_retention();
SELECT count(*) AS changed FROM before JOIN stored USING (id) WHERE before.bytes <> stored.bytes;
RESET gdpr.output;

\echo -- under the keys of persons
TRUNCATE visit;
SELECT gdpr.declare_subject('retention_person', 'person') IS NOT NULL AS declared;
SELECT gdpr.declare_link('visit', ARRAY['person']::name[], 'person', ARRAY['id']::name[]);
SELECT gdpr.approve_map('retention_person') IS NOT NULL AS approved;
SELECT gdpr.protect_subject('retention_person', jsonb_build_object('subject_keys', true)) IS NOT NULL AS protected;
SELECT hash FROM gdpr.retention_plan(:rule) \gset
SELECT gdpr.approve_retention(:rule, :'hash');
CALL fill();
SELECT item, count FROM gdpr.check_column('visit', 'd') WHERE count > 0;
CALL gdpr.run_retention();
SELECT * FROM shown ORDER BY id;
SELECT item, count FROM gdpr.check_column('visit', 'd') WHERE count > 0;
SET gdpr.output = ciphertext;
TRUNCATE before;
INSERT INTO before SELECT * FROM stored;
CALL gdpr.run_retention();
SELECT count(*) AS changed FROM before JOIN stored USING (id) WHERE before.bytes <> stored.bytes;
RESET gdpr.output;

SELECT gdpr.unprotect('person'), gdpr.unprotect('visit');
SELECT gdpr.undeclare_subject('retention_person');
SELECT gdpr.drop_retention(:rule);
DROP SCHEMA retention_types CASCADE;
SELECT format('ALTER DATABASE %I RESET gdpr.enabled', current_database()) \gexec
