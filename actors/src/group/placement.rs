//! Which partition of `__consumer_offsets` a group lives in.

use odeon_model::PartitionId;

/// The partition whose leader coordinates `group_id`, for a topic of `partition_count` partitions.
///
/// Java's `String.hashCode` without its sign, modulo the count, as in Kafka's
/// `GroupCoordinatorService.partitionFor`; the smallest hash, which has no positive twin, counts
/// as 0. A count of 0 or less gives 0.
pub fn coordinator_for(group_id: &str, partition_count: i32) -> PartitionId {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    let positive = hash.checked_abs().unwrap_or(0);
    if partition_count <= 0 {
        0
    } else {
        positive % partition_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lives_where_java_puts_it() {
        // The third column comes from Java: abs(name.hashCode()) % 50.
        let table = [
            ("", 50, 0),
            ("a", 50, 47),
            ("test", 50, 48),
            ("my-group", 50, 12),
            ("console-consumer-12345", 50, 6),
            ("größe", 50, 7),
            ("群組", 50, 24),
            ("🦀", 50, 2),
            // hashCode is i32::MIN here.
            ("polygenelubricants", 50, 0),
            ("polygenelubricants", 7, 0),
        ];
        for (group, count, wanted) in table {
            assert_eq!(coordinator_for(group, count), wanted, "{group}");
        }
        assert_eq!(coordinator_for("any", 0), 0);
        assert_eq!(coordinator_for("any", 1), 0);
    }
}
