//! Which topic names are legal. Kafka: `org.apache.kafka.common.internals.Topic`.

use odeon_model::ErrorCode;

/// The longest legal name, in characters.
const MAX_NAME_CHARS: usize = 249;

/// The name of Kafka's metadata topic, which nobody may create.
pub(super) const METADATA_TOPIC: &str = "__cluster_metadata";

/// Checks a topic's name.
///
/// # Errors
/// [`ErrorCode::InvalidTopicException`] if a topic cannot have that name.
pub fn check_topic_name(name: &str) -> Result<(), ErrorCode> {
    match topic_name_problem(name) {
        Some(_) => Err(ErrorCode::InvalidTopicException),
        None => Ok(()),
    }
}

/// What is wrong with a topic's name, if anything.
pub fn topic_name_problem(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not a name")
    } else if name.chars().count() > MAX_NAME_CHARS {
        let start: String = name.chars().take(32).collect();
        format!("'{start}...' is longer than {MAX_NAME_CHARS} characters")
    } else if !name.chars().all(legal) {
        format!("'{name}' may hold only ASCII letters and digits, '.', '_' and '-'")
    } else {
        return None;
    };
    Some(format!("The topic name is not valid: {reason}"))
}

/// Whether two names would share their metric names: they differ only in '.' and '_'.
pub(super) fn collide(a: &str, b: &str) -> bool {
    a != b && a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| unify(a) == unify(b))
}

/// Whether a name can collide with another at all.
pub(super) fn can_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

fn unify(byte: u8) -> u8 {
    if byte == b'.' { b'_' } else { byte }
}
