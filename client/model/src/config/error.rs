//! Why a config was refused.

use std::fmt;

use super::definition::ConfigDef;
use crate::ErrorCode;

/// Longest part of a refused value that a message repeats, in characters.
const SHOWN_CHARACTERS: usize = 200;

/// A config, or a set of them, is not valid. The text is fit for clients: it names the key, says
/// what is wrong, and never shows a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key at fault; empty when it is no single one.
    pub key: String,
    /// The code to answer a client with.
    pub code: ErrorCode,
    /// The sentence for people.
    pub message: String,
}

impl ConfigError {
    /// A key's value is not valid.
    pub(super) fn invalid(def: &ConfigDef, text: &str, reason: String) -> Self {
        let shown = if def.is_secret() {
            "[hidden]".to_owned()
        } else {
            shorten(text)
        };
        let message = format!(
            "Invalid value {shown} for configuration {}: {reason}",
            def.name
        );
        Self {
            key: def.name.to_owned(),
            code: ErrorCode::InvalidConfig,
            message,
        }
    }

    /// A key, alone or together with others, is not valid.
    pub fn new(key: &str, message: impl Into<String>) -> Self {
        Self {
            key: shorten(key),
            code: ErrorCode::InvalidConfig,
            message: message.into(),
        }
    }

    /// The same error with another code.
    #[must_use]
    pub fn with_code(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Cuts a text that came from outside to a length that fits a message.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
