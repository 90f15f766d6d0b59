#!/usr/bin/env bash
# faust-streaming: an agent with a table, which is a changelog topic.
set -u
. "$(dirname "$0")/../lib/common.sh"
venv faust faust-streaming==0.15.3 confluent-kafka || exit 2
if (cd "$WORK" && timeout 90 "$PY" "$HERE/check.py" "$B" "$RUN" "$WORK/faust" >"$WORK/out" 2>&1) && grep -q '^OK' "$WORK/out"; then
  ok "faust agent with a table"
else
  bad "faust agent with a table" "$(tail -3 "$WORK/out" | cut -c1-300)"
fi
finish
