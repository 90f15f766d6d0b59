#!/usr/bin/env bash
# Apache Kafka's own command-line tools (the classes behind kafka-topics.sh, kafka-configs.sh, ...),
# good cases and refused ones. usage: BOOTSTRAP=HOST:PORT run.sh [SECTIONS-REGEX]
# LOGDIR=DIRECTORY: the broker's data; kafka-dump-log then reads what it wrote.
set -u
. "$(dirname "$0")/../lib/common.sh"
SEC=${1:-.}; R=$RUN; T=adm-$R; W=$WORK
batch_start || exit 2
X=org.apache.kafka.tools
quiet() { local p=$PASS f=$FAIL; "$@" >/dev/null; PASS=$p FAIL=$f; }
sec() { [[ "$1" =~ $SEC ]] && echo "== $1"; }
top() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.TopicCommand --bootstrap-server "$B" "$@"; }
cfg() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" kafka.admin.ConfigCommand --bootstrap-server "$B" "$@"; }
grp() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.consumer.group.ConsumerGroupCommand --bootstrap-server "$B" "$@"; }
off() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.GetOffsetShell --bootstrap-server "$B" "$@"; }
produce() { # topic lines... ; console producer in its own JVM
  local t=$1; shift; kj $X.ConsoleProducer --bootstrap-server "$B" --topic "$t" "$@"; }
consume() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.consumer.ConsoleConsumer --bootstrap-server "$B" "$@"; }
for i in $(seq 100); do echo "k$i:v$i"; done >"$W/100"
prod100() { produce "$1" --reader-property parse.key=true --reader-property key.separator=: <"$W/100" >"$W/prod.log" 2>&1; }

if sec cluster; then
  kt "broker-api-versions" 0 'Produce\(0\)' $X.BrokerApiVersionsCommand --bootstrap-server "$B"
  kt "broker-api-versions: not one UNKNOWN line" 0 '!ERROR|Exception' $X.BrokerApiVersionsCommand --bootstrap-server "$B"
  kt "cluster cluster-id" 0 'Cluster ID: .+' $X.ClusterTool cluster-id --bootstrap-server "$B"
  kt "cluster list-endpoints" 0 '127\.0\.0\.1|localhost' $X.ClusterTool list-endpoints --bootstrap-server "$B"
  kt "features describe" 0 'Feature: metadata.version' $X.FeatureCommand --bootstrap-server "$B" describe
  kt "features describe: group.version, transaction.version" 0 'Feature: transaction.version.*FinalizedVersionLevel' $X.FeatureCommand --bootstrap-server "$B" describe
  kt "features downgrade of unknown feature refused" '!' '[Nn]o.?t? ?(support|recogn)|not|UNKNOWN' $X.FeatureCommand --bootstrap-server "$B" upgrade --feature nosuch.version=1
  kt "metadata-quorum describe --status" 0 'LeaderId: +[0-9]+' $X.MetadataQuorumCommand --bootstrap-server "$B" describe --status
  kt "metadata-quorum describe --replication" 0 'Leader' $X.MetadataQuorumCommand --bootstrap-server "$B" describe --replication
  kt "log-dirs describe" 0 '"brokers":' $X.LogDirsCommand --bootstrap-server "$B" --describe
fi

if sec topics; then
  top "topics create" 0 "Created topic $T" --create --topic $T --partitions 3 --replication-factor 1
  top "topics create again refused" '!' 'already exists' --create --topic $T --partitions 3 --replication-factor 1
  top "topics create --if-not-exists" 0 '' --create --if-not-exists --topic $T --partitions 3
  top "topics create, default partitions and rf" 0 "Created topic $T-d" --create --topic $T-d
  top "topics create: bad name refused" '!' 'nvalid' --create --topic 'bad topic!' --partitions 1
  top "topics create: rf 99 refused" '!' 'eplication' --create --topic $T-rf --partitions 1 --replication-factor 99
  top "topics create: 0 partitions refused" '!' '' --create --topic $T-p0 --partitions 0
  top "topics create: unknown config refused" '!' 'nknown' --create --topic $T-c --partitions 1 --config no.such.config=1
  top "topics create: bad config value refused" '!' 'nvalid' --create --topic $T-c --partitions 1 --config retention.ms=abc
  top "topics create with configs" 0 "Created" --create --topic $T-c --partitions 2 --config cleanup.policy=compact --config max.message.bytes=2000
  top "topics describe shows configs" 0 'cleanup.policy=compact' --describe --topic $T-c
  top "topics list" 0 "^$T\$" --list
  top "topics list --exclude-internal" 0 '!__consumer_offsets' --list --exclude-internal
  top "topics describe" 0 'PartitionCount: 3.*ReplicationFactor: 1' --describe --topic $T
  top "topics describe partition lines" 0 'Partition: 2.*Leader: [0-9]+.*Replicas: [0-9]+.*Isr: [0-9]+' --describe --topic $T
  top "topics describe has TopicId" 0 'TopicId: [A-Za-z0-9_-]{22}' --describe --topic $T
  top "topics describe unknown topic refused" '!' 'does not exist' --describe --topic nosuch-$R
  top "topics describe --under-replicated: none" 0 "!$T" --describe --under-replicated-partitions
  top "topics describe --unavailable: none" 0 "!$T" --describe --unavailable-partitions
  top "topics alter partitions up" 0 '' --alter --topic $T --partitions 5
  top "topics describe 5 partitions" 0 'PartitionCount: 5' --describe --topic $T
  top "topics alter partitions down refused" '!' 'nvalid|fewer|currently|less|would not be an increase' --alter --topic $T --partitions 2
  top "topics alter partitions of a default topic" 0 '' --alter --topic $T-d --partitions 9
  top "topics delete" 0 '' --delete --topic $T-d
  sleep 1
  top "topics delete is gone" 0 "!^$T-d\$" --list
  top "topics delete unknown refused" '!' 'does not exist' --delete --topic nosuch-$R
fi

if sec configs; then
  top "(setup) configs topic" 0 '' --create --if-not-exists --topic $T --partitions 5
  cfg "configs alter topic" 0 'Completed' --alter --topic $T --add-config retention.ms=3600000,segment.bytes=1048576
  cfg "configs describe topic" 0 'retention.ms=3600000' --describe --topic $T
  cfg "configs describe topic: source is DYNAMIC_TOPIC_CONFIG" 0 'DYNAMIC_TOPIC_CONFIG:segment.bytes=1048576' --describe --topic $T
  cfg "configs describe topic --all has defaults" 0 'min.insync.replicas=.*DEFAULT_CONFIG' --describe --all --topic $T
  cfg "configs append to a list" 0 'Completed' --alter --topic $T --add-config cleanup.policy=[compact,delete]
  cfg "configs list value read back" 0 'cleanup.policy=compact,delete' --describe --topic $T
  cfg "configs delete" 0 'Completed' --alter --topic $T --delete-config cleanup.policy,segment.bytes
  cfg "configs delete took effect" 0 '!segment.bytes' --describe --topic $T
  cfg "configs unknown key refused" '!' 'nknown|nvalid' --alter --topic $T --add-config nosuch.key=1
  cfg "configs bad value refused" '!' 'nvalid' --alter --topic $T --add-config min.insync.replicas=abc
  cfg "configs alter broker default (dynamic)" 0 'Completed' --alter --entity-type brokers --entity-default --add-config log.cleaner.threads=2
  cfg "configs describe broker default" 0 'log.cleaner.threads=2' --describe --entity-type brokers --entity-default
  cfg "configs delete broker default" 0 'Completed' --alter --entity-type brokers --entity-default --delete-config log.cleaner.threads
  kt "(find a broker id)" 0 'id: [0-9]+' $X.BrokerApiVersionsCommand --bootstrap-server "$B"; BID=$(grep -oE 'id: [0-9]+' "$KT_OUT" | head -1 | grep -oE '[0-9]+'); BID=${BID:-1}
  cfg "configs describe broker --all" 0 'num.partitions=' --describe --all --broker "$BID"
  cfg "configs alter one broker (dynamic)" 0 'Completed' --alter --broker "$BID" --add-config log.cleaner.backoff.ms=15001
  cfg "configs describe one broker" 0 'log.cleaner.backoff.ms=15001' --describe --broker "$BID"
  cfg "configs delete on one broker" 0 'Completed' --alter --broker "$BID" --delete-config log.cleaner.backoff.ms
  cfg "configs read-only broker key refused" '!' 'annot|nvalid' --alter --broker "$BID" --add-config node.id=77
  cfg "configs client quota user+client" 0 'Completed' --alter --add-config producer_byte_rate=1048576,consumer_byte_rate=2097152 --entity-type users --entity-name u$R --entity-type clients --entity-name c$R
  cfg "configs describe client quota" 0 'producer_byte_rate=1048576' --describe --entity-type users --entity-name u$R --entity-type clients --entity-name c$R
  cfg "configs client quota default user" 0 'Completed' --alter --add-config request_percentage=200 --entity-type users --entity-default
  cfg "configs describe default user quota" 0 'request_percentage=200' --describe --entity-type users --entity-default
  cfg "configs delete quotas" 0 'Completed' --alter --delete-config producer_byte_rate,consumer_byte_rate --entity-type users --entity-name u$R --entity-type clients --entity-name c$R
  cfg "configs delete default quota" 0 'Completed' --alter --delete-config request_percentage --entity-type users --entity-default
  cfg "configs ip quota" 0 'Completed' --alter --add-config connection_creation_rate=10000 --entity-type ips --entity-name 127.0.0.9
  cfg "configs ip quota read back" 0 'connection_creation_rate=10000' --describe --entity-type ips --entity-name 127.0.0.9
  cfg "configs ip quota delete" 0 'Completed' --alter --delete-config connection_creation_rate --entity-type ips --entity-name 127.0.0.9
  cfg "configs scram user add" 0 'Completed' --alter --add-config 'SCRAM-SHA-256=[iterations=8192,password=pw]' --entity-type users --entity-name s$R
  cfg "configs scram user describe" 0 'SCRAM-SHA-256=iterations=8192' --describe --entity-type users --entity-name s$R
  cfg "configs scram user delete" 0 'Completed' --alter --delete-config SCRAM-SHA-256 --entity-type users --entity-name s$R
  cfg "configs group config" 0 'Completed' --alter --entity-type groups --entity-name g$R --add-config consumer.heartbeat.interval.ms=6000
  cfg "configs group config read back" 0 'consumer.heartbeat.interval.ms=6000' --describe --entity-type groups --entity-name g$R
  printf 'retention.ms=7200000\n' >"$W/cfg.props"
  cfg "configs --add-config-file" 0 'Completed' --alter --topic $T --add-config-file "$W/cfg.props"
  cfg "configs --add-config-file took effect" 0 'retention.ms=7200000' --describe --topic $T
  kt "client-metrics alter" 0 '' $X.ClientMetricsCommand --bootstrap-server "$B" --alter --name cm$R --metrics org.apache.kafka.producer. --interval 30000 --match client_id=abc
  kt "client-metrics describe" 0 "interval.ms=30000" $X.ClientMetricsCommand --bootstrap-server "$B" --describe --name cm$R
  kt "client-metrics list" 0 "cm$R" $X.ClientMetricsCommand --bootstrap-server "$B" --list
  kt "client-metrics delete" 0 '' $X.ClientMetricsCommand --bootstrap-server "$B" --delete --name cm$R
  kt "client-metrics gone" 0 "!cm$R" $X.ClientMetricsCommand --bootstrap-server "$B" --list
fi

if sec data; then
  D=$T-data
  top "(setup) data topic" 0 '' --create --topic $D --partitions 1 --replication-factor 1
  if prod100 $D; then ok "console-producer 100 keyed lines"; else bad "console-producer 100 keyed lines" "$(tail -c 300 "$W/prod.log")"; fi
  for c in gzip snappy lz4 zstd; do
    if produce $D --compression-codec $c --reader-property parse.key=true --reader-property key.separator=: <"$W/100" >"$W/prod.log" 2>&1; then ok "console-producer $c"; else bad "console-producer $c" "$(tail -c 300 "$W/prod.log")"; fi
  done
  consume "console-consumer from beginning: 500" 0 'Processed a total of 500 messages' --topic $D --from-beginning --max-messages 500 --timeout-ms 15000 --formatter-property print.offset=true --formatter-property print.key=true --formatter-property print.partition=true --formatter-property print.timestamp=true
  if [ "$(grep -c 'CreateTime:[0-9]*.Partition:0.Offset:[0-9]*.k[0-9]*.v[0-9]*' "$KT_OUT")" = 500 ]; then ok "console-consumer lines whole"; else bad "console-consumer lines whole" "$(head -3 "$KT_OUT")"; fi
  if [ "$(grep -oE 'Offset:[0-9]+' "$KT_OUT" | cut -d: -f2 | paste -sd,)" = "$(seq 0 499 | paste -sd,)" ]; then ok "console-consumer offsets 0..499 in order"; else bad "console-consumer offsets 0..499 in order"; fi
  consume "console-consumer partition+offset" 0 'Processed a total of 7 messages' --topic $D --partition 0 --offset 493 --max-messages 7 --timeout-ms 15000
  consume "console-consumer read_committed" 0 'Processed a total of 500 messages' --topic $D --from-beginning --max-messages 500 --isolation-level read_committed --timeout-ms 15000
  off "get-offsets latest" 0 "$D:0:500" --topic $D --time -1
  off "get-offsets earliest" 0 "$D:0:0" --topic $D --time -2
  off "get-offsets max-timestamp" 0 "$D:0:[0-9]+" --topic $D --time -3
  off "get-offsets at timestamp 0" 0 "$D:0:0" --topic $D --time 0
  off "get-offsets at a future timestamp: none" 0 "!$D:0:[0-9]" --topic $D --time 4102444800000
  off "get-offsets earliest-local" 0 "$D:0:0" --topic $D --time -4
  printf '{"partitions":[{"topic":"%s","partition":0,"offset":120}],"version":1}' $D >"$W/del.json"
  kt "delete-records" 0 'low_watermark: 120' $X.DeleteRecordsCommand --bootstrap-server "$B" --offset-json-file "$W/del.json"
  off "delete-records moved the earliest offset" 0 "$D:0:120" --topic $D --time -2
  printf '{"partitions":[{"topic":"%s","partition":0,"offset":99999}],"version":1}' $D >"$W/del.json"
  kt "delete-records beyond the end refused" 0 'OffsetOutOfRange|out of range|not within the range' $X.DeleteRecordsCommand --bootstrap-server "$B" --offset-json-file "$W/del.json"
  consume "console-consumer after delete-records starts at 120" 0 'Offset:120' --topic $D --from-beginning --max-messages 1 --timeout-ms 15000 --formatter-property print.offset=true
  kt "producer-perf-test 20000 x 100B acks=all" 0 '20000 records sent' $X.ProducerPerformance --topic $D --num-records 20000 --record-size 100 --throughput -1 --bootstrap-server $B --command-property acks=all
  kt "producer-perf-test transactional" 0 '5000 records sent' $X.ProducerPerformance --topic $D --num-records 5000 --record-size 100 --throughput -1 --bootstrap-server $B --transactional-id perf-$R --transaction-duration-ms 200
  kt "consumer-perf-test" 0 '[0-9]{4}-' $X.ConsumerPerformance --bootstrap-server "$B" --topic $D --num-records 20000 --timeout 20000
  kt "e2e-latency" 0 'Avg latency' $X.EndToEndLatency --bootstrap-server "$B" --topic $D --num-records 200 --producer-acks 1 --record-size 64
  top "(setup) compat topic" 0 '' --create --topic $T-compat --partitions 1
  quiet top "(the tool's own fixed topic)" 0 '' --delete --if-exists --topic newtopic; sleep 1
  kt "client-compatibility test" 0 '' $X.ClientCompatibilityTest --bootstrap-server "$B" --topic $T-compat --offsets-for-times-supported true --cluster-id-supported true --expect-record-too-large-exception false --num-cluster-nodes "${NODES:-1}" --create-topics-supported true --describe-acls-supported true --describe-configs-supported true --idempotent-producer-supported true
  top "(setup) compact topic" 0 '' --create --topic $T-small --partitions 1 --config max.message.bytes=500
  head -c 2000 /dev/zero | tr '\0' x >"$W/big"; echo >>"$W/big"
  produce $T-small --request-required-acks all <"$W/big" >"$W/prod.log" 2>&1
  if grep -q RecordTooLarge "$W/prod.log"; then ok "max.message.bytes enforced (RecordTooLargeException)"; else bad "max.message.bytes enforced (RecordTooLargeException)" "$(head -c 300 "$W/prod.log")"; fi
  if [ -n "${LOGDIR:-}" ]; then
    # Of several nodes any may hold it: their directories differ in their last figure.
    s=$(ls "${LOGDIR%[0-9]}"*"/$D-0/"*.log 2>/dev/null | tail -1)
    if [ -n "$s" ]; then
      kt "dump-log: batches of our topic" 0 'baseOffset: [0-9]+ lastOffset: [0-9]+ .*isvalid: true' $X.DumpLogSegments --files "$s"
      kt "dump-log: no invalid batch" 0 '!isvalid: false' $X.DumpLogSegments --files "$s" --deep-iteration
      kt "dump-log: payload printed" 0 'payload: v[0-9]+|payload' $X.DumpLogSegments --files "$s" --print-data-log
      kt "dump-log: index sanity" 0 'passed the sanity check|offset: [0-9]+ position|$' $X.DumpLogSegments --files "${s%.log}.index" --index-sanity-check
      kt "dump-log: offsets decoder" 0 '' $X.DumpLogSegments --offsets-decoder --files "$(ls "$LOGDIR"/__consumer_offsets-*/*.log | head -1)"
      kt "dump-log: transaction log decoder" 0 '' $X.DumpLogSegments --transaction-log-decoder --files "$(ls "$LOGDIR"/__transaction_state-*/*.log | head -1)"
    else skip "dump-log" "no $D-0/*.log under $LOGDIR (other on-disk format)"; fi
  else skip "dump-log" "LOGDIR not given"; fi
fi

if sec groups; then
  G=$T-grp
  top "(setup) group topic" 0 '' --create --topic $G --partitions 2 --replication-factor 1
  prod100 $G
  for p in classic consumer; do
    g=grp-$p-$R
    consume "consumer group ($p) reads 100" 0 'Processed a total of 100 messages' --topic $G --group $g --from-beginning --max-messages 100 --timeout-ms 20000 --command-property group.protocol=$p
    grp "consumer-groups list ($p)" 0 "^$g" --list
    grp "consumer-groups list --state ($p)" 0 "$g +Empty" --list --state
    grp "consumer-groups list --type ($p)" 0 "$g +[Cc]" --list --type $p
    grp "consumer-groups describe ($p): lag 0" 0 "$g +$G +[01] +[0-9]+ +[0-9]+ +0" --describe --group $g
    grp "consumer-groups describe --state ($p)" 0 "Empty" --describe --group $g --state
    grp "consumer-groups reset-offsets to-earliest dry-run ($p)" 0 "$g +$G +[01] +0" --reset-offsets --group $g --topic $G --to-earliest --dry-run
    grp "consumer-groups reset-offsets shift-by ($p)" 0 "$G" --reset-offsets --group $g --topic $G --shift-by -5 --execute
    grp "consumer-groups reset-offsets to-earliest ($p)" 0 "$g +$G +[01] +0" --reset-offsets --group $g --all-topics --to-earliest --execute
    grp "consumer-groups describe after reset ($p)" 0 "$g +$G +0 +0 " --describe --group $g
    grp "consumer-groups reset-offsets to-datetime ($p)" 0 "$G" --reset-offsets --group $g --topic $G --to-datetime 2020-01-01T00:00:00.000 --execute
    grp "consumer-groups reset-offsets export csv ($p)" 0 "\"$G\"|$G,0,1" --reset-offsets --group $g --topic $G --to-offset 1 --dry-run --export
    # a live member
    kjx $X.consumer.ConsoleConsumer --bootstrap-server "$B" --topic $G --group $g --timeout-ms 45000 --command-property group.protocol=$p --command-property client.id=live >"$W/live.out" 2>&1 & LP=$!; PIDS+=($LP)
    for _ in $(seq 40); do [ "$(wc -l <"$W/live.out")" -ge 100 ] && break; kill -0 $LP 2>/dev/null || break; sleep 0.5; done; sleep 1
    grp "consumer-groups describe --members ($p)" 0 "$g +[^ ]+ +.*live +2" --describe --group $g --members --verbose
    grp "consumer-groups describe live state ($p)" 0 "Stable" --describe --group $g --state
    grp "consumer-groups reset of a live group refused ($p)" 0 'only be reset|inactive|current state is' --reset-offsets --group $g --topic $G --to-earliest --execute
    grp "consumer-groups delete of a live group refused ($p)" 0 'not empty|NotEmpty|could not be deleted' --delete --group $g
    kill_pid $LP; wait $LP 2>/dev/null
    for _ in $(seq 20); do quiet grp "(wait)" 0 '' --describe --group $g --state; grep -qE 'Empty|not exist|not found' "$KT_OUT" && break; sleep 1; done
    grp "consumer-groups delete-offsets ($p)" 0 'uccess' --delete-offsets --group $g --topic $G
    grp "consumer-groups delete ($p)" 0 'was successful' --delete --group $g
    grp "consumer-groups deleted is gone ($p)" 0 "!^$g\$" --list
  done
  grp "consumer-groups describe unknown group" 0 'does not exist|not found' --describe --group nosuch-$R
  kt "groups list (kafka-groups)" 0 'GROUP|^$' $X.GroupsCommand --bootstrap-server "$B" --list
fi

if sec acls; then
  acl() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.AclCommand --bootstrap-server "$B" "$@"; }
  acl "acls add producer" 0 'Adding ACLs' --add --allow-principal User:p$R --producer --topic at$R
  acl "acls add consumer" 0 'Adding ACLs' --add --allow-principal User:c$R --consumer --topic at$R --group ag$R
  acl "acls add prefixed deny" 0 'Adding ACLs' --add --deny-principal User:d$R --deny-host 10.0.0.1 --operation Write --topic ap$R --resource-pattern-type prefixed
  acl "acls add transactional id" 0 'Adding ACLs' --add --allow-principal User:t$R --operation Write --operation Describe --transactional-id tx$R
  acl "acls add cluster" 0 'Adding ACLs' --add --allow-principal User:k$R --operation IdempotentWrite --cluster
  acl "acls list topic" 0 "principal=User:p$R.*operation=WRITE.*ALLOW" --list --topic at$R
  acl "acls list prefixed" 0 'PREFIXED' --list --topic ap$R --resource-pattern-type prefixed
  acl "acls list match" 0 "User:d$R" --list --topic ap${R}xyz --resource-pattern-type match
  acl "acls list by principal" 0 "ag$R" --list --principal User:c$R
  acl "acls remove" 0 '' --remove --force --allow-principal User:p$R --producer --topic at$R
  acl "acls removed" 0 "!User:p$R" --list --topic at$R
  for a in "--topic at$R" "--group ag$R" "--topic ap$R --resource-pattern-type prefixed" "--transactional-id tx$R"; do acl "acls remove all ${a//$R/}" 0 '' --remove --force $a; done
  acl "acls remove cluster" 0 '' --remove --force --cluster --allow-principal User:k$R --operation IdempotentWrite
fi

if sec tx; then
  tx() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.TransactionsCommand --bootstrap-server "$B" "$@"; }
  top "(setup) tx topics" 0 '' --create --topic $T-tx --partitions 1 --replication-factor 1
  top "(setup) second tx topic" 0 '' --create --topic $T-tx2 --partitions 1 --replication-factor 1
  prod100 $T-tx
  kj $X.TransactionalMessageCopier --broker-list "$B" --input-topic $T-tx --output-topic $T-tx2 --input-partition 0 --transactional-id tx-$R --consumer-group txg-$R --max-messages 100 --transaction-size 10 --group-mode >"$W/copier" 2>&1
  if grep -q '"remaining":0' "$W/copier"; then ok "TransactionalMessageCopier 100 messages, 10 a transaction"; else bad "TransactionalMessageCopier 100 messages, 10 a transaction" "$(tail -c 400 "$W/copier")"; fi
  consume "read_committed sees the 100 copies" 0 'Processed a total of 100 messages' --topic $T-tx2 --from-beginning --max-messages 100 --isolation-level read_committed --timeout-ms 15000
  tx "transactions list" 0 "tx-$R.*CompleteCommit" list
  tx "transactions describe" 0 "tx-$R.*CompleteCommit" describe --transactional-id tx-$R
  tx "transactions describe-producers" 0 'ProducerId' describe-producers --topic $T-tx2 --partition 0
  tx "transactions find-hanging: none" 0 '!'"$T-tx2" find-hanging --broker-id "${BROKER_ID:-1}"
  off "control records count as offsets" 0 "$T-tx2:0:110" --topic $T-tx2 --time -1
fi

if sec reassign; then
  ra() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.reassign.ReassignPartitionsCommand --bootstrap-server "$B" "$@"; }
  BID=${BROKER_ID:-1}
  top "(setup) reassign topic" 0 '' --create --if-not-exists --topic $T-ra --partitions 2 --replication-factor 1
  printf '{"topics":[{"topic":"%s"}],"version":1}' $T-ra >"$W/t.json"
  ra "reassign-partitions generate" 0 'Proposed partition reassignment' --generate --topics-to-move-json-file "$W/t.json" --broker-list "$BID"
  printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[%s]},{"topic":"%s","partition":1,"replicas":[%s]}]}' $T-ra "$BID" $T-ra "$BID" >"$W/r.json"
  ra "reassign-partitions execute (no-op move)" 0 'uccessfully started' --execute --reassignment-json-file "$W/r.json"
  ra "reassign-partitions verify" 0 'is completed' --verify --reassignment-json-file "$W/r.json"
  ra "reassign-partitions list: none" 0 'No partition reassignments' --list
  printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[9999]}]}' $T-ra >"$W/r2.json"
  ra "reassign-partitions to broker 9999 refused" '!' '9999|nknown' --execute --reassignment-json-file "$W/r2.json"
  le() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.LeaderElectionCommand --bootstrap-server "$B" "$@"; }
  le "leader-election preferred (already preferred)" 0 'already|not needed|Valid replica|uccess' --election-type preferred --topic $T-ra --partition 0
  le "leader-election all partitions" 0 '' --election-type preferred --all-topic-partitions
  le "leader-election unknown topic refused" '!' 'nknown|not' --election-type preferred --topic nosuch-$R --partition 0
fi

if sec share; then
  S=$T-share; sg=sg-$R
  sh() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" $X.consumer.group.ShareGroupCommand --bootstrap-server "$B" "$@"; }
  top "(setup) share topic" 0 '' --create --topic $S --partitions 2 --replication-factor 1
  prod100 $S
  cfg "configs: share.auto.offset.reset=earliest" 0 'Completed' --alter --entity-type groups --entity-name $sg --add-config share.auto.offset.reset=earliest
  kt "console-share-consumer reads 100" 0 'Processed a total of 100 messages' $X.consumer.ConsoleShareConsumer --bootstrap-server "$B" --topic $S --group $sg --max-messages 100 --timeout-ms 30000
  sh "share-groups list" 0 "$sg" --list
  sh "share-groups describe" 0 "$sg +$S +[01]" --describe --group $sg
  sh "share-groups describe --state" 0 'Empty|Stable' --describe --group $sg --state
  sh "share-groups reset-offsets" 0 "$S" --reset-offsets --group $sg --topic $S --to-earliest --execute
  sh "share-groups delete-offsets" 0 "$S|uccess" --delete-offsets --group $sg --topic $S
  sh "share-groups delete" 0 'uccess' --delete --group $sg
  kt "streams-groups list" 0 '' $X.streams.StreamsGroupCommand --bootstrap-server "$B" --list
fi

if sec dtoken; then
  kt "delegation-tokens over PLAINTEXT refused" '!' 'DelegationToken|not allowed|disabled' $X.DelegationTokenCommand --bootstrap-server "$B" --create --max-life-time-period -1 --command-config /dev/null --renewer-principal User:x
fi

for t in $T $T-c $T-compat $T-data $T-small $T-grp $T-tx $T-tx2 $T-ra $T-share; do quiet top "(cleanup) $t" 0 '' --delete --if-exists --topic $t; done
finish
