-- schema.sql
--   The tables of a Nordic web shop, with the traps that real schemas have:
--
--     a cycle               customer.default_address_id -> address.customer_id
--     self-references       customer.referred_by, ticket.parent_id, employee.manager_id
--     a composite key       club (country, club_no), club_member
--     a bare partition      visit: two partitions reference customer, one does not
--     a reference by text   newsletter_consent.email, without a foreign key
--     a shared parent       household, used by several customers
--     a nullable reference  ticket.customer_id
--     bookkeeping           invoice, invoice_line: the law keeps them
--
-- Keys and foreign keys follow in constraints.sql, after the rows.

CREATE SCHEMA shop;
COMMENT ON SCHEMA shop IS 'demo: a Nordic web shop';

CREATE TABLE shop.country (
	code text NOT NULL,
	name text NOT NULL,
	currency text NOT NULL
);

CREATE TABLE shop.household (
	id integer NOT NULL,
	name text NOT NULL,
	bonus_points integer NOT NULL
);

CREATE TABLE shop.employee (
	id integer NOT NULL,
	manager_id integer,
	first_name text NOT NULL,
	last_name text NOT NULL,
	email text NOT NULL,
	title text NOT NULL
);

CREATE TABLE shop.customer (
	id integer NOT NULL,
	household_id integer,
	referred_by integer,
	default_address_id integer,
	country text NOT NULL,
	first_name text NOT NULL,
	last_name text NOT NULL,
	email text NOT NULL,
	phone text,
	national_id text,
	birth_date date,
	password_hash text NOT NULL,
	created_on date NOT NULL
);

CREATE TABLE shop.address (
	id integer NOT NULL,
	customer_id integer NOT NULL,
	street text NOT NULL,
	postal_code text NOT NULL,
	city text NOT NULL,
	country text NOT NULL
);

CREATE TABLE shop.club (
	country text NOT NULL,
	club_no integer NOT NULL,
	name text NOT NULL
);

CREATE TABLE shop.club_member (
	country text NOT NULL,
	club_no integer NOT NULL,
	customer_id integer NOT NULL,
	joined_on date NOT NULL
);

CREATE TABLE shop.product (
	id integer NOT NULL,
	name text NOT NULL,
	price numeric(10,2) NOT NULL
);

CREATE TABLE shop.orders (
	id integer NOT NULL,
	customer_id integer NOT NULL,
	ship_address_id integer,
	handled_by integer,
	placed_at timestamp NOT NULL,
	delivery_note text
);

CREATE TABLE shop.order_line (
	order_id integer NOT NULL,
	line_no integer NOT NULL,
	product_id integer NOT NULL,
	quantity integer NOT NULL,
	price numeric(10,2) NOT NULL
);

-- An invoice names its order by number, as bookkeeping programs do.
CREATE TABLE shop.invoice (
	id integer NOT NULL,
	customer_id integer NOT NULL,
	order_no text NOT NULL,
	invoice_date date NOT NULL,
	total numeric(12,2) NOT NULL
);

CREATE TABLE shop.invoice_line (
	invoice_id integer NOT NULL,
	line_no integer NOT NULL,
	description text NOT NULL,
	amount numeric(12,2) NOT NULL
);

CREATE TABLE shop.ticket (
	id integer NOT NULL,
	customer_id integer,
	parent_id integer,
	assigned_to integer,
	opened_at timestamp NOT NULL,
	subject text NOT NULL,
	body text NOT NULL
);

CREATE TABLE shop.newsletter_consent (
	id integer NOT NULL,
	email text NOT NULL,
	granted_at timestamp NOT NULL,
	withdrawn_at timestamp,
	source text NOT NULL
);

CREATE TABLE shop.visit (
	customer_id integer NOT NULL,
	visited_at timestamp NOT NULL,
	page text NOT NULL,
	client_address inet NOT NULL
) PARTITION BY RANGE (visited_at);

CREATE TABLE shop.visit_2023 PARTITION OF shop.visit
	FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE shop.visit_2024 PARTITION OF shop.visit
	FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.visit_2025 PARTITION OF shop.visit
	FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
