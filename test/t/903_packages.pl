# What is missing is named: told to install nothing, and on a system without
# apt, the set-up stops with status 1; otherwise it says what it installs.

use strict;
use warnings FATAL => 'all';

use File::Temp;
use PostgreSQL::Test::Utils;
use Test::More;

my $script = "$ENV{GDPR_TREE}/test/packages.sh";
my $folder = File::Temp->newdir();

sub program
{
	my ($name, $text) = @_;
	my $path = "$folder/$name";
	open my $file, '>', $path or die "$path: $!";
	print $file "#!/bin/sh\n$text\n";
	close $file;
	chmod 0755, $path or die $!;
	return;
}

# asks SETTING...: status, answer and messages where only our programs are found
sub asks
{
	my @settings = @_;
	my $out = `env -i PATH='$folder' GDPR_PG=$ENV{GDPR_PG} @settings /bin/bash '$script' check 2>'$folder/messages' </dev/null`;
	return ($? >> 8, $out, slurp_file("$folder/messages"));
}

for my $name (qw(cat echo env grep id mkdir rm rmdir sed sh tail xargs))
{
	my ($path) = grep { -x } map { "$_/$name" } qw(/bin /usr/bin);
	symlink $path, "$folder/$name" or die "$name: $!";
}

my ($rc, $out, $messages) = asks();
is($rc, 1, 'no apt, no compiler: status');
like($messages, qr/no apt; missing: make gcc perl prove$/m, 'no apt, no compiler: what is missing');
program($_, 'exit 0') for qw(make gcc perl prove);
($rc, $out, $messages) = asks();
is("$rc $out", "0 $ENV{GDPR_PG}\n", 'no apt, but all that is needed: the major');
is($messages, '', 'and nothing to say');

# A system of packages, of which one is installed; what is asked of apt is written down.
program('dpkg-query', 'for last; do :; done; [ "$last" = make ] && printf installed');
program('apt-cache', 'echo "  Candidate: 1"');
program('apt-get', "echo apt-get \"\$@\" >>'$folder/asked'");
($rc, $out, $messages) = asks('GDPR_NO_INSTALL=1');
is($rc, 1, 'told to install nothing: status');
like($messages, qr/missing:.* gcc .*postgresql-$ENV{GDPR_PG} /, 'told to install nothing: what is missing');
unlike($messages, qr/missing:.* make /, 'and not what is there');
ok(!-e "$folder/asked", 'apt is not asked');

SKIP:
{
	skip 'root needs no sudo', 4 if $> == 0;
	($rc, $out, $messages) = asks();
	is($rc, 1, 'neither root nor sudo: status');
	like($messages, qr/there is no sudo/, 'neither root nor sudo: says so');

	program('sudo', "echo sudo \"\$@\" >>'$folder/asked'");
	($rc, $out, $messages) = asks();
	like(slurp_file("$folder/asked"), qr/^sudo .*apt-get .*install .* gcc .*postgresql-$ENV{GDPR_PG} /m, 'sudo is asked to install it');
	like($messages, qr/^packages: installing gcc .*^packages: installed gcc /ms, 'and what is installed is said');
}

done_testing();
