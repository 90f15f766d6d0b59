//! Reads Kafka's primitives from a frame.

use bytes::Bytes;
use odeon_model::Uuid;

use crate::{DecodeError, RawTaggedField, Wire};

/// The most elements one array may have.
pub const MAX_ELEMENTS: usize = 1_000_000;
/// The most tagged fields one struct may have.
pub const MAX_TAGGED_FIELDS: usize = 10_000;
/// The longest a string may be, in bytes of UTF-8.
pub const MAX_STRING_BYTES: usize = 0x7fff;

/// Reads from one frame, front to back.
///
/// In a flexible version lengths are compact and structs end with tagged fields;
/// [`crate::Message::decode`] sets which of the two holds.
#[derive(Debug, Clone)]
pub struct Decoder {
    frame: Bytes,
    position: usize,
    flexible: bool,
}

macro_rules! decode_numbers {
    ($($(#[$doc:meta])* $name:ident, $type:ty, $size:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// [`DecodeError::Truncated`] if the frame ends first.
        #[inline]
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            self.array_of_bytes::<$size>().map(<$type>::from_be_bytes)
        }
    )*};
}

impl Decoder {
    /// Reads `frame` from its start, in the classic encoding until told otherwise.
    pub fn new(frame: Bytes) -> Self {
        Self {
            frame,
            position: 0,
            flexible: false,
        }
    }

    /// Chooses the flexible or the classic encoding for what follows.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.frame.len() - self.position
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The rest of the frame, unread.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.position..)
    }

    /// Says that the message must end here.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }

    #[inline]
    fn advance(&mut self, wanted: usize) -> Result<std::ops::Range<usize>, DecodeError> {
        let remaining = self.remaining();
        if wanted > remaining {
            return Err(DecodeError::Truncated { wanted, remaining });
        }
        let start = self.position;
        self.position += wanted;
        Ok(start..self.position)
    }

    #[inline]
    fn array_of_bytes<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], DecodeError> {
        let range = self.advance(SIZE)?;
        let mut array = [0; SIZE];
        array.copy_from_slice(&self.frame[range]);
        Ok(array)
    }

    decode_numbers! {
        /// Reads an `int8`.
        i8, i8, 1;
        /// Reads a byte.
        u8, u8, 1;
        /// Reads an `int16`.
        i16, i16, 2;
        /// Reads a `uint16`.
        u16, u16, 2;
        /// Reads an `int32`.
        i32, i32, 4;
        /// Reads a `uint32`.
        u32, u32, 4;
        /// Reads an `int64`.
        i64, i64, 8;
        /// Reads a `float64`.
        f64, f64, 8;
    }

    /// Reads a `bool`: any byte but 0 is true.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the frame ends first.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    /// Reads a `uuid`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the frame ends first.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array_of_bytes::<16>().map(Uuid)
    }

    /// Reads an unsigned varint of up to 32 bits.
    ///
    /// # Errors
    ///
    /// [`DecodeError::VarintTooLong`] past 32 bits, [`DecodeError::Truncated`].
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let value = self.uvarint_of_bits(32)?;
        u32::try_from(value).map_err(|_| DecodeError::VarintTooLong)
    }

    /// Reads an unsigned varint of up to 64 bits.
    ///
    /// # Errors
    ///
    /// [`DecodeError::VarintTooLong`] past 64 bits, [`DecodeError::Truncated`].
    pub fn uvarlong(&mut self) -> Result<u64, DecodeError> {
        self.uvarint_of_bits(64)
    }

    #[inline]
    fn uvarint_of_bits(&mut self, most: u32) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..most).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::VarintTooLong);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong)
    }

    /// Reads a zigzag varint of up to 32 bits.
    ///
    /// # Errors
    ///
    /// [`DecodeError::VarintTooLong`] past 32 bits, [`DecodeError::Truncated`].
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        let value = self.uvarint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Reads a zigzag varint of up to 64 bits.
    ///
    /// # Errors
    ///
    /// [`DecodeError::VarintTooLong`] past 64 bits, [`DecodeError::Truncated`].
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let value = self.uvarlong()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// Takes the next `length` bytes, as a slice of the frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] if the frame ends first.
    pub fn take(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let range = self.advance(length)?;
        Ok(self.frame.slice(range))
    }

    /// A compact length, or an `int32`; null is `None`.
    fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            Ok((self.uvarint()? as usize).checked_sub(1))
        } else {
            Ok(usize::try_from(self.i32()?).ok())
        }
    }

    /// Reads a `string`. As Kafka does, bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedNull`], [`DecodeError::StringTooLong`],
    /// [`DecodeError::Truncated`].
    pub fn string(&mut self) -> Result<String, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::UnexpectedNull)
    }

    /// Reads a nullable `string`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::StringTooLong`], [`DecodeError::Truncated`].
    pub fn nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        if !self.flexible {
            return self.classic_nullable_string();
        }
        match self.length()? {
            Some(length) => self.text(length).map(Some),
            None => Ok(None),
        }
    }

    /// Reads a nullable `string` in the classic encoding, whatever the version's is: a request
    /// header's client id.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn classic_nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        match usize::try_from(self.i16()?) {
            Ok(length) => self.text(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    fn text(&mut self, length: usize) -> Result<String, DecodeError> {
        if length > MAX_STRING_BYTES {
            return Err(DecodeError::StringTooLong(length));
        }
        let range = self.advance(length)?;
        Ok(String::from_utf8_lossy(&self.frame[range]).into_owned())
    }

    /// Reads a `bytes` field, as a slice of the frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedNull`], [`DecodeError::Truncated`].
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        self.nullable_bytes()?.ok_or(DecodeError::UnexpectedNull)
    }

    /// Reads a nullable `bytes` or a `records` field, as a slice of the frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`].
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, DecodeError> {
        match self.length()? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Reads an array of a message's `version`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::UnexpectedNull`], [`DecodeError::TooManyElements`], or an element's error.
    pub fn array<T: Wire>(&mut self, version: i16) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(version)?
            .ok_or(DecodeError::UnexpectedNull)
    }

    /// Reads a nullable array of a message's `version`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooManyElements`], or an element's error.
    pub fn nullable_array<T: Wire>(&mut self, version: i16) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.array_count()? else {
            return Ok(None);
        };
        // A count is cheap to say. Room is made only for what the bytes left could weigh in memory,
        // and grows with what is really read.
        let affordable = self.remaining() / size_of::<T>().max(1);
        let mut elements = Vec::with_capacity(count.min(affordable.max(4)));
        for _ in 0..count {
            elements.push(T::read(self, version)?);
        }
        Ok(Some(elements))
    }

    fn array_count(&mut self) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.length()? else {
            return Ok(None);
        };
        let remaining = self.remaining();
        if count > MAX_ELEMENTS || count > remaining {
            return Err(DecodeError::TooManyElements { count, remaining });
        }
        Ok(Some(count))
    }

    /// Reads a nullable struct: a byte below 0 means null.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`], or the struct's error.
    pub fn nullable_struct<T: Wire>(&mut self, version: i16) -> Result<Option<T>, DecodeError> {
        if self.i8()? < 0 {
            Ok(None)
        } else {
            T::read(self, version).map(Some)
        }
    }

    /// Reads a nullable struct that is a tagged field: a varint 0 means null.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`], or the struct's error.
    pub fn nullable_tagged_struct<T: Wire>(
        &mut self,
        version: i16,
    ) -> Result<Option<T>, DecodeError> {
        if self.uvarint()? == 0 {
            Ok(None)
        } else {
            T::read(self, version).map(Some)
        }
    }

    fn tag_count(&mut self) -> Result<usize, DecodeError> {
        let count = self.uvarint()? as usize;
        let remaining = self.remaining();
        if count > MAX_TAGGED_FIELDS || count * 2 > remaining {
            return Err(DecodeError::TooManyTaggedFields { count, remaining });
        }
        Ok(count)
    }

    /// A tagged field's tag, and the position where the field ends.
    fn tag(&mut self) -> Result<(u32, usize), DecodeError> {
        let tag = self.uvarint()?;
        let wanted = self.uvarint()? as usize;
        let remaining = self.remaining();
        if wanted > remaining {
            return Err(DecodeError::Truncated { wanted, remaining });
        }
        Ok((tag, self.position + wanted))
    }

    fn raw_tag(&mut self, tag: u32, end: usize) -> Result<RawTaggedField, DecodeError> {
        let value = self.take(end.saturating_sub(self.position))?;
        Ok(RawTaggedField { tag, value })
    }

    /// Reads the tagged fields of a struct that knows none; in the classic encoding, nothing.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooManyTaggedFields`], [`DecodeError::Truncated`], or a varint's error.
    pub fn unknown_tags(&mut self) -> Result<Vec<RawTaggedField>, DecodeError> {
        let mut fields = Vec::new();
        if self.flexible {
            for _ in 0..self.tag_count()? {
                let (tag, end) = self.tag()?;
                fields.push(self.raw_tag(tag, end)?);
            }
        }
        Ok(fields)
    }

    /// Reads a struct's tagged fields: `read` takes a field it knows and says so; the others are
    /// kept raw. In the classic encoding, reads nothing.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TagSize`], [`DecodeError::TooManyTaggedFields`], [`DecodeError::Truncated`],
    /// a varint's error, or a field's.
    pub fn tags(
        &mut self,
        read: &mut dyn FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<Vec<RawTaggedField>, DecodeError> {
        let mut fields = Vec::new();
        if self.flexible {
            for _ in 0..self.tag_count()? {
                let (tag, end) = self.tag()?;
                let start = self.position;
                if !read(tag, self)? {
                    fields.push(self.raw_tag(tag, end)?);
                }
                if self.position != end {
                    let (said, taken) = (end - start, self.position - start);
                    return Err(DecodeError::TagSize { tag, said, taken });
                }
            }
        }
        Ok(fields)
    }
}
