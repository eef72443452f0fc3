# The ways out: refused while they would destroy something, open when followed.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('leaving');
$node->init;
$node->start;

# The SQLSTATE of a statement, '' when it succeeds.
sub state_of
{
	my ($sql, $db) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql($db // 'postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? '' : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

$node->safe_psql('postgres', 'CREATE EXTENSION gdpr_ext');
is(state_of('DROP EXTENSION gdpr_ext'), '', 'an unused extension can be dropped');
$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[CURRENT_USER]);
));
is(state_of('DROP EXTENSION gdpr_ext'), '2BP01', 'not while there are keys');
is(state_of('DROP EXTENSION gdpr_ext CASCADE'), '2BP01', 'nor with CASCADE');
is(state_of('BEGIN; SET LOCAL gdpr.allow_drop = on; DROP EXTENSION gdpr_ext; ROLLBACK'), '', 'unless that is allowed');

$node->safe_psql('postgres', q(
	CREATE SCHEMA shop;
	CREATE TABLE shop.customer (id int PRIMARY KEY, name text NOT NULL, email varchar(60) UNIQUE, note text);
	INSERT INTO shop.customer SELECT i, 'kanarialintu-n' || i, 'kanarialintu-e' || i, NULLIF('kanarialintu-o' || i, 'kanarialintu-o3')
		FROM generate_series(1, 50) i;
	CREATE TABLE shop.plain AS SELECT * FROM shop.customer;
	SELECT gdpr.encrypt_column('shop.customer', 'name', 'pii');
	SELECT gdpr.encrypt_column('shop.customer', 'email', 'pii');
	SELECT gdpr.encrypt_column('shop.customer', 'note', 'pii', '{"type": "encsecret"}');
	CREATE DOMAIN shop.mail AS enctext('pii');
	CREATE TABLE shop.domains (m shop.mail);
));
is(state_of("SET gdpr.allow_drop = on; $_"), '2BP01', "$_ is refused while columns are encrypted")
  for 'DROP EXTENSION gdpr_ext', 'DROP EXTENSION gdpr_ext CASCADE', 'DROP SCHEMA gdpr CASCADE',
  'DROP SCHEMA public CASCADE', 'DROP TYPE enctext CASCADE';
is(state_of('DROP DOMAIN shop.mail'), '2BP01', 'a domain in use is kept by PostgreSQL');
is(state_of('ALTER TABLE shop.customer ALTER note TYPE text'), '0A000', 'ALTER TYPE away is refused');
is($node->safe_psql('postgres', 'SELECT count(name), count(note) FROM shop.customer'), '50|49', 'and nothing is lost');

# A table that goes takes its columns along, in the same statement too.
is(state_of('DROP TABLE shop.domains; DROP DOMAIN shop.mail'), '', 'tables can be dropped');

my @plan = split /\n/, $node->safe_psql('postgres', 'SELECT * FROM gdpr.uninstall_plan()');
is(scalar(@plan), 5, 'the plan has a statement a column, and two more');
my $sql = join("\n", @plan);
is(state_of($sql), '', 'it runs as it stands');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_extension WHERE extname = 'gdpr_ext')), '0', 'the extension is gone');
is($node->safe_psql('postgres', q(
	SELECT count(*) FROM (TABLE shop.customer EXCEPT TABLE shop.plain) s)), '0', 'the rows are what they were');
is($node->safe_psql('postgres', q(
	SELECT count(*) FROM pg_index WHERE indrelid = 'shop.customer'::regclass)), '2', 'with their indexes');
is(state_of(q(INSERT INTO shop.customer VALUES (99, 'x', 'kanarialintu-e5'))), '23505', 'which are unique');

# ---- everything at once ----

# Encrypted values in all shapes, what depends on them, a conversion in either
# direction under way, a person, rules, records: the plan leads out of it.
$node->safe_psql('postgres', q(
	SET client_min_messages = warning;
	DROP SCHEMA shop CASCADE;
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[CURRENT_USER]);
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'write');
	CREATE SCHEMA shop;
	CREATE TABLE shop.customer (id int PRIMARY KEY, name text NOT NULL, email varchar(60) DEFAULT 'kanarialintu-none' UNIQUE, note text, CONSTRAINT note_check CHECK (id > 0));
	INSERT INTO shop.customer SELECT i, 'kanarialintu-n' || i, 'kanarialintu-e' || i, NULLIF('kanarialintu-o' || i, 'kanarialintu-o3')
		FROM generate_series(1, 50) i;
	CREATE TABLE shop.plain AS SELECT * FROM shop.customer;
	SELECT FROM gdpr.encrypt_column('shop.customer', 'name', 'pii');
	SELECT FROM gdpr.encrypt_column('shop.customer', 'email', 'pii');
	SELECT FROM gdpr.encrypt_column('shop.customer', 'note', 'pii', '{"type": "encsecret"}');
	CREATE VIEW shop.shown AS SELECT id, email FROM shop.customer WHERE email <> 'kanarialintu-e7'::text;
	CREATE TABLE shop.letter (id int, email enctext('pii') REFERENCES shop.customer (email) ON DELETE CASCADE, CHECK (email IS NOT NULL));
	INSERT INTO shop.letter SELECT id, email FROM shop.customer;
	CREATE DOMAIN shop.mail AS enctext('pii');
	CREATE DOMAIN shop.mails AS enctext('pii')[];
	CREATE TABLE shop.shapes (id int, m shop.mail, l enctext('pii')[], ml shop.mail[], s shop.mails, d enctext('pii') DEFAULT 'kanarialintu-d'::text) PARTITION BY LIST (id);
	CREATE TABLE shop.shapes1 PARTITION OF shop.shapes DEFAULT;
	INSERT INTO shop.shapes VALUES (1, 'kanarialintu-m', '{kanarialintu-1,NULL}', '{kanarialintu-2}', '{kanarialintu-3}');
	CREATE TYPE shop.pair AS (a int, b enctext('pii'));
	CREATE TABLE shop.mixed (id int, p shop.pair);
	INSERT INTO shop.mixed VALUES (1, (1, 'kanarialintu-p')::shop.pair);
	CREATE MATERIALIZED VIEW shop.copied AS SELECT email FROM shop.customer;
	CREATE VIEW shop.named AS SELECT id FROM shop.customer WHERE email = ('kanarialintu-e9'::text)::enctext('pii');
	CREATE FUNCTION shop.takes(enctext) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE TABLE shop.half (id int, a text, b enctext('pii'));
	INSERT INTO shop.half VALUES (1, 'kanarialintu-a', 'kanarialintu-b');
	SELECT FROM gdpr.encrypt_column('shop.half', 'a', 'pii', '{"online": true}');
	SELECT FROM gdpr.decrypt_column('shop.half', 'b', '{"online": true}');
	SELECT gdpr.declare_subject('customer', 'shop.customer');
	SELECT gdpr.declare_column('shop.customer', 'email', 'email');
	SELECT gdpr.protect('shop.customer');
	CREATE ROLE un_role;
	SELECT FROM gdpr.allow('un_role', 'shop.customer', '{email}', options => '{"filter": "id < 10", "others": "keep"}');
));

# What no statement can do says so, before anything is decrypted.
my $plan = $node->safe_psql('postgres', 'SELECT * FROM gdpr.uninstall_plan()');
is(join(' ', map { /(shop[.]\w+)/ } grep { /^-- by hand/ } split /\n/, $plan),
	'shop.mixed shop.pair shop.copied shop.named shop.takes', 'what is left to do by hand is named');
is(state_of(q(DROP EXTENSION gdpr_ext CASCADE)), '2BP01', 'nothing of it is dropped instead');
$node->safe_psql('postgres', q(
	ALTER TABLE shop.mixed ADD a int, ADD b text;
	UPDATE shop.mixed SET a = (p).a, b = (p).b::text;
	ALTER TABLE shop.mixed DROP p;
	DROP TYPE shop.pair;
	DROP MATERIALIZED VIEW shop.copied;
	DROP VIEW shop.named;
	DROP FUNCTION shop.takes;
));
$plan = $node->safe_psql('postgres', 'SELECT * FROM gdpr.uninstall_plan()');
unlike($plan, qr/^--/m, 'when that is done, nothing is');
is(state_of($plan), '', 'and the plan runs');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_extension WHERE extname = 'gdpr_ext')), '0', 'the extension is gone');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_namespace WHERE nspname = 'gdpr')), '0', 'with its schema');
is($node->safe_psql('postgres', q(
	SELECT count(*) FROM (TABLE shop.customer EXCEPT TABLE shop.plain) s)), '0', 'the rows are what they were');
is($node->safe_psql('postgres', q(SELECT * FROM shop.shapes)),
	'1|kanarialintu-m|{kanarialintu-1,NULL}|{kanarialintu-2}|{kanarialintu-3}|kanarialintu-d', 'in every shape');
is($node->safe_psql('postgres', q(SELECT * FROM shop.half)), '1|kanarialintu-a|kanarialintu-b', 'also half converted');
is($node->safe_psql('postgres', q(SELECT count(*) FROM shop.shown)), '49', 'a view is there');
is($node->safe_psql('postgres', q(SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
	WHERE conrelid = 'shop.letter'::regclass AND contype <> 'n')), 'letter_email_check letter_email_fkey', 'constraints are');
is($node->safe_psql('postgres', q(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'shop.customer'::regclass)),
	"('kanarialintu-none'::character varying)::text", 'a default is a plain one');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_attribute WHERE attrelid = 'shop.customer'::regclass AND attacl IS NOT NULL)), '0',
	'no privilege of a rule is left');
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)), '0', 'nor a trigger');

# Without the line in the configuration the guard is loaded when DDL needs it.
$node->safe_psql('postgres', 'CREATE EXTENSION gdpr_ext');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(state_of('CREATE TABLE t (id int)'), '', 'DDL works without preload');
is(state_of('CREATE TABLE bad (e enctext)'), '0A000', 'and is guarded');
is(state_of('DROP EXTENSION gdpr_ext'), '', 'and the extension can be dropped');

# A session that never touched an encrypted value has no guard until the drop.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'gdpr_ext'\n");
$node->restart;
$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('leaving');
	CREATE TABLE stays (e enctext('leaving'));));
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
for my $drop ('EXTENSION gdpr_ext', 'TYPE enctext', 'SCHEMA gdpr')
{
	is(state_of("DROP $drop CASCADE"), '2BP01', "DROP $drop CASCADE is refused without preload");
}
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_attribute
	WHERE attrelid = 'stays'::regclass AND attname = 'e')), '1', 'and the column stays');

$node->stop;
done_testing();
