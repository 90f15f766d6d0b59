"""What the Python suites share: tests by name, each with a time limit, one result line each."""
import signal
import sys
import time
import traceback
import zlib

TESTS = []


class TimeOver(Exception):
    """A test took longer than its limit."""


def test(name, seconds=60):
    """Registers a test under the name that it is reported by."""

    def register(function):
        TESTS.append((name, seconds, function))
        return function

    return register


def _alarm(*_):
    raise TimeOver


def run():
    """Runs all tests and prints a line for each."""
    signal.signal(signal.SIGALRM, _alarm)
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    for name, seconds, function in TESTS:
        if wanted not in name:
            continue
        signal.alarm(seconds)
        try:
            function()
            signal.alarm(0)
            print(f"ok {name}", flush=True)
        except BaseException as error:  # a suite goes on after any failure
            signal.alarm(0)
            where = [f for f in traceback.extract_tb(error.__traceback__)][-1]
            own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == sys.argv[0]]
            at = own[-1].lineno if own else where.lineno
            why = f"{type(error).__name__}: {error} (line {at})".replace("\n", " ").replace("\t", " ")
            print(f"FAIL {name}\t{why[:600]}", flush=True)


def equal(got, want, what=""):
    """Asserts that two values are the same, and shows them."""
    assert got == want, f"{what} got {str(got)[:200]}, want {str(want)[:200]}"


def until(condition, seconds=20, pause=0.1):
    """Waits for a condition; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(pause)


def text(size):
    """Some bytes that compress, but not to nothing."""
    out = bytearray()
    n = 0
    while len(out) < size:
        n += 1
        out += b"%d the quick brown fox %08x " % (n, zlib.crc32(b"%d" % n))
    return bytes(out[:size])
