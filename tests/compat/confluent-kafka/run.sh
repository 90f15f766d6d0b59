#!/usr/bin/env bash
# confluent-kafka (Python over librdkafka): producers, groups, seeking, admin, codecs, transactions.
set -u
. "$(dirname "$0")/../lib/common.sh"
venv confluent-kafka confluent-kafka==2.16.1 || exit 2
check() { PYTHONPATH=$LIB timeout 400 "$PY" "$HERE/check.py" "$B" "$@" 2>"$WORK/err"; }
relay check "$@"
finish
