//! The one binary.

use std::process::ExitCode;

/// Many threads allocate and free small things; this allocator is made for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    odeon::cli::run()
}
