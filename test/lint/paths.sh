#!/bin/sh
# No path of somebody's machine in any file.
set -u
found=$(grep -rnIE "(^|[^A-Za-z0-9_.])/(work|home|Users)/[a-z]|/tmp/(wt|dev|tools)/" . \
	--exclude-dir=.git --exclude=.git --exclude-dir=build --exclude-dir=results --exclude=paths.sh --exclude='*.o' | head -n 20)
[ -z "$found" ] && exit 0
echo "$found"
exit 1
