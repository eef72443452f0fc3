# Declarations outlive dump and restore, by name where numbers change; what
# event triggers could not follow is tolerated; the backup duty is enough to
# dump the extension's tables.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('registry');
$node->init;
$node->start;

sub sql { my ($db, $sql) = @_; return $node->safe_psql($db, $sql); }

sub map_of
{
	return sql($_[0], q(
		SELECT kind, relation, depth, path, belongs, on_forget, on_export, origin, index, warning
		FROM gdpr.data_map()));
}

sub hash_of { return sql($_[0], q(SELECT gdpr.map_hash('customer'))); }

sub approved
{
	return sql($_[0], q(SELECT hash = gdpr.map_hash(kind) FROM gdpr.approval WHERE kind = 'customer'));
}

# Dropped columns, so that numbers differ after a restore; a name to be quoted;
# a partition with a foreign key of its own; a link by text; kept rows.
sql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	CREATE ROLE registry_officer;
	CREATE ROLE registry_backup LOGIN;
	CREATE SCHEMA shop;
	CREATE TABLE shop.address (gone text, id integer PRIMARY KEY, street text);
	ALTER TABLE shop.address DROP COLUMN gone;
	CREATE TABLE shop."Customer" (gone text, country text NOT NULL, no integer NOT NULL, email text NOT NULL,
		address_id integer REFERENCES shop.address, PRIMARY KEY (country, no));
	ALTER TABLE shop."Customer" DROP COLUMN gone;
	CREATE TABLE shop.invoice (gone text, id integer PRIMARY KEY, country text NOT NULL, no integer NOT NULL,
		total numeric, billed date, FOREIGN KEY (country, no) REFERENCES shop."Customer");
	ALTER TABLE shop.invoice DROP COLUMN gone;
	CREATE TABLE shop.consent (id integer PRIMARY KEY, email text, kind text);
	CREATE TABLE shop.visit (day date, country text NOT NULL, no integer NOT NULL) PARTITION BY RANGE (day);
	CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
	ALTER TABLE shop.visit_1 ADD FOREIGN KEY (country, no) REFERENCES shop."Customer";
	INSERT INTO shop.address VALUES (1), (2);
	INSERT INTO shop."Customer" VALUES ('FI', 1, 'kanarialintu-1@example.org', 1), ('FI', 2, 'kanarialintu-2@example.org', 2);
	SELECT gdpr.declare_subject('customer', 'shop."Customer"');
	SELECT gdpr.declare_link('shop."Customer"', '{address_id}', 'shop.address', '{id}', 'owns');
	SELECT gdpr.declare_link('shop.invoice', '{country,no}', 'shop."Customer"', '{country,no}', 'owned', 'keep', 'full',
		'{"ground": "17(3)(b)", "law": "BFL 7:2", "keep": "7 years 3 days", "keep_from": "calendar_year_end", "keep_since": "billed"}');
	SELECT gdpr.declare_link('shop.consent', '{email}', 'shop."Customer"', '{email}', options => '{"predicate": "kind = ''email''"}');
	SELECT gdpr.declare_column('shop."Customer"', 'email', 'email', 'pseudonym', '{"origin": "provided"}');
	INSERT INTO gdpr.category VALUES ('loyalty', NULL, 'ordinary', NULL);
	SELECT gdpr.declare_column('shop.address', 'street', 'loyalty', options => '{"on_forget": "keep"}');
	SELECT gdpr.approve_map('customer');
	SELECT gdpr.grant_duty('registry_officer', 'officer');
	SELECT gdpr.grant_duty('registry_backup', 'backup');
	GRANT USAGE ON SCHEMA shop TO registry_backup;
	GRANT SELECT ON ALL TABLES IN SCHEMA shop TO registry_backup;
));
my $map = map_of('postgres');
like($map, qr/shop\.visit_1/, 'the map is there');
is(approved('postgres'), 't', 'and approved');

# --- dump and restore

$node->command_ok([ 'pg_dump', '-U', 'registry_backup', '-f', "$folder/all.sql", $node->connstr('postgres') ],
	'a role with the backup duty dumps');
sql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/all.sql", $node->connstr('copy') ],
	'the dump restores');
isnt(sql('copy', q(SELECT attnum FROM pg_attribute WHERE attrelid = 'shop.invoice'::regclass AND attname = 'billed')),
	sql('postgres', q(SELECT attnum FROM pg_attribute WHERE attrelid = 'shop.invoice'::regclass AND attname = 'billed')),
	'column numbers differ in the copy');
is(map_of('copy'), $map, 'the map is the same');
is(hash_of('copy'), hash_of('postgres'), 'so is its hash');
is(approved('copy'), 't', 'and it is approved');
is(sql('copy', q(SELECT count(*) FROM gdpr.category)), 16, 'categories of one\'s own are there, shipped ones once');
is(sql('copy', q(SELECT string_agg(role || ' ' || duty, ',' ORDER BY role) FROM gdpr.duty_grant)),
	'registry_backup backup,registry_officer officer', 'duties are remembered');
is(sql('copy', q(SELECT has_function_privilege('registry_officer', 'gdpr.data_map(name)', 'EXECUTE'))), 't',
	'and hold');
is(sql('copy', q(
	CREATE TABLE gdpr.later (id integer);
	SELECT has_table_privilege('registry_backup', 'gdpr.later', 'SELECT');
	DROP TABLE gdpr.later)), 't', 'for tables made later too');

$node->command_ok([ 'pg_dump', '-Fd', '-f', "$folder/all.d", $node->connstr('copy') ], 'dumped as a folder');
sql('postgres', 'CREATE DATABASE copy2');
$node->command_ok([ 'pg_restore', '-j2', '-e', '-d', $node->connstr('copy2'), "$folder/all.d" ],
	'restored by two processes');
is(map_of('copy2'), $map, 'the map is the same again');
is(approved('copy2'), 't', 'and approved');

# --- roles that the other server lacks stop nothing

my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->start;
$other->command_ok([ 'psql', '-Xq', '-f', "$folder/all.sql", $other->connstr('postgres') ],
	'restored where the roles are missing');
is($other->safe_psql('postgres', q(SELECT hash = gdpr.map_hash(kind) FROM gdpr.approval)), 't',
	'the map is there and approved');
is($other->safe_psql('postgres', q(SELECT count(*) FROM gdpr.duty_grant)), 2, 'the duties are remembered by name');
$other->stop;

# --- without the event trigger a dropped table leaves its declarations

sql('copy', q(
	ALTER EVENT TRIGGER gdpr_registry_on_drop DISABLE;
	DROP TABLE shop.consent;
	ALTER EVENT TRIGGER gdpr_registry_on_drop ENABLE));
is(sql('copy', q(SELECT count(*) FROM gdpr.link l WHERE NOT EXISTS (SELECT 1 FROM pg_class WHERE oid = l.child))), 1,
	'a bare number is left');
unlike(map_of('copy'), qr/consent/, 'the map does without it');
is(approved('copy'), 'f', 'and is not the one that was approved');

# --- with it, dropping the schema drops all that was declared

sql('copy2', 'DROP SCHEMA shop CASCADE');
is(sql('copy2', q(
	SELECT (SELECT count(*) FROM gdpr.subject) + (SELECT count(*) FROM gdpr.link)
		+ (SELECT count(*) FROM gdpr.personal_column) + (SELECT count(*) FROM gdpr.sharing)
		+ (SELECT count(*) FROM gdpr.approval))), 0, 'nothing is left of a dropped schema');

# --- roles keep out of the way when they are dropped

sql('postgres', q(SELECT gdpr.revoke_duty('registry_backup', 'backup'); SELECT gdpr.revoke_duty('registry_officer', 'officer')));
is(sql('postgres', q(SELECT count(*) FROM pg_default_acl)), 0, 'a revoked duty leaves no default privilege');

$node->stop;
done_testing();
