//! A flame graph of what perf saw.

use std::io::{stdin, stdout};

use clap::Args;
use inferno::collapse::Collapse;
use inferno::collapse::perf::Folder;
use inferno::flamegraph::{Options, from_reader};

use crate::Result;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[arg(long, default_value = "")]
    title: String,
}

/// From standard input, which is what `perf script` prints, to standard output, as SVG.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut folded = Vec::new();
    Folder::default().collapse(stdin().lock(), &mut folded)?;
    let mut options = Options::default();
    options.title.clone_from(&arguments.title);
    from_reader(&mut options, folded.as_slice(), stdout().lock())?;
    Ok(())
}
