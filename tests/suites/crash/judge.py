"""What was acknowledged against what was read."""
import array
import collections

STRIDE = 10**10  # record numbers of one writer


class Column:
    """Record numbers by offset; -1 where nothing is known."""

    def __init__(self, values=()):
        self.values = array.array("q", values)

    def start(self):
        """The first offset that is known."""
        return next((at for at, number in enumerate(self.values) if number != -1), len(self.values))

    def put(self, offset, number):
        """Returns what was there, if it was something else."""
        missing = offset + 1 - len(self.values)
        if missing > 0:
            self.values.extend([-1] * missing)
        before = self.values[offset]
        self.values[offset] = number
        return before if before not in (-1, number) else None


def brief(faults):
    """The first few of each kind in each partition."""
    shown = collections.defaultdict(list)
    for fault in faults:
        words = fault.split()
        shown[words[0].split("/")[0], words[-1]].append(fault)
    return [fault for few in shown.values() for fault in few[:3]][:60]


def judge(partition, acked, seen, retired, exact, faults):
    """Compares what was acknowledged with what was read; `exact` are the writers that promise order,
    and each record once."""
    gone = set()
    for low, high in retired:
        gone.update(range(low, high))
    seen, acked = seen.values, acked.values
    met, last = set(), {}
    for offset, number in enumerate(seen):
        if number == -1:
            if offset not in gone:
                faults.append(f"{partition}/{offset}: a hole")
            continue
        writer = number // STRIDE
        if writer not in exact:
            continue
        if number in met:
            faults.append(f"{partition}/{offset}: record {number} is there twice")
        met.add(number)
        if number < last.get(writer, -1):
            faults.append(f"{partition}/{offset}: record {number} after {last[writer]}")
        last[writer] = number
    for offset, number in enumerate(acked):
        if number == -1 or offset in gone:
            continue
        if offset >= len(seen) or seen[offset] != number:
            found = seen[offset] if offset < len(seen) else "the end"
            faults.append(f"{partition}/{offset}: record {number} was acknowledged, {found} is there")
