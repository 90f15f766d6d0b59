//! What the commands share: where the project is, and how other programs are run.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whatever went wrong, in words.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The project's root.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root.pop();
    root
}

/// Where built and fetched things go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// Installs the package of a program's name, unless the program is there.
pub(crate) fn need(program: &str) -> Result<()> {
    let mut asked = Command::new(program);
    asked
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if asked.status().is_ok() {
        return Ok(());
    }
    eprintln!("installing {program}");
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        run(apt
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null()))
    };
    let install = || apt(&["install", "-y", "-q", program]);
    install().or_else(|_| {
        apt(&["update", "-q"])?;
        install()
    })
}

/// What the kernel says of a process's memory, in KiB: a line of its `status`.
pub(crate) fn status_kib(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
