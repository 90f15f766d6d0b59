//! A field's parts of the generated code.

use super::spec::Versions;
use super::types::{DefaultValue, Field, Type};

/// The default, where it is not Rust's own for the type.
pub(super) fn default_expression(field: &Field) -> Option<String> {
    match (&field.default, field.is_option()) {
        (DefaultValue::Natural, false) | (DefaultValue::Null, true) => None,
        (DefaultValue::Natural, true) => Some("Some(Default::default())".into()),
        (DefaultValue::Null, false) => Some("Default::default()".into()),
        (DefaultValue::Literal(value), option) => {
            let value = match field.kind {
                Type::String => format!("{value}.into()"),
                _ => value.clone(),
            };
            Some(if option {
                format!("Some({value})")
            } else {
                value
            })
        }
    }
}

/// The condition under which a version is one of `versions`; none if all of `within` are.
pub(super) fn condition(versions: Versions, within: Versions) -> Option<String> {
    if versions.covers(within) {
        return None;
    }
    if versions.is_empty() {
        return Some("false".into());
    }
    let from = versions.first > within.first;
    let to = versions.last < within.last;
    Some(if versions.first == versions.last {
        format!("v == {}", versions.first)
    } else if from && to {
        format!("({}..={}).contains(&v)", versions.first, versions.last)
    } else if from {
        format!("v >= {}", versions.first)
    } else {
        format!("v <= {}", versions.last)
    })
}

pub(super) fn read_expression(field: &Field) -> String {
    let option = field.is_option();
    let read = match &field.kind {
        Type::Bool => "d.bool()?".into(),
        Type::Number(name) => format!("d.{name}()?"),
        Type::Uuid => "d.uuid()?".into(),
        Type::String if field.classic => "d.classic_nullable_string()?".into(),
        Type::String if option => "d.nullable_string()?".into(),
        Type::String => "d.string()?".into(),
        Type::Bytes(_) if option => "d.nullable_bytes()?".into(),
        Type::Bytes(_) => "d.bytes()?".into(),
        Type::Struct(_) if option && field.tag.is_some() => "d.nullable_tagged_struct(v)?".into(),
        Type::Struct(_) if option => "d.nullable_struct(v)?".into(),
        Type::Struct(name) => format!("{name}::read(d, v)?"),
        Type::Array(_) if option => "d.nullable_array(v)?".into(),
        Type::Array(_) => "d.array(v)?".into(),
    };
    match condition(field.nullable, field.versions) {
        Some(allowed) if option => format!("decode_nullable({allowed}, {read})?"),
        _ => read,
    }
}

/// An expression that writes the field, and whether it can fail.
pub(super) fn write_expression(field: &Field) -> (String, bool) {
    let option = field.is_option();
    let name = &field.name;
    let value = match condition(field.nullable, field.versions) {
        Some(allowed) if option => format!("encode_nullable({allowed}, &self.{name}, \"{name}\")?"),
        _ => format!("&self.{name}"),
    };
    let write = match &field.kind {
        Type::Bool => return (format!("e.bool(self.{name})"), false),
        Type::Number(number) => return (format!("e.{number}(self.{name})"), false),
        Type::Uuid => return (format!("e.uuid(self.{name})"), false),
        Type::String if field.classic => format!("e.classic_nullable_string({value})"),
        Type::String if option => format!("e.nullable_string({value})"),
        Type::String => format!("e.string({value})"),
        Type::Bytes(_) if option => format!("e.nullable_bytes({value})"),
        Type::Bytes(_) => format!("e.bytes({value})"),
        Type::Struct(_) if option && field.tag.is_some() => {
            format!("e.nullable_tagged_struct({value}, v)")
        }
        Type::Struct(_) if option => format!("e.nullable_struct({value}, v)"),
        Type::Struct(_) => format!("self.{name}.write(e, v)"),
        Type::Array(_) if option => format!("e.nullable_array({value}, v)"),
        Type::Array(_) => format!("e.array({value}, v)"),
    };
    (write, true)
}

/// An expression that says whether the field differs from its default.
pub(super) fn is_set(field: &Field) -> String {
    let name = &field.name;
    match (&field.kind, &field.default, field.is_option()) {
        (_, DefaultValue::Null, true) => format!("self.{name}.is_some()"),
        (_, DefaultValue::Literal(_), true) => {
            format!(
                "self.{name} != {}",
                default_expression(field).unwrap_or_default()
            )
        }
        (Type::Struct(_), _, true) => format!("self.{name} != Some(Default::default())"),
        (_, _, true) => format!("self.{name}.as_ref().is_none_or(|x| !x.is_empty())"),
        (Type::Bool, DefaultValue::Literal(_), _) => format!("!self.{name}"),
        (Type::Bool, _, _) => format!("self.{name}"),
        (Type::Number("f64"), DefaultValue::Natural, _) => format!("self.{name} != 0.0"),
        (Type::Number(_), DefaultValue::Natural, _) => format!("self.{name} != 0"),
        (_, DefaultValue::Literal(value), _) => format!("self.{name} != {value}"),
        (Type::Uuid, _, _) => format!("!self.{name}.is_zero()"),
        (Type::Struct(kind), _, _) => format!("self.{name} != {kind}::default()"),
        _ => format!("!self.{name}.is_empty()"),
    }
}
