//! The text of a Java properties file, such as `server.properties`.
//!
//! Source: `java.util.Properties.load`. The text is UTF-8 here, which older files (ISO 8859-1)
//! agree with as long as they keep to ASCII and to `\uXXXX`.

use std::collections::BTreeMap;

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PropertiesError {
    /// The number of the line where the entry begins, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads a whole text. A key that comes twice has its last value.
///
/// # Errors
/// A `\u` is not followed by four hexadecimal digits.
pub fn parse_properties(text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    let mut entries = BTreeMap::new();
    let mut lines = natural_lines(text).enumerate();
    while let Some((index, first)) = lines.next() {
        let line = first.trim_start_matches(BLANKS);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while ends_in_continuation(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split_entry(&logical);
        let read = |part| {
            unescape(part).map_err(|reason| PropertiesError {
                line: index + 1,
                reason,
            })
        };
        entries.insert(read(key)?, read(value)?);
    }
    Ok(entries)
}

const BLANKS: [char; 3] = [' ', '\t', '\x0c'];

fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Whether a line ends in an odd number of backslashes.
fn ends_in_continuation(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Cuts an entry at its first unescaped `=`, `:` or blank; blanks around the sign go with it.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, character) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if matches!(character, '=' | ':') || BLANKS.contains(&character) {
            let rest = line[index..].trim_start_matches(BLANKS);
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..index], value.trim_start_matches(BLANKS));
        }
    }
    (line, "")
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut units: Vec<u16> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escape = if character == '\\' {
            characters.next()
        } else {
            None
        };
        if escape == Some('u') {
            let digits: String = characters.by_ref().take(4).collect();
            let valid = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| valid);
            units.push(unit.ok_or("\\u must be followed by four hexadecimal digits")?);
            continue;
        }
        out.push_str(&String::from_utf16_lossy(&units));
        units.clear();
        match (character, escape) {
            ('\\', None) => {}
            (_, Some('t')) => out.push('\t'),
            (_, Some('n')) => out.push('\n'),
            (_, Some('r')) => out.push('\r'),
            (_, Some('f')) => out.push('\x0c'),
            (_, Some(other)) => out.push(other),
            (plain, None) => out.push(plain),
        }
    }
    out.push_str(&String::from_utf16_lossy(&units));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Vec<(String, String)> {
        parse_properties(text).unwrap().into_iter().collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut entries = parsed(text);
        assert_eq!(entries.len(), 1, "{text:?}");
        entries.remove(0)
    }

    #[test]
    fn keys_end_at_a_sign_or_a_blank() {
        for text in [
            "a=b c",
            "a:b c",
            "a b c",
            "a = b c",
            "  a\t:\tb c",
            "a    b c",
        ] {
            assert_eq!(one(text), ("a".to_owned(), "b c".to_owned()), "{text:?}");
        }
        assert_eq!(one("a"), ("a".to_owned(), String::new()));
        assert_eq!(one("a=="), ("a".to_owned(), "=".to_owned()));
        assert_eq!(one("=v"), (String::new(), "v".to_owned()));
        assert_eq!(one("a=b "), ("a".to_owned(), "b ".to_owned()));
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        assert_eq!(
            parsed("# a=1\n  ! b=2\n\n \t\nc=3 # not a comment\n").len(),
            1
        );
        assert_eq!(parsed("# never goes on \\\na=1").len(), 1);
    }

    #[test]
    fn a_backslash_at_the_end_goes_on_in_the_next_line() {
        assert_eq!(
            one("a=1,\\\n   2,\\\r\n\t3"),
            ("a".to_owned(), "1,2,3".to_owned())
        );
        assert_eq!(one("a=1\\\\"), ("a".to_owned(), "1\\".to_owned()));
        assert_eq!(one("a=1\\"), ("a".to_owned(), "1".to_owned()));
    }

    #[test]
    fn escapes_become_what_they_stand_for() {
        assert_eq!(
            one(r"a\=b\:c\ d=\t\n\q"),
            ("a=b:c d".to_owned(), "\t\nq".to_owned())
        );
        assert_eq!(
            one(r"a=\u0041\uD83D\uDE00!"),
            ("a".to_owned(), "A\u{1f600}!".to_owned())
        );
    }

    #[test]
    fn a_broken_unicode_escape_is_an_error_with_its_line() {
        for text in [r"a=\u00", r"a=\u00g0", r"a=\u+123"] {
            let error = parse_properties(&format!("b=1\n\n{text}")).unwrap_err();
            assert_eq!(error.line, 3, "{text}");
        }
    }

    #[test]
    fn the_last_value_of_a_key_holds() {
        assert_eq!(one("a=1\na=2"), ("a".to_owned(), "2".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(?s).{0,200}") {
            let _ = parse_properties(&text);
        }

        #[test]
        fn plain_entries_read_back(key in "[a-z.]{1,20}", value in "[a-z0-9:/,=][a-z0-9:/,= ]{0,30}") {
            let value = value.trim_start_matches(['=', ':']).to_owned();
            prop_assume!(!value.starts_with(' '));
            prop_assert_eq!(one(&format!("{key} = {value}")), (key, value));
        }
    }
}
