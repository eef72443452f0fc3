# A column is converted while others write, a session is killed, the server
# crashes, and a dump is taken in the middle: no row is lost, none differs.

use strict;
use warnings FATAL => 'all';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('conversion');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nfsync = on\nlog_statement = none\nlog_min_error_statement = panic\n");
$node->start;

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub state_of
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? '' : $err =~ s/.*(?:ERROR|FATAL):\s+(\w+).*/$1/sr;
}

sub background
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ], '>', \$out, '2>', \$err);
}

# Each row says twice what its name is: the second column is not converted.
sql(q(
	SET client_min_messages = warning;
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[CURRENT_USER]);
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'write');
	CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, same text NOT NULL, n int NOT NULL DEFAULT 0) WITH (fillfactor = 80);
	INSERT INTO person SELECT i, 'kanarialintu-' || i, 'kanarialintu-' || i FROM generate_series(1, 60000) i;
	CREATE INDEX person_name ON person (name);
));

append_to_file("$folder/write.sql", q(
\set id random(1, 90000)
\set by random(1, 1000000)
\set what random(1, 4)
\if :what = 1
INSERT INTO person (id, name, same) VALUES (:id, 'kanarialintu-' || :by, 'kanarialintu-' || :by) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, same = EXCLUDED.same;
\elif :what = 2
UPDATE person SET name = 'kanarialintu-' || :by, same = 'kanarialintu-' || :by WHERE id = :id;
\elif :what = 3
UPDATE person SET n = n + 1 WHERE id = :id;
\else
DELETE FROM person WHERE id = :id AND :by < 300000;
\endif
));

sub writers
{
	my $out = '';
	my $run = IPC::Run::start([ 'pgbench', '-n', '-c', '3', '-j', '1', '-T', '300', '--max-tries=10', '-f', "$folder/write.sql",
		$node->connstr('postgres') ], '>', \$out, '2>&1');
	return { run => $run, out => \$out };
}

sub stop_writers
{
	my ($writers) = @_;
	$writers->{run}->signal('INT');
	eval { $writers->{run}->finish };
	return join "\n", grep { /error|aborted/ } split /\n/, ${ $writers->{out} };
}

my $call = q(CALL gdpr.convert_column('person', 'name', '{"batch_size": 200, "delay": 50}'));
my $working = q(SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%');
my $differ = q(SELECT count(*) FROM person WHERE name::text IS DISTINCT FROM same);

my $writers = writers();
is(state_of(q(SELECT FROM gdpr.encrypt_column('person', 'name', 'pii', '{"online": true}'))), '', 'a conversion begins beside writers');
is(state_of(q(SELECT FROM gdpr.encrypt_column('person', 'name', 'pii', '{"online": true}'))), '55006', 'and not twice');

# ---- in the middle ----

my $run = background($call);
$node->poll_query_until('postgres', "SELECT rows > 1000 FROM gdpr.conversion") or die 'the conversion does not get on';
is(state_of(q(CALL gdpr.convert_column('person', 'name'))), '55006', 'one session at a time');
is(state_of(q(SELECT gdpr.cancel_conversion('person', 'name'))), '55006', 'nor is it given up meanwhile');
is(state_of(q(ALTER TABLE person DROP name CASCADE)), '55006', 'its columns stay');
sql(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%'));
$run->finish;
is(sql(q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')), '0', 'a call that is cancelled leaves no lock');
my $done = sql('SELECT rows FROM gdpr.conversion');
cmp_ok($done, '>', 1000, 'and what is done is done');
is(stop_writers($writers), '', 'no writer met an error');

# A dump in the middle is gone on with where it is restored.
$node->run_log([ 'pg_dump', '-Fc', '-f', "$folder/dump", '-d', $node->connstr('postgres') ]);
sql('CREATE DATABASE copy');
$node->run_log([ 'pg_restore', '-d', $node->connstr('copy'), "$folder/dump" ]);
is(sql('SELECT phase FROM gdpr.conversion', 'copy'), 'fill', 'a conversion is restored');
is(sql('SELECT count(*) FROM person WHERE gdpr_convert_2 IS NULL', 'copy') > 0 ? 'some' : 'none', 'some', 'with rows left to do');

# ---- crash ----

$writers = writers();
$run = background($call);
$node->poll_query_until('postgres', "SELECT rows > $done + 2000 FROM gdpr.conversion") or die 'it does not go on';
my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL gdpr.convert_column%'));
kill 9, $pid;
eval { $run->finish };
stop_writers($writers);
$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
is(sql(q(SELECT phase FROM gdpr.conversion)), 'fill', 'after a crash the conversion is there');
is(sql(q(SELECT count(*) FROM person WHERE gdpr_convert_2::text <> name)), '0', 'and no value differs');

# ---- to the end, beside writers ----

$writers = writers();
my $locker = background(q(BEGIN; SELECT FROM person WHERE id = (SELECT max(id) FROM person WHERE gdpr_convert_2 IS NULL) FOR UPDATE; SELECT pg_sleep(3); COMMIT));
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
is(state_of(q(CALL gdpr.convert_column('person', 'name'))), '55000', 'the values are converted, an index is missing');
$locker->finish;
is(sql('SELECT count(*) FROM person WHERE gdpr_convert_2 IS NULL'), '0', 'a row that was locked came later');
is(state_of(sql(q(SELECT string_agg(s, E'\n') FROM gdpr.conversion_indexes('person', 'name') s))), '', 'an index is built beside writers');
is(sql(q(SELECT count(*) FROM gdpr.conversion_indexes('person', 'name'))), '0', 'and is what was missing');
# Whoever holds the table for long keeps the swap waiting; it asks again and again.
$locker = background(q(BEGIN; LOCK TABLE person IN ACCESS SHARE MODE; SELECT pg_sleep(4); COMMIT));
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
$run = background($call);
$node->poll_query_until('postgres', "SELECT phase = 'clear' AND rows > 1000 FROM gdpr.conversion") or die 'the columns are not swapped';
$locker->finish;
is(sql(q(SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'name')),
	"enctext('pii')", 'the columns are swapped');
is(sql(q(SELECT count(gdpr_convert_2) > 0 FROM person)), 't', 'plain values are still there');
is(state_of(q(INSERT INTO person VALUES (100000, 'kanarialintu-x', 'kanarialintu-x'))), '23514', 'who names no columns is refused');
is(state_of(q(SELECT gdpr.cancel_conversion('person', 'name'))), '55006', 'there is no giving up while it runs');
$node->stop('immediate');
eval { $run->finish };
stop_writers($writers);
$node->start;
is(state_of(q(SELECT gdpr.cancel_conversion('person', 'name'))), '55000', 'nor after the swap');
is(sql($differ), '0', 'after a crash no value differs');
$writers = writers();
is(state_of(q(CALL gdpr.convert_column('person', 'name'))), '', 'it comes to its end');
is(stop_writers($writers), '', 'and no writer met an error');
is(sql('SELECT count(*) FROM gdpr.conversion'), '0', 'nothing of it is left');
is(sql(q(SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'person'::regclass AND attnum > 0 AND NOT attisdropped)), 'id same n name', 'but the order of the columns');
is(sql($differ), '0', 'no value differs');
is(sql(q(SELECT count FROM gdpr.check_column('person', 'name') WHERE item = 'decrypt')), sql('SELECT count(*) FROM person'), 'all decrypt');
sql('CREATE EXTENSION amcheck');
is(state_of(q(SELECT bt_index_check(indexrelid, true) FROM pg_index WHERE indrelid = 'person'::regclass)), '', 'its indexes are whole');

# ---- who looks at the past ----

# An old snapshot shows rows without their converted value: the swap waits for it.
sql(q(CREATE TABLE past AS SELECT i AS id, 'kanarialintu-' || i AS name FROM generate_series(1, 100) i));
my $seen = '';
$locker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
	'-c', 'BEGIN ISOLATION LEVEL REPEATABLE READ', '-c', 'SELECT pg_sleep(3)', '-c', 'SELECT count(name), count(*) FROM past', '-c', 'COMMIT' ],
	'>', \$seen, '2>&1');
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
sql(q(SELECT FROM gdpr.encrypt_column('past', 'name', 'pii', '{"online": true}')));
is(state_of(q(CALL gdpr.convert_column('past', 'name'))), '', 'a conversion beside an old snapshot');
$locker->finish;
is($seen, "\n100|100\n", 'which sees every value until it goes');
# And a writer with one converts what he writes, and is told when he cannot.
sql(q(INSERT INTO past VALUES (101, 'kanarialintu-101')));
is(sql(q(SELECT count(*) FROM past WHERE name::text = 'kanarialintu-' || id)), '101', 'and none is lost');
$locker = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
	'-c', 'BEGIN ISOLATION LEVEL REPEATABLE READ', '-c', 'SELECT pg_sleep(2)', '-c', q(INSERT INTO past VALUES (102, 'kanarialintu-102')), '-c', 'COMMIT' ],
	'>', \$seen, '2>&1');
$node->poll_query_until('postgres', q(SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'));
sql(q(SELECT FROM gdpr.decrypt_column('past', 'name', '{"online": true}')));
$locker->finish;
is(sql(q(SELECT count(*) FROM past WHERE gdpr_convert_3 = 'kanarialintu-102')), '1', 'a writer with an old snapshot fills the spare column');
sql(q(CALL gdpr.convert_column('past', 'name')));
is(sql(q(SELECT count(*) FROM past WHERE name = 'kanarialintu-' || id)), '102', 'and the way back has them all');

# ---- what was restored ----

is($node->psql('copy', q(CALL gdpr.convert_column('person', 'name'))), '3', 'the restored one goes on');
for my $statement (split /\n/, sql(q(SELECT * FROM gdpr.conversion_indexes('person', 'name')), 'copy'))
{
	sql($statement, 'copy');
}
sql(q(CALL gdpr.convert_column('person', 'name')), 'copy');
is(sql($differ, 'copy'), '0', 'to its end');

# ---- back ----

$writers = writers();
is(state_of(q(SELECT FROM gdpr.decrypt_column('person', 'name', '{"online": true}'))), '', 'the way back begins beside writers');
is(state_of(q(CALL gdpr.convert_column('person', 'name'))), '55000', 'as far as the indexes');
state_of(sql(q(SELECT string_agg(s, E'\n') FROM gdpr.conversion_indexes('person', 'name') s)));
is(state_of(q(CALL gdpr.convert_column('person', 'name'))), '', 'and ends');
is(stop_writers($writers), '', 'without an error of a writer');
is(sql($differ), '0', 'no value differs');
is(sql(q(SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'person'::regclass AND attname = 'name')), 'text', 'the column is plain');

$node->stop;
done_testing();
