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
