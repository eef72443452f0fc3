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

# The text of a failing statement and its parameters are PostgreSQL's own to log.
$node->append_conf(
	'postgresql.conf', q(
log_min_messages = debug1
log_min_error_statement = panic
log_statement = none
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_autovacuum_min_duration = 0
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

done_testing();
