//! (being built)

pub mod group;
