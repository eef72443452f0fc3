# Keys of persons and the keystore: after an epoch has ended, an older backup
# opens nobody, and with today's keystore everybody but those who were erased.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $store = PostgreSQL::Test::Utils::tempdir() . '/keystore';
mkdir $store, 0700 or die;
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "gdpr.keystore_path = '$store'\ngdpr.worker_naptime = 3600\n");
$node->start;

sub objects
{
	opendir my $dir, $store or die;
	my @names = sort map { s/^[0-9a-f]{16}/L/r } grep { !/^\.|\.owner$/ } readdir $dir;
	return join ' ', @names;
}

sub steps
{
	my ($server) = @_;
	my @steps;
	for (1 .. 20)
	{
		push @steps, $server->safe_psql('postgres', 'SELECT gdpr.end_epoch()');
		last if $steps[-1] =~ /^(idle|waiting)$/;
	}
	return join ' ', @steps;
}

sub persons
{
	my ($server) = @_;
	my ($rc, $out, $err) = $server->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT string_agg(id || ':' || coalesce(note::text, '-'), ' ' ORDER BY id) FROM person",
		on_error_stop => 0);
	return $err =~ /ERROR:  (\w+)/ ? $1 : $out;
}

$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[current_user]);
	CREATE TABLE person (id int PRIMARY KEY, note encsecret('pii'), mail enctext('pii'));
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.declare_column('person', c, 'free_text') FROM unnest('{note, mail}'::name[]) c;
	SELECT gdpr.approve_map('person');
	SELECT gdpr.protect('person', '{"subject_keys": true}');
	-- the worker's turn comes at the end
	ALTER DATABASE postgres SET gdpr.enabled = off;
));

# a transaction that fails leaves a key in the store that nothing is wrapped by
$node->safe_psql('postgres', "BEGIN; INSERT INTO person VALUES (9, 'kanarialintu-9'); ROLLBACK");
is(objects(), 'L.1.key', 'a key is in the keystore before what it wraps is committed');
unlink glob "$store/*";
$node->safe_psql('postgres', "INSERT INTO person SELECT i, 'kanarialintu-' || i, 'kanarialintu-mail-' || i FROM generate_series(1, 4) i");
is(objects(), 'L.1.key', 'the first epoch');
is($node->safe_psql('postgres', 'SELECT wrapped IS NULL, lineage IS NOT NULL FROM gdpr.subject_epoch'), 't|t', 'its key is not in the database');
my ($file) = glob "$store/*.key";
is((stat $file)[2] & 07777, 0600, 'nobody else reads the key');
is(steps($node), 'idle', 'nobody was erased');

# --- backups of before the erasure

$node->backup('before');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$store/../before.dump", 'postgres' ], 'a dump of before');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'before', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(persons($standby), '1:kanarialintu-1 2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'the standby reads');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM gdpr.standby_ready() WHERE NOT ready'), '0', 'and is ready');

# --- erasure, and the end of the epoch

$node->safe_psql('postgres', "SELECT gdpr_forget('1', 'person')");
$node->safe_psql('postgres', "INSERT INTO person VALUES (5, 'kanarialintu-5', NULL)");
$node->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('absent', true)");
is($node->safe_psql('postgres', 'SELECT gdpr.end_epoch()'), 'begun', 'begins');
$node->safe_psql('postgres', "INSERT INTO person VALUES (6, 'kanarialintu-6', NULL)");
is($node->safe_psql('postgres', 'SELECT string_agg(epoch || status, $$ $$ ORDER BY epoch) FROM gdpr.subject_epoch'), '1enabled 2primary', 'two epochs');
is($node->safe_psql('postgres', 'SELECT string_agg(epoch || $$:$$ || n, $$ $$ ORDER BY epoch) FROM (SELECT epoch, count(*) AS n FROM gdpr.subject_key GROUP BY 1) e'), '1:4 2:1', 'a new person is of the next one');
is(persons($node), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4 5:kanarialintu-5 6:kanarialintu-6', 'all read meanwhile');

# kill -9 between the steps
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT gdpr.end_epoch()'), 'rewrapped', 'goes on after a crash');
$node->stop('immediate');
$node->start;
is(steps($node), 'emptied waiting', 'waits for the slot of a standby that is away');
is(objects(), 'L.1.key L.2.key L.2.set L.head', 'the old key is there as long');
is(steps($node), 'waiting', 'and waits');
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('absent')");
$node->wait_for_catchup($standby);
is(steps($node), 'destroyed idle', 'then it is destroyed');
is(objects(), 'L.2.key L.2.set L.head', 'and gone');
is(persons($node), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4 5:kanarialintu-5 6:kanarialintu-6', 'all who are left read');
$node->wait_for_catchup($standby);
is(persons($standby), persons($node), 'on the standby, too');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM gdpr.standby_ready() WHERE NOT ready'), '0', 'it is ready');
is(steps($node), 'idle', 'nothing is left to do');

# --- an older backup

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'before');
$restored->append_conf('postgresql.conf', "archive_mode = off\n");
$restored->start;
is(persons($restored), 'PD006', 'nobody is readable in a backup of before');
is($restored->safe_psql('postgres', "SELECT detail FROM gdpr.standby_ready() WHERE NOT ready"), 'it lacks the key of epoch 1', 'and it says so');
my ($rc, $out, $err) = $restored->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/of a later time than the database/, 'no epoch ends there');
($rc, $out, $err) = $restored->psql('postgres', "INSERT INTO person VALUES (7, 'kanarialintu-7', NULL)");
like($err, qr/restore_subject_keys/, 'and no key is made');
is($restored->safe_psql('postgres', 'SELECT * FROM gdpr.restore_subject_keys()'), '5|1', "today's keys");
is(persons($restored), '1:- 2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'everybody is readable but who was erased');
is($restored->safe_psql('postgres', "SELECT mail::text FROM person WHERE id = 1"), '', 'in no column');
is($restored->safe_psql('postgres', "SELECT count(*) FROM person WHERE mail = 'kanarialintu-mail-1'"), '1', 'what the backup tells yet: the tag of who knows the value');
is($restored->safe_psql('postgres', 'SELECT * FROM gdpr.restore_subject_keys()'), '0|0', 'again: nothing to do');
$restored->safe_psql('postgres', "INSERT INTO person VALUES (7, 'kanarialintu-7', NULL)");
is($restored->safe_psql('postgres', 'SELECT note FROM person WHERE id = 7'), 'kanarialintu-7', 'new persons get keys');
is(steps($restored), 'idle', 'epochs go on');
$restored->stop;

# the dump, in another database of the same server
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->command_ok([ 'pg_restore', '-d', 'again', "$store/../before.dump" ], 'the dump is restored');
is($node->safe_psql('again', 'SELECT * FROM gdpr.restore_subject_keys()'), '5|1', 'with the keys of today');
is($node->safe_psql('again', "SELECT string_agg(id || ':' || coalesce(note::text, '-'), ' ' ORDER BY id) FROM person"),
	'1:- 2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'and without who was erased');

# a copy must not end the epochs of the other
my ($rc2, $out2, $err2) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err2, qr/belong to another database/, 'the keystore belongs to who restored last');
($rc2, $out2, $err2) = $node->psql('postgres', 'SELECT gdpr.rewrap_keys()');
like($err2, qr/belong to another database/, 'for other root keys, too');
is($node->safe_psql('postgres', 'SELECT * FROM gdpr.restore_subject_keys()'), '0|0', 'and is taken back');
($rc2, $out2, $err2) = $node->psql('again', 'SELECT gdpr.end_epoch()');
like($err2, qr/belong to another database/, 'not the copy any more');
is(steps($node), 'idle', 'and epochs go on here');

# --- another root key

open my $key, '<', $ENV{GDPR_ROOT_KEY_FILE} or die;
chomp(my $hex = <$key>);
close $key;
my $roots = PostgreSQL::Test::Utils::tempdir() . '/roots';
umask 0077;
append_to_file($roots, "next " . ('ab' x 32) . "\n1 $hex\n");
$node->append_conf('postgresql.conf', "gdpr.root_key_file = '$roots'\n");
$node->reload;
$node->safe_psql('postgres', 'SELECT gdpr.reload_keys()');
my ($wrapped) = glob "$store/*.key";
my $by_old_root = slurp_file($wrapped);
my $rewrap = "SELECT rewrapped, cardinality(unavailable) FROM gdpr.rewrap_keys() WHERE kind = 'epoch'";
is($node->safe_psql('postgres', $rewrap), '1|0', 'the epoch is wrapped by the new root');
my $by_new_root = slurp_file($wrapped);
unlink $roots;
append_to_file($roots, "next " . ('ab' x 32) . "\n");
unlink $wrapped;
append_to_file($wrapped, $by_old_root);
($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.reload_keys()');
like($err, qr/root key "1" is still needed/, 'a root key that wraps an epoch in the keystore does not go');
unlink $wrapped;
append_to_file($wrapped, $by_new_root);
$node->safe_psql('postgres', 'SELECT gdpr.reload_keys()');
$node->restart;
is(persons($node), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4 5:kanarialintu-5 6:kanarialintu-6', 'which is enough');

# --- a keystore that is not what it should be

sub defect
{
	my ($message, $name) = @_;
	$node->safe_psql('postgres', "SELECT gdpr_forget(id::text, 'person') FROM person WHERE note IS NOT NULL ORDER BY id LIMIT 1");
	my ($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
	like($err, $message, $name);
}

chmod 0750, $store;
defect(qr/its mode must be 0700/, 'a folder that others can read');
chmod 0700, $store;
rename $store, "$store.away";
defect(qr/the folder cannot be examined/, 'a folder that is away');
is($node->safe_psql('postgres', "SELECT note FROM person WHERE id = 6"), 'kanarialintu-6', 'the server reads on with what it has');
$node->restart;
is(persons($node), 'PD006', 'after a restart it does not');
rename "$store.away", $store;
sleep 6;
is($node->safe_psql('postgres', "SELECT note FROM person WHERE id = 6"), 'kanarialintu-6', 'the keystore is back');

# --- a program as the keystore

my $program = PostgreSQL::Test::Utils::tempdir() . '/keystore.sh';
append_to_file($program, <<"END");
#!/bin/sh
cd '$store' || exit 3
[ ! -e ../broken ] || { cat ../broken; exit 1; }
[ ! -e ../slow ] || sleep 30
case \$1 in
read) [ ! -e "\$2" ] || cat "\$2" ;;
write) cat >"\$2.new" && mv "\$2.new" "\$2" ;;
destroy) rm -f "\$2" ;;
*) exit 2 ;;
esac
END
chmod 0700, $program;
$node->append_conf('postgresql.conf', "gdpr.keystore_path = ''\ngdpr.keystore_command = '$program'\n");
$node->restart;
is($node->safe_psql('postgres', "SELECT note FROM person WHERE id = 6"), 'kanarialintu-6', 'the program gives the key');
is(steps($node), 'begun rewrapped emptied destroyed idle', 'and keeps and destroys them');
is(objects(), 'L.3.key L.3.set L.head', 'as a folder does');
append_to_file("$store/../broken", 'kanarialintu-output');
$node->safe_psql('postgres', "SELECT gdpr_forget('5', 'person')");
($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/gdpr.keystore_command": the command failed with exit status 1/, 'a program that fails');
unlike($err, qr/kanarialintu/, 'what it printed is not told');
unlink "$store/../broken";
append_to_file("$store/../slow", '');
($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/took longer than 10 seconds/, 'a program that takes its time');
unlink "$store/../slow";
$node->append_conf('postgresql.conf', "gdpr.keystore_path = '$store'\n");
$node->reload;
($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/both set/, 'one of the settings');
$node->append_conf('postgresql.conf', "gdpr.keystore_path = ''\ngdpr.keystore_command = ''\n");
$node->reload;
($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/no keystore is configured/, 'none');

# --- the worker ends epochs by itself

$node->append_conf('postgresql.conf', "gdpr.keystore_path = '$store'\ngdpr.epoch_interval = 0\ngdpr.worker_naptime = 1\n");
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET gdpr.enabled = on');
$node->restart;
ok($node->poll_query_until('postgres', "SELECT max(epoch) = 4 AND count(*) FILTER (WHERE status <> 'destroyed') = 1 FROM gdpr.subject_epoch"), 'the worker ends an epoch');
is($node->safe_psql('postgres', "SELECT note FROM person WHERE id = 6"), 'kanarialintu-6', 'and who is left reads');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT action, ' ' ORDER BY action) FROM gdpr.key_event WHERE kind = 'epoch'"), 'destroy end rewrap', 'it is recorded');

$standby->stop;
$node->stop;
done_testing();
