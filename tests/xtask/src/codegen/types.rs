//! A schema resolved: structs with typed fields, names and defaults in Rust.

use serde_json::Value;

use super::spec::{FieldSpec, MessageSpec, Versions};
use crate::sh::Result;

/// A field's type on the wire.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Bool,
    /// A Rust number type, with the codec's method of the same name.
    Number(&'static str),
    Uuid,
    String,
    /// `bytes`, or `records` (true), which is an `Option` even where it cannot be null.
    Bytes(bool),
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    fn parse(text: &str) -> Self {
        if let Some(element) = text.strip_prefix("[]") {
            return Self::Array(Box::new(Self::parse(element)));
        }
        match text {
            "bool" => Self::Bool,
            "int8" => Self::Number("i8"),
            "int16" => Self::Number("i16"),
            "uint16" => Self::Number("u16"),
            "int32" => Self::Number("i32"),
            "uint32" => Self::Number("u32"),
            "int64" => Self::Number("i64"),
            "float64" => Self::Number("f64"),
            "uuid" => Self::Uuid,
            "string" => Self::String,
            "bytes" => Self::Bytes(false),
            "records" => Self::Bytes(true),
            name => Self::Struct(name.replace("KRaft", "Kraft")),
        }
    }

    /// The Rust type, not null.
    pub(super) fn rust(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Number(name) => (*name).into(),
            Self::Uuid => "Uuid".into(),
            Self::String => "String".into(),
            Self::Bytes(_) => "Bytes".into(),
            Self::Struct(name) => name.clone(),
            Self::Array(element) => format!("Vec<{}>", element.rust()),
        }
    }
}

/// A field's value unless set.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum DefaultValue {
    /// The type's own: 0, false, empty.
    Natural,
    Null,
    /// A Rust literal.
    Literal(String),
}

/// A field, resolved against its struct's versions.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kafka_name: String,
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) kafka_type: String,
    pub(super) versions: Versions,
    pub(super) versions_text: String,
    pub(super) nullable: Versions,
    pub(super) tag: Option<u32>,
    pub(super) default: DefaultValue,
    pub(super) ignorable: bool,
    /// The encoding stays classic in flexible versions.
    pub(super) classic: bool,
}

impl Field {
    pub(super) fn is_option(&self) -> bool {
        !self.nullable.is_empty() || self.kind == Type::Bytes(true)
    }

    /// The Rust type.
    pub(super) fn rust(&self) -> String {
        let inner = self.kind.rust();
        if self.is_option() {
            format!("Option<{inner}>")
        } else {
            inner
        }
    }
}

/// A struct of a message.
#[derive(Debug)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) versions: Versions,
    pub(super) fields: Vec<Field>,
}

/// A message: its structs, the message's own first.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) versions: Versions,
    pub(super) flexible: Versions,
    pub(super) structs: Vec<Struct>,
}

impl Message {
    pub(super) fn resolve(spec: &MessageSpec) -> Result<Self> {
        let versions = Versions::parse(&spec.valid_versions)?;
        let flexible = Versions::parse_or_none(&spec.flexible_versions)?.and(versions);
        let name = spec.name.replace("KRaft", "Kraft");
        let mut message = Self {
            name: name.clone(),
            versions,
            flexible,
            structs: Vec::new(),
        };
        message.add(name, versions, &spec.fields)?;
        for common in &spec.common_structs {
            let versions = Versions::parse(&common.versions)?.and(versions);
            message.add(common.name.clone(), versions, &common.fields)?;
        }
        Ok(message)
    }

    fn add(&mut self, name: String, versions: Versions, specs: &[FieldSpec]) -> Result<()> {
        let index = self.structs.len();
        self.structs.push(Struct {
            name,
            versions,
            fields: Vec::new(),
        });
        for spec in specs {
            let field = resolve_field(spec, versions)?;
            if field.versions.is_empty() {
                continue;
            }
            if !spec.fields.is_empty() {
                let name = Type::parse(spec.kind.trim_start_matches("[]")).rust();
                self.add(name, field.versions, &spec.fields)?;
            }
            self.structs[index].fields.push(field);
        }
        Ok(())
    }
}

fn resolve_field(spec: &FieldSpec, within: Versions) -> Result<Field> {
    let tagged = Versions::parse_or_none(&spec.tagged_versions)?;
    let versions_text = match (&spec.versions, &spec.tagged_versions) {
        (Some(text), _) | (None, Some(text)) => text.clone(),
        (None, None) => return Err(format!("`{}` has no versions", spec.name).into()),
    };
    let versions = Versions::parse(&versions_text)?.and(within);
    let kind = Type::parse(&spec.kind);
    if !tagged.is_empty() && !tagged.covers(versions) {
        return Err(format!("`{}` is tagged in some of its versions only", spec.name).into());
    }
    let nullable = Versions::parse_or_none(&spec.nullable_versions)?.and(versions);
    Ok(Field {
        name: snake(&spec.name),
        kafka_name: spec.name.clone(),
        kafka_type: spec.kind.clone(),
        versions,
        versions_text,
        nullable,
        tag: spec.tag.filter(|_| !tagged.is_empty()),
        default: default_value(spec, &kind)?,
        ignorable: spec.ignorable,
        classic: spec.flexible_versions.as_deref() == Some("none"),
        kind,
    })
}

fn default_value(spec: &FieldSpec, kind: &Type) -> Result<DefaultValue> {
    let text = match &spec.default {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Ok(match (kind, text.as_str()) {
        (Type::Bytes(true), "") if spec.nullable_versions.is_some() => DefaultValue::Null,
        (_, "null") => DefaultValue::Null,
        (_, "") | (Type::Bool, "false") | (Type::Number(_), "0") => DefaultValue::Natural,
        (Type::Bool, "true") => DefaultValue::Literal(text),
        (Type::Number(_), number) => {
            let value = match number.strip_prefix("0x") {
                Some(digits) => i64::from_str_radix(digits, 16)?,
                None => number.parse()?,
            };
            DefaultValue::Literal(value.to_string())
        }
        (Type::String, text) => DefaultValue::Literal(format!("{text:?}")),
        (_, text) => return Err(format!("`{}` has default {text}", spec.name).into()),
    })
}

/// `TopicId` as `topic_id`, escaped if Rust has such a word.
fn snake(name: &str) -> String {
    let snake = module_name(name);
    match snake.as_str() {
        "type" | "match" | "async" | "await" | "move" | "ref" | "where" | "use" => {
            format!("r#{snake}")
        }
        _ => snake,
    }
}

/// `FetchRequest` as `fetch_request`.
pub(super) fn module_name(name: &str) -> String {
    let name: Vec<char> = name.replace("KRaft", "Kraft").chars().collect();
    let mut snake = String::new();
    for (index, character) in name.iter().enumerate() {
        let after_small = index > 0 && !name[index - 1].is_uppercase();
        let before_small = name.get(index + 1).is_some_and(|next| next.is_lowercase());
        if character.is_uppercase() && index > 0 && (after_small || before_small) {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}
