-- gdpr_forget and gdpr.forget_plan: what happens to each row, on the shapes
-- that real schemas have.  Every certificate is compared with its dry run.
SET client_min_messages = warning;
\set VERBOSITY sqlstate
CREATE SCHEMA rf;
SET search_path = rf, public;

-- The certificate as a table; the dry run has to say the same.
CREATE FUNCTION forget(subject text, kind name) RETURNS TABLE (relation text, deleted int, anonymised int,
	unlinked int, kept int, ground text, until date, as_dry_run boolean) LANGUAGE plpgsql AS $$
DECLARE
	dry json := gdpr_forget(subject, kind, dry_run => true);
	cert json := gdpr_forget(subject, kind);
BEGIN
	RETURN QUERY SELECT r.*, (dry->'relations')::text = (cert->'relations')::text
		AND dry->>'plan_hash' = cert->>'plan_hash' AND dry->>'changed' = cert->>'changed'
	FROM json_to_recordset(cert->'relations')
		AS r(relation text, deleted int, anonymised int, unlinked int, kept int, ground text, until date);
END $$;
CREATE FUNCTION counts(subject text, kind name) RETURNS TABLE (relation text, rows int) LANGUAGE sql AS $$
	SELECT key, json_array_length(value) FROM json_each(gdpr_export(subject, kind)->'data')
$$;
CREATE FUNCTION lines(subject text, kind name) RETURNS TABLE (relation regclass, action text, rows bigint,
	reason text, index text, blocker text) LANGUAGE sql AS $$
	SELECT * FROM gdpr.forget_plan(subject, kind) ORDER BY relation::text, action, reason
$$;

-- 1. A cycle and self-references, with keys that are checked at once.
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, referred_by int REFERENCES person, home int);
CREATE TABLE place (id int PRIMARY KEY, person_id int NOT NULL REFERENCES person, street text NOT NULL);
ALTER TABLE person ADD FOREIGN KEY (home) REFERENCES place ON DELETE RESTRICT;
CREATE TABLE note (id int PRIMARY KEY, person_id int NOT NULL REFERENCES person, parent int REFERENCES note, body text);
CREATE INDEX ON place (person_id);
CREATE INDEX ON note (person_id);
INSERT INTO person VALUES (1, 'kanarialintu-anna', NULL, NULL), (2, 'kanarialintu-bo', 1, NULL), (3, 'kanarialintu-cai', 2, NULL);
INSERT INTO place VALUES (1, 1, 'kanarialintu-street'), (2, 2, 'kanarialintu-road');
UPDATE person SET home = id WHERE id < 3;
INSERT INTO note VALUES (1, 1, NULL, 'a'), (2, 1, 1, 'b'), (3, 2, NULL, 'c'), (4, 2, 2, 'answer to her');
SELECT gdpr.declare_subject('rf_person', 'person') > 0 AS declared;
SELECT gdpr_forget('1', 'rf_person');	-- not approved
SELECT gdpr_forget('1', 'rf_person', dry_run => true)->>'dry_run' AS dry_run;
SELECT gdpr.declare_link('person', '{referred_by}', 'person', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('person', '{home}', 'place', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.declare_link('note', '{parent}', 'note', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
SELECT gdpr.approve_map('rf_person') IS NOT NULL AS approved;
SELECT * FROM lines('1', 'rf_person');
SELECT * FROM counts('1', 'rf_person');
SELECT * FROM forget('1', 'rf_person');
SELECT * FROM person ORDER BY id;
SELECT * FROM place ORDER BY id;
SELECT * FROM note ORDER BY id;
SELECT gdpr_export('1', 'rf_person');
SELECT gdpr_forget('1', 'rf_person');
SELECT gdpr_export('no number', 'rf_person');
SELECT gdpr_export('99999999999999999999', 'rf_person');
-- A person who comes back under the same key is a new person.
INSERT INTO person VALUES (1, 'kanarialintu-again', NULL, NULL);
SELECT json_array_length(gdpr_export('1', 'rf_person')->'data'->'rf.person') AS again;
SELECT * FROM forget('1', 'rf_person');
SELECT count(*) AS erasures, count(DISTINCT pseudonym) AS persons FROM gdpr.erasure WHERE kind = 'rf_person';
-- "042" and "42" are one person.
INSERT INTO person VALUES (42, 'kanarialintu-x', NULL, NULL);
SELECT gdpr_export('042', 'rf_person')->'subject' AS subject;
SELECT gdpr_forget(' 042 ', 'rf_person', dry_run => true)->>'pseudonym' = gdpr_forget('42', 'rf_person', dry_run => true)->>'pseudonym' AS one_person;

-- 2. A composite key that is not the primary key, and a reference to it.
CREATE TABLE member (row_id int PRIMARY KEY, country text NOT NULL, no int NOT NULL, name text, UNIQUE (country, no));
CREATE TABLE fee (country text NOT NULL, no int NOT NULL, year int, paid bool,
	FOREIGN KEY (country, no) REFERENCES member (country, no));
INSERT INTO member VALUES (1, 'FI', 1007, 'kanarialintu-m1'), (2, 'SE', 1007, 'kanarialintu-m2');
INSERT INTO fee VALUES ('FI', 1007, 2024, true), ('FI', 1007, 2025, false), ('SE', 1007, 2025, false);
SELECT gdpr.declare_subject('rf_member', 'member', '{country,no}') > 0 AS declared;
SELECT gdpr.declare_link('fee', '{country,no}', 'member', '{country,no}');
SELECT gdpr.approve_map('rf_member') IS NOT NULL AS approved;
SELECT gdpr_export('["FI","01007"]', 'rf_member')->'data' AS data;
SELECT gdpr_export('["FI", "1007"]', 'rf_member')->'subject'->>'key' AS key;
SELECT gdpr_export('["FI"]', 'rf_member');
SELECT gdpr_export('["FI",1007]', 'rf_member');
SELECT gdpr_export('FI', 'rf_member');
SELECT * FROM forget('["FI","1007"]', 'rf_member');
SELECT * FROM member;
SELECT * FROM fee;

-- 3. Keeping: what a kept row refers to stays, reduced.
CREATE TABLE buyer (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, phone text, born date NOT NULL, site int);
CREATE TABLE site (id int PRIMARY KEY, street text NOT NULL, door_code text);
ALTER TABLE buyer ADD FOREIGN KEY (site) REFERENCES site;
CREATE TABLE orders (id int PRIMARY KEY, buyer int NOT NULL REFERENCES buyer, comment text);
CREATE TABLE invoice (id int PRIMARY KEY, orders int NOT NULL REFERENCES orders ON DELETE CASCADE, dated date NOT NULL);
CREATE TABLE line (invoice int NOT NULL REFERENCES invoice ON DELETE CASCADE, no int, text text, PRIMARY KEY (invoice, no));
CREATE TABLE visit (buyer int NOT NULL, page text);	-- no key of its own, no foreign key
CREATE INDEX ON orders (buyer);
CREATE INDEX ON invoice (orders);
INSERT INTO site VALUES (1, 'kanarialintu-street 1', 'kanarialintu-4711'), (2, 'kanarialintu-street 2', NULL);
INSERT INTO buyer VALUES (1, 'kanarialintu-anna', 'kanarialintu-a@example.org', '1', '2000-01-01', 1),
	(2, 'kanarialintu-bo', 'kanarialintu-b@example.org', '2', '2000-01-01', 2);
INSERT INTO orders VALUES (10, 1, 'invoiced'), (11, 1, 'not invoiced'), (20, 2, 'invoiced');
INSERT INTO invoice VALUES (100, 10, '2020-02-29'), (101, 10, '2021-07-01'), (200, 20, '2021-07-01');
INSERT INTO line VALUES (100, 1, 'a'), (100, 2, 'b'), (101, 1, 'c'), (200, 1, 'd');
INSERT INTO visit VALUES (1, 'a'), (1, 'b'), (2, 'c');
SELECT gdpr.declare_subject('rf_buyer', 'buyer') > 0 AS declared;
SELECT gdpr.declare_link('buyer', '{site}', 'site', '{id}', belongs => 'owns');
SELECT gdpr.declare_link('orders', '{buyer}', 'buyer', '{id}');
SELECT gdpr.declare_link('visit', '{buyer}', 'buyer', '{id}');
SELECT gdpr.declare_link('invoice', '{orders}', 'orders', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "107 years", "keep_from": "calendar_year_end", "keep_since": "dated"}');
SELECT gdpr.declare_link('line', '{invoice}', 'invoice', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "107 years", "keep_from": "calendar_year_end"}');
SELECT gdpr.declare_column('buyer', 'name', 'name', options => '{"on_forget": "keep", "ground": "17(3)(b)"}');
SELECT gdpr.declare_column('buyer', 'email', 'email', 'pseudonym');
SELECT gdpr.declare_column('buyer', 'phone', 'phone');
SELECT gdpr.declare_column('orders', 'comment', 'free_text', 'constant:erased');
SELECT gdpr.declare_column('site', 'door_code', 'other', 'null');
SELECT gdpr.approve_map('rf_buyer') IS NOT NULL AS approved;
-- born is personal and NOT NULL, and has no mask
SELECT gdpr.declare_column('buyer', 'born', 'birth_date');
SELECT gdpr.approve_map('rf_buyer') IS NOT NULL AS approved;
SELECT relation, action, rows, blocker FROM lines('1', 'rf_buyer') WHERE blocker IS NOT NULL;
SELECT gdpr_forget('1', 'rf_buyer');
SELECT gdpr.declare_column('buyer', 'born', 'birth_date', 'constant:1900-01-01');
SELECT gdpr.approve_map('rf_buyer') IS NOT NULL AS approved;
SELECT * FROM lines('1', 'rf_buyer');
SELECT * FROM forget('1', 'rf_buyer');
SELECT id, name, email ~ '^erased-[0-9a-f]{32}$' AS pseudonym, phone, born, site FROM buyer ORDER BY id;
SELECT * FROM site ORDER BY id;
SELECT * FROM orders ORDER BY id;
SELECT count(*) FILTER (WHERE orders = 10) AS hers, count(*) AS all FROM invoice;
SELECT count(*) FROM line;
SELECT * FROM visit;
SELECT * FROM counts('1', 'rf_buyer');
-- A second forget changes nothing, and says so.
CREATE TEMP TABLE before AS SELECT 'buyer' AS r, xmin::text AS x FROM buyer UNION ALL SELECT 'orders', xmin::text FROM orders
	UNION ALL SELECT 'site', xmin::text FROM site;
SELECT gdpr_forget('1', 'rf_buyer')->>'changed' AS changed;
SELECT * FROM forget('1', 'rf_buyer');
SELECT count(*) AS rewritten FROM (TABLE before EXCEPT (SELECT 'buyer' AS r, xmin::text AS x FROM buyer UNION ALL SELECT 'orders', xmin::text
	FROM orders UNION ALL SELECT 'site', xmin::text FROM site)) x;
SELECT count(*) AS erasures FROM gdpr.erasure WHERE kind = 'rf_buyer';
-- When she writes something new into the reduced row, that goes again.
UPDATE buyer SET phone = 'kanarialintu-phone' WHERE id = 1;
SELECT * FROM forget('1', 'rf_buyer');
SELECT phone FROM buyer WHERE id = 1;
SELECT count(*) AS erasures FROM gdpr.erasure WHERE kind = 'rf_buyer';

-- The other ends of periods.
SELECT gdpr.declare_link('invoice', '{orders}', 'orders', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "106 years", "keep_from": "fiscal_year_end", "keep_since": "dated"}');
SELECT gdpr.approve_map('rf_buyer') IS NOT NULL AS approved;
SET gdpr.fiscal_year_end = '06-30';
SELECT relation, until FROM json_to_recordset(gdpr_forget('1', 'rf_buyer', dry_run => true)->'relations') AS r(relation text, until date);
RESET gdpr.fiscal_year_end;
SELECT gdpr.declare_link('invoice', '{orders}', 'orders', '{id}', on_forget => 'keep', options =>
	'{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "1218 months", "keep_from": "row", "keep_since": "dated"}');
SELECT gdpr.approve_map('rf_buyer') IS NOT NULL AS approved;
SELECT relation, until FROM json_to_recordset(gdpr_forget('1', 'rf_buyer', dry_run => true)->'relations') AS r(relation text, until date);

-- 4. A parent that two persons share stays, unaltered; the last one takes it along.
CREATE TABLE flat (id int PRIMARY KEY, street text);
CREATE TABLE tenant (id int PRIMARY KEY, name text, flat int REFERENCES flat);
CREATE TABLE meter (id int PRIMARY KEY, flat int NOT NULL REFERENCES flat, reading int);
INSERT INTO flat VALUES (1, 'kanarialintu-shared'), (2, 'kanarialintu-alone');
INSERT INTO tenant VALUES (1, 'kanarialintu-t1', 1), (2, 'kanarialintu-t2', 1), (3, 'kanarialintu-t3', 2);
INSERT INTO meter VALUES (1, 1, 10), (2, 2, 20);
SELECT gdpr.declare_subject('rf_tenant', 'tenant') > 0 AS declared;
SELECT gdpr.declare_link('tenant', '{flat}', 'flat', '{id}', belongs => 'owns');
SELECT gdpr.declare_link('meter', '{flat}', 'flat', '{id}');
SELECT gdpr.approve_map('rf_tenant') IS NOT NULL AS approved;
SELECT * FROM counts('1', 'rf_tenant');
SELECT * FROM lines('1', 'rf_tenant');
SELECT * FROM forget('1', 'rf_tenant');
SELECT * FROM counts('2', 'rf_tenant');
SELECT * FROM forget('2', 'rf_tenant');
SELECT * FROM flat;
SELECT * FROM tenant;
SELECT * FROM meter;

-- 5. One row, two links: the stronger action wins; nullable references are taken off.
CREATE TABLE party (id int PRIMARY KEY, name text);
CREATE TABLE deal (id int PRIMARY KEY, seller int REFERENCES party, buyer int REFERENCES party, price int);
INSERT INTO party VALUES (1, 'kanarialintu-p1'), (2, 'kanarialintu-p2');
INSERT INTO deal VALUES (1, 1, 2, 10), (2, 2, 1, 20), (3, 1, 1, 30), (4, 2, 2, 40), (5, 1, NULL, 50);
SELECT gdpr.declare_subject('rf_party', 'party') > 0 AS declared;
SELECT gdpr.declare_link('deal', '{seller}', 'party', '{id}', on_forget => 'delete');
SELECT gdpr.declare_link('deal', '{buyer}', 'party', '{id}', belongs => 'refers', on_forget => 'unlink');
SELECT gdpr.approve_map('rf_party') IS NOT NULL AS approved;
SELECT * FROM counts('1', 'rf_party');
SELECT * FROM forget('1', 'rf_party');
SELECT * FROM deal ORDER BY id;

-- 6. Partitions, one without the foreign key; a reference by text; inheritance.
CREATE TABLE client (id int PRIMARY KEY, email text UNIQUE);
CREATE TABLE event (client int NOT NULL, at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_2 (what text, at date NOT NULL, dropped int, client int NOT NULL REFERENCES client);
ALTER TABLE event_2 DROP COLUMN dropped;
ALTER TABLE event ATTACH PARTITION event_2 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE newsletter (email text NOT NULL, topic text);
CREATE TABLE doc (id int PRIMARY KEY, client int REFERENCES client, title text);
CREATE TABLE letter (pages int) INHERITS (doc);
INSERT INTO client VALUES (1, 'kanarialintu-1@example.org'), (2, 'kanarialintu-2@example.org');
INSERT INTO event VALUES (1, '2024-05-05', 'a'), (1, '2025-05-05', 'b'), (2, '2024-05-05', 'c'), (2, '2025-05-05', 'd');
INSERT INTO newsletter VALUES ('kanarialintu-1@example.org', 'birds'), ('kanarialintu-2@example.org', 'birds');
INSERT INTO doc VALUES (1, 1, 'doc'), (2, 2, 'doc');
INSERT INTO letter VALUES (3, 1, 'letter', 4), (4, 2, 'letter', 5);
SELECT gdpr.declare_subject('rf_client', 'client') > 0 AS declared;
SELECT gdpr.declare_link('event', '{client}', 'client', '{id}');
SELECT gdpr.declare_link('newsletter', '{email}', 'client', '{email}');
SELECT gdpr.declare_link('doc', '{client}', 'client', '{id}');
SELECT gdpr.approve_map('rf_client') IS NOT NULL AS approved;
SELECT gdpr_export('1', 'rf_client')->'data' AS data;
SELECT relation, action, rows FROM lines('1', 'rf_client');
SELECT * FROM forget('1', 'rf_client');
SELECT * FROM event ORDER BY at;
SELECT * FROM newsletter;
SELECT tableoid::regclass, * FROM doc ORDER BY id;

-- 7. A table without a primary key, with rows that are equal; a predicate.
CREATE TABLE guest (id int PRIMARY KEY);
CREATE TABLE door (guest int REFERENCES guest, at text);
CREATE TABLE thing (owner_type text, owner_id int, what text);
INSERT INTO guest VALUES (1), (2);
INSERT INTO door VALUES (1, 'in'), (1, 'in'), (2, 'in');
INSERT INTO thing VALUES ('guest', 1, 'hat'), ('hotel', 1, 'bed');
SELECT gdpr.declare_subject('rf_guest', 'guest') > 0 AS declared;
SELECT gdpr.declare_link('door', '{guest}', 'guest', '{id}');
SELECT gdpr.declare_link('thing', '{owner_id}', 'guest', '{id}', options => '{"predicate": "owner_type = ''guest''"}');
SELECT gdpr.approve_map('rf_guest') IS NOT NULL AS approved;
SELECT * FROM counts('1', 'rf_guest');
SELECT * FROM forget('1', 'rf_guest');
SELECT * FROM door;
SELECT * FROM thing;

-- 8. The kind may be left out while the key says it.
CREATE TABLE twin_a (id text PRIMARY KEY);
CREATE TABLE twin_b (id text PRIMARY KEY);
INSERT INTO twin_a VALUES ('kanarialintu-twin'), ('kanarialintu-only');
INSERT INTO twin_b VALUES ('kanarialintu-twin');
SELECT gdpr.declare_subject('rf_twin_a', 'twin_a') IS NOT NULL AS declared;
SELECT gdpr.declare_subject('rf_twin_b', 'twin_b') IS NOT NULL AS declared;
SELECT gdpr_export('kanarialintu-only')->'subject'->>'kind' AS kind;
SELECT gdpr_export('kanarialintu-twin');
SELECT gdpr_export('kanarialintu-nobody');
SELECT gdpr_export('kanarialintu-twin', 'no such kind');

-- 9. The plan that was seen, and no other.
SELECT gdpr_forget('2', 'rf_client', dry_run => true)->>'plan_hash' AS seen \gset
INSERT INTO newsletter VALUES ('kanarialintu-2@example.org', 'more');
SELECT gdpr_forget('2', 'rf_client', options => json_build_object('plan_hash', :'seen')::jsonb);
SELECT gdpr_forget('2', 'rf_client', dry_run => true)->>'plan_hash' AS seen \gset
SELECT gdpr_forget('2', 'rf_client', options => json_build_object('plan_hash', :'seen')::jsonb)->>'plan_hash' = :'seen' AS done;
SELECT gdpr_forget('2', 'rf_client', options => '{"after": "7 days"}');
SELECT gdpr_export('2', 'rf_client', options => '{"portable": true}');

-- 10. Only at READ COMMITTED, and never with foreign keys off.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT gdpr_forget('2', 'rf_guest');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT gdpr_forget('2', 'rf_guest');
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT gdpr_forget('2', 'rf_guest');
ROLLBACK;
SELECT gdpr_forget(NULL);
SELECT gdpr_forget('2', 'rf_guest', dry_run => NULL);
SELECT gdpr_export(NULL);
SELECT * FROM gdpr.forget_plan(NULL);
SELECT * FROM gdpr.export_rows(NULL);

-- Nothing of a person is in the ledger.
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE l::text LIKE '%kanarialintu%') AS leaks FROM gdpr.erasure_ledger l;
UPDATE gdpr.erasure_ledger SET level = 'scrubbed';
DELETE FROM gdpr.erasure_ledger;
TRUNCATE gdpr.erasure_ledger;
SET session_replication_role = replica;
DELETE FROM gdpr.erasure_ledger;
RESET session_replication_role;

SELECT gdpr.undeclare_subject(k::name) FROM unnest('{rf_person,rf_member,rf_buyer,rf_tenant,rf_party,rf_client,rf_guest,rf_twin_a,rf_twin_b}'::text[]) k;
DROP SCHEMA rf CASCADE;
