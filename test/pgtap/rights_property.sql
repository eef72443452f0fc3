-- What must hold of every erasure, tried on many persons with chance rows:
-- what export still shows has a ground, what was erased is nowhere, and no
-- row of anybody else has changed.
BEGIN;
SET client_min_messages = warning;
SET search_path = rp, public;
CREATE SCHEMA rp;
SELECT plan(10);

CREATE TABLE flat (id int PRIMARY KEY, street text NOT NULL);
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, phone text, flat int REFERENCES flat,
	referred_by int REFERENCES person);
CREATE TABLE purchase (id int PRIMARY KEY, person int NOT NULL REFERENCES person, comment text);
CREATE TABLE invoice (id int PRIMARY KEY, purchase int NOT NULL REFERENCES purchase ON DELETE CASCADE, dated date NOT NULL, text text);
CREATE TABLE message (id int PRIMARY KEY, sender int NOT NULL REFERENCES person, recipient int REFERENCES person, body text);
CREATE TABLE newsletter (email text NOT NULL, topic text);
CREATE TABLE visit (person int NOT NULL, at date NOT NULL, page text) PARTITION BY RANGE (at);
CREATE TABLE visit_old PARTITION OF visit FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
CREATE TABLE visit_new PARTITION OF visit FOR VALUES FROM ('2025-01-01') TO (MAXVALUE);
CREATE INDEX ON purchase (person);
CREATE INDEX ON message (sender);

-- Every personal value bears its person's mark, "#7#" of person 7.
SELECT setseed(0.42);
CREATE FUNCTION chance(n int) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT floor(random() * n)::int $$;
INSERT INTO flat SELECT i, 'kanarialintu-street ' || i FROM generate_series(1, 60) i;
INSERT INTO person SELECT i, 'kanarialintu-name #' || i || '#', 'kanarialintu-mail #' || i || '#', 'kanarialintu-phone #' || i || '#',
	CASE WHEN chance(4) > 0 THEN 1 + chance(60) END, CASE WHEN i > 1 AND chance(3) = 0 THEN 1 + chance(i - 1) END FROM generate_series(1, 60) i;
INSERT INTO purchase SELECT i, p, 'kanarialintu-comment #' || p || '#' FROM (SELECT i, 1 + chance(60) AS p FROM generate_series(1, 150) i OFFSET 0) x;
INSERT INTO invoice SELECT i, id, date '2019-01-01' + chance(2000), 'kanarialintu-invoice #' || person || '#'
	FROM (SELECT row_number() OVER () AS i, * FROM purchase WHERE chance(3) = 0) x;
INSERT INTO message SELECT i, s, CASE WHEN r > 0 THEN r END, 'kanarialintu-body #' || s || '#'
	FROM (SELECT i, 1 + chance(60) AS s, chance(61) AS r FROM generate_series(1, 200) i OFFSET 0) x;
INSERT INTO newsletter SELECT email, 'topic ' || chance(9) FROM person, generate_series(1, 2) WHERE chance(2) = 0;
INSERT INTO visit SELECT p, date '2024-12-31' + chance(3), 'kanarialintu-page #' || p || '#'
	FROM (SELECT 1 + chance(60) AS p FROM generate_series(1, 200) OFFSET 0) x;

SELECT lives_ok($$
	SELECT gdpr.declare_subject('rp_person', 'person');
	SELECT gdpr.declare_link('person', '{flat}', 'flat', '{id}', belongs => 'owns');
	SELECT gdpr.declare_link('person', '{referred_by}', 'person', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
	SELECT gdpr.declare_link('purchase', '{person}', 'person', '{id}');
	SELECT gdpr.declare_link('invoice', '{purchase}', 'purchase', '{id}', on_forget => 'keep', options =>
		'{"ground": "17(3)(b)", "law": "x", "keep": "107 years", "keep_from": "calendar_year_end", "keep_since": "dated"}');
	SELECT gdpr.declare_link('message', '{sender}', 'person', '{id}');
	SELECT gdpr.declare_link('message', '{recipient}', 'person', '{id}', belongs => 'refers', on_forget => 'unlink', on_export => 'skip');
	SELECT gdpr.declare_link('newsletter', '{email}', 'person', '{email}');
	SELECT gdpr.declare_link('visit', '{person}', 'person', '{id}');
	SELECT gdpr.declare_column('person', 'name', 'name', options => '{"on_forget": "keep", "ground": "17(3)(b)"}');
	SELECT gdpr.declare_column('person', 'email', 'email', 'pseudonym');
	SELECT gdpr.declare_column('person', 'phone', 'phone');
	SELECT gdpr.declare_column('purchase', 'comment', 'free_text');
	SELECT gdpr.approve_map('rp_person');
$$, 'the map is declared and approved');

-- All rows as text, those of the unlinked references without them.
CREATE VIEW everything AS
	SELECT 'person' AS r, (p.id, name, email, phone, flat)::text AS t FROM person p UNION ALL
	SELECT 'flat', f::text FROM flat f UNION ALL SELECT 'purchase', p::text FROM purchase p UNION ALL
	SELECT 'invoice', i::text FROM invoice i UNION ALL SELECT 'message', (id, sender, body)::text FROM message UNION ALL
	SELECT 'newsletter', n::text FROM newsletter n UNION ALL SELECT 'visit', v::text FROM visit v;

CREATE TABLE fault (person int, what text);

CREATE PROCEDURE erase(i int) LANGUAGE plpgsql AS $$
DECLARE
	mark text := '#' || i || '#';
	cert json;
	again json;
	shown json;
	his_flat int := (SELECT flat FROM person WHERE id = i);
BEGIN
	CREATE TEMP TABLE others ON COMMIT DROP AS SELECT * FROM everything
		WHERE t NOT LIKE '%' || mark || '%' AND NOT (r = 'flat' AND t LIKE '(' || his_flat || ',%');
	cert := gdpr_forget(i::text, 'rp_person');
	INSERT INTO fault SELECT i, 'another''s row changed' FROM (TABLE others EXCEPT ALL SELECT * FROM everything) x;
	INSERT INTO fault SELECT i, 'left in ' || r FROM everything
		WHERE t LIKE '%' || mark || '%' AND r NOT IN ('invoice', 'person');
	INSERT INTO fault SELECT i, 'left in person' FROM person WHERE (email || coalesce(phone, '')) LIKE '%' || mark || '%';
	INSERT INTO fault SELECT i, 'still referred to' FROM person, message
		WHERE referred_by = i OR recipient = i LIMIT 1;
	BEGIN
		shown := gdpr_export(i::text, 'rp_person')->'data';
	EXCEPTION WHEN SQLSTATE 'PD001' THEN
		shown := '{}';
	END;
	INSERT INTO fault SELECT i, 'shown without a ground: ' || key FROM json_each(shown) e
		WHERE NOT EXISTS (SELECT FROM json_array_elements(cert->'relations') c WHERE c->>'relation' = key
			AND c->>'ground' IS NOT NULL AND c->>'until' IS NOT NULL AND (c->>'kept')::int = json_array_length(e.value));
	INSERT INTO fault SELECT i, 'kept but not shown' FROM json_array_elements(cert->'relations') c
		WHERE (c->>'kept')::int > 0 AND shown->(c->>'relation') IS NULL;
	INSERT INTO fault SELECT i, 'nothing kept, yet found' WHERE shown::text <> '{}'
		AND NOT EXISTS (SELECT FROM json_array_elements(cert->'relations') c WHERE (c->>'kept')::int > 0);
	IF shown::text <> '{}' THEN
		again := gdpr_forget(i::text, 'rp_person');
		INSERT INTO fault SELECT i, 'a second time changes something' WHERE again->>'changed' <> 'false';
	END IF;
	INSERT INTO fault SELECT i, 'a person in the certificate' WHERE cert::text LIKE '%kanarialintu%';
	DROP TABLE others;
END $$;

SELECT is((SELECT count(*) FROM person), 60::bigint, 'sixty persons');
SELECT isnt((SELECT count(*) FROM invoice), 0::bigint, 'with invoices');
SELECT lives_ok($$ DO 'BEGIN FOR i IN 1 .. 30 LOOP CALL rp.erase(i); END LOOP; END' $$, 'half of them are forgotten, in one statement each');
-- Rules and triggers make it go row by row; the outcome is the same.
CREATE RULE also AS ON DELETE TO person DO ALSO NOTHING;
CREATE RULE also AS ON DELETE TO visit_new DO ALSO NOTHING;
CREATE FUNCTION sisters() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN DELETE FROM rp.message WHERE sender = OLD.sender AND id = OLD.id + 1; RETURN OLD; END $$;
CREATE TRIGGER sisters BEFORE DELETE ON message FOR EACH ROW EXECUTE FUNCTION sisters();
SELECT lives_ok($$ DO 'BEGIN FOR i IN 31 .. 60 LOOP CALL rp.erase(i); END LOOP; END' $$, 'the others row by row');
SELECT is((SELECT string_agg(DISTINCT what, '; ') FROM fault), NULL, 'nothing is wrong with any of them');
SELECT is((SELECT count(*) FROM purchase p WHERE NOT EXISTS (SELECT FROM invoice WHERE purchase = p.id)), 0::bigint,
	'purchases stay only where an invoice needs them');
SELECT is((SELECT count(*) FROM person p WHERE NOT EXISTS (SELECT FROM purchase WHERE person = p.id)), 0::bigint,
	'persons stay only where a purchase needs them');
SELECT is((SELECT count(*) FROM message) + (SELECT count(*) FROM newsletter) + (SELECT count(*) FROM visit), 0::bigint,
	'everything else is gone');
SELECT is((SELECT count(*) FROM gdpr.erasure WHERE kind = 'rp_person'), 60::bigint, 'sixty erasures in the ledger');

SELECT * FROM finish();
ROLLBACK;
