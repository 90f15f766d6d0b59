//! The primitives that generated code is written in.

pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod error;
pub(crate) mod message;
pub(crate) mod tagged;

#[cfg(test)]
mod tests;

use error::{DecodeError, EncodeError};

/// Refuses a null that the version does not allow. For generated code.
#[doc(hidden)]
pub fn decode_nullable<T>(allowed: bool, value: Option<T>) -> Result<Option<T>, DecodeError> {
    if value.is_none() && !allowed {
        return Err(DecodeError::UnexpectedNull);
    }
    Ok(value)
}

/// Refuses to write a null that the version does not allow. For generated code.
#[doc(hidden)]
pub fn encode_nullable<'a, T>(
    allowed: bool,
    value: &'a Option<T>,
    field: &'static str,
) -> Result<&'a Option<T>, EncodeError> {
    if value.is_none() && !allowed {
        return Err(EncodeError::UnexpectedNull { field });
    }
    Ok(value)
}
