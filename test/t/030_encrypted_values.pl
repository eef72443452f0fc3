# Encrypted values away from a session: on disk, in dumps, on a server without
# keys, in logical decoding and replication, on a standby.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-levy';
my $folder = PostgreSQL::Test::Utils::tempdir();

my $node = PostgreSQL::Test::Cluster->new('values');
$node->init(allows_streaming => 'logical');
$node->append_conf('postgresql.conf', "autovacuum = off\nlog_min_error_statement = panic\nlog_statement = none\n");
$node->start;

# As a role, in one session.
sub as
{
	my ($server, $role, $sql) = @_;
	my ($out, $err) = ('', '');
	my $rc = $server->psql('postgres', "SET ROLE $role; $sql", stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $rc == 0 ? $out : $err =~ s/.*ERROR:\s+(\w+).*/$1/sr;
}

$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	CREATE ROLE reader;
	CREATE ROLE finder;
	CREATE ROLE bystander;
	SELECT gdpr.create_context('pii', '{reader}');
	SELECT gdpr.grant_context('pii', 'reader', 'write');
	SELECT gdpr.grant_context('pii', 'finder', 'search');
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'search');
	CREATE TABLE person (id int PRIMARY KEY, e enctext('pii'), s encsecret('pii'));
	GRANT ALL ON person TO PUBLIC;
));
is(as($node, 'reader', qq(
	INSERT INTO person SELECT i, '$canary' || i, '$canary' || i FROM generate_series(1, 500) i;
	INSERT INTO person VALUES (501, '', ''), (502, NULL, NULL);
	INSERT INTO person VALUES (503, '$canary', repeat('$canary', 3000));
	SELECT count(*) FROM person WHERE e::text LIKE '$canary%')), '501', 'values go in and come out');
is(as($node, 'reader', qq(
	INSERT INTO person SELECT 504, repeat('0123456789', 5242880);
	SELECT length(e::text), md5(e::text) = md5(repeat('0123456789', 5242880)) FROM person WHERE id = 504;
	DELETE FROM person WHERE id = 504)), '52428800|t', 'also one of 50 MB');

# --- what rests

$node->safe_psql('postgres', 'CHECKPOINT');
my $grep = sub {
	my ($where) = @_;
	my ($out, $err) = run_command([ 'grep', '-rlaF', $canary, $node->data_dir . "/$where" ]);
	return $out;
};
is($grep->('base'), '', 'no plaintext in the relations');
is($grep->('pg_wal'), '', 'no plaintext in the WAL');
$node->safe_psql('postgres', "CREATE TABLE plain AS SELECT '$canary' AS v; CHECKPOINT");
isnt($grep->('base'), '', 'plaintext of a plain column is found');
$node->safe_psql('postgres', 'DROP TABLE plain; CHECKPOINT');

# --- COPY, there and back

for my $output (qw(plaintext ciphertext))
{
	for my $format ('text', 'csv', 'binary')
	{
		my $file = "$folder/copy.$output.$format";
		is(as($node, 'reader', qq(
			SET gdpr.output = $output;
			CREATE TEMPORARY TABLE back (LIKE person);
			RESET ROLE;
			SELECT gdpr.grant_context('pii', CURRENT_USER, 'read');
			SELECT gdpr.grant_context('pii', CURRENT_USER, 'write');
			COPY (SELECT * FROM person) TO '$file' (FORMAT $format);
			COPY back FROM '$file' (FORMAT $format);
			SELECT gdpr.revoke_context('pii', CURRENT_USER, 'read');
			SELECT gdpr.revoke_context('pii', CURRENT_USER, 'write');
			SET ROLE reader;
			SELECT count(*), count(b.e), bool_and(p.e = b.e), bool_and(p.s::text = b.s::text)
			FROM person p JOIN back b USING (id))) =~ s/^\n+//r, '503|502|t|t',
			"COPY of $output as $format is an identity");
		my $holds = slurp_file($file) =~ /\Q$canary\E/ ? 'plaintext' : 'ciphertext';
		is($holds, $output, "and the file holds $output");
	}
}

# --- a server without keys

my $dump = "$folder/dump.sql";
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a role that may search dumps');
unlike(slurp_file($dump), qr/\Q$canary\E/, 'the dump holds no plaintext');
my $inserts = "$folder/inserts.sql";
command_ok([ 'pg_dump', '--inserts', '-f', $inserts, $node->connstr('postgres') ], 'also as INSERTs');
unlike(slurp_file($inserts), qr/\Q$canary\E/, 'which hold no plaintext');

my $keyless = PostgreSQL::Test::Cluster->new('keyless');
$keyless->init;
$keyless->append_conf('postgresql.conf',
	"gdpr.root_key_file = ''\nlog_min_error_statement = panic\nlog_statement = none\n");
$keyless->start;
$keyless->safe_psql('postgres', 'CREATE ROLE reader; CREATE ROLE finder; CREATE ROLE bystander; CREATE DATABASE inserts');
$keyless->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'postgres' ],
	'a server without keys restores the dump');
$keyless->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $inserts, 'inserts' ],
	'and the one of INSERTs');
is($keyless->safe_psql($_, 'SELECT count(*), count(e), count(DISTINCT e), count(s) FROM person'),
	'503|502|502|502', "every value arrived in $_")
  for qw(postgres inserts);
is($keyless->safe_psql('postgres', "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = 'person'::regclass AND attname = 'e'"), "enctext('pii')", 'the context has its name');
$keyless->safe_psql('postgres', 'REINDEX DATABASE postgres; ANALYZE; VACUUM FULL person');
is($keyless->safe_psql('postgres', q(
	CREATE UNIQUE INDEX person_e ON person (e);
	CREATE INDEX person_hash ON person USING hash (e);
	CREATE TABLE child (e enctext('pii') REFERENCES person (e));
	INSERT INTO child SELECT e FROM person WHERE e IS NOT NULL;
	SELECT count(*) FROM child JOIN person USING (e))), '502', 'indexes, foreign keys and joins need no key');
is(as($keyless, 'reader', "SELECT count(*) FROM person WHERE format('%s', e) LIKE 'gdpr:%'"), '502',
	'output prints what is stored');
is(as($keyless, 'reader', $_->[0]), 'PD006', "without the key, $_->[1] raises PD006")
  for (
	[ 'SELECT e::text FROM person', 'a cast' ],
	[ "SELECT count(*) FROM person WHERE e = '$canary'", 'a comparison with a literal' ],
	[ "INSERT INTO person VALUES (600, '$canary')", 'new plaintext' ],
	[ "UPDATE person SET e = s::enctext('pii')", 'a change of type' ]);
is(as($keyless, 'bystander', "INSERT INTO person SELECT 600, format('%s', e) FROM person WHERE id = 1"), 'PD006',
	'a value without its tag is refused, not stored without it');
is($keyless->safe_psql('postgres', "SELECT 'x'::enctext::text"), 'x', 'values in flight need no root key');

$keyless->append_conf('postgresql.conf', "gdpr.root_key_file = '$ENV{GDPR_ROOT_KEY_FILE}'\n");
$keyless->restart;
for my $database (qw(postgres inserts))
{
	is($keyless->safe_psql($database, "SET ROLE reader; SELECT count(*) FROM person WHERE e::text LIKE '$canary%' AND id < 501 AND e::text = s::text"),
		'500', "with the key, $database reads");
}
is(as($keyless, 'reader', "SELECT id FROM person WHERE e = '${canary}7'::enctext('pii')"), '7', 'and finds');

# --- logical decoding by a walsender

$node->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')");
is(as($node, 'reader', "INSERT INTO person VALUES (700, '${canary}700', '$canary'); SELECT 1"), '1', 'a change to decode');
my $decoded = $node->safe_psql('postgres', "SELECT data FROM pg_logical_slot_peek_changes('decoded', NULL, NULL)");
like($decoded, qr/e\[.*\]:'gdpr:AR/, 'the slot gives the stored form with its tag');
unlike($decoded, qr/\Q$canary\E/, 'and no plaintext');
my $end = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
my $stdout = $node->pg_recvlogical_upto('postgres', 'decoded', $end, $PostgreSQL::Test::Utils::timeout_default,
	'include-xids' => 0);
like($stdout, qr/e\[.*\]:'gdpr:AR/, 'so does a walsender');
unlike($stdout, qr/\Q$canary\E/, 'without plaintext');

for my $query ("SELECT e::text FROM person", "SELECT id FROM person WHERE e = '${canary}7'", "INSERT INTO person VALUES (701, '$canary')")
{
	my ($seen, $messages) = ('', '');
	$node->psql('postgres', $query, stdout => \$seen, stderr => \$messages, replication => 'database',
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like("$seen$messages", qr/^\S*\s*ERROR:\s+PD006$/, 'a replication connection has no keys: ' . substr($query, 0, 6));
}
is($node->safe_psql('postgres', "SELECT count(*) FROM person WHERE format('%s', e) LIKE 'gdpr:AR%' AND id = 7", replication => 'database'),
	'1', 'and sees the stored form');

# --- logical replication into a server without keys

$keyless->append_conf('postgresql.conf', "gdpr.root_key_file = ''\n");
$keyless->restart;
$keyless->safe_psql('postgres', 'TRUNCATE person CASCADE');
$node->safe_psql('postgres', 'CREATE PUBLICATION p FOR TABLE person');
for my $binary (qw(false true))
{
	$keyless->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $node->connstr
		  . " dbname=postgres' PUBLICATION p WITH (binary = $binary)");
	$keyless->wait_for_subscription_sync($node, 's') if $keyless->can('wait_for_subscription_sync');
	is(as($node, 'reader', "INSERT INTO person VALUES (800, '${canary}800'); UPDATE person SET e = '${canary}x' WHERE id = 700; SELECT 1"), '1', 'changes to replicate');
	$node->wait_for_catchup('s');
	is($keyless->safe_psql('postgres', 'SELECT count(*), count(e), count(DISTINCT e) FROM person'), '505|504|504',
		"values replicate to a server without keys, binary = $binary");
	$keyless->safe_psql('postgres', 'DROP SUBSCRIPTION s; TRUNCATE person CASCADE');
	is(as($node, 'reader', 'DELETE FROM person WHERE id = 800; SELECT 1'), '1', 'undone');
}

# --- a background worker that is no parallel worker shows nobody plaintext, not a reader either

$keyless->append_conf('postgresql.conf', "gdpr.root_key_file = '$ENV{GDPR_ROOT_KEY_FILE}'\n");
$keyless->restart;
$keyless->safe_psql('postgres', q(
	SELECT gdpr.grant_context('pii', CURRENT_USER);
	CREATE TABLE shown (id int, form text);
	CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO public.shown VALUES (NEW.id, format('%s', NEW.e)); RETURN NEW; END$$;
	CREATE TRIGGER show AFTER INSERT ON person FOR EACH ROW EXECUTE FUNCTION show();
	ALTER TABLE person ENABLE ALWAYS TRIGGER show;
));
$keyless->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $node->connstr
	  . " dbname=postgres' PUBLICATION p WITH (copy_data = false)");
is(as($node, 'reader', "INSERT INTO person VALUES (900, '${canary}900'); SELECT 1"), '1', 'a change for the worker');
$node->wait_for_catchup('s');
is($keyless->safe_psql('postgres', "SELECT e FROM person WHERE id = 900"), "${canary}900", 'a session of the same role reads');
like($keyless->safe_psql('postgres', 'SELECT form FROM shown WHERE id = 900'), qr/^gdpr:A/, 'the worker saw ciphertext');
$keyless->safe_psql('postgres', 'DROP SUBSCRIPTION s');
is(as($node, 'reader', 'DELETE FROM person WHERE id = 900; SELECT 1'), '1', 'undone');

# --- a standby

$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(as($standby, 'reader', "SELECT count(*) FROM person WHERE e::text LIKE '$canary%'"), '502', 'a standby reads');
is(as($standby, 'reader', "SELECT id FROM person WHERE e = '${canary}7'::enctext('pii')"), '7',
	'and finds by a cast, which keeps no count of nonces there');
is(as($standby, 'finder', "SELECT id FROM person WHERE e = '${canary}7'"), '7', 'and by a literal');
is(as($standby, 'bystander', "SELECT id FROM person WHERE e = '${canary}7'"), '42501', 'for who may search');
is($standby->safe_psql('postgres', "SELECT '$canary'::enctext"), $canary, 'values in flight are made there too');
$standby->stop;

# --- a database of another encoding

$node->safe_psql('postgres', "CREATE DATABASE latin ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$node->safe_psql('latin', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', '{reader}');
	SELECT gdpr.grant_context('pii', 'reader', 'write');
	SELECT gdpr.grant_context('pii', CURRENT_USER, 'search');
	CREATE TABLE person (id int, e enctext('pii'));
	GRANT ALL ON person TO PUBLIC;
	SET client_encoding = 'UTF8';
	SET ROLE reader;
	INSERT INTO person VALUES (1, 'kanarialintu-äö'), (2, 'kanarialintu-a');
));
is($node->safe_psql('latin', "SET ROLE reader; SET client_encoding = 'UTF8'; SELECT e, length(e::text) FROM person ORDER BY id"),
	"kanarialintu-äö|15\nkanarialintu-a|14", 'LATIN1 keeps its characters');
my $latin = "$folder/latin.sql";
command_ok([ 'pg_dump', '-f', $latin, $node->connstr('latin') ], 'dump of LATIN1');
$node->safe_psql('postgres', "CREATE DATABASE utf ENCODING UTF8 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $latin, 'utf' ], 'restored into UTF8');
is($node->safe_psql('utf', "SET ROLE reader; SELECT e, length(e::text), e = 'kanarialintu-äö' FROM person WHERE id = 1"),
	'kanarialintu-äö|15|t', 'which reads and finds the same characters');
# and what the other encoding lacks is printed as it is stored, and refused by casts
$node->safe_psql('utf', "SET ROLE reader; UPDATE person SET e = 'kanarialintu-日本' WHERE id = 1");
command_ok([ 'pg_dump', '-a', '-t', 'person', '-f', $latin, $node->connstr('utf') ], 'dump of UTF8');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', 'TRUNCATE person', '-f', $latin, 'latin' ],
	'restored into LATIN1');
like($node->safe_psql('latin', 'SET ROLE reader; SELECT e FROM person WHERE id = 1'), qr/^gdpr:AR/,
	'output prints the stored form');
my ($rc, $out, $err) = $node->psql('latin', 'SET ROLE reader; SELECT e::text FROM person WHERE id = 1');
like($err, qr/cannot be shown in the encoding/, 'a cast says why it cannot');

# --- the types in a schema of their own

$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', q(
	CREATE SCHEMA crypt;
	CREATE EXTENSION gdpr_ext SCHEMA crypt;
	GRANT USAGE ON SCHEMA crypt TO PUBLIC;
	SELECT gdpr.create_context('pii', '{reader}');
	SELECT gdpr.grant_context('pii', 'reader', 'write');
	CREATE TABLE person (id int, e crypt.enctext('pii') UNIQUE, s crypt.encsecret('pii'));
	GRANT ALL ON person TO PUBLIC;
	SET ROLE reader;
	INSERT INTO person VALUES (1, 'kanarialintu-x', 'kanarialintu-x'), (2, 'kanarialintu-y', NULL);
));
is($node->safe_psql('elsewhere', q(SET ROLE reader; SET enable_seqscan = off;
	SELECT id, e, e::text, s::text FROM person WHERE e OPERATOR(crypt.=) 'kanarialintu-x')),
	'1|kanarialintu-x|kanarialintu-x|kanarialintu-x', 'types in a schema of their own, named');
is($node->safe_psql('elsewhere', q(SET ROLE reader; SET search_path = public, crypt; SET enable_seqscan = off;
	SELECT id, e || 'z' FROM person WHERE e IN ('kanarialintu-x', 'none'))), '1|kanarialintu-xz', 'and found by search_path');

$node->stop;
$keyless->stop;
for my $server ($node, $keyless)
{
	unlike(slurp_file($server->logfile), qr/kanarialintu-/, 'no value is in the log of ' . $server->name);
}

done_testing();
