//! Times for people.

use std::{str::FromStr, time::SystemTime};

use prost_types::Timestamp;

/// A moment as people write it, in milliseconds since the Unix epoch: `2026-11-23T08:00:00Z`, `2026-11-23` (midnight, UTC), or
/// how long ago: `90s`, `15m`, `2h`, `7d`, `2w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub u64);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let now_ms = now_unix_ms();
        let ago = ago_ms(text).map(|ago| now_ms.saturating_sub(ago));
        let moment = ago.or_else(|| date_ms(text)).map(Self);
        moment
            .ok_or_else(|| "write `2026-11-23T08:00:00Z`, `2026-11-23`, or how long ago: `90s`, `2h`, `7d`".to_owned())
    }
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the command line reads the clock once for each command")]
pub fn now_unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn ago_ms(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_s)?.checked_mul(1_000)
}

fn date_ms(text: &str) -> Option<u64> {
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let time = if is_date { format!("{text}T00:00:00Z").parse() } else { text.parse() };
    let Timestamp { seconds, nanos } = time.ok()?;
    let ms = u64::try_from(nanos).ok()? / 1_000_000;
    u64::try_from(seconds).ok()?.checked_mul(1_000)?.checked_add(ms)
}

/// A second as RFC 3339, in UTC.
pub fn utc(unix_s: u64) -> String {
    Timestamp { seconds: i64::try_from(unix_s).unwrap_or(i64::MAX), nanos: 0 }.to_string()
}

/// The same of milliseconds, with them.
pub fn utc_ms(unix_ms: u64) -> String {
    let seconds = utc(unix_ms / 1_000);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), unix_ms % 1_000)
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
    fn moments_are_dates_or_how_long_ago() {
        let at = |text: &str| text.parse::<Moment>().map(|moment| moment.0);
        assert_eq!(at("2000-02-29"), Ok(951_782_400_000));
        assert_eq!(at("2000-02-29T00:00:01.5Z"), Ok(951_782_401_500));
        assert_eq!(at("2000-02-29T01:00:00+01:00"), Ok(951_782_400_000));
        let week = at("0s").unwrap() - at("1w").unwrap();
        assert!((604_799_000..=604_801_000).contains(&week), "{week}");
        for wrong in ["", "7", "d", "7y", "-1d", "2000-13-01", "yesterday", "99999999999999999999d", "1960-01-01"] {
            assert!(at(wrong).is_err(), "{wrong}");
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
