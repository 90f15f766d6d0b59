//! Every record that Kafka keeps: bytes made from the schemas read and write back.
#![allow(missing_docs, unreachable_pub, missing_debug_implementations)]

#[path = "wire/checks.rs"]
mod checks;
#[path = "wire/records.rs"]
mod records;
#[path = "wire/sampler.rs"]
mod sampler;

use checks::codec;

macro_rules! codecs {
    ($(($module:ident, $name:ident),)*) => {
        vec![$(codec::<odeon_schema::$module::$name>(),)*]
    };
}

fn codecs() -> Vec<checks::Codec> {
    records::for_each_record!(codecs)
}

#[test]
fn every_record_reads_and_writes_back_to_the_same_bytes() {
    checks::round_trips(&codecs());
}

#[test]
fn every_beginning_of_a_record_is_refused() {
    checks::truncations(&codecs());
}

#[test]
fn a_damaged_record_never_panics() {
    checks::damages(&codecs());
}

#[test]
#[ignore = "`cargo xtask wire` runs it, and gives the file to Kafka's own classes"]
fn the_corpus_is_written() {
    checks::write_corpus(&codecs());
}
