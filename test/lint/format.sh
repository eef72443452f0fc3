#!/bin/sh
# The C code has the shape of .clang-format, by clang-format 14 ("make format").
set -u
command -v clang-format-14 >/dev/null || { echo "clang-format-14 is not installed"; exit 77; }
files=$(find src test/fuzz -name '*.[ch]' 2>/dev/null | LC_ALL=C sort)
clang-format-14 --dry-run -Werror $files 2>&1 | grep -E 'error:' | head -n 40
! clang-format-14 --dry-run -Werror $files 2>&1 | grep -q 'error:'
