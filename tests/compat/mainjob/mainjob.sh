#!/usr/bin/env bash
# The main job on real input; see mainjob.py. ODEON: the binary.
set -u
. "$(dirname "$0")/../lib/common.sh"
need kcat kcat || exit 2
venv confluent-kafka confluent-kafka==2.16.1 || exit 2
"$PY" "$HERE/mainjob.py" "$ODEON" "$WORK"
