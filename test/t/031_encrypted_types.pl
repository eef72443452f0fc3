# Values of every encrypted type in a dump: into a database of another encoding,
# where they are the same values with the same tags, and onto a server without
# keys, where they are the same bytes.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = PostgreSQL::Test::Utils::tempdir();

my $node = PostgreSQL::Test::Cluster->new('types');
$node->init;
$node->append_conf('postgresql.conf', "log_min_error_statement = panic\n");
$node->start;

# The result, or the SQLSTATE.
sub ask
{
	my ($server, $db, $sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $server->psql($db, "SET client_encoding = UTF8; $sql", stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? $out : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

$node->safe_psql('postgres', q(CREATE DATABASE utf8 ENCODING UTF8 LOCALE 'C' TEMPLATE template0; CREATE DATABASE latin1 ENCODING LATIN1 LOCALE 'C' TEMPLATE template0));
$node->safe_psql('utf8', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[current_user]);
	SELECT gdpr.grant_context('pii', current_user, 'write');
	CREATE TABLE person (id int PRIMARY KEY, t enctext('pii') UNIQUE, ci encitext('pii') UNIQUE, s encsecret('pii'), b encbytea('pii'),
		j encjsonb('pii'), n encnumeric('pii'), i encint8('pii'), d encdate('pii'), z enctimestamptz('pii'), a encitext('pii')[]);
));
is(ask($node, 'utf8', q(
	INSERT INTO person VALUES
		(1, 'kanarialintu-ä', 'Kanarialintu-ÄITI', 'kanarialintu-ö', '\xff00', '{"kanarialintu": "å"}', 1.50, 42, '1950-02-07', '2020-01-02 03:04+00', '{Ä,ä}'),
		(2, '', '', '', '\x', '""', 'NaN', -9223372036854775808, 'infinity', '-infinity', '{}');
	SELECT count(*) FROM person WHERE ci = 'KANARIALINTU-äiti')), '1', 'values go in');
my $values = ask($node, 'utf8', q(SET timezone = 'UTC'; SELECT to_jsonb(p) FROM person p ORDER BY id));
my $stored = q(SET gdpr.output = ciphertext; SELECT p::text FROM person p ORDER BY id);
my $bytes = ask($node, 'utf8', $stored);
unlike($bytes, qr/kanarialintu|1950/, 'their stored form shows nothing');

$node->command_ok([ 'pg_dump', '-f', "$folder/dump.sql", $node->connstr('utf8') ], 'dumped');
unlike(slurp_file("$folder/dump.sql"), qr/kanarialintu|1950-02|9223372036854775808/, 'and the dump shows nothing');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump.sql", $node->connstr('latin1') ], 'restored into LATIN1');
is(ask($node, 'latin1', $stored), $bytes, 'the same bytes');
is(ask($node, 'latin1', q(SET timezone = 'UTC'; SELECT to_jsonb(p) FROM person p ORDER BY id)), $values, 'the same values');
is(ask($node, 'latin1', q(SELECT id FROM person WHERE ci = 'kanarialintu-äITI' AND t = 'kanarialintu-ä')), '1', 'found by the tags that LATIN1 makes');
is(ask($node, 'latin1', q(INSERT INTO person (id, ci) VALUES (3, 'KANARIALINTU-ÄITI'))), '23505', 'and unique under them');
is(ask($node, 'latin1', q(SELECT sum(count) FROM gdpr.check_column('person', 'ci') WHERE item IN ('wrong tag', 'corrupt'))), '0', 'no tag is wrong');

# INSERTs of a reader are plaintext, each as the plain type would be dumped.
$node->command_ok([ 'pg_dump', '--inserts', '--data-only', '-t', 'person', '-f', "$folder/inserts.sql", $node->connstr('utf8') ], 'dumped as INSERTs');
like(slurp_file("$folder/inserts.sql"), qr/'-9223372036854775808', 'infinity', '-infinity'/, 'by a reader');
$node->safe_psql('latin1', 'DELETE FROM person');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/inserts.sql", $node->connstr('latin1') ], 'restored');
is(ask($node, 'latin1', q(SET timezone = 'UTC'; SELECT to_jsonb(p) FROM person p ORDER BY id)), $values, 'the same values again');

my $keyless = PostgreSQL::Test::Cluster->new('keyless');
$keyless->init;
$keyless->append_conf('postgresql.conf', "gdpr.root_key_file = ''\n");
$keyless->start;
$keyless->safe_psql('postgres', q(CREATE DATABASE utf8 ENCODING UTF8 LOCALE 'C' TEMPLATE template0));
$keyless->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/dump.sql", $keyless->connstr('utf8') ], 'restored without keys');
is(ask($keyless, 'utf8', $stored), $bytes, 'the same bytes');
is(ask($keyless, 'utf8', 'REINDEX TABLE person; ANALYZE person; SELECT count(DISTINCT ci) FROM person'), '2', 'indexes and statistics need no key');
is(ask($keyless, 'utf8', 'SELECT i::bigint FROM person'), 'PD006', 'reading does');

$node->stop;
$keyless->stop;
done_testing();
