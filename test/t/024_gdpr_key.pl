# gdpr-key: makes, checks and prints root keys, finds what was mistyped, and proves
# to a server that a copy is the running key.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $bindir = $ENV{bindir} // `pg_config --bindir`;
chomp $bindir;
my $program = "$ENV{GDPR_STAGE}$bindir/gdpr-key";
ok(-x $program, 'make install brings gdpr-key');

# Runs it: status, output and messages.
sub key
{
	my ($input, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $program, @arguments ], '<', \$input, '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

sub works
{
	my ($what, $input, @arguments) = @_;
	my ($status, $out, $err) = key($input, @arguments);
	is("$status$err", '0', $what);
	return $out;
}

sub refuses
{
	my ($what, $defect, $input, @arguments) = @_;
	my ($status, $out, $err) = key($input, @arguments);
	subtest $what => sub {
		is($status, 1, 'status 1');
		like($err, $defect, 'says why');
		is($out, '', 'prints nothing');
	};
	return;
}

sub content { return slurp_file($_[0]); }

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

for my $wrong ([], ['new'], [ 'make', 'x' ], [ 'check', 'a', 'b' ], [ 'respond', 'a' ])
{
	my ($status, $out, $err) = key('', @$wrong);
	is("$status $out", '2 ', "usage: @$wrong");
	like($err, qr/^usage: gdpr-key new/, 'and which');
}

# --- making

my $file = "$folder/root.key";
my $out = works('a key is made', '', 'new', $file);
like($out, qr/root key "1", fingerprint [0-9a-f]{16}/, 'and its fingerprint shown');
like(content($file), qr/^1 [0-9a-f]{64}\n\z/, 'in the form that the server reads');
is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'for its owner alone');
my $first = content($file);
refuses('it is not overwritten', qr/not overwritten/, '', 'new', $file);
symlink "$folder/nowhere", "$folder/link" or die $!;
refuses('nor a link followed', qr/not overwritten/, '', 'new', "$folder/link");
is(content($file), $first, 'it is what it was');
refuses('an id of another kind', qr/an id has/, '', 'new', "$folder/x", 'a b');
refuses('no such folder', qr/cannot be made/, '', 'new', "$folder/no/x");

$out = works('a second one is added', '', 'add', $file);
like(content($file), qr/^2 [0-9a-f]{64}\n\Q$first\E\z/, 'above the first');
is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'still for its owner alone');
works('with an id of its own', '', 'add', $file, 'spring');
refuses('which another one has', qr/a key "spring" already/, '', 'add', $file, 'spring');
my ($spring) = content($file) =~ /^spring (\w+)$/m;
put("$folder/bare", uc($spring) . "\n");
works('a line without an id', '', 'add', "$folder/bare");
like(content("$folder/bare"), qr/^2 [0-9a-f]{64}\n1 $spring\n\z/, 'gets one');
ok(!-e "$file.new", 'nothing is left behind');

# --- checking

like(works('a file is checked', '', 'check', $file), qr/^spring [0-9a-f]{16} primary\n2 [0-9a-f]{16}\n1 [0-9a-f]{16}\n\z/m,
	'which shows fingerprints');
unlike(join('', key('', 'check', $file)), qr/[0-9a-f]{17}/, 'and no key');
my $key = '0' x 64;
refuses($_->[0], $_->[2], '', 'check', put("$folder/bad", $_->[1]))
  for (
	[ 'an empty file', '', qr/no root key/ ],
	[ 'a digit too few', substr($key, 1) . "\n", qr/line 1 is not/ ],
	[ 'two spaces', "1  $key\n", qr/line 1 is not/ ],
	[ 'garbage after a good line', "1 $key\ngarbage\n", qr/line 2 is not/ ],
	[ 'a zero byte', "1 $key\n\0\n", qr/zero byte/ ],
	[ 'an id twice', "1 $key\n1 $key\n", qr/line 2 has the id/ ],
	[ 'a line without id beside one with', "2 $key\n$key\n", qr/stands alone/ ],
	[ '33 keys', join('', map { "$_ $key\n" } 1 .. 33), qr/more than 32/ ],
	[ 'a large file', "1 $key\n" x 2000, qr/too large/ ]);
refuses('no such file', qr/no such file/, '', 'check', "$folder/nothing");
refuses('a folder', qr/not a regular file/, '', 'check', $folder);
chmod 0640, $file;
refuses('a file for the group', qr/accessible to group or others/, '', 'check', $file);
refuses('which gets no second key either', qr/accessible to group or others/, '', 'add', $file);
chmod 0600, $file;

# --- to the safe and back

my $sheet = works('a key is printed', '', 'print', $file, '1');
my @lines = split /\n/, $sheet;
my ($one) = $first =~ /^1 (\w+)$/;
is(join('', map { /^[1-4]  ((?:\w{4} ){4})/ ? $1 =~ tr/ //dr : () } @lines), $one, 'in groups');
works('it is typed back', $sheet, 'restore', "$folder/back");
is(content("$folder/back"), $first, 'to what it was');
works('without the words, in capitals, in another order', join("\n", reverse map { uc } grep { /^[1-4]/ } @lines)
	  . "\n" . join("\n", grep { /^(id|fingerprint)/ } @lines) . "\n", 'restore', "$folder/back2");
is(content("$folder/back2"), $first, 'is the same');
refuses('it overwrites nothing', qr/not overwritten/, $sheet, 'restore', $file);

my $found = 0;
for my $place (0 .. 15)
{
	my $digit = substr($one, 16 + $place, 1);
	my $typed = sprintf '%x', (hex($digit) + 1) % 16;
	my $line = substr($one, 16, 16);
	substr($line, $place, 1) = $typed;
	my ($check) = $sheet =~ /^2  (?:\w{4} ){4} (\w{4})$/m;
	my ($status, undef, $err) = key($sheet =~ s/^2 .*$/2 $line $check/mr, 'restore', "$folder/wrong");
	$found++ if $status == 1 && $err =~ /a digit of line 2 is wrong/;
}
is($found, 16, 'every mistyped digit is found, and in which line');
refuses('two digits exchanged', qr/a digit of line/, $sheet =~ s/^1  (\w{4}) (\w{4})/1  $2 $1/mr, 'restore', "$folder/wrong")
  if $sheet =~ /^1  (\w{4}) (?!\1)/m;
refuses('a digit too many', qr/line 3 has 21 digits/, $sheet =~ s/^3  /3  0/mr, 'restore', "$folder/wrong");
refuses('a letter that is no digit', qr/line 4 has something/, $sheet =~ s/^4  ./4  o/mr, 'restore', "$folder/wrong");
refuses('a line left out', qr/lines are missing/, $sheet =~ s/^3 .*\n//mr, 'restore', "$folder/wrong");
my $second = works('another sheet', '', 'print', $file, '2');
my ($other_line) = $second =~ /^(2  .*)$/m;
refuses('lines of two keys', qr/do not have this fingerprint/, $sheet =~ s/^2  .*$/$other_line/mr, 'restore', "$folder/wrong");
ok(!-e "$folder/wrong", 'and nothing is made of them');

# --- the server agrees

my $node = PostgreSQL::Test::Cluster->new('gdpr_key');
$node->init;
$node->append_conf('postgresql.conf', "gdpr.root_key_file = '$file'");
$node->start;
$node->safe_psql('postgres', q(CREATE EXTENSION gdpr_ext; SELECT gdpr.create_context('pii')));
my $checked = works('what was checked', '', 'check', $file);
is(join("\n", grep { /^\w+ [0-9a-f]{16}/ } split /\n/, $checked),
	$node->safe_psql('postgres', q(SELECT concat_ws(' ', root_id, fingerprint, CASE WHEN is_primary THEN 'primary' END) FROM gdpr.key_fingerprint())),
	'is what the server has');

sub confirm
{
	my ($answer) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM gdpr.confirm_key_backup('$answer')");
	return $err eq '' ? $out : $err;
}

my $challenge = $node->safe_psql('postgres', 'SELECT gdpr.key_backup_challenge()');
my $print = $node->safe_psql('postgres', q(SELECT fingerprint FROM gdpr.key_fingerprint() WHERE is_primary));
is($node->safe_psql('postgres', 'SELECT count(backup_confirmed_at) FROM gdpr.key_status'), 0, 'no copy is confirmed');
works('a copy from the safe', works('is typed', '', 'print', $file), 'restore', "$folder/safe");
chomp(my $answer = works('and answers', '', 'respond', "$folder/safe", $challenge));
unlike($answer, qr/$spring/, 'which is not the key');
is(confirm($answer), "spring|$print|t", 'the server takes the answer');
is($node->safe_psql('postgres', 'SELECT count(backup_confirmed_at) FROM gdpr.key_status'), 1, 'and shows it');
is($node->safe_psql('postgres', 'SELECT root_id, fingerprint, session_role = session_user FROM gdpr.key_confirmation'),
	"spring|$print|t", 'and who gave it');
like(confirm($answer), qr/answered before/, 'it serves once');
chomp($answer = works('the older key', '', 'respond', "$folder/back", $node->safe_psql('postgres', 'SELECT gdpr.key_backup_challenge()')));
like(confirm($answer), qr/^1\|[0-9a-f]{16}\|f$/, 'is confirmed too');
works('another key', '', 'new', "$folder/foreign", 'spring');
$challenge = $node->safe_psql('postgres', 'SELECT gdpr.key_backup_challenge()');
chomp($answer = works('of the same id', '', 'respond', "$folder/foreign", $challenge));
like(confirm($answer), qr/it is another key/, 'is not');
my $forged = $challenge =~ s/^(.{20})(.)/$1 . ($2 eq '0' ? '1' : '0')/er;
chomp($answer = works('a challenge', '', 'respond', "$folder/safe", $forged));
like(confirm($answer), qr/not of this server/, 'that the server did not give is not taken');
refuses('nor answered, when it is none', qr/not a challenge/, '', 'respond', "$folder/safe", 'gdpr root key fingerprint v1');
unlike(slurp_file($node->logfile), qr/$spring|$one/i, 'no key was ever logged');
$node->stop;

done_testing();
