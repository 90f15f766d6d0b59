"""As much load as a machine bears, over librdkafka: full.py SHAPE, a JSON object:

  bootstrap, topic, partitions, retention_bytes, producers, consumers, size

Idempotent acks=all producers that never wait, and consumers that read along. Commands on stdin, each
answered by one line of JSON: "status", counts so far; "finish", which waits for every
acknowledgement and ends.
"""
import json
import os
import sys
import threading
import time
import traceback

import confluent_kafka as ck
from confluent_kafka import admin

SHAPE = json.loads(sys.argv[1])
CLIENT = {"bootstrap.servers": SHAPE["bootstrap"], "log_level": 0}
TOPIC, PARTITIONS = SHAPE["topic"], SHAPE["partitions"]
SETTINGS = {
    "segment.bytes": str(8 << 20),
    "retention.bytes": str(SHAPE["retention_bytes"]),
    "file.delete.delay.ms": "1000",
}


class Load:
    def __init__(self):
        self.produced = [0] * SHAPE["producers"]
        self.acked = self.read = self.failed = self.slowest_ms = 0
        self.errors = []
        self.stopping = threading.Event()
        self.writers = [threading.Thread(target=self.write, args=(n,)) for n in range(SHAPE["producers"])]
        self.readers = [threading.Thread(target=self.follow, args=(n,)) for n in range(SHAPE["consumers"])]
        for thread in [*self.writers, *self.readers]:
            thread.start()

    def write(self, me):
        producer = ck.Producer({**CLIENT, "enable.idempotence": True, "acks": "all"})
        value = b"x" * SHAPE["size"]
        while not self.stopping.is_set():
            try:
                for _ in range(100):
                    producer.produce(TOPIC, value=value, partition=self.produced[me] % PARTITIONS, on_delivery=self.delivered)
                    self.produced[me] += 1
                producer.poll(0)
            except BufferError:
                producer.poll(0.01)
        producer.flush(60)

    def delivered(self, error, message):
        if error:
            self.failed += 1
            self.errors.append(str(error))
            return
        self.acked += 1
        self.slowest_ms = max(self.slowest_ms, round(message.latency() * 1000))

    def follow(self, me):
        consumer = ck.Consumer({**CLIENT, "group.id": f"full-{me}", "auto.offset.reset": "earliest"})
        consumer.subscribe([TOPIC])
        while not self.stopping.is_set():
            self.read += len(consumer.consume(1000, 0.1))
        consumer.close()

    def status(self):
        return {
            "produced": sum(self.produced),
            "acked": self.acked,
            "failed": self.failed,
            "errors": self.errors[:5],
            "read": self.read,
            "slowest_ms": self.slowest_ms,
        }

    def finish(self):
        self.stopping.set()
        for thread in [*self.writers, *self.readers]:
            thread.join()
        return self.status()


def main():
    topic = admin.NewTopic(TOPIC, PARTITIONS, 3, config=SETTINGS)
    client = admin.AdminClient(CLIENT)
    client.create_topics([topic])[TOPIC].result(20)
    load = Load()
    for line in sys.stdin:
        if line.strip() == "status":
            print(json.dumps(load.status()), flush=True)
        elif line.strip() == "finish":
            print(json.dumps(load.finish()), flush=True)
            return
    load.stopping.set()


try:
    main()
except BaseException:
    traceback.print_exc()
    os._exit(1)  # the threads of the load do not keep it
