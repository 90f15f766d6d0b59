//! `cargo xtask codegen`: Rust structs from Kafka's message schemas.
//!
//! The schemas are read from Kafka's published jars, which are fetched and never kept in the
//! project; what is generated is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sh::{self, Result};

mod api;
mod emit;
mod expression;
pub(crate) mod fetch;
mod layout;
mod spec;
mod table;
mod types;

/// The Kafka version whose schemas are read.
pub(crate) const KAFKA_VERSION: &str = "4.4.0";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A folder with the schemas, in any subfolders; without it they are fetched with Maven
    #[arg(long)]
    schemas: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = match &arguments.schemas {
        Some(folder) => folder.clone(),
        None => fetch::schemas()?,
    };
    let mut paths = Vec::new();
    find_schemas(&folder, &mut paths)?;
    paths.sort();
    let mut files = BTreeMap::new();
    let specs = spec::read_all(&paths)?;
    layout::generate(&specs, &mut files)?;
    write_all(&files)?;
    println!("{} messages in {} files", specs.len(), files.len());
    Ok(())
}

fn find_schemas(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_schemas(&path, paths)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    Ok(())
}

/// Replaces the generated folders by `files` (paths from the project's root), formatted.
fn write_all(files: &BTreeMap<PathBuf, String>) -> Result<()> {
    let root = sh::root();
    for folder in layout::FOLDERS {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
    }
    let mut rustfmt = Command::new("rustfmt");
    rustfmt
        .args(["--edition", "2024", "--config-path"])
        .arg(root.join("rustfmt.toml"));
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().ok_or("a file has a folder")?)?;
        fs::write(&path, text)?;
        if path.extension().is_some_and(|extension| extension == "rs") {
            rustfmt.arg(path);
        }
    }
    sh::run(&mut rustfmt)
}
