#!/usr/bin/perl
# Prints fold_table.h: the simple case folding (C and S of CaseFolding.txt) of
# the Unicode version that this perl knows.  Equality tags are stored, so the
# table is never made anew: it was made once, from Unicode 14.0.
use strict;
use warnings;
use Unicode::UCD qw(prop_invmap);

my ($starts, $maps, undef, $default) = prop_invmap("Simple_Case_Folding");
my (@pairs, @runs);
for my $i (0 .. $#$starts) {
	next if $maps->[$i] eq $default;
	my $end = $i < $#$starts ? $starts->[$i + 1] - 1 : 0x10FFFF;
	push @pairs, map { [ $_, $maps->[$i] + $_ - $starts->[$i] - $_ ] } $starts->[$i] .. $end;
}
# Runs of the same distance, one or two code points apart.
while (@pairs) {
	my ($first, $delta) = @{ shift @pairs };
	my ($last, $step) = ($first, 0);
	while (@pairs && $pairs[0][1] == $delta) {
		my $gap = $pairs[0][0] - $last;
		last if $gap > 2 || $step && $gap != $step;
		($last, $step) = ($pairs[0][0], $gap);
		shift @pairs;
	}
	push @runs, [ $first, $last, $step || 1, $delta ];
}
my $version = Unicode::UCD::UnicodeVersion() =~ s{\.0$}{}r;
print <<HEAD;
/*
 * fold_table.h
 *	  Simple case folding of Unicode $version, by fold_table.perl.
 *
 * Part of the format of encitext: never changed, not for a newer Unicode either.
 */
#ifndef GDPR_FOLD_TABLE_H
#define GDPR_FOLD_TABLE_H

/* first, last, step, distance; in ascending order */
static const GdprFoldRun fold_runs[] = {
HEAD
printf "\t{0x%04X, 0x%04X, %d, %d},\n", @$_ for @runs;
print <<TAIL;
};

#endif /* GDPR_FOLD_TABLE_H */
TAIL
