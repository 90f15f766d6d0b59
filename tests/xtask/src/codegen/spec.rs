//! Kafka's message schemas: JSON with comments.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::sh::Result;

/// A message as its schema describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageSpec {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) api_key: Option<i16>,
    #[serde(default)]
    pub(super) listeners: Vec<String>,
    pub(super) valid_versions: String,
    pub(super) flexible_versions: Option<String>,
    #[serde(default)]
    pub(super) latest_version_unstable: bool,
    #[serde(default)]
    pub(super) fields: Vec<FieldSpec>,
    #[serde(default)]
    pub(super) common_structs: Vec<StructSpec>,
    /// The jar's folder that the schema came from: not in the JSON.
    #[serde(skip)]
    pub(super) source: String,
}

/// A struct that several fields share.
#[derive(Debug, Deserialize)]
pub(super) struct StructSpec {
    pub(super) name: String,
    pub(super) versions: String,
    pub(super) fields: Vec<FieldSpec>,
}

/// One field of a struct.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldSpec {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) versions: Option<String>,
    pub(super) nullable_versions: Option<String>,
    pub(super) tagged_versions: Option<String>,
    pub(super) flexible_versions: Option<String>,
    pub(super) tag: Option<u32>,
    pub(super) default: Option<Value>,
    #[serde(default)]
    pub(super) ignorable: bool,
    #[serde(default)]
    pub(super) fields: Vec<FieldSpec>,
}

/// A span of versions, both ends included; empty if `first > last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) first: i16,
    pub(super) last: i16,
}

impl Versions {
    pub(super) const NONE: Self = Self {
        first: i16::MAX,
        last: -1,
    };

    /// Reads `none`, `3`, `3+` or `3-5`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let number = |text: &str| text.trim().parse::<i16>();
        Ok(match text.trim() {
            "none" => Self::NONE,
            text => match (text.strip_suffix('+'), text.split_once('-')) {
                (Some(first), _) => Self {
                    first: number(first)?,
                    last: i16::MAX,
                },
                (None, Some((first, last))) => Self {
                    first: number(first)?,
                    last: number(last)?,
                },
                (None, None) => Self {
                    first: number(text)?,
                    last: number(text)?,
                },
            },
        })
    }

    /// As [`Self::parse`]; what is not said is none.
    pub(super) fn parse_or_none(text: &Option<String>) -> Result<Self> {
        text.as_deref().map_or(Ok(Self::NONE), Self::parse)
    }

    pub(super) fn is_empty(self) -> bool {
        self.first > self.last
    }

    pub(super) fn and(self, other: Self) -> Self {
        let both = Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        };
        if both.is_empty() { Self::NONE } else { both }
    }

    pub(super) fn covers(self, other: Self) -> bool {
        other.is_empty() || (self.first <= other.first && self.last >= other.last)
    }
}

/// Reads every schema; those without a version (removed APIs) are left out.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<MessageSpec>> {
    let mut specs = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)?;
        let mut spec: MessageSpec = serde_json::from_str(&without_comments(&text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if Versions::parse(&spec.valid_versions)?.is_empty() {
            continue;
        }
        spec.source = path.to_string_lossy().into_owned();
        specs.push(spec);
    }
    Ok(specs)
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let mut in_string = false;
        let mut previous = ' ';
        let mut end = line.len();
        for (index, character) in line.char_indices() {
            match character {
                '"' if previous != '\\' => in_string = !in_string,
                '/' if previous == '/' && !in_string => {
                    end = index - 1;
                    break;
                }
                _ => {}
            }
            previous = character;
        }
        kept.push_str(&line[..end]);
        kept.push('\n');
    }
    kept
}
