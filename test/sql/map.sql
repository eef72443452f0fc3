-- Maps: what is proposed for the traps of real schemas, what a decision
-- changes, what is refused until a person decided.
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE SCHEMA map;
SET search_path = map, public;
CREATE VIEW seen AS
	SELECT kind, depth, path, belongs, on_forget, on_export, origin, warning FROM gdpr.data_map();

-- a partitioned parent without a foreign key, some of its partitions with
-- their own; a shared parent (store), one that nobody shares (address)
CREATE TABLE store (id integer PRIMARY KEY, address_id integer);
CREATE TABLE address (id integer PRIMARY KEY, street text);
ALTER TABLE store ADD FOREIGN KEY (address_id) REFERENCES address;
CREATE TABLE customer (
	id integer PRIMARY KEY, store_id integer NOT NULL REFERENCES store,
	address_id integer NOT NULL REFERENCES address, last_name text NOT NULL);
CREATE TABLE rental (id integer PRIMARY KEY, customer_id smallint NOT NULL REFERENCES customer);
CREATE INDEX ON rental (customer_id);
CREATE TABLE payment (
	paid date NOT NULL, customer_id integer NOT NULL, rental_id integer NOT NULL, amount numeric NOT NULL)
	PARTITION BY RANGE (paid);
CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
-- another order of columns, and one dropped
CREATE TABLE payment_2 (gone text, rental_id integer NOT NULL, amount numeric NOT NULL, customer_id integer NOT NULL, paid date NOT NULL);
ALTER TABLE payment_2 DROP COLUMN gone;
ALTER TABLE payment ATTACH PARTITION payment_2 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE payment_bare PARTITION OF payment DEFAULT;
ALTER TABLE payment_1 ADD FOREIGN KEY (customer_id) REFERENCES customer, ADD FOREIGN KEY (rental_id) REFERENCES rental;
ALTER TABLE payment_2 ADD FOREIGN KEY (customer_id) REFERENCES customer, ADD FOREIGN KEY (rental_id) REFERENCES rental;
INSERT INTO address SELECT i FROM generate_series(1, 9) i;
INSERT INTO store VALUES (1, 9), (2, 8);
INSERT INTO customer SELECT i, 1, i, 'kanarialintu-' || i FROM generate_series(1, 3) i;

SELECT gdpr.declare_subject('map_customer', 'customer');
SELECT depth, path, belongs, on_forget, on_export, origin, warning FROM seen WHERE kind = 'map_customer';
\set VERBOSITY default
SELECT gdpr.approve_map('map_customer');
\set VERBOSITY sqlstate
SELECT gdpr.declare_link('customer', '{address_id}', 'address', '{id}', 'owns');
SELECT gdpr.approve_map('map_customer');

-- first way: links on the parent subsume those of the partitions
BEGIN;
SELECT gdpr.declare_link('payment', '{customer_id}', 'customer', '{id}');
SELECT gdpr.declare_link('payment', '{rental_id}', 'rental', '{id}');
SELECT depth, path, belongs, on_forget, origin, warning FROM seen WHERE kind = 'map_customer';
SELECT gdpr.approve_map('map_customer') = gdpr.map_hash('map_customer');
SELECT a.hash = gdpr.map_hash(kind) AS approved, approved_by = session_user FROM gdpr.approval a WHERE kind = 'map_customer';
-- a new partition changes nothing that was approved
CREATE TABLE payment_3 PARTITION OF payment FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
ROLLBACK;

-- second way: the bare partition linked, each inferred edge decided
BEGIN;
SELECT gdpr.declare_link('payment_bare', '{customer_id}', 'customer', '{id}');
SELECT gdpr.declare_link(format('payment_%s', p)::regclass, ARRAY[c || '_id']::name[], c::regclass, '{id}')
	FROM (VALUES (1), (2)) v(p), (VALUES ('customer'), ('rental')) w(c);
SELECT depth, path, belongs, on_forget, origin, warning FROM seen WHERE kind = 'map_customer';
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
ROLLBACK;

-- drift: a new foreign key takes the approval back and is shown
SELECT gdpr.declare_link('payment', '{customer_id}', 'customer', '{id}');
SELECT gdpr.declare_link('payment', '{rental_id}', 'rental', '{id}');
SELECT gdpr.map_hash('map_customer') AS seen_hash \gset
SELECT gdpr.approve_map('map_customer', :'seen_hash') = :'seen_hash';
CREATE TABLE review (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer, body text);
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
SELECT path, on_forget, warning FROM seen WHERE kind = 'map_customer' AND warning LIKE '%new since%';
SELECT gdpr.approve_map('map_customer', :'seen_hash');
SELECT gdpr.approve_map('map_customer', gdpr.map_hash('map_customer')) IS NOT NULL;
SELECT count(*) FROM seen WHERE kind = 'map_customer' AND warning LIKE '%new since%';
-- so does another decision, a declared column, a mask
SELECT gdpr.declare_link('review', '{customer_id}', 'customer', '{id}', 'owned', 'anonymise');
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
SELECT gdpr.declare_column('review', 'body', 'free_text');
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
SELECT gdpr.declare_column('review', 'body', 'free_text', 'constant:-');
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
-- an unrelated table does not, nor an index, nor declaring the same again
CREATE TABLE film (id integer PRIMARY KEY);
CREATE TABLE cast_of (film_id integer NOT NULL REFERENCES film);
CREATE INDEX ON review (customer_id);
SELECT gdpr.declare_column('review', 'body', 'free_text', 'constant:-');
SELECT a.hash = gdpr.map_hash(kind) AS approved FROM gdpr.approval a WHERE kind = 'map_customer';
-- a parent that is shared once stays so; one that was not is looked at again
UPDATE store SET address_id = 1 WHERE id = 2;
SELECT gdpr.undeclare_link('customer', '{address_id}', 'address', '{id}');
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_customer' AND path LIKE '%address%';
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_customer' AND path LIKE '%address%';
DELETE FROM customer;
SELECT gdpr.approve_map('map_customer') IS NOT NULL;
SELECT gdpr.undeclare_subject('map_customer');

-- cycle, self-references, second and nullable references, composite keys,
-- a foreign key to a key that is not the primary one, depth
CREATE TABLE club (country text, no integer, PRIMARY KEY (country, no));
CREATE TABLE person (
	country text NOT NULL, no integer NOT NULL, code text NOT NULL UNIQUE, nick text NOT NULL,
	referred_by text REFERENCES person (code), main_home integer, club_no integer,
	PRIMARY KEY (country, no), FOREIGN KEY (country, club_no) REFERENCES club);
CREATE TABLE home (
	id integer PRIMARY KEY, country text NOT NULL, no integer NOT NULL,
	FOREIGN KEY (country, no) REFERENCES person ON DELETE CASCADE);
ALTER TABLE person ADD FOREIGN KEY (main_home) REFERENCES home;
CREATE TABLE message (
	id integer PRIMARY KEY, to_code text REFERENCES person (code), from_code text NOT NULL REFERENCES person (code),
	also_code text NOT NULL REFERENCES person (code));
CREATE TABLE ticket (
	id integer PRIMARY KEY, code text REFERENCES person (code) ON DELETE SET NULL, parent_id integer REFERENCES ticket,
	home_id integer REFERENCES home);
CREATE TABLE invoice (
	id integer PRIMARY KEY, country text NOT NULL, no integer NOT NULL, total numeric, billed date NOT NULL, name text,
	FOREIGN KEY (country, no) REFERENCES person ON DELETE CASCADE);
CREATE TABLE invoice_line (invoice_id integer NOT NULL REFERENCES invoice, what text);
CREATE TABLE invoice_print (line integer);
CREATE TABLE lasku (code text NOT NULL REFERENCES person (code), summa_senttia integer);
CREATE TABLE receipt (code text NOT NULL REFERENCES person (code), pages integer);
CREATE TABLE login (code text NOT NULL REFERENCES person (code) ON DELETE SET NULL);
SELECT gdpr.declare_subject('map_person', 'person');
SELECT depth, path, belongs, on_forget, on_export, origin, warning FROM seen WHERE kind = 'map_person';

-- decisions: keep upward, owned below owns, predicates, leaving out
SELECT gdpr.declare_link('invoice', '{country,no}', 'person', '{country,no}', 'owned', 'keep', 'full',
	'{"ground": "17(3)(b)", "law": "KPL 2:10", "keep": "6 years", "keep_from": "calendar_year_end", "keep_since": "billed"}');
SELECT gdpr.declare_link('invoice_line', '{invoice_id}', 'invoice', '{id}', 'owned', 'keep', 'full',
	'{"ground": "17(3)(b)", "law": "KPL 2:10", "keep": "6 years", "keep_from": "calendar_year_end"}');
SELECT gdpr.declare_link('lasku', '{code}', 'person', '{code}', 'none');
SELECT gdpr.declare_link('message', '{also_code}', 'person', '{code}', 'refers', 'anonymise', 'skip');
SELECT gdpr.declare_link('message', '{to_code}', 'person', '{code}', 'refers', 'unlink');
SELECT gdpr.declare_link('person', '{referred_by}', 'person', '{code}', 'refers', 'unlink', 'skip');
SELECT gdpr.declare_link('ticket', '{code}', 'person', '{code}', 'owned', 'anonymise', options => '{"predicate": "id > 0"}');
SELECT gdpr.declare_link('ticket', '{parent_id}', 'ticket', '{id}', 'none');
SELECT gdpr.declare_link('ticket', '{home_id}', 'home', '{id}', 'owned', 'delete');
SELECT gdpr.declare_link('person', '{country,club_no}', 'club', '{country,no}', 'owns');
CREATE TABLE club_note (country text NOT NULL, club_no integer NOT NULL, body text);
CREATE TABLE club_rule (country text NOT NULL, club_no integer NOT NULL, FOREIGN KEY (country, club_no) REFERENCES club);
SELECT gdpr.declare_link('club_note', '{country,club_no}', 'club', '{country,no}');
SELECT gdpr.declare_column('person', 'nick', 'username');
SELECT depth, path, belongs, on_forget, on_export, origin, warning FROM seen WHERE kind = 'map_person';
SELECT gdpr.approve_map('map_person') IS NOT NULL;
-- the order in which links were declared does not matter
SELECT gdpr.map_hash('map_person') AS hash \gset
SELECT gdpr.undeclare_link('lasku', '{code}', 'person', '{code}');
SELECT gdpr.map_hash('map_person') = :'hash';
SELECT gdpr.declare_link('lasku', '{code}', 'person', '{code}', 'none');
SELECT gdpr.map_hash('map_person') = :'hash';
-- the setting of a session does not either
SET IntervalStyle = iso_8601;
SET DateStyle = German;
SET search_path = public;
SELECT gdpr.map_hash('map_person') = :'hash';
RESET IntervalStyle;
RESET DateStyle;
SET search_path = map, public;

-- inheritance children are found through the parent; a reference to an
-- inheritance parent or to one partition is one to its own rows
CREATE TABLE being (id integer PRIMARY KEY);
CREATE TABLE note (id integer PRIMARY KEY, being_id integer NOT NULL REFERENCES being);
CREATE TABLE long_note (body text) INHERITS (note);
ALTER TABLE long_note ADD FOREIGN KEY (being_id) REFERENCES being;
CREATE TABLE note_tag (note_id integer NOT NULL REFERENCES note);
CREATE TABLE visit (day date, being_id integer NOT NULL REFERENCES being, PRIMARY KEY (day)) PARTITION BY RANGE (day);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE visit_tag (day date NOT NULL REFERENCES visit_1);
SELECT gdpr.declare_subject('map_being', 'being');
SELECT depth, path, belongs, on_forget, on_export, origin, warning FROM seen WHERE kind = 'map_being';

-- a link on the parent warns of what the partitions' keys do; two foreign keys
-- over the same columns are one link
CREATE TABLE guest (id integer PRIMARY KEY);
CREATE TABLE stay (day date, guest_id integer NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE stay_1 PARTITION OF stay FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
ALTER TABLE stay_1 ADD FOREIGN KEY (guest_id) REFERENCES guest ON DELETE CASCADE;
CREATE INDEX ON stay (guest_id);
CREATE TABLE meal (guest_id integer NOT NULL REFERENCES guest,
	CONSTRAINT twice FOREIGN KEY (guest_id) REFERENCES guest);
CREATE INDEX ON meal (guest_id) WHERE guest_id > 0;
SELECT gdpr.declare_subject('map_guest', 'guest');
SELECT gdpr.declare_link('stay', '{guest_id}', 'guest', '{id}', 'owned', 'keep', 'full',
	'{"ground": "17(3)(e)", "law": "Limitation Act 4", "keep": "3 years", "keep_from": "row", "keep_since": "day"}');
SELECT path, on_forget, index, warning FROM gdpr.data_map('map_guest');

-- who declares may not read a table: not known is not shared, so it is asked
CREATE ROLE map_owner;
GRANT USAGE ON SCHEMA map, gdpr TO map_owner;
CREATE TABLE key_card (id integer PRIMARY KEY);
CREATE TABLE worker (id integer PRIMARY KEY, card_id integer NOT NULL REFERENCES key_card);
CREATE TABLE door (card_id integer REFERENCES key_card);
ALTER TABLE worker OWNER TO map_owner;
INSERT INTO key_card VALUES (1), (2);
INSERT INTO worker VALUES (1, 1), (2, 2);
SELECT gdpr.grant_duty('map_owner', 'operator');
SET ROLE map_owner;
SELECT gdpr.declare_subject('map_worker', 'worker');
RESET ROLE;
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_worker';
GRANT SELECT ON key_card, door TO map_owner;
-- nor is what row security hides
ALTER TABLE door ENABLE ROW LEVEL SECURITY;
SET ROLE map_owner;
SELECT gdpr.declare_subject('map_worker', 'worker');
RESET ROLE;
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_worker';
ALTER TABLE door DISABLE ROW LEVEL SECURITY;
SET ROLE map_owner;
SELECT gdpr.approve_map('map_worker');
RESET ROLE;
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_worker';
INSERT INTO worker VALUES (3, 2);
SET ROLE map_owner;
SELECT gdpr.approve_map('map_worker') IS NOT NULL;
RESET ROLE;
SELECT path, belongs, on_forget, origin FROM seen WHERE kind = 'map_worker';
SELECT gdpr.revoke_duty('map_owner', 'operator');

SELECT gdpr.data_map('map_nobody');
SELECT gdpr.map_hash('map_nobody');
SELECT gdpr.approve_map(NULL);
DROP SCHEMA map CASCADE;
DROP OWNED BY map_owner;
DROP ROLE map_owner;
