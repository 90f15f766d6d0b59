"""Load and judge for crash tests, over librdkafka: load.py SHAPE, a JSON object:

  bootstrap, topic, partitions, replicas, retention_bytes
  rate      records a second, of all producers
  torn      whether to count batches that a kill hit in flight
  defaults  producers are as they come, and only the last is idempotent
  groups    how many groups read along, see group.py

Idempotent acks=all producers write numbered records to every partition, a consumer and the groups
read them as they come. Commands on stdin, each answered by one line of JSON:

  status   counts so far; "torn" are batches that were sent, not acknowledged, and whose
           connection broke: what a kill hit in flight
  deleted  how many records retention has deleted
  pause    stops the load and waits for every acknowledgement
  finish   stops the load, waits for every acknowledgement, reads to the end, reads all that is
           left once more, judges, ends

Every acknowledged record is at its offset, none is there twice, offsets have no holes, each
idempotent producer's records are in order, and what was read once, by whomever, reads the same at
the end. What retention deleted before it was read is counted, not judged.
"""
import array
import collections
import json
import logging
import os
import sys
import threading
import time
import traceback

import confluent_kafka as ck
from confluent_kafka import admin

from group import Group
from judge import STRIDE, Column, brief, judge

SHAPE = json.loads(sys.argv[1])
BROKERS, TOPIC, PARTITIONS = SHAPE["bootstrap"], SHAPE["topic"], SHAPE["partitions"]
RATE = SHAPE["rate"]
PRODUCERS = 3
CHUNK = 8
SIZE = 700
# What librdkafka says of its own inner life, on stderr; for a person who looks for a fault.
DEBUG = os.environ.get("ODEON_LOAD_DEBUG")
# Segments roll every second or so, and few of them are kept.
SETTINGS = {
    "internal.segment.bytes": "65536",
    "segment.ms": "3000",
    "retention.bytes": str(SHAPE["retention_bytes"]),
    "file.delete.delay.ms": "200",
    "index.interval.bytes": "2048",
}
FAST = {
    "bootstrap.servers": BROKERS,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 40,
    "socket.timeout.ms": 20000,
    "topic.metadata.refresh.fast.interval.ms": 50,
    "retry.backoff.ms": 20,
    "log.connection.close": False,
}


class Torn(logging.Handler):
    """Counts batches whose request had left when the connection broke."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record):
        text = record.getMessage()
        if "encountered error" in text and "PossiblyPersisted" in text:
            self.count += 1


class Load:
    def __init__(self):
        self.acked = [Column() for _ in range(PARTITIONS)]
        self.seen = [Column() for _ in range(PARTITIONS)]
        self.retired = [[] for _ in range(PARTITIONS)]
        self.faults = []
        self.produced = [0] * PRODUCERS
        self.acks = 0
        self.read = 0
        self.slowest_ms = 0
        self.torn = Torn()
        # Those that promise order, and each record once.
        self.exact = {PRODUCERS - 1} if SHAPE["defaults"] else set(range(PRODUCERS))
        self.stopping = threading.Event()
        self.ends = None
        self.writers = [threading.Thread(target=self.guard, args=(self.write, n)) for n in range(PRODUCERS)]
        self.reader = threading.Thread(target=self.guard, args=(self.follow,))
        self.groups = [Group(self, FAST, TOPIC, PARTITIONS, n) for n in range(SHAPE["groups"])]

    def guard(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # a thread must not die in silence
            self.faults.append(f"{work.__name__}: {error!r}")

    def write(self, me):
        states = collections.deque(maxlen=1)  # what it says of itself, for when it gets stuck
        producer = ck.Producer(self.settings(me, states), **self.ear(me))
        limit = 300
        started, count = time.monotonic(), 0
        while not self.stopping.is_set():
            due = (time.monotonic() - started) * RATE / PRODUCERS
            if count < due and len(producer) < limit:
                partition = (count // CHUNK + me) % PARTITIONS
                number = me * STRIDE + count
                value = b"%d:%s" % (number, b"x" * (SIZE - count % 300))
                producer.produce(TOPIC, value=value, partition=partition, on_delivery=self.delivered)
                count += 1
                self.produced[me] = count
                producer.poll(0)
            else:
                if len(producer) >= limit:  # what was missed while the node was away is not made up for
                    started = time.monotonic() - count * PRODUCERS / RATE
                producer.poll(0.002)
        left = producer.flush(60)
        if left:
            self.faults.append(f"producer {me}: {left} records are not acknowledged after a minute")
            self.faults.extend(stuck(states[-1]) if states else [])

    def settings(self, me, states):
        watched = {"statistics.interval.ms": 5000, "stats_cb": states.append}
        if DEBUG:
            watched["debug"] = DEBUG
        elif not SHAPE["torn"]:
            watched["log_level"] = 0
        if SHAPE["defaults"]:
            return {"bootstrap.servers": BROKERS, "enable.idempotence": me in self.exact, **watched}
        return {
            **FAST,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 2,
            "batch.size": 40000,  # what piles up while nobody leads still fits into a segment
            "message.timeout.ms": 300000,
            **({"debug": "msg"} if SHAPE["torn"] else {}),
            **watched,
        }

    def ear(self, me):
        """Who hears what the producer logs, where that matters: a logger costs Python's lock."""
        if not SHAPE["torn"]:
            return {}
        logger = logging.getLogger(f"producer-{me}")
        logger.propagate = False
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self.torn)
        return {"logger": logger}

    def delivered(self, error, message):
        number = number_of(message)
        if error:
            self.faults.append(f"record {number} failed: {error}")
            return
        before = self.acked[message.partition()].put(message.offset(), number)
        self.acks += 1
        self.slowest_ms = max(self.slowest_ms, round(message.latency() * 1000))
        if before is not None:
            self.faults.append(f"{message.partition()}/{message.offset()} acknowledged for {before} and {number}")

    def follow(self):
        consumer = consumer_at([0] * PARTITIONS)
        position = [0] * PARTITIONS
        end_ms = None
        while not self.at_the_end(position):
            if self.ends and end_ms is None:
                end_ms = time.monotonic() + 60
            if end_ms and time.monotonic() > end_ms:
                self.faults.append(f"the consumer is at {position}, the log ends at {self.ends}")
                break
            for message in consumer.consume(500, 0.05):
                if message.error():
                    continue  # connections break here; what matters is what is read in the end
                self.take(message, position)
        consumer.close()

    def at_the_end(self, position):
        return self.ends is not None and all(at >= end for at, end in zip(position, self.ends))

    def take(self, message, position):
        partition, offset = message.partition(), message.offset()
        expected = position[partition]
        if offset > expected:
            self.retired[partition].append((expected, offset))
        elif offset < expected:
            self.faults.append(f"{partition}/{offset} after {expected}: the log had shrunk")
        position[partition] = offset + 1
        self.read += 1
        before = self.seen[partition].put(offset, number_of(message))
        if before is not None:
            self.faults.append(f"{partition}/{offset} was {before}, is {number_of(message)}")

    def start(self):
        for thread in [*self.writers, self.reader, *(thread for group in self.groups for thread in group.threads)]:
            thread.start()

    def status(self):
        produced = sum(self.produced)
        return {
            "produced": produced,
            "acked": self.acks,
            "unacked": produced - self.acks,
            "read": self.read,
            "torn": self.torn.count,
            "slowest_ms": self.slowest_ms,
            "groups": [group.status() for group in self.groups],
            "faults": len(self.faults),
        }

    def pause(self):
        self.stopping.set()
        for thread in self.writers:
            thread.join()
        while self.read < self.acks and not self.faults:
            time.sleep(0.02)
        return self.status()

    def finish(self):
        self.stopping.set()
        for thread in self.writers:
            thread.join()
        bounds = log_bounds()
        self.ends = [high for _, high in bounds]
        self.reader.join()
        if sum(self.produced) != self.acks:
            self.faults.append(f"{sum(self.produced)} produced, {self.acks} acknowledged")
        again = self.read_again()
        for partition, (acked, seen, retired) in enumerate(zip(self.acked, self.seen, self.retired)):
            judge(partition, acked, seen, retired, self.exact, self.faults)
            start = again[partition].start()
            judge(partition, acked, again[partition], [(0, start)], self.exact, self.faults)
            self.compare(partition, start, again[partition])
        for group in self.groups:
            group.finish(self.ends, self.seen)
        missed = self.missed_plants()
        retired = sum(high - low for spans in self.retired for low, high in spans)
        return {
            **self.status(),
            "faults": brief(self.faults),
            "fault_count": len(self.faults),
            "missed_plants": missed,
            "resent": resent(self.seen),
            "retired_unread": retired,
            **deleted(bounds),
            "ends": self.ends,
        }

    def read_again(self):
        """Reads all that retention left, with another consumer."""
        again = [Column() for _ in range(PARTITIONS)]
        consumer = consumer_at([ck.OFFSET_BEGINNING] * PARTITIONS)
        deadline = time.monotonic() + 120
        while any(len(column.values) < end for column, end in zip(again, self.ends)):
            if time.monotonic() > deadline:
                self.faults.append(f"read again to {[len(c.values) for c in again]} of {self.ends}")
                break
            for message in consumer.consume(500, 0.1):
                if not message.error():
                    again[message.partition()].put(message.offset(), number_of(message))
        low = [consumer.get_watermark_offsets(ck.TopicPartition(TOPIC, p))[0] for p in range(PARTITIONS)]
        for partition, (column, start) in enumerate(zip(again, low)):
            if column.start() > start:
                self.faults.append(f"{partition}: begins at {start}, the first record is at {column.start()}")
        consumer.close()
        return again

    def compare(self, partition, start, again):
        """What was read once is still there."""
        before, after = self.seen[partition].values, again.values
        for offset in range(start, max(len(before), len(after))):
            one = before[offset] if offset < len(before) else None
            other = after[offset] if offset < len(after) else None
            if one != other and one != -1:
                self.faults.append(f"{partition}/{offset}: was {one}, reads as {other}")

    def missed_plants(self):
        """The judge is shown mistakes; the names of those that it does not see."""
        partition = max(range(PARTITIONS), key=lambda p: len(self.seen[p].values))
        acked, seen, retired = self.acked[partition], self.seen[partition].values, self.retired[partition]
        end = len(seen)
        if end < 10:
            return ["all: too few records"]
        at = end - 5
        plants = {
            "lost inside": seen[:at] + array.array("q", [-1]) + seen[at + 1 :],
            "lost at the end": seen[:-1],
            "shifted": seen[:at] + seen[at + 1 :],
            "doubled": seen + seen[at : at + 1],
            "doubled inside": seen[:at] + seen[at - 1 : at] + seen[at:],
            "swapped": seen[:at] + seen[at + 1 : at + 2] + seen[at : at + 1] + seen[at + 2 :],
        }
        missed = []
        for name, planted in plants.items():
            faults = []
            judge(partition, acked, Column(planted), retired, set(range(PRODUCERS)), faults)
            if not faults:
                missed.append(name)
        return missed


def stuck(state):
    """What a producer that does not get on says of itself."""
    state = json.loads(state)
    yield f"state {state['eos']}"
    for broker in state["brokers"].values():
        yield f"broker {[broker[k] for k in ('name', 'state', 'outbuf_cnt', 'waitresp_cnt', 'tx', 'rx', 'rxerrs', 'req_timeouts')]}"
    for at in state["topics"][TOPIC]["partitions"].values():
        if at["msgq_cnt"] or at["xmit_msgq_cnt"] or at.get("msgs_inflight"):
            yield f"partition {[at[k] for k in ('partition', 'broker', 'leader', 'msgq_cnt', 'xmit_msgq_cnt', 'msgs_inflight', 'next_ack_seq', 'next_err_seq')]}"


def resent(seen):
    """How many records are there more than once; producers without idempotence may do that."""
    numbers = collections.Counter(number for column in seen for number in column.values if number != -1)
    return sum(count - 1 for count in numbers.values())


def consumer_at(offsets):
    config = {
        **FAST,
        "group.id": "none",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 20,
        "log_level": 0,
    }
    consumer = ck.Consumer(config)
    if offsets is not None:
        consumer.assign([ck.TopicPartition(TOPIC, p, offset) for p, offset in enumerate(offsets)])
    return consumer


def log_bounds():
    """The log start and end of each partition; a node that has just started may not lead them yet."""
    asker = consumer_at(None)
    deadline = time.monotonic() + 30
    while True:
        try:
            return [asker.get_watermark_offsets(ck.TopicPartition(TOPIC, p), timeout=30) for p in range(PARTITIONS)]
        except ck.KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def deleted(bounds):
    return {"deleted": sum(start for start, _ in bounds)}


def number_of(message):
    return int(message.value().split(b":", 1)[0])


def create_topic():
    topic = admin.NewTopic(TOPIC, PARTITIONS, SHAPE["replicas"], config=SETTINGS)
    client = admin.AdminClient({"bootstrap.servers": BROKERS})
    client.create_topics([topic])[TOPIC].result(20)


def main():
    create_topic()
    load = Load()
    load.start()
    for line in sys.stdin:
        if line.strip() == "status":
            print(json.dumps(load.status()), flush=True)
        elif line.strip() == "deleted":
            print(json.dumps(deleted(log_bounds())), flush=True)
        elif line.strip() == "pause":
            print(json.dumps(load.pause()), flush=True)
        elif line.strip() == "finish":
            print(json.dumps(load.finish()), flush=True)
            return
    load.stopping.set()


try:
    main()
except BaseException:
    traceback.print_exc()
    os._exit(1)  # the threads of the load do not keep it
