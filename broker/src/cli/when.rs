//! Places in a partition, as people name them.

use odeon_client::OffsetSpec;

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The first record.
    Beginning,
    /// Behind the last record.
    End,
    /// An offset.
    Offset(i64),
    /// So many offsets before the end.
    BeforeEnd(i64),
    /// The first record of this time or later, in ms since 1970.
    Time(i64),
}

/// The forms of a place, for `--help`.
pub(super) const PLACE_HELP: &str = "`beginning`, `end`, an offset, `-N` for N before the end, `@MS` \
    for milliseconds since 1970, or a time such as 2026-11-22T09:30:00Z";

impl Place {
    /// What to ask the cluster to find the place; nothing for an offset.
    pub(super) fn spec(self) -> Option<OffsetSpec> {
        match self {
            Self::Beginning => Some(OffsetSpec::Earliest),
            Self::End | Self::BeforeEnd(_) => Some(OffsetSpec::Latest),
            Self::Time(time_ms) => Some(OffsetSpec::Timestamp(time_ms)),
            Self::Offset(_) => None,
        }
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "beginning" | "earliest" => return Ok(Self::Beginning),
            "end" | "latest" => return Ok(Self::End),
            _ => {}
        }
        if let Some(time) = text.strip_prefix('@') {
            let time: Option<i64> = time.parse().ok().filter(|time| *time >= 0);
            return time.map(Self::Time).ok_or_else(|| wrong(text));
        }
        if let Ok(number) = text.parse::<i64>() {
            return Ok(match number {
                0.. => Self::Offset(number),
                _ => Self::BeforeEnd(number.checked_neg().ok_or_else(|| wrong(text))?),
            });
        }
        parse_time(text).map(Self::Time).ok_or_else(|| wrong(text))
    }
}

fn wrong(text: &str) -> String {
    format!("'{text}' is not a place; it is {PLACE_HELP}")
}

/// Reads `YYYY-MM-DD[Thh:mm[:ss[.fff]][Z|+hh:mm]]`, without a zone as UTC, to ms since 1970.
fn parse_time(text: &str) -> Option<i64> {
    let (date, rest) = match text.split_once(['T', ' ']) {
        Some((date, rest)) => (date, rest),
        None => (text, "00:00Z"),
    };
    let [year, month, day] = numbers(date, '-')?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let (clock, zone) = match rest.find(['Z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, "Z"),
    };
    let offset_minutes = match zone {
        "Z" => 0,
        _ => {
            let [hours, minutes] = numbers(&zone[1..], ':')?;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            sign * (hours * 60 + minutes)
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = match clock.matches(':').count() {
        1 => numbers(clock, ':').map(|[hour, minute]| [hour, minute, 0])?,
        _ => numbers(clock, ':')?,
    };
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis: i64 = digits.parse().ok()?;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - offset_minutes * 60) * 1000 + millis)
}

/// Numbers without signs, separated by `by`.
fn numbers<const N: usize>(text: &str, by: char) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(by);
    for number in &mut numbers {
        let part = parts.next()?;
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days between 1970-01-01 and a date of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March here, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let days_to_month = (153 * month + 2) / 5;
    year * 365 + leap_days + days_to_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_as_people_write_them() {
        for (text, place) in [
            ("beginning", Place::Beginning),
            ("end", Place::End),
            ("0", Place::Offset(0)),
            ("42", Place::Offset(42)),
            ("-5", Place::BeforeEnd(5)),
            ("@1700000000000", Place::Time(1_700_000_000_000)),
            ("1970-01-01", Place::Time(0)),
            ("1970-01-01T00:00:01Z", Place::Time(1_000)),
            ("2000-03-01T00:00Z", Place::Time(951_868_800_000)),
            ("2024-02-29T12:30:45.5Z", Place::Time(1_709_209_845_500)),
            ("2026-11-22T10:00:00+01:30", Place::Time(1_795_336_200_000)),
            ("2026-11-22 08:30", Place::Time(1_795_336_200_000)),
        ] {
            assert_eq!(text.parse::<Place>().unwrap(), place, "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "",
            "x",
            "@x",
            "@-1",
            "1.5",
            "2026-13-01",
            "2026-1",
            "2026-11-22T25:00Z",
            "-x",
            "2026-11-22T10",
            "2026-11-22T10:00+",
            "-9223372036854775808",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
