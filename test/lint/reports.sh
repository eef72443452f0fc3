#!/bin/sh
# Reports: an SQLSTATE on every ereport of ERROR and above, a lower-case primary
# message without a period, and no function that prints a Datum inside any report.
# A report that is known to be sound carries the comment "lint: no value" within it.
set -u
find src -name '*.[ch]' | LC_ALL=C sort | xargs perl -e '
	my $failed = 0;
	my $prints = qr/\b(OutputFunctionCall|OidOutputFunctionCall|FunctionCall1Coll|TextDatumGetCString|text_to_cstring|SPI_getvalue|DatumGetCString|DatumGetTextP\w*|VARDATA\w*|JsonbToCString|BuildIndexValueDescription|deparse_expression\w*|pg_get_\w+_string|debug_query_string|nodeToString)\b/;
	for my $file (@ARGV) {
		local $/;
		open my $fh, "<", $file or die;
		my $text = <$fh>;
		# Blank out comments, but keep the lines and the exemption.
		$text =~ s{(/\*.*?\*/)}{my $c = $1; my $e = $c =~ /lint: no value/ ? "GDPR_EXEMPT" : ""; (my $n = $c) =~ s/[^\n]//g; "$e$n"}gse;
		while ($text =~ /\b(ereport|elog|ereport_domain|errsave|ereturn)\s*\(/g) {
			next if substr($text, 0, $-[0]) =~ /#[ \t]*define[ \t]+$/;
			my ($kind, $start, $i) = ($1, pos($text), pos($text));
			my ($depth, $in) = (1, "");
			while ($depth > 0 && $i < length $text) {
				my $c = substr $text, $i, 1;
				if ($in) {
					if ($c eq "\\") { $i++ } elsif ($c eq $in) { $in = "" }
				}
				elsif ($c eq "\"" || $c eq "\x27") { $in = $c }
				elsif ($c eq "(") { $depth++ }
				elsif ($c eq ")") { $depth-- }
				$i++;
			}
			my $call = substr $text, $start, $i - $start - 1;
			my $line = 1 + (substr($text, 0, $start) =~ tr/\n//);
			my $at = "$file:$line";
			(my $bare = $call) =~ s/"(?:[^"\\]|\\.)*"/""/g;
			next if $bare =~ /\b__VA_ARGS__\b/;
			if ($kind ne "elog" && $bare !~ /^\s*(DEBUG\d?|LOG|LOG_SERVER_ONLY|COMMERROR|INFO|NOTICE|WARNING)\b/
				&& $bare !~ /\b(errcode\w*|gdpr_errcode\w*)\s*\(/) {
				print "$at: no errcode() in a report that may be an error\n";
				$failed = 1;
			}
			if ($bare =~ $prints && $bare !~ /GDPR_EXEMPT/) {
				print "$at: $1 inside a report may print a person\x27s data\n";
				$failed = 1;
			}
			if ($call =~ /\berrmsg(?:_internal|_plural)?\s*\(\s*"((?:[^"\\]|\\.)*)"/) {
				my $msg = $1;
				if ($msg =~ /^[A-Z][a-z]+ / && $call !~ /GDPR_EXEMPT/) {
					print "$at: the primary message begins with a capital: $msg\n";
					$failed = 1;
				}
				if ($msg =~ /[^.]\.$/) {
					print "$at: the primary message ends with a period: $msg\n";
					$failed = 1;
				}
			}
		}
	}
	exit $failed' -- || exit 1
