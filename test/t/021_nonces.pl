# Every key's values are counted: in short sessions, in parallel workers, up to
# the limit; and what standbys can do with keys.

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

# --- the limit

my $sequence = sql(q(SELECT format('gdpr.nonce_%s_1', lpad(to_hex(hash), 8, '0')) FROM gdpr.context WHERE name = 'pii'));
$node->restart;    # forgets what is left over
sql("SELECT setval('$sequence', (1::bigint << 31) - 512)");
my $rows = sql('SELECT count(*) FROM person');
is(state_of($node, q(INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 256) i)),
	'none: ', 'the last step can be used');
is(counted('pii'), 1 << 31, 'to its end');
is(state_of($node, q(INSERT INTO person VALUES (0, 'kanarialintu-'))), '53400', 'the next value is refused');
is(state_of($node, q(INSERT INTO person VALUES (0, 'kanarialintu-'))), '53400', 'and so is the one after it');
is(state_of($node, $parallel), '53400', 'in parallel mode too');
is(sql('SELECT count(*) FROM person'), $rows + 256, 'and not stored');
is(sql(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')), 3, 'what is stored can be searched');
sql(q(CREATE TABLE moved (email enctext('other')); INSERT INTO moved SELECT email::enctext('other') FROM person));
is(sql('SELECT count(*) FROM moved'), $rows + 256, 'and moved to another context');

# --- a sequence that is missing

sql("DROP SEQUENCE $sequence");
is(state_of($node, q(INSERT INTO person VALUES (0, 'kanarialintu-'))), '55000', 'without its count a key seals nothing');
sql(q(INSERT INTO gdpr.context_key SELECT context, 2, 'enabled', root_id, wrapped FROM gdpr.context_key WHERE context = 'pii'));
is(counted('pii'), "0\n0", 'a change of keys makes missing sequences');
sql(q(DELETE FROM gdpr.context_key WHERE version = 2));

# --- a read-only transaction and a standby count nothing

is(state_of($node, q(BEGIN READ ONLY; SELECT count(*) FROM person WHERE email = 'kanarialintu-7')),
	'none: 3', 'a read-only transaction searches');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')),
	3, 'a standby searches');
is($standby->safe_psql('postgres', q(SELECT count(*) FROM person WHERE email::text LIKE 'kanarialintu-%')),
	$rows + 256, 'and reads');
is($standby->safe_psql('postgres', q(SELECT 'kanarialintu-x'::enctext::text)), 'kanarialintu-x',
	'and passes values along');
sql(q(CREATE ROLE late; GRANT SELECT ON person TO late));
my $read = q(SET ROLE late; SELECT count(email::text) FROM person);
$node->wait_for_catchup($standby, 'replay');
is(state_of($standby, $read), '42501', 'grants hold there');
sql(q(SELECT gdpr.grant_context('pii', 'late')));
$node->wait_for_catchup($standby, 'replay');
is(state_of($standby, $read), 'none: ' . ($rows + 256), 'and their changes');
$standby->stop;
$node->stop;

done_testing();
