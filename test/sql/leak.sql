-- Side roads of plaintext: COPY, EXPLAIN, details of errors.
CREATE SCHEMA leak;
SET search_path = leak, public;
SELECT gdpr.create_context('leak_pii', '{}');
CREATE ROLE leak_owner;
CREATE ROLE leak_reader;
CREATE ROLE leak_searcher;
CREATE ROLE leak_nobody;
CREATE ROLE leak_backup;
GRANT USAGE, CREATE ON SCHEMA leak TO PUBLIC;
SELECT gdpr.grant_context('leak_pii', 'leak_owner', 'write');
SELECT gdpr.grant_context('leak_pii', 'leak_reader', 'read');
SELECT gdpr.grant_context('leak_pii', 'leak_reader', 'write');
SELECT gdpr.grant_context('leak_pii', 'leak_searcher', 'search');
SET ROLE leak_owner;
CREATE TABLE t (id int PRIMARY KEY, e enctext('leak_pii') UNIQUE, k encsecret('leak_pii'),
	c text CHECK (c <> 'bad'), n text NOT NULL DEFAULT 'x');
CREATE TABLE child (e enctext('leak_pii') REFERENCES t (e),
	d enctext('leak_pii') UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO t VALUES (1, 'kanarialintu-a', 'kanarialintu-k', 'x'), (2, 'kanarialintu-b', NULL, 'y'), (3, NULL, NULL, 'z');
INSERT INTO child VALUES ('kanarialintu-b', 'kanarialintu-d');
GRANT ALL ON ALL TABLES IN SCHEMA leak TO leak_reader, leak_searcher, leak_nobody, leak_backup;
RESET ROLE;
GRANT SELECT ON gdpr.context_key TO leak_backup; -- what the backup duty has

-- what a row of the output is: plaintext, the stored form with its tag, or without
CREATE FUNCTION form(value text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN value IS NULL THEN 'null'
		WHEN value NOT LIKE 'gdpr:%' THEN 'plain'
		WHEN get_byte(decode(substr(value, 6), 'base64'), 1) & 16 <> 0 THEN 'stored with tag'
		ELSE 'stored' END
$$;
CREATE TABLE seen (who text, id text, e text, k text, c text, n text);
GRANT ALL ON seen TO PUBLIC;

-- COPY relation TO is the stored form for everybody, with tags for those who may have them
CREATE FUNCTION dump(who text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	EXECUTE format('COPY %s TO PROGRAM %L', what, 'cat > gdpr_leak.copy');
	SET LOCAL ROLE NONE;
	CREATE TEMP TABLE copied (id text, e text, k text, c text, n text);
	COPY copied FROM PROGRAM 'cat gdpr_leak.copy; rm gdpr_leak.copy';
	INSERT INTO seen SELECT who, id, form(e), form(k), form(c), form(n) FROM copied;
	DROP TABLE copied;
END $$;
GRANT pg_execute_server_program TO leak_owner, leak_reader, leak_searcher, leak_nobody, leak_backup;
SELECT dump(r, 't') FROM (VALUES (current_user::text), ('leak_owner'), ('leak_backup'), ('leak_searcher'), ('leak_reader'), ('leak_nobody')) v(r);
SELECT CASE WHEN who = current_user THEN 'superuser' ELSE who END AS who, id, e, k FROM seen WHERE id < '3' ORDER BY 1, 2;
TRUNCATE seen;
-- COPY (query) TO is a query's result
SELECT dump(r, '(SELECT * FROM t)') FROM (VALUES (current_user::text), ('leak_owner'), ('leak_searcher'), ('leak_reader'), ('leak_nobody')) v(r);
SELECT CASE WHEN who = current_user THEN 'superuser' ELSE who END AS who, id, e, k FROM seen WHERE id < '2' ORDER BY 1, 2;
TRUNCATE seen;
-- also under row security, where COPY becomes a query
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t USING (id = 1);
SELECT dump('leak_reader', 't');
SELECT who, id, e, k FROM seen;
ALTER TABLE t DISABLE ROW LEVEL SECURITY;
-- and the mode ends with the statement, also with a failing one
SET ROLE leak_reader;
COPY t (id, nothing) TO STDOUT;
SELECT id, e, k FROM t ORDER BY id;
BEGIN;
SAVEPOINT s;
\set VERBOSITY sqlstate
COPY t TO '/nowhere/at/all';
\set VERBOSITY default
ROLLBACK TO s;
SELECT e FROM t WHERE id = 1;
COMMIT;

-- violated constraints: no detail, neither for the client nor for a handler
INSERT INTO t (id, e) VALUES (4, 'kanarialintu-a');
INSERT INTO t (id, e) VALUES (1, 'kanarialintu-q');
INSERT INTO t (id, e, c) VALUES (4, 'kanarialintu-q', 'bad');
INSERT INTO t (id, e, n) VALUES (4, 'kanarialintu-q', NULL);
UPDATE t SET e = 'kanarialintu-b' WHERE id = 1;
DELETE FROM t WHERE id = 2;
INSERT INTO child VALUES ('kanarialintu-nobody');
BEGIN;
INSERT INTO child (d) VALUES ('kanarialintu-d');
COMMIT;
BEGIN;
INSERT INTO child (d) VALUES ('kanarialintu-d');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
CREATE VIEW checked AS SELECT * FROM t WHERE c = 'x' WITH CHECK OPTION;
INSERT INTO checked (id, e, c) VALUES (5, 'kanarialintu-q', 'no');
DO $$
DECLARE detail text; context text;
BEGIN
	INSERT INTO t (id, e) VALUES (4, 'kanarialintu-a');
EXCEPTION WHEN unique_violation THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE 'detail: <%>', detail;
END $$;
RESET ROLE;
CREATE FUNCTION make_duplicate() RETURNS trigger LANGUAGE plpgsql AS
	$$BEGIN INSERT INTO leak.t (id, e) VALUES (9, 'kanarialintu-a'); RETURN NEW; END$$;
CREATE TABLE outer_table (id int);
CREATE TRIGGER t AFTER INSERT ON outer_table FOR EACH ROW EXECUTE FUNCTION make_duplicate();
INSERT INTO outer_table VALUES (1);
CREATE TABLE excluded (e enctext('leak_pii'), EXCLUDE USING hash (e WITH =));
INSERT INTO excluded VALUES ('kanarialintu-a'::text), ('kanarialintu-a'::text);
CREATE TABLE twice (e enctext('leak_pii'));
INSERT INTO twice VALUES ('kanarialintu-a'), ('kanarialintu-a');
CREATE UNIQUE INDEX ON twice (e);
ALTER TABLE twice ADD PRIMARY KEY (e);
ALTER TABLE twice ADD FOREIGN KEY (e) REFERENCES t (e);
UPDATE twice SET e = 'kanarialintu-nobody';
ALTER TABLE twice ADD FOREIGN KEY (e) REFERENCES t (e);
CREATE TABLE plaintwice (e text);
INSERT INTO plaintwice VALUES ('a'), ('a');
CREATE UNIQUE INDEX plaintwice_e ON plaintwice (e);
ALTER TABLE plaintwice ADD PRIMARY KEY (e);
CREATE TABLE plaintype (v int UNIQUE);
INSERT INTO plaintype VALUES (1), (2);
ALTER TABLE plaintype ALTER v TYPE bigint USING 0;
ALTER TABLE plaintype ADD c enctext('leak_pii') DEFAULT 'kanarialintu-a', ADD UNIQUE (c);
CREATE TABLE plainonce (e text UNIQUE);
INSERT INTO plainonce VALUES ('a'), ('a');
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS id, 'kanarialintu-a'::text::enctext('leak_pii') AS e FROM generate_series(1, 0);
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'mv'::regclass AND attname = 'e';
CREATE TABLE source (id int, e enctext('leak_pii'));
INSERT INTO source VALUES (1, 'kanarialintu-a');
CREATE MATERIALIZED VIEW dup AS SELECT * FROM source;
CREATE UNIQUE INDEX ON dup (id);
INSERT INTO source SELECT * FROM source;
REFRESH MATERIALIZED VIEW CONCURRENTLY dup;
REFRESH MATERIALIZED VIEW dup;
CREATE TABLE parted (id int, e enctext('leak_pii')) PARTITION BY LIST (id);
INSERT INTO parted VALUES (1, 'kanarialintu-a');
CREATE TABLE parted2 PARTITION OF parted FOR VALUES IN (2);
INSERT INTO parted2 VALUES (3, 'kanarialintu-a');
INSERT INTO parted VALUES (2, 'kanarialintu-a');
UPDATE parted2 SET id = 3;
CREATE DOMAIN checked_value AS enctext('leak_pii') CHECK (gdpr.enctext_hash(VALUE) IS NULL);
CREATE TABLE of_domain (d checked_value);
INSERT INTO of_domain VALUES ('kanarialintu-a');

-- COPY FROM: the line's number, not the line
COPY t (id, e) FROM STDIN;
4	kanarialintu-x
zz	kanarialintu-y
\.
COPY t (id, e) FROM STDIN;
4	gdpr:AQAA
\.
COPY t (id, e) FROM STDIN;
4	kanarialintu-a
\.
COPY t (id, e) FROM STDIN;
4
\.

-- EXPLAIN shows no constant of ours, whatever its type was; what it runs follows the rule
SET ROLE leak_reader;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE query LOOP
		IF line ~ 'kanarialintu' THEN RETURN NEXT 'plaintext: ' || line; END IF;
		IF line ~ 'gdpr:' THEN RETURN NEXT 'ciphertext'; END IF;
	END LOOP;
END $$;
SELECT plan($$EXPLAIN (VERBOSE) SELECT 'kanarialintu-a'::enctext, e FROM t WHERE e = 'kanarialintu-a'$$);
SELECT plan($$EXPLAIN (VERBOSE) SELECT e FROM t WHERE e = 'kanarialintu-a'::text$$);
SELECT plan($$EXPLAIN (VERBOSE, ANALYZE) SELECT e FROM t WHERE e IN ('kanarialintu-a', 'kanarialintu-b')$$);
SELECT plan($$EXPLAIN (VERBOSE, FORMAT json) SELECT e FROM t WHERE e = ANY ('{kanarialintu-a}'::text[])$$);
SELECT plan($$EXPLAIN (VERBOSE) INSERT INTO t (id, e, k) VALUES (9, 'kanarialintu-a', 'kanarialintu-b')$$);
SELECT plan($$EXPLAIN (VERBOSE) INSERT INTO t (id, e, k) VALUES (9, 'kanarialintu-a'::text, 'kanarialintu-b'::varchar)$$);
SELECT plan($$EXPLAIN (VERBOSE) CREATE TABLE x AS SELECT e FROM t WHERE e = 'kanarialintu-a'$$);
PREPARE p(text) AS SELECT id FROM t WHERE e = $1;
SELECT plan($$EXPLAIN (VERBOSE) EXECUTE p('kanarialintu-a')$$);
CREATE FUNCTION sees(value enctext) RETURNS text LANGUAGE plpgsql AS
	$$BEGIN RAISE NOTICE '%', form(format('%s', value)); RETURN ''; END$$;
DO $$
DECLARE line text;
BEGIN
	FOR line IN EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT sees(e) FROM t WHERE id = 1 LOOP NULL; END LOOP;
END $$;
SELECT e FROM t WHERE id = 1;
EXPLAIN SELECT nothing FROM t;
SELECT e FROM t WHERE id = 1;
RESET ROLE;

DROP OWNED BY leak_reader, leak_searcher, leak_nobody, leak_backup, leak_owner CASCADE;
SET client_min_messages = warning;
DROP SCHEMA leak CASCADE;
DROP ROLE leak_owner, leak_reader, leak_searcher, leak_nobody, leak_backup;
