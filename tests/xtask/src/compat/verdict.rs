//! Whether a suite's outcome is what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use super::findings::{self, Evidence, Finding};
use super::suite::{Outcome, Run, Test};
use crate::sh::{self, Result};

/// A suite's outcome: one row of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) client: String,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    pub(crate) excused: usize,
    /// How many tests pass on Apache Kafka.
    pub(crate) kafka: usize,
    /// What no finding excuses, and findings that are of no use.
    pub(crate) faults: Vec<String>,
}

/// Compares what ran with the suite's three files.
pub(crate) fn judge(suite: &str, run: &Run, advertised: &BTreeSet<i16>) -> Result<Row> {
    let kafka = read_names(suite, "kafka.txt")?;
    let allowed = read_names(suite, "allow.txt")?;
    let findings = read_findings(suite)?;
    Ok(compare(suite, run, advertised, &kafka, &allowed, &findings))
}

fn compare(
    suite: &str,
    run: &Run,
    advertised: &BTreeSet<i16>,
    kafka: &BTreeSet<String>,
    allowed: &BTreeSet<String>,
    findings: &[Finding],
) -> Row {
    let tests: BTreeMap<_, _> = run.tests.iter().map(|test| (&*test.name, test)).collect();
    let count = |outcome| {
        run.tests
            .iter()
            .filter(|test| test.outcome == outcome)
            .count()
    };
    let mut row = Row {
        client: suite.to_owned(),
        failed: count(Outcome::Failed),
        skipped: count(Outcome::Skipped),
        kafka: kafka.len(),
        ..Row::default()
    };
    let mut used = vec![false; findings.len()];
    let failing = |name: &str| !tests.get(name).is_some_and(|test| test.passed());
    for name in kafka {
        if !failing(name) {
            row.passed += 1;
            if !allowed.contains(name) {
                row.faults
                    .push(format!("passes, but is not in allow.txt: {name}"));
            }
            continue;
        }
        let test = tests.get(&**name).copied();
        if allowed.contains(name) {
            row.faults.push(format!("must pass: {name}: {}", why(test)));
            continue;
        }
        match excuse(name, test, advertised, findings, &failing) {
            Ok(index) => {
                used[index] = true;
                row.excused += 1;
            }
            Err(reason) => row.faults.push(format!("{reason}: {name}: {}", why(test))),
        }
    }
    for test in &run.tests {
        if test.outcome == Outcome::Failed && !kafka.contains(&test.name) {
            let finding = findings
                .iter()
                .position(|finding| finding.covers(&test.name));
            match finding {
                Some(index) => used[index] = true,
                None => row.faults.push(format!(
                    "not known from Kafka: {}: {}",
                    test.name,
                    why(Some(test))
                )),
            }
        }
    }
    for (finding, _) in findings.iter().zip(used).filter(|(_, used)| !used) {
        row.faults
            .push(format!("a finding that nothing needs: {}", finding.test));
    }
    row
}

/// Which finding excuses a failing test, or why none does.
fn excuse(
    name: &str,
    test: Option<&Test>,
    advertised: &BTreeSet<i16>,
    findings: &[Finding],
    failing: &dyn Fn(&str) -> bool,
) -> std::result::Result<usize, String> {
    let mut reason = "no finding".to_owned();
    for (index, finding) in findings.iter().enumerate().filter(|(_, f)| f.covers(name)) {
        if let Some(outdated) = finding.outdated(advertised) {
            reason = format!("the finding is outdated, {outdated}");
            continue;
        }
        let shown = match (&finding.evidence, test) {
            (Evidence::Says(text), Some(test)) => test.output.contains(text),
            (Evidence::Log(text), Some(test)) => test.requests.contains(text),
            (Evidence::After(other), _) => {
                failing(other) && findings.iter().any(|finding| finding.covers(other))
            }
            (Evidence::Absent, None) => true,
            (Evidence::Skipped, Some(test)) => test.outcome == Outcome::Skipped,
            _ => false,
        };
        if shown {
            return Ok(index);
        }
        reason = format!("the finding's evidence is missing ({:?})", finding.evidence);
    }
    Err(reason)
}

fn why(test: Option<&Test>) -> String {
    let Some(test) = test else {
        return "did not run".to_owned();
    };
    let text: String = test.output.chars().take(300).collect();
    format!("{:?} {text}", test.outcome)
}

/// The table for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| client | passed | failed | skipped | excused | Kafka's count | |\n");
    text += "|---|---|---|---|---|---|---|\n";
    for row in rows {
        let whole = row.faults.is_empty() && row.passed + row.excused == row.kafka;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.client,
            row.passed,
            row.failed,
            row.skipped,
            row.excused,
            row.kafka,
            if whole { "as Kafka" } else { "NOT as Kafka" }
        );
    }
    text
}

/// Writes one of a suite's lists of names.
pub(crate) fn write_names<'a>(
    suite: &str,
    file: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let names: BTreeSet<_> = names.collect();
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs::write(path(suite, file), text)?;
    Ok(())
}

fn read_names(suite: &str, file: &str) -> Result<BTreeSet<String>> {
    let path = path(suite, file);
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let text = fs::read_to_string(&path)?;
    Ok(text
        .lines()
        .filter(|line| !line.is_empty())
        .map(ToOwned::to_owned)
        .collect())
}

fn read_findings(suite: &str) -> Result<Vec<Finding>> {
    let path = path(suite, "FINDINGS.md");
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(findings::parse(&fs::read_to_string(&path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?)
}

fn path(suite: &str, file: &str) -> std::path::PathBuf {
    sh::root().join("tests/compat").join(suite).join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, outcome: Outcome, output: &str, requests: &str) -> Test {
        Test {
            name: name.to_owned(),
            outcome,
            output: output.to_owned(),
            requests: requests.to_owned(),
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_failure_is_excused_only_by_evidence() {
        let run = Run {
            tests: vec![
                test("works", Outcome::Passed, "", ""),
                test("tx", Outcome::Failed, "no coordinator", ""),
                test("tx copy", Outcome::Failed, "", ""),
                test("tx log", Outcome::Failed, "", "api=\"EndTxn\""),
            ],
        };
        let kafka = names(&["works", "tx", "tx copy", "tx log"]);
        let rows = "| `tx` | transactions | says `no coordinator` |\n\
                    | `tx copy` | transactions | after `tx` |\n\
                    | `tx log` | transactions | log `EndTxn` |\n";
        let findings = findings::parse(rows).unwrap();
        let judge = |allowed: &[&str], advertised: &[i16]| {
            let advertised = advertised.iter().copied().collect();
            compare("s", &run, &advertised, &kafka, &names(allowed), &findings)
        };
        let good = judge(&["works"], &[0, 1]);
        assert_eq!((good.passed, good.excused, good.kafka), (1, 3, 4));
        assert!(good.faults.is_empty(), "{:?}", good.faults);
        // Served: nothing is excused any more.
        assert!(!judge(&["works"], &[26]).faults.is_empty());
        // Promised: a finding does not help.
        assert!(!judge(&["works", "tx"], &[0]).faults.is_empty());
        // Passing without being promised is a fault too.
        assert!(!judge(&[], &[0]).faults.is_empty());
    }

    #[test]
    fn a_failure_without_its_evidence_is_a_fault() {
        let run = Run {
            tests: vec![test("tx", Outcome::Failed, "wrong offset", "")],
        };
        let findings = findings::parse("| `tx` | transactions | says `no coordinator` |").unwrap();
        let none = BTreeSet::new();
        let row = compare("s", &run, &none, &names(&["tx"]), &none_names(), &findings);
        assert_eq!(row.excused, 0);
        assert!(!row.faults.is_empty());
    }

    fn none_names() -> BTreeSet<String> {
        BTreeSet::new()
    }
}
