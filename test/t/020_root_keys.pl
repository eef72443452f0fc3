# Root keys: every fault of the settings keeps the server from starting and says
# what is wrong without saying what is in the file; another root key makes values
# unreadable and harms nothing; without preload the library is there, keyless.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $folder = PostgreSQL::Test::Utils::tempdir();
my $key = 'c0ffee' . '0123456789abcdef' x 3 . 'deadbeef01';
my $other = 'facade' . 'fedcba9876543210' x 3 . 'deadbeef02';
is(length($key), 64, 'the keys of this test have 64 digits');

my $node = PostgreSQL::Test::Cluster->new('root_keys');
$node->init;
my $data = $node->data_dir;
my $bindir = $ENV{bindir} // `pg_config --bindir`;
chomp $bindir;

sub put
{
	my ($path, $text, $mode) = @_;
	unlink $path;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file;
	chmod $mode // 0600, $path or die $!;
	return $path;
}

# Starts the postmaster itself and expects that it gives up: its messages.
sub refused
{
	my ($setting, $value, @more) = @_;
	my @command = ('timeout', '40', "$bindir/postgres", '-D', $data,
		'-c', 'log_line_prefix=%e ', '-c', 'logging_collector=off', '-c', 'gdpr.root_key_file=',
		'-c', 'gdpr.root_key_command=', '-c', "$setting=$value", @more);
	my ($out, $err) = ('', '');
	local $ENV{PGHOST};
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return ($? >> 8, $err);
}

sub refuses
{
	my ($what, $setting, $value, $defect, @more) = @_;
	my ($status, $messages) = refused($setting, $value, @more);
	subtest $what => sub {
		is($status, 1, 'the server does not start');
		like($messages, qr/^F0000 FATAL: .*\Q$setting\E/m, 'F0000 names the setting');
		like($messages, $defect, 'and the defect');
		unlike($messages, qr/c0ffee|facade|abcdef|fedcba|garbage/, 'and nothing of the content');
	};
	return;
}

sub is_running
{
	my ($command) = @_;
	for my $path (glob '/proc/[0-9]*/cmdline')
	{
		open my $file, '<', $path or next;
		my $line = <$file> // '';
		$line =~ tr/\0/ /;
		return 1 if index($line, $command) == 0;
	}
	return 0;
}

# --- faults of the file

my $file = "$folder/root.key";
my @bad = (
	[ 'an empty file', '', qr/is empty/ ],
	[ 'a file of blank lines', "\n\n", qr/no root key/ ],
	[ 'a digit too few', substr($key, 1) . "\n", qr/a line is not/ ],
	[ 'a digit too many', "${key}0\n", qr/a line is not/ ],
	[ 'a digit that is none', substr($key, 1) . "g\n", qr/a line is not/ ],
	[ 'an id of another kind', "a/b $key\n", qr/a line is not/ ],
	[ 'an id that is too long', 'i' x 33 . " $key\n", qr/a line is not/ ],
	[ 'two spaces', "1  $key\n", qr/a line is not/ ],
	[ 'an empty id', " $key\n", qr/a line is not/ ],
	[ 'a tab', "1\t$key\n", qr/a line is not/ ],
	[ 'garbage after a good line', "1 $key\ngarbage\n", qr/a line is not/ ],
	[ 'a zero byte', "1 $key\n\0\n", qr/a line is not/ ],
	[ 'a zero byte in an id', "1\0 $key\n", qr/a line is not/ ],
	[ 'a letter that is not ASCII', "\xc4 $key\n", qr/a line is not/ ],
	[ 'two lines without ids', "$key\n$other\n", qr/same id|stands alone/ ],
	[ 'a line without id beside one with', "2 $key\n$other\n", qr/stands alone/ ],
	[ 'an id twice', "1 $key\n1 $other\n", qr/same id/ ],
	[ '33 keys', join('', map { "$_ $key\n" } 1 .. 33), qr/more than 32/ ],
	[ 'a large file', "1 $key\n" x 2000, qr/too large/ ],
);
refuses($_->[0], 'gdpr.root_key_file', put($file, $_->[1]), $_->[2]) for @bad;

put($file, "1 $key\n");
refuses('no such file', 'gdpr.root_key_file', "$folder/nothing", qr/does not exist/);
refuses('a relative path', 'gdpr.root_key_file', 'root.key', qr/must be absolute/);
refuses('a folder', 'gdpr.root_key_file', $folder, qr/not a regular file/);
for my $mode (0640, 0620, 0604, 0602, 0610)
{
	chmod $mode, $file;
	refuses(sprintf('mode %04o', $mode), 'gdpr.root_key_file', $file, qr/accessible to group or others/);
}
chmod 0600, $file;
SKIP:
{
	skip 'every file here is the server user\'s own', 1 if $> == 0;
	refuses('a file of another user', 'gdpr.root_key_file', '/etc/passwd', qr/not owned by the server's user/);
}
put("$data/root.key", "1 $key\n");
refuses('a file in the data directory', 'gdpr.root_key_file', "$data/root.key", qr/inside the data directory/);
symlink "$data/root.key", "$folder/link" or die $!;
refuses('a link into the data directory', 'gdpr.root_key_file', "$folder/link", qr/inside the data directory/);
mkdir "$folder/space" or die $!;
symlink "$folder/space", "$data/pg_tblspc/99999" or die $!;
put("$folder/space/root.key", "1 $key\n");
refuses('a file in a tablespace', 'gdpr.root_key_file', "$folder/space/root.key", qr/tablespace/);
unlink "$data/pg_tblspc/99999", "$data/root.key";
refuses('both settings', 'gdpr.root_key_file', $file, qr/gdpr\.root_key_command.* is set too/,
	'-c', 'gdpr.root_key_command=true');

# --- faults of the command

refuses("a command that $_->[0]", 'gdpr.root_key_command', $_->[1], $_->[2])
  for (
	[ 'fails', "echo $key; exit 3", qr/exit status 3/ ],
	[ 'is not there', 'gdpr_no_such_command 2>/dev/null', qr/exit status 127/ ],
	[ 'is killed', 'kill -9 $$', qr/ended by signal 9/ ],
	[ 'prints nothing', 'true', qr/printed nothing/ ],
	[ 'prints garbage', 'echo garbage', qr/a line is not/ ],
	[ 'prints two lines', "echo $key; echo $other", qr/same id|stands alone/ ],
	[ 'prints without end', 'yes', qr/too large/ ]);

my $began = time;
refuses('a command that sleeps', 'gdpr.root_key_command', "echo $key; sleep 3571", qr/longer than 10 seconds/);
my $took = time - $began;
ok(is_running($^X) || is_running('perl') || is_running('/usr/bin/perl'), 'running commands are found');
ok($took >= 9 && $took < 20, 'is given up after ten seconds');
ok(!is_running('sleep 3571'), 'and is not left behind');

# --- keys that are good

sub configure
{
	my %settings = @_;
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") for sort keys %settings;
	return;
}

sub restart_with
{
	put($file, $_[0]);
	$node->restart;
	return;
}

sub state_of
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR: +(\w{5})/ ? $1 : "none: $out";
}

my $status = q(SELECT string_agg(context || ' ' || root_id || ' ' || available || ' ' || tag_available, ', ' ORDER BY context) FROM gdpr.key_status);

configure('gdpr.root_key_file' => $file);
$node->start;
$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', '{postgres}');
	CREATE TABLE person (email enctext('pii') UNIQUE);
	INSERT INTO person VALUES ('kanarialintu-1'), (''), (NULL);
));
my $rows = q(SELECT email::text FROM person ORDER BY 1);
is($node->safe_psql('postgres', $rows), "\nkanarialintu-1\n", 'values are read');
my $copy = 'COPY person TO STDOUT';
my $bytes = $node->safe_psql('postgres', $copy);
unlike($bytes, qr/kanarialintu/, 'and are stored otherwise');
is($node->safe_psql('postgres', $status), 'pii 1 true true', 'a key from the file opens its context');
my $stored = $node->safe_psql('postgres', 'TABLE gdpr.context_key');
my $print = $node->safe_psql('postgres', 'SELECT * FROM gdpr.key_fingerprint()');
like($print, qr/^1\|[0-9a-f]{16}\|t$/, 'and has a fingerprint');

SKIP:
{
	my $postmaster = (split /\n/, slurp_file("$data/postmaster.pid"))[0];
	my $maps = "/proc/$postmaster/smaps";
	skip 'the kernel does not show mappings', 1 unless -r $maps;
	my @regions = split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, slurp_file($maps);
	is(scalar(grep { m{^\S+ rw-s .*/dev/zero} && /^VmFlags:.*\bdd\b/m } @regions),
		2, 'keys, and those of epochs, are in regions that core dumps leave out');
}

$node->restart;
is($node->safe_psql('postgres', $status), 'pii 1 true true', 'after a restart too');
restart_with(uc($key) . "\r\n");
is($node->safe_psql('postgres', 'SELECT * FROM gdpr.key_fingerprint()'), $print,
	'a bare line, in capitals, is the same key');

restart_with("$other\n");
is($node->safe_psql('postgres', $status), 'pii 1 false false', 'another key of the same id opens nothing');
isnt($node->safe_psql('postgres', 'SELECT * FROM gdpr.key_fingerprint()'), $print, 'and has another fingerprint');
is($node->safe_psql('postgres', 'TABLE gdpr.context_key'), $stored, 'and what is stored is untouched');
is(state_of($rows), 'PD006', 'its values raise PD006');
is(state_of(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-1')), 'PD006', 'so does a search');
is(state_of(q(INSERT INTO person VALUES ('kanarialintu-2'))), 'PD006', 'and a new value');
like($node->safe_psql('postgres', 'SELECT email FROM person'), qr/^gdpr:/, 'they are shown as they are stored');
$node->safe_psql('postgres', 'REINDEX TABLE person; VACUUM (FULL, ANALYZE) person');
is($node->safe_psql('postgres', $copy), $bytes, 'and stay what they were');

restart_with("2 $other\n1 $key\n");
is($node->safe_psql('postgres', $status), 'pii 1 true true', 'of two keys the one that wrapped it opens it');
is($node->safe_psql('postgres', $rows), "\nkanarialintu-1\n", 'and its values');
$node->safe_psql('postgres', q(SELECT gdpr.create_context('crm')));
is($node->safe_psql('postgres', $status), 'crm 2 true true, pii 1 true true', 'the first is used for what is new');
restart_with("2 $other\n");
is($node->safe_psql('postgres', $status), 'crm 2 true true, pii 1 false false', 'each context needs its own');

# --- the command

put("$folder/keys", "2 $other\n1 $key\n");
configure('gdpr.root_key_file' => '', 'gdpr.root_key_command' => "cat $folder/keys; sleep 3572 >/dev/null 2>&1 &");
$node->restart;
is($node->safe_psql('postgres', $status), 'crm 2 true true, pii 1 true true', 'keys come from a command');
ok(!is_running('sleep 3572'), 'of which nothing is left behind');

# --- a crash does not ask for the keys again

unlink "$folder/keys" or die $!;
my $pid = $node->safe_psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer'));
configure('restart_after_crash' => 'on');
$node->reload;
kill 'KILL', $pid;
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'background writer' AND pid <> $pid");
is($node->safe_psql('postgres', $status), 'crm 2 true true, pii 1 true true', 'keys outlive a crash');

# --- no key

configure('gdpr.root_key_command' => '');
$node->restart;
is($node->safe_psql('postgres', $status), 'crm 2 false false, pii 1 false false', 'without keys the server starts');
is($node->safe_psql('postgres', 'SELECT * FROM gdpr.key_fingerprint()'), '', 'has no fingerprint to show');
is(state_of(q(SELECT gdpr.create_context('late'))), 'PD006', 'and the first use raises PD006');
$node->safe_psql('postgres', 'CREATE TABLE subject (id int PRIMARY KEY)');
is(state_of(q(SELECT gdpr.declare_subject('subject', 'subject'))), 'PD006', 'to declare a subject');
is($node->safe_psql('postgres', 'SELECT count(*) FROM gdpr.subject'), 0, 'which is then not declared');
is(state_of($rows), 'PD006', 'to read');
is(state_of(q(INSERT INTO person VALUES ('kanarialintu-2'))), 'PD006', 'and to write');

# --- a stand-alone backend is how a server is mended: a bad key only warns

$node->stop;
my ($out, $err) = ('', '');
IPC::Run::run(
	[ 'timeout', '60', "$bindir/postgres", '--single', '-D', $data,
		'-c', "gdpr.root_key_file=$folder/nothing", 'postgres' ],
	'<', \"SELECT 'mended' AS answer\n", '>', \$out, '2>', \$err);
like($out, qr/answer = "mended"/, 'a stand-alone backend runs with a bad key');
like($err, qr/WARNING: +no root key from setting "gdpr.root_key_file"/, 'and warns');

# --- dump and restore

put($file, "2 $other\n1 $key\n");
configure('gdpr.root_key_file' => $file);
$node->start;
my $dump = "$folder/dump.sql";
my $first = $node->safe_psql('postgres',
	q(SELECT relname FROM pg_class WHERE relname LIKE 'nonce%' ORDER BY 1 LIMIT 1));
$node->safe_psql('postgres', "SELECT setval('gdpr.$first', 512)");
my $contents = join ';', map { "TABLE gdpr.$_ ORDER BY 1, 2, 3" } qw(context context_key tag_key context_grant);
$node->safe_psql('postgres', q(CREATE ROLE gone; SELECT gdpr.grant_context('pii', 'gone')));
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
unlike(slurp_file($dump), qr/kanarialintu/, 'shows no value, though its role may read');
$node->safe_psql('postgres', 'DROP ROLE gone; CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ],
	'its restore, though a role with a grant is gone');
is($node->safe_psql('copy', $contents), $node->safe_psql('postgres', $contents), 'brings everything back');
is($node->safe_psql('copy', $status), 'crm 2 true true, pii 1 true true', 'and its keys open');
is($node->safe_psql('copy', $rows), "\nkanarialintu-1\n", 'and its values are read');
is($node->safe_psql('copy', "SELECT last_value FROM gdpr.$first"), 512, 'and are counted on from where they were');
$node->safe_psql('copy', q(SELECT gdpr.create_context('new')));
$node->command_ok([ 'pg_dump', '-Fd', '-f', "$folder/dump.d", $node->connstr('copy') ], 'pg_dump as a folder');
# Contexts and the values of other tables arrive in any order; a value that was
# read while its context appeared once took the server down, so more than once.
my $restored = 0;
for (1 .. 8)
{
	$node->safe_psql('postgres', $_) for 'DROP DATABASE IF EXISTS copy2', 'CREATE DATABASE copy2';
	$restored += !system('pg_restore', '-j4', '-e', '-d', $node->connstr('copy2'), "$folder/dump.d");
}
is($restored, 8, 'its parallel restore');
is($node->safe_psql('copy2', $contents), $node->safe_psql('copy', $contents), 'brings everything back too');
$node->safe_psql('copy', 'SET gdpr.allow_drop = on; DROP TABLE person; DROP EXTENSION gdpr_ext');
is($node->safe_psql('copy', "SELECT count(*) FROM pg_class WHERE relname LIKE 'nonce%'"),
	0, 'DROP EXTENSION takes the sequences along, restored ones too');

# --- without preload: there, keyless

configure('shared_preload_libraries' => '');
$node->restart;
is(state_of('SELECT * FROM gdpr.key_fingerprint()'), '55000', 'without preload, keys are 55000');
is(state_of(q(SELECT gdpr.create_context('late'))), '55000', 'and so is a new context');
is($node->safe_psql('postgres', $status), 'crm 2 false false, pii 1 false false', 'what is stored can be looked at');
is(state_of($rows), '55000', 'not read');
is(state_of(q(INSERT INTO person VALUES ('kanarialintu-2'))), '55000', 'not written in plaintext');
is(state_of(q(SELECT count(*) FROM person WHERE email = 'kanarialintu-1')), '55000', 'and not searched for plaintext');
is($node->safe_psql('postgres', 'SELECT count(*) FROM person p JOIN person q USING (email)'), 2, 'but joined,');
is($node->safe_psql('postgres', $copy), $bytes, 'copied out,');
put("$folder/person.copy", "$bytes\n");
$node->safe_psql('postgres', "CREATE TABLE person2 (LIKE person); COPY person2 FROM '$folder/person.copy'");
is($node->safe_psql('postgres', $copy =~ s/person/person2/r), $bytes, 'and in');
$node->safe_psql('postgres', q(SELECT gdpr.grant_context('pii', 'pg_monitor')));
$node->command_ok([ 'pg_dump', '-f', '/dev/null', $node->connstr('postgres') ], 'and be dumped');
$node->safe_psql('postgres', 'CREATE DATABASE bare');
(undef, $out, $err) = $node->psql('bare', "\\set VERBOSITY verbose\nCREATE EXTENSION gdpr_ext");
like($err, qr/ERROR: +55000/, 'CREATE EXTENSION is refused');
like($err, qr/HINT: .*shared_preload_libraries = 'gdpr_ext'/, 'with the line to add');
$node->safe_psql('bare', "LOAD 'gdpr_ext'");
configure('shared_preload_libraries' => 'gdpr_ext');
$node->restart;
is($node->safe_psql('postgres', $status), 'crm 2 true true, pii 1 true true', 'with preload again, the keys are back');

my $log = slurp_file($node->logfile);
unlike($log, qr/c0ffee|facade|abcdef|fedcba/i, 'no key was ever logged');
$node->stop;

done_testing();
