//! FINDINGS.md: the tests that do not pass, and why that is no fault of what is there.
//!
//! A finding is a row of a Markdown table:
//!
//! | test | not served | shown by |
//! |---|---|---|
//! | a name; `*` stands for anything | one of [`FEATURES`] | see [`Evidence`] |

use std::collections::BTreeSet;

/// What a node may not serve, and the keys of the APIs that come with it. A finding holds only
/// while the node advertises none of them.
const FEATURES: &[(&str, &[i16])] = &[
    ("transactions", &[24, 25, 26, 28, 65, 66]),
    ("KIP-848 groups", &[68, 69]),
    ("share groups", &[76, 77, 78, 79]),
    ("streams groups", &[88, 89]),
    ("ACLs", &[29, 30, 31]),
    ("SASL", &[17, 36]),
    ("TLS", &[]),
    ("quotas", &[48, 49]),
    ("SCRAM", &[50, 51]),
    ("delegation tokens", &[38, 39, 40, 41]),
    ("reassignment", &[45, 46]),
    ("UpdateFeatures", &[57]),
    ("ElectLeaders", &[43]),
    ("ListConfigResources", &[74]),
    ("client metrics", &[71, 72]),
];

/// What shows that the feature is the reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// ``says `text` ``: the test's own output has the text.
    Says(String),
    /// ``log `text` ``: the node's log of the test has the text.
    Log(String),
    /// ``after `test` ``: it needs what another excused test would have left.
    After(String),
    /// `absent`: the suite leaves the test out when the broker does not advertise the APIs.
    Absent,
    /// `skipped`: the suite skips the test for want of the feature.
    Skipped,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) test: String,
    pub(crate) feature: String,
    pub(crate) evidence: Evidence,
}

impl Finding {
    /// Whether the finding is about the test of this name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        matches(&self.test, name)
    }

    /// Why the finding no longer holds, given the APIs that the node advertises.
    pub(crate) fn outdated(&self, advertised: &BTreeSet<i16>) -> Option<String> {
        let keys = FEATURES
            .iter()
            .find(|(name, _)| *name == self.feature)
            .map(|(_, keys)| *keys)?;
        let served = keys.iter().find(|key| advertised.contains(key))?;
        Some(format!("{} is served: API {served}", self.feature))
    }
}

/// Reads the tables of a FINDINGS.md.
///
/// # Errors
///
/// A row that names no known feature, or shows no evidence that can be checked.
pub(crate) fn parse(text: &str) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [test, feature, evidence] = cells[..] else {
            return Err(format!("three cells wanted: {line}"));
        };
        if !FEATURES.iter().any(|(name, _)| *name == feature) {
            return Err(format!("no feature '{feature}': {line}"));
        }
        let quoted = |word: &str| {
            let text = evidence.strip_prefix(word)?.trim();
            Some(text.trim_matches('`').to_owned())
        };
        let evidence = match evidence {
            "absent" => Evidence::Absent,
            "skipped" => Evidence::Skipped,
            _ => quoted("says ")
                .map(Evidence::Says)
                .or_else(|| quoted("log ").map(Evidence::Log))
                .or_else(|| quoted("after ").map(Evidence::After))
                .ok_or_else(|| format!("no evidence '{evidence}': {line}"))?,
        };
        findings.push(Finding {
            test: test.trim_matches('`').to_owned(),
            feature: feature.to_owned(),
            evidence,
        });
    }
    Ok(findings)
}

/// Whether a name fits a pattern in which `*` stands for anything.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<_> = parts.collect();
    let (last, middle) = parts.split_last().unwrap_or((&"", &[]));
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("acls *", "acls add producer"));
        assert!(matches("* (consumer)*", "groups list (consumer) #2"));
        assert!(!matches("acls", "acls add"));
        assert!(!matches("a*b", "ac"));
    }

    #[test]
    fn a_finding_names_a_feature_and_its_evidence() {
        let row = "| `TestTxn*` | transactions | says `unsupported` |";
        let findings = parse(row).unwrap();
        assert!(findings[0].covers("TestTxnEtl"));
        assert_eq!(findings[0].evidence, Evidence::Says("unsupported".into()));
        assert!(findings[0].outdated(&BTreeSet::from([0, 1])).is_none());
        assert!(findings[0].outdated(&BTreeSet::from([26])).is_some());
        assert!(parse("| `a` | speed | says `slow` |").is_err());
        assert!(parse("| `a` | ACLs | because |").is_err());
    }
}
