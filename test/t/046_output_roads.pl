# Roads that docs/output.md names and no other test takes: modules that read
# statements, views of activity, definitions, dumps as INSERTs, foreign servers.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-polku';
my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('output_roads');
my $audit = -e `pg_config --pkglibdir` =~ s/\n//r . '/pgaudit.so';
$node->init;
$node->append_conf(
	'postgresql.conf', qq(
log_statement = none
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_buffers = on
auto_explain.log_nested_statements = on
log_parameter_max_length = -1
max_prepared_transactions = 2
));
$node->append_conf('postgresql.conf', "pgaudit.log = 'all'\npgaudit.log_parameter = on\npgaudit.log_relation = on\n") if $audit;
$node->append_conf('postgresql.conf', q(shared_preload_libraries = 'pg_stat_statements, auto_explain)
	  . ($audit ? ', pgaudit' : '') . ", gdpr_ext'\n");
$node->start;
my $major = $node->safe_psql('postgres', 'SHOW server_version_num') / 10000;

sub as
{
	my ($role, $sql) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SET ROLE $role;\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-q', '-v', 'VERBOSITY=sqlstate' ]);
	return "$out$err";
}

sub log_of
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$code->();
	return slurp_file($node->logfile, $offset);
}

$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	CREATE EXTENSION pg_stat_statements;
	CREATE EXTENSION dblink;
	CREATE EXTENSION postgres_fdw;
	CREATE ROLE reader LOGIN;
	CREATE ROLE bystander LOGIN;
	SELECT gdpr.create_context('pii', '{reader}');
	SELECT gdpr.grant_context('pii', 'reader', 'write');
	GRANT CREATE ON SCHEMA public TO reader;
	CREATE TABLE person (id int PRIMARY KEY, mail enctext('pii'), plain text);
	CREATE TABLE thing (id int PRIMARY KEY, name text);
	GRANT ALL ON person, thing TO reader, bystander;
	CREATE FUNCTION nested(text) RETURNS bigint LANGUAGE plpgsql AS
		$$DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM person WHERE plain = %L AND id > 12345', $1) INTO n; RETURN n; END$$;
	INSERT INTO thing VALUES (1, 'a thing');
));
like(as('reader', "INSERT INTO person VALUES (1, '$canary', 'x'); SELECT mail FROM person;"), qr/\Q$canary\E/, 'a value, shown to a reader');

# --- auto_explain, whose plans are those of the tables' planner

my $script = "$folder/script.sql";
append_to_file($script, "SELECT count(*) FROM person WHERE mail = :v AND plain = :v;\n");
my $log = log_of(sub {
	as('reader', qq(
		SELECT id FROM person WHERE mail = '$canary' AND plain = '$canary' AND id < 12345;
		SELECT nested('$canary');
		SELECT name FROM thing WHERE id = 1 AND name = 'a thing';));
	command_ok([ 'pgbench', '-n', '-t', '7', '-M', 'prepared', '-U', 'reader', '-D', "v=$canary", '-f', $script, $node->connstr('postgres') ],
		'parameters go by');
});
unlike($log, qr/\Q$canary\E|12345/, 'auto_explain shows no constant and no parameter');
like($log, qr/plan:\n\s*Query Text: SELECT id FROM person WHERE mail = \? AND plain = \? AND id < \?;?\n/, 'but the statement');
like($log, qr/ \(cost=\d+\.\d+\.\.\d+\.\d+ rows=\d+ width=\d+\) \(actual time=\d/, 'and costs and times');
like($log, qr/Query Text: SELECT count\(\*\) FROM person WHERE plain = \? AND id > \?\n/, 'also of what a function runs');
like($log, qr/Query Parameters: \$1 = \?, \$2 = \?\n/, 'parameters have numbers') if $major >= 16;
like($log, qr/Query Text: SELECT name FROM thing WHERE id = 1 AND name = 'a thing';?\n(.*\n)+?.*Filter: \(thing.name = 'a thing'::text\)/,
	'what touches nothing encrypted is shown whole');
for my $format (qw(json xml yaml))
{
	$log = log_of(sub { $node->psql('postgres', "SET auto_explain.log_format = $format;
		SELECT count(*) FROM person WHERE plain = '$canary' AND id = 12345;") });
	like($log, qr/  plan:\n\s+\?\n/, "$format is not taken apart");
	unlike($log, qr/\Q$canary\E|12345/, 'and shows nothing');
}

# --- pgaudit

SKIP:
{
	skip 'pgaudit is not installed', 4 unless $audit;
	$log = log_of(sub { as('reader', "SELECT id, mail FROM person WHERE mail = '$canary';
		SELECT id FROM person WHERE plain = '$canary, \"$canary\"';
		DO \$\$ BEGIN PERFORM nested('$canary'); END \$\$;");
		append_to_file("$script.one", "SELECT id FROM person WHERE plain = :v\n");
		for my $file ($script, "$script.one")
		{
			run_log([ 'pgbench', '-n', '-t', '1', '-M', 'prepared', '-U', 'reader', '-D', "v=$canary", '-f', $file, $node->connstr('postgres') ]);
		}
	});
	like($log, qr/AUDIT: SESSION,\d+,\d+,READ,SELECT,TABLE,public\.person,/, 'pgaudit says who read what');
	like($log, qr/AUDIT: SESSION,\d+,\d+,READ,SELECT,TABLE,public\.person,"SELECT id, mail FROM person WHERE mail = \?;?",<none>/, 'and the statement');
	like($log, qr/TABLE,public\.person,"?SELECT id FROM person WHERE plain = \$1\s*"?,\?/, 'with parameters that are not said');
	unlike($log, qr/\Q$canary\E/, 'without constants and parameters');
}

# --- pg_stat_statements

as('reader', "SELECT count(*) FROM person WHERE mail = '$canary'; DO \$\$ BEGIN PERFORM '$canary'; END \$\$");
my $held = $node->safe_psql('postgres', "SELECT query FROM pg_stat_statements WHERE query LIKE '%$canary%'");
unlike($held, qr/SELECT count/, 'pg_stat_statements holds no constant of a query');
like($held, qr/^DO /m, 'but those of utility statements');
unlike(as('bystander', 'SELECT query FROM pg_stat_statements'), qr/\Q$canary\E/, 'which others do not see');
$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset()');
$node->safe_psql('postgres', 'ALTER SYSTEM SET pg_stat_statements.track_utility = off');
$node->reload;
as('reader', "DO \$\$ BEGIN PERFORM '$canary'; END \$\$");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'DO%'"), '0',
	'track_utility = off keeps them out');

# --- activity

SKIP:
{
	skip 'no background sessions', 3 unless PostgreSQL::Test::Cluster->can('background_psql');
	my $session = $node->background_psql('postgres', extra_params => [ '-U', 'reader' ]);
	$session->query("SELECT count(*) FROM person WHERE mail = '$canary'");
	my $look = "SELECT query FROM pg_stat_activity WHERE usename = 'reader'";
	like($node->safe_psql('postgres', $look), qr/\Q$canary\E/, 'pg_stat_activity shows a statement to a superuser');
	like(as('reader', $look), qr/\Q$canary\E/, 'and to the role itself');
	like(as('bystander', $look), qr/^<insufficient privilege>$/m, 'but not to others');
	$session->quit;
}
like(as('reader', "PREPARE p AS SELECT id FROM person WHERE mail = '$canary'; BEGIN; DECLARE c CURSOR FOR EXECUTE p;
	SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%$canary%'" =~ s/DECLARE c CURSOR FOR EXECUTE p/DECLARE c CURSOR FOR SELECT '$canary'/r),
	qr/^1$/m, 'prepared statements and cursors are shown to their own session');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM pg_cursors WHERE name = $$c$$)'), '0',
	'and to no other');

# --- definitions

like(as('reader', $_), qr/42601|42P17|0A000|PD\d\d\d|22023/, "refused: $_" =~ s/\Q$canary\E/x/r)
  for ("CREATE VIEW v AS SELECT id FROM person WHERE mail = '$canary'",
	"CREATE TABLE t (mail enctext('pii') DEFAULT '$canary')",
	"CREATE TABLE t (mail enctext('pii') CHECK (mail <> '$canary'))",
	"CREATE TABLE t (id int, mail enctext('pii')); CREATE INDEX ON t ((mail = '$canary'))");
as('reader', "CREATE VIEW shown AS SELECT id FROM person WHERE mail = '$canary'::text");
like(as('bystander', "SELECT pg_get_viewdef('shown'::regclass)"), qr/\Q$canary\E/, 'a text constant in a view is shown to everybody');
as('reader', "CREATE FUNCTION source() RETURNS text LANGUAGE sql AS 'SELECT ''$canary'''");
like(as('bystander', "SELECT prosrc FROM pg_proc WHERE proname = 'source'"), qr/\Q$canary\E/, 'so is the source of a function');
as('reader', 'DROP VIEW shown; DROP FUNCTION source()');

# --- dumps as INSERTs

for my $output (qw(plaintext ciphertext))
{
	$node->safe_psql('postgres', "ALTER ROLE reader SET gdpr.output = $output");
	command_ok([ 'pg_dump', '--inserts', '-a', '-t', 'person', '-U', 'reader', '-f', "$folder/$output", $node->connstr('postgres') ],
		"a reader dumps INSERTs with gdpr.output = $output");
	my $holds = slurp_file("$folder/$output") =~ /\Q$canary\E/ ? 'plaintext' : 'ciphertext';
	is($holds, $output, 'and they hold that');
}
$node->safe_psql('postgres', 'ALTER ROLE reader RESET gdpr.output');

# --- other servers: what the connection's role sees

my $connection = $node->connstr('postgres');
for my $role (qw(reader bystander))
{
	my $expected = $role eq 'reader' ? qr/\Q$canary\E/ : qr/gdpr:A/;
	my $text = $node->safe_psql('postgres', qq(
		SELECT * FROM dblink(\$\$$connection user=$role\$\$, 'SELECT mail FROM person') AS d(mail text)));
	like($text, $expected, "dblink as $role");
	$text = $node->safe_psql('postgres', qq(
		CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${\$node->host}', port '${\$node->port}', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (user '$role');
		CREATE FOREIGN TABLE far (id int, mail text) SERVER s OPTIONS (table_name 'person');
		SELECT mail FROM far;
		DROP SERVER s CASCADE) );
	like($text, $expected, "postgres_fdw as $role");
}
$log = log_of(sub {
	$node->psql('postgres', qq(SELECT * FROM dblink(\$\$$connection\$\$, 'SELECT ''$canary''::int') AS d(x int)));
});
like($log, qr/ERROR/, 'the error of a remote statement is logged');
unlike($log, qr/\Q$canary\E/, 'without the statement, here and there');

$node->stop;
done_testing();
