-- What a DBA declares about personal data.  Relations are stored as regclass,
-- which a dump writes as a name; columns and roles by name, because column
-- numbers change in a restore and a missing role must not stop one.  An event
-- trigger follows renamed and dropped objects.  No foreign keys between these
-- tables: pg_restore -j fills an extension's tables in any order.

CREATE TABLE gdpr.category (
	name text PRIMARY KEY,
	parent text,
	sensitivity text NOT NULL CHECK (sensitivity IN
		('ordinary', 'special', 'criminal', 'national_id', 'credential', 'financial', 'child')),
	condition text
);
COMMENT ON TABLE gdpr.category IS 'categories of personal data; a parent covers its children';
COMMENT ON COLUMN gdpr.category.condition IS 'what allows processing: a condition of Article 9(2) for special categories, the law for national ids';

INSERT INTO gdpr.category (name, parent, sensitivity) VALUES
	('contact', NULL, 'ordinary'),
	('name', 'contact', 'ordinary'),
	('address', 'contact', 'ordinary'),
	('phone', 'contact', 'ordinary'),
	('email', 'contact', 'ordinary'),
	('username', NULL, 'ordinary'),
	('credential', NULL, 'credential'),
	('photo', NULL, 'ordinary'),
	('birth_date', NULL, 'ordinary'),
	('national_id', NULL, 'national_id'),
	('financial', NULL, 'financial'),
	('location', NULL, 'ordinary'),
	('health', NULL, 'special'),
	('free_text', NULL, 'ordinary'),
	('other', NULL, 'ordinary');

CREATE TABLE gdpr.subject (
	kind name PRIMARY KEY,
	relation regclass NOT NULL,
	key name[] NOT NULL,
	declared_by name NOT NULL DEFAULT SESSION_USER,
	declared_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE gdpr.subject IS 'kinds of persons: the relation with one row for each, and its key';

CREATE TABLE gdpr.link (
	child regclass NOT NULL,
	child_columns name[] NOT NULL,
	parent regclass NOT NULL,
	parent_columns name[] NOT NULL,
	belongs text NOT NULL CHECK (belongs IN ('owned', 'owns', 'refers', 'none')),
	on_forget text NOT NULL CHECK (on_forget IN ('none', 'delete', 'anonymise', 'unlink', 'keep')),
	on_export text NOT NULL CHECK (on_export IN ('full', 'skip')),
	ground text,
	law text,
	keep interval,
	keep_from text CHECK (keep_from IN ('row', 'calendar_year_end', 'fiscal_year_end')),
	keep_since name,
	then_action text CHECK (then_action IN ('delete', 'anonymise')),
	predicate text,
	declared_by name NOT NULL DEFAULT SESSION_USER,
	declared_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (child, child_columns, parent, parent_columns)
);
COMMENT ON TABLE gdpr.link IS 'declared links: references that no foreign key states, and decisions about those that one does';

CREATE TABLE gdpr.personal_column (
	relation regclass NOT NULL,
	column_name name NOT NULL,
	category text NOT NULL,
	mask text,
	on_forget text CHECK (on_forget IN ('keep')),
	ground text,
	origin text CHECK (origin IN ('provided', 'observed', 'derived')),
	label text,
	declared_by name NOT NULL DEFAULT SESSION_USER,
	declared_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (relation, column_name)
);
COMMENT ON TABLE gdpr.personal_column IS 'declared personal columns: category, mask, and whether erasure keeps them in rows that stay';

CREATE TABLE gdpr.sharing (
	child regclass NOT NULL,
	child_columns name[] NOT NULL,
	parent regclass NOT NULL,
	parent_columns name[] NOT NULL,
	shared boolean,
	checked_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (child, child_columns, parent, parent_columns)
);
COMMENT ON TABLE gdpr.sharing IS 'parents of owned rows: was one referenced twice when last looked at? Null: it could not be read';

CREATE TABLE gdpr.approval (
	kind name PRIMARY KEY,
	hash text NOT NULL,
	links text[] NOT NULL,
	approved_by name NOT NULL DEFAULT SESSION_USER,
	approved_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE gdpr.approval IS 'the map of each kind that a person approved last';

REVOKE ALL ON gdpr.category, gdpr.subject, gdpr.link, gdpr.personal_column, gdpr.sharing, gdpr.approval FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('gdpr.category', 'WHERE name NOT IN (''contact'', ''name'', ''address'', ''phone'', ''email'', ''username'', ''credential'', ''photo'', ''birth_date'', ''national_id'', ''financial'', ''location'', ''health'', ''free_text'', ''other'')');
SELECT pg_catalog.pg_extension_config_dump('gdpr.subject', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.link', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.personal_column', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.sharing', '');
SELECT pg_catalog.pg_extension_config_dump('gdpr.approval', '');
