//! Broker keys, one file per theme.

use super::definition::ConfigDef;

mod cluster;
mod groups;
mod logs;
mod network;
mod other;
mod security;
mod tiered;
mod transactions;

/// All themes; each is sorted by name, together they are not.
pub(super) static ALL: [&[ConfigDef]; 8] = [
    cluster::KEYS,
    groups::KEYS,
    logs::KEYS,
    network::KEYS,
    other::KEYS,
    security::KEYS,
    tiered::KEYS,
    transactions::KEYS,
];
