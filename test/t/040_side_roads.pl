# Side roads of plaintext that need a server of their own: the log (as it is without
# gdpr.redact_log, which has its own test), auto_explain
# loaded before and after the library, errors raised at commit, and pg_dump.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-tie';
my $folder = PostgreSQL::Test::Utils::tempdir();
my $node = PostgreSQL::Test::Cluster->new('side_roads');
$node->init;
$node->append_conf(
	'postgresql.conf', q(
log_min_messages = debug1
log_error_verbosity = verbose
log_min_error_statement = panic
log_statement = none
log_parameter_max_length = 0
gdpr.redact_log = off
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
auto_explain.log_analyze = on
auto_explain.log_triggers = on
auto_explain.log_nested_statements = on
));
$node->start;

# The plaintext lies in a table of its own: no statement's text holds it.
$node->safe_psql('postgres', qq(
	CREATE EXTENSION gdpr_ext;
	CREATE ROLE reader LOGIN;
	CREATE ROLE owner LOGIN;
	CREATE ROLE bystander LOGIN;
	GRANT CREATE ON SCHEMA public TO owner;
	SELECT gdpr.create_context('pii', '{reader}');
	SELECT gdpr.create_context('joined', '{reader}', '{"tag_domain": "pii"}');
	SELECT gdpr.grant_context('pii', 'reader', 'write');
	SELECT gdpr.grant_context('pii', 'owner', 'write');
	SELECT gdpr.grant_context('joined', 'owner', 'write');
	CREATE TABLE secret (value text);
	INSERT INTO secret VALUES ('$canary');
	GRANT SELECT ON secret TO PUBLIC;
	SET ROLE owner;
	CREATE TABLE person (id int PRIMARY KEY, e enctext('pii') UNIQUE DEFERRABLE INITIALLY DEFERRED,
		s encsecret('pii') DEFAULT 'x'::text, CHECK (id > 0));
	CREATE UNIQUE INDEX person_e ON person (e);
	CREATE TABLE friend (e enctext('joined') REFERENCES person (e) DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE late (e enctext('pii'), UNIQUE (e) DEFERRABLE INITIALLY DEFERRED);
	CREATE VIEW person_view AS SELECT id, e FROM person WHERE e = 'nobody'::text;
	INSERT INTO person SELECT i, value || i, value || i FROM secret, generate_series(1, 20) i;
	INSERT INTO friend SELECT value || 7 FROM secret;
	GRANT ALL ON person, friend, late TO reader, bystander;
	RESET ROLE;
	CREATE FUNCTION look() RETURNS bigint LANGUAGE plpgsql AS \$\$
	DECLARE wanted text; n bigint; wanteds text[];
	BEGIN
		SELECT value || 7 INTO wanted FROM secret;
		wanteds := ARRAY[wanted, wanted || 'x'];
		SELECT count(*) INTO n FROM person WHERE e = wanted OR e = ANY (wanteds) OR e IS NOT DISTINCT FROM wanted;
		INSERT INTO person VALUES (100 + n, (wanted || 'new')::enctext, wanted::varchar);
		UPDATE person SET s = wanted, e = wanted || 'newer' WHERE id = 100 + n;
		DELETE FROM person WHERE e = wanted || 'newer';
		RETURN n;
	END \$\$;
));

sub log_of
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$code->();
	return slurp_file($node->logfile, $offset);
}

# --- auto_explain in both orders

for my $order ('gdpr_ext, auto_explain', 'auto_explain, gdpr_ext')
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$order'\n");
	$node->restart;
	my $log = log_of(sub {
		is($node->safe_psql('postgres', q(SET ROLE reader; SELECT look())), '1', "$order: the statements run");
		is($node->safe_psql('postgres', q(
			SET ROLE reader;
			BEGIN;
			DECLARE c CURSOR FOR SELECT e FROM person WHERE id = 7;
			FETCH c;
			COMMIT;
			SELECT e FROM person WHERE id = 7)),
			"${canary}7\n${canary}7", "$order: results are plaintext, also after a plan was printed");
	});
	like($log, qr/enctext_probe\('gdpr:/, "$order: plans with our constants are logged");
	unlike($log, qr/\Q$canary\E/, "$order: no plaintext in the log");
}

# --- errors that nobody sees coming

my ($out, $err) = ('', '');
my %violations = (
	'a deferred unique constraint, at commit' => q(BEGIN; INSERT INTO late SELECT value FROM secret; INSERT INTO late SELECT value FROM secret; COMMIT;),
	'a deferred foreign key, at commit' => q(BEGIN; INSERT INTO friend SELECT value || 'nobody' FROM secret; COMMIT;),
	'a unique index' => q(INSERT INTO person SELECT 50, value || 7 FROM secret;),
	'a check' => q(INSERT INTO person SELECT -1, value FROM secret;),
	'not null' => q(INSERT INTO person SELECT NULL, value FROM secret;),
);
for my $what (sort keys %violations)
{
	my $log = log_of(sub {
		my $rc = $node->psql('postgres', "SELECT gdpr.grant_context('joined', 'reader', 'write'); SET ROLE reader; $violations{$what}",
			stdout => \$out, stderr => \$err);
		is($rc, 3, "$what fails");
	});
	like($log, qr/ERROR:  23/, "$what is in the log");
	unlike("$err$log", qr/\Q$canary\E|DETAIL/, "and nothing of the row, for the client or in the log");
}
my $log = log_of(sub {
	$node->psql('postgres', "SET ROLE reader;\nCOPY person (id, e) FROM STDIN;\n60\t$canary\nsixty\t$canary\n\\.\n",
		stdout => \$out, stderr => \$err);
});
like($log, qr/ERROR: .*\n.*CONTEXT:  COPY person, line 2\n/, 'COPY FROM names the line');
unlike("$err$log", qr/\Q$canary\E/, 'and nothing of it');

# --- pg_dump, whoever runs it

$node->safe_psql('postgres', 'ALTER ROLE reader SET gdpr.output = plaintext');
for my $role (qw(reader owner bystander))
{
	my $dump = "$folder/$role.sql";
	command_ok([ 'pg_dump', '-U', $role, '-a', '-t', 'person', '-f', $dump, $node->connstr('postgres') ], "$role dumps");
	my $text = slurp_file($dump);
	unlike($text, qr/\Q$canary\E/, "$role: ciphertext");
	my @forms = $text =~ /^7\tgdpr:(\S+)\t/m;
	is(scalar(@forms), 1, "$role: the stored form");
	my $tagged = (unpack('C*', substr(MIME(@forms), 1, 1)) & 0x10) != 0;
	is($tagged, $role ne 'bystander', "$role: " . ($role eq 'bystander' ? 'without' : 'with') . ' tags');
}

sub MIME
{
	my ($text) = @_;
	require MIME::Base64;
	return MIME::Base64::decode_base64($text);
}

# dump, restore, dump: nothing changes, and no guard stands in the way
my ($first, $second) = ("$folder/first.sql", "$folder/second.sql");
command_ok([ 'pg_dump', '-f', $first, $node->connstr('postgres') ], 'a superuser dumps');
unlike(slurp_file($first) =~ s/^COPY public\.secret.*?^\\\.$//smr, qr/\Q$canary\E/, 'ciphertext, too');
$node->safe_psql('postgres', 'CREATE DATABASE again');
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-q', '-f', $first, $node->connstr('again') ], 'it is restored');
command_ok([ 'pg_dump', '-f', $second, $node->connstr('again') ], 'and dumped again');
my @texts = map { slurp_file($_) =~ s/^\\(un)?restrict .*$//gmr } $first, $second;
ok($texts[0] eq $texts[1], 'the dumps are equal');
is($node->safe_psql('again', "SET ROLE reader; SELECT id FROM person WHERE e = '${canary}7'"), '7', 'values are found');

$node->stop;
done_testing();
