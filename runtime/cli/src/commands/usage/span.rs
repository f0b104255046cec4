//! From when to when.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use prost_types::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the command line reads the clock once for each command")]
pub fn now_unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

pub const DAY_MS: u64 = 86_400_000;

/// `7d` or `12h` before now, a date, or a date with a time; in milliseconds since the Unix epoch.
pub fn moment(text: &str, now_unix_ms: u64) -> anyhow::Result<u64> {
    for (unit, ms) in [("d", DAY_MS), ("h", 3_600_000), ("min", 60_000)] {
        if let Some(Ok(count)) = text.strip_suffix(unit).map(str::parse::<u64>) {
            return Ok(now_unix_ms.saturating_sub(count.saturating_mul(ms)));
        }
    }
    let is_date = text.len() == 10 && !text.contains(':');
    let whole = if is_date { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time: Timestamp = whole.parse().ok().with_context(|| {
        format!("`{text}` is no time: say `7d`, `12h`, `2026-11-23` or `2026-11-23T08:00:00Z`, in UTC")
    })?;
    let seconds = u64::try_from(time.seconds).with_context(|| format!("`{text}` is before 1970"))?;
    Ok(seconds.saturating_mul(1_000).saturating_add(u64::try_from(time.nanos).unwrap_or(0) / 1_000_000))
}

/// Both ends, the later one when it is said.
pub fn span(since: &str, until: Option<&str>) -> anyhow::Result<(u64, Option<u64>)> {
    let now = now_unix_ms();
    let since_ms = moment(since, now)?;
    let until_ms = until.map(|text| moment(text, now)).transpose()?;
    if until_ms.is_some_and(|until| until <= since_ms) {
        bail!("`--until` is not after `--since {since}`: give an earlier `--since`");
    }
    Ok((since_ms, until_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_before_now_or_dates() {
        let now = 1_795_410_000_000;
        for (text, ms) in [
            ("1d", now - DAY_MS),
            ("12h", now - DAY_MS / 2),
            ("90min", now - 5_400_000),
            ("2026-11-23", 1_795_392_000_000),
            ("2026-11-23T05:00:00Z", now),
            ("2026-11-23T05:00:00.250Z", now + 250),
        ] {
            assert_eq!(moment(text, now).expect(text), ms, "{text}");
        }
        for text in ["", "d", "soon", "-1d", "2026-13-01", "1969-12-31"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }
}
