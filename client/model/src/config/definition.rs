//! What one config key is: its type, default, bounds, and where it may be set.

use std::fmt;

/// The type of a config's value; the numbers are those of `DescribeConfigs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum ConfigType {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text, taken without blanks around it.
    String = 2,
    /// A 32-bit number.
    Int = 3,
    /// A 16-bit number.
    Short = 4,
    /// A 64-bit number.
    Long = 5,
    /// A floating point number.
    Double = 6,
    /// Texts, separated by commas.
    List = 7,
    /// The name of a class; kept as text, since nothing is loaded.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl ConfigType {
    /// The number that `DescribeConfigs` answers with.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// Kafka's name of the type, such as `BOOLEAN`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

impl fmt::Display for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What kind of thing a key configures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A topic.
    Topic,
    /// A node, or all of them.
    Broker,
    /// A consumer, share or streams group.
    Group,
    /// A quota of a user, a client id or an address.
    Quota,
}

/// Whether a broker key may change while the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpdateMode {
    /// Only by a restart with another properties file.
    ReadOnly,
    /// For one broker, not for all at once.
    PerBroker,
    /// For one broker or as the default of all.
    ClusterWide,
}

impl UpdateMode {
    /// Kafka's name of the mode, such as `cluster-wide`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
        }
    }
}

/// How much a key matters to most people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Importance {
    /// Look at it before going live.
    High,
    /// Good to know.
    Medium,
    /// Rarely touched.
    Low,
}

/// The value of a key that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// There is none: the key must be set.
    Required,
    /// No value, which is a valid state.
    Null,
    /// This text.
    Text(&'static str),
}

/// What a value must fulfil beyond its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validator {
    /// Nothing more.
    Any,
    /// A whole number in this range, both ends included.
    Range {
        /// The smallest valid number; the type's own when there is no bound.
        min: i64,
        /// The largest valid number; the type's own when there is no bound.
        max: i64,
    },
    /// A floating point number in this range, both ends included.
    FloatRange {
        /// The smallest valid number.
        min: f64,
        /// The largest valid number.
        max: f64,
    },
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, whatever their case.
    OneOfIgnoreCase(&'static [&'static str]),
    /// A list without blank entries.
    List {
        /// The valid entries; empty when every text is valid.
        of: &'static [&'static str],
        /// Whether a list without entries is valid.
        empty_allowed: bool,
    },
    /// A text of at least one character.
    NonEmpty,
    /// A gzip level: -1 or 1 to 9.
    GzipLevel,
    /// `*`, or `partition:broker` pairs.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` with an ISO 8601 duration.
    ShareOffsetReset,
    /// Voters, as `id@host:port`.
    Voters,
    /// Addresses, as `host:port`.
    Endpoints,
}

/// The unit a broker key is given in, when its topic key counts milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The value is taken as it is.
    Same,
    /// The value counts minutes.
    Minutes,
    /// The value counts hours.
    Hours,
}

/// A broker key that a topic's or group's key takes its default from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// The broker key's name.
    pub name: &'static str,
    /// How its value becomes one of the topic's key.
    pub unit: Unit,
}

/// One config key.
///
/// Source: `org.apache.kafka.common.config.ConfigDef.ConfigKey` and the tables built from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConfigDef {
    /// The key.
    pub name: &'static str,
    /// The value's type.
    pub kind: ConfigType,
    /// The value when nobody set one.
    pub default: DefaultValue,
    /// What the value must fulfil beyond its type.
    pub validator: Validator,
    /// What the key configures.
    pub scope: Scope,
    /// Whether it may change at run time.
    pub update: UpdateMode,
    /// How much it matters.
    pub importance: Importance,
    /// Hidden from `DescribeConfigs` unless it is set.
    pub internal: bool,
    /// Known only as a dynamic setting, so not described unless it is set.
    pub dynamic_only: bool,
    /// Broker keys that the default comes from, the first one set wins.
    pub synonyms: &'static [Synonym],
    /// One sentence for people.
    pub doc: &'static str,
}

impl ConfigDef {
    /// A key without bounds, of medium importance.
    pub(super) const fn new(
        scope: Scope,
        kind: ConfigType,
        name: &'static str,
        default: DefaultValue,
        doc: &'static str,
    ) -> Self {
        let update = match scope {
            Scope::Broker => UpdateMode::ReadOnly,
            _ => UpdateMode::ClusterWide,
        };
        Self {
            name,
            kind,
            default,
            validator: Validator::Any,
            scope,
            update,
            importance: Importance::Medium,
            internal: false,
            dynamic_only: false,
            synonyms: &[],
            doc,
        }
    }

    /// Sets what the value must fulfil.
    pub(super) const fn valid(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// The value is at least `min`.
    pub(super) const fn min(self, min: i64) -> Self {
        self.range(min, i64::MAX)
    }

    /// The value lies between `min` and `max`.
    pub(super) const fn range(self, min: i64, max: i64) -> Self {
        self.valid(Validator::Range { min, max })
    }

    /// The key is of high importance.
    pub(super) const fn high(mut self) -> Self {
        self.importance = Importance::High;
        self
    }

    /// The key is of low importance.
    pub(super) const fn low(mut self) -> Self {
        self.importance = Importance::Low;
        self
    }

    /// The key may change for one broker or for all.
    pub(super) const fn cluster_wide(mut self) -> Self {
        self.update = UpdateMode::ClusterWide;
        self
    }

    /// The key may change for one broker.
    pub(super) const fn per_broker(mut self) -> Self {
        self.update = UpdateMode::PerBroker;
        self
    }

    /// The key is hidden unless it is set.
    pub(super) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// The key exists only as a dynamic setting.
    pub(super) const fn dynamic_only(mut self) -> Self {
        self.dynamic_only = true;
        self.cluster_wide()
    }

    /// The broker keys that the default comes from.
    pub(super) const fn synonyms(mut self, synonyms: &'static [Synonym]) -> Self {
        self.synonyms = synonyms;
        self
    }

    /// Whether the value must never be shown.
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, ConfigType::Password)
    }

    /// The default as text; `None` when there is none.
    pub const fn default_text(&self) -> Option<&'static str> {
        match self.default {
            DefaultValue::Text(text) => Some(text),
            DefaultValue::Null | DefaultValue::Required => None,
        }
    }
}

/// A broker key in the same unit.
pub(super) const fn same(name: &'static str) -> Synonym {
    Synonym {
        name,
        unit: Unit::Same,
    }
}

/// A broker key that counts minutes.
pub(super) const fn minutes(name: &'static str) -> Synonym {
    Synonym {
        name,
        unit: Unit::Minutes,
    }
}

/// A broker key that counts hours.
pub(super) const fn hours(name: &'static str) -> Synonym {
    Synonym {
        name,
        unit: Unit::Hours,
    }
}
