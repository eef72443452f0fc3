# What is left of statements without their constants: builds test/unit/sqltext.c with
# the pure file that it tests and passes its result on.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{GDPR_TREE};
my $program = PostgreSQL::Test::Utils::tempdir() . '/sqltext';
my $include = `pg_config --includedir-server`;
chomp $include;

my @compile = (
	$ENV{CC} // 'cc', '-std=gnu11', '-D_GNU_SOURCE', '-O1', '-Wall', "-I$tree/src", "-I$include",
	'-DGDPR_EXT_VERSION="unit"', "$tree/test/unit/sqltext.c", "$tree/src/base/sqltext.c", '-o', $program);
is(system(@compile), 0, 'the program builds') or BAIL_OUT('cannot go on');

my @lines = split /\n/, `$program`;
my $status = $?;
for my $line (@lines)
{
	ok($1 eq '', $2) if $line =~ /^(not |)ok \d+ - (.*)/;
}
is($status, 0, 'and ends well');
like($lines[-1] // '', qr/^1\.\.\d+$/, 'after its last test');

done_testing();
