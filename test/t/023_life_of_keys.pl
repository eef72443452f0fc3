# Root keys are read again while the server runs, and replaced: two of them, keys
# wrapped anew, the old one taken away.  Every fault of the answer leaves the keys
# as they are.  Rotation reaches statements that run; values are moved while others
# read and write, and after a crash.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $folder = PostgreSQL::Test::Utils::tempdir();
my %key = (
	1 => 'c0ffee' . '0123456789abcdef' x 3 . 'deadbeef01',
	2 => 'facade' . 'fedcba9876543210' x 3 . 'deadbeef02',
	3 => 'decade' . '0f1e2d3c4b5a6978' x 3 . 'deadbeef03');
my $file = "$folder/root.key";

sub put
{
	my ($text, $mode) = @_;
	unlink $file;
	open my $out, '>', $file or die "$file: $!";
	print $out $text;
	close $out;
	chmod $mode // 0600, $file or die $!;
	return;
}

sub put_keys { put(join '', map { "$_ $key{$_}\n" } @_); return; }

my $node = PostgreSQL::Test::Cluster->new('life_of_keys');
$node->init(allows_streaming => 1);
put_keys(1);
$node->append_conf('postgresql.conf', "gdpr.root_key_file = '$file'\nautovacuum = off\nrestart_after_crash = on");
$node->start;

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub failure
{
	my ($sql, $db) = @_;
	my ($status, $out, $err) = $node->psql($db // 'postgres', "\\set VERBOSITY verbose\n$sql");
	return $err;
}

sub state_of
{
	my ($err) = failure(@_);
	return $err =~ /ERROR: +(\w{5})/ ? $1 : 'none';
}

for my $db ('postgres', 'second')
{
	sql("CREATE DATABASE $db") if $db ne 'postgres';
	sql(q(CREATE EXTENSION gdpr_ext;
		SELECT gdpr.create_context('pii', '{postgres}');
		CREATE TABLE person (id int PRIMARY KEY, email enctext('pii') UNIQUE);
		INSERT INTO person SELECT i, 'kanarialintu-' || i FROM generate_series(1, 100) i), $db);
}
my $prints = q(SELECT string_agg(root_id || ' ' || is_primary, ', ' ORDER BY root_id) FROM gdpr.key_fingerprint());
my $reads = q(SELECT count(*) FROM person WHERE email::text LIKE 'kanarialintu-%');

# --- another root key, without a restart

my $started = sql('SELECT pg_postmaster_start_time()');
my $other = $node->background_psql('second');
is($other->query_safe($reads), 100, 'a session has its keys');

put_keys(2, 1);
is(sql($prints), '1 true', 'a changed file is not looked at by itself');
$node->reload;
is(sql($prints), '1 true', 'nor when the configuration is read again');
is(sql(q(SELECT string_agg(root_id || ' ' || is_primary, ', ') FROM gdpr.reload_keys())), '2 true, 1 false',
	'but by gdpr.reload_keys()');
is($other->query_safe($prints), '1 false, 2 true', 'other sessions have the keys then');
is($other->query_safe($reads), 100, 'and read');
sql(q(SELECT gdpr.create_context('crm')));
is(sql(q(SELECT string_agg(context || ' ' || root_id, ', ' ORDER BY context) FROM gdpr.key_status)), 'crm 2, pii 1',
	'what is new has the new one');

put_keys(2);
like(failure('SELECT gdpr.reload_keys()'), qr/ERROR: +55006: root key "1" is still needed/, 'a key that is needed is not given up');
is(sql($prints), '1 false, 2 true', 'and stays');
is(sql(q(SELECT string_agg(kind || ' ' || rewrapped || ' ' || unchanged || ' ' || cardinality(unavailable), ', ' ORDER BY kind)
	FROM gdpr.rewrap_keys())), 'context 1 1 0, epoch 0 0 0, tag 1 1 0', 'keys are wrapped by the primary');
is(sql(q(SELECT string_agg(kind || ' ' || rewrapped || ' ' || unchanged, ', ' ORDER BY kind) FROM gdpr.rewrap_keys())),
	'context 0 2, epoch 0 0, tag 0 2', 'once');
is(sql(q(SELECT count(*) FROM gdpr.rewrap_keys()), 'second'), 3, 'in each database');
is(sql('SELECT count(*) FROM gdpr.reload_keys()'), 1, 'then the old one can go');
is(sql($prints), '2 true', 'and is gone');
is(sql($reads, $_), 100, "everything in $_ is read") for 'postgres', 'second';
is($other->query_safe($reads), 100, 'also in a session that had it open');
is(sql(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-7')), 1, 'and searched');
is(sql('SELECT pg_postmaster_start_time()'), $started, 'all without a restart');
$node->restart;
is(sql($reads, $_), 100, "and after one in $_") for 'postgres', 'second';
$other->quit;

# --- what vanishes is gone for every session; what comes is there

$other = $node->background_psql('second', on_error_stop => 0);
$other->query_safe($reads);
put_keys(3);
sql(q(SELECT gdpr.reload_keys('{"lose_keys": true}')));
is(state_of($reads, 'second'), 'PD006', 'a root key taken away takes its values away');
$other->query($reads);
like($other->{stderr}, qr/not available/, 'from sessions that had opened them too');
is(sql(q(SELECT string_agg(kind || ' ' || rewrapped || ' ' || unavailable::text, ', ' ORDER BY kind) FROM gdpr.rewrap_keys())),
	'context 0 {"crm 1","pii 1"}, epoch 0 {}, tag 0 {"crm 1","pii 1"}', 'keys that do not open are named, and left');
put_keys(3, 2);
sql('SELECT gdpr.reload_keys()');
is(sql($reads, 'second'), 100, 'and brings them back');
$other->{stderr} = '';
is($other->query($reads), 100, 'for those sessions too');
$other->quit;
put("2 $key{1}\n");
like(failure('SELECT gdpr.reload_keys()'), qr/55006: root key "2" is still needed/, 'another key under the same id is another key');

# --- every fault leaves the keys as they are

put_keys(3, 2);
sql('SELECT gdpr.reload_keys()');
my $good = sql('SELECT * FROM gdpr.key_fingerprint()');

sub stays
{
	my ($what, $defect) = @_;
	my $err = failure('SELECT gdpr.reload_keys()');
	subtest $what => sub {
		like($err, qr/ERROR: +F0000: no root key from setting "gdpr\.root_key_\w+": /, 'F0000 names the setting');
		like($err, $defect, 'and the defect');
		unlike($err, qr/c0ffee|facade|decade|garbage/, 'and nothing of the content');
		is(sql('SELECT * FROM gdpr.key_fingerprint()'), $good, 'the keys are as they were');
		is(sql($reads), 100, 'and read');
	};
	return;
}

put('');
stays('an empty file', qr/is empty/);
put("3 $key{3}\ngarbage\n");
stays('a half written file', qr/a line is not/);
put("3 $key{3}\n", 0644);
stays('a file for all', qr/accessible to group or others/);
unlink $file;
stays('no file', qr/does not exist/);

sub with_command
{
	my ($command) = @_;
	my $quoted = $command =~ s/'/''/gr;
	put_keys(3, 2);
	$node->append_conf('postgresql.conf', "gdpr.root_key_file = ''\ngdpr.root_key_command = '$quoted'");
	$node->reload;
	$node->poll_query_until('postgres', qq(SELECT setting = \$q\$$command\$q\$ FROM pg_settings WHERE name = 'gdpr.root_key_command'));
	return;
}

for my $case (
	[ 'fails', "cat $file; exit 3", qr/exit status 3/ ],
	[ 'is not there', 'gdpr_no_such_command 2>/dev/null', qr/exit status 127/ ],
	[ 'is killed', 'kill -9 $$', qr/ended by signal 9/ ],
	[ 'prints nothing', 'true', qr/printed nothing/ ],
	[ 'prints garbage', 'echo garbage', qr/a line is not/ ],
	[ 'prints two lines without ids', "cut -d' ' -f2 $file", qr/same id|stands alone/ ],
	[ 'prints a megabyte', 'yes 1 | head -c 1000000', qr/too large/ ],
	[ 'prints without end', 'yes', qr/too large/ ])
{
	with_command($case->[1]);
	stays("a command that $case->[0]", $case->[2]);
}
with_command("sleep 3573; cat $file");
my $began = time;
stays('a command that takes too long', qr/longer than 10 seconds/);
my $took = time - $began;
ok($took >= 9 && $took < 20, 'is given up after ten seconds');
$began = time;
is(state_of(q(SET statement_timeout = '1s'; SELECT gdpr.reload_keys())), '57014', 'or when it is cancelled');
ok(time - $began < 8, 'at once');
is(system("pgrep -f 'sleep 357[3]' >/dev/null") >> 8, 1, 'and is not left behind');
with_command("sleep 3; cat $file");
is(sql('SELECT count(*) FROM gdpr.reload_keys()'), 2, 'one that takes three seconds does');
$node->restart;
is(sql($prints), '2 false, 3 true', 'also when the server starts');

# --- two at once, and a crash

with_command("cat $file");
my @sessions = map { $node->background_psql('postgres') } 1 .. 4;
for (1 .. 20)
{
	put_keys($_ % 2 ? (2, 3) : (3, 2));
	$_->query_safe('SELECT count(*) FROM gdpr.reload_keys()') for @sessions;
	last if sql($reads) != 100;
}
is(sql($reads), 100, 'keys are reloaded over and over while they are used');
$_->quit for @sessions;

put_keys(2, 3);
sql('SELECT gdpr.reload_keys()');
unlink $file;
my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'));
kill 'KILL', $pid;
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'background writer' AND pid <> $pid");
is(sql($prints), '2 true, 3 false', 'what was reloaded outlives a crash');
is(sql($reads), 100, 'and opens the keys');

# --- rotation reaches a statement that runs

put_keys(2, 3);
my $writer = $node->background_psql('postgres');
sql(q(CREATE TABLE slow (id int, email enctext('pii')); CREATE TABLE go (id int)));
$writer->query_until(qr/started/, q(
	\echo started
	INSERT INTO slow SELECT i, ('kanarialintu-' || i || (SELECT '' FROM pg_sleep(0.002)))::enctext('pii')
		FROM generate_series(1, 2000) i, LATERAL (SELECT pg_sleep(0.002 + 0 * i)) s;
));
sleep 1;
sql(q(SELECT gdpr.rotate_context('pii')));
$writer->query_safe('SELECT 1');
my $versions = sql(q(SELECT string_agg(key_version || ' ' || (count > 0), ', ') FROM gdpr.check_column('slow', 'email') WHERE item = 'decrypt by key version'));
is($versions, '1 true, 2 true', 'a statement goes on with the new key');
$writer->quit;

# --- values are moved while others read and write

sql(q(CREATE TABLE many (id int PRIMARY KEY, email enctext('pii') UNIQUE, n int DEFAULT 0);
	INSERT INTO many SELECT i, 'kanarialintu-' || i FROM generate_series(1, 20000) i;
	SELECT gdpr.rotate_context('pii')));
my $holder = $node->background_psql('postgres');
my $mover = $node->background_psql('postgres');
$holder->query_safe(q(BEGIN; SELECT id FROM many WHERE id IN (5, 19999) FOR UPDATE));
$mover->query_until(qr/started/, q(
	\echo started
	CALL gdpr.reencrypt('many', '{"batch_size": 500, "delay_ms": 20}');
));
$node->poll_query_until('postgres', q(SELECT rows_changed > 1000 FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass));
is(sql(q(SELECT state FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass)), 'running', 'progress is shown');
is(state_of(q(CALL gdpr.reencrypt('many'))), '55006', 'a second run on the table is refused');
sql(q(UPDATE many SET n = 1 WHERE id % 100 = 0; DELETE FROM many WHERE id % 1000 = 1; INSERT INTO many VALUES (30000, 'kanarialintu-30000')));
is(sql(q(SELECT count(*) FROM many WHERE email = 'kanarialintu-77')), 1, 'a lookup finds its row meanwhile');
is(state_of(q(INSERT INTO many VALUES (40000, 'kanarialintu-19998'))), '23505', 'and a key is one meanwhile');
$node->poll_query_until('postgres', q(SELECT rows_held = 2 FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass));
ok(1, 'rows that others hold are left');
$holder->query_safe('COMMIT');
$mover->query_safe('SELECT 1');
is(sql(q(SELECT state || ' ' || rows_held FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass)), 'finished 0', 'and come back to');
my $newest = sql(q(SELECT max(version) FROM gdpr.context_key WHERE context = 'pii'));
is(sql(q(SELECT string_agg(key_version || ' ' || count, ', ') FROM gdpr.check_column('many', 'email') WHERE item = 'decrypt by key version')),
	"$newest 19981", 'every value has the new key');
is(sql(q(SELECT count(*) FROM many WHERE n = 1)), 200, 'and others\' changes are kept');
$holder->quit;

# A transaction that writes has sealed values with the key that was primary.
my $late = $node->background_psql('postgres');
$late->query_safe(q(BEGIN; INSERT INTO many VALUES (50000, 'kanarialintu-50000')));
sql(q(SELECT gdpr.rotate_context('pii')));
$mover->query_until(qr/started/, qq(\\echo started\nCALL gdpr.reencrypt('many');\n));
sleep 0.5;
$late->query_safe('COMMIT');
$mover->query_safe('SELECT 1');
is(sql(q(SELECT count(*) FROM gdpr.check_column('many', 'email') WHERE item = 'decrypt by key version')), 1, 'it is waited for');
$late->quit;

# --- and go on after a crash

sql(q(SELECT gdpr.rotate_context('pii')));
$mover->query_until(qr/started/, q(
	\echo started
	CALL gdpr.reencrypt('many', '{"batch_size": 500, "delay_ms": 20}');
));
$node->poll_query_until('postgres', q(SELECT rows_changed BETWEEN 1000 AND 15000 FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass));
$node->stop('immediate');
eval { $mover->quit };
$node->start;
is(sql(q(SELECT state FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass)), 'stopped', 'a crash stops it');
is(sql(q(SELECT count(*) > 1 FROM gdpr.check_column('many', 'email') WHERE item = 'decrypt by key version')), 't', 'in the middle');
my $done = sql(q(SELECT rows_changed FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass));
sql(q(CALL gdpr.reencrypt('many')));
is(sql(q(SELECT count(*) FROM gdpr.check_column('many', 'email') WHERE item = 'decrypt by key version')), 1, 'called again it ends');
is(sql(q(SELECT rows_changed <= 19982 AND rows_changed > 15000 FROM gdpr.reencrypt_progress WHERE leaf = 'many'::regclass)), 't', 'and does not begin anew');
is(sql(q(SELECT count(DISTINCT email) FROM many)), 19982, 'no row is lost');

# --- a key is destroyed when nobody can have it any more

sql(q(SELECT gdpr.retire_key('pii', 1); CALL gdpr.reencrypt('person'); CALL gdpr.reencrypt('slow')));
my $open = $node->background_psql('postgres');
$open->query_safe(q(BEGIN; SELECT 1));
is(state_of(q(SET lock_timeout = '300ms'; SELECT gdpr.destroy_key('pii', 1))), '55P03', 'who has begun before may have it');
$open->query_safe('COMMIT');
is(state_of(q(SELECT gdpr.destroy_key('pii', 1))), 'none', 'then it goes');
is(sql($reads), 100, 'and nothing with it');
$open->quit;

# --- a standby has keys of its own, and is told of those in tables

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('keys_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $reads), 100, 'a standby reads');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM gdpr.reload_keys()'), 2, 'and reads its keys again');
sql(q(SELECT gdpr.rotate_context('pii'); INSERT INTO person VALUES (101, 'kanarialintu-101')));
$node->wait_for_catchup($standby, 'replay');
is($standby->safe_psql('postgres', $reads), 101, 'new keys reach it');
$standby->stop;

my $log = slurp_file($node->logfile);
unlike($log, qr/c0ffee|facade|decade|deadbeef/i, 'no key was ever logged');
like($log, qr/LOG: .*root keys were read again: there are 2/, 'but that they were read');
$node->stop;

done_testing();
