//! `ApiKey`, and which structs are each API's.

use std::fmt::Write as _;

use super::emit::HEAD;
use super::spec::{MessageSpec, Versions};
use crate::sh::Result;

/// `api_key.rs`, from the requests in order of key.
pub(super) fn file(requests: &[&MessageSpec]) -> Result<String> {
    let mut out = format!("{HEAD}\n//! Kafka's APIs, their versions and their headers.\n\n");
    out.push_str("use std::fmt;\nuse std::ops::RangeInclusive;\n\nuse crate::messages;\n\n");
    out.push_str("use crate::Request;\n\n");
    emit_enum(&mut out, requests);
    out.push_str("struct Row {\nkey: ApiKey,\nname: &'static str,\nfirst: i16,\nlast: i16,\n");
    out.push_str("flexible_from: i16,\nunstable: bool,\nbroker: bool,\ncontroller: bool,\n}\n\n");
    let _ = writeln!(out, "const ROWS: [Row; {}] = [", requests.len());
    for spec in requests {
        let versions = Versions::parse(&spec.valid_versions)?;
        let flexible = Versions::parse_or_none(&spec.flexible_versions)?;
        let name = api_name(spec);
        let _ = writeln!(
            out,
            "Row {{ key: ApiKey::{name}, name: \"{name}\", first: {}, last: {}, \
             flexible_from: {}, unstable: {}, broker: {}, controller: {} }},",
            versions.first,
            versions.last,
            flexible.first,
            spec.latest_version_unstable,
            spec.listeners.iter().any(|listener| listener == "broker"),
            spec.listeners
                .iter()
                .any(|listener| listener == "controller"),
        );
    }
    out.push_str("];\n\n");
    out.push_str(METHODS);
    for spec in requests {
        let name = api_name(spec);
        let _ = writeln!(
            out,
            "impl Request for messages::{name}Request {{\nconst KEY: ApiKey = ApiKey::{name};\n\
             type Response = messages::{name}Response;\n}}\n"
        );
    }
    emit_macro(&mut out, requests);
    Ok(out)
}

/// The API's name: the request's, without that word.
pub(super) fn api_name(spec: &MessageSpec) -> &str {
    spec.name.strip_suffix("Request").unwrap_or(&spec.name)
}

fn emit_enum(out: &mut String, requests: &[&MessageSpec]) {
    out.push_str("/// An API of Kafka 4, by its key on the wire.\n");
    out.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n");
    out.push_str("#[repr(i16)]\npub enum ApiKey {\n");
    for spec in requests {
        let (name, key) = (api_name(spec), spec.api_key.unwrap_or(-1));
        let _ = writeln!(
            out,
            "/// Key {key}, versions {}.\n{name} = {key},",
            spec.valid_versions
        );
    }
    out.push_str("}\n\n");
}

const METHODS: &str = r#"
impl ApiKey {
    /// Every API, in order of key.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        ROWS.iter().map(|row| row.key)
    }

    /// The API of this key, if Kafka 4 has it.
    pub fn from_code(code: i16) -> Option<Self> {
        let index = ROWS.binary_search_by_key(&code, |row| row.key.code()).ok()?;
        Some(ROWS[index].key)
    }

    /// The key on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    fn row(self) -> &'static Row {
        let index = ROWS.partition_point(|row| row.key < self);
        &ROWS[index]
    }

    /// Kafka's name, as in its metrics: `Produce`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Every version that Kafka 4 has, unstable ones included.
    pub fn valid_versions(self) -> RangeInclusive<i16> {
        self.row().first..=self.row().last
    }

    /// The versions that a server offers unless told to offer unstable ones.
    pub fn stable_versions(self) -> RangeInclusive<i16> {
        self.row().first..=self.row().last - i16::from(self.row().unstable)
    }

    /// Whether the last version may still change.
    pub fn latest_version_unstable(self) -> bool {
        self.row().unstable
    }

    /// Whether a broker serves this API to clients or other brokers.
    pub fn is_broker_api(self) -> bool {
        self.row().broker
    }

    /// Whether a controller serves this API.
    pub fn is_controller_api(self) -> bool {
        self.row().controller
    }

    /// The first version with compact lengths and tagged fields; `i16::MAX` if none has them.
    pub fn flexible_from(self) -> i16 {
        self.row().flexible_from
    }

    /// The version of the header before this API's request: 2 if flexible, 1 if not.
    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.flexible_from() { 2 } else { 1 }
    }

    /// The version of the header before this API's response: 1 if flexible, 0 if not. That of
    /// `ApiVersions` is always 0, as a client reads it before it knows what the server speaks.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && version >= self.flexible_from())
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

"#;

fn emit_macro(out: &mut String, requests: &[&MessageSpec]) {
    out.push_str(
        "/// Calls a macro with every API: `callback! { (Produce, ProduceRequest, \
         ProduceResponse), .. }`.\n///\n/// The structs are named bare: import \
         `odeon_protocol::messages::*` where the callback uses them.\n",
    );
    out.push_str("#[macro_export]\nmacro_rules! for_each_api {\n($callback:ident) => {\n");
    out.push_str("$callback! {\n");
    for spec in requests {
        let name = api_name(spec);
        let _ = writeln!(out, "({name}, {name}Request, {name}Response),");
    }
    out.push_str("}\n};\n}\n");
}
