# No personal data reaches the server's log.  Every personal value of the regress
# tests contains a marker (CONTRIBUTING.md); the suite is run at debug1, and the
# marker must not be in the log.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $canary = 'kanarialintu-';
my $tree = $ENV{GDPR_TREE};
my @tests = map { basename($_, '.sql') } sort glob "$tree/test/sql/*.sql";
plan skip_all => 'there is no regress test' unless @tests;

my $node = PostgreSQL::Test::Cluster->new('canary');
$node->init;

# Everything that can be logged of a statement: gdpr.redact_log, as it is delivered,
# takes the values out.
$node->append_conf(
	'postgresql.conf', q(
log_min_messages = debug1
log_min_error_statement = debug1
log_statement = all
log_duration = on
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_autovacuum_min_duration = 0
log_lock_waits = on
));
$node->start;

# The test can fail: what the server is told to log is found.
$node->safe_psql('postgres', "DO \$\$ BEGIN RAISE LOG '${canary}planted'; END \$\$");
like(slurp_file($node->logfile), qr/\Q$canary\Eplanted/, 'a planted canary is seen in the log');

# Whether the output is as expected is the regress suite's business; on this
# server it need not be.
my $offset = -s $node->logfile;
my $out = PostgreSQL::Test::Utils::tempdir();
symlink("$tree/expected", "$out/expected") or die $!;
chdir $out or die $!;
my $rc = system(
	"'$ENV{PG_REGRESS}' --inputdir='$tree/test' --outputdir='$out' --bindir='$ENV{bindir}'"
	  . " --dbname=regression --load-extension=gdpr_ext --host='" . $node->host
	  . "' --port=" . $node->port . " @tests >'$out/pg_regress.log' 2>&1");
note(slurp_file("$out/pg_regress.log"));

my @ran = grep { -s "$out/results/$_.out" } @tests;
is(scalar(@ran), scalar(@tests), 'every regress test ran');
cmp_ok(scalar(grep { slurp_file("$out/results/$_.out") =~ /\Q$canary\E/ } @ran),
	'>', 0, 'the regress tests hold canaries');

$node->stop;
my $log = slurp_file($node->logfile, $offset);
like($log, qr/DEBUG:/, 'the log is at debug1');
my @leaks = grep { /\Q$canary\E/ } split /\n/, $log;
is(scalar(@leaks), 0, 'no canary is in the log')
  or diag(join("\n", map { s/\Q$canary\E\S*/<canary>/gr } @leaks[ 0 .. ($#leaks < 9 ? $#leaks : 9) ]));

# Nor do the plans by which a person is looked for: auto_explain shows those of
# nested statements.  Foreign key checks of the server's own do show keys.
$node->start;
$offset = -s $node->logfile;
my $quiet =
  $node->safe_psql('postgres', 'SHOW server_version_num') >= 160000
  ? 'SET auto_explain.log_parameter_max_length = 0;'
  : '';
$node->safe_psql('postgres', "CREATE EXTENSION IF NOT EXISTS gdpr_ext");
$node->safe_psql(
	'postgres', "
CREATE TABLE explained (id text PRIMARY KEY, name text);
CREATE TABLE explained_child (id text NOT NULL REFERENCES explained);
INSERT INTO explained VALUES ('kanaria' || 'lintu-key', 'kanaria' || 'lintu-name');
INSERT INTO explained_child SELECT id FROM explained;
SELECT gdpr.declare_subject('explained', 'explained');
SELECT gdpr.approve_map('explained');
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
$quiet
PREPARE run(text) AS SELECT gdpr_export(\$1), gdpr_forget(\$1, dry_run => true), (SELECT count(*) FROM gdpr.forget_plan(\$1));
SELECT 'kanaria' || 'lintu-key' AS key \\gset
EXECUTE run(:'key');
");
my $plans = slurp_file($node->logfile, $offset);
like($plans, qr/explained_child/, 'auto_explain shows the nested plans');
unlike($plans, qr/\Q$canary\E/, 'and no key in them');
$node->stop;

done_testing();
