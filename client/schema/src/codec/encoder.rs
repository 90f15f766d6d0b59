//! Writes Kafka's primitives, sharing large payloads instead of copying them.

use bytes::{BufMut, Bytes, BytesMut};
use odeon_model::Uuid;

use crate::{EncodeError, MAX_STRING_BYTES, RawTaggedField, TagWriter, Wire};

/// A payload of this many bytes or more becomes a segment of its own, uncopied.
pub const SHARE_FROM_BYTES: usize = 1024;

#[derive(Debug)]
enum Segment {
    Written(BytesMut),
    Shared(Bytes),
}

impl Segment {
    fn freeze(self) -> Bytes {
        match self {
            Self::Written(bytes) => bytes.freeze(),
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Writes one frame, front to back, as a list of segments.
///
/// In a flexible version lengths are compact and structs end with tagged fields;
/// [`crate::Message::encode`] sets which of the two holds.
#[derive(Debug)]
pub struct Encoder {
    segments: Vec<Segment>,
    current: BytesMut,
    /// Bytes in `segments`.
    sealed_bytes: usize,
    flexible: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! encode_numbers {
    ($($(#[$doc:meta])* $name:ident, $type:ty;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&mut self, value: $type) {
            self.current.put_slice(&value.to_be_bytes());
        }
    )*};
}

impl Encoder {
    /// An empty frame, in the classic encoding until told otherwise.
    pub fn new() -> Self {
        Self::with_capacity(256)
    }

    /// An empty frame with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let current = BytesMut::with_capacity(bytes);
        Self {
            segments: Vec::new(),
            current,
            sealed_bytes: 0,
            flexible: false,
        }
    }

    /// Chooses the flexible or the classic encoding for what follows.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.sealed_bytes + self.current.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn seal(&mut self) {
        if !self.current.is_empty() {
            self.sealed_bytes += self.current.len();
            self.segments.push(Segment::Written(self.current.split()));
        }
    }

    /// What was written, in order; no segment is empty. Payloads of [`SHARE_FROM_BYTES`] or more
    /// are shared with the message.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.seal();
        self.segments.into_iter().map(Segment::freeze).collect()
    }

    /// What was written, in one piece.
    pub fn finish_contiguous(mut self) -> Bytes {
        if self.segments.is_empty() {
            return self.current.freeze();
        }
        self.seal();
        let mut whole = BytesMut::with_capacity(self.sealed_bytes);
        for segment in self.segments {
            whole.put(segment.freeze());
        }
        whole.freeze()
    }

    /// Writes a frame's length into its first four bytes, which were written as any `int32`, and
    /// finishes. The length does not count itself.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] if the frame is longer than an `i32` can say.
    pub fn finish_frame(mut self) -> Result<Vec<Bytes>, EncodeError> {
        self.seal();
        let body_bytes = self.sealed_bytes.saturating_sub(4);
        let length = i32::try_from(body_bytes).map_err(|_| EncodeError::TooLong(body_bytes))?;
        if let Some(Segment::Written(first)) = self.segments.first_mut()
            && let Some(prefix) = first.first_chunk_mut::<4>()
        {
            *prefix = length.to_be_bytes();
        }
        Ok(self.finish())
    }

    /// Adds what another encoder wrote.
    pub fn append(&mut self, other: Self) {
        if other.segments.is_empty() {
            self.current.put_slice(&other.current);
            return;
        }
        for segment in other.segments {
            self.payload(&segment.freeze());
        }
        self.current.put_slice(&other.current);
    }

    encode_numbers! {
        /// Writes an `int8`.
        i8, i8;
        /// Writes a byte.
        u8, u8;
        /// Writes an `int16`.
        i16, i16;
        /// Writes a `uint16`.
        u16, u16;
        /// Writes an `int32`.
        i32, i32;
        /// Writes a `uint32`.
        u32, u32;
        /// Writes an `int64`.
        i64, i64;
        /// Writes a `float64`.
        f64, f64;
    }

    /// Writes a `bool`.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Writes a `uuid`.
    pub fn uuid(&mut self, value: Uuid) {
        self.current.put_slice(&value.0);
    }

    /// Writes an unsigned varint.
    pub fn uvarint(&mut self, value: u32) {
        self.uvarlong(u64::from(value));
    }

    /// Writes an unsigned varint.
    pub fn uvarlong(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    /// Writes a zigzag varint.
    pub fn varint(&mut self, value: i32) {
        self.uvarint(((value << 1) ^ (value >> 31)).cast_unsigned());
    }

    /// Writes a zigzag varint.
    pub fn varlong(&mut self, value: i64) {
        self.uvarlong(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    /// Adds bytes without a length: shared if they are many, copied if they are few.
    pub fn payload(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARE_FROM_BYTES {
            self.current.put_slice(bytes);
            return;
        }
        self.seal();
        self.sealed_bytes += bytes.len();
        self.segments.push(Segment::Shared(bytes.clone()));
    }

    /// A compact length, or an `int32`.
    fn length(&mut self, length: usize) -> Result<(), EncodeError> {
        let value = i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?;
        if self.flexible {
            self.uvarint(value.cast_unsigned() + 1);
        } else {
            self.i32(value);
        }
        Ok(())
    }

    fn null_length(&mut self) {
        if self.flexible {
            self.u8(0);
        } else {
            self.i32(-1);
        }
    }

    /// Writes a `string`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::StringTooLong`].
    pub fn string(&mut self, value: &str) -> Result<(), EncodeError> {
        let length = value.len();
        if length > MAX_STRING_BYTES {
            return Err(EncodeError::StringTooLong(length));
        }
        if self.flexible {
            self.uvarint(length as u32 + 1);
        } else {
            self.u16(length as u16);
        }
        self.current.put_slice(value.as_bytes());
        Ok(())
    }

    /// Writes a nullable `string`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::StringTooLong`].
    pub fn nullable_string(&mut self, value: &Option<String>) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.string(value)?,
            None if self.flexible => self.u8(0),
            None => self.i16(-1),
        }
        Ok(())
    }

    /// Writes a nullable `string` in the classic encoding, whatever the version's is.
    ///
    /// # Errors
    ///
    /// [`EncodeError::StringTooLong`].
    pub fn classic_nullable_string(&mut self, value: &Option<String>) -> Result<(), EncodeError> {
        let flexible = std::mem::replace(&mut self.flexible, false);
        let written = self.nullable_string(value);
        self.flexible = flexible;
        written
    }

    /// Writes a `bytes` field.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`].
    pub fn bytes(&mut self, value: &Bytes) -> Result<(), EncodeError> {
        self.length(value.len())?;
        self.payload(value);
        Ok(())
    }

    /// Writes a nullable `bytes` or a `records` field.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`].
    pub fn nullable_bytes(&mut self, value: &Option<Bytes>) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(value)?,
            None => self.null_length(),
        }
        Ok(())
    }

    /// Writes an array of a message's `version`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`], or an element's error.
    pub fn array<T: Wire>(&mut self, value: &[T], version: i16) -> Result<(), EncodeError> {
        self.length(value.len())?;
        for element in value {
            element.write(self, version)?;
        }
        Ok(())
    }

    /// Writes a nullable array of a message's `version`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`], or an element's error.
    pub fn nullable_array<T: Wire>(
        &mut self,
        value: &Option<Vec<T>>,
        version: i16,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.array(value, version)?,
            None => self.null_length(),
        }
        Ok(())
    }

    /// Writes a nullable struct: a byte 1 and the struct, or a byte -1.
    ///
    /// # Errors
    ///
    /// The struct's error.
    pub fn nullable_struct<T: Wire>(
        &mut self,
        value: &Option<T>,
        version: i16,
    ) -> Result<(), EncodeError> {
        match value {
            Some(value) => {
                self.i8(1);
                value.write(self, version)?;
            }
            None => self.i8(-1),
        }
        Ok(())
    }

    /// Writes a nullable struct that is a tagged field: a varint 1 and the struct, or a varint 0.
    ///
    /// # Errors
    ///
    /// The struct's error.
    pub fn nullable_tagged_struct<T: Wire>(
        &mut self,
        value: &Option<T>,
        version: i16,
    ) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        value
            .as_ref()
            .map_or(Ok(()), |value| value.write(self, version))
    }

    /// Writes the tagged fields of a struct that knows none; in the classic encoding, nothing.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TagOrder`], [`EncodeError::AbsentField`] in the classic encoding.
    pub fn unknown_tags(
        &mut self,
        fields: &[RawTaggedField],
        version: i16,
    ) -> Result<(), EncodeError> {
        match (self.flexible, fields.is_empty()) {
            (true, true) => self.u8(0),
            (true, false) => TagWriter::new(fields).finish(self)?,
            (false, true) => {}
            (false, false) => {
                let field = "unknown_tagged_fields";
                return Err(EncodeError::AbsentField { field, version });
            }
        }
        Ok(())
    }

    /// Whether this is a flexible version's encoding.
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// Refuses a field that is set and that `version` does not have. For generated code.
    ///
    /// # Errors
    ///
    /// [`EncodeError::AbsentField`] if `set`.
    pub fn absent(&self, set: bool, field: &'static str, version: i16) -> Result<(), EncodeError> {
        if set {
            Err(EncodeError::AbsentField { field, version })
        } else {
            Ok(())
        }
    }
}
