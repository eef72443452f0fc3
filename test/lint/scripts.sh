#!/bin/sh
# Every shell script parses, and what is started by name is executable.
set -u
failed=0
for f in $(find .ci test demo bench -name '*.sh' 2>/dev/null) .ci/run bin/gdpr-key; do
	bash -n "$f" || failed=1
done
for f in .ci/run bin/gdpr-key test/run.sh test/packages.sh test/installcheck.sh test/majors.sh test/fresh.sh demo/run.sh demo/load.sh bench/run.sh; do
	if [ -e "$f" ] && [ ! -x "$f" ]; then
		echo "$f: not executable"
		failed=1
	fi
done
exit $failed
