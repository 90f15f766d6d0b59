# Sourced by each suite's run.sh: counters, results, Kafka's Java tools. Needs bash.
#
# A suite gets BOOTSTRAP (host:port of the broker) and COMPAT_TMP (a directory that is kept, for
# what it fetches), and prints one line a test: "ok NAME", "FAIL NAME<tab>why" or
# "skip NAME<tab>why". Lines that begin with "  | " belong to the test above them. Names stay the
# same from run to run.
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
HERE=$(cd "$(dirname "$0")" && pwd)
COMPAT_TMP=${COMPAT_TMP:-${TMPDIR:-/tmp}/odeon-compat}
B=${BOOTSTRAP:-127.0.0.1:9092}
RUN=$RANDOM$RANDOM
WORK=$(mktemp -d)
mkdir -p "$COMPAT_TMP"
PASS=0; FAIL=0; SKIP=0; PIDS=()
one_line() { tr '\n\t\r' '   ' | cut -c1-600; }
ok()   { PASS=$((PASS+1)); printf 'ok %s\n' "$1"; }
bad()  { FAIL=$((FAIL+1)); printf 'FAIL %s\t%s\n' "$1" "$(printf '%s' "${2:-}" | one_line)"; }
skip() { SKIP=$((SKIP+1)); printf 'skip %s\t%s\n' "$1" "$(printf '%s' "${2:-}" | one_line)"; }
finish() {
  echo "$PASS passed, $FAIL failed, $SKIP skipped"
  [ "$FAIL" -eq 0 ] && [ "$PASS" -gt 0 ]; exit $?
}
# kill_pid PID: TERM, then KILL after 10 s
kill_pid() {
  [ -n "${1:-}" ] || return 0
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.2; done
  kill -9 "$1" 2>/dev/null; return 0
}
clean_up() { local p; for p in "${PIDS[@]:-}"; do kill_pid "$p"; done; rm -rf "$WORK"; }
trap clean_up EXIT
trap 'exit 130' INT TERM

# kafka_jars: sets KAFKA_LIBS, a folder of Kafka's jars (fetched once, by Maven)
kafka_jars() {
  KAFKA_LIBS=$COMPAT_TMP/kafka/libs
  [ -e "$KAFKA_LIBS/.done" ] && return 0
  mkdir -p "$COMPAT_TMP/kafka" && cp "$LIB/kafka-pom.xml" "$COMPAT_TMP/kafka/pom.xml" &&
  (cd "$COMPAT_TMP/kafka" && mvn -q -B dependency:copy-dependencies -DoutputDirectory="$KAFKA_LIBS" >mvn.log 2>&1 </dev/null) && touch "$KAFKA_LIBS/.done" ||
  { echo "could not get the Kafka jars, see $COMPAT_TMP/kafka/mvn.log" >&2; return 1; }
}
# kj CLASS ARGS: a Kafka main class in its own JVM; kjx replaces the (sub)shell, so that
# `kjx ... &` gives a pid that can be killed
kj() { (kjx "$@"); }
kjx() {
  exec timeout "${KJ_TIMEOUT:-60}" java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
    -Dlog4j2.configurationFile="$LIB/log4j2-tools.xml" -cp "$KAFKA_LIBS/*" "$@"
}
# Many Kafka tools in one JVM.
batch_start() {
  kafka_jars || return 1
  coproc BATCH { exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
     -Dlog4j2.configurationFile="$LIB/log4j2-tools.xml" -cp "$KAFKA_LIBS/*" "$LIB/Batch.java" 2>>"$WORK/batch.err"; }
  PIDS+=("$BATCH_PID"); BOUT=${BATCH[0]}; BIN=${BATCH[1]}; BPID=$BATCH_PID
}
# kt NAME WANT_RC REGEX CLASS ARGS...
# WANT_RC: a number, or ! for "not 0". REGEX: over the tool's output; '' = any; a leading "!" = must not match.
KT_OUT=$WORK/kt.out
kt() {
  local name=$1 want=$2 re=$3 rc line good=1; shift 3
  local IFS=$'\t'; echo "$KT_OUT"$'\t'"${KJ_TIMEOUT:-60}"$'\t'"$*" >&"$BIN"; unset IFS
  if read -r -t $(( ${KJ_TIMEOUT:-60} + 15 )) line <&"$BOUT"; then rc=${line#RC }; else rc=dead; kill_pid "$BPID"; batch_start; fi
  if [ "$rc" = 124 ]; then kill -9 "$BPID" 2>/dev/null; wait "$BPID" 2>/dev/null; batch_start; fi
  if [ "$want" = '!' ]; then [ "$rc" != 0 ] && [ "$rc" != 124 ] && [ "$rc" != dead ] || good=0; else [ "$rc" = "$want" ] || good=0; fi
  case "$re" in '') ;; '!'*) grep -qE -- "${re#!}" "$KT_OUT" && good=0;; *) grep -qE -- "$re" "$KT_OUT" || good=0;; esac
  if [ $good = 1 ]; then ok "$name"; else bad "$name" "rc=$rc (want $want), wanted /$re/"; head -c 2500 "$KT_OUT" | sed 's/^/  | /'; echo; fi
}
# venv NAME PACKAGES...: a Python environment under COMPAT_TMP (made once); sets PY
venv() {
  local d=$COMPAT_TMP/$1; shift; PY=$d/bin/python
  [ "$(cat "$d/.done" 2>/dev/null)" = "$*" ] && return 0
  { python3 -m venv "$d" && "$d/bin/pip" -q install --disable-pip-version-check "$@"; } >"$COMPAT_TMP/pip.log" 2>&1 && echo "$*" >"$d/.done" ||
  { tail -3 "$COMPAT_TMP/pip.log" >&2; return 1; }
}
# need PROGRAM PACKAGE: installs a Debian package when the program is not there
need() {
  command -v "$1" >/dev/null && return 0
  { apt-get install -y -q "$2" </dev/null || { apt-get update -q && apt-get install -y -q "$2" </dev/null; }; } >"$COMPAT_TMP/apt.log" 2>&1 ||
  { tail -3 "$COMPAT_TMP/apt.log" >&2; return 1; }
}
# relay COMMAND...: runs a program that prints result lines itself, and counts them
relay() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in "ok "*) PASS=$((PASS+1));; "FAIL "*) FAIL=$((FAIL+1));; "skip "*) SKIP=$((SKIP+1));; esac
  done < <("$@"; echo "rc $?" >"$WORK/relay")
  [ "$(cat "$WORK/relay" 2>/dev/null)" = "rc 0" ] || bad "(the program came to its end)" "$(cat "$WORK/relay" 2>/dev/null) $(tail -3 "$WORK/err" 2>/dev/null)"
}
