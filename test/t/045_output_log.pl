# gdpr.redact_log: what the server's log holds of statements that touch encrypted
# columns, with every setting that logs statements, in all three formats.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-loki';
my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('output_log');
$node->init;
$node->append_conf(
	'postgresql.conf', q(
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_filename = 'server.log'
log_rotation_age = 0
log_statement = none
log_parameter_max_length_on_error = -1
deadlock_timeout = 200ms
max_prepared_transactions = 2
));
$node->start;
my %files = map { $_ => $node->data_dir . "/log/server.$_" } qw(log csv json);

sub psql
{
	my ($sql, %options) = @_;
	my ($out, $err) = ('', '');
	$node->psql($options{database} // 'postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-q', '-v', 'VERBOSITY=verbose' ]);
	return "$out\n$err";
}

my $marks = 0;

# What the code adds to the logs: file by file, when all of it has arrived.
sub logs_of
{
	my ($code) = @_;
	my %start = map { $_ => -s $files{$_} } keys %files;
	my $mark = 'mark' . ++$marks;
	$code->();
	$node->psql('postgres', "SET gdpr.redact_log = off; DO \$\$ BEGIN RAISE LOG '$mark'; END \$\$");
	my %text;
	for my $name (keys %files)
	{
		for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
		{
			$text{$name} = slurp_file($files{$name}, $start{$name});
			last if $text{$name} =~ /$mark/;
			select(undef, undef, undef, 0.1);
		}
		die "$mark did not arrive in $name" unless $text{$name} =~ /$mark/;
	}
	return %text;
}

$node->safe_psql('postgres', q(
	CREATE EXTENSION gdpr_ext;
	SELECT gdpr.create_context('pii', ARRAY[CURRENT_USER::name]);
	CREATE TABLE person (id int PRIMARY KEY, mail enctext('pii') UNIQUE, pin encsecret('pii'), plain text);
	CREATE TABLE thing (id int PRIMARY KEY, name text UNIQUE, n int CHECK (n < 100));
	CREATE VIEW person_view AS SELECT * FROM person;
	CREATE FUNCTION find(text) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM person WHERE mail = $1';
	CREATE FUNCTION find2(wanted text) RETURNS bigint LANGUAGE plpgsql AS
		$$DECLARE n bigint; BEGIN EXECUTE format('SELECT count(*) FROM person WHERE mail = %L', wanted) INTO n; RETURN n; END$$;
	CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO person VALUES (NEW.id, NEW.name); RETURN NEW; END$$;
	CREATE TABLE inbox (id int, name text);
	CREATE TRIGGER keep AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION keep();
	CREATE FUNCTION complain(text) RETURNS void LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION 'cannot take %', $1 USING DETAIL = $1, HINT = $1; END$$;
	CREATE FUNCTION mumble(text) RETURNS void LANGUAGE plpgsql AS
		$$BEGIN PERFORM find($1); RAISE WARNING 'cannot take %', $1; END$$;
));
$node->safe_psql('postgres', 'CREATE DATABASE other');

# Each holds the canary, and none may be seen with it.
my @good = (
	"INSERT INTO person VALUES (%d, 'CANARY%d')",
	"INSERT INTO person VALUES (%d, E'\\x58\\'CANARY%d', \$a\$CANARY\$a\$, \$\$CANARY\$\$) -- CANARY",
	"UPDATE person SET pin = 'CANARY' WHERE mail = 'CANARY' /* CANARY */",
	"SELECT count(*) FROM person WHERE mail IN ('CANARY', 'CANARYb') OR mail = ANY ('{CANARY}'::text[])",
	"SELECT count(*) FROM person_view WHERE plain = 'CANARY'",
	"SELECT count(*) FROM person WHERE plain = 'CANARY' AND id > 1",
	"SELECT find('CANARY')",
	"SELECT find2('CANARY')",
	"INSERT INTO inbox VALUES (%d, 'CANARY%d')",
	"SELECT 'CANARY'::enctext",
	"SELECT 1 \\; SELECT find('CANARY') \\; SELECT 2",
	"DO \$\$ BEGIN PERFORM find('CANARY'); END \$\$",
	"PREPARE p AS SELECT count(*) FROM person WHERE mail = 'CANARY'",
	"EXECUTE p",
	"DEALLOCATE p",
	"PREPARE q(text) AS SELECT count(*) FROM person WHERE mail = \$1",
	"EXECUTE q('CANARY')",
	"DEALLOCATE q",
	"BEGIN \\; DECLARE c CURSOR FOR SELECT id FROM person WHERE mail = 'CANARY' \\; FETCH c \\; COMMIT",
	"EXPLAIN (ANALYZE, VERBOSE, COSTS off, TIMING off, SUMMARY off) SELECT id FROM person WHERE mail = 'CANARY'",
	"COPY (SELECT 'CANARY', count(*) FROM person WHERE mail = 'CANARY') TO STDOUT",
	"CREATE TEMP TABLE gone%d AS SELECT id FROM person WHERE mail = 'CANARY'",
	"CREATE OR REPLACE VIEW made AS SELECT id FROM person WHERE mail = 'CANARY'::text",
	"ALTER TABLE person ALTER mail SET DEFAULT 'CANARY'",
	"ALTER TABLE person ALTER mail DROP DEFAULT",
	"COMMENT ON TABLE person IS 'CANARY'",
	"SET my.setting = 'CANARY'",
	"SELECT mumble('CANARY')",
	"BEGIN \\; PREPARE TRANSACTION 'CANARY'",
	"ROLLBACK PREPARED 'CANARY'",
);
my @bad = (
	"INSERT INTO person VALUES (1, 'CANARY')",
	"INSERT INTO person (id, mail) VALUES (NULL, 'CANARY')",
	"DO \$\$ BEGIN EXECUTE 'SELECT * FROM person WHERE mail = ''O''CANARY lives'; END \$\$",
	"SELECT * FROM person WHERE mail = 'CANARY' AND nothing = 1",
	"SELECT * FROM person WHERE mail = \"CANARY\"",
	"SELECT * FROM nothing WHERE mail = 'CANARY'",
	"SELEKT 'CANARY'",
	"SELECT 'CANARY'::int, find('CANARY')",
	"SELECT mail::text::int FROM person WHERE mail = 'CANARY'",
	"SELECT complain('CANARY')",
	"SELECT find2('CANARY'::text || 1/0)",
	"DO \$\$ BEGIN EXECUTE 'SELECT find(''CANARY'') WHERE ''CANARY''::date > now()'; END \$\$",
	"DO \$\$ DECLARE d date := 'CANARY'; BEGIN END \$\$",
	"DO \$\$ BEGIN EXECUTE 'SELECT ' || quote_ident('CANARY') || ' FROM person'; END \$\$",
	"SELECT to_date('CANARY', 'YYYY-MM-DD') FROM person",
	"SELECT '{\"CANARY\": '::json FROM person",
	"COPY person (id, mail) FROM PROGRAM 'echo CANARY'",
);


# psql would wait for the end of the string.
my @open = (
	"SELECT * FROM person WHERE mail = 'CANARY",
	"INSERT INTO person VALUES (9, 'O'CANARY', 'CANARY of CANARY)",
	"SELECT \$\$CANARY",
	"SELECT \"CANARY CANARY",
	"SELECT /* CANARY",
);

# A statement with the canary in it and numbers that do not clash.
my $number = 10;

sub statements
{
	return map { $number++; s/%d/$number/gr =~ s/CANARY/$canary/gr } @_;
}

sub run_all
{
	my $seen = psql(join('', map { "$_;\n" } statements(@good), statements(@bad)));
	for my $statement (statements(@open))
	{
		my ($out, $err) = run_command([ 'psql', '-XAtq', '-c', $statement, $node->connstr('postgres') ]);
		$seen .= $err;
	}
	# what psql cannot send in the extended protocol, pgbench can
	my $script = "$folder/script.sql";
	my $extended = sub {
		my ($sql, $mode, $times) = @_;
		append_to_file($script, "$sql\n");
		run_log([ 'pgbench', '-n', '-t', $times, '-M', $mode, '-D', "v=$canary", '-f', $script, $node->connstr('postgres') ]);
		unlink $script;
	};
	$extended->("SELECT count(*) FROM person WHERE mail = :v OR plain = :v;\nSELECT :v::enctext;\nSELECT mumble(:v);", 'prepared', 7);
	$extended->("SELECT complain(:v);", 'prepared', 1);
	$extended->("SELECT :v::int FROM person;", 'extended', 1);
	$extended->("INSERT INTO person VALUES (:v, :v);", 'extended', 1);
	return $seen;
}

sub clean
{
	my ($what, $hold, %text) = @_;
	for my $name (sort keys %text)
	{
		my @lines = grep { /\Q$canary\E/ } split /\n/, $text{$name};
		is(scalar(@lines), 0, "$what: nothing of a value in server.$name")
		  or diag(join("\n", @lines[ 0 .. ($#lines < 4 ? $#lines : 4) ]));
		like($text{$name}, $hold, "$what: the statement is in server.$name");
	}
}

my %settings = (
	'as the server comes' => [ '', qr/SELECT complain\(\?\)/ ],
	'log_statement' => [ "log_statement = 'all'", qr/statement: INSERT INTO person VALUES \(\?, \?\)/ ],
	'log_min_duration_statement' =>
	  [ 'log_min_duration_statement = 0', qr/ms  statement: INSERT INTO person VALUES \(\?, \?\)/ ],
	'samples' => [ "log_min_duration_sample = 0\nlog_statement_sample_rate = 1", qr/ms  execute \S+: SELECT count\(\*\) FROM person/ ],
	'transaction samples' => [ 'log_transaction_sample_rate = 1', qr/ms  bind \S+: SELECT count\(\*\) FROM person/ ],
	'trees' => [ "debug_print_parse = on\ndebug_print_rewritten = on\ndebug_print_plan = on", qr/parse tree:/ ],
	'statistics' => [ 'log_statement_stats = on', qr/QUERY STATISTICS/ ],
	'debug' => [ "log_min_messages = debug5\nlog_error_verbosity = verbose", qr/parse \S+: SELECT count\(\*\) FROM person/ ],
	'notices' => [ "log_min_messages = info\nlog_min_error_statement = info\nlog_statement = 'mod'", qr/STATEMENT|statement/ ],
);
my $conf = slurp_file($node->data_dir . '/postgresql.conf');

sub configure
{
	my ($lines) = @_;
	my $file = $node->data_dir . '/postgresql.conf';
	unlink $file;
	append_to_file($file, "$conf\n$lines\n");
	$node->reload;
}

for my $what (sort keys %settings)
{
	my ($lines, $hold) = @{ $settings{$what} };
	my $seen;
	configure($lines);
	clean($what, $hold, logs_of(sub { $seen = run_all() }));
	like($seen, qr/invalid input syntax for type integer: "\Q$canary\E"/, "$what: the client sees his own error");
	like($seen, qr/ERROR:  P0001: cannot take \Q$canary\E\n.*DETAIL:  \Q$canary\E/, "$what: with all that belongs to it");
}

# The test can fail.
configure("gdpr.redact_log = off\nlog_min_duration_statement = 0");
my %text = logs_of(sub { run_all() });
for my $name (sort keys %text)
{
	cmp_ok(scalar(() = $text{$name} =~ /\Q$canary\E/g), '>', 50, "switched off, server.$name holds values");
}

# --- what is kept

configure('log_min_duration_statement = 0');
%text = logs_of(sub {
	psql(q(
		INSERT INTO thing VALUES (1, 'a thing', 5);
		SELECT name FROM thing WHERE name = 'a thing';
		SELECT 1 \; SELECT name FROM thing WHERE id = 1;
		SELECT 'mixed', find('x');
		INSERT INTO thing VALUES (1, 'a thing', 5);
		SELECT nothing
		  FROM thing WHERE name = 'a thing';
		SELECT name FROM thing WHERE name = 'ä' AND nothing;
	));
});
for my $name (qw(log json csv))
{
	like($text{$name}, qr/statement: INSERT INTO thing VALUES \(1, 'a thing', 5\)/, "server.$name: what touches nothing is logged whole");
	like($text{$name}, qr/SELECT name FROM thing WHERE name = 'a thing'/, "server.$name: in whatever it is");
	like($text{$name}, qr/statement: SELECT \?, find\(\?\)/, "server.$name: a function that does is seen");
	unlike($text{$name}, qr/mixed/, "server.$name: and its statement taken down");
}
like($text{log}, qr/ERROR:  duplicate key value violates unique constraint "thing_pkey"\n.*STATEMENT:  INSERT INTO thing VALUES \(\?, \?, \?\)/,
	'a statement that failed may have been about to');
unlike($text{log}, qr/Key \(id\)/, 'as does the detail of its error');
like($text{log}, qr/ERROR:  column "%s" does not exist at character 8\n.*STATEMENT:  SELECT nothing\n/, 'an error says its format and its place');
like($text{log}, qr/at character 43\n.*STATEMENT:  SELECT name FROM thing WHERE name = \? AND nothing;/, 'which is a place of the statement as it is logged');
like($text{csv}, qr/SELECT name FROM thing WHERE name = \? AND nothing;",43,/, 'also in csv');
like($text{json}, qr/"state_code":"42703","message":"column \\"%s\\" does not exist"/, 'levels, SQLSTATEs and messages are in their fields');
like($text{json}, qr/"error_severity":"ERROR"/, 'and the severity is the error\'s');

# --- where an error happened

%text = logs_of(sub {
	psql("DO \$\$ BEGIN PERFORM complain('$canary'); END \$\$");
	psql("COPY person (id, mail) FROM STDIN;\n90\tX\nXX\tX\n\\.\n" =~ s/X/$canary/gr);
});
like($text{log}, qr/ERROR:  message of SQLSTATE P0001, left out of the log\n.*CONTEXT:  PL\/pgSQL function complain\(text\) line 1 at RAISE\n\s+SQL statement \?\n\s+PL\/pgSQL function inline_code_block line 1 at PERFORM\n/,
	'functions and lines stay in the context');
like($text{log}, qr/ERROR: .*\n.*CONTEXT:  COPY person, line 2\n.*/, 'and the line of COPY');
unlike($text{log}, qr/\Q$canary\E/, 'without values');

# --- the level of the message: a fatal one is not lost where only those are logged

configure("log_min_messages = fatal\nlog_min_error_statement = fatal");
%text = logs_of(sub {
	psql("DO \$\$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), 'X'; END \$\$" =~ s/X/$canary/r);
	$node->psql('postgres', 'ALTER SYSTEM SET log_min_messages = warning');
	$node->reload;
});
like($text{log}, qr/FATAL:  terminating connection due to administrator command\n.*(CONTEXT.*\n.*\n?.*)*STATEMENT:  DO \?/, 'FATAL is logged as such');
unlike($text{log}, qr/\Q$canary\E/, 'without values');
$node->psql('postgres', 'ALTER SYSTEM RESET ALL');

# --- deadlocks show the queries of both

configure('log_lock_waits = on');
$node->safe_psql('postgres', "INSERT INTO thing VALUES (50, 'b', 1), (51, 'c', 1)");
%text = logs_of(sub {
	my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
	my $do = sub { my ($i, $sql) = @_; $sessions[$i]->query($sql) };
	$do->(0, "BEGIN; UPDATE thing SET n = 2 WHERE id = 50");
	$do->(1, "BEGIN; UPDATE thing SET n = 2 WHERE id = 51");
	$sessions[0]->query_until(qr/sent/, "\\echo sent\nUPDATE thing SET name = '$canary' WHERE id = 51;\n");
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted");
	$sessions[1]->query_until(qr/sent/, "\\echo sent\nUPDATE thing SET name = '$canary' WHERE id = 50;\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_locks WHERE NOT granted");
	$_->quit for @sessions;
}) if PostgreSQL::Test::Cluster->can('background_psql');
like($text{log}, qr/ERROR:  deadlock detected\n.*DETAIL:  Process \d+ waits for ShareLock/, 'a deadlock is described');
# which of the two lines depends on who comes first
like($text{log}, qr/(still waiting|detected deadlock while waiting) for ShareLock/, 'a wait is logged');
unlike($text{log}, qr/\Q$canary\E/, 'without the queries of either');

# --- all of it, in a database without the extension

configure("log_min_duration_statement = 0");
%text = logs_of(sub {
	psql("SELECT 1 AS look; SELEKT 'elsewhere'; SELECT 'elsewhere' AS x, 1/0; SELECT 'elsewhere'", database => 'other');
	psql("SELEKT 'first of a session'", database => 'other');
});
is(scalar(() = $text{log} =~ /elsewhere/g), 3, 'a database without the extension is logged as ever');
like($text{log}, qr/SELEKT 'first of a session'/, 'also the first statement of a session');
configure("log_min_duration_statement = 0\ngdpr.redact_log = all");
%text = logs_of(sub {
	psql("SELECT 'X', 1/0; SELECT 'X'::int; SELEKT 'X'; SELECT 'X'" =~ s/X/$canary/gr, database => 'other');
});
clean('all, elsewhere', qr/statement: SELECT \?/, %text);

# A database nobody has looked at since the start may have it.
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE other');
configure('');
%text = logs_of(sub { psql("SELEKT 'unknown'", database => 'copy') });
unlike($text{log}, qr/unknown/, 'a database that was never looked at counts as one with encrypted columns');
$node->safe_psql('copy', 'SELECT 1');
%text = logs_of(sub { psql("SELEKT 'known'", database => 'copy') });
like($text{log}, qr/known/, 'until a statement ran in it');
$node->safe_psql('copy', 'CREATE EXTENSION gdpr_ext');
%text = logs_of(sub { psql("SELEKT 'created'", database => 'copy') });
unlike($text{log}, qr/created/, 'and the extension, once created, is seen by the next session');

# --- who may switch it off

$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN');
like(psql('SET ROLE plain; SET gdpr.redact_log = off'), qr/42501/, 'not everybody may switch it off');

$node->stop;
done_testing();
