#!/usr/bin/env bash
# kcat (librdkafka): the tool that people reach for first.
set -u
. "$(dirname "$0")/../lib/common.sh"
need kcat kcat || exit 2
k() { timeout 30 kcat -b "$B" "$@" 2>"$WORK/err"; }
# is NAME GOT WANTED
is() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got '$(printf '%s' "$2" | head -c 200)', want '$(printf '%s' "$3" | head -c 200)'; $(tail -1 "$WORK/err")"; fi; }
sum() { sort -n | sha256sum | cut -c1-16; }
t=kcat-$RUN
seq 1 1000 | k -P -t "$t" -X enable.idempotence=true -z lz4; is "produces to a topic made on the fly" $? 0
is "reads the same 1000" "$(k -C -t "$t" -e -q -o beginning | sum)" "$(seq 1 1000 | sum)"
is "lists topics and brokers as JSON" "$(k -L -J | python3 -c "import json,sys; d=json.load(sys.stdin); print(len(d['brokers']), [len(t['partitions']) for t in d['topics'] if t['topic']=='$t'])")" "${NODES:-1} [4]"
echo 'k1;v1' | k -P -t "$t" -p 0 -K ';' -H a=1 -H b=2
is "key, headers, and offset -1" "$(k -C -t "$t" -p 0 -o -1 -c 1 -e -q -f '%k|%s|%h')" 'k1|v1|a=1,b=2'
is "a balanced group reads all 1001" "$(k -q -e -G "g-$RUN" -X auto.offset.reset=earliest "$t" | grep -c .)" 1001
is "the group again: nothing new" "$(k -q -e -G "g-$RUN" -X auto.offset.reset=earliest "$t" | grep -c .)" 0
is "offset by timestamp" "$(k -Q -t "$t:0:1" | grep -cE '\[0\] offset 0$')" 1
for z in none gzip snappy lz4 zstd; do
  seq 1 5000 | sed 's/$/ and then some text that can be compressed/' | k -P -t "$t-$z" -z "$z" -X acks=all -X linger.ms=20
  is "codec $z: 5000 come back" "$(k -C -t "$t-$z" -e -q -o beginning | sum)" "$(seq 1 5000 | sed 's/$/ and then some text that can be compressed/' | sum)"
done
for a in 0 1 all; do
  seq 1 200 | k -P -t "$t-a$a" -X acks=$a
  want=$(seq 1 200 | sum)
  for _ in $(seq 20); do
    got=$(k -C -t "$t-a$a" -e -q -o beginning | sum)
    # Only acks=all means that they can be read. With acks=0 kcat has ended when its socket took the
    # messages, with acks=1 when the leader wrote them; readers see them when they are on disk.
    [ $a = all ] || [ "$got" = "$want" ] && break
    sleep 0.5
  done
  is "acks=$a: 200 come back" "$got" "$want"
done
head -c 700000 /dev/zero | tr '\0' x >"$WORK/big"
k -P -t "$t-big" -p 0 "$WORK/big"
is "a message of 700 kB" "$(k -C -t "$t-big" -p 0 -o beginning -c 1 -e -q | tr -d '\n' | wc -c)" 700000
printf 'k;\nk;NULL\n' | k -P -t "$t-null" -p 0 -K ';' -Z
is "empty and null values" "$(k -C -t "$t-null" -p 0 -e -q -o beginning -f '%S ')" '-1 4 '
is "an offset out of range starts at the end with auto.offset.reset=latest" "$(k -C -t "$t" -p 0 -o 999999 -e -q -X auto.offset.reset=latest | grep -c .)" 0
finish
