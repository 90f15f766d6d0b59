//! Zigzag varints, as in Kafka's `ByteUtils`: 7 bits a byte, lowest first, at most 5 or 10 bytes.

/// The largest number of bytes of a 32-bit varint.
pub(crate) const MAX_VARINT_BYTES: usize = 5;
/// The largest number of bytes of a 64-bit varint.
pub(crate) const MAX_VARLONG_BYTES: usize = 10;

/// Undoes the zigzag of a 32-bit number.
#[inline]
pub(crate) fn unzigzag32(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

/// Undoes the zigzag of a 64-bit number.
#[inline]
pub(crate) fn unzigzag64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// Appends a 32-bit number.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_varlong(out, i64::from(value));
}

/// Appends a 64-bit number. A number that fits 32 bits has the same bytes as with [`put_varint`].
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The number of bytes that [`put_varlong`] and [`put_varint`] append.
pub(crate) fn varlong_bytes(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::{SliceSource, Source};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_reads_back_and_its_size_is_known(value: i64, small: i32) {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            prop_assert_eq!(out.len(), varlong_bytes(value));
            prop_assert_eq!(SliceSource::new(&out).varlong(), Ok(value));
            out.clear();
            put_varint(&mut out, small);
            prop_assert!(out.len() <= MAX_VARINT_BYTES);
            prop_assert_eq!(SliceSource::new(&out).varint(), Ok(small));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol_guide() {
        for (value, bytes) in [
            (0, &[0u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn a_number_without_an_end_is_refused() {
        assert!(SliceSource::new(&[0xff; 12]).varint().is_err());
        assert!(SliceSource::new(&[0xff; 12]).varlong().is_err());
        assert!(SliceSource::new(&[0xff; 2]).varint().is_err());
    }
}
