# The audit log beyond one session: replication, dump and restore, a new day,
# a second database, and the way out.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('audit');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_error_statement = panic\nlisten_addresses = '127.0.0.1'\n");
$node->start;
my $subscriber = PostgreSQL::Test::Cluster->new('audit_subscriber');
$subscriber->init;
$subscriber->start;

my $schema = q(
	SET client_min_messages = warning;
	CREATE EXTENSION gdpr_ext;
	CREATE TABLE person (id int PRIMARY KEY, name text);
);
$node->safe_psql('postgres', $schema . q(
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.approve_map('person');
	SELECT gdpr.protect('person');
	INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 3) i;
));

# ---- logical apply ----

$subscriber->safe_psql('postgres', $schema . q(SELECT gdpr.protect('person');));
$node->safe_psql('postgres', 'CREATE PUBLICATION p FOR TABLE person');
$subscriber->safe_psql('postgres', sprintf(q(CREATE SUBSCRIPTION s CONNECTION 'host=%s port=%d dbname=postgres' PUBLICATION p), $node->host, $node->port));
$subscriber->wait_for_subscription_sync($node, 's') if $subscriber->can('wait_for_subscription_sync');
$node->wait_for_catchup('s');
$subscriber->poll_query_until('postgres', 'SELECT count(*) = 3 FROM person');
$node->safe_psql('postgres', q(UPDATE person SET name = 'kanarialintu-new' WHERE id = 2; DELETE FROM person WHERE id = 3));
$node->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', q(
	SELECT operation, columns, changes ->> 'name' FROM gdpr.audit WHERE operation IN ('update', 'delete') ORDER BY id)),
	qq(update|{name}|["kanarialintu-2", "kanarialintu-new"]\ndelete|{id,name}|["kanarialintu-3", null]),
	'what a subscription applies is recorded');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');

# ---- where it came from ----

my $last = q(SELECT changes ->> 'name', address FROM gdpr.audit ORDER BY id DESC LIMIT 1);
$node->safe_psql('postgres', q(UPDATE person SET name = 'kanarialintu-tcp' WHERE id = 2),
	connstr => sprintf('host=127.0.0.1 port=%d dbname=postgres', $node->port));
is($node->safe_psql('postgres', $last), '["kanarialintu-new", "kanarialintu-tcp"]|127.0.0.1', 'the address of a client is recorded');
$node->safe_psql('postgres', q(UPDATE person SET name = 'kanarialintu-new' WHERE id = 2));
is($node->safe_psql('postgres', $last), '["kanarialintu-tcp", "kanarialintu-new"]|', 'of a local one there is none');

# ---- a day that is over ----

$node->safe_psql('postgres', 'CREATE DATABASE days');
$node->safe_psql('days', $schema . q(
	SELECT gdpr.declare_subject('person', 'person');
	SELECT gdpr.protect('person');
	INSERT INTO person VALUES (1, 'kanarialintu-1');
));
# As a restore brings the partition of yesterday.
my $yesterday = $node->safe_psql('days', q(SELECT to_char((now() AT TIME ZONE 'UTC')::date - 1, 'YYYYMMDD')));
$node->safe_psql('days', sprintf(q(
	SELECT set_config('search_path', '', false);
	CREATE TABLE gdpr.audit_log_%1$s (LIKE gdpr.audit_log INCLUDING ALL);
	ALTER TABLE gdpr.audit_log ATTACH PARTITION gdpr.audit_log_%1$s
		FOR VALUES FROM ('%1$s 00:00:00+00') TO (('%1$s 00:00:00+00'::timestamptz + interval '1 day'));
	INSERT INTO gdpr.audit_log SELECT (r).* FROM (
		SELECT jsonb_populate_record(l, jsonb_build_object('at', l.at - interval '1 day')) AS r FROM gdpr.audit_log l) x;
), $yesterday));
my $indexed = q(SELECT string_agg(DISTINCT tablename, ' ') FROM pg_indexes WHERE schemaname = 'gdpr' AND tablename LIKE 'audit\_log\_2%');
is($node->safe_psql('days', $indexed), '', 'partitions have no index');
$node->safe_psql('days', 'SELECT gdpr.audit_maintain()');
is($node->safe_psql('days', $indexed), "audit_log_$yesterday", 'but when the day is over');
is($node->safe_psql('days', q(SELECT count(*) FROM gdpr.audit_trail('1', 'person'))), 2, 'a person is found in both');

# ---- a day for which there is no partition ----

$node->safe_psql('postgres', q(CREATE DATABASE quiet));
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_inherits WHERE inhparent = 'gdpr.audit_log'::regclass)), 9,
	'today, a week, and the default');
my $counts = q(SELECT count(*), count(changes) FROM gdpr.audit);
my $before = $node->safe_psql('postgres', $counts);

# ---- dump and restore ----

my $dump = $node->backup_dir . '/dump';
command_ok([ 'pg_dump', '-Fd', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
for my $jobs (1, 2)
{
	$node->safe_psql('postgres', "CREATE DATABASE restored$jobs");
	command_ok([ 'pg_restore', '--exit-on-error', "-j$jobs", '-d', $node->connstr("restored$jobs"), $dump ],
		"pg_restore with $jobs job(s)");
	is($node->safe_psql("restored$jobs", $counts), $before, 'all records are there, and open');
	is($node->safe_psql("restored$jobs", q(SELECT count(*) FROM gdpr.audit_trail('2', 'person'))),
		$node->safe_psql('postgres', q(SELECT count(*) FROM gdpr.audit_trail('2', 'person'))), 'persons are found');
	$node->safe_psql("restored$jobs", q(UPDATE person SET name = 'kanarialintu-later' WHERE id = 1));
	is($node->safe_psql("restored$jobs", q(SELECT count(*) FROM gdpr.audit_trail('1', 'person'))), 2, 'and go on being found');
	my ($rc, $out, $err) = $node->psql("restored$jobs", 'SET client_min_messages = warning; DELETE FROM gdpr.audit_log');
	like($err, qr/cannot be changed/, 'the guard is there');
	($rc, $out, $err) = $node->psql("restored$jobs",
		q(SELECT format('DELETE FROM %s', tableoid::regclass) FROM gdpr.audit_log LIMIT 1 \gexec));
	like($err, qr/cannot be changed/, 'on every partition');
	is($node->safe_psql("restored$jobs", q(SELECT (gdpr_forget('1', 'person') ->> 'changed')::boolean)), 't', 'and a person can be forgotten');
	is($node->safe_psql("restored$jobs", q(SELECT count(changes) FROM gdpr.audit_trail('1', 'person'))), 0, 'whose values are gone');
}

# ---- without a root key ----

my $keyless = PostgreSQL::Test::Cluster->new('audit_keyless');
$keyless->init;
$keyless->append_conf('postgresql.conf', "gdpr.root_key_file = ''");
$keyless->start;
$keyless->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '--exit-on-error', '-d', $keyless->connstr('restored'), $dump ], 'a restore needs no key');
is($keyless->safe_psql('restored', $counts), (split /\|/, $before)[0] . '|0', 'the records are there, the values closed');
my ($rc, $out, $err) = $keyless->psql('restored', q(INSERT INTO person VALUES (9, 'x')));
like($err, qr/key/, 'and what cannot be recorded is not written');
for my $call (q(gdpr.protect('other')), q(gdpr.declare_subject('other', 'other')))
{
	($rc, $out, $err) = $keyless->psql('postgres', "CREATE EXTENSION IF NOT EXISTS gdpr_ext; CREATE TABLE IF NOT EXISTS other (id int PRIMARY KEY); SELECT $call");
	like($err, qr/ERROR:.*key/, "$call needs one");
}

# ---- the way out ----

($rc, $out, $err) = $node->psql('restored1', 'DROP EXTENSION gdpr_ext');
isnt($rc, 0, 'the extension is not dropped while there are records');
$node->safe_psql('restored1', 'SET client_min_messages = warning; SET gdpr.allow_drop = on; SELECT gdpr.unprotect(relation) FROM gdpr.protected; DROP EXTENSION gdpr_ext CASCADE');
is($node->safe_psql('restored1', 'SELECT count(*) FROM person'), 1, 'the tables stay');
$node->safe_psql('restored1', q(INSERT INTO person VALUES (9, 'x')));

unlike(slurp_file($node->logfile), qr/kanarialintu/, 'no log holds a value');
done_testing();
