//! Which file each message goes to, and the files that join them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::emit::{self, HEAD};
use super::spec::MessageSpec;
use super::types::{Message, module_name};
use super::{api, table};
use crate::sh::Result;

/// The folders that hold nothing but generated files.
pub(super) const FOLDERS: [&str; 2] = [
    "client/schema/src/generated",
    "client/protocol/src/messages",
];

const RECORDS: &str = "client/schema/src/generated";
const MESSAGES: &str = "client/protocol/src/messages";
const API_KEY: &str = "client/protocol/src/api_key.rs";
const TABLE: &str = "client/schema/tests/wire/schemas.txt";
const RECORD_LIST: &str = "client/schema/tests/wire/records.rs";

/// The record modules and what they are about.
const GROUPS: [(&str, &str); 9] = [
    (
        "consumer_protocol",
        "What consumers of the classic protocol tell each other through a group.",
    ),
    (
        "group",
        "The group coordinator's records in `__consumer_offsets`.",
    ),
    (
        "log",
        "Control records, and the files beside a log's segments.",
    ),
    ("metadata", "The records of the metadata log."),
    ("principal", "A principal, as forwarded requests carry it."),
    ("raft", "The quorum's control records and state."),
    ("remote", "The records of the remote log's metadata topic."),
    (
        "share",
        "The share coordinator's records in `__share_group_state`.",
    ),
    (
        "transaction",
        "The transaction coordinator's records in `__transaction_state`.",
    ),
];

fn group_of(spec: &MessageSpec) -> Option<&'static str> {
    Some(match spec.name.as_str() {
        "ConsumerProtocolAssignment" | "ConsumerProtocolSubscription" => "consumer_protocol",
        "AbortedTxn" | "ControlRecordTypeSchema" | "EndTxnMarker" | "ProducerSnapshot" => "log",
        "KRaftVersionRecord" | "LeaderChangeMessage" | "QuorumStateData" => "raft",
        "SnapshotFooterRecord" | "SnapshotHeaderRecord" | "VotersRecord" => "raft",
        "DefaultPrincipalData" => "principal",
        name if name.starts_with("Remote") => "remote",
        _ if spec.source.contains("kafka-group-coordinator") => "group",
        _ if spec.source.contains("kafka-share-coordinator") => "share",
        _ if spec.source.contains("kafka-transaction-coordinator") => "transaction",
        _ if spec.source.contains("kafka-metadata") => "metadata",
        _ => return None,
    })
}

/// Generates every file.
pub(super) fn generate(specs: &[MessageSpec], files: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let mut groups: BTreeMap<&str, Vec<(&MessageSpec, Message)>> = BTreeMap::new();
    let mut messages = Vec::new();
    let mut rows = String::new();
    for spec in specs {
        let message = Message::resolve(spec)?;
        match (spec.kind.as_str(), group_of(spec)) {
            ("request" | "response" | "header", _) => messages.push((spec, message)),
            (_, Some(group)) => groups.entry(group).or_default().push((spec, message)),
            _ => return Err(format!("`{}` belongs nowhere", spec.name).into()),
        }
    }
    for (_, group) in groups.iter_mut() {
        group.sort_by_key(|(spec, _)| spec.name.clone());
    }
    messages.sort_by_key(|(spec, _)| spec.name.clone());

    let mut root = format!("{HEAD}\n//! What Kafka keeps in its own logs and files.\n");
    let mut list = format!("{HEAD}\n//! Every record, for tests to walk over.\n\n");
    list.push_str("macro_rules! for_each_record {\n($callback:ident) => {\n$callback! {\n");
    root.push_str("#![allow(clippy::field_reassign_with_default, clippy::large_enum_variant)]\n\n");
    for (name, about) in GROUPS {
        let group = groups
            .remove(name)
            .ok_or_else(|| format!("no schema of group {name}"))?;
        let _ = writeln!(root, "/// {about}\npub mod {name};");
        for (spec, message) in &group {
            table::add(&mut rows, message, name, spec.api_key);
            let _ = writeln!(list, "({name}, {}),", message.name);
            let path = format!("{RECORDS}/{name}/{}.rs", module_name(&message.name));
            files.insert(path.into(), emit::message_file(message, "crate"));
        }
        files.insert(
            format!("{RECORDS}/{name}.rs").into(),
            group_file(name, about, &group),
        );
    }
    files.insert(format!("{RECORDS}.rs").into(), root);
    for (spec, message) in &messages {
        table::add(&mut rows, message, &spec.kind, spec.api_key);
        let path = format!("{MESSAGES}/{}.rs", module_name(&message.name));
        files.insert(path.into(), emit::message_file(message, "odeon_schema"));
    }
    files.insert(format!("{MESSAGES}.rs").into(), messages_file(&messages));
    list.push_str("}\n};\n}\npub(crate) use for_each_record;\n");
    files.insert(RECORD_LIST.into(), list);
    files.insert(TABLE.into(), rows);
    let mut requests: Vec<_> = specs.iter().filter(|spec| spec.kind == "request").collect();
    requests.sort_by_key(|spec| spec.api_key);
    files.insert(API_KEY.into(), api::file(&requests)?);
    Ok(())
}

fn messages_file(messages: &[(&MessageSpec, Message)]) -> String {
    let mut out = format!("{HEAD}\n//! Every request and response: a module each.\n");
    out.push_str("#![allow(clippy::field_reassign_with_default, clippy::large_enum_variant)]\n\n");
    for (_, message) in messages {
        let _ = writeln!(out, "pub mod {};", module_name(&message.name));
    }
    out.push('\n');
    for (_, message) in messages {
        let _ = writeln!(
            out,
            "pub use {}::{};",
            module_name(&message.name),
            message.name
        );
    }
    out
}

/// A group of records: the modules, every struct whose name is the group's only one of it, and the
/// records' own types.
fn group_file(name: &str, about: &str, group: &[(&MessageSpec, Message)]) -> String {
    let mut out = format!("{HEAD}\n//! {about}\n\n");
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for part in group.iter().flat_map(|(_, message)| &message.structs) {
        *uses.entry(&part.name).or_default() += 1;
    }
    for (_, message) in group {
        let _ = writeln!(out, "pub mod {};", module_name(&message.name));
    }
    out.push('\n');
    for (_, message) in group {
        let names: Vec<_> = message
            .structs
            .iter()
            .map(|part| part.name.as_str())
            .collect();
        let mut names: Vec<_> = names.into_iter().filter(|name| uses[name] == 1).collect();
        names.sort_unstable();
        let module = module_name(&message.name);
        let _ = writeln!(out, "pub use {module}::{{{}}};", names.join(", "));
    }
    out.push('\n');
    for (spec, message) in group {
        if let Some(key) = spec.api_key {
            let _ = writeln!(
                out,
                "impl crate::Record for {} {{\nconst API_KEY: i16 = {key};\n}}\n",
                message.name
            );
        }
    }
    if name == "metadata" {
        out.push_str("/// Calls a macro with every metadata record: `callback! { (2, ");
        out.push_str("TopicRecord), .. }`, by API key.\n///\n/// The structs are named bare: ");
        out.push_str("import `odeon_schema::metadata::*` where the callback uses them.\n");
        out.push_str("#[macro_export]\nmacro_rules! for_each_metadata_record {\n");
        out.push_str("($callback:ident) => {\n$callback! {\n");
        let mut sorted: Vec<_> = group.iter().collect();
        sorted.sort_by_key(|(spec, _)| spec.api_key);
        for (spec, message) in sorted {
            let _ = writeln!(out, "({}, {}),", spec.api_key.unwrap_or(-1), message.name);
        }
        out.push_str("}\n};\n}\n");
    }
    out
}
