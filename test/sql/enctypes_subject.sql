-- The encrypted types in export, erasure, masks and audited writes.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE SCHEMA enctypes_subject;
SET search_path = enctypes_subject, public;
SELECT gdpr.create_context('enctypes_subject', ARRAY[current_user]);
SELECT gdpr.grant_context('enctypes_subject', current_user, 'write');

CREATE TABLE person (email encitext('enctypes_subject') PRIMARY KEY, b encbytea('enctypes_subject'), j encjsonb('enctypes_subject'),
	n encnumeric('enctypes_subject'), i encint8('enctypes_subject'), d encdate('enctypes_subject'), z enctimestamptz('enctypes_subject'),
	a encint8('enctypes_subject')[]);
CREATE TABLE visit (id int PRIMARY KEY, email encitext('enctypes_subject') REFERENCES person, day encdate('enctypes_subject'));
CREATE TABLE bill (id int PRIMARY KEY, email encitext('enctypes_subject') REFERENCES person, b encbytea('enctypes_subject'), j encjsonb('enctypes_subject'),
	n encnumeric('enctypes_subject'), i encint8('enctypes_subject'), d encdate('enctypes_subject'), z enctimestamptz('enctypes_subject'), c encitext('enctypes_subject'));
SELECT gdpr.declare_subject('enctypes_person', 'person');
SELECT gdpr.declare_link('visit', '{email}', 'person', '{email}');
SELECT gdpr.declare_link('bill', '{email}', 'person', '{email}', on_forget => 'anonymise');
-- masks are values of the plain type
SELECT c, m, gdpr.declare_column('bill', c, 'other', m) FROM
	(VALUES ('b'::name, 'constant:\x0000'), ('j', 'constant:{ }'), ('n', 'constant:0.0'), ('i', 'pseudonym'), ('d', 'constant:19000101'),
		('z', 'constant:1900-01-01 00:00+00'), ('c', 'pseudonym')) v(c, m);
SELECT gdpr.declare_column('bill', 'i', 'other', 'constant:kanarialintu');
SELECT gdpr.declare_column('bill', 'd', 'other', 'pseudonym');
SELECT gdpr.declare_column('bill', 'j', 'other', 'pseudonym');
SELECT gdpr.approve_map('enctypes_person') IS NOT NULL AS approved;

SELECT gdpr.protect('person');

INSERT INTO person VALUES ('Kanarialintu-Aino@example.org', '\x00ff', '{"k": [1, null]}', 1.50, 42, '1950-02-07', '2020-01-02 03:04+00', '{1,2}'),
	('kanarialintu-eero@example.org', '\x', '{}', 0, 0, 'infinity', '-infinity', '{}');
INSERT INTO visit VALUES (1, 'KANARIALINTU-AINO@example.org', '2020-01-02'), (2, 'kanarialintu-eero@example.org', '2020-01-03');
INSERT INTO bill SELECT n, 'KANARIALINTU-AINO@EXAMPLE.ORG', '\x01', '{"a": 1}', 10.20, 7, '2020-01-02', '2020-01-02 03:04+00', 'kanarialintu-c' FROM generate_series(1, 2) n;

-- a change of case is a change for the audit, though the values are equal; writing back is none
UPDATE person SET i = 43 WHERE email = 'kanarialintu-aino@example.org';
UPDATE person SET email = email::text, j = j::jsonb, n = n::numeric, d = d::date WHERE email = 'kanarialintu-aino@example.org';
UPDATE person SET email = 'kanarialintu-Aino@example.org' WHERE email = 'kanarialintu-aino@example.org';
UPDATE person SET n = 1.5 WHERE email = 'kanarialintu-aino@example.org';

SELECT operation, columns FROM gdpr.audit WHERE relation = 'enctypes_subject.person' ORDER BY at, id;

-- one person, in whatever case he is asked for; json of the plain types
SELECT gdpr_export('kanarialintu-AINO@example.org')->'subject' AS subject;
SELECT relation, data FROM gdpr.export_rows('KANARIALINTU-aino@example.org') ORDER BY relation::text, data::text;
SELECT count(*) FROM gdpr.audit_trail('KANARIALINTU-aino@EXAMPLE.org');
SELECT relation, action, rows, blocker FROM gdpr.forget_plan('kanarialintu-AINO@example.org');
SELECT gdpr_forget('kanarialintu-AINO@example.org') ->> 'level' AS level;
SELECT id, email, b, j, n, i::int8 > 0 AS i, d, z, c::text LIKE 'erased-%' AS c FROM bill ORDER BY id;
SELECT count(DISTINCT i::int8), count(DISTINCT c) FROM bill;
SELECT count(*) FROM visit;
SELECT count(*) FROM person;
-- values that are their masks already are left alone
SELECT relation, action, rows FROM gdpr.forget_plan('kanarialintu-eero@example.org');

DROP SCHEMA enctypes_subject CASCADE;
