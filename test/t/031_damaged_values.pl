# Values of another database under the same context name, and damaged ones that
# a server without keys took: what a server with the keys says of them, by every
# road of a client, and that nothing of a value is in its answers or its log.

use strict;
use warnings FATAL => 'all';

use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-vaurio';
my $folder = PostgreSQL::Test::Utils::tempdir();
my @types = qw(enctext encsecret);

my $node = PostgreSQL::Test::Cluster->new('damaged');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_min_error_statement = panic\nlog_statement = none\n");
$node->start;

my $setup = q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', '{}');
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'read');
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'write');
) . join('', map { "CREATE TABLE t_$_ (v $_('pii'));" } @types);
$node->safe_psql('postgres', 'CREATE DATABASE foreigner');
$node->safe_psql($_, $setup) for qw(postgres foreigner);

# SQLSTATE and message, or what came out.
sub answer
{
	my ($db, $sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $node->psql($db, $sql, stdout => \$out, stderr => \$err, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $rc == 0 ? $out : $err =~ s/.*?ERROR:\s+(\w+): ([^\n]*).*/$1 $2/sr;
}

sub form
{
	my ($db, $type, $value) = @_;
	return $node->safe_psql($db, "SET gdpr.output = ciphertext;
		TRUNCATE t_$type; INSERT INTO t_$type VALUES ('$value'); SELECT v FROM t_$type");
}

sub put
{
	my ($name, $text) = @_;
	append_to_file("$folder/$name", $text);
	return "$folder/$name";
}

# The bytes of one text column of one row, as COPY BINARY has them.
sub binary
{
	my ($text) = @_;
	return "PGCOPY\n\xff\r\n\0" . pack('NN', 0, 0) . pack('nN', 1, length $text) . $text . pack('n', 0xffff);
}

# --- a database of its own keys, and the same names

my $forged = qr/^PD008 encrypted value of context "pii" does not authenticate/;
for my $type (@types)
{
	my $foreign = form('foreigner', $type, $canary);
	my $binary = put("$type.binary", binary($foreign));
	my $text = put("$type.text", "$foreign\n");

	like(answer('postgres', "INSERT INTO t_$type VALUES ('$foreign')"), $forged, "$type of another database: a literal");
	like(answer('postgres', "INSERT INTO t_$type SELECT '$foreign'::text"), $forged, "$type: a cast");
	like(answer('postgres', "PREPARE p AS INSERT INTO t_$type VALUES (\$1); EXECUTE p('$foreign')"), $forged, "$type: a parameter");
	like(answer('postgres', "\\copy t_$type FROM $text"), $forged, "$type: COPY");
	like(answer('postgres', "\\copy t_$type FROM $text (FORMAT csv)"), $forged, "$type: COPY csv");
	like(answer('postgres', "\\copy t_$type FROM $binary (FORMAT binary)"), $forged, "$type: COPY binary");
	is(answer('foreigner', "SELECT v::text FROM t_$type"), $canary, "$type: at home it is read");
}

# --- taken without a key, and read with it

my %good = map { $_ => form('postgres', $_, $canary) } @types;
my %foreign = map { $_ => form('foreigner', $_, $canary) } @types;
$node->safe_psql('postgres', join('', map { "TRUNCATE t_$_;" } @types));
$node->append_conf('postgresql.conf', "gdpr.root_key_file = ''\n");
$node->restart;

sub flip
{
	my ($form, $at) = @_;
	my $bytes = decode_base64(substr $form, 5);
	substr($bytes, $at, 1) = chr(ord(substr $bytes, $at, 1) ^ 1);
	return 'gdpr:' . encode_base64($bytes, '');
}

my %length = map { $_ => length decode_base64(substr $good{$_}, 5) } @types;
for my $type (@types)
{
	my $header = $type eq 'encsecret' ? 9 : 25;
	my $text = join '', map { "$_\n" } $foreign{$type}, $good{$type}, map { flip($good{$type}, $_) } $header .. $length{$type} - 1;

	is(answer('postgres', '\\copy t_' . $type . ' FROM ' . put("$type.keyless", $text)), '', "$type: without keys the bytes are taken");
	like(answer('postgres', '\\copy t_' . $type . ' FROM ' . put("$type.cut", substr($good{$type}, 0, 41) . "\n")),
		qr/^PD008 encrypted value of context "pii" is cut short/, "$type: but not what is no envelope");
	like(answer('postgres', '\\copy t_' . $type . ' FROM ' . put("$type.cut2", binary(substr($good{$type}, 0, -1))) . ' (FORMAT binary)'),
		qr/^PD008 text of an encrypted value of context "pii" is malformed/, "$type: nor its text cut anywhere");
	like(answer('postgres', "SELECT v::text FROM t_$type"), qr/^PD006 key version 1 of context "pii" is not available/, "$type: nothing is read");
}
$node->append_conf('postgresql.conf', "gdpr.root_key_file = '$ENV{GDPR_ROOT_KEY_FILE}'\n");
$node->restart;
$node->safe_psql('postgres', q(
	CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE result text;
	BEGIN
		EXECUTE statement INTO result;
		RETURN result;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END $$));
for my $type (@types)
{
	my $values = $length{$type} - ($type eq 'encsecret' ? 9 : 25) + 2;
	is(answer('postgres', "SELECT DISTINCT outcome(format('SELECT v::text FROM t_$type WHERE ctid = %L', ctid)) FROM t_$type ORDER BY 1"),
		"PD008 encrypted value of context \"pii\" does not authenticate\n$canary", "$type: with keys each is refused but the good one");
	is(answer('postgres', "SELECT item, count FROM gdpr.check_column('t_$type', 'v') WHERE key_version IS NULL AND item IN ('values', 'decrypt', 'corrupt') ORDER BY item"),
		sprintf("corrupt|%d\ndecrypt|1\nvalues|%d", $values - 1, $values), "$type: and counted");
	is(answer('postgres', "SELECT count(*) FROM t_$type WHERE format('%s', v) LIKE 'gdpr:%'"), $values - 1, "$type: shown as it is stored");
	like(answer('postgres', "UPDATE t_$type SET v = v::text"), $forged, "$type: not sealed anew");
}

# --- too long

like(answer('postgres', "INSERT INTO t_enctext SELECT repeat(repeat('x', 1000), 810000)"), qr/^54000 value is too long for an encrypted type/, 'the longest value has an end');

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is there');
my $log = slurp_file($node->logfile);
unlike($log, qr/kanarialintu/, 'no value is in the log');
unlike($log, qr/terminated by signal|TRAP:|PANIC/, 'no process ended badly');
done_testing();
