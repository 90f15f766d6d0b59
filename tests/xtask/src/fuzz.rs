//! `cargo xtask fuzz`: the fuzz targets of `tests/fuzz`, driven by libFuzzer.
//!
//! It needs the pinned toolchain and a C++ compiler: LLVM's coverage pass is a flag of the stable
//! compiler, and libFuzzer's source comes with `libfuzzer-sys`. What a target found interesting
//! stays in `tests/fuzz/corpus`, what broke it in `tests/fuzz/artifacts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::sh::{self, Result};

/// What libFuzzer needs of the compiler.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// A target that holds more memory than this has failed.
const MEMORY_LIMIT_MB: u32 = 2048;
/// An input that takes longer than this has failed.
const INPUT_LIMIT_S: u32 = 20;
/// By then pools and caches are filled: memory that grows later is told.
const WARM: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One target; all without it
    target: Option<String>,
    /// How long each one runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// What a run showed.
#[derive(Debug)]
struct Row {
    target: String,
    executions: u64,
    warm_mb: Option<u64>,
    end_mb: u64,
    failed: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = targets(arguments.target.as_deref())?;
    write_seeds()?;
    let mut rows = Vec::new();
    for target in targets {
        build(&target)?;
        rows.push(fuzz(target, arguments.seconds)?);
    }
    println!("| target | executions | a second | MB after a minute | MB at the end | |");
    println!("|---|---|---|---|---|---|");
    for row in &rows {
        let warm = row.warm_mb.map_or("-".to_owned(), |mb| mb.to_string());
        let verdict = if row.failed { "FAILED" } else { "holds" };
        let rate = row.executions / arguments.seconds.max(1);
        let (target, executions, end) = (&row.target, row.executions, row.end_mb);
        println!("| {target} | {executions} | {rate} | {warm} | {end} | {verdict} |");
    }
    if rows.iter().any(|row| row.failed) {
        let artifacts = folder("artifacts");
        return Err(format!("what broke a target is in {}", artifacts.display()).into());
    }
    Ok(())
}

/// A folder of the fuzz crate.
fn folder(name: &str) -> PathBuf {
    sh::root().join("tests/fuzz").join(name)
}

fn targets(wanted: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder("fuzz_targets"))? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    match wanted {
        None => Ok(names),
        Some(name) if names.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => Err(format!("no target {name}: {}", names.join(", ")).into()),
    }
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

/// Naming the host as target keeps the flags away from build scripts.
fn build(target: &str) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder(""));
    cargo.env("RUSTFLAGS", COVERAGE.join(" "));
    cargo.args(["build", "--release", "--target", &host()?, "--bin", target]);
    if target == "connection" {
        cargo.args(["--features", "node"]);
    }
    cargo.arg("--target-dir").arg(sh::target().join("fuzz"));
    sh::run(&mut cargo)
}

fn fuzz(target: String, seconds: u64) -> Result<Row> {
    let binary = sh::target().join("fuzz").join(host()?).join("release");
    let (corpus, artifacts) = (
        folder("corpus").join(&target),
        folder("artifacts").join(&target),
    );
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let log = sh::target().join("fuzz").join(format!("{target}.log"));
    println!("{target}: {seconds} s, log in {}", log.display());
    let mut command = Command::new(binary.join(&target));
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-rss_limit_mb={MEMORY_LIMIT_MB}"));
    command.arg(format!("-timeout={INPUT_LIMIT_S}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg("-print_final_stats=1").arg(corpus);
    if target == "record_batch" {
        command.arg(sh::root().join("client/records/fixtures"));
    }
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?);
    let mut child = command.spawn()?;
    let (warm_mb, last_mb) = watch(&mut child)?;
    let failed = !child.wait()?.success();
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if failed {
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.len().saturating_sub(40);
        lines[tail..].iter().for_each(|line| eprintln!("{line}"));
    }
    let executions = stat(&text, "number_of_executed_units").unwrap_or(0);
    let end_mb = stat(&text, "peak_rss_mb").unwrap_or(last_mb);
    Ok(Row {
        target,
        executions,
        warm_mb,
        end_mb,
        failed,
    })
}

/// Waits for the end; the largest memory when the target was warm, and the last seen.
fn watch(child: &mut Child) -> Result<(Option<u64>, u64)> {
    let started = Instant::now();
    let (mut warm_mb, mut last_mb) = (None, 0);
    while child.try_wait()?.is_none() {
        last_mb = peak_mb(child.id()).unwrap_or(last_mb);
        if warm_mb.is_none() && started.elapsed() >= WARM {
            warm_mb = Some(last_mb);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok((warm_mb, last_mb))
}

fn peak_mb(process: u32) -> Option<u64> {
    Some(sh::status_kib(process, "VmHWM:")? / 1024)
}

fn stat(log: &str, name: &str) -> Option<u64> {
    let line = log.lines().rev().find(|line| line.contains(name))?;
    line.split_whitespace().last()?.parse().ok()
}

/// A sample of every request and response in every version, from the protocol's own tests.
fn write_seeds() -> Result<()> {
    let file = sh::target().join("fuzz-seeds");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(sh::root())
        .env("ODEON_WIRE_CORPUS", &file);
    cargo.args([
        "test",
        "--quiet",
        "--package",
        "odeon-protocol",
        "--test",
        "wire",
        "--",
    ]);
    sh::run(cargo.args(["--ignored", "--exact", "the_corpus_is_written"]))?;
    for (index, line) in fs::read_to_string(&file)?.lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, category, _, key, version, body] = words[..] else {
            continue;
        };
        let mut seed = key.parse::<i16>()?.to_be_bytes().to_vec();
        seed.extend(version.parse::<i16>()?.to_be_bytes());
        let body = bytes(body)?;
        if category == "request"
            && let Ok(length) = u16::try_from(body.len())
        {
            let framed = [&seed[..], &length.to_be_bytes(), &body].concat();
            write_seed(&folder("corpus/connection"), index, &framed)?;
        }
        seed.extend(body);
        if let "request" | "response" = category {
            write_seed(
                &folder("corpus").join(format!("{category}_decode")),
                index,
                &seed,
            )?;
        }
    }
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = (0..hex.len()).step_by(2);
    let bytes = digits.map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    Ok(bytes.collect::<std::result::Result<_, _>>()?)
}

fn write_seed(folder: &Path, index: usize, seed: &[u8]) -> Result<()> {
    fs::create_dir_all(folder)?;
    Ok(fs::write(folder.join(format!("seed-{index}")), seed)?)
}
