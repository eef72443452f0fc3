# pg_upgrade moves encrypted columns without looking into them: it needs no keys,
# no preload, and finds everything in the new server.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $bindir = $ENV{bindir} // `pg_config --bindir`;
chomp $bindir;

my $pkglibdir = `$bindir/pg_config --pkglibdir`;
chomp $pkglibdir;

my $old = PostgreSQL::Test::Cluster->new('old');

# dynamic_library_path leads functions to a staged library, but not 18's pg_upgrade.
plan skip_all => 'pg_upgrade 18 finds libraries in $libdir only, and ours is staged elsewhere'
  if $old->pg_version >= 18 && !-e "$pkglibdir/gdpr_ext.so";

$old->init;
$old->start;
$old->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', '{postgres}');
	CREATE TABLE person (id int, email enctext('pii') UNIQUE);
	INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 300) i;

	ALTER DATABASE postgres SET gdpr.enabled = off;
	CREATE ROLE clerk;
	CREATE TABLE customer (id int PRIMARY KEY, name text, city text, seen date);
	INSERT INTO customer VALUES (1, 'kanarialintu-1', 'Turku', '2015-01-01'), (2, 'kanarialintu-2', 'Turku', '2015-01-01'), (3, 'kanarialintu-3', 'Turku', now());
	SELECT gdpr.declare_subject('customer', 'customer');
	SELECT gdpr.declare_column('customer', 'name', 'name');
	SELECT gdpr.approve_map('customer');
	SELECT gdpr.protect('customer');
	UPDATE customer SET city = 'Oulu' WHERE id = 1;
	SELECT count(*) FROM gdpr.allow('clerk', 'customer', options => '{"filter": "id < 3", "others": "keep"}');
	SELECT gdpr.hold_subject('2', 'customer', 'case');
	SELECT gdpr.approve_retention(rule, (SELECT hash FROM gdpr.retention_plan(rule) LIMIT 1))
		FROM gdpr.set_retention('customer', '1 year', 'seen', 'anonymise') AS rule;
));
my $facts = q(
	SELECT context, version, status, available, tag_available, values_counted FROM gdpr.key_status;
	SELECT * FROM gdpr.context_grant;
	SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'email';
	SELECT id, email::text FROM person ORDER BY id LIMIT 3;
	SELECT id FROM person WHERE email = 'kanarialintu-77';
	SELECT at, relation, operation, columns, changes, subject, role FROM gdpr.audit ORDER BY id;
	SELECT count(*) FROM gdpr.audit_trail('1', 'customer');
	SELECT role, category, privileges, rows, via FROM gdpr.access_matrix WHERE relation = 'customer'::regclass AND role IN ('clerk', 'postgres') ORDER BY 1, 2, 5;
	SELECT relation, action, approved, due FROM gdpr.retention_status ORDER BY 1, 2;
	SELECT relation, blocker FROM gdpr.forget_plan('2', 'customer');
);
my $before = $old->safe_psql('postgres', $facts);
$old->stop;

for my $preload (0, 1)
{
	my $new = PostgreSQL::Test::Cluster->new("new$preload");
	my $bad = PostgreSQL::Test::Utils::tempdir() . '/nothing';
	$new->init;
	$new->append_conf('postgresql.conf', "shared_preload_libraries = ''") unless $preload;

	# Keys that are not there yet do not stop it.
	$new->append_conf('postgresql.conf', "gdpr.root_key_file = '$bad'") if $preload;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	chdir $folder or die $!;
	command_ok(
		[ "$bindir/pg_upgrade", '--no-sync', '--retain', '-d', $old->data_dir, '-D', $new->data_dir,
			'-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port, '-U', 'postgres' ],
		'pg_upgrade ' . ($preload ? 'with' : 'without') . ' preload in the new server');
	my $logs = join '', map { slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/log/*server.log');
	like($logs, qr/database system is shut down|logical replication launcher/, 'its servers wrote logs');
	unlike($logs, qr/gdpr_ext launcher/, 'and no worker of ours ran in them');
	$new->append_conf('postgresql.conf', "gdpr.root_key_file = '$ENV{GDPR_ROOT_KEY_FILE}'") if $preload;
	$new->append_conf('postgresql.conf', q(shared_preload_libraries = 'gdpr_ext'));
	$new->start;
	is($new->safe_psql('postgres', $facts), $before, 'everything is there');
	$new->safe_psql('postgres', q(INSERT INTO person VALUES (301, 'kanarialintu-301')));
	is($new->safe_psql('postgres', q(SELECT values_counted FROM gdpr.key_status WHERE context = 'pii')), 768,
		'and values are counted on');

	# Rules, records, holds and retention go on.
	my $state = sub {
		my ($out, $err) = ('', '');
		my $rc = $new->psql('postgres', $_[0], stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
		return $rc == 0 ? $out : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
	};
	is($state->(q(SET ROLE clerk; SELECT id, city FROM customer ORDER BY id)), "1|Oulu\n2|Turku", 'the rule lets in what it did');
	is($state->(q(SET ROLE clerk; SELECT name FROM customer)), '42501', 'and no more');
	is($state->(q(GRANT SELECT ON customer TO clerk)), '42501', 'its guard is there');
	$new->safe_psql('postgres', q(UPDATE customer SET city = 'Åbo' WHERE id = 1));
	is($new->safe_psql('postgres', q(SELECT changes FROM gdpr.audit ORDER BY id DESC LIMIT 1)), '{"city": ["Oulu", "Åbo"]}', 'writes are recorded');
	is($new->safe_psql('postgres', q(SELECT count(*) FROM gdpr.audit_trail('1', 'customer'))), 2, 'as the same person\'s');
	is($state->(q(DELETE FROM gdpr.audit_log)), '42501', 'and the log cannot be changed');
	is($state->(q(SELECT gdpr_forget('2', 'customer'))), 'PD003', 'a held person is not forgotten');
	$new->safe_psql('postgres', 'CALL gdpr.run_retention()');
	is($new->safe_psql('postgres', q(SELECT id, name FROM customer ORDER BY id)), "1|\n2|kanarialintu-2\n3|kanarialintu-3",
		'retention masks what is due, and goes round what is held');
	is($state->(q(SELECT (gdpr_forget('1', 'customer') ->> 'changed')::boolean; SELECT count(changes) FROM gdpr.audit_trail('1', 'customer'))), "t\n0",
		'another is forgotten, in the log too');
	$new->stop;
}

done_testing();
