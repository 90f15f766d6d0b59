"""A consumer group whose members come and go: it reads all there is, and its commits never go back."""
import random
import threading
import time

import confluent_kafka as ck

from judge import Column

MEMBERS = 2
STRATEGIES = ["cooperative-sticky", "range"]
# How long a coordinator may take to be found, to load and to answer.
PATIENCE_S = 40


class Group:
    def __init__(self, load, client, topic, partitions, index):
        self.load, self.topic, self.partitions, self.faults = load, topic, partitions, load.faults
        self.name = f"group-{index}"
        self.client = {
            **client,
            "group.id": self.name,
            "partition.assignment.strategy": STRATEGIES[index % len(STRATEGIES)],
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 20,
            "log_level": 0,  # a logger of Python's would have to wait for whoever waits for it
        }
        self.lock = threading.Lock()
        self.read = [Column() for _ in range(partitions)]
        self.retired = [[] for _ in range(partitions)]
        self.committed = [0] * partitions  # what was acknowledged
        self.joins = self.commits = self.assignments = self.refused = self.looks = self.stuck = 0
        self.done = threading.Event()
        self.threads = [
            threading.Thread(target=load.guard, args=(self.member, n), daemon=True) for n in range(MEMBERS)
        ]

    def status(self):
        return {
            "joins": self.joins,
            "assignments": self.assignments,
            "commits": self.commits,
            "refused": self.refused,
            "stuck": self.stuck,
        }

    def member(self, me):
        chance = random.Random(f"{self.name}/{me}")
        while not self.over():
            # The first stays longer, so that somebody is there to see the others come and go.
            Member(self).live(chance.uniform(2, 6) * (1 if me else 3), chance.random() < 0.7)

    def over(self):
        """Whether all is read and committed, or the load has ended otherwise."""
        ends = self.load.ends
        return self.done.is_set() or (ends is not None and all(at >= end for at, end in zip(self.committed, ends)))

    def fault(self, partition, offset, what):
        self.faults.append(f"{partition}/{offset}: {self.name} {what}")

    def finish(self, ends, seen):
        deadline = time.monotonic() + 60
        while not self.over() and time.monotonic() < deadline and any(thread.is_alive() for thread in self.threads):
            time.sleep(0.02)
        self.done.set()
        for thread in self.threads:
            thread.join(30)
            self.stuck += thread.is_alive()  # a client that does not come back; what it leaves is judged
        if self.committed != ends:
            self.faults.append(f"{self.name} has committed {self.committed}, the log ends at {ends}")
        if not self.commits or not self.looks or self.assignments < MEMBERS:
            self.faults.append(f"{self.name} did not work: {self.status()}")
        found = committed(ck.Consumer(self.client), self.topic, range(self.partitions))
        for partition, (offset, end) in enumerate(zip(found.values(), ends)):
            if offset != end:
                self.fault(partition, offset, f"is committed, it was {end}")
        for partition, (read, other) in enumerate(zip(self.read, seen)):
            self.compare(partition, read.values, other.values)

    def compare(self, partition, read, seen):
        """The group saw what the others saw, and all of it, but for what retention took away."""
        gone = set()
        for low, high in self.retired[partition]:
            gone.update(range(low, high))
        for offset in range(max(len(read), len(seen))):
            one = read[offset] if offset < len(read) else -1
            other = seen[offset] if offset < len(seen) else -1
            if one == -1 and offset not in gone:
                self.fault(partition, offset, f"did not see record {other}")
            if -1 not in (one, other) and one != other:
                self.fault(partition, offset, f"saw {one}, others {other}")


class Member:
    """One life of a member. Its callbacks run in `consume`, on its own thread."""

    def __init__(self, group):
        self.group = group
        self.positions = {}
        self.is_committing = False
        self.consumer = ck.Consumer({**group.client, "on_commit": self.committed})
        self.is_cooperative = group.client["partition.assignment.strategy"].startswith("cooperative")

    def live(self, seconds, in_order):
        self.group.joins += 1
        self.consumer.subscribe(
            [self.group.topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost
        )
        until, next_commit = time.monotonic() + seconds, time.monotonic() + 0.2
        while time.monotonic() < until and not self.group.over():
            for message in self.consumer.consume(200, 0.05):
                if not message.error():
                    self.take(message)
            if time.monotonic() >= next_commit:
                self.commit(self.positions)
                next_commit = time.monotonic() + 0.2
        if not in_order:
            self.positions.clear()  # leaves without committing what it has read
        self.consumer.close()

    def assigned(self, consumer, assigned):
        group, mine = self.group, [each.partition for each in assigned]
        if mine:
            group.assignments += 1
            known = {partition: group.committed[partition] for partition in mine}
            found = committed(consumer, group.topic, mine)
            for partition, offset in found.items():
                group.looks += 1
                if offset < known[partition]:
                    group.fault(partition, offset, f"is committed, it was {known[partition]}")
            self.positions.update(found)
        places = [ck.TopicPartition(group.topic, partition, self.positions[partition]) for partition in mine]
        (consumer.incremental_assign if self.is_cooperative else consumer.assign)(places)

    def revoked(self, consumer, revoked):
        mine = {each.partition for each in revoked}
        self.commit({partition: at for partition, at in self.positions.items() if partition in mine})
        self.lost(consumer, revoked)

    def lost(self, consumer, lost):
        for each in lost:
            self.positions.pop(each.partition, None)
        if self.is_cooperative:
            consumer.incremental_unassign(lost)
        else:
            consumer.unassign()

    def take(self, message):
        group, partition, offset = self.group, message.partition(), message.offset()
        expected = self.positions.get(partition)
        if expected is None:
            return  # was revoked meanwhile
        if offset < expected:
            group.fault(partition, offset, f"read after {expected}")
        if offset > expected:
            place = ck.TopicPartition(group.topic, partition)
            low, _ = self.consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
            if low < offset:
                group.fault(partition, offset, f"read after {expected}, the log begins at {low}")
            with group.lock:
                group.retired[partition].append((expected, offset))
        self.positions[partition] = offset + 1
        number = int(message.value().split(b":", 1)[0])
        with group.lock:
            before = group.read[partition].put(offset, number)
        if before is not None:
            group.fault(partition, offset, f"saw {before} and {number}")

    def commit(self, positions):
        group = self.group
        if not positions or self.is_committing:
            return
        places = [ck.TopicPartition(group.topic, partition, at) for partition, at in positions.items()]
        try:
            # To wait for it may take librdkafka for ever, when the coordinator moves. Of two on their
            # way it may send the first once more behind the second.
            self.consumer.commit(offsets=places, asynchronous=True)
            self.is_committing = True
        except ck.KafkaException:
            group.refused += 1

    def committed(self, error, places):
        """The answer: a refusal is a rebalance, or a coordinator that moves; the next one will do."""
        group = self.group
        self.is_committing = False
        with group.lock:
            for place in places:
                if error or place.error:
                    group.refused += 1
                else:
                    group.committed[place.partition] = max(group.committed[place.partition], place.offset)
            group.commits += not error


def committed(consumer, topic, partitions):
    """What the group has committed of each partition; 0 where it has not."""
    places = [ck.TopicPartition(topic, partition) for partition in partitions]
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = consumer.committed(places, timeout=10)
            failed = next((place.error for place in found if place.error), None)
            if failed:
                raise ck.KafkaException(failed)
            return {place.partition: max(place.offset, 0) for place in found}
        except ck.KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
