use super::*;

fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = (bytes as u64).to_be_bytes().to_vec();
    frame.resize(8 + bytes, 1);
    frame
}

#[test]
fn the_ends_of_bulk_frames_are_counted_however_they_are_cut() {
    let sizes = [0, 10, BULK_BYTES - 1, BULK_BYTES, 3, 5 * BULK_BYTES, 0];
    let all: Vec<u8> = sizes.iter().flat_map(|size| frame(*size)).collect();
    for piece in [1, 7, 8, 9, 1000, BULK_BYTES, all.len()] {
        let mut frames = Frames::default();
        let ended: usize = all.chunks(piece).map(|bytes| frames.pass(bytes)).sum();
        assert_eq!(ended, 2, "in pieces of {piece}");
    }
}

#[test]
fn a_bulk_frame_counts_when_its_last_byte_has_left() {
    let mut frames = Frames::default();
    let frame = frame(BULK_BYTES);
    assert_eq!(frames.pass(&frame[..frame.len() - 1]), 0);
    assert_eq!(frames.pass(&frame[frame.len() - 1..]), 1);
}
