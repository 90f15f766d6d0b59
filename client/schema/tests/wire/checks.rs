//! What must hold for every message, whichever crate it is in.

use std::fmt::Write as _;

use bytes::Bytes;
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message};

use crate::sampler::{Random, Schema, schemas};

/// How many samples are made of each message and version.
const SAMPLES: u64 = 12;

/// A message's type behind functions, to walk over all of them.
#[derive(Clone, Copy)]
pub struct Codec {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Its versions.
    pub versions: (i16, i16),
    /// Reads to the end, and writes what was read.
    pub again: fn(Bytes, i16) -> Result<Vec<Bytes>, String>,
    /// Reads only.
    pub decode: fn(Bytes, i16) -> Result<(), DecodeError>,
    /// Writes the default.
    pub default: fn(i16) -> Result<Bytes, EncodeError>,
}

/// The functions of `M`.
pub fn codec<M: Message>() -> Codec {
    Codec {
        name: M::NAME,
        versions: (M::MIN_VERSION, M::MAX_VERSION),
        again: |bytes, version| {
            let mut decoder = Decoder::new(bytes);
            let message = M::decode(&mut decoder, version).map_err(|error| error.to_string())?;
            decoder.finish().map_err(|error| error.to_string())?;
            let mut encoder = Encoder::new();
            message
                .encode(&mut encoder, version)
                .map_err(|error| error.to_string())?;
            Ok(encoder.finish())
        },
        decode: |bytes, version| M::decode(&mut Decoder::new(bytes), version).map(drop),
        default: |version| {
            let mut encoder = Encoder::new();
            M::default().encode(&mut encoder, version)?;
            Ok(encoder.finish_contiguous())
        },
    }
}

/// Calls `check` with samples of every message of `codecs` in every version.
pub fn each_sample(codecs: &[Codec], mut check: impl FnMut(&Codec, &Schema, i16, Bytes)) {
    let schemas = schemas();
    for codec in codecs {
        let schema = schemas
            .iter()
            .find(|schema| schema.name == codec.name)
            .expect("a schema");
        assert_eq!(
            codec.versions,
            (schema.first, schema.last),
            "{}",
            codec.name
        );
        for version in schema.first..=schema.last {
            for seed in 0..SAMPLES {
                let mut random = Random(seed ^ ((version as u64) << 32));
                check(
                    codec,
                    schema,
                    version,
                    schema.sample(version, &mut random).into(),
                );
            }
        }
    }
}

/// Every message reads, and writes back to the same bytes.
pub fn round_trips(codecs: &[Codec]) {
    each_sample(codecs, |codec, schema, version, bytes| {
        let again = (codec.again)(bytes.clone(), version);
        let again = again.map(|segments| segments.concat());
        assert_eq!(
            again.as_deref(),
            Ok(&bytes[..]),
            "{} version {version}",
            schema.name
        );
    });
}

/// Every strict beginning of a message is refused.
pub fn truncations(codecs: &[Codec]) {
    each_sample(codecs, |codec, _, version, bytes| {
        let step = 1 + bytes.len() / 150;
        for end in (0..bytes.len()).step_by(step) {
            let cut = (codec.decode)(bytes.slice(..end), version);
            assert!(
                cut.is_err(),
                "{} version {version} cut at {end}",
                codec.name
            );
        }
    });
}

/// No damage makes a decoder panic, and what still reads can be written or refused.
pub fn damages(codecs: &[Codec]) {
    let mut random = Random(42);
    each_sample(codecs, |codec, _, version, bytes| {
        for _ in 0..8 {
            let mut damaged = bytes.to_vec();
            for _ in 0..=random.below(3) {
                if !damaged.is_empty() {
                    let index = random.below(damaged.len() as u64) as usize;
                    damaged[index] = match random.below(3) {
                        0 => 0xff,
                        1 => 0x7f,
                        _ => random.next() as u8,
                    };
                }
            }
            let _ = (codec.again)(damaged.into(), version);
        }
    });
}

/// Lines for another implementation to check: kind, category, name, key, version, bytes in hex.
pub fn corpus(codecs: &[Codec]) -> String {
    let mut lines = String::new();
    let mut line = |kind: &str, schema: &Schema, version: i16, bytes: &[u8]| {
        let (category, name, key) = (schema.category, schema.name, schema.api_key);
        let _ = write!(lines, "{kind} {category} {name} {key} {version} ");
        for byte in bytes {
            let _ = write!(lines, "{byte:02x}");
        }
        lines.push('\n');
    };
    let mut last = None;
    each_sample(codecs, |codec, schema, version, bytes| {
        if last != Some((schema.name, version)) {
            last = Some((schema.name, version));
            if let Ok(bytes) = (codec.default)(version) {
                line("default", schema, version, &bytes);
            }
        }
        let again = (codec.again)(bytes, version).expect("a sample reads and writes");
        line("sample", schema, version, &again.concat());
    });
    lines
}

/// Writes the corpus to the file that the environment's `ODEON_WIRE_CORPUS` names.
#[allow(clippy::disallowed_methods)] // A test's own file, for another program to read.
pub fn write_corpus(codecs: &[Codec]) {
    let path = std::env::var_os("ODEON_WIRE_CORPUS").expect("ODEON_WIRE_CORPUS names a file");
    std::fs::write(path, corpus(codecs)).expect("the corpus can be written");
}
