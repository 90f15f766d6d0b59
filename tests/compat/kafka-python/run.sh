#!/usr/bin/env bash
# kafka-python (pure Python): producers, groups, seeking, admin, codecs, transactions.
set -u
. "$(dirname "$0")/../lib/common.sh"
venv kafka-python 'kafka-python[crc32c,lz4,snappy,zstd]==3.0.12' || exit 2
check() { PYTHONPATH=$LIB timeout 400 "$PY" "$HERE/check.py" "$B" "$@" 2>"$WORK/err"; }
relay check "$@"
finish
