"""kafka-python against a broker: check.py HOST:PORT [NAME-PART]"""
import collections
import logging
import os
import sys
import threading
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, OffsetSpec, TopicPartition
from kafka import errors
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ConfigResource, ResourcePattern, ResourcePatternFilter, ResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from harness import equal, run, test, text, until

logging.disable(logging.CRITICAL)
B = sys.argv[1]
NODES = list(range(1, int(os.environ.get("NODES", 1)) + 1))
RUN = uuid.uuid4().hex[:8]
ADMIN = KafkaAdminClient(bootstrap_servers=B)


def topic(name, partitions=1, **configs):
    """Makes a topic of this run; returns its name."""
    name = f"kpy-{name}-{RUN}"
    ADMIN.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}}, wait_for_metadata=True)
    return name


def consumer(*topics, group=None, **config):
    config = {"auto_offset_reset": "earliest", "session_timeout_ms": 6000, "heartbeat_interval_ms": 300, **config}
    return KafkaConsumer(*topics, bootstrap_servers=B, group_id=group, **config)


def send(to, records, **config):
    """Sends dicts of send()'s arguments; all must be acknowledged. Returns their metadata."""
    p = KafkaProducer(bootstrap_servers=B, **config)
    try:
        futures = [p.send(to, **record) for record in records]
        p.flush(30)
        return [f.get(30) for f in futures]
    finally:
        p.close(10)


def read(c, n, seconds=30):
    """Reads n messages."""
    got = []
    end = time.monotonic() + seconds
    while len(got) < n and time.monotonic() < end:
        for messages in c.poll(500, max_records=n - len(got)).values():
            got.extend(messages)
    equal(len(got), n, "messages")
    return got


def assigned(name, partitions=1, **config):
    c = consumer(**config)
    c.assign([TopicPartition(name, i) for i in range(partitions)])
    return c


def raises(error, call):
    """Asserts that a call fails with an error."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"no {error.__name__}")


for CODEC in [None, "gzip", "snappy", "lz4", "zstd"]:

    @test(f"idempotent producer, codec {CODEC}: 2000 in order, each once")
    def _(codec=CODEC):
        t = topic(f"codec-{codec}", 3)
        send(t, [dict(key=b"k%d" % (i % 10), value=text(100) + b"%d" % i) for i in range(2000)], compression_type=codec, enable_idempotence=True)
        by_key = collections.defaultdict(list)
        for m in read(assigned(t, 3), 2000):
            by_key[m.key].append(int(m.value[100:]))
        equal(sorted(sum(by_key.values(), [])), list(range(2000)))
        for values in by_key.values():
            equal(values, sorted(values), "order")


for ACKS in [0, 1, "all"]:

    @test(f"producer acks={ACKS}")
    def _(acks=ACKS):
        t = topic(f"acks{acks}")
        send(t, [dict(value=b"%d" % i) for i in range(300)], acks=acks, enable_idempotence=False)
        equal([m.value for m in read(assigned(t), 300)], [b"%d" % i for i in range(300)])


@test("keys, nulls, headers and timestamps come back")
def _():
    t = topic("fields")
    headers = [("a", b"1"), ("a", b"2"), ("empty", b"")]
    meta = send(t, [dict(key=b"k", value=b"v", headers=headers, timestamp_ms=1700000000123), dict(key=b"only")])
    equal([m.offset for m in meta], [0, 1])
    one, two = read(assigned(t), 2)
    equal((one.key, one.value, [tuple(h) for h in one.headers], one.timestamp), (b"k", b"v", headers, 1700000000123))
    equal((two.key, two.value), (b"only", None))


@test("large messages up to the limit, and one beyond it refused")
def _():
    t = topic("large")
    sizes = [1, 100_000, 900_000, 1_000_000]
    send(t, [dict(value=b"x" * n) for n in sizes], max_request_size=4_000_000)
    equal([len(m.value) for m in read(assigned(t), 4)], sizes)
    raises(errors.MessageSizeTooLargeError, lambda: send(t, [dict(value=b"x" * 2_000_000)], max_request_size=4_000_000))


@test("auto-created topics have the default number of partitions")
def _():
    t = f"kpy-auto-{RUN}"
    send(t, [dict(value=b"v")])
    equal(len(ADMIN.describe_topics([t])[0]["partitions"]), 4)


class Member(threading.Thread):
    """A consumer that polls on its own thread, because kafka-python rebalances inside poll."""

    def __init__(self, t, group, **config):
        super().__init__(daemon=True)
        self.consumer = consumer(t, group=group, **config)
        # A leader that learns of the topic's partitions after it joined joins again, and forgets
        # that it does when its poll ends before its SyncGroup is answered: it never takes up what
        # it is assigned and sends no heartbeat. So it learns of them first. See FINDINGS.md.
        assert t in self.consumer.topics()
        self.values, self.held, self.error, self.leaving = [], set(), None, False
        self.start()

    def run(self):
        try:
            while not self.leaving:
                for messages in self.consumer.poll(100).values():
                    self.values.extend(int(m.value) for m in messages)
                self.held = self.consumer.assignment()
            self.consumer.close(timeout_ms=5000)
        except Exception as error:
            self.error = error

    def leave(self):
        self.leaving = True
        self.join(15)
        assert not self.error, self.error


def group_of_three(name, assignor):
    t = topic(f"g3-{name}", 6)
    g = f"kpy-g3-{name}-{RUN}"
    send(t, [dict(key=b"%d" % (i % 50), value=b"%d" % i) for i in range(600)])
    members = [Member(t, g, partition_assignment_strategy=[assignor]) for _ in range(3)]
    gone = []

    def held():
        assert not any(m.error for m in members), [m.error for m in members]
        return sorted(len(m.held) for m in members)

    def seen():
        return {v for m in members + gone for v in m.values}

    until(lambda: held() == [2, 2, 2], 40)
    gone.append(members.pop())
    gone[0].leave()
    until(lambda: held() == [3, 3], 40)
    send(t, [dict(value=b"%d" % i) for i in range(600, 700)])
    until(lambda: seen() == set(range(700)), 30)
    for m in members:
        m.leave()
    c = consumer(group=g)
    equal(sum(c.committed(TopicPartition(t, i)) or 0 for i in range(6)), 700, "committed")
    c.close()


for NAME, ASSIGNOR in [("range", RangePartitionAssignor), ("roundrobin", RoundRobinPartitionAssignor), ("cooperative-sticky", CooperativeStickyAssignor)]:
    test(f"group of three, {NAME}: all read, all committed, a member leaves", 120)(lambda n=NAME, a=ASSIGNOR: group_of_three(n, a))


@test("static member comes back to its partitions")
def _():
    t = topic("static", 2)
    g = f"kpy-static-{RUN}"
    a, b = Member(t, g, group_instance_id="a"), Member(t, g, group_instance_id="b")

    def both():
        assert not a.error and not b.error, (repr(a.error), repr(b.error))
        return len(a.held) == 1 and len(b.held) == 1

    until(both, 40)
    before, others = a.held, b.held
    a.leave()
    a = Member(t, g, group_instance_id="a")
    until(lambda: a.held, 40)
    equal((a.held, b.held), (before, others))
    a.leave(), b.leave()


@test("commits with metadata, and reading from there")
def _():
    t = topic("commit")
    g = f"kpy-commit-{RUN}"
    send(t, [dict(value=b"%d" % i) for i in range(20)])
    part = TopicPartition(t, 0)
    c = assigned(t, group=g, enable_auto_commit=False)
    c.commit({part: OffsetAndMetadata(7, "note", -1)})
    equal((c.committed(part), c.committed(part, metadata=True).metadata), (7, "note"))
    c.close()
    c = assigned(t, group=g, enable_auto_commit=False)
    equal(read(c, 1)[0].offset, 7)
    c.close()


@test("seek, offsets for times, beginning and end, position")
def _():
    t = topic("seek")
    base = 1700000000000
    part = TopicPartition(t, 0)
    send(t, [dict(value=b"%d" % i, timestamp_ms=base + 1000 * i) for i in range(100)])
    c = assigned(t)
    equal((c.beginning_offsets([part])[part], c.end_offsets([part])[part]), (0, 100))
    equal([c.offsets_for_times({part: base + a})[part].offset for a in (42000, 41500)], [42, 42])
    equal(c.offsets_for_times({part: base + 200000})[part], None)
    c.seek(part, 77)
    equal(read(c, 1)[0].value, b"77")
    equal(c.position(part), 78)
    c.seek_to_beginning(part)
    equal(read(c, 1)[0].offset, 0)
    c.seek_to_end(part)
    equal(c.position(part), 100)
    c.close()


@test("pause and resume")
def _():
    t = topic("pause", 2)
    send(t, [dict(value=b"v", partition=p) for p in (0, 1) for _ in range(10)])
    c = assigned(t, 2)
    c.pause(TopicPartition(t, 0))
    equal({m.partition for m in read(c, 10)}, {1})
    equal(c.poll(1000), {})
    c.resume(TopicPartition(t, 0))
    equal({m.partition for m in read(c, 10)}, {0})
    c.close()


@test("an offset out of range resets, or fails where the policy says so")
def _():
    t = topic("range")
    part = TopicPartition(t, 0)
    send(t, [dict(value=b"v") for _ in range(5)])
    c = assigned(t)
    c.seek(part, 1000)
    equal(read(c, 1)[0].offset, 0)
    c.close()
    c = assigned(t, auto_offset_reset="none")
    c.seek(part, 1000)
    raises(errors.OffsetOutOfRangeError, lambda: read(c, 1, 10))
    c.close()


@test("without fetch sessions")
def _():
    t = topic("sessionless", 3)
    send(t, [dict(value=b"v", partition=i % 3) for i in range(30)])
    c = assigned(t, 3, enable_incremental_fetch_sessions=False)
    read(c, 30)
    c.close()


@test("a pattern subscription finds topics that come later")
def _():
    t = topic("re-one")
    send(t, [dict(value=b"1")])
    c = consumer(group=f"kpy-re-{RUN}", metadata_max_age_ms=500)
    c.subscribe(pattern=f"^kpy-re-.*-{RUN}$")
    equal(read(c, 1)[0].value, b"1")
    t = topic("re-two")
    send(t, [dict(value=b"2")])
    equal(read(c, 1)[0].value, b"2")
    c.close()


@test("admin: create, list, describe, delete topics; errors by name")
def _():
    t = topic("admin", 3)
    assert t in ADMIN.list_topics()
    described = ADMIN.describe_topics([t])[0]
    equal((described["name"], len(described["partitions"]), described["is_internal"]), (t, 3, False))
    for name, options, error in [
        (t, {}, errors.TopicAlreadyExistsError),
        (f"kpy-rf-{RUN}", {"num_partitions": 1, "replication_factor": 9}, errors.InvalidReplicationFactorError),
        ("bad name", {}, errors.InvalidTopicError),
        (f"kpy-cfg-{RUN}", {"configs": {"no.such": "1"}}, errors.InvalidConfigurationError),
        (f"kpy-zero-{RUN}", {"num_partitions": 0, "replication_factor": 1}, errors.InvalidPartitionsError),
    ]:
        raises(error, lambda: ADMIN.create_topics({name: options}))
    ADMIN.delete_topics([t])
    until(lambda: t not in ADMIN.list_topics())
    raises(errors.UnknownTopicOrPartitionError, lambda: ADMIN.delete_topics([t]))


@test("admin: topics described and deleted by id")
def _():
    t = topic("by-id", 2)
    id = ADMIN.describe_topics([t])[0]["topic_id"]
    equal(ADMIN.describe_topics([uuid.UUID(str(id))])[0]["name"], t)
    ADMIN.delete_topics([uuid.UUID(str(id))])
    until(lambda: t not in ADMIN.list_topics())


@test("admin: partitions assigned by hand, validated only, added")
def _():
    t = f"kpy-hand-{RUN}"
    ADMIN.create_topics({t: {"num_partitions": 2, "replication_factor": 1}}, validate_only=True)
    assert t not in ADMIN.list_topics()
    ADMIN.create_topics({t: {"assignments": {0: [1], 1: [1]}}}, wait_for_metadata=True)
    equal([p["replica_nodes"] for p in ADMIN.describe_topics([t])[0]["partitions"]], [[1], [1]])
    ADMIN.create_partitions({t: 5})
    until(lambda: len(ADMIN.describe_topics([t])[0]["partitions"]) == 5)
    raises(errors.InvalidPartitionsError, lambda: ADMIN.create_partitions({t: 2}))


@test("admin: partitions described page by page")
def _():
    t = topic("pages", 5)
    first = ADMIN.describe_topic_partitions([t], response_partition_limit=3)
    equal([p["partition_index"] for p in first["topics"][0]["partitions"]], [0, 1, 2])
    equal((first["next_cursor"]["topic_name"], first["next_cursor"]["partition_index"]), (t, 3))
    rest = ADMIN.describe_topic_partitions([t], cursor=first["next_cursor"])
    equal([p["partition_index"] for p in rest["topics"][0]["partitions"]], [3, 4])
    equal(rest["next_cursor"], None)


@test("admin: configs described, changed, and set back")
def _():
    t = topic("config", 1, **{"retention.ms": "1000000"})

    def configs(filter="all"):
        return ADMIN.describe_configs([ConfigResource("topic", t)], config_filter=filter)["topic"][t]

    equal(configs()["retention.ms"]["value"], "1000000")
    equal(configs()["cleanup.policy"]["value"], "delete")
    equal(set(configs("modified")), {"retention.ms"})
    ADMIN.alter_configs([ConfigResource("topic", t, {"retention.ms": ("set", "2000000"), "cleanup.policy": ("append", "compact")})])
    until(lambda: configs()["retention.ms"]["value"] == "2000000")
    equal(configs()["cleanup.policy"]["value"], "delete,compact")
    ADMIN.alter_configs([ConfigResource("topic", t, {"retention.ms": "3000000"})], incremental=False)
    until(lambda: configs()["retention.ms"]["value"] == "3000000")
    ADMIN.alter_configs([ConfigResource("topic", t, {"retention.ms": ("delete", None)})])
    until(lambda: configs()["retention.ms"]["value"] == "604800000")


@test("admin: offsets listed by spec")
def _():
    t = topic("specs")
    part = TopicPartition(t, 0)
    send(t, [dict(value=b"v", timestamp_ms=ts) for ts in (1000, 5000, 3000)])
    for spec, offset in [(OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 3), (OffsetSpec.MAX_TIMESTAMP, 1), (2000, 1)]:
        equal(ADMIN.list_partition_offsets({part: spec})[part].offset, offset, str(spec))


@test("admin: records deleted")
def _():
    t = topic("delete-records")
    part = TopicPartition(t, 0)
    send(t, [dict(value=b"v") for _ in range(10)])
    equal(ADMIN.delete_records({part: 4})[part]["low_watermark"], 4)
    c = assigned(t)
    equal(c.beginning_offsets([part])[part], 4)
    c.close()


@test("admin: groups listed, described, offsets altered, reset, deleted; group deleted")
def _():
    t = topic("groups", 2)
    g = f"kpy-groups-{RUN}"
    parts = [TopicPartition(t, i) for i in range(2)]
    send(t, [dict(value=b"%d" % i, partition=i % 2) for i in range(10)])
    m = Member(t, g, client_id="the-client")
    until(lambda: len(m.values) == 10)
    group = ADMIN.describe_groups([g])[g]
    equal((group["group_state"].lower(), len(group["members"]), group["members"][0]["client_id"]), ("stable", 1, "the-client"))
    assert g in [x["group_id"] for x in ADMIN.list_groups()]
    assert g in [x["group_id"] for x in ADMIN.list_groups(states_filter=["stable"])]
    assert g not in [x["group_id"] for x in ADMIN.list_groups(states_filter=["empty"])]
    m.leave()
    until(lambda: ADMIN.describe_groups([g])[g]["group_state"].lower() == "empty")
    equal({p.partition: o.offset for p, o in ADMIN.list_group_offsets({g: None})[g].items()}, {0: 5, 1: 5})
    ADMIN.alter_group_offsets(g, {parts[0]: OffsetAndMetadata(2, "", -1)})
    equal(ADMIN.list_group_offsets({g: parts})[g][parts[0]].offset, 2)
    ADMIN.reset_group_offsets(g, {parts[0]: OffsetSpec.EARLIEST})
    equal(ADMIN.list_group_offsets({g: parts})[g][parts[0]].offset, 0)
    ADMIN.delete_group_offsets(g, [parts[1]])
    equal(set(ADMIN.list_group_offsets({g: None})[g]), {parts[0]})
    ADMIN.delete_groups([g])
    assert g not in [x["group_id"] for x in ADMIN.list_groups()]


@test("admin: cluster, log directories, quorum, producers")
def _():
    cluster = ADMIN.describe_cluster()
    equal([b["broker_id"] if "broker_id" in b else b["node_id"] for b in cluster["brokers"]], NODES)
    t = topic("dirs", 2)
    send(t, [dict(value=b"x" * 1000, partition=0)])
    nodes = ADMIN.describe_log_dirs([t])
    found = [(p["partition_index"], p["partition_size"]) for node in nodes for d in node["log_dirs"] for x in d["topics"] if x["name"] == t for p in x["partitions"]]
    equal(sorted(i for i, _ in found), [0, 1])
    assert dict(found)[0] >= 1000, found
    quorum = ADMIN.describe_metadata_quorum()
    assert quorum["topics"][0]["partitions"][0]["leader_id"] in NODES, quorum
    part = TopicPartition(t, 0)
    state = ADMIN.describe_producers([part])[part]
    equal(len(state[0]), 1)


@test("transactions: committed seen, aborted not")
def _():
    t = topic("tx")
    p = KafkaProducer(bootstrap_servers=B, transactional_id=f"kpy-tx-{RUN}", transaction_timeout_ms=10000, max_block_ms=15000)
    p.init_transactions()
    for i in range(4):
        p.begin_transaction()
        p.send(t, value=b"%d" % i)
        p.commit_transaction() if i % 2 == 0 else p.abort_transaction()
    p.close(5)
    equal([m.value for m in read(assigned(t, isolation_level="read_committed"), 2)], [b"0", b"2"])


@test("admin: ACLs")
def _():
    pattern = ResourcePattern(ResourceType.TOPIC, f"kpy-acl-{RUN}")
    ADMIN.create_acls([ACL("User:a", "*", ACLOperation.READ, ACLPermissionType.ALLOW, pattern)])
    ask = ACLFilter("User:a", "*", ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(ResourceType.TOPIC, f"kpy-acl-{RUN}", pattern.pattern_type))
    found = ADMIN.describe_acls(ask)
    equal(len(found[0]), 1)
    ADMIN.delete_acls([ask])


@test("admin: partition reassignments listed")
def _():
    equal(len(ADMIN.list_partition_reassignments()), 0)


@test("admin: config resources listed")
def _():
    t = topic("resources", 1, **{"retention.ms": "1000000"})
    assert t in ADMIN.list_config_resources(["topic"])["topic"]


if __name__ == "__main__":
    run()
