# An erasure that does not come to its end has changed nothing; and what a dump
# and a restored database know of erasures.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('forget');
$node->init(allows_streaming => 1);
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(q(
	SET client_min_messages = error;
	CREATE EXTENSION gdpr_ext;
	CREATE TABLE person (id int PRIMARY KEY, name text);
	CREATE TABLE item (id int PRIMARY KEY, person int NOT NULL REFERENCES person, note text);
	CREATE TABLE paper (id int PRIMARY KEY, person int NOT NULL REFERENCES person, dated date);
	INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 5) i;
	INSERT INTO item SELECT i, 1 + i % 5, 'kanarialintu-' || i FROM generate_series(1, 50) i;
	INSERT INTO paper VALUES (1, 1, '2024-05-05');
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.declare_link('item', '{person}', 'person', '{id}');
	SELECT gdpr.declare_link('paper', '{person}', 'person', '{id}', on_forget => 'keep', options =>
		'{"ground": "17(3)(b)", "law": "x", "keep": "101 years", "keep_from": "row", "keep_since": "dated"}');
	SELECT gdpr.declare_column('person', 'name', 'name');
	SELECT gdpr.approve_map('person');
));

my $state = q(
	SELECT md5(string_agg(x, ',' ORDER BY x)) FROM (SELECT 'p' || person::text AS x FROM person
	UNION ALL SELECT 'i' || item::text FROM item UNION ALL SELECT 'l' || id::text FROM gdpr.erasure) y);
my $before = sql($state);

# A trigger holds the erasure when its rows are changed already.
sql(q(
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$;
	CREATE TRIGGER wait AFTER DELETE ON item FOR EACH STATEMENT EXECUTE FUNCTION wait();
));

sub start_erasure
{
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q(SELECT gdpr_forget('1')) ],
		'>', \$out, '2>', \$err);
	$node->poll_query_until('postgres',
		q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%gdpr_forget%'))
	  or die 'the erasure does not come to the trigger';
	return $run;
}

my $run = start_erasure();
is(sql($state), $before, 'an open erasure is seen by nobody');
sql(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
$run->finish;
is(sql($state), $before, 'an erasure whose session ends has changed nothing');
is(sql(q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')), 0, 'and holds no lock');

$run = start_erasure();
$node->stop('immediate');
$run->finish;
$node->start;
is(sql($state), $before, 'an erasure that a crash ends has changed nothing');

sql('DROP TRIGGER wait ON item');
sql(q(SELECT gdpr_forget('1', reason => 'asked by letter')));
sql(q(SELECT gdpr_forget('2')));
isnt(sql($state), $before, 'without the trigger it changes something');
is(sql('SELECT count(*) FROM gdpr.erasure'), 2, 'and is in the ledger, once for each person');
$node->restart;

# The ledger, the map and its approval go along in a dump.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], 'pg_restore');
is($node->safe_psql('restored', 'SELECT * FROM gdpr.erasure ORDER BY id'),
	sql('SELECT * FROM gdpr.erasure ORDER BY id'), 'the ledger is restored as it was');
is($node->safe_psql('restored', q(SELECT gdpr_forget('1')->>'changed')), 'false',
	'what was reduced before is known to be');
is($node->safe_psql('restored', q(SELECT gdpr_forget('3')->>'changed')), 'true',
	'the restored map is approved');
my ($status, $out, $err) = $node->psql('restored', 'DELETE FROM gdpr.erasure_ledger');
like($err, qr/cannot be changed/, 'the restored ledger is guarded');

# Read-only: export and the plan work, forget does not.
is(sql(q(BEGIN READ ONLY; SELECT gdpr_export('4')->'subject'->>'key'; COMMIT)), '4', 'export in a read-only transaction');
is(sql(q(BEGIN READ ONLY; SELECT sum(rows) FROM gdpr.forget_plan('4'); COMMIT)), '11', 'the plan in a read-only transaction');
($status, $out, $err) = $node->psql('postgres', q(BEGIN READ ONLY; SELECT gdpr_forget('4')));
like($err, qr/read-only transaction/, 'no erasure in a read-only transaction');

# A standby answers, and erases nobody.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('forget_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q(SELECT gdpr_export('4')->'subject'->>'key')), '4', 'export on a standby');
is($standby->safe_psql('postgres', q(SELECT gdpr_forget('4', dry_run => true)->'relations'->0->>'deleted')), '1',
	'a dry run on a standby');
($status, $out, $err) = $standby->psql('postgres', q(\set VERBOSITY sqlstate
SELECT gdpr_export('no number')));
like($err, qr/PD001/, 'an unknown subject on a standby');
($status, $out, $err) = $standby->psql('postgres', q(SELECT gdpr_forget('4')));
like($err, qr/read-only transaction|during recovery/, 'no erasure on a standby');

$standby->stop;
$node->stop;
done_testing();
