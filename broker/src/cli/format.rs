//! How a record is printed: by a pattern, or as JSON.

use odeon_client::ConsumedRecord;
use serde_json::{Map, Value, json};

/// The tokens of a pattern, for `--help`.
pub(super) const FORMAT_HELP: &str = "%t topic, %p partition, %o offset, %T timestamp, %k key, \
    %s value, %S value's bytes, %h headers, %% percent, \\n newline, \\t tab, \\xHH byte";

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    Value,
    ValueBytes,
    Headers,
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let part = match character {
                '%' => match characters.next() {
                    Some('t') => Part::Topic,
                    Some('p') => Part::Partition,
                    Some('o') => Part::Offset,
                    Some('T') => Part::Timestamp,
                    Some('k') => Part::Key,
                    Some('s') => Part::Value,
                    Some('S') => Part::ValueBytes,
                    Some('h') => Part::Headers,
                    Some('%') => {
                        plain.push(b'%');
                        continue;
                    }
                    other => return Err(unknown('%', other)),
                },
                '\\' => {
                    plain.push(escape(&mut characters)?);
                    continue;
                }
                other => {
                    plain.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }
}

fn escape(characters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match characters.next() {
        Some('n') => Ok(b'\n'),
        Some('t') => Ok(b'\t'),
        Some('r') => Ok(b'\r'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = characters.by_ref().take(2).collect();
            let is_hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
            byte.ok_or_else(|| format!("'\\x{digits}' needs two hexadecimal digits"))
        }
        other => Err(unknown('\\', other)),
    }
}

fn unknown(sign: char, character: Option<char>) -> String {
    let shown = character.map(String::from).unwrap_or_default();
    format!("'{sign}{shown}' means nothing; known are {FORMAT_HELP}")
}

/// Reads a text with the escapes of a pattern, such as a separator.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            bytes.push(escape(&mut characters)?);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Ok(bytes)
}

impl Format {
    /// Appends a record. What is not there is printed as nothing.
    pub(super) fn write(&self, record: &ConsumedRecord, out: &mut Vec<u8>) {
        let number = |number: i64, out: &mut Vec<u8>| {
            out.extend_from_slice(number.to_string().as_bytes());
        };
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Topic => out.extend_from_slice(record.partition.topic.as_bytes()),
                Part::Partition => number(i64::from(record.partition.partition), out),
                Part::Offset => number(record.offset, out),
                Part::Timestamp => number(record.timestamp_ms, out),
                Part::Key => out.extend_from_slice(record.key.as_deref().unwrap_or_default()),
                Part::Value => out.extend_from_slice(record.value.as_deref().unwrap_or_default()),
                Part::ValueBytes => match &record.value {
                    Some(value) => number(value.len() as i64, out),
                    None => out.extend_from_slice(b"-1"),
                },
                Part::Headers => {
                    for (place, header) in record.headers.iter().enumerate() {
                        if place > 0 {
                            out.push(b',');
                        }
                        out.extend_from_slice(&header.key);
                        out.push(b'=');
                        out.extend_from_slice(header.value.as_deref().unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// Appends a record as a line of JSON. Bytes that are not UTF-8 come as `NAME_base64`.
pub(super) fn write_json(record: &ConsumedRecord, out: &mut Vec<u8>) {
    let mut object = Map::new();
    object.insert("topic".to_owned(), json!(&*record.partition.topic));
    object.insert("partition".to_owned(), json!(record.partition.partition));
    object.insert("offset".to_owned(), json!(record.offset));
    object.insert("timestamp_ms".to_owned(), json!(record.timestamp_ms));
    insert_bytes(&mut object, "key", record.key.as_deref());
    insert_bytes(&mut object, "value", record.value.as_deref());
    let headers = record.headers.iter().map(|header| {
        let mut entry = Map::new();
        insert_bytes(&mut entry, "key", Some(&header.key));
        insert_bytes(&mut entry, "value", header.value.as_deref());
        Value::Object(entry)
    });
    object.insert("headers".to_owned(), headers.collect());
    out.extend_from_slice(Value::Object(object).to_string().as_bytes());
    out.push(b'\n');
}

fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => drop(object.insert(name.to_owned(), Value::Null)),
        Some((_, Ok(text))) => drop(object.insert(name.to_owned(), json!(text))),
        Some((bytes, Err(_))) => {
            object.insert(format!("{name}_base64"), json!(base64(bytes)));
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for index in 0..4 {
            let sextet = (group >> (18 - 6 * index)) & 63;
            let shown = index <= chunk.len();
            text.push(if shown {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use odeon_client::RecordHeader;
    use odeon_model::TopicPartition;

    fn record() -> ConsumedRecord {
        ConsumedRecord {
            partition: TopicPartition::new("t", 3),
            offset: 7,
            timestamp_ms: 9,
            key: Some("k".into()),
            value: Some(vec![0xff, 0xfe].into()),
            headers: vec![RecordHeader::new("a", "1"), RecordHeader::new("b", "2")],
        }
    }

    #[test]
    fn a_pattern_prints_what_it_names() {
        let format: Format = r"%t-%p@%o %T %k %S %h 100%%\n\x41ä".parse().unwrap();
        let mut out = Vec::new();
        format.write(&record(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "t-3@7 9 k 2 a=1,b=2 100%\nAä"
        );
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        for text in ["%", "%q", "\\", "\\q", "\\x4", "\\xzz"] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
    }

    #[test]
    fn json_keeps_bytes_that_are_not_text() {
        let mut out = Vec::new();
        write_json(&record(), &mut out);
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["key"], "k");
        assert_eq!(value["value_base64"], "//4=");
        assert_eq!(value["headers"][1]["value"], "2");
    }

    #[test]
    fn base64_pads() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
