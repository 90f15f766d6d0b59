#!/usr/bin/env bash
# The clients of Kafka's system tests: VerifiableProducer, VerifiableConsumer (classic and KIP-848),
# TransactionalMessageCopier, VerifiableShareConsumer. N: messages (20000).
set -u
. "$(dirname "$0")/../lib/common.sh"
kafka_jars || exit 2
N=${N:-20000}; RF=${RF:-1}; R=$RUN; W=$WORK; X=org.apache.kafka.tools
# gone when both consumers have ended, so that one which cannot start is not waited for
alive() { local p; for p in "$@"; do kill -0 "$p" 2>/dev/null && return 0; done; return 1; }
topic() { kj $X.TopicCommand --bootstrap-server "$B" --create --if-not-exists --topic "$1" --partitions "$2" --replication-factor "$RF" >"$W/t.log" 2>&1 || bad "create topic $1" "$(tail -c 300 "$W/t.log")"; }
acked() { grep -c '"name":"producer_send_success"' "$1"; }
vp() { # out topic n extra...
  local o=$1 t=$2 n=$3; shift 3; KJ_TIMEOUT=120 kj $X.VerifiableProducer --bootstrap-server "$B" --topic "$t" --max-messages "$n" --throughput -1 "$@" >"$o" 2>&1; }
for a in -1 1 0; do
  t=vp$a-$R; topic $t 4
  vp "$W/vp$a" $t "$N" --acks $a
  n=$(acked "$W/vp$a"); if [ "$n" = "$N" ]; then ok "VerifiableProducer acks=$a"; else bad "VerifiableProducer acks=$a" "$n of $N acked; $(grep -v producer_send_success "$W/vp$a" | tail -2 | cut -c1-300)"; fi
done
# values acked = values read, by each kind of consumer (VerifiableConsumer, two members)
want=$W/want; grep producer_send_success "$W/vp-1" | grep -oE '"value":"[^"]*"' | cut -d'"' -f4 | sort >"$want"
for proto in classic consumer; do
  pids=()
  for m in 1 2; do
    KJ_TIMEOUT=90 kjx $X.VerifiableConsumer --bootstrap-server "$B" --topic vp-1-$R --group-id vc-$proto-$R --group-protocol $proto --reset-policy earliest --verbose >"$W/vc$proto$m" 2>&1 &
    pids+=($!); PIDS+=($!)
  done
  for _ in $(seq 80); do [ "$(cat "$W/vc$proto"? | grep -c '"name":"record_data"')" -ge "$N" ] && break; alive "${pids[@]}" || break; sleep 0.5; done
  sleep 1; for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; wait "${pids[@]}" 2>/dev/null
  cat "$W/vc$proto"? | grep '"name":"record_data"' | grep -oE '"value":"[^"]*"' | cut -d'"' -f4 | sort >"$W/got"
  if cmp -s "$want" <(sort -u "$W/got"); then ok "VerifiableConsumer ($proto, 2 members): all values"; else bad "VerifiableConsumer ($proto, 2 members): all values" "$(sort -u "$W/got" | wc -l) distinct of $N; $(grep -hE "rror|xception" "$W/vc$proto"? | tail -2)"; fi
  d=$(sort "$W/got" | uniq -d | wc -l); if [ "$d" = 0 ]; then ok "VerifiableConsumer ($proto): none read twice"; else bad "VerifiableConsumer ($proto): none read twice" "$d duplicates (a rebalance without commit?)"; fi
  grep -q '"name":"offsets_committed".*"success":true' "$W/vc$proto"? && ok "VerifiableConsumer ($proto): offsets committed" || bad "VerifiableConsumer ($proto): offsets committed"
  grep -q '"name":"shutdown_complete"' "$W/vc$proto"1 && ok "VerifiableConsumer ($proto): clean shutdown" || bad "VerifiableConsumer ($proto): clean shutdown"
done
# idempotent, then transactional copy, then read_committed
t2=copy-$R; topic $t2 1; topic one-$R 1
vp "$W/vp1p" one-$R 2000 --acks -1
KJ_TIMEOUT=120 kj $X.TransactionalMessageCopier --broker-list "$B" --input-topic one-$R --output-topic $t2 --input-partition 0 --transactional-id cp-$R --consumer-group cpg-$R --max-messages 2000 --transaction-size 100 --enable-random-aborts --group-mode >"$W/copier" 2>&1
grep -q '"remaining":0' "$W/copier" && ok "TransactionalMessageCopier with random aborts finishes" || bad "TransactionalMessageCopier with random aborts finishes" "$(tail -c 400 "$W/copier")"
KJ_TIMEOUT=60 kj $X.consumer.ConsoleConsumer --bootstrap-server "$B" --topic $t2 --from-beginning --max-messages 2000 --timeout-ms 15000 --isolation-level read_committed >"$W/rc" 2>"$W/rc.err"
if cmp -s <(seq 0 1999) "$W/rc"; then ok "read_committed: the 2000 values, each once, in order"; else bad "read_committed: the 2000 values, each once, in order" "$(wc -l <"$W/rc") lines, $(sort -u "$W/rc" | wc -l) distinct"; fi
KJ_TIMEOUT=60 kj $X.consumer.ConsoleConsumer --bootstrap-server "$B" --topic $t2 --from-beginning --timeout-ms 6000 >"$W/ru" 2>"$W/ru.err"
n=$(grep -c '^[0-9]' "$W/ru")
if [ "$n" -ge 2000 ]; then ok "read_uncommitted sees the aborted ones too"; else bad "read_uncommitted sees the aborted ones too" "$n lines"; fi
# share group
kj kafka.admin.ConfigCommand --bootstrap-server "$B" --alter --entity-type groups --entity-name vs-$R --add-config share.auto.offset.reset=earliest >"$W/t.log" 2>&1
pids=()
for m in 1 2; do KJ_TIMEOUT=90 kjx $X.VerifiableShareConsumer --bootstrap-server "$B" --topic vp-1-$R --group-id vs-$R --acknowledgement-mode sync --verbose >"$W/vs$m" 2>&1 & pids+=($!); PIDS+=($!); done
for _ in $(seq 80); do [ "$(cat "$W"/vs? | grep -c '"name":"record_data"')" -ge "$N" ] && break; alive "${pids[@]}" || break; sleep 0.5; done
sleep 1; for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done; wait "${pids[@]}" 2>/dev/null
cat "$W"/vs? | grep '"name":"record_data"' | grep -oE '"value":"[^"]*"' | cut -d'"' -f4 | sort >"$W/got"
if cmp -s "$want" <(sort -u "$W/got"); then ok "VerifiableShareConsumer (2 members): all values"; else bad "VerifiableShareConsumer (2 members): all values" "$(sort -u "$W/got" | wc -l) of $N; $(tail -c 300 "$W/vs1")"; fi
finish
