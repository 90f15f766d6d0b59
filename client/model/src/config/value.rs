//! Values: how the text of a config becomes one, and what it must fulfil.

use std::fmt;

use super::definition::{ConfigDef, ConfigType, Validator};
use super::error::ConfigError;

/// Longest value text that an alteration may set, in bytes; as in Kafka.
pub const MAX_VALUE_BYTES: usize = 32_767;

/// The value of a config.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// Text.
    String(String),
    /// A 32-bit number.
    Int(i32),
    /// A 16-bit number.
    Short(i16),
    /// A 64-bit number.
    Long(i64),
    /// A floating point number.
    Double(f64),
    /// Texts.
    List(Vec<String>),
    /// The name of a class.
    Class(String),
    /// Text that is never shown.
    Password(String),
}

impl Value {
    /// The whole number, whatever its width.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(i64::from(*number)),
            Self::Short(number) => Some(i64::from(*number)),
            Self::Long(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Double(number) => Some(*number),
            other => other.as_i64().map(|number| number as f64),
        }
    }

    /// The truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a string, class or password.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Class(text) | Self::Password(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a list.
    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::List(entries) => Some(entries),
            _ => None,
        }
    }
}

/// The value as Kafka writes it; a password shows as `[hidden]`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::String(text) | Self::Class(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Short(number) => write!(f, "{number}"),
            Self::Long(number) => write!(f, "{number}"),
            Self::Double(number) => f.write_str(&double_text(*number)),
            Self::List(entries) => f.write_str(&entries.join(",")),
            Self::Password(_) => f.write_str("[hidden]"),
        }
    }
}

/// Reads a text as the key's type, without a look at its bounds.
///
/// # Errors
/// The text is no value of that type.
pub fn parse_value(def: &ConfigDef, text: &str) -> Result<Value, ConfigError> {
    let trimmed = java_trim(text);
    let not_a_number = || {
        ConfigError::invalid(
            def,
            text,
            format!("it is not a number of type {}", def.kind.name()),
        )
    };
    Ok(match def.kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Value::Boolean(true),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Value::Boolean(false),
        ConfigType::Boolean => {
            return Err(ConfigError::invalid(
                def,
                text,
                "it must be true or false".to_owned(),
            ));
        }
        ConfigType::String => Value::String(trimmed.to_owned()),
        ConfigType::Class => Value::Class(trimmed.to_owned()),
        ConfigType::Password => Value::Password(trimmed.to_owned()),
        ConfigType::Int => Value::Int(trimmed.parse().map_err(|_| not_a_number())?),
        ConfigType::Short => Value::Short(trimmed.parse().map_err(|_| not_a_number())?),
        ConfigType::Long => Value::Long(trimmed.parse().map_err(|_| not_a_number())?),
        ConfigType::Double => Value::Double(parse_double(trimmed).ok_or_else(not_a_number)?),
        ConfigType::List => Value::List(split_list(trimmed)),
    })
}

/// Reads a text as the key's type and checks its bounds. Entries that a list holds twice are
/// kept once.
///
/// # Errors
/// The text is no value of that type, or it is out of bounds.
pub fn validate(def: &ConfigDef, text: &str) -> Result<Value, ConfigError> {
    let mut value = parse_value(def, text)?;
    if let (Validator::List { .. }, Value::List(entries)) = (def.validator, &mut value) {
        let mut seen = std::collections::HashSet::new();
        entries.retain(|entry| seen.insert(entry.clone()));
    }
    match check(def, &value) {
        Ok(()) => Ok(value),
        Err(reason) => Err(ConfigError::invalid(def, text, reason)),
    }
}

fn check(def: &ConfigDef, value: &Value) -> Result<(), String> {
    match def.validator {
        Validator::Any => Ok(()),
        Validator::Range { min, max } => {
            let number = value.as_i64().unwrap_or(min);
            check_range(number < min, number > max, &min, &max)
        }
        Validator::FloatRange { min, max } => {
            let number = value.as_f64().unwrap_or(min);
            check_range(number < min || number.is_nan(), number > max, &min, &max)
        }
        Validator::GzipLevel => match value.as_i64() {
            Some(-1 | 1..=9) => Ok(()),
            _ => Err("it must be -1, or lie between 1 and 9".to_owned()),
        },
        Validator::List { of, empty_allowed } => {
            check_list(value.as_list().unwrap_or_default(), of, empty_allowed)
        }
        Validator::ThrottledReplicas => {
            check_throttled_replicas(value.as_list().unwrap_or_default())
        }
        Validator::Voters => value
            .as_list()
            .unwrap_or_default()
            .iter()
            .try_for_each(|entry| super::listeners::parse_voter(entry).map(|_| ())),
        Validator::Endpoints => value
            .as_list()
            .unwrap_or_default()
            .iter()
            .try_for_each(|entry| super::listeners::parse_host_port(entry).map(|_| ())),
        Validator::OneOf(valid) => {
            check_text(valid.contains(&value.as_str().unwrap_or_default()), valid)
        }
        Validator::OneOfIgnoreCase(valid) => {
            let text = value.as_str().unwrap_or_default();
            check_text(
                valid.iter().any(|one| one.eq_ignore_ascii_case(text)),
                valid,
            )
        }
        Validator::NonEmpty => match value.as_str() {
            Some("") => Err("it must not be empty".to_owned()),
            _ => Ok(()),
        },
        Validator::ShareOffsetReset => check_offset_reset(value.as_str().unwrap_or_default()),
    }
}

fn check_range(
    below: bool,
    above: bool,
    min: &dyn fmt::Display,
    max: &dyn fmt::Display,
) -> Result<(), String> {
    if below {
        Err(format!("it must be at least {min}"))
    } else if above {
        Err(format!("it must be no more than {max}"))
    } else {
        Ok(())
    }
}

fn check_text(found: bool, valid: &[&str]) -> Result<(), String> {
    if found {
        Ok(())
    } else {
        Err(format!("it must be one of: {}", valid.join(", ")))
    }
}

fn check_list(entries: &[String], of: &[&str], empty_allowed: bool) -> Result<(), String> {
    if entries.is_empty() && !empty_allowed {
        return Err("the list must not be empty".to_owned());
    }
    for entry in entries {
        if entry.is_empty() {
            return Err("the list must not hold empty entries".to_owned());
        }
        if !of.is_empty() && !of.contains(&entry.as_str()) {
            return Err(format!("each entry must be one of: {}", of.join(", ")));
        }
    }
    Ok(())
}

fn check_throttled_replicas(entries: &[String]) -> Result<(), String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_pair = |entry: &String| {
        entry
            .split_once(':')
            .is_some_and(|(left, right)| is_number(left) && is_number(right))
    };
    if entries.iter().all(is_pair) || (entries.len() == 1 && entries[0] == "*") {
        return Ok(());
    }
    Err("it must be '*', or pairs of partition and broker: 0:1,1:2".to_owned())
}

fn check_offset_reset(text: &str) -> Result<(), String> {
    let valid = match text.strip_prefix("by_duration:") {
        Some(duration) => iso_duration_ms(duration).is_some_and(|ms| ms >= 0),
        None => text == "latest" || text == "earliest",
    };
    if valid {
        Ok(())
    } else {
        Err("it must be latest, earliest, or by_duration: with a duration like PT1H".to_owned())
    }
}

/// Reads an ISO 8601 duration of days, hours, minutes and seconds, such as `P1DT2H3M4.5S`, as
/// milliseconds; `None` if it is none, or beyond what 64 bits hold.
pub fn iso_duration_ms(text: &str) -> Option<i64> {
    let upper = text.to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let total = duration_part(days, &[('D', 86_400_000)])?.checked_add(duration_part(
        time,
        &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)],
    )?)?;
    total.checked_mul(sign)
}

fn duration_part(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total = 0i64;
    for (unit, unit_ms) in units {
        let Some((number, rest)) = text.split_once(*unit) else {
            continue;
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) if *unit == 'S' => (whole, fraction),
            Some(_) => return None,
            None => (number, ""),
        };
        if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let whole_ms = whole.parse::<i64>().ok()?.checked_mul(*unit_ms)?;
        let sign = if whole.starts_with('-') { -1 } else { 1 };
        total = total
            .checked_add(whole_ms)?
            .checked_add(sign * thousandths)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

/// Cuts a list at its commas; blanks around the entries go, empty text is the empty list.
pub(super) fn split_list(text: &str) -> Vec<String> {
    let trimmed = java_trim(text);
    if trimmed.is_empty() {
        return Vec::new();
    }
    trimmed
        .split(',')
        .map(|entry| {
            entry
                .trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c'])
                .to_owned()
        })
        .collect()
}

/// Cuts off what Java counts as blank: everything up to the space.
pub(super) fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

fn parse_double(text: &str) -> Option<f64> {
    match text {
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if plain { digits.parse().ok() } else { None }
}

/// The shortest text that reads back as the number, laid out as Java does it.
fn double_text(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".to_owned()
        } else {
            format!("{}Infinity", if number < 0.0 { "-" } else { "" })
        };
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let scientific = format!("{number:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => scientific,
    }
}
