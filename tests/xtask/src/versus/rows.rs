//! What is measured, and what is demanded of it.

use super::gate::{Limit, Metric};

/// Something measured on both clusters.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Of each cluster; every partition has a replica on each.
    pub(crate) nodes: usize,
    /// When `acks=all` is answered.
    pub(crate) kafka: Durability,
    pub(crate) odeon: Durability,
    pub(crate) load: Load,
    /// In the order of `Load::lines`: none, if they are only shown.
    pub(crate) limits: &'static [&'static [Limit]],
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The batch is in the page cache of every in-sync replica.
    PageCache,
    /// It is on disk: Odeon's default, Kafka's `flush.messages=1`.
    Disk,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// As fast as it goes.
    Produce(Produce),
    /// The same, then all of it read by one consumer.
    ProduceConsume(Produce),
    /// At half the rate that Kafka reached in the row with the same producers.
    AtHalf(Produce),
    /// 1,000 records of 100 bytes a second through one partition, from producer to consumer.
    Latency,
}

/// How producers produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Produce {
    pub(crate) clients: u32,
    pub(crate) partitions: u32,
    pub(crate) size_bytes: u32,
    pub(crate) batches: Batches,
    pub(crate) acks: &'static str,
    pub(crate) compression: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batches {
    /// librdkafka's defaults: up to 1 MB.
    Large,
    /// `linger.ms=5 batch.size=65536`.
    Small,
}

impl Load {
    /// Its producers, if it is about them.
    pub(crate) fn produce(&self) -> Option<Produce> {
        match self {
            Self::Produce(produce) | Self::ProduceConsume(produce) | Self::AtHalf(produce) => {
                Some(*produce)
            }
            Self::Latency => None,
        }
    }

    /// The same as fast as it goes.
    pub(crate) fn without_rate(self) -> Self {
        match self {
            Self::AtHalf(produce) => Self::Produce(produce),
            load => load,
        }
    }

    /// What it is called in the table, and whether its rate says something.
    pub(crate) fn lines(&self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Produce(_) => &[("produce", true)],
            Self::ProduceConsume(_) => &[("produce", true), ("consume", true)],
            Self::AtHalf(_) => &[("produce", false)],
            Self::Latency => &[("end to end", false)],
        }
    }
}

impl Row {
    pub(crate) fn is_judged(&self) -> bool {
        !self.limits.is_empty()
    }
}

const ONE: Produce = Produce {
    clients: 1,
    partitions: 1,
    size_bytes: 100,
    batches: Batches::Large,
    acks: "all",
    compression: "none",
};
const KIB: Produce = Produce {
    size_bytes: 1024,
    ..ONE
};
const SMALL: Produce = Produce {
    batches: Batches::Small,
    ..ONE
};
const SMALL_KIB: Produce = Produce {
    size_bytes: 1024,
    ..SMALL
};
const WIDE: Produce = Produce {
    partitions: 12,
    ..SMALL
};
const WIDE_KIB: Produce = Produce {
    partitions: 12,
    ..SMALL_KIB
};

/// Kafka's habit on both sides.
const fn row(name: &'static str, load: Load, limits: &'static [&'static [Limit]]) -> Row {
    Row {
        name,
        nodes: 1,
        kafka: Durability::PageCache,
        odeon: Durability::PageCache,
        load,
        limits,
    }
}

/// Odeon syncs; `kafka` says whether Kafka does.
const fn durable(row: Row, kafka: Durability) -> Row {
    Row {
        kafka,
        odeon: Durability::Disk,
        ..row
    }
}

const fn replicated(row: Row) -> Row {
    Row { nodes: 3, ..row }
}

const NOT_BELOW: Limit = Limit::NotBelow;
const HALF_CPU: Limit = Limit::AtMost(Metric::Cpu, 0.5);
const SMALL_CPU: Limit = Limit::AtMost(Metric::Cpu, 0.4);
const READ_CPU: Limit = Limit::AtMost(Metric::Cpu, 0.75);
/// With one client and large batches.
const LARGE: &[Limit] = &[NOT_BELOW, SMALL_CPU];
const PRODUCED: &[Limit] = &[NOT_BELOW, HALF_CPU];
const READ: &[Limit] = &[NOT_BELOW, READ_CPU];
/// Reported, not judged.
const SHOWN: &[Limit] = &[];

use Durability::{Disk, PageCache};
use Load::{AtHalf, Latency, Produce as Write, ProduceConsume as WriteRead};
use Metric::{P50, P99, Rate};

pub(crate) const ROWS: &[Row] = &[
    row("100 B", WriteRead(ONE), &[LARGE, SHOWN]),
    row("1 KiB", WriteRead(KIB), &[LARGE, READ]),
    row("100 B, 64K", Write(SMALL), &[PRODUCED]),
    row(
        "1 KiB, 64K",
        Write(SMALL_KIB),
        &[&[Limit::AtLeast(Rate, 2.0), HALF_CPU]],
    ),
    row(
        "100 B, 64K, 12 partitions",
        WriteRead(WIDE),
        &[PRODUCED, SHOWN],
    ),
    row(
        "1 KiB, 64K, 12 partitions",
        WriteRead(WIDE_KIB),
        &[PRODUCED, READ],
    ),
    row(
        "1 KiB, 4 clients",
        Write(Produce { clients: 4, ..KIB }),
        &[&[
            Limit::AtLeast(Rate, 1.05),
            Limit::AtMost(P50, 1.0),
            HALF_CPU,
        ]],
    ),
    row(
        "1 KiB, 64K, 12 partitions, 16 clients",
        Write(Produce {
            clients: 16,
            ..WIDE_KIB
        }),
        &[PRODUCED],
    ),
    row(
        "1 KiB, 64K, lz4",
        Write(Produce {
            compression: "lz4",
            ..SMALL_KIB
        }),
        &[PRODUCED],
    ),
    row(
        "latency at 1,000/s",
        Latency,
        &[&[Limit::AtMost(P50, 0.6), Limit::AtMost(P99, 0.25)]],
    ),
    durable(
        row(
            "1 KiB, on disk, Kafka's not",
            Write(KIB),
            &[&[Limit::AtLeast(Rate, 0.9)]],
        ),
        PageCache,
    ),
    durable(
        row(
            "100 B, 64K, 12 partitions, on disk",
            Write(WIDE),
            &[&[Limit::AtLeast(Rate, 2.0), Limit::AtMost(P99, 0.333)]],
        ),
        Disk,
    ),
    durable(
        row(
            "1 KiB, 64K, 12 partitions, on disk",
            Write(WIDE_KIB),
            &[&[Limit::AtLeast(Rate, 2.0), Limit::AtMost(P99, 0.333)]],
        ),
        Disk,
    ),
    // Only shown: the rest of the matrix.
    row("100 B, acks=1", Write(Produce { acks: "1", ..ONE }), &[]),
    row("1 KiB, acks=1", Write(Produce { acks: "1", ..KIB }), &[]),
    row(
        "100 B, 64K, lz4",
        Write(Produce {
            compression: "lz4",
            ..SMALL
        }),
        &[],
    ),
    row(
        "100 B, 4 clients",
        Write(Produce { clients: 4, ..ONE }),
        &[],
    ),
    row(
        "1 KiB, 16 clients",
        Write(Produce { clients: 16, ..KIB }),
        &[],
    ),
    row(
        "1 KiB, 64K, 12 partitions, 4 clients",
        Write(Produce {
            clients: 4,
            ..WIDE_KIB
        }),
        &[],
    ),
    durable(row("latency at 1,000/s, on disk", Latency, &[]), Disk),
    // Three nodes.
    replicated(row(
        "3 nodes, 100 B, 64K, 12 partitions",
        WriteRead(WIDE),
        &[&[Limit::AtLeast(Rate, 1.5), HALF_CPU], SHOWN],
    )),
    replicated(row(
        "3 nodes, 1 KiB, 64K, 12 partitions",
        Write(WIDE_KIB),
        &[&[Limit::AtLeast(Rate, 1.5), HALF_CPU]],
    )),
    replicated(row(
        "3 nodes, 1 KiB, 64K, 12 partitions, at half of Kafka's rate",
        AtHalf(WIDE_KIB),
        &[&[Limit::AtMost(P99, 0.333)]],
    )),
    replicated(durable(
        row(
            "3 nodes, 100 B, 64K, 12 partitions, on disk, Kafka's not",
            Write(WIDE),
            &[&[NOT_BELOW]],
        ),
        PageCache,
    )),
    replicated(durable(
        row(
            "3 nodes, 1 KiB, 64K, 12 partitions, on disk, Kafka's not",
            Write(WIDE_KIB),
            &[&[NOT_BELOW]],
        ),
        PageCache,
    )),
    replicated(row("3 nodes, latency at 1,000/s", Latency, &[])),
    replicated(durable(
        row(
            "3 nodes, latency at 1,000/s, on disk, Kafka's not",
            Latency,
            &[],
        ),
        PageCache,
    )),
];
