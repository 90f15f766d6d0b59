//! Makes bytes of any message in any version, from the table of schemas that `cargo xtask codegen`
//! writes: a second, tiny implementation of the format for the generated one to agree with.

use std::collections::HashMap;

/// A message of the table.
#[derive(Debug)]
pub struct Schema {
    /// Kafka's name for it.
    pub name: &'static str,
    /// `request`, `response`, `header`, or the module of the records.
    pub category: &'static str,
    /// The API's or record's key; -1 if it has none.
    pub api_key: i16,
    /// The first version.
    pub first: i16,
    /// The last version.
    pub last: i16,
    flexible: i16,
    structs: HashMap<&'static str, Vec<Field>>,
}

#[derive(Debug)]
struct Field {
    kind: &'static str,
    versions: (i16, i16),
    nullable: (i16, i16),
    tag: i64,
    default: &'static str,
    classic: bool,
}

/// A fixed sequence of numbers for each seed.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number (SplitMix64).
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Every message of the table.
pub fn schemas() -> Vec<Schema> {
    let mut schemas: Vec<Schema> = Vec::new();
    let mut current = "";
    for line in include_str!("schemas.txt").lines() {
        let (mark, rest) = line.split_once(' ').expect("a marked line");
        let words: Vec<&'static str> = rest.split(' ').collect();
        let number = |index: usize| words[index].parse::<i16>().expect("a number");
        match mark {
            "M" => schemas.push(Schema {
                name: words[0],
                category: words[1],
                api_key: number(2),
                first: number(3),
                last: number(4),
                flexible: number(5),
                structs: HashMap::new(),
            }),
            "S" => {
                current = words[0];
                schemas
                    .last_mut()
                    .expect("a message")
                    .structs
                    .insert(current, Vec::new());
            }
            _ => {
                let field = Field {
                    kind: words[1],
                    versions: (number(2), number(3)),
                    nullable: (number(4), number(5)),
                    tag: words[6].parse().expect("a tag"),
                    default: words[7],
                    classic: words.get(8).is_some(),
                };
                let structs = &mut schemas.last_mut().expect("a message").structs;
                structs.get_mut(current).expect("a struct").push(field);
            }
        }
    }
    schemas
}

impl Schema {
    /// Bytes of the message in `version`. Tagged fields that are there never have their default, as
    /// a writer leaves those out.
    pub fn sample(&self, version: i16, random: &mut Random) -> Vec<u8> {
        let flexible = self.flexible >= 0 && version >= self.flexible;
        let mut maker = Maker {
            schema: self,
            version,
            flexible,
            random,
            out: Vec::new(),
            depth: 0,
        };
        maker.structure(self.name, false);
        maker.out
    }
}

struct Maker<'a> {
    schema: &'a Schema,
    version: i16,
    flexible: bool,
    random: &'a mut Random,
    out: Vec<u8>,
    depth: usize,
}

fn within(version: i16, (first, last): (i16, i16)) -> bool {
    (first..=last).contains(&version)
}

impl Maker<'_> {
    /// A struct; if `set`, one that differs from its default.
    fn structure(&mut self, name: &str, set: bool) {
        let schema = self.schema;
        let fields = schema
            .structs
            .get(name)
            .unwrap_or_else(|| panic!("no struct {name}"));
        let (mut set, version) = (set, self.version);
        self.depth += 1;
        let here = |field: &&Field| within(version, field.versions);
        for field in fields.iter().filter(here).filter(|field| field.tag < 0) {
            self.field(field, field.kind, set);
            set = false;
        }
        if self.flexible {
            let mut tagged: Vec<(u64, Vec<u8>)> = Vec::new();
            for field in fields.iter().filter(here).filter(|field| field.tag >= 0) {
                if set || self.random.below(2) == 0 {
                    let rest = std::mem::take(&mut self.out);
                    self.field(field, field.kind, true);
                    tagged.push((field.tag as u64, std::mem::replace(&mut self.out, rest)));
                    set = false;
                }
            }
            if self.random.below(6) == 0 {
                tagged.push((
                    50 + self.random.below(1000),
                    vec![7; self.random.below(200) as usize],
                ));
            }
            tagged.sort();
            self.uvarint(tagged.len() as u64);
            for (tag, value) in tagged {
                self.uvarint(tag);
                self.uvarint(value.len() as u64);
                self.out.extend(value);
            }
        }
        self.depth -= 1;
    }

    fn field(&mut self, field: &Field, kind: &'static str, set: bool) {
        let nullable = within(self.version, field.nullable);
        let is_struct = self.schema.structs.contains_key(kind);
        let null = nullable && self.random.below(4) == 0 && !(set && field.default == "null");
        if is_struct && nullable {
            match (field.tag >= 0, null) {
                (true, null) => self.out.push(u8::from(!null)),
                (false, null) => self.out.push(if null { 0xff } else { 1 }),
            }
            if !null {
                // Present is different from a default of null, and only from that.
                self.structure(kind, set && field.default != "null");
            }
        } else if is_struct {
            self.structure(kind, set);
        } else if null {
            let flexible = self.flexible && !field.classic;
            match (flexible, kind) {
                (true, _) => self.out.push(0),
                (false, "string") => self.out.extend([0xff; 2]),
                (false, _) => self.out.extend([0xff; 4]),
            }
        } else {
            self.value(field, kind, set);
        }
    }

    fn value(&mut self, field: &Field, kind: &'static str, set: bool) {
        if let Some(element) = kind.strip_prefix("[]") {
            let most = if self.depth > 2 { 2 } else { 4 };
            let count = self.random.below(most).max(u64::from(set));
            self.length(count);
            for _ in 0..count {
                match self.schema.structs.contains_key(element) {
                    true => self.structure(element, false),
                    false => self.value(field, element, false),
                }
            }
            return;
        }
        match kind {
            "string" => {
                let length = self.random.below(9).max(u64::from(set)) as usize;
                let text: String = "añb✓cd-e.".chars().take(length).collect();
                match (self.flexible && !field.classic, text.len()) {
                    (true, bytes) => self.uvarint(bytes as u64 + 1),
                    (false, bytes) => self.out.extend((bytes as u16).to_be_bytes()),
                }
                self.out.extend(text.bytes());
            }
            "bytes" | "records" => {
                let large = self.random.below(8) == 0;
                let most = if large { 3000 } else { 40 };
                let count = self.random.below(most).max(u64::from(set));
                self.length(count);
                for _ in 0..count {
                    let byte = self.random.next() as u8;
                    self.out.push(byte);
                }
            }
            "uuid" => {
                let id = [
                    self.random.next().to_be_bytes(),
                    self.random.next().to_be_bytes(),
                ];
                self.out.extend(id.concat());
            }
            "bool" => {
                let value = if set {
                    field.default != "true"
                } else {
                    self.random.below(2) == 1
                };
                self.out.push(u8::from(value));
            }
            "float64" => {
                let value = self.random.below(1000) as f64 + 0.5;
                self.out.extend(value.to_be_bytes());
            }
            _ => self.number(field, kind, set),
        }
    }

    fn number(&mut self, field: &Field, kind: &str, set: bool) {
        let bytes = match kind {
            "int8" => 1,
            "int16" | "uint16" => 2,
            "int32" | "uint32" => 4,
            "int64" => 8,
            other => panic!("no type {other}"),
        };
        let default = field.default.parse::<i64>().unwrap_or(0);
        let value = loop {
            let value = match self.random.below(3) {
                0 => self.random.below(100) as i64,
                1 => -(self.random.below(100) as i64),
                _ => self.random.next() as i64,
            };
            let shift = 64 - 8 * bytes;
            if !set || (value << shift) >> shift != default {
                break value;
            }
        };
        self.out.extend(&value.to_be_bytes()[8 - bytes..]);
    }

    fn length(&mut self, length: u64) {
        if self.flexible {
            self.uvarint(length + 1);
        } else {
            self.out.extend((length as u32).to_be_bytes());
        }
    }

    fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
