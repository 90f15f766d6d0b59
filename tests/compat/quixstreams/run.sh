#!/usr/bin/env bash
# quixstreams: a word count with state in a changelog topic, at-least-once and exactly-once.
set -u
. "$(dirname "$0")/../lib/common.sh"
venv quixstreams quixstreams==3.28.1 confluent-kafka || exit 2
for g in at-least-once exactly-once; do
  if (cd "$WORK" && timeout 90 "$PY" "$HERE/check.py" "$B" $g "$RUN" "$WORK/state-$g" >"$WORK/out" 2>&1) && grep -q '^OK' "$WORK/out"; then
    ok "quixstreams word count with state, $g"
  else
    bad "quixstreams word count with state, $g" "$(grep -E 'BAD|rror|xception' "$WORK/out" | tail -3 | cut -c1-300)"
  fi
done
finish
