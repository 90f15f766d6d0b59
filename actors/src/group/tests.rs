//! The pure state: tables, stories and properties; then the actor over a log in memory.

mod actor;
mod bench;
mod membership;
mod memory;
mod offsets;
mod properties;
mod rebalance;
mod statics;
