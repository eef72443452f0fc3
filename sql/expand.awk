# Repeats SQL for each row of a table, and copies everything else:
#
#   --@each type | base
#   --@ encint8  | bigint
#   --@ encdate  | date
#   CREATE CAST (@type@ AS @base@) ...;
#   --@end
#
# The first line names the columns; @column@ below stands for a row's value.
# What is between @ signs and no column's name (@extschema@) is left alone.

function fail(what)
{
	printf "%s:%d: %s\n", FILENAME, FNR, what > "/dev/stderr"
	failed = 1
	exit 1
}

function cut(line, into,    n, i)
{
	n = split(line, into, "|")
	for (i = 1; i <= n; i++)
		gsub(/^[ \t]+|[ \t]+$/, "", into[i])
	return n
}

# Without gsub(), which would look for & in what is put in.
function replace(text, old, new,    at, out)
{
	while ((at = index(text, old)) > 0) {
		out = out substr(text, 1, at - 1) new
		text = substr(text, at + length(old))
	}
	return out text
}

function repeat(    row, line, i, text, values)
{
	for (row = 1; row <= rows; row++) {
		if (cut(table[row], values) != columns)
			fail("a row of --@each has another number of columns")
		for (line = 1; line <= lines; line++) {
			text = body[line]
			for (i = 1; i <= columns; i++)
				text = replace(text, "@" name[i] "@", values[i])
			print text
		}
	}
}

/^--@each / {
	if (open)
		fail("--@each within --@each")
	columns = cut(substr($0, 9), name)
	open = 1
	rows = lines = 0
	next
}
/^--@ / {
	if (!open || lines)
		fail("a row without --@each before it")
	table[++rows] = substr($0, 5)
	next
}
/^--@end$/ {
	if (!open)
		fail("--@end without --@each")
	repeat()
	open = 0
	next
}
/^--@/ { fail("unknown directive") }
open { body[++lines] = $0; next }
{ print }
END {
	if (!failed && open) {
		print FILENAME ": --@each without --@end" > "/dev/stderr"
		exit 1
	}
}
