#!/bin/sh
# Functions that overrun, leak or bypass PostgreSQL's memory contexts.
set -u
found=$(find src -name '*.[ch]' | LC_ALL=C sort | xargs perl -e '
	for my $file (@ARGV) {
		local $/;
		open my $fh, "<", $file or die;
		my $text = <$fh>;
		$text =~ s{/\*.*?\*/}{(my $n = $&) =~ s/[^\n]//g; $n}gse;
		$text =~ s/"(?:[^"\\\n]|\\.)*"/""/g;
		while ($text =~ /(?<![\w.>])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|strtok|malloc|calloc|realloc|strdup|alloca|system|popen|rand|random|srand|setjmp|printf)\s*\(/g) {
			my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
			print "$file:$line: $1\n";
		}
	}' --)
[ -z "$found" ] && exit 0
echo "$found"
exit 1
