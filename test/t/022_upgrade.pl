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
));
my $facts = q(
	SELECT context, version, status, available, tag_available, values_counted FROM gdpr.key_status;
	SELECT * FROM gdpr.context_grant;
	SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'email';
	SELECT id, email::text FROM person ORDER BY id LIMIT 3;
	SELECT id FROM person WHERE email = 'kanarialintu-77';
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
	is($new->safe_psql('postgres', q(SELECT values_counted FROM gdpr.key_status)), 768,
		'and values are counted on');
	$new->stop;
}

done_testing();
