//! Every request and response: bytes made from the schemas read and write back, and an
//! implementation of others agrees.
#![allow(missing_docs, unreachable_pub, missing_debug_implementations)]

#[path = "../../schema/tests/wire/checks.rs"]
mod checks;
#[path = "../../schema/tests/wire/sampler.rs"]
mod sampler;

use bytes::{Bytes, BytesMut};
use checks::codec;
use kafka_protocol::messages::{ApiKey as TheirKey, RequestKind, ResponseKind};
use odeon_protocol::messages::*;

macro_rules! codecs {
    ($(($name:ident, $request:ident, $response:ident),)*) => {
        vec![
            codec::<RequestHeader>(),
            codec::<ResponseHeader>(),
            $(codec::<$request>(), codec::<$response>(),)*
        ]
    };
}

fn codecs() -> Vec<checks::Codec> {
    odeon_protocol::for_each_api!(codecs)
}

#[test]
fn every_message_reads_and_writes_back_to_the_same_bytes() {
    checks::round_trips(&codecs());
}

#[test]
fn every_beginning_of_a_message_is_refused() {
    checks::truncations(&codecs());
}

#[test]
fn a_damaged_message_never_panics() {
    checks::damages(&codecs());
}

#[test]
#[ignore = "`cargo xtask wire` runs it, and gives the file to Kafka's own classes"]
fn the_corpus_is_written() {
    checks::write_corpus(&codecs());
}

/// Versions that they list and cannot read yet: they were unstable in the Kafka they were made from.
const NOT_THEIRS: [(&str, i16); 3] = [
    ("InitProducerIdRequest", 6),
    ("OffsetCommitRequest", 10),
    ("OffsetFetchRequest", 10),
];

/// What the other implementation reads and writes again; none if it lacks the version.
fn theirs(
    category: &str,
    key: i16,
    version: i16,
    mut bytes: Bytes,
) -> Option<Result<Bytes, String>> {
    let key = TheirKey::try_from(key).ok()?;
    let versions = key.valid_versions();
    if !(versions.min..=versions.max).contains(&version) {
        return None;
    }
    let mut out = BytesMut::new();
    let done = if category == "request" {
        RequestKind::decode(key, &mut bytes, version)
            .and_then(|message| message.encode(&mut out, version))
    } else {
        ResponseKind::decode(key, &mut bytes, version)
            .and_then(|message| message.encode(&mut out, version))
    };
    Some(match done {
        Ok(()) if bytes.is_empty() => Ok(out.freeze()),
        Ok(()) => Err(format!("{} bytes left", bytes.len())),
        Err(error) => Err(error.to_string()),
    })
}

#[test]
fn another_implementation_reads_what_we_write_and_writes_the_same() {
    let mut agreed = 0;
    let mut disagreed = std::collections::BTreeSet::new();
    checks::each_sample(&codecs(), |codec, schema, version, bytes| {
        if schema.category == "header" || NOT_THEIRS.contains(&(schema.name, version)) {
            return;
        }
        let ours = (codec.again)(bytes, version)
            .expect("a sample reads and writes")
            .concat();
        match theirs(
            schema.category,
            schema.api_key,
            version,
            ours.clone().into(),
        ) {
            Some(Ok(theirs)) if theirs == ours => agreed += 1,
            Some(theirs) => {
                disagreed.insert((schema.name, version, theirs.err()));
            }
            None => {}
        }
    });
    assert!(disagreed.is_empty(), "{disagreed:#?}");
    assert!(agreed > 5000, "only {agreed} samples were compared");
}
