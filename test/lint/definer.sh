#!/bin/sh
# SECURITY DEFINER functions pin search_path to pg_catalog, pg_temp; procedures
# that commit (all of ours) are neither definers nor have SET clauses, because
# PostgreSQL forbids transaction control in both.
set -u
ls sql/parts/*.sql sql/gdpr_ext--*--*.sql 2>/dev/null | LC_ALL=C sort | xargs perl -e '
	my $failed = 0;
	for my $file (@ARGV) {
		local $/;
		open my $fh, "<", $file or die;
		my $text = <$fh>;
		$text =~ s/--[^\n]*//g;
		# Bodies are blanked: a semicolon within does not end the statement.
		$text =~ s/(\$\w*\$)(.*?)\1/my $b = $2; $b =~ s|[^\n]| |g; "\x27\x27$b"/gse;
		$text =~ s/(\x27)((?:[^\x27]|\x27\x27)*)\x27/my $b = $2; $b =~ tr|;| |; "\x27$b\x27"/gse;
		while ($text =~ /\b(?:CREATE\s+(?:OR\s+REPLACE\s+)?|ALTER\s+)(FUNCTION|PROCEDURE|ROUTINE)\s+([^\s(]+)(.*?);/gis) {
			my ($kind, $name, $rest) = (lc $1, $2, $3);
			my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
			my $definer = $rest =~ /\bSECURITY\s+DEFINER\b/i;
			if ($kind eq "procedure" && ($definer || $rest =~ /\bSET\s+\w+\s*(=|TO\b)/i)) {
				print "$file:$line: procedure $name: neither SECURITY DEFINER nor SET\n";
				$failed = 1;
			}
			elsif ($definer && $rest !~ /\bSET\s+search_path\s*(?:=|TO)\s*pg_catalog\s*,\s*pg_temp\b/i) {
				print "$file:$line: function $name: SECURITY DEFINER without SET search_path = pg_catalog, pg_temp\n";
				$failed = 1;
			}
		}
	}
	exit $failed' -- || exit 1
