//! The pure state: tables, stories and properties.

mod bench;
mod membership;
mod offsets;
mod properties;
mod rebalance;
mod statics;
