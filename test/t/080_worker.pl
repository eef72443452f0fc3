# The background worker: it does what is due without a call, in every database,
# once; a crash in the middle costs one batch; and it is in nobody's way.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 10000;
my $batch = 500;

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q(
restart_after_crash = on
fsync = on
gdpr.worker_naptime = 1
log_statement = none
max_worker_processes = 20
));
$node->start;

my $visible = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = );
is($node->safe_psql('postgres', "$visible 'gdpr_ext launcher' AND datname IS NULL"), '1',
	'there is one launcher, in no database');

# A table of old rows, each of whose updates leaves a line behind; a statement
# takes as long as we say.
my $setup = qq(
	SET client_min_messages = warning;
	CREATE EXTENSION gdpr_ext;
	CREATE TABLE item (id int PRIMARY KEY, created date NOT NULL, name text, note text);
	CREATE TABLE done (id int, by name DEFAULT current_user, session name DEFAULT session_user);
	CREATE TABLE pace (seconds float8);
	INSERT INTO pace VALUES (0);
	CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
		\$\$ BEGIN INSERT INTO public.done VALUES (NEW.id); RETURN NULL; END \$\$;
	CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
		\$\$ BEGIN PERFORM pg_sleep(seconds) FROM public.pace; RETURN NULL; END \$\$;
	CREATE TRIGGER mark AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION mark();
	CREATE TRIGGER pause AFTER UPDATE ON item FOR EACH STATEMENT EXECUTE FUNCTION pause();
	INSERT INTO item SELECT i, '2020-01-01', 'kanarialintu-' || i, 'x' FROM generate_series(1, $rows) i;
	INSERT INTO item VALUES (0, current_date, 'kanarialintu-0', 'x');
	SELECT gdpr.declare_column('item', 'name', 'name', mask => 'null');
);
my $rule = qq(
	SELECT gdpr.set_retention('item', '2 years', 'created', 'anonymise',
		options => '{"batch_size": $batch, "every": "1 day"}') AS rule \\gset
	SELECT hash AS plan FROM gdpr.retention_plan(:rule) LIMIT 1 \\gset
	SELECT gdpr.approve_retention(:rule, :'plan');
);
my $owner = q(
	CREATE ROLE keeper;
	GRANT CREATE ON SCHEMA public TO keeper;
);
my $mine = q(
	ALTER TABLE item OWNER TO keeper;
	ALTER TABLE done OWNER TO keeper;
	ALTER TABLE pace OWNER TO keeper;
);
my $left = 'SELECT count(*) FROM item WHERE name IS NOT NULL AND id > 0';

sub pace { my ($db, $seconds) = @_; $node->safe_psql($db, "UPDATE pace SET seconds = $seconds"); return; }

sub worker_pid
{
	my ($db) = @_;
	my $query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'gdpr_ext worker' AND datname = '$db' AND wait_event = 'PgSleep'";
	$node->poll_query_until('postgres', "SELECT EXISTS ($query)") or die "no worker is at work in $db";
	return $node->safe_psql('postgres', $query);
}

# ---- kill -9 in the middle ----

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', $owner);
$node->safe_psql('shop', $setup . $mine);
is($node->safe_psql('shop', 'SHOW gdpr.enabled'), 'on', 'CREATE EXTENSION says that the database is to be visited');
pace('shop', 0.2);
$node->safe_psql('shop', $rule);
$node->poll_query_until('shop', "SELECT count(*) >= 2 * $batch FROM done") or die 'nothing happens';
is($node->safe_psql('shop', q(SELECT running_since IS NOT NULL FROM gdpr.retention_state)), 't',
	'the rule is under way, as its status says');
my $killed = worker_pid('shop');
kill 9, $killed;

# The postmaster takes everybody down and starts again by itself; until it does, it answers.
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $killed)")
	or die 'the server does not come back';
$node->poll_query_until('shop', 'SELECT true') or die 'the database does not come back';
my ($before) = $node->safe_psql('shop', "SELECT min(n) FROM (SELECT $rows - count(*) AS n FROM item WHERE name IS NOT NULL AND id > 0) x");
cmp_ok($before, '<', $rows, 'the crash came in the middle');
is($before % $batch, 0, 'whole batches are done, and no part of one');
pace('shop', 0);
ok($node->poll_query_until('shop', "SELECT ($left) = 0"), 'after the restart all is done, without a call');
is($node->safe_psql('shop', 'SELECT count(*), count(DISTINCT id) FROM done'), "$rows|$rows", 'each row once');
is($node->safe_psql('shop', 'SELECT name FROM item WHERE id = 0'), 'kanarialintu-0', 'and none that is not due');
$node->poll_query_until('shop', 'SELECT bool_and(last_success IS NOT NULL) FROM gdpr.retention_status WHERE rule IS NOT NULL');
is($node->safe_psql('shop', 'SELECT done, due, last_error IS NULL, next_run > now() FROM gdpr.retention_status WHERE rule IS NOT NULL'),
	"$rows|0|t|t", 'and the status says so');
is($node->safe_psql('shop', q(SELECT DISTINCT by FROM done)), 'keeper', 'done by the owner of the table');

# ---- nobody is kept waiting ----

$node->safe_psql('shop', qq(
	INSERT INTO item SELECT i, '2020-01-01', 'kanarialintu-' || i, 'x' FROM generate_series($rows + 1, 2 * $rows) i;
	UPDATE gdpr.retention_state SET next_run = now()));
pace('shop', 0.5);
worker_pid('shop');
my $copied = $node->psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
is($copied, 0, 'CREATE DATABASE ... TEMPLATE does not wait for the worker');
is($node->safe_psql('copy', 'SHOW gdpr.enabled'), 'off', 'a copy is not visited');
is($node->safe_psql('copy', "SELECT ($left) % $batch"), '0', 'and has whole batches');
pace('copy', 0);
my $in_copy = $node->safe_psql('copy', $left);

$node->safe_psql('postgres', 'CREATE DATABASE away');
$node->safe_psql('away', $setup . 'ALTER TABLE done OWNER TO keeper; ALTER TABLE pace OWNER TO keeper; ALTER TABLE item OWNER TO keeper;');
pace('away', 0.5);
$node->safe_psql('away', $rule);
worker_pid('away');
is($node->psql('postgres', 'ALTER DATABASE away RENAME TO gone'), 0, 'nor does ALTER DATABASE ... RENAME');
is($node->psql('postgres', 'DROP DATABASE gone'), 0, 'nor does DROP DATABASE');
is($node->safe_psql('copy', $left), $in_copy, 'the copy was left alone all the time');

# ---- ten databases ----

$node->safe_psql('copy', 'TRUNCATE done');
for my $i (2 .. 10)
{
	$node->safe_psql('postgres', "CREATE DATABASE shop$i TEMPLATE copy");
	$node->safe_psql('postgres', "ALTER DATABASE shop$i SET gdpr.enabled = on");
}
for my $i (2 .. 10)
{
	$node->poll_query_until("shop$i", "SELECT ($left) = 0") or last;
}
is(join(' ', map { $node->safe_psql("shop$_", 'SELECT count(*) - count(DISTINCT id) FROM done') . '/' . $node->safe_psql("shop$_", $left) } 2 .. 10),
	join(' ', ('0/0') x 9), 'nine more databases are worked in, each row once');

# ---- DROP EXTENSION ----

$node->safe_psql('shop2', 'SET gdpr.allow_drop = on; DROP EXTENSION gdpr_ext');
is($node->safe_psql('shop2', 'SHOW gdpr.enabled'), 'off', 'DROP EXTENSION takes the setting back');

# ---- standby ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('worker_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', "$visible 'gdpr_ext launcher'"), '0', 'a standby has no launcher');
$node->safe_psql('shop3', qq(
	INSERT INTO item SELECT i, '2020-01-01', 'kanarialintu-' || i, 'x' FROM generate_series(1000001, 1000100) i;
	UPDATE pace SET seconds = 0));
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', "SELECT ($visible 'gdpr_ext launcher') = 1"), 'a promoted one has');
$standby->safe_psql('shop3', 'UPDATE gdpr.retention_state SET next_run = now()');
ok($standby->poll_query_until('shop3', "SELECT ($left) = 0"), 'and goes on with what is due');

unlike(slurp_file($node->logfile) . slurp_file($standby->logfile), qr/kanarialintu/, 'no log holds a value');
$standby->stop;
done_testing();
