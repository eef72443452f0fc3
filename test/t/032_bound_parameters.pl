# Parameters of every encrypted type as drivers send them: the extended protocol, in text and in binary format, by
# plans made for them and by generic ones, alone and in arrays, and a portal that is read in parts.

use strict;
use warnings FATAL => 'all';

use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('bound');
$node->init;
$node->append_conf('postgresql.conf', "log_min_duration_statement = 0\nlog_parameter_max_length = -1\nlog_parameter_max_length_on_error = -1\n");
$node->start;
$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[current_user]);
	SELECT gdpr.grant_context('pii', current_user, 'write');
	CREATE TABLE person (id int PRIMARY KEY, enctext enctext('pii'), encitext encitext('pii'), encsecret encsecret('pii'), encbytea encbytea('pii'),
		encjsonb encjsonb('pii'), encnumeric encnumeric('pii'), encint8 encint8('pii'), encdate encdate('pii'), enctimestamptz enctimestamptz('pii'));
	ALTER DATABASE postgres SET timezone = 'UTC';
));

# ---- a client of the protocol, chapter "Frontend/Backend Protocol" of PostgreSQL's documentation ----

my $socket;

sub take
{
	my ($length) = @_;
	my $got = '';
	while (length($got) < $length)
	{
		read($socket, $got, $length - length($got), length($got)) or die 'the server went away';
	}
	return $got;
}

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', 4 + length $body) . $body;
}

# Reads until the server is ready: rows of fields, and the SQLSTATE of an error.
sub answers
{
	my (@rows, $error, $parts);
	while (1)
	{
		my ($type, $length) = unpack('aN', take(5));
		my $body = take($length - 4);
		if ($type eq 'D')
		{
			my @row;
			my ($n, $at) = (unpack('n', $body), 2);
			for (1 .. $n)
			{
				my $l = unpack('l>', substr($body, $at, 4));
				push @row, $l < 0 ? undef : substr($body, $at + 4, $l);
				$at += 4 + ($l < 0 ? 0 : $l);
			}
			push @rows, \@row;
		}
		$error = $1 if $type eq 'E' && $body =~ /\0C(\w{5})\0/;
		$parts++ if $type eq 's';
		return { rows => \@rows, error => $error, suspended => $parts // 0 } if $type eq 'Z';
	}
}

sub login
{
	$socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "cannot connect: $!";
	$socket->autoflush(1);
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	my $body = pack('N', 196608) . "user\0$user\0database\0postgres\0client_encoding\0UTF8\0\0";
	print $socket pack('N', 4 + length $body) . $body;
	answers();
}

# sql, format of parameters and results (0 text, 1 binary), parameters; options: types, times, limit of rows a part.
sub ask
{
	my ($sql, $format, $params, %options) = @_;
	my @types = @{ $options{types} // [] };
	my $result;
	my $values = join '', map { defined $_ ? pack('N', length $_) . $_ : pack('l>', -1) } @$params;
	my $bind = message('B', "\0s\0" . pack('nn', 1, $format) . pack('n', scalar @$params) . $values . pack('nn', 1, $format));
	my $execute = message('E', "\0" . pack('N', $options{limit} // 0));

	print $socket message('C', "Ss\0"), message('P', "s\0$sql\0" . pack('n', scalar @types) . pack('N*', @types)), message('S', '');
	$result = answers();
	return $result if defined $result->{error};
	for (1 .. $options{times} // 1)
	{
		print $socket $bind, ($execute) x ($options{parts} // 1), message('S', '');
		$result = answers();
		return $result if defined $result->{error};
	}
	return $result;
}

sub first { my $result = ask(@_); return $result->{error} // join '|', map { $_ // 'NULL' } @{ $result->{rows}[0] // ['none'] } }

sub stored { return $node->safe_psql('postgres', "SET gdpr.output = ciphertext; SELECT ROW($_[0])::text FROM person WHERE id = $_[1]") }

login();

# ---- every type: what is sent and read, and what is equal to it, for those that have equality ----

my %types = (
	enctext => [ 'kanarialintu-ä', 'kanarialintu-ä' ],
	encitext => [ 'Kanarialintu-Ö', 'kanarialintu-ö' ],
	encsecret => ['kanarialintu-s'],
	encbytea => ['\x6b616e61ff00'],
	encjsonb => ['{"kanarialintu": [1, 2]}'],
	encnumeric => ['40750.50'],
	encint8 => ['-9223372036854775807'],
	encdate => ['1950-02-07'],
	enctimestamptz => ['2020-01-02 03:04:05+00'],
);

my $id = 0;
for my $type (sort keys %types)
{
	my ($value, $equal) = @{ $types{$type} };
	for my $format (0, 1)
	{
		my $how = $type . ($format ? ', binary' : ', text');
		my $key = $format ? pack('N', ++$id) : ++$id;

		is(first("INSERT INTO person (id, $type) VALUES (\$1, \$2) RETURNING $type", $format, [ $key, $value ]), $value, "$how: goes in");
		is(first("SELECT $type FROM person WHERE id = \$1", $format, [$key]), $value, 'is read');
		unlike(stored($type, $id), qr/kana|40750|9223|1950|2020/, 'rests encrypted');
		my $before = stored($type, $id);
		ask("UPDATE person SET $type = \$2 WHERE id = \$1", $format, [ $key, $value ], times => 7);
		is(stored($type, $id), $before, 'written back seven times it stays as it is');
		ask("UPDATE person SET $type = \$2 WHERE id = \$1", $format, [ $key, undef ]);
		is(first("SELECT $type FROM person WHERE id = \$1", $format, [$key]), 'NULL', 'NULL is NULL');
		ask("UPDATE person SET $type = \$2 WHERE id = \$1", $format, [ $key, $value ]);
		is(first("SELECT count(*)::text FROM person WHERE $type = \$1", $format, [ $equal // $value ], times => 7),
			defined $equal ? $format + 1 : '42883', 'and found where it may be, by the generic plan too');
		next if !defined $equal;
		is(first("SELECT count(*)::text FROM person WHERE $type = \$1", $format, ["$equal "], times => 7), 0, 'another is not');
		is(first("SELECT count(*)::text FROM person WHERE $type = ANY (\$1)", 1, [ array_of($type, $equal) ]), $format + 1, 'in a binary array');
	}
}

# The binary form of an array of values, the last NULL.
sub array_of
{
	my ($type, @values) = @_;
	my $oid = $node->safe_psql('postgres', "SELECT '$type'::regtype::oid");
	return pack('NNNNN', 1, 1, $oid, @values + 1, 1) . join('', map { pack('N', length $_) . $_ } @values) . pack('l>', -1);
}

# ---- parameters of plain types, in binary, and casts of ours around them ----

is(first(q(INSERT INTO person (id, encint8) VALUES (100, $1) RETURNING encint8::bigint), 1, [ pack('q>', 4711) ], types => [20]), pack('q>', 4711), 'a bigint');
is(first(q(INSERT INTO person (id, encdate) VALUES (101, $1) RETURNING encdate::date), 1, [ pack('l>', -18225) ], types => [1082]), pack('l>', -18225), 'a date');
is(first(q(INSERT INTO person (id, encbytea) VALUES (102, $1) RETURNING encbytea::bytea), 1, ["\0\377"], types => [17]), "\0\377", 'a bytea');
is(first(q(SELECT id::text FROM person WHERE encint8::bigint = $1), 1, [ pack('q>', 4711) ], types => [20], times => 7), '100', 'a bigint is looked for');

# ---- one parameter in several places, in a portal that is read in parts ----

my $enctext = $node->safe_psql('postgres', q(SELECT 'enctext'::regtype::oid));
is(first(q(INSERT INTO person (id, enctext, encsecret) VALUES (110, $1, $1::text) RETURNING enctext::text || encsecret::text), 0, ['twice'], types => [$enctext]), 'twicetwice', 'used twice');
my $parts = ask(q(SELECT i::text, coalesce(nullif($1, $2)::text, '') FROM generate_series(1, 5) i), 0, [ 'part', 'other' ],
	types => [ ($enctext) x 2 ], limit => 2, parts => 3);
is(join(' ', map { "@$_" } @{ $parts->{rows} }), '1 part 2 part 3 part 4 part 5 part', 'a portal in three parts');
is($parts->{suspended}, 2, 'of two rows each');

# ---- what is wrong is refused, and does not show ----

is(first(q(INSERT INTO person (id, enctext) VALUES (120, $1)), $_, ["kanarialintu\xff"]), '22021', 'no text of this encoding') for 0, 1;
is(first(q(INSERT INTO person (id, enctext) VALUES (120, $1)), 1, ["kanaria\0lintu"]), '22021', 'a zero byte');
is(first(q(INSERT INTO person (id, encint8) VALUES (120, $1)), $_, ['kanarialintu']), '22P02', 'no number') for 0, 1;
is(first(q(INSERT INTO person (id, encdate) VALUES (120, $1)), 0, ['kanarialintu']), '22007', 'no date');
is(first(q(INSERT INTO person (id, encjsonb) VALUES (120, $1)), 0, ['{kanarialintu']), '22P02', 'no json');
is(first(q(SELECT 1 / (length($1::text) - 12)), 0, ['kanarialintu'], types => [$enctext]),
	'22012', 'an error beside a value');
is($node->safe_psql('postgres', q(SELECT sum(count) FROM gdpr.check_column('person', 'enctext') WHERE item IN ('corrupt', 'wrong tag', 'in flight', 'of another context'))), '0', 'nothing else came in')
  or diag $node->safe_psql('postgres', q(SELECT * FROM gdpr.check_column('person', 'enctext')));

$node->stop;
unlike(slurp_file($node->logfile), qr/kanarialintu|40750|9223372|1950-02|2020-01-02/i, 'and no value is in the log');
done_testing();
