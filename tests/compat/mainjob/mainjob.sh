#!/usr/bin/env bash
# The main job on real input; see mainjob.py. ODEON: the binary. What it leaves on disk, Kafka's own
# kafka-dump-log then reads to the last record.
set -u
. "$(dirname "$0")/../lib/common.sh"
need kcat kcat || exit 2
venv confluent-kafka confluent-kafka==2.16.1 || exit 2
kafka_jars || exit 2
"$PY" "$HERE/mainjob.py" "$ODEON" "$WORK" | tee "$WORK/said"
[ "${PIPESTATUS[0]}" -eq 0 ] || exit 1

# The tool goes on after an error and ends with 0, so what it says decides. Of each segment but the
# first it says that -1 is followed by the base offset: the line that names a gap has another number.
WRONG='isvalid: false|not found in|[Mm]ismatch|^ +[0-9]+ is followed by|out of order|invalid|[Cc]orrupt|Exception|[Ee]rror'
# dump NAME ARGS FILES...: the tool's output is in $WORK/NAME, without the records' payloads
dump() {
  local name=$1 args=$2; shift 2
  [ $# -gt 0 ] || { bad "dump-log: $name" "there are no such files"; return; }
  # shellcheck disable=SC2086 # several arguments
  KJ_TIMEOUT=900 kj org.apache.kafka.tools.DumpLogSegments $args --files "$(IFS=,; echo "$*")" >"$WORK/$name" 2>&1
  local rc=$? wrong
  wrong=$(grep -E -A1 "$WRONG" "$WORK/$name" | head -6)
  if [ $rc = 0 ] && [ -z "$wrong" ]; then ok "dump-log: $name ($# files)"; else bad "dump-log: $name" "rc=$rc $wrong"; fi
}
cd "$WORK/data" || exit 2
dump segments --deep-iteration documentation-*/*.log
dump offset-indexes "" documentation-*/*.index
dump time-indexes "" documentation-*/*.timeindex
dump committed-offsets "--deep-iteration --offsets-decoder" __consumer_offsets-*/*.log
dump indexes-of-committed-offsets "" __consumer_offsets-*/*.index __consumer_offsets-*/*.timeindex
lines=$(sed -n 's/^mainjob: \([0-9]*\) lines .*/\1/p' "$WORK/said")
records=$(grep -c '^| offset: ' "$WORK/segments")
if [ "$records" = "$lines" ]; then ok "dump-log: $records records for $lines lines"; else bad "dump-log: a record a line" "$records records for $lines lines"; fi
commits=$(grep -c 'group.*readers' "$WORK/committed-offsets")
if [ "$commits" -gt 0 ]; then ok "dump-log: commits of the group decoded"; else bad "dump-log: commits of the group decoded" "none"; fi
finish
