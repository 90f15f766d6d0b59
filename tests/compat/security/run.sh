#!/usr/bin/env bash
# SASL (SCRAM-SHA-256/512, PLAIN), TLS and the enforcement of ACLs, with Kafka's tools and franz-go.
# BOOTSTRAP: an admin's plaintext listener; SASL=HOST:PORT (SASL_PLAINTEXT); SSL=HOST:PORT with CA=ca.pem.
# PLAIN_USER=alice:alice-secret: a user that the broker's PLAIN mechanism knows.
set -u
. "$(dirname "$0")/../lib/common.sh"
R=$RUN; W=$WORK; X=org.apache.kafka.tools; PU=${PLAIN_USER:-alice:alice-secret}
batch_start || exit 2
cfg() { local n=$1 w=$2 re=$3; shift 3; kt "$n" "$w" "$re" kafka.admin.ConfigCommand --bootstrap-server "$B" "$@"; }
props() { printf 'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=%s\nsasl.jaas.config=org.apache.kafka.common.security.%s required username="%s" password="%s";\ndefault.api.timeout.ms=15000\nrequest.timeout.ms=8000\nmax.block.ms=8000\n' "$@"; }
if [ -n "${SASL:-}" ]; then
  for m in 256 512; do
    cfg "scram user u$m" 0 Completed --alter --add-config "SCRAM-SHA-$m=[iterations=4096,password=pw$m]" --entity-type users --entity-name u$m-$R
    props SCRAM-SHA-$m scram.ScramLoginModule u$m-$R pw$m >"$W/s$m"; props SCRAM-SHA-$m scram.ScramLoginModule u$m-$R wrong >"$W/w$m"
    kt "SCRAM-SHA-$m login" 0 '' $X.TopicCommand --bootstrap-server "$SASL" --command-config "$W/s$m" --list
    kt "SCRAM-SHA-$m wrong password refused" '!' 'uthentication failed|SaslAuthentication|invalid credentials' $X.TopicCommand --bootstrap-server "$SASL" --command-config "$W/w$m" --list
  done
  props PLAIN plain.PlainLoginModule "${PU%%:*}" "${PU#*:}" >"$W/plain"; props PLAIN plain.PlainLoginModule "${PU%%:*}" wrong >"$W/wplain"
  kt "PLAIN login" 0 '' $X.TopicCommand --bootstrap-server "$SASL" --command-config "$W/plain" --list
  kt "PLAIN wrong password refused" '!' 'uthentication failed|SaslAuthentication|nvalid' $X.TopicCommand --bootstrap-server "$SASL" --command-config "$W/wplain" --list
  # ACLs bind the SCRAM user (the broker is expected to allow what no ACL speaks of: allow.everyone.if.no.acl.found=true)
  t=sec-$R; U=User:u256-$R
  kt "(setup) topic" 0 Created $X.TopicCommand --bootstrap-server "$B" --create --topic $t --partitions 1
  acl() { kt "(setup) acl $(printf %s "$*" | sed "s/$R//g")" 0 '' $X.AclCommand --bootstrap-server "$B" "$@"; }
  acl --add --allow-principal User:nobody --operation All --topic $t
  kt "ACL: no describe, no topic to be seen" 0 "!^$t\$" $X.TopicCommand --bootstrap-server "$SASL" --command-config "$W/s256" --list
  echo x | kj $X.ConsoleProducer --bootstrap-server "$SASL" --command-config "$W/s256" --topic $t >"$W/o" 2>&1; grep -qE 'TopicAuthorization|Not authorized' "$W/o" && ok "ACL: produce without WRITE refused" || bad "ACL: produce without WRITE refused" "$(head -c 300 "$W/o")"
  acl --add --allow-principal $U --producer --topic $t
  echo x | kj $X.ConsoleProducer --bootstrap-server "$SASL" --command-config "$W/s256" --topic $t >"$W/o" 2>&1; grep -qE 'rror|xception' "$W/o" && bad "ACL: produce with WRITE" "$(head -c 300 "$W/o")" || ok "ACL: produce with WRITE"
  KJ_TIMEOUT=25 kj $X.consumer.ConsoleConsumer --bootstrap-server "$SASL" --command-config "$W/s256" --topic $t --from-beginning --max-messages 1 --timeout-ms 10000 >"$W/o" 2>&1; grep -qE 'TopicAuthorization|Not authorized' "$W/o" && ok "ACL: consume without READ refused" || bad "ACL: consume without READ refused" "$(head -c 300 "$W/o")"
  acl --add --allow-principal $U --consumer --topic $t --group g-$R
  KJ_TIMEOUT=25 kj $X.consumer.ConsoleConsumer --bootstrap-server "$SASL" --command-config "$W/s256" --topic $t --group g-$R --from-beginning --max-messages 1 --timeout-ms 15000 >"$W/o" 2>&1; grep -qx x "$W/o" && ok "ACL: consume with READ" || bad "ACL: consume with READ" "$(head -c 300 "$W/o")"
  acl --add --deny-principal $U --operation Write --topic $t
  echo y | kj $X.ConsoleProducer --bootstrap-server "$SASL" --command-config "$W/s256" --topic $t >"$W/o" 2>&1; grep -qE 'TopicAuthorization|Not authorized' "$W/o" && ok "ACL: DENY goes before ALLOW" || bad "ACL: DENY goes before ALLOW" "$(head -c 300 "$W/o")"
  acl --remove --force --topic $t; acl --remove --force --group g-$R
  kt "(cleanup)" 0 '' $X.TopicCommand --bootstrap-server "$B" --delete --topic $t
  KGO_TEST_SCRAM=u256-$R:pw256 KGO_TEST_SCRAM_SEEDS=$SASL BOOTSTRAP=$B bash "$HERE/../franz-go/run.sh" SCRAM >"$W/kgo" 2>&1 && ok "franz-go SCRAM tests" || bad "franz-go SCRAM tests" "$(tail -3 "$W/kgo")"
else skip "SASL and ACL enforcement" "SASL not given"; fi
if [ -n "${SSL:-}" ]; then
  printf 'security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location=%s\ndefault.api.timeout.ms=15000\nrequest.timeout.ms=8000\n' "$CA" >"$W/ssl"; printf 'security.protocol=SSL\ndefault.api.timeout.ms=10000\nrequest.timeout.ms=8000\n' >"$W/ssl0"
  kt "TLS login" 0 '' $X.TopicCommand --bootstrap-server "$SSL" --command-config "$W/ssl" --list
  kt "TLS: unknown authority refused by the client" '!' 'SSL|handshake|PKIX' $X.TopicCommand --bootstrap-server "$SSL" --command-config "$W/ssl0" --list
  printf "default.api.timeout.ms=6000\nrequest.timeout.ms=4000\n" >"$W/plain0"; kt "plaintext client on a TLS listener fails" "!" "" $X.TopicCommand --bootstrap-server "$SSL" --command-config "$W/plain0" --list
else skip "TLS" "SSL not given"; fi
finish
