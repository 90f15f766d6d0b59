//! From a valid request to one that wants to do harm.

use odeon_kernel::Rng;

use super::Sample;

/// Numbers that lengths and counts are replaced by.
const NUMBERS: [i32; 10] = [
    -1,
    0,
    1,
    i32::MAX,
    i32::MIN,
    0x00FF_FFFF,
    1_000_000,
    1_000_001,
    0x4000_0000,
    -2,
];

/// Where the body of a sample begins at the earliest: length, key, version, correlation id.
const HEAD_BYTES: usize = 12;

fn at(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(len.max(1) as u64)).unwrap_or(0)
}

/// The next frame, with a length that tells the truth in most cases.
pub(super) fn frame(rng: &mut Rng, samples: &[Sample]) -> Vec<u8> {
    let sample = &samples[at(rng, samples.len())];
    let mut frame = sample.frame.clone();
    match rng.below(10) {
        0 => garbage(rng, &mut frame),
        1 | 2 => flip(rng, &mut frame),
        3 | 4 => number(rng, &mut frame),
        5 => truncate(rng, &mut frame),
        6 => varint(rng, &mut frame),
        7 => repeat(rng, &mut frame),
        8 => splice(rng, &mut frame, samples),
        _ => return lie(rng, frame),
    }
    fix_length(&mut frame);
    frame
}

fn fix_length(frame: &mut [u8]) {
    let length = i32::try_from(frame.len().saturating_sub(4)).unwrap_or(i32::MAX);
    if let Some(head) = frame.first_chunk_mut::<4>() {
        *head = length.to_be_bytes();
    }
}

/// A valid header, then random bytes.
fn garbage(rng: &mut Rng, frame: &mut Vec<u8>) {
    let keep = frame.len().min(HEAD_BYTES + at(rng, 30));
    frame.truncate(keep);
    let more = at(rng, 2_000);
    frame.extend((0..more).map(|_| rng.next_u64() as u8));
}

/// A few bits turned over.
fn flip(rng: &mut Rng, frame: &mut [u8]) {
    for _ in 0..=rng.below(6) {
        let index = 4 + at(rng, frame.len() - 4);
        frame[index] ^= 1 << rng.below(8);
    }
}

/// Four bytes replaced by a number that is hard to bear, where a length may stand.
fn number(rng: &mut Rng, frame: &mut [u8]) {
    for _ in 0..=rng.below(2) {
        let index = HEAD_BYTES + at(rng, frame.len().saturating_sub(HEAD_BYTES + 4));
        let number = NUMBERS[at(rng, NUMBERS.len())];
        if let Some(place) = frame.get_mut(index..index + 4) {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }
}

/// A valid request that ends too early.
fn truncate(rng: &mut Rng, frame: &mut Vec<u8>) {
    let keep = 4 + at(rng, frame.len() - 4);
    frame.truncate(keep);
}

/// A long variable-length number in place of some byte: compact lengths and counts, tags.
fn varint(rng: &mut Rng, frame: &mut Vec<u8>) {
    let index = HEAD_BYTES + at(rng, frame.len().saturating_sub(HEAD_BYTES));
    let bytes: &[u8] = match rng.below(4) {
        0 => &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        1 => &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        2 => &[0x80, 0x80, 0x80, 0x80, 0x04],
        _ => &[0xC0, 0x84, 0x3D],
    };
    let end = (index + 1).min(frame.len());
    frame.splice(index.min(end)..end, bytes.iter().copied());
}

/// A part of the body a few thousand times: many entries, deep nesting.
fn repeat(rng: &mut Rng, frame: &mut Vec<u8>) {
    let from = HEAD_BYTES + at(rng, frame.len().saturating_sub(HEAD_BYTES));
    let to = (from + 1 + at(rng, 40)).min(frame.len());
    let part = frame[from.min(to)..to].to_vec();
    let times = at(rng, 3_000);
    let place = from.min(frame.len());
    let many: Vec<u8> = part
        .iter()
        .copied()
        .cycle()
        .take(part.len() * times)
        .collect();
    frame.splice(place..place, many);
}

/// The head of one request, the tail of another.
fn splice(rng: &mut Rng, frame: &mut Vec<u8>, samples: &[Sample]) {
    let other = &samples[at(rng, samples.len())].frame;
    let keep = HEAD_BYTES + at(rng, frame.len().saturating_sub(HEAD_BYTES));
    frame.truncate(keep);
    let from = HEAD_BYTES + at(rng, other.len().saturating_sub(HEAD_BYTES));
    frame.extend(other.iter().skip(from));
}

/// A frame whose length is not the truth: huge, negative, more than follows, or followed by noise.
fn lie(rng: &mut Rng, mut frame: Vec<u8>) -> Vec<u8> {
    let announced = match rng.below(5) {
        0 => i32::MAX,
        1 => -1 - i32::try_from(rng.below(1_000)).unwrap_or(0),
        2 => 100 << 20,
        3 => i32::try_from(frame.len()).unwrap_or(0) + 1_000,
        _ => i32::try_from(rng.below(20)).unwrap_or(0),
    };
    frame[..4].copy_from_slice(&announced.to_be_bytes());
    frame
}
