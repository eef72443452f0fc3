# Whatever ends a step of the harness, no process and no folder of it stays:
# Ctrl-C (INT to the whole group), TERM to make alone, the end of the input.

use strict;
use warnings FATAL => 'all';

use File::Path qw(make_path);
use File::Temp;
use IO::Handle;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $count = 0;
my $top = File::Temp->newdir(TEMPLATE => 'sv.XXXXXX', TMPDIR => 1);

# A tree whose regress suite does not end by itself.
my $tree = "$top/tree";
make_path($tree);
system("tar -C '$ENV{GDPR_TREE}' --exclude='*.o' --exclude='*.so' --exclude=./results -cf - . | tar -C '$tree' -xf -") == 0
  or die 'cannot copy the tree';
make_path("$tree/test/sql", "$tree/expected");
append_to_file("$tree/test/sql/hang.sql", "SELECT pg_sleep(600);\n");
append_to_file("$tree/expected/hang.out", "\n");

sub processes
{
	my ($dir) = @_;
	return grep { (readlink("$_/cwd") // '') =~ /^\Q$dir\E\// } glob '/proc/[0-9]*';
}

sub wait_for
{
	my ($seconds, $what) = @_;
	my $end = time + $seconds;
	while (time < $end)
	{
		return 1 if $what->();
		sleep 0.1;
	}
	return 0;
}

# Starts the step, waits until its server answers, calls $end->(pid of make,
# input) and sees that everything is gone.
sub ends_clean
{
	my ($label, $step, $settings, $end) = @_;
	my $dir = "$top/" . ++$count;
	make_path($dir);
	pipe(my $reader, my $input) or die $!;
	my $pid = fork() // die $!;
	if ($pid == 0)
	{
		setpgrp(0, 0);
		open STDIN, '<&', $reader;
		open STDOUT, '>', "$dir.log";
		open STDERR, '>&', \*STDOUT;
		close $input;
		delete @ENV{qw(GDPR_ONLY GDPR_TESTS)};
		$ENV{GDPR_TMP} = $dir;
		$ENV{GDPR_NO_INSTALL} = 1;
		$ENV{GDPR_DEMO_SIZE} = 100;
		%ENV = (%ENV, %$settings);
		# Whoever runs the tests in the background may have INT ignored, and a shell cannot trap what it got so.
		$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP QUIT);
		exec 'make', '-C', $tree, $step or die $!;
	}
	close $reader;

	my $gone = 0;
	my $up = wait_for(120, sub {
		$gone ||= waitpid($pid, WNOHANG) != 0;
		return 1 if $gone;
		my ($file) = glob "$dir/*/main/data/postmaster.pid";
		# initdb's own server has such a file too, and takes it away.
		defined $file && open(my $handle, '<', $file) or return 0;
		return join('', <$handle>) =~ /ready/ && ($step ne 'psql' || slurp_file("$dir.log") =~ /up at/);
	});
	ok($up && !$gone, "$label: the server is up") or diag(slurp_file("$dir.log"));
	ok(scalar(processes($dir)) > 0, "$label: its processes are seen");

	$end->($pid, $input);
	my $ended = $gone || wait_for(30, sub { waitpid($pid, WNOHANG) != 0 });
	ok($ended, "$label: make ends");
	ok(wait_for(5, sub { !processes($dir) }), "$label: no process is left")
	  or diag(join ' ', map { slurp_file("$_/cmdline") } processes($dir));
	is_deeply([ glob "$dir/*" ], [], "$label: no folder is left");
	kill 'KILL', -$pid unless $ended;
	kill 'KILL', map { s|/proc/||r } processes($dir);
	return;
}

my %hang = (GDPR_ONLY => 'regress', GDPR_TESTS => 'hang');

ends_clean('INT to the group', 'check', \%hang, sub { kill 'INT', -$_[0] });
ends_clean('TERM to make', 'check', \%hang, sub { kill 'TERM', $_[0] });
ends_clean('TERM to make, psql', 'psql', {}, sub { kill 'TERM', $_[0] });
ends_clean('psql quits', 'psql', {}, sub { print { $_[1] } "\\q\n"; $_[1]->flush });

done_testing();
