# readme.sh: runs the examples of README.md.  Sourced by suites.sh.
#
# Every ```sql block runs, in order, in one throwaway database, each in a session
# of its own, and must succeed; then all of them in another, in one session.  ```sql error=SQLSTATE must fail with that code
# and no other.  A ```text block after it, with nothing but prose between them,
# must equal what psql -q prints for it.  Blocks of other languages are not run.

# Splits the file into $1/NNN.sql (+ .error, .line) and $1/NNN.text.
readme_split() {
	awk -v dir="$1" '
		!open && /^ *```/ {
			info = $0
			sub(/^ *```/, "", info)
			open = 1
			file = "/dev/null"
			if (info ~ /^sql([ \t]|$)/) {
				base = sprintf("%s/%03d", dir, ++n)
				file = base ".sql"
				printf "" >file
				print NR >(base ".line")
				rest = info
				sub(/^sql[ \t]*/, "", rest)
				if (rest ~ /^error=[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][ \t]*$/) {
					sub(/^error=/, "", rest)
					print rest >(base ".error")
				} else if (rest != "")
					print rest >(base ".unknown")
				last = base
			} else if (info ~ /^text[ \t]*$/ && last != "") {
				file = last ".text"
				printf "" >file
				last = ""
			} else
				last = ""
			next
		}
		open && /^ *```[ \t]*$/ { open = 0; if (file != "/dev/null") close(file); next }
		open { if (file != "/dev/null") print >file }
		END { if (open) print "unclosed" >(dir "/unclosed") }
	' "$2"
}

# What a reader does not see does not count: blanks at the ends of lines, empty
# lines at the end.
readme_tidy() { sed 's/[ \t]*$//' "$1" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }

readme_blocks() {
	local dir=$WORK/readme block label want got rc
	rm -rf "$dir"
	mkdir -p "$dir"
	readme_split "$dir" "$1"
	if [ -e "$dir/unclosed" ]; then
		fail "$1: a block is not closed"
		return
	fi
	dropdb --if-exists readme 2>/dev/null
	createdb readme || { fail "$1: no database"; return; }
	for block in "$dir"/*.sql; do
		[ -e "$block" ] || continue
		block=${block%.sql}
		label="$1:$(cat "$block.line")"
		if [ -e "$block.unknown" ]; then
			fail "$label: what is '$(cat "$block.unknown")'? (known: error=SQLSTATE)"
			continue
		fi
		if [ -e "$block.error" ]; then
			{
				cat "$block.sql"
				echo
				echo "\\o $block.state"
				echo "\\qecho :LAST_ERROR_SQLSTATE"
			} | psql -Xq -d readme >"$block.out" 2>&1
			want=$(cat "$block.error")
			got=$(cat "$block.state" 2>/dev/null)
			if [ "$got" != "$want" ]; then
				excerpt "$block.out"
				fail "$label: SQLSTATE is ${got:-none}, not $want"
				continue
			fi
			if [ "$(grep -cE '^(ERROR|FATAL|PANIC):' "$block.out")" != 1 ]; then
				excerpt "$block.out"
				fail "$label: one error is expected, no more"
				continue
			fi
		else
			psql -Xq -v ON_ERROR_STOP=1 -d readme <"$block.sql" >"$block.out" 2>"$block.err"
			rc=$?
			if [ $rc -ne 0 ]; then
				excerpt "$block.err"
				fail "$label: psql ends with status $rc"
				continue
			fi
		fi
		if [ -e "$block.text" ] && ! diff -u --label "$1" --label psql \
			<(readme_tidy "$block.text") <(readme_tidy "$block.out") >"$block.diff"; then
			excerpt "$block.diff"
			fail "$label: the output differs from the text block after it"
			continue
		fi
		pass "$label"
	done
}

readme_roles() { psql -XAtq -d postgres -c 'SELECT rolname FROM pg_roles ORDER BY rolname COLLATE "C"'; }

# Pasted into one psql from top to bottom: nothing fails but what is to.  Takes the
# database and the roles of the blocks (those that are not in the file $2) away first.
readme_whole() {
	local dir=$WORK/readme block role
	dropdb --force readme && createdb readme || { fail "$1: no database"; return; }
	readme_roles | LC_ALL=C comm -13 "$2" - | while read -r role; do
		dropuser "$role"
	done
	for block in "$dir"/*.sql; do
		cat "$block"
		echo
	done >"$dir/whole"
	psql -Xq -v VERBOSITY=sqlstate -d readme <"$dir/whole" >"$dir/whole.out" 2>&1
	if diff -u --label "$1" --label psql <(cat "$dir"/*.error) \
		<(sed -nE 's/^(ERROR|FATAL|PANIC): +//p' "$dir/whole.out") >"$dir/whole.diff"; then
		pass "$1: in one session"
	else
		excerpt "$dir/whole.diff"
		fail "$1: in one session it fails otherwise"
	fi
}
