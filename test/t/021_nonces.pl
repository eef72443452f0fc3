# Every key's values are counted: in short sessions, in parallel workers, up to
# the limit, before which the next key takes over; and what standbys can do with
# keys.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('nonces');
$node->init(allows_streaming => 1);
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub state_of
{
	my ($server, $sql) = @_;
	my ($status, $out, $err) = $server->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR: +(\w{5})/ ? $1 : "none: $out";
}

sub counted
{
	return sql("SELECT values_counted FROM gdpr.key_status WHERE context = '$_[0]'");
}

sql(q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', '{postgres}');
	SELECT gdpr.create_context('other', '{postgres}');
	CREATE TABLE person (id int, email enctext('pii'));
));
is(counted('pii'), 0, 'a new key has sealed nothing');

# --- in ordinary sessions

sql(q(INSERT INTO person SELECT i, ('kanarialintu-' || i)::enctext('pii') FROM generate_series(1, 300) i));
is(counted('pii'), 512, '300 values are counted in steps of 256');
sql(qq(INSERT INTO person VALUES ($_, 'kanarialintu-$_'))) for 301 .. 320;
# A session's rest comes back when its process ends, which psql does not wait for.
my $short = counted('pii');
cmp_ok($short, '<', 512 + 10 * 256, 'short sessions use what others left');
is(counted('other'), 0, 'another key has its own count');
sql(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-1'));
sql(q(SELECT email::text FROM person));
is(counted('pii'), $short, 'looking uses nothing');
sql(q(BEGIN; INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 300) i; ROLLBACK));
cmp_ok(counted('pii'), '>=', 300 + 20 + 300, 'what was rolled back is counted too');

# --- in parallel mode, where nextval is not allowed

my $setting = $node->safe_psql('postgres', 'SHOW server_version_num') < 160000
  ? 'force_parallel_mode' : 'debug_parallel_query';
my $count = q(SELECT count(length(('kanarialintu-' || i)::enctext('pii')::text)) FROM generate_series(1, 1000) i);
my $parallel = "SET $setting = on; $count";
like(sql("SET $setting = on; EXPLAIN (COSTS OFF) $count"), qr/Gather/, 'the test runs in parallel mode');
my $before = counted('pii');
is(sql($parallel), 1000, 'parallel workers seal values');
is(counted('pii'), $before, 'not counted there and then');
sql(q(INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 300) i));
my $after = counted('pii');
cmp_ok($after, '>=', 300 + 20 + 300 + 1000 + 300, 'but by the next ordinary session');
cmp_ok($after, '<=', $before + 1000 + 300 + 2 * 256, 'and not twice');

# --- near the limit the next write makes the next key

my $sequence = sql(q(SELECT format('gdpr.nonce_%s_1', lpad(to_hex(hash), 8, '0')) FROM gdpr.context WHERE name = 'pii'));
my $limit = 1 << 31;
my $margin = 1 << 26;

sub versions
{
	return sql(q(SELECT string_agg(version || ' ' || status, ', ' ORDER BY version) FROM gdpr.key_status WHERE context = 'pii'));
}

sub set_count
{
	my ($version, $count) = @_;
	$node->restart;    # forgets what is left over
	sql("SELECT setval('" . ($sequence =~ s/_1$/_$version/r) . "', $count)");
	return;
}

sub by_version
{
	return sql(q(SELECT string_agg(key_version || ' ' || count, ', ' ORDER BY key_version)
		FROM gdpr.check_column('person', 'email') WHERE item = 'decrypt by key version'));
}

my $rows = sql('SELECT count(*) FROM person');
set_count(1, $limit - $margin - 1024);
is(state_of($node, q(INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 10) i)),
	'none: ', 'below the margin nothing changes');
is(versions(), '1 primary', 'there is one key');
set_count(1, $limit - $margin - 512);
is(state_of($node, q(BEGIN; INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 1000) i; ROLLBACK)),
	'none: ', 'a write that comes into the margin and is rolled back');
is(versions(), '1 primary', 'leaves no key behind');
set_count(1, $limit - $margin - 512);
is(state_of($node, q(INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 1000) i)),
	'none: ', 'one that is not');
is(versions(), '1 enabled, 2 primary', 'makes the next key');
is(by_version(), '1 ' . ($rows + 10 + 256) . ', 2 744', 'within its statement');
is(sql(q(SELECT count(*) FROM gdpr.key_event WHERE action = 'rotate' AND name = 'pii' AND version = 2)), 1, 'and it is recorded');

# Who makes it may take long: others go on with the old key and do not wait.
set_count(2, $limit - $margin - 512);
my $slow = $node->background_psql('postgres');
$slow->query_safe(q(BEGIN; INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 1000) i));
is(state_of($node, q(SET lock_timeout = '5s'; INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 1000) i)),
	'none: ', 'a second writer does not wait for the first');
like(by_version(), qr/, 2 1744$/, 'but goes on with the old key');
$slow->query_safe('COMMIT');
$slow->quit;
is(versions(), '1 enabled, 2 enabled, 3 primary', 'until the new one is committed');
like(by_version(), qr/, 2 2000, 3 744$/, 'which the first writer used');

# In parallel mode no key can be made: the margin is for that, and has an end.
set_count(3, $limit);
is(state_of($node, $parallel), '53400', 'at the very end a value is refused in parallel mode');
is(state_of($node, 'BEGIN READ ONLY; ' . q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')),
	'none: ' . sql(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')), 'what is stored can be searched');
$slow = $node->background_psql('postgres');
$slow->query_safe(q(BEGIN; SELECT gdpr.rotate_context('pii')));
is(state_of($node, q(SET lock_timeout = '100ms'; INSERT INTO person VALUES (0, 'kanarialintu-'))), '55P03',
	'in an ordinary statement it waits for who makes the next key');
$slow->query_safe('ROLLBACK');
is(state_of($node, q(INSERT INTO person VALUES (0, 'kanarialintu-'))), 'none: ', 'or makes it');
like(versions(), qr/3 enabled, 4 primary/, 'which makes the key the next one');
is(state_of($node, $parallel), 'none: 1000', 'for parallel mode too');
$slow->quit;

$rows = sql('SELECT count(*) FROM person');
sql(q(CREATE TABLE moved (email enctext('other')); INSERT INTO moved SELECT email::enctext('other') FROM person));
is(sql('SELECT count(*) FROM moved'), $rows, 'values of all keys are moved to another context');

# --- a sequence that is missing

sql('DROP SEQUENCE ' . ($sequence =~ s/_1$/_4/r));
is(state_of($node, q(INSERT INTO person VALUES (0, 'kanarialintu-'))), '55000', 'without its count a key seals nothing');
sql(q(INSERT INTO gdpr.context_key SELECT context, 9, 'enabled', root_id, wrapped FROM gdpr.context_key WHERE context = 'pii' AND version = 4));
is(sql(q(SELECT values_counted FROM gdpr.key_status WHERE context = 'pii' AND version = 4)), 0, 'a change of keys makes missing sequences');
sql(q(DELETE FROM gdpr.context_key WHERE version = 9));

# --- a read-only transaction and a standby count nothing

my $sevens = sql(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7'));
is(state_of($node, q(BEGIN READ ONLY; SELECT count(*) FROM person WHERE email = 'kanarialintu-7')),
	"none: $sevens", 'a read-only transaction searches');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')),
	$sevens, 'a standby searches');
is($standby->safe_psql('postgres', q(SELECT count(*) FROM person WHERE email::text LIKE 'kanarialintu-%')),
	$rows, 'and reads');
is($standby->safe_psql('postgres', q(SELECT 'kanarialintu-x'::enctext::text)), 'kanarialintu-x',
	'and passes values along');
sql(q(CREATE ROLE late; GRANT SELECT ON person TO late));
my $read = q(SET ROLE late; SELECT count(email::text) FROM person);
$node->wait_for_catchup($standby, 'replay');
is(state_of($standby, $read), '42501', 'grants hold there');
sql(q(SELECT gdpr.grant_context('pii', 'late')));
$node->wait_for_catchup($standby, 'replay');
is(state_of($standby, $read), "none: $rows", 'and their changes');
$standby->stop;
$node->stop;

done_testing();
