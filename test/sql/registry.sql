-- Declarations: each verb, its way back, and what it refuses.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA reg;
SET search_path = reg, public;
CREATE ROLE reg_owner;
CREATE ROLE reg_other;
GRANT USAGE ON SCHEMA reg TO reg_owner, reg_other;

CREATE TABLE person (
	id bigint PRIMARY KEY, email text NOT NULL UNIQUE, nick text UNIQUE,
	country text NOT NULL, no integer NOT NULL, born date, UNIQUE (country, no) DEFERRABLE);
CREATE TABLE member (country text, no text, PRIMARY KEY (country, no), extra text);
CREATE TABLE loose (id integer, name text);
CREATE TABLE soft (id integer NOT NULL, UNIQUE (id));
CREATE UNIQUE INDEX soft_part ON loose (id) WHERE id > 0;
CREATE TABLE letter (
	id integer PRIMARY KEY, to_email varchar(80) NOT NULL, cc_email text, person_no integer,
	sent_on date, kind text NOT NULL, weight numeric);
CREATE VIEW people AS SELECT * FROM person;
CREATE TEMP TABLE passing (id integer PRIMARY KEY);

-- subjects: the primary key unless another unique key is named
SELECT gdpr.declare_subject('reg_person', 'person');
SELECT gdpr.declare_subject('reg_person', 'person', '{email}');
SELECT gdpr.declare_subject(kind => 'reg_member', relation => 'member');
SELECT gdpr.declare_subject('reg_soft', 'soft', '{id}');
SELECT kind, relation, key FROM gdpr.subject WHERE kind LIKE 'reg%' ORDER BY kind;
SELECT kind, relation, depth, path, belongs, on_forget, on_export, origin, index, warning
	FROM gdpr.data_map('reg_member');
SELECT gdpr.undeclare_subject('reg_member');
SELECT gdpr.undeclare_subject('reg_member');
SELECT * FROM gdpr.data_map('reg_member');
SELECT gdpr.map_hash('reg_member');
SELECT gdpr.approve_map('reg_member');

-- refused: no key, a key that may be null or is checked late, a partial index,
-- columns that are no key, what is no table of one's own
SELECT gdpr.declare_subject('reg_x', 'loose');
SELECT gdpr.declare_subject('reg_x', 'loose', '{id}');
SELECT gdpr.declare_subject('reg_x', 'person', '{nick}');
SELECT gdpr.declare_subject('reg_x', 'person', '{country,no}');
SELECT gdpr.declare_subject('reg_x', 'person', '{id,email}');
SELECT gdpr.declare_subject('reg_x', 'member', '{no,no}');
SELECT gdpr.declare_subject('reg_x', 'person', '{nothing}');
SELECT gdpr.declare_subject('reg_x', 'person', '{NULL}');
SELECT gdpr.declare_subject('reg_x', 'person', '{}');
SELECT gdpr.declare_subject('reg_x', 'people');
SELECT gdpr.declare_subject('reg_x', 'passing');
SELECT gdpr.declare_subject('reg_x', 'pg_class');
SELECT gdpr.declare_subject('reg_x', 'gdpr.subject');
SELECT gdpr.declare_subject('reg_x', 0);
SELECT gdpr.declare_subject('', 'person');
SELECT gdpr.declare_subject('a:b', 'person');
SELECT gdpr.declare_subject(NULL, 'person');
SELECT gdpr.declare_subject('reg_x', NULL);
SELECT gdpr.declare_subject('reg_x', 'person', options => NULL);
SELECT gdpr.declare_subject('reg_x', 'person', options => '{"anything": true}');
SELECT gdpr.declare_subject('reg_x', 'person', options => '[]');
SELECT count(*) FROM gdpr.subject WHERE kind = 'reg_x';

-- a root with partitions is one, a partition or an inheritance parent is none
CREATE TABLE parted (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
CREATE TABLE elder (id integer PRIMARY KEY);
CREATE TABLE younger (PRIMARY KEY (id)) INHERITS (elder);
SELECT gdpr.declare_subject('reg_parted', 'parted');
SELECT gdpr.declare_subject('reg_x', 'parted_1');
SELECT gdpr.declare_subject('reg_x', 'elder');
SELECT gdpr.declare_subject('reg_x', 'younger');

-- links: by text, across types that compare, across a composite key in any order
SELECT gdpr.declare_link('letter', '{to_email}', 'person', '{email}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'refers', 'unlink', 'skip');
SELECT gdpr.declare_link('letter', '{kind,cc_email}', 'member', '{no,country}');
SELECT gdpr.declare_link('letter', '{cc_email,kind}', 'member', '{country,no}', 'owned', 'anonymise');
SELECT child, child_columns, parent, parent_columns, belongs, on_forget, on_export
	FROM gdpr.link WHERE child = 'letter'::regclass ORDER BY child_columns;
SELECT depth, path, belongs, on_forget, on_export, origin, index, warning
	FROM gdpr.data_map('reg_person');
SELECT gdpr.undeclare_link('letter', '{kind,cc_email}', 'member', '{no,country}');
SELECT gdpr.undeclare_link('letter', '{kind,cc_email}', 'member', '{no,country}');
SELECT gdpr.declare_link('letter', '{cc_email}', 'person', '{email}', 'none');
SELECT belongs, on_forget, on_export FROM gdpr.link
	WHERE child = 'letter'::regclass AND child_columns = '{cc_email}';

-- links that are refused
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{email}');
SELECT gdpr.declare_link('letter', '{sent_on}', 'person', '{id}');
SELECT gdpr.declare_link('letter', '{nothing}', 'person', '{id}');
SELECT gdpr.declare_link('letter', '{ctid}', 'person', '{id}');
SELECT gdpr.declare_link('letter', '{}', 'person', '{}');
SELECT gdpr.declare_link('letter', '{person_no,kind}', 'person', '{id}');
SELECT gdpr.declare_link('letter', NULL, 'person', '{id}');
SELECT gdpr.declare_link('letter', '{person_no}', 'people', '{id}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'mine');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', on_forget => 'review');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', on_forget => 'none');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', on_export => 'redact');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'refers');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owns', 'unlink');
SELECT gdpr.declare_link('letter', '{to_email}', 'person', '{email}', 'refers', 'unlink');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', options => '{"then": "anonymise"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', options => '{"redact": ["kind"]}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', options => '{"law": 7}');

-- keeping needs ground, law, period, and where it counts from
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', o::jsonb)
FROM (VALUES ('{}'),
	('{"ground": "17(3)(b)", "law": "L", "keep": "7 years"}'),
	('{"ground": "17(3)(b)", "keep": "7 years", "keep_from": "row", "keep_since": "sent_on"}')) v(o);
\set keep '{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "7 years", "keep_from": "calendar_year_end", "keep_since": "sent_on"}'
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"ground": "17(1)"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"law": ""}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep": "seven"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep": "-7 years"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep": "0"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep_from": "year"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep_since": "kind"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb || '{"keep_since": "nothing"}');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb - 'keep_since');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'delete', 'full', :'keep');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'none', 'keep', 'full', :'keep');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full', :'keep');
SELECT ground, law, keep = '7 years' AS keep, keep_from, keep_since FROM gdpr.link WHERE on_forget = 'keep' AND child = 'letter'::regclass;
-- lines take the date of their letter, which must be kept itself
CREATE TABLE page (letter integer NOT NULL REFERENCES letter, no integer);
SELECT gdpr.declare_link('page', '{letter}', 'letter', '{id}', 'owned', 'keep', 'full', :'keep'::jsonb - 'keep_since');
SELECT path, on_forget FROM gdpr.data_map('reg_person') WHERE on_forget = 'keep';
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'delete');
SELECT path, on_forget FROM gdpr.data_map('reg_person') WHERE relation = 'page'::regclass;

-- predicates are one condition, and are stored as PostgreSQL understood them
CREATE FUNCTION mine(text) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN true;
ALTER FUNCTION mine(text) OWNER TO reg_owner;
CREATE DOMAIN word AS text;
CREATE FUNCTION declare_if(predicate text) RETURNS void LANGUAGE sql
RETURN gdpr.declare_link('letter', '{person_no}', 'person', '{id}', options => jsonb_build_object('predicate', predicate));
SELECT declare_if($$kind = 'kanarialintu-a' and weight > 1 -- or nothing$$);
SELECT predicate FROM gdpr.link WHERE predicate IS NOT NULL AND child = 'letter'::regclass;
SELECT declare_if($$c.kind ~ '^a' AND (c.sent_on, c.id) > ('2020-01-01', 3)$$);
SELECT predicate FROM gdpr.link WHERE predicate IS NOT NULL AND child = 'letter'::regclass;
SELECT declare_if('true) OR (true');
SELECT declare_if('true LIMIT 1');
SELECT declare_if('true GROUP BY id');
SELECT declare_if('true; DROP TABLE letter');
SELECT declare_if('true, true');
SELECT declare_if('true /*');
SELECT declare_if('');
SELECT declare_if('kind');
SELECT declare_if($$weight = 'kanarialintu-b'$$);
SELECT declare_if('nothing = 1');
SELECT declare_if('count(*) > 1');
SELECT declare_if('id = $1');
SELECT declare_if('EXISTS (SELECT 1 FROM reg.person)');
SELECT declare_if('random() > 0.5');
SELECT declare_if('reg.mine(kind)');
SELECT declare_if($$kind = 'a'::reg.word::text$$);
SELECT declare_if('kind::reg.word IS NOT NULL');
DROP FUNCTION declare_if;

-- columns
SELECT gdpr.declare_column('person', 'email', 'email', 'pseudonym', '{"origin": "provided"}');
SELECT gdpr.declare_column('person', 'nick', 'username', 'null', '{"on_forget": "keep", "ground": "17(3)(b)", "label": "nickname"}');
SELECT gdpr.declare_column('person', 'born', 'birth_date');
SELECT column_name, category, mask, on_forget, ground, origin, label
	FROM gdpr.personal_column WHERE relation = 'person'::regclass ORDER BY column_name;
SELECT gdpr.declare_column('person', 'born', 'other', 'null');
SELECT category FROM gdpr.personal_column WHERE relation = 'person'::regclass AND column_name = 'born';
SELECT gdpr.undeclare_column('person', 'born');
SELECT gdpr.undeclare_column('person', 'born');
SELECT gdpr.declare_column('person', 'nothing', 'other');
SELECT gdpr.declare_column('person', 'nick', 'shoe_size');
SELECT gdpr.declare_column('person', 'nick', NULL);
SELECT gdpr.undeclare_column('person', NULL);
SELECT gdpr.undeclare_link('letter', NULL, 'person', NULL);
SELECT gdpr.undeclare_subject(NULL);
SELECT gdpr.map_hash(NULL);
SELECT gdpr.declare_column('person', 'nick', 'other', 'sha256');
SELECT gdpr.declare_column('person', 'email', 'email', 'null');
SELECT gdpr.declare_column('person', 'nick', 'other', options => '{"on_forget": "delete"}');
SELECT gdpr.declare_column('person', 'nick', 'other', options => '{"origin": "bought"}');
SELECT gdpr.declare_column('person', 'nick', 'other', options => '{"masks": "null"}');
SELECT gdpr.declare_column('people', 'nick', 'other');
-- the hint of an unknown category lists the known ones
\set VERBOSITY default
SELECT gdpr.declare_column('person', 'nick', 'shoe_size');
\set VERBOSITY sqlstate
SELECT name, parent, sensitivity FROM gdpr.category ORDER BY name;

-- encrypted columns: within one tag domain, and not with plaintext
SELECT gdpr.create_context('reg_a'), gdpr.create_context('reg_b', options => '{"tag_domain": "reg_a"}'), gdpr.create_context('reg_c');
CREATE TABLE sealed (id integer PRIMARY KEY, email enctext('reg_a') NOT NULL UNIQUE);
CREATE TABLE sealed_mail (a enctext('reg_a'), b enctext('reg_b'), c enctext('reg_c'), t text, s encsecret('reg_a'));
SELECT gdpr.declare_subject('reg_sealed', 'sealed', '{email}');
SELECT gdpr.declare_link('sealed_mail', '{a}', 'sealed', '{email}');
SELECT gdpr.declare_link('sealed_mail', '{b}', 'sealed', '{email}', 'refers', 'unlink');
SELECT gdpr.declare_link('sealed_mail', '{c}', 'sealed', '{email}');
SELECT gdpr.declare_link('sealed_mail', '{t}', 'sealed', '{email}');
SELECT gdpr.declare_link('sealed_mail', '{s}', 'sealed', '{email}');
SELECT gdpr.declare_link('sealed_mail', '{a}', 'sealed', '{email}', options => $${"predicate": "a = 'kanarialintu-c'"}$$);
SELECT gdpr.declare_link('sealed_mail', '{a}', 'sealed', '{email}', options => $${"predicate": "t = 'kanarialintu-d'"}$$);
SELECT path, belongs, on_forget FROM gdpr.data_map('reg_sealed');

-- every verb asks who owns the relation
ALTER TABLE letter OWNER TO reg_owner;
ALTER TABLE loose OWNER TO reg_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gdpr TO reg_owner;
SET ROLE reg_owner;
SELECT gdpr.declare_subject('reg_mine', 'letter');
SELECT gdpr.declare_subject('reg_x', 'person');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}');
SELECT gdpr.declare_link('loose', '{id}', 'letter', '{id}');
SELECT gdpr.declare_link('letter', '{person_no}', 'loose', '{id}', 'owns');
SELECT gdpr.declare_column('letter', 'cc_email', 'email');
SELECT gdpr.declare_column('person', 'nick', 'other');
SELECT gdpr.undeclare_column('person', 'nick');
SELECT gdpr.undeclare_subject('reg_person');
SELECT gdpr.approve_map('reg_person');
SELECT gdpr.undeclare_link('loose', '{id}', 'letter', '{id}');
SELECT gdpr.undeclare_subject('reg_mine');
-- and writes our tables for him, who may not
INSERT INTO gdpr.subject VALUES ('reg_y', 'letter', '{id}');
RESET ROLE;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA gdpr FROM reg_owner;
SET ROLE reg_owner;
SELECT gdpr.declare_subject('reg_mine', 'letter');
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}');
SELECT gdpr.declare_column('letter', 'cc_email', 'email');
SELECT gdpr.data_map('reg_person');
SELECT gdpr.approve_map('reg_person');
RESET ROLE;

-- declarations follow renamed and dropped objects
SELECT gdpr.declare_link('letter', '{person_no}', 'person', '{id}', 'owned', 'keep', 'full',
	:'keep'::jsonb || '{"predicate": "kind = ''a''"}');
ALTER TABLE person RENAME id TO person_id;
ALTER TABLE person RENAME email TO mail;
ALTER TABLE letter RENAME person_no TO person_id;
ALTER TABLE letter RENAME sent_on TO sent;
ALTER TABLE letter RENAME TO post;
SET client_min_messages = warning;
ALTER TABLE post RENAME kind TO sort;
SELECT child, child_columns, parent, parent_columns, keep_since FROM gdpr.link
	WHERE parent = 'person'::regclass ORDER BY child_columns;
SELECT key FROM gdpr.subject WHERE kind = 'reg_person';
SELECT relation, column_name FROM gdpr.personal_column
	WHERE relation IN ('person'::regclass, 'post'::regclass) ORDER BY 1, 2;
ALTER TABLE post DROP COLUMN person_id;
ALTER TABLE person DROP COLUMN nick CASCADE;
SELECT child, child_columns FROM gdpr.link WHERE parent = 'person'::regclass ORDER BY child_columns;
SELECT column_name FROM gdpr.personal_column WHERE relation = 'person'::regclass;
DROP TABLE page, post;
SELECT count(*) FROM gdpr.link WHERE parent = 'person'::regclass;
SELECT gdpr.approve_map('reg_person') IS NOT NULL;
ALTER TABLE person DROP COLUMN mail CASCADE;
SELECT count(*) FROM gdpr.subject WHERE kind = 'reg_person';
SELECT count(*) FROM gdpr.approval WHERE kind = 'reg_person';
-- a renamed column is renamed in partitions too
ALTER TABLE parted ADD COLUMN name text;
SELECT gdpr.declare_column('parted_1', 'name', 'name');
ALTER TABLE parted RENAME name TO full_name;
SELECT relation, column_name FROM gdpr.personal_column WHERE relation = 'parted_1'::regclass;

-- a declared link whose types no longer compare refuses the map
CREATE TABLE a (id integer PRIMARY KEY);
CREATE TABLE b (a_id integer);
SELECT gdpr.declare_subject('reg_a', 'a');
SELECT gdpr.declare_link('b', '{a_id}', 'a', '{id}');
ALTER TABLE b ALTER a_id TYPE date USING NULL;
SELECT path FROM gdpr.data_map('reg_a');
SELECT gdpr.undeclare_link('b', '{a_id}', 'a', '{id}');
SELECT path FROM gdpr.data_map('reg_a');

DROP SCHEMA reg CASCADE;
DROP ROLE reg_owner;
DROP ROLE reg_other;
SELECT count(*) FROM gdpr.subject WHERE kind LIKE 'reg%';
