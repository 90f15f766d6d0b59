//! Tables and JSON for standard output.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Failure;

/// Standard output, written in large pieces.
#[derive(Debug)]
pub(super) struct Output {
    out: BufWriter<Stdout>,
    closed: bool,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, io::stdout()),
            closed: false,
        }
    }

    /// Writes bytes. A reader that has seen enough, such as `head`, is no error.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let result = self.out.write_all(bytes);
        self.check(result)
    }

    /// Hands on what was written.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let result = self.out.flush();
        self.check(result)
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn check(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result.map_err(Failure::from),
        }
    }
}

/// Prints lines of columns, each as wide as its widest text.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let mut out = Output::new();
    out.write(render(heads, rows).as_bytes())?;
    out.flush()
}

fn render(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let texts = rows.iter().filter_map(|row| row.get(column));
        let widest = texts.map(|text| text.chars().count()).max().unwrap_or(0);
        widest.max(heads.get(column).map_or(0, |head| head.chars().count()))
    };
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    let line = |texts: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (text, width) in texts.zip(&widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', width - text.chars().count() + 2));
        }
        let mut line = line.trim_end().to_owned();
        line.push('\n');
        line
    };
    let mut text = line(&mut heads.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// Prints a value as JSON, on one line.
pub(super) fn json(value: &serde_json::Value) -> Result<(), Failure> {
    let mut out = Output::new();
    out.write(format!("{value}\n").as_bytes())?;
    out.flush()
}

/// Prints a line.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = Output::new();
    out.write(format!("{text}\n").as_bytes())?;
    out.flush()
}

/// A sign of life on a terminal; nothing anywhere else. `bytes` is the whole, if it is known.
pub(super) fn progress(bytes: Option<u64>) -> ProgressBar {
    match bytes {
        Some(bytes) => on_terminal(
            ProgressBar::new(bytes),
            "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}",
        ),
        None => on_terminal(
            ProgressBar::new_spinner(),
            "{spinner} {bytes} {bytes_per_sec} {msg}",
        ),
    }
}

/// The same for so many partitions.
pub(super) fn partitions(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    on_terminal(bar, "{bar:30} {pos}/{len} partitions {elapsed}")
}

fn on_terminal(bar: ProgressBar, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// `1234 records, 5.00 MiB in 1.2 s (1028 records/s, 4.17 MiB/s)`.
pub(super) fn summary(records: u64, bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = records as f64 / seconds;
    let bytes_rate = HumanBytes((bytes as f64 / seconds) as u64);
    let plural = if records == 1 { "" } else { "s" };
    let size = HumanBytes(bytes);
    format!("{records} record{plural}, {size} in {seconds:.1} s ({rate:.0}/s, {bytes_rate}/s)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let text = render(
            &["NAME", "N"],
            &[row(&["a", "10"]), row(&["long-name", ""])],
        );
        assert_eq!(text, "NAME       N\na          10\nlong-name\n");
    }

    #[test]
    fn a_summary_counts_and_rates() {
        let text = summary(1, 2048, Duration::from_secs(2));
        assert_eq!(text, "1 record, 2.00 KiB in 2.0 s (0/s, 1.00 KiB/s)");
    }
}
