//! What every generated struct is.

use std::fmt::Debug;

use odeon_model::Uuid;

use crate::{DecodeError, Decoder, EncodeError, Encoder};

/// A value that can be an array's element or a message's part.
///
/// Call [`Message::decode`] and [`Message::encode`] for a whole message: they check the version
/// and choose the flexible or the classic encoding, which these two take as chosen.
pub trait Wire: Sized {
    /// Reads the value as `version` of its message lays it out.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the bytes are not such a value.
    fn read(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError>;

    /// Writes the value as `version` of its message lays it out.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the version cannot carry the value.
    fn write(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError>;
}

/// A request, a response, a header or a record's key or value.
pub trait Message: Wire + Default + Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Kafka's name for the message.
    const NAME: &'static str;
    /// The first version Kafka 4 has.
    const MIN_VERSION: i16;
    /// The last version Kafka 4 has.
    const MAX_VERSION: i16;
    /// The first version with compact lengths and tagged fields; `i16::MAX` if none has them.
    const FLEXIBLE_FROM: i16;

    /// Reads a message from the decoder's position; bytes after it stay unread.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the version does not exist or the bytes are not such a message.
    fn decode(decoder: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        if !(Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {
            return Err(DecodeError::UnsupportedVersion {
                message: Self::NAME,
                version,
            });
        }
        decoder.set_flexible(version >= Self::FLEXIBLE_FROM);
        Self::read(decoder, version)
    }

    /// Writes the message at the encoder's end.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the version does not exist or cannot carry the message. What was written
    /// up to then stays in the encoder, which is good for nothing any more.
    fn encode(&self, encoder: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if !(Self::MIN_VERSION..=Self::MAX_VERSION).contains(&version) {
            return Err(EncodeError::UnsupportedVersion {
                message: Self::NAME,
                version,
            });
        }
        encoder.set_flexible(version >= Self::FLEXIBLE_FROM);
        self.write(encoder, version)
    }
}

/// A message that names its own type in a log: a metadata record, or the key or value of a
/// coordinator's record.
pub trait Record: Message {
    /// The type's number. A coordinator's key is written with it as its version prefix.
    const API_KEY: i16;
}

macro_rules! wire_numbers {
    ($($type:ty, $name:ident;)*) => {$(
        impl Wire for $type {
            fn read(decoder: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
                decoder.$name()
            }

            fn write(&self, encoder: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
                encoder.$name(*self);
                Ok(())
            }
        }
    )*};
}

wire_numbers! {
    bool, bool;
    i8, i8;
    i16, i16;
    u16, u16;
    i32, i32;
    u32, u32;
    i64, i64;
    f64, f64;
    Uuid, uuid;
}

impl Wire for String {
    fn read(decoder: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        decoder.string()
    }

    fn write(&self, encoder: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        encoder.string(self)
    }
}
