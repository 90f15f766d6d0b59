"""One member of the group: reader.py HOST:PORT TOPIC GROUP FILE

Writes a line a message: partition, offset, key, digest of the value. Ends, committed, on SIGTERM.
"""
import hashlib
import signal
import sys

import confluent_kafka as ck

bootstrap, topic, group, path = sys.argv[1:]
going = True


def stop(*_):
    global going
    going = False


signal.signal(signal.SIGTERM, stop)
consumer = ck.Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": 500,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
        "reconnect.backoff.max.ms": 500,
        "check.crcs": True,
    }
)
consumer.subscribe([topic])
with open(path, "w", encoding="utf-8", buffering=1 << 16) as out:
    while going:
        for message in consumer.consume(2000, 0.5):
            if message.error():
                print(message.error(), file=sys.stderr)
                continue
            digest = hashlib.sha256(message.value() or b"").hexdigest()[:32]
            key = message.key().decode("utf-8", "backslashreplace")
            out.write(f"{message.partition()}\t{message.offset()}\t{key}\t{digest}\n")
        out.flush()
consumer.close()
