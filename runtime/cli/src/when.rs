//! Times for people.

use anyhow::bail;
use prost_types::Timestamp;

/// A second as RFC 3339, in UTC.
pub fn utc(unix_s: u64) -> String {
    Timestamp { seconds: i64::try_from(unix_s).unwrap_or(i64::MAX), nanos: 0 }.to_string()
}

/// The same of milliseconds, with them.
pub fn utc_ms(unix_ms: u64) -> String {
    let seconds = utc(unix_ms / 1_000);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), unix_ms % 1_000)
}

/// A point in milliseconds since the Unix epoch: RFC 3339, or how long before now, as `30min`.
pub fn parse(text: &str, now_unix_ms: u64) -> anyhow::Result<u64> {
    const UNITS: [(&str, u64); 6] =
        [("ms", 1), ("min", 60_000), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let ago = UNITS
        .iter()
        .find_map(|(unit, size)| text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*size));
    if let Some(ago) = ago {
        return Ok(now_unix_ms.saturating_sub(ago));
    }
    let point = text.parse::<Timestamp>().ok().and_then(|point| {
        let seconds = u64::try_from(point.seconds).ok()?.checked_mul(1_000)?;
        seconds.checked_add(u64::try_from(point.nanos / 1_000_000).ok()?)
    });
    match point {
        Some(point) => Ok(point),
        None => bail!("`{text}` is no time: write `2026-11-23T08:00:00Z`, or how long ago, as `30min`, `24h` or `7d`"),
    }
}

/// How far a time is from now: `in 4 min 48 s`, `2 d 3 h ago`, `now`.
pub fn from_now(unix_s: u64, now_unix_s: u64) -> String {
    match unix_s.abs_diff(now_unix_s) {
        0 => "now".to_owned(),
        far if unix_s > now_unix_s => format!("in {}", span(far)),
        far => format!("{} ago", span(far)),
    }
}

/// A length of time by its two largest units.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let parts = UNITS.into_iter().filter_map(|(size, unit)| {
        let count = rest / size;
        rest %= size;
        (count > 0).then(|| format!("{count} {unit}"))
    });
    let parts = parts.take(2).collect::<Vec<_>>().join(" ");
    if parts.is_empty() { "0 s".to_owned() } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        for (unix_s, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_795_410_000, "2026-11-23T05:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(unix_s), date);
        }
    }

    #[test]
    fn a_time_is_a_date_or_how_long_ago() {
        let now = 1_795_410_000_000;
        for (text, point) in [
            ("2026-11-23T05:00:00Z", now),
            ("2026-11-23T06:00:00.250+01:00", now + 250),
            ("90s", now - 90_000),
            ("30min", now - 1_800_000),
            ("24h", now - 86_400_000),
            ("7 d", now - 604_800_000),
        ] {
            assert_eq!(parse(text, now).expect(text), point, "{text}");
        }
        for text in ["", "yesterday", "h", "-3h", "1969-12-31T23:59:59Z", "99999999999999999999d"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn distances_are_told_by_two_units() {
        for (unix_s, told) in [
            (1_000_000, "now"),
            (1_000_288, "in 4 min 48 s"),
            (1_003_600, "in 1 h"),
            (1_186_461, "in 2 d 3 h"),
            (999_999, "1 s ago"),
            (0, "11 d 13 h ago"),
        ] {
            assert_eq!(from_now(unix_s, 1_000_000), told);
        }
        assert_eq!(utc_ms(951_782_399_007), "2000-02-28T23:59:59.007Z");
        assert!(utc(u64::MAX).ends_with('Z'), "any number is some date");
    }
}
