#!/usr/bin/env bash
# kafkajs, and @confluentinc/kafka-javascript where its prebuilt binary can be had.
set -u
. "$(dirname "$0")/../lib/common.sh"
d=$COMPAT_TMP/node; mkdir -p "$d"
if [ ! -e "$d/.done" ]; then
  [ -e "$d/package.json" ] || echo '{"private":true}' >"$d/package.json"
  (cd "$d" && timeout 120 npm i --no-audit --no-fund --loglevel=error kafkajs@2.2.4) >"$d/npm.log" 2>&1 || { tail -5 "$d/npm.log" >&2; exit 2; }
  (cd "$d" && timeout 120 npm i --no-audit --no-fund --loglevel=error @confluentinc/kafka-javascript@1.10.1) >"$d/npm2.log" 2>&1
  touch "$d/.done"
fi
export KAFKAJS_NO_PARTITIONER_WARNING=1 NODE_CHECK_DIR=$d
check() { timeout 300 node "$HERE/check.mjs" "$B" 2>"$WORK/err"; }
relay check
finish
