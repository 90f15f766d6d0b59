"""The main job on real input: mainjob.py ODEON-BINARY DIRECTORY

Every text file of the machine's installed documentation goes line by line through kcat, keyed by
its file, idempotent, acks=all, compressed, into 12 partitions, while a group of three consumers
reads. The node is killed with SIGKILL twice on the way and started again on the same port and
directory. Then every line must be there exactly once, each file's lines in their order.
MAINJOB_LINES=N takes files until there are N lines.
"""
import collections
import gzip
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import confluent_kafka as ck
from confluent_kafka import admin as ca

ODEON, WORK = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
PLACES = ["/usr/share/doc", "/usr/share/common-licenses", os.path.dirname(os.__file__)]
LINES_MIN, LINES_MAX = 200_000, int(os.environ.get("MAINJOB_LINES", 20_000_000))
LINE_BYTES_MAX = 500_000
KILLS_AT = [1 / 3, 2 / 3]
TOPIC, GROUP, PARTITIONS = "documentation", "readers", 12


def lines_of(path):
    """A text file's lines, or none if it is no text."""
    try:
        opened = gzip.open(path) if path.endswith(".gz") else open(path, "rb")
        with opened as file:
            data = file.read(64 << 20)
    except (OSError, EOFError):
        return []
    if b"\0" in data:
        return []
    return [line for line in data.split(b"\n") if len(line) <= LINE_BYTES_MAX]


def documents():
    """(key, lines) of each text file, until there are lines enough."""
    total = 0
    for place in PLACES:
        for folder, folders, files in os.walk(place):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                if os.path.islink(path) or "\t" in path or "\n" in path:
                    continue
                lines = lines_of(path)
                if lines:
                    total += len(lines)
                    yield path.encode(errors="backslashreplace"), lines
                if total >= LINES_MAX:
                    return
        if total >= LINES_MIN:
            return


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    """The node, on one port and one directory."""

    def __init__(self):
        self.port, controller = free_port(), free_port()
        self.config = os.path.join(WORK, "server.properties")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(
                f"process.roles=broker,controller\nnode.id=1\n"
                f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\n"
                f"controller.listener.names=CONTROLLER\n"
                f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
                f"log.dirs={WORK}/data\nlog.segment.bytes=4194304\noffsets.topic.num.partitions=8\n"
                f"offsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n"
            )
        self.log = open(os.path.join(WORK, "node.log"), "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [ODEON, "start", "--json", "--console", "off", "--config", self.config], stdout=subprocess.PIPE, stderr=self.log, cwd=WORK
        )
        line = self.process.stdout.readline()
        assert json.loads(line)["listeners"]["PLAINTEXT"] == f"127.0.0.1:{self.port}", line

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        status = self.process.wait(30)
        assert status == 0, f"the node stopped with {status}"


def feed(kcat, messages, node):
    """Writes all lines to kcat; kills and restarts the node on the way."""
    kills = [int(len(messages) * at) for at in KILLS_AT]
    restarts = []
    for n, (key, line) in enumerate(messages):
        if n in kills:
            kcat.stdin.flush()
            assert kcat.poll() is None, "kcat has ended"
            node.kill()
            started = time.monotonic()
            node.start()
            restarts.append(time.monotonic() - started)
        kcat.stdin.write(key + b"\t" + line + b"\n")
    kcat.stdin.close()
    return restarts


def read_back(paths):
    """What the readers wrote: {(partition, offset): (key, digest)}, and how many were read twice."""
    seen, again = {}, 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    continue
                partition, offset, key, digest = line.rstrip("\n").split("\t")
                place = int(partition), int(offset)
                if place in seen:
                    again += 1
                    assert seen[place] == (key, digest), f"{place} changed"
                seen[place] = key, digest
    return seen, again


def checksum(by_key):
    """One digest over all keys and their lines' digests, in order."""
    whole = hashlib.sha256()
    for key in sorted(by_key):
        whole.update(key.encode() + b"\0" + "".join(by_key[key]).encode())
    return whole.hexdigest()


class Counter:
    """How many lines the readers have written so far."""

    def __init__(self, paths):
        self.files = [open(path, "rb") for path in paths]
        self.lines = 0

    def now(self):
        for file in self.files:
            while chunk := file.read(1 << 20):
                self.lines += chunk.count(b"\n")
        return self.lines


def wait_for(readers, paths, wanted):
    """Waits until the readers have read as many messages as there are, or no more come."""
    counter, last, since = Counter(paths), -1, time.monotonic()
    while True:
        lines = counter.now()
        if lines != last:
            last, since = lines, time.monotonic()
        still = time.monotonic() - since
        # More lines than messages may be some that were read twice: then wait for the rest.
        if lines == wanted or (lines > wanted and still > 10):
            return
        assert still < 60, f"{lines} of {wanted} messages, and no more come"
        assert all(r.poll() is None for r in readers), "a reader has ended"
        time.sleep(0.5)


def main():
    messages, wanted, files, size = [], collections.defaultdict(list), 0, 0
    for key, lines in documents():
        files += 1
        for line in lines:
            messages.append((key, line))
            size += len(line)
            wanted[key.decode()].append(hashlib.sha256(line).hexdigest()[:32])
    node = Node()
    node.start()
    bootstrap = f"127.0.0.1:{node.port}"
    admin = ca.AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([ca.NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(20)
    paths = [os.path.join(WORK, f"reader-{i}") for i in range(3)]
    command = [sys.executable, os.path.join(HERE, "reader.py"), bootstrap, TOPIC, GROUP]
    with open(os.path.join(WORK, "readers.err"), "wb") as errors, open(os.path.join(WORK, "kcat.err"), "wb") as said:
        readers = [subprocess.Popen([*command, path], stderr=errors) for path in paths]
        kcat = subprocess.Popen(
            ["kcat", "-P", "-E", "-b", bootstrap, "-t", TOPIC, "-K", "\t", "-z", "zstd"]
            + [w for x in ("enable.idempotence=true", "acks=all", "linger.ms=5", "reconnect.backoff.max.ms=500", "message.timeout.ms=300000", "partitioner=murmur2_random") for w in ("-X", x)],
            stdin=subprocess.PIPE,
            stderr=said,
        )
        started = time.monotonic()
        try:
            restarts = feed(kcat, messages, node)
            assert kcat.wait(300) == 0, f"kcat: {kcat.returncode}"
            produced = time.monotonic() - started
            wait_for(readers, paths, len(messages))
            for reader in readers:
                reader.terminate()
            for reader in readers:
                assert reader.wait(30) == 0, "a reader failed"
        finally:
            for process in [kcat, *readers]:
                if process.poll() is None:
                    process.kill()
    seen, again = read_back(paths)
    got = collections.defaultdict(list)
    for place in sorted(seen):
        got[seen[place][0]].append(seen[place][1])
    ends = collections.Counter(partition for partition, _ in seen)
    for partition, offset in seen:
        assert offset < ends[partition], f"a hole in the offsets of partition {partition}"
    assert len(seen) == len(messages), f"{len(seen)} messages for {len(messages)} lines"
    wrong = [key for key in wanted if wanted[key] != got.get(key)]
    assert not wrong, f"{len(wrong)} files differ, for instance {wrong[0]}"
    one, two = checksum(wanted), checksum(got)
    assert one == two, f"checksums differ: {one} {two}"
    spec = [ck.TopicPartition(TOPIC, i) for i in range(PARTITIONS)]
    committed = admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(GROUP, spec)])[GROUP].result(10)
    total = sum(o.offset for o in committed.topic_partitions if o.offset > 0)
    assert total == len(messages), f"committed {total} of {len(messages)}"
    node.stop()
    slowest = max(restarts)
    print(
        f"mainjob: {len(messages)} lines of {files} files ({size / 1e6:.1f} MB) into {PARTITIONS} partitions in {produced:.1f} s, "
        f"idempotent, acks=all, zstd; {len(restarts)} SIGKILLs, back within {slowest:.2f} s; 3 consumers read each line once "
        f"and in order ({again} read again after a rebalance), committed all; sha256 {one[:16]} = {two[:16]}"
    )
    print("1 passed, 0 failed")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        print(f"mainjob: FAILED: {error}")
        for name in ("node.log", "kcat.err", "readers.err"):
            try:
                with open(os.path.join(WORK, name), encoding="utf-8", errors="replace") as file:
                    print(f"--- {name}\n" + "".join(file.readlines()[-15:]))
            except OSError:
                pass
        print("0 passed, 1 failed")
        sys.exit(1)
