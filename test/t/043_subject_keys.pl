# Keys of persons and transactions that fail, are prepared or do more than one
# thing.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $store = PostgreSQL::Test::Utils::tempdir() . '/keystore';
mkdir $store, 0700 or die;
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf',
	"gdpr.keystore_path = '$store'\ngdpr.worker_naptime = 3600\nmax_prepared_transactions = 2\n");
$node->start;

sub persons
{
	return $node->safe_psql('postgres', "SELECT string_agg(id || ':' || coalesce(note::text, '-'), ' ' ORDER BY id) FROM person");
}

$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[current_user]);
	CREATE TABLE person (id int PRIMARY KEY, note encsecret('pii'));
	CREATE TABLE visit (id int PRIMARY KEY, person int, place encsecret('pii'), code enctext('pii'));
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.declare_column('person', 'note', 'free_text');
	SELECT gdpr.declare_link('visit', '{person}', 'person', '{id}', on_forget => 'delete');
	SELECT gdpr.approve_map('person');
	SELECT gdpr.protect_subject('person', '{"subject_keys": true}');
	ALTER DATABASE postgres SET gdpr.enabled = off;
	INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 3) i;
	SELECT gdpr_forget('1', 'person');
));

# --- an epoch of a transaction that failed, and that used it

$node->safe_psql('postgres', "BEGIN; SELECT gdpr.end_epoch(); INSERT INTO person VALUES (9, 'kanarialintu-9'); ROLLBACK");
is($node->safe_psql('postgres', 'SELECT gdpr.end_epoch()'), 'begun', 'the next transaction begins it');
$node->safe_psql('postgres', "INSERT INTO person VALUES (4, 'kanarialintu-4')");
$node->restart;
is(persons(), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'its key is the one that the keystore has');

# --- all steps in one transaction, which fails

is($node->safe_psql('postgres', 'BEGIN; SELECT gdpr.end_epoch(); SELECT gdpr.end_epoch(); SAVEPOINT a; SELECT gdpr.end_epoch(); ROLLBACK'),
	"rewrapped\nemptied\nwaiting", 'nothing is destroyed before the new keys are committed');
$node->restart;
is(persons(), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'so nothing is lost');
is($node->safe_psql('postgres', "SELECT gdpr.end_epoch();\nSELECT gdpr.end_epoch();\nSELECT gdpr.end_epoch();\nSELECT gdpr.end_epoch()"),
	"rewrapped\nemptied\ndestroyed\nidle", 'one transaction each');
$node->restart;
is(persons(), '2:kanarialintu-2 3:kanarialintu-3 4:kanarialintu-4', 'everybody reads');

# --- a key in the keystore that is not ours is not written over

my ($key) = glob "$store/*.2.key";
(my $next = $key) =~ s/2\.key$/3.key/;
append_to_file($next, 'what another root wrapped');
$node->safe_psql('postgres', "SELECT gdpr_forget('3', 'person')");
my ($rc, $out, $err) = $node->psql('postgres', 'SELECT gdpr.end_epoch()');
like($err, qr/has a key of epoch 3 already/, 'it stands in the way');
is(slurp_file($next), 'what another root wrapped', 'and stays');
unlink $next;
is($node->safe_psql('postgres', 'SELECT gdpr.end_epoch()'), 'begun', 'without it the epoch begins');

# --- a key of a transaction that is prepared

($rc, $out, $err) = $node->psql('postgres', "BEGIN;
INSERT INTO person VALUES (5, 'kanarialintu-5');
PREPARE TRANSACTION 'a';
SET lock_timeout = '500ms';
INSERT INTO visit VALUES (1, 5, 'kanarialintu-place');
ROLLBACK PREPARED 'a';
RESET lock_timeout;
INSERT INTO visit VALUES (2, 5, 'kanarialintu-place');
", on_error_stop => 0);
like($err, qr/lock timeout/, 'its own session waits for it as others do');
is($node->safe_psql('postgres', 'SELECT id, place FROM visit'), '2|kanarialintu-place', 'nothing is sealed by a key that never was');

# --- a restore that brings values before keys

my $text = $node->safe_psql('postgres', "
	CREATE ROLE clerk; GRANT SELECT ON visit TO clerk;
	UPDATE visit SET code = 'kanarialintu-code';
	SET ROLE clerk; SELECT format('%s', code) FROM visit");
($rc, $out, $err) = $node->psql('postgres', "CREATE TEMP TABLE k AS SELECT * FROM gdpr.subject_key; DELETE FROM gdpr.subject_key;
	SELECT set_config('search_path', '', false); SELECT 1 FROM (SELECT '$text'::public.enctext OFFSET 0) v");
like($err, qr/lacks its equality tag/, 'it is not taken for an erased one');

$node->stop;
done_testing();
