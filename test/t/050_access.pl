# Access rules beyond one session: dumps by the owner, by the backup role and by a
# superuser, restores with the rules in force, release that leaves no trace in a
# dump, transactions behind a pooler, a revocation that reaches other sessions.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('access');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir();

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# As a role of its own login; the SQLSTATE when it fails.
sub as
{
	my ($role, $sql, $db) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql($db // 'postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate', '-U', $role ]);
	return $rc == 0 ? $out : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

sub dump_of
{
	my ($name, @options) = @_;
	$node->command_ok([ 'pg_dump', '-f', "$dir/$name", @options, 'postgres' ], "dump $name");
	my $text = slurp_file("$dir/$name");
	# Newer minor versions put a random word there.
	$text =~ s/^\\(un)?restrict .*$//mg;
	return $text;
}

sql(q(
	CREATE EXTENSION gdpr_ext;
	CREATE ROLE shop_owner LOGIN;
	CREATE ROLE web LOGIN;
	CREATE ROLE sales LOGIN;
	CREATE ROLE "Ware ""House" LOGIN;
	CREATE ROLE "a=b/c" LOGIN;
	CREATE ROLE backup LOGIN BYPASSRLS;
	GRANT pg_read_all_data TO backup;
	SELECT gdpr.grant_duty('backup', 'backup');
	SELECT gdpr.create_context('pii', readers => '{sales}');
	SELECT gdpr.grant_context('pii', 'shop_owner', 'write');
	CREATE SCHEMA shop AUTHORIZATION shop_owner;
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	SET ROLE shop_owner;
	ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO web;
	CREATE TABLE shop.customer (id int PRIMARY KEY, name text, email enctext('pii'), note text);
	CREATE TABLE shop.line (id int PRIMARY KEY, customer int REFERENCES shop.customer, quantity int);
	CREATE TABLE shop.visit (id int, at int, page text) PARTITION BY RANGE (at);
	CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES FROM (0) TO (10);
	CREATE TABLE shop.nothing (id int);
	REVOKE ALL ON shop.nothing FROM web, shop_owner;
	GRANT SELECT (name, id), UPDATE (note) ON shop.customer TO "Ware ""House" WITH GRANT OPTION;
	GRANT INSERT ON shop.customer TO "a=b/c", sales WITH GRANT OPTION;
	GRANT SELECT ON shop.customer TO PUBLIC;
	GRANT SELECT ON shop.visit_1 TO sales;
	GRANT TRUNCATE, REFERENCES, TRIGGER ON shop.line TO "Ware ""House";
	INSERT INTO shop.customer SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i || '@example.org' FROM generate_series(1, 50) i;
	INSERT INTO shop.line SELECT i, i, i FROM generate_series(1, 50) i;
	INSERT INTO shop.visit VALUES (1, 1, 'p');
	RESET ROLE;
	SELECT gdpr.declare_column('shop.customer', 'name', 'name');
	SELECT gdpr.declare_column('shop.customer', 'email', 'email');
	SELECT gdpr.create_purpose('service', 'contract');
));

# What pg_dump shows of the tables is the same before and after the rules.
my $before = dump_of('before.sql', '--schema-only', '--schema=shop');
sql(q(
	SELECT gdpr.deny('public', 'shop.customer');
	SELECT count(*) FROM gdpr.allow('Ware "House', 'shop.customer', options => '{"others": "keep"}');
	SELECT count(*) FROM gdpr.allow('a=b/c', 'shop.customer', '{contact}', '{SELECT,INSERT,UPDATE,DELETE}', '{"filter": "id > 10"}');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.customer', '{*}', options => '{"purposes": ["service"]}');
	SELECT gdpr.deny('web', 'shop.customer');
	SELECT count(*) FROM gdpr.allow('Ware "House', 'shop.line', options => '{"others": "keep"}');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.visit', options => '{"others": "keep"}');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.nothing', options => '{"others": "keep"}');
	SELECT gdpr.grant_purpose('sales', 'service');
));
my $ruled = dump_of('ruled.sql', '--schema-only', '--schema=shop');
isnt($ruled, $before, 'rules show in a dump');
sql(qq(SELECT gdpr.release('shop.$_'))) for qw(customer line visit nothing);
is(dump_of('released.sql', '--schema-only', '--schema=shop'), $before, 'released, the dump is the same to the byte');
is(sql(q(SELECT count(*) FROM gdpr.access_rule)) . sql(q(SELECT count(*) FROM gdpr.access_original)), '00', 'and nothing is remembered');

# Others' grants that changed meanwhile stay as they are.
sql(q(
	SELECT gdpr.deny('public', 'shop.customer');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.customer', options => '{"others": "keep"}');
	SET ROLE shop_owner; REVOKE SELECT ON shop.customer FROM web; RESET ROLE;
	SELECT gdpr.release('shop.customer');
));
is(sql(q(SELECT has_table_privilege('web', 'shop.customer', 'SELECT'), has_table_privilege('sales', 'shop.customer', 'INSERT WITH GRANT OPTION'))),
	't|t', 'PUBLIC and the role under the rule have theirs again');
unlike(sql(q(SELECT relacl FROM pg_class WHERE oid = 'shop.customer'::regclass)), qr/web=/, 'what was revoked meanwhile is not back');
sql(q(SET ROLE shop_owner; GRANT SELECT ON shop.customer TO web));

# Rules in force for what follows.
sql(q(
	SELECT gdpr.deny('public', 'shop.customer');
	SELECT gdpr.deny('shop_owner', 'shop.customer');
	SELECT count(*) FROM gdpr.allow('a=b/c', 'shop.customer', '{contact}', '{SELECT}', '{"filter": "id > 40", "others": "keep"}');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.customer', '{*}', options => '{"purposes": ["service"]}');
	SELECT count(*) FROM gdpr.allow('Ware "House', 'shop.line', options => '{"others": "keep"}');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.visit', options => '{"others": "keep"}');
));

sub check_rules
{
	my ($db, $who) = @_;
	is(as('sales', 'SELECT count(*) FROM shop.customer', $db), '42501', "$who: a purpose is needed");
	is(as('sales', q(BEGIN; SELECT gdpr.begin_work('service'); SELECT count(*), min(email::text) FROM shop.customer WHERE id = 7; COMMIT), $db),
		"\n1|kanarialintu-7\@example.org", "$who: with it sales reads");
	is(as('a=b/c', 'SELECT count(name) FROM shop.customer', $db), '10', "$who: the filter holds");
	is(as('a=b/c', 'SELECT email FROM shop.customer', $db), '42501', "$who: no ciphertext for who may not read");
	is(as('Ware "House', 'SELECT sum(quantity) FROM shop.line', $db), '1275', "$who: the warehouse sees quantities");
	is(as('Ware "House', 'SELECT count(*) FROM shop.customer', $db), '50', "$who: and, kept, customers");
	is(as('shop_owner', 'SELECT count(*) FROM shop.customer', $db), '0', "$who: the owner sees nothing");
	is(as('shop_owner', 'ALTER TABLE shop.customer DISABLE ROW LEVEL SECURITY', $db), '42501', "$who: nor may he change that");
	is(as('shop_owner', 'GRANT SELECT ON shop.customer TO PUBLIC', $db), '42501', "$who: nor grant");
	is(as('sales', 'SELECT count(*) FROM shop.visit_1', $db), '42501', "$who: a part by its name is closed");
	is(as('sales', 'SELECT count(*) FROM shop.visit', $db), '1', "$who: and read through its whole");
}
check_rules('postgres', 'here');

# Dumps: the owner is bound and stops; whoever has the backup duty and BYPASSRLS gets
# everything, sealed; so does a superuser.
$node->command_fails_like([ 'pg_dump', '-U', 'shop_owner', '-f', "$dir/owner.sql", '--table=shop.customer', 'postgres' ],
	qr/row-level security/, 'the owner\'s dump stops');
is(as('shop_owner', 'ALTER TABLE shop.customer NO FORCE ROW LEVEL SECURITY'), '42501', 'what PostgreSQL hints at is refused');
$node->command_fails_like([ 'pg_dump', '-U', 'shop_owner', '-f', "$dir/owner_all.sql", 'postgres' ],
	qr/permission denied for (table|schema)/, 'his dump of the whole database stops earlier');
ok(!-s "$dir/owner.sql" || slurp_file("$dir/owner.sql") !~ /kanarialintu/, 'and holds no row of a person');
for my $who ('backup', 'superuser')
{
	my @as = $who eq 'backup' ? ('-U', 'backup') : ();
	my $text = dump_of("$who.sql", @as);
	is(() = $text =~ /^\d+\tkanarialintu-\d+\tgdpr:/mg, 50, "$who: every row, with ciphertext");
	unlike($text, qr/example\.org/, "$who: no plaintext of an encrypted column");
	like($text, qr/FORCE ROW LEVEL SECURITY/, "$who: the rules are in it");
	$node->safe_psql('postgres', "CREATE DATABASE from_$who");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', "from_$who", '-f', "$dir/$who.sql" ], "$who: restores");
	check_rules("from_$who", "restored from $who");
	is(sql('SELECT count(*) FROM gdpr.access_rule', "from_$who"), sql('SELECT count(*) FROM gdpr.access_rule'), "$who: rules came along");
}

# In parallel, and in parts.
$node->command_ok([ 'pg_dump', '-U', 'backup', '-Fd', '-j2', '-f', "$dir/parallel", 'postgres' ], 'parallel dump');
sql('CREATE DATABASE parallel');
$node->command_ok([ 'pg_restore', '-j2', '--exit-on-error', '-d', 'parallel', "$dir/parallel" ], 'parallel restore');
check_rules('parallel', 'restored in parallel');
sql('CREATE DATABASE sections');
$node->command_ok([ 'pg_restore', '--exit-on-error', "--section=$_", '-d', 'sections', "$dir/parallel" ], "restore of section $_")
  for qw(pre-data data post-data);
check_rules('sections', 'restored in sections');

# Released there, it is what it was here before the rules.
sql("SELECT gdpr.release('shop.$_')", 'parallel') for qw(customer line visit);
$node->command_ok([ 'pg_dump', '--schema-only', '--schema=shop', '-f', "$dir/there.sql", 'parallel' ], 'dump of the copy');
my $there = slurp_file("$dir/there.sql");
$there =~ s/^\\(un)?restrict .*$//mg;
sql("SELECT gdpr.release('shop.$_')") for qw(customer line visit);
is($there, dump_of('here.sql', '--schema-only', '--schema=shop'), 'released in the copy as here');

# A pooler hands one session to two clients, a transaction each.
sql(q(
	SELECT gdpr.deny('public', 'shop.customer');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.customer', '{*}', options => '{"purposes": ["service"], "others": "keep"}');
));
is(as('sales', q(
	BEGIN; SELECT set_config('gdpr.purpose', 'service', false); SELECT count(*) FROM shop.customer; COMMIT;
	SELECT 'next client'; BEGIN; SELECT count(*) FROM shop.customer; COMMIT)), '42501', 'a session-level purpose ends with its transaction');
is(as('sales', q(
	BEGIN; SELECT gdpr.begin_work('service', 'kanarialintu-anna'); SELECT count(*) FROM shop.customer; COMMIT;
	SELECT current_setting('gdpr.purpose') || current_setting('gdpr.actor') = '')), "\n50\nt", 'and begin_work leaves nothing');
# A default of the role's is meant for every transaction.
sql(q(ALTER ROLE sales SET gdpr.purpose = 'service'));
is(as('sales', q(SELECT count(*) FROM shop.customer)), '50', 'a default of the role holds');
sql(q(ALTER ROLE sales RESET gdpr.purpose));
sql(q(ALTER DATABASE postgres SET gdpr.purpose = 'service'));
is(as('sales', q(SELECT count(*) FROM shop.customer)), '50', 'one of the database too');
sql(q(ALTER DATABASE postgres RESET gdpr.purpose));

# So is a connection's option; like every purpose it counts when it was granted.
sql(q(
	SELECT gdpr.create_purpose('ads', 'consent');
	SELECT count(*) FROM gdpr.allow('sales', 'shop.customer', '{*}', options => '{"purposes": ["service", "ads"]}');
));
for (['service', "50\n50", 'that was granted: sales reads, in each transaction'],
	['ads', '42501', 'that the rule takes and nobody granted'], ['nosuch', '42501', 'that there is not'])
{
	my ($purpose, $expected, $what) = @$_;
	local $ENV{PGOPTIONS} = "-c gdpr.purpose=$purpose";
	is(as('sales', q(SELECT count(*) FROM shop.customer; SELECT count(*) FROM shop.customer)), $expected, "a connection with a purpose $what");
}

# A session that is under way hears of a revocation, a repeatable read too.
my ($in, $out, $err) = ('', '', '');
my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);
my $session = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') . ' user=sales', '-v', 'VERBOSITY=sqlstate' ],
	'<', \$in, '>', \$out, '2>', \$err, $timer);

sub say_to_session
{
	my ($sql) = @_;
	($out, $err) = ('', '');
	$in .= "$sql\n\\echo done\n\\warn done\n";
	$session->pump until $out =~ /done\n/ && $err =~ /done\n/;
	return $err =~ /ERROR:\s+(\w+)/ ? $1 : $out =~ s/\s*done\n//sr =~ s/^\s+//sr;
}
say_to_session(q(PREPARE q AS SELECT count(*) FROM shop.customer; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT gdpr.begin_work('service');));
is(say_to_session('EXECUTE q;'), '50', 'a session reads');
sql(q(SELECT gdpr.revoke_purpose('sales', 'service')));
is(say_to_session('EXECUTE q;'), '42501', 'until the purpose is taken back, in its snapshot too');
say_to_session('ROLLBACK;');
is(say_to_session(q(BEGIN; SELECT gdpr.begin_work('service'); EXECUTE q;)), '42501', 'and in its next transaction');
say_to_session('ROLLBACK;');
sql(q(SELECT gdpr.grant_purpose('sales', 'service')));
is(say_to_session(q(BEGIN; SELECT gdpr.begin_work('service'); EXECUTE q; COMMIT;)), '50', 'given again, it reads again');
sql(q(SELECT gdpr.deny('sales', 'shop.customer')));
is(say_to_session(q(BEGIN; SELECT gdpr.begin_work('service'); EXECUTE q;)), '42501', 'denied, it does not');
$in .= "\\q\n";
$session->finish;

unlike(slurp_file($node->logfile), qr/kanarialintu-\d+\@/, 'the log holds no value');
done_testing();
