"""confluent-kafka against a broker: check.py HOST:PORT [NAME-PART]"""
import collections
import os
import sys
import time
import uuid

import confluent_kafka as ck
from confluent_kafka import admin as ca

from harness import equal, run, test, text, until

B = sys.argv[1]
NODES = int(os.environ.get("NODES", 1))
RUN = uuid.uuid4().hex[:8]
ADMIN = ca.AdminClient({"bootstrap.servers": B})


def topic(name, partitions=1, **config):
    """Makes a topic of this run, and waits until the broker knows what its controller decided."""
    name = f"cfk-{name}-{RUN}"
    ADMIN.create_topics([ca.NewTopic(name, partitions, 1, config=config)])[name].result(20)
    until(lambda: name in ADMIN.list_topics(timeout=10).topics)
    return name


def producer(**config):
    config = {k.replace("_", "."): v for k, v in config.items()}
    return ck.Producer({"bootstrap.servers": B, **config})


def consumer(group=None, **config):
    config = {k if k == "error_cb" else k.replace("_", "."): v for k, v in config.items()}
    base = {"bootstrap.servers": B, "group.id": group or f"cfk-g-{uuid.uuid4().hex[:8]}", "auto.offset.reset": "earliest"}
    return ck.Consumer({**base, "session.timeout.ms": 6000, **config})


def send(p, to, records):
    """Sends (key, value, headers, partition, timestamp) tuples; all must be acknowledged."""
    failed = []
    done = []

    def report(error, message):
        (failed if error else done).append(error or (message.partition(), message.offset()))

    for record in records:
        key, value, headers, partition, timestamp = (list(record) + [None] * 5)[:5]
        more = {k: v for k, v in (("headers", headers), ("partition", partition), ("timestamp", timestamp)) if v is not None}
        while True:
            try:
                p.produce(to, value=value, key=key, on_delivery=report, **more)
                break
            except BufferError:
                p.poll(0.1)
        p.poll(0)
    equal(p.flush(30), 0, "unsent")
    assert not failed, failed[0]
    return done


def read(c, n, seconds=30):
    """Reads n messages."""
    got = []
    end = time.monotonic() + seconds
    while len(got) < n and time.monotonic() < end:
        for m in c.consume(min(500, n - len(got)), 0.5):
            if m.error():
                assert m.error().code() == ck.KafkaError._PARTITION_EOF, m.error()
                continue
            got.append(m)
    equal(len(got), n, "messages")
    return got


def read_all(name, n, **config):
    c = consumer(**config)
    c.subscribe([name])
    try:
        return read(c, n)
    finally:
        c.close()


for CODEC in ["none", "gzip", "snappy", "lz4", "zstd"]:

    @test(f"idempotent producer, codec {CODEC}: 5000 in order, each once")
    def _(codec=CODEC):
        t = topic(codec, 3)
        p = producer(enable_idempotence=True, compression_type=codec, linger_ms=5)
        send(p, t, [(b"k%d" % (i % 10), text(100) + b"%d" % i) for i in range(5000)])
        by_key = collections.defaultdict(list)
        for m in read_all(t, 5000):
            by_key[m.key()].append(int(m.value()[100:]))
        equal(sorted(sum(by_key.values(), [])), list(range(5000)))
        for values in by_key.values():
            equal(values, sorted(values), "order")


for ACKS in ["0", "1", "all"]:

    @test(f"producer acks={ACKS}")
    def _(acks=ACKS):
        t = topic(f"acks{acks}")
        send(producer(acks=acks), t, [(None, b"%d" % i) for i in range(300)])
        equal([m.value() for m in read_all(t, 300)], [b"%d" % i for i in range(300)])


@test("keys, nulls, headers and timestamps come back")
def _():
    t = topic("fields")
    send(producer(), t, [(b"k", b"v", [("a", b"1"), ("a", b"2"), ("none", None)], 0, 1700000000123), (None, None), (b"", b"")])
    one, two, three = read_all(t, 3)
    equal((one.key(), one.value(), one.headers(), one.timestamp()[1]), (b"k", b"v", [("a", b"1"), ("a", b"2"), ("none", None)], 1700000000123))
    equal((two.key(), two.value(), two.headers()), (None, None, None))
    equal((three.key() or b"", three.value()), (b"", b""))


@test("large messages up to the limit, and one beyond it refused")
def _():
    t = topic("large")
    p = producer(message_max_bytes=4000000)
    sizes = [1, 100_000, 900_000, 1_000_000]
    send(p, t, [(None, b"x" * n) for n in sizes])
    equal([len(m.value()) for m in read_all(t, 4)], sizes)
    errors = []
    p.produce(t, value=b"x" * 2_000_000, on_delivery=lambda e, m: errors.append(e))
    p.flush(20)
    equal(errors[0] and errors[0].code(), ck.KafkaError.MSG_SIZE_TOO_LARGE)


@test("log append time replaces the producers' timestamps")
def _():
    t = topic("append-time", **{"message.timestamp.type": "LogAppendTime"})
    send(producer(), t, [(None, b"v", None, 0, 1000)])
    (m,) = read_all(t, 1)
    equal(m.timestamp()[0], ck.TIMESTAMP_LOG_APPEND_TIME)
    assert m.timestamp()[1] > 1_600_000_000_000


@test("auto-created topics have the default number of partitions")
def _():
    t = f"cfk-auto-{RUN}"
    send(producer(), t, [(None, b"v")])
    equal(len(ADMIN.list_topics(t, timeout=10).topics[t].partitions), 4)


@test("a consumer of an unknown topic says so")
def _():
    c = consumer(allow_auto_create_topics=False)
    c.subscribe([f"cfk-nosuch-{RUN}"])
    m = until(lambda: c.poll(0.5), 20)
    equal(m.error().code(), ck.KafkaError.UNKNOWN_TOPIC_OR_PART)
    c.close()


def group_of_three(strategy, **config):
    t = topic(f"g3-{strategy}", 6)
    p = producer(enable_idempotence=True)
    send(p, t, [(b"%d" % (i % 50), b"%d" % i) for i in range(600)])
    g = f"cfk-g3-{strategy}-{RUN}"
    config = {"partition.assignment.strategy": strategy, "heartbeat.interval.ms": 200, **config}
    members = [consumer(g, **config) for _ in range(3)]
    for m in members:
        m.subscribe([t])
    values = []

    def poll(some):
        for c in some:
            for m in c.consume(100, 0.05):
                assert not m.error(), m.error()
                values.append(int(m.value()))

    def spread(some):
        poll(some)
        return sorted(len(c.assignment()) for c in some)

    until(lambda: spread(members) == [2, 2, 2], 30, 0)
    members.pop().close()
    until(lambda: spread(members) == [3, 3], 30, 0)
    until(lambda: (poll(members), len(set(values)) == 600)[1], 30, 0)
    send(p, t, [(None, b"%d" % i) for i in range(600, 700)])
    until(lambda: (poll(members), len(set(values)) == 700)[1], 30, 0)
    for c in members:
        c.close()
    left = consumer(g)
    offsets = left.committed([ck.TopicPartition(t, i) for i in range(6)], 10)
    equal(sum(o.offset for o in offsets if o.offset > 0), 700, "committed")
    left.close()


for STRATEGY in ["range", "roundrobin", "cooperative-sticky"]:
    test(f"group of three, {STRATEGY}: all read, all committed, members leave")(lambda s=STRATEGY: group_of_three(s))


@test("static member comes back to its partitions without a rebalance")
def _():
    t = topic("static", 2)
    g = f"cfk-static-{RUN}"
    a = consumer(g, **{"group.instance.id": "a"})
    b = consumer(g, **{"group.instance.id": "b"})
    a.subscribe([t]), b.subscribe([t])
    until(lambda: (a.poll(0.1), b.poll(0.1), len(a.assignment()) == 1 and len(b.assignment()) == 1)[2], 30, 0)
    before = a.assignment()[0].partition
    others = b.assignment()[0].partition
    a.close()
    a = consumer(g, **{"group.instance.id": "a"})
    a.subscribe([t])
    until(lambda: (a.poll(0.1), b.poll(0.1), a.assignment())[2], 30, 0)
    equal((a.assignment()[0].partition, b.assignment()[0].partition), (before, others))
    a.close(), b.close()


@test("a second member with the same instance id fences the first")
def _():
    t = topic("fence", 1)
    g = f"cfk-fence-{RUN}"
    errors = []
    a = consumer(g, **{"group.instance.id": "x", "error_cb": errors.append, "heartbeat.interval.ms": 200})
    a.subscribe([t])
    until(lambda: (a.poll(0.1), a.assignment())[1], 20, 0)
    b = consumer(g, **{"group.instance.id": "x"})
    b.subscribe([t])
    until(lambda: (b.poll(0.1), b.assignment())[1], 20, 0)

    codes = (ck.KafkaError._FATAL, ck.KafkaError.FENCED_INSTANCE_ID)

    def fenced():
        try:
            m = a.poll(0.2)
        except ck.KafkaException as e:
            return e.args[0].code() in codes
        return (m and m.error() and m.error().code() in codes) or any(e.code() in codes for e in errors)

    until(fenced, 20, 0)
    b.close()


@test("a dead member's partitions move after its session timeout")
def _():
    t = topic("dead", 2)
    g = f"cfk-dead-{RUN}"
    config = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300, "max.poll.interval.ms": 3000}
    a, b = consumer(g, **config), consumer(g, **config)
    a.subscribe([t]), b.subscribe([t])
    until(lambda: (a.poll(0.1), b.poll(0.1), len(a.assignment()) == 1 and len(b.assignment()) == 1)[2], 30, 0)
    until(lambda: (b.poll(0.1), len(b.assignment()) == 2)[1], 30, 0)
    b.close()


@test("commits: sync, metadata, per partition, and reading from there")
def _():
    t = topic("commit", 2)
    g = f"cfk-commit-{RUN}"
    send(producer(), t, [(None, b"%d" % i, None, i % 2) for i in range(20)])
    c = consumer(g, enable_auto_commit=False)
    c.commit(offsets=[ck.TopicPartition(t, 0, 4, metadata="note"), ck.TopicPartition(t, 1, 7)], asynchronous=False)
    got = c.committed([ck.TopicPartition(t, 0), ck.TopicPartition(t, 1)], 10)
    equal([(o.offset, o.metadata or "") for o in got], [(4, "note"), (7, "")])
    c.subscribe([t])
    equal(len(read(c, 9)), 9)
    c.close()


@test("commit with a stale generation is refused")
def _():
    t = topic("stale", 1)
    g = f"cfk-stale-{RUN}"
    c = consumer(g)
    c.subscribe([t])
    until(lambda: (c.poll(0.1), c.assignment())[1], 20, 0)
    other = consumer(g, enable_auto_commit=False)
    try:
        other.commit(offsets=[ck.TopicPartition(t, 0, 1)], asynchronous=False)
        raise AssertionError("committed into a live group")
    except ck.KafkaException as e:
        assert e.args[0].code() in (ck.KafkaError.UNKNOWN_MEMBER_ID, ck.KafkaError.ILLEGAL_GENERATION), e
    other.close(), c.close()


@test("seek, offsets for times, watermarks, position")
def _():
    t = topic("seek")
    base = 1700000000000
    send(producer(), t, [(None, b"%d" % i, None, 0, base + 1000 * i) for i in range(100)])
    c = consumer()
    part = ck.TopicPartition(t, 0)
    equal(c.get_watermark_offsets(part, 10, cached=False), (0, 100))
    ask = [base + 42000, base + 41500, 0]
    equal([c.offsets_for_times([ck.TopicPartition(t, 0, a)], 10)[0].offset for a in ask], [42, 42, 0])
    equal(c.offsets_for_times([ck.TopicPartition(t, 0, base + 100000)], 10)[0].offset, ck.OFFSET_END)
    c.assign([ck.TopicPartition(t, 0, 10)])
    equal(read(c, 1)[0].offset(), 10)
    c.seek(ck.TopicPartition(t, 0, 77))
    equal(read(c, 1)[0].value(), b"77")
    equal(c.position([part])[0].offset, 78)
    c.seek(ck.TopicPartition(t, 0, ck.OFFSET_BEGINNING))
    equal(read(c, 1)[0].offset(), 0)
    c.close()


@test("pause and resume")
def _():
    t = topic("pause", 2)
    send(producer(), t, [(None, b"%d" % p, None, p) for p in (0, 1) for _ in range(10)])
    c = consumer()
    c.assign([ck.TopicPartition(t, 0, 0), ck.TopicPartition(t, 1, 0)])
    c.pause([ck.TopicPartition(t, 0)])
    equal({m.partition() for m in read(c, 10)}, {1})
    assert c.poll(1) is None
    c.resume([ck.TopicPartition(t, 0)])
    equal({m.partition() for m in read(c, 10)}, {0})
    c.close()


@test("an offset out of range resets, or fails where the policy says so")
def _():
    t = topic("range")
    send(producer(), t, [(None, b"%d" % i) for i in range(5)])
    c = consumer()
    c.assign([ck.TopicPartition(t, 0, 1000)])
    equal(read(c, 1)[0].offset(), 0)
    c.close()
    c = consumer(auto_offset_reset="error")
    c.assign([ck.TopicPartition(t, 0, 1000)])
    equal(until(lambda: c.poll(0.5), 10, 0).error().code(), ck.KafkaError._AUTO_OFFSET_RESET)
    c.close()


@test("partition EOF events, and a long poll that new data ends")
def _():
    t = topic("eof")
    c = consumer(enable_partition_eof=True, fetch_wait_max_ms=5000)
    c.assign([ck.TopicPartition(t, 0, 0)])
    m = until(lambda: c.poll(1), 10, 0)
    equal(m.error() and m.error().code(), ck.KafkaError._PARTITION_EOF)
    started = time.monotonic()
    send(producer(), t, [(None, b"v")])
    until(lambda: (lambda m: m and not m.error())(c.poll(0.5)), 10, 0)
    assert time.monotonic() - started < 4, "the fetch slept over new data"
    c.close()


@test("regex subscription finds topics that come later")
def _():
    t = topic("re-one")
    c = consumer(**{"topic.metadata.refresh.interval.ms": 500})
    c.subscribe([f"^cfk-re-.*-{RUN}$"])
    send(producer(), t, [(None, b"1")])
    equal(read(c, 1)[0].value(), b"1")
    t = topic("re-two")
    send(producer(), t, [(None, b"2")])
    equal(read(c, 1)[0].value(), b"2")
    c.close()


@test("admin: create, list, describe, delete topics; errors by name")
def _():
    t = topic("admin", 3)
    meta = ADMIN.list_topics(timeout=10)
    equal(len(meta.topics[t].partitions), 3)
    assert meta.cluster_id
    future = ADMIN.describe_topics(ck.TopicCollection([t]))[t]
    described = future.result(10)
    equal((described.name, len(described.partitions), described.is_internal), (t, 3, False))
    for new, code in [
        (ca.NewTopic(t, 1, 1), ck.KafkaError.TOPIC_ALREADY_EXISTS),
        (ca.NewTopic(f"cfk-rf-{RUN}", 1, 9), ck.KafkaError.INVALID_REPLICATION_FACTOR),
        (ca.NewTopic("bad name", 1, 1), ck.KafkaError.TOPIC_EXCEPTION),
        (ca.NewTopic(f"cfk-cfg-{RUN}", 1, 1, config={"no.such": "1"}), ck.KafkaError.INVALID_CONFIG),
    ]:
        try:
            ADMIN.create_topics([new])[new.topic].result(10)
            raise AssertionError(f"created {new.topic}")
        except ck.KafkaException as e:
            equal(e.args[0].code(), code, new.topic)
    ADMIN.delete_topics([t])[t].result(10)
    until(lambda: t not in ADMIN.list_topics(timeout=10).topics)
    try:
        ADMIN.delete_topics([t])[t].result(10)
        raise AssertionError("deleted twice")
    except ck.KafkaException as e:
        equal(e.args[0].code(), ck.KafkaError.UNKNOWN_TOPIC_OR_PART)


@test("admin: validate only makes nothing")
def _():
    t = f"cfk-validate-{RUN}"
    ADMIN.create_topics([ca.NewTopic(t, 1, 1)], validate_only=True)[t].result(10)
    assert t not in ADMIN.list_topics(timeout=10).topics


@test("admin: more partitions, and fewer refused")
def _():
    t = topic("more", 2)
    ADMIN.create_partitions([ca.NewPartitions(t, 5)])[t].result(10)
    until(lambda: len(ADMIN.list_topics(t, timeout=10).topics[t].partitions) == 5)
    try:
        ADMIN.create_partitions([ca.NewPartitions(t, 3)])[t].result(10)
        raise AssertionError("shrank")
    except ck.KafkaException as e:
        equal(e.args[0].code(), ck.KafkaError.INVALID_PARTITIONS)


@test("admin: configs described with their sources, changed, and set back")
def _():
    t = topic("config", 1, **{"retention.ms": "1000000"})
    resource = ca.ConfigResource(ca.RESOURCE_TOPIC, t)

    def configs():
        return ADMIN.describe_configs([resource])[resource].result(10)

    entry = configs()["retention.ms"]
    equal((entry.value, entry.is_default, entry.source), ("1000000", False, ca.ConfigSource.DYNAMIC_TOPIC_CONFIG.value))
    equal((configs()["cleanup.policy"].value, configs()["cleanup.policy"].is_default), ("delete", True))
    entries = [
        ca.ConfigEntry("retention.ms", "2000000", incremental_operation=ca.AlterConfigOpType.SET),
        ca.ConfigEntry("cleanup.policy", "compact", incremental_operation=ca.AlterConfigOpType.APPEND),
    ]
    change = ca.ConfigResource(ca.RESOURCE_TOPIC, t, incremental_configs=entries)
    ADMIN.incremental_alter_configs([change])[change].result(10)
    until(lambda: configs()["retention.ms"].value == "2000000")
    equal(configs()["cleanup.policy"].value, "delete,compact")
    gone = ca.ConfigEntry("retention.ms", None, incremental_operation=ca.AlterConfigOpType.DELETE)
    change = ca.ConfigResource(ca.RESOURCE_TOPIC, t, incremental_configs=[gone])
    ADMIN.incremental_alter_configs([change])[change].result(10)
    until(lambda: configs()["retention.ms"].value == "604800000")
    bad = ca.ConfigEntry("retention.ms", "soon", incremental_operation=ca.AlterConfigOpType.SET)
    change = ca.ConfigResource(ca.RESOURCE_TOPIC, t, incremental_configs=[bad])
    try:
        ADMIN.incremental_alter_configs([change])[change].result(10)
        raise AssertionError("took a bad value")
    except ck.KafkaException as e:
        equal(e.args[0].code(), ck.KafkaError.INVALID_CONFIG)


@test("admin: broker configs")
def _():
    resource = ca.ConfigResource(ca.RESOURCE_BROKER, "1")
    configs = ADMIN.describe_configs([resource])[resource].result(10)
    equal(configs["num.partitions"].value, "4")
    assert configs["num.partitions"].is_read_only is not None


@test("admin: cluster described")
def _():
    cluster = ADMIN.describe_cluster().result(10)
    equal(len(cluster.nodes), NODES)
    assert cluster.cluster_id and cluster.controller is not None


@test("admin: offsets listed by spec")
def _():
    t = topic("specs")
    send(producer(), t, [(None, b"v", None, 0, ts) for ts in (1000, 5000, 3000)])
    part = ck.TopicPartition(t, 0)
    for spec, offset in [(ca.OffsetSpec.earliest(), 0), (ca.OffsetSpec.latest(), 3), (ca.OffsetSpec.max_timestamp(), 1), (ca.OffsetSpec.for_timestamp(2000), 1)]:
        equal(ADMIN.list_offsets({part: spec})[part].result(10).offset, offset, str(spec))


@test("admin: records deleted")
def _():
    t = topic("delete-records")
    send(producer(), t, [(None, b"%d" % i) for i in range(10)])
    part = ck.TopicPartition(t, 0, 4)
    equal(ADMIN.delete_records([part])[part].result(10).low_watermark, 4)
    c = consumer()
    equal(c.get_watermark_offsets(part, 10, cached=False), (4, 10))
    c.close()
    part = ck.TopicPartition(t, 0, 99)
    try:
        ADMIN.delete_records([part])[part].result(10)
        raise AssertionError("deleted beyond the end")
    except ck.KafkaException as e:
        equal(e.args[0].code(), ck.KafkaError.OFFSET_OUT_OF_RANGE)


@test("admin: groups listed, described, offsets altered, group deleted")
def _():
    t = topic("groups", 2)
    g = f"cfk-groups-{RUN}"
    send(producer(), t, [(None, b"v", None, i % 2) for i in range(10)])
    c = consumer(g, client_id="the-client")
    c.subscribe([t])
    read(c, 10)
    c.commit(asynchronous=False)
    listed = {x.group_id: x for x in ADMIN.list_consumer_groups().result(10).valid}
    equal((listed[g].state, listed[g].is_simple_consumer_group), (ck.ConsumerGroupState.STABLE, False))
    one = ADMIN.describe_consumer_groups([g])[g].result(10)
    equal((one.state, one.partition_assignor, len(one.members)), (ck.ConsumerGroupState.STABLE, "range", 1))
    equal((one.members[0].client_id, len(one.members[0].assignment.topic_partitions)), ("the-client", 2))
    try:
        ADMIN.delete_consumer_groups([g])[g].result(10)
        raise AssertionError("deleted a live group")
    except ck.KafkaException as e:
        equal(e.args[0].code(), ck.KafkaError.NON_EMPTY_GROUP)
    c.close()
    until(lambda: ADMIN.describe_consumer_groups([g])[g].result(10).state == ck.ConsumerGroupState.EMPTY)
    ask = ck.ConsumerGroupTopicPartitions(g)
    offsets = ADMIN.list_consumer_group_offsets([ask])[g].result(10).topic_partitions
    equal(sorted((o.partition, o.offset) for o in offsets), [(0, 5), (1, 5)])
    put = ck.ConsumerGroupTopicPartitions(g, [ck.TopicPartition(t, 0, 2)])
    ADMIN.alter_consumer_group_offsets([put])[g].result(10)
    offsets = ADMIN.list_consumer_group_offsets([ask])[g].result(10).topic_partitions
    equal(sorted((o.partition, o.offset) for o in offsets), [(0, 2), (1, 5)])
    ADMIN.delete_consumer_groups([g])[g].result(10)
    assert g not in {x.group_id for x in ADMIN.list_consumer_groups().result(10).valid}


@test("admin: groups listed by state")
def _():
    g = f"cfk-by-state-{RUN}"
    t = topic("by-state")
    c = consumer(g)
    c.commit(offsets=[ck.TopicPartition(t, 0, 0)], asynchronous=False)
    names = [x.group_id for x in ADMIN.list_consumer_groups(states={ck.ConsumerGroupState.EMPTY}).result(10).valid]
    assert g in names
    names = [x.group_id for x in ADMIN.list_consumer_groups(states={ck.ConsumerGroupState.STABLE}).result(10).valid]
    assert g not in names
    c.close()


@test("many topics and partitions in one fetch session")
def _():
    names = [f"cfk-many-{i}-{RUN}" for i in range(15)]
    for future in ADMIN.create_topics([ca.NewTopic(n, 4, 1) for n in names]).values():
        future.result(20)
    p = producer(enable_idempotence=True)
    for n in names:
        send(p, n, [(None, b"%d" % i, None, i % 4) for i in range(20)])
    c = consumer()
    c.assign([ck.TopicPartition(n, i, 0) for n in names for i in range(4)])
    read(c, 300)
    for n in names[:5]:
        send(p, n, [(None, b"more", None, 2)])
    equal({m.value() for m in read(c, 5)}, {b"more"})
    c.close()
    ADMIN.delete_topics(names)


@test("transactions: committed seen, aborted not")
def _():
    t = topic("tx")
    p = producer(transactional_id=f"cfk-tx-{RUN}", transaction_timeout_ms=10000)
    p.init_transactions(8)
    for i in range(4):
        p.begin_transaction()
        p.produce(t, value=b"%d" % i)
        p.commit_transaction(15) if i % 2 == 0 else p.abort_transaction(15)
    equal([m.value() for m in read_all(t, 2, isolation_level="read_committed")], [b"0", b"2"])


@test("group with the new protocol (KIP-848)")
def _():
    t = topic("next-gen", 2)
    send(producer(), t, [(None, b"v", None, i % 2) for i in range(10)])
    c = ck.Consumer({"bootstrap.servers": B, "group.id": f"cfk-848-{RUN}", "group.protocol": "consumer", "auto.offset.reset": "earliest"})
    c.subscribe([t])
    read(c, 10, 10)
    c.close()


@test("admin: ACLs")
def _():
    acl = ca.AclBinding(ca.ResourceType.TOPIC, f"cfk-acl-{RUN}", ca.ResourcePatternType.LITERAL, "User:a", "*", ca.AclOperation.READ, ca.AclPermissionType.ALLOW)
    ADMIN.create_acls([acl])[acl].result(10)
    flt = ca.AclBindingFilter(ca.ResourceType.TOPIC, f"cfk-acl-{RUN}", ca.ResourcePatternType.LITERAL, None, None, ca.AclOperation.ANY, ca.AclPermissionType.ANY)
    equal(len(ADMIN.describe_acls(flt).result(10)), 1)
    equal(len(ADMIN.delete_acls([flt])[flt].result(10)), 1)


@test("admin: SCRAM users")
def _():
    info = ca.ScramCredentialInfo(ca.ScramMechanism.SCRAM_SHA_256, 8192)
    put = ca.UserScramCredentialUpsertion(f"u{RUN}", info, b"password", b"salt")
    ADMIN.alter_user_scram_credentials([put])[f"u{RUN}"].result(10)


@test("admin: elections")
def _():
    t = topic("elect")
    part = ck.TopicPartition(t, 0)
    ADMIN.elect_leaders(ca._metadata.ElectionType.PREFERRED if hasattr(ca._metadata, "ElectionType") else ck.ElectionType.PREFERRED, [part]).result(10)


if __name__ == "__main__":
    run()
