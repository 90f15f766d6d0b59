//! The schemas as a small table, from which tests make bytes.

use std::fmt::Write as _;

use super::types::{DefaultValue, Message};

/// Adds a message: an `M` line, then for each struct an `S` line and its fields' `F` lines.
pub(super) fn add(out: &mut String, message: &Message, category: &str, api_key: Option<i16>) {
    let flexible = if message.flexible.is_empty() {
        -1
    } else {
        message.flexible.first
    };
    let (first, last) = (message.versions.first, message.versions.last);
    let key = api_key.unwrap_or(-1);
    let _ = writeln!(
        out,
        "M {} {category} {key} {first} {last} {flexible}",
        message.name
    );
    for part in &message.structs {
        let _ = writeln!(out, "S {}", part.name);
        for field in &part.fields {
            let kind = field.kafka_type.replace("KRaft", "Kraft");
            let versions = field.versions;
            let (null_first, null_last) = match field.nullable.is_empty() {
                true => (-1, -1),
                false => (field.nullable.first, field.nullable.last),
            };
            let tag = field.tag.map_or(-1, i64::from);
            let default = match &field.default {
                DefaultValue::Natural => "-",
                DefaultValue::Null => "null",
                DefaultValue::Literal(value) => value,
            };
            let classic = if field.classic { " classic" } else { "" };
            let (first, last) = (versions.first, versions.last);
            let name = field.name.trim_start_matches("r#");
            let _ = writeln!(
                out,
                "F {name} {kind} {first} {last} {null_first} {null_last} {tag} {default}{classic}"
            );
        }
    }
}
