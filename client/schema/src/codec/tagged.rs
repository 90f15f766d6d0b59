//! The tagged fields at the end of a struct in a flexible version.

use bytes::Bytes;

use crate::{EncodeError, Encoder};

/// A tagged field that the schema does not know, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTaggedField {
    /// Its tag.
    pub tag: u32,
    /// Its value.
    pub value: Bytes,
}

/// Gathers one struct's tagged fields, known and unknown, in the order of their tags.
#[derive(Debug)]
pub struct TagWriter<'a> {
    unknown: &'a [RawTaggedField],
    fields: Encoder,
    count: u32,
    next_tag: u64,
}

impl<'a> TagWriter<'a> {
    /// Starts with the struct's unknown fields, which must be in ascending order of tag.
    pub fn new(unknown: &'a [RawTaggedField]) -> Self {
        let mut fields = Encoder::with_capacity(0);
        fields.set_flexible(true);
        Self {
            unknown,
            fields,
            count: 0,
            next_tag: 0,
        }
    }

    /// Adds a known field; known fields come in ascending order of tag.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TagOrder`] if an unknown field has this tag or is out of order, or the
    /// value's error.
    pub fn put(
        &mut self,
        tag: u32,
        write: &mut dyn FnMut(&mut Encoder) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.put_unknown_below(u64::from(tag))?;
        let mut value = Encoder::with_capacity(32);
        value.set_flexible(true);
        write(&mut value)?;
        self.head(tag, value.len())?;
        self.fields.append(value);
        Ok(())
    }

    fn put_unknown_below(&mut self, tag: u64) -> Result<(), EncodeError> {
        while let Some((field, rest)) = self.unknown.split_first() {
            if u64::from(field.tag) >= tag {
                break;
            }
            self.head(field.tag, field.value.len())?;
            self.fields.payload(&field.value);
            self.unknown = rest;
        }
        Ok(())
    }

    fn head(&mut self, tag: u32, size: usize) -> Result<(), EncodeError> {
        if u64::from(tag) < self.next_tag {
            return Err(EncodeError::TagOrder(tag));
        }
        self.next_tag = u64::from(tag) + 1;
        self.count += 1;
        self.fields.uvarint(tag);
        self.fields
            .uvarint(u32::try_from(size).map_err(|_| EncodeError::TooLong(size))?);
        Ok(())
    }

    /// Writes the count and the fields at the end of `encoder`.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TagOrder`] if an unknown field is out of order.
    pub fn finish(mut self, encoder: &mut Encoder) -> Result<(), EncodeError> {
        self.put_unknown_below(u64::MAX)?;
        encoder.uvarint(self.count);
        encoder.append(self.fields);
        Ok(())
    }
}
