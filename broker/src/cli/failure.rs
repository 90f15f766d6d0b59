//! How a command ends when it does not end well.

use std::fmt;
use std::io;
use std::process::ExitCode;

use odeon_client::ClientError;

/// Why a command failed, for a person, and the exit code.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Something went wrong: exit code 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code: 1,
        }
    }

    /// What was asked for makes no sense: exit code 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            ..Self::new(message)
        }
    }

    /// Somebody pressed Ctrl-C: exit code 130.
    pub(crate) fn interrupted() -> Self {
        Self {
            code: 130,
            ..Self::new("interrupted")
        }
    }

    /// With a line that says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what it is about in front.
    pub(crate) fn prefix(mut self, about: &str) -> Self {
        self.message = format!("{about}: {}", self.message);
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Tells it on standard error.
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("odeon: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("       {hint}");
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ClientError::InvalidAddress(_) | ClientError::InvalidConfig(_) => {
                Self { code: 2, ..failure }
            }
            ClientError::Connect { .. } | ClientError::NoBroker { .. } => failure
                .hint("Does a node run there? `odeon` starts one; --bootstrap names another."),
            _ => failure,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}
