#!/usr/bin/env bash
# franz-go's own kgo integration tests: groups under rebalances, transactions, share groups, regex
# subscriptions, large messages. Names include subtests. usage: BOOTSTRAP=HOST:PORT run.sh [GO-TEST-REGEX]
# KGO_TEST_RECORDS (100000; upstream has 500000), LIMIT (go test -timeout, 12m),
# SKIP_RE: tests that are not run.
set -u
. "$(dirname "$0")/../lib/common.sh"
V=v1.22.2
OUT=$WORK/kgo.out; d=$COMPAT_TMP/kgo-$V; mkdir -p "$d"; cd "$d" || exit 2
if [ ! -x kgo.test ]; then
  printf 'module compat\ngo 1.26.0\n' >go.mod
  { go get -t github.com/twmb/franz-go/pkg/kgo@$V && go test -c -p 2 -o kgo.test github.com/twmb/franz-go/pkg/kgo; } >build.log 2>&1 || { cat build.log >&2; exit 2; }
fi
src=$(go list -m -f '{{.Dir}}' github.com/twmb/franz-go)/pkg/kgo
# only the tests that talk to a broker: the rest would pass without one
tests=$(awk '/^func Test/{f=$2;sub(/\(.*/,"",f)} /^func [^T]/{f=""} /tmpTopic|newTestClient|adm\(\)|getSeedBrokers|testClientOpts|scramSeeds/{if(f!="")print f}' "$src"/*_test.go | sort -u)
tests=$(printf '%s\nTestGroupETL\nTestTxnEtl\nTestShareGroupETL\n' "$tests" | sort -u | grep -v '^Test$' | grep -E "${1:-.}" | { [ -n "${SKIP_RE:-}" ] && grep -vE "$SKIP_RE" || cat; })
export KGO_SEEDS=$B KGO_TEST_RF=${RF:-1} KGO_TEST_RECORDS=${KGO_TEST_RECORDS:-100000} KGO_TEST_STABLE_FETCH=true KGO_LOG_LEVEL=${KGO_LOG_LEVEL:-none}
# TestTxnEtl never ends once it could not begin a transaction: it runs alone, and is ended then.
kgo() { ./kgo.test -test.v -test.timeout "${LIMIT:-12m}" -test.run "^($(echo "$1" | paste -sd'|'))\$" >>"$OUT" 2>&1; }
others=$(grep -vx TestTxnEtl <<<"$tests") && kgo "$others"
if grep -qx TestTxnEtl <<<"$tests"; then
  kgo TestTxnEtl & job=$!
  while kill -0 $job 2>/dev/null; do
    sleep 2
    grep -qF 'unable to begin transaction' "$OUT" && { sleep 3; pkill -P $job; break; }
  done
  wait $job 2>/dev/null
fi
# what a test said is between the line that makes it the current one and the next such line
awk '/^=== /{cur=$3; next} /^ *--- /{cur=""; next} cur!="" && /_test\.go:/ && ++n[cur]<=3 {sub(/^ +/,""); print cur "\t" $0}' "$OUT" >"$WORK/said"
while read -r _ st name _; do
  why=$(awk -F'\t' -v name="$name" '$1==name{print $2}' "$WORK/said")
  case "$st" in PASS:) ok "$name";; FAIL:) bad "$name" "$why";; SKIP:) skip "$name" "$why";; esac
done < <(grep -oE -- '--- (PASS|FAIL|SKIP): [^ ]+ \(' "$OUT")
# a panic or the time limit ends the binary without verdicts for what was still running
for t in $tests; do grep -qE -- "--- (PASS|FAIL|SKIP): $t " "$OUT" || bad "$t" "no verdict: $(grep -m1 -E '^panic|unable to begin transaction' "$OUT")"; done
finish
