-- \set persons and noop, set by the caller: five values of 25 bytes for each person; and five times as many with one.
CREATE EXTENSION IF NOT EXISTS gdpr_ext;
SELECT gdpr.create_context('pii', '{}');
SELECT gdpr.grant_context('pii', current_user, 'read');
SELECT gdpr.grant_context('pii', current_user, 'write');

CREATE UNLOGGED TABLE bench.source AS
SELECT i AS id, 'user' || lpad(i::text, 9, '0') || '@example.org' AS v FROM generate_series(1, :persons * 5) i;
CREATE UNLOGGED TABLE bench.five AS SELECT * FROM bench.source WHERE id <= :persons;
VACUUM ANALYZE bench.source, bench.five;

CREATE TABLE bench.person (id int PRIMARY KEY);
SELECT gdpr.declare_subject('person', 'bench.person');
CREATE TABLE bench.plain (person int, a text, b text, c text, d text, e text);
CREATE TABLE bench.storage (person int, a bytea, b bytea, c bytea, d bytea, e bytea);
CREATE TABLE bench.context (person int, a encsecret('pii'), b encsecret('pii'), c encsecret('pii'), d enctext('pii'), e enctext('pii'));
CREATE TABLE bench.keyed (LIKE bench.context);
CREATE TABLE bench.shuffled (LIKE bench.context);
CREATE TABLE bench.one_plain (person int, a text);
CREATE TABLE bench.one_storage (person int, a bytea);
CREATE TABLE bench.one_context (person int, a encsecret('pii'));
CREATE TABLE bench.one_keyed (person int, a encsecret('pii'));
SELECT gdpr.declare_link(t, '{person}', 'bench.person', '{id}', on_forget => 'delete'),
	   gdpr.protect(t, '{"subject_keys": true}')
FROM unnest('{bench.keyed, bench.shuffled, bench.one_keyed}'::regclass[]) t;
-- What the log of changes costs is audit.sh's to say.  Sessions to come see this.
UPDATE pg_trigger SET tgenabled = 'D'
WHERE tgname = 'gdpr_audit' AND tgrelid IN ('bench.keyed'::regclass, 'bench.shuffled'::regclass, 'bench.one_keyed'::regclass);
CREATE FUNCTION bench.noop(text) RETURNS bytea LANGUAGE C STRICT STABLE PARALLEL SAFE AS :'noop', 'noop';
CREATE FUNCTION bench.noop_back(bytea) RETURNS text LANGUAGE C STRICT STABLE PARALLEL SAFE AS :'noop', 'noop_back';
