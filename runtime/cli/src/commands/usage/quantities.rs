//! Numbers for people: three digits and a unit.

/// `999`, `1.2 k`, `34 M`.
pub fn count(number: u64) -> String {
    scaled(number, 1_000, &["", "k", "M", "G", "T", "P", "E"])
}

/// `512 B`, `1.5 KiB`.
pub fn bytes(number: u64) -> String {
    scaled(number, 1_024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// Of microseconds: `850 us`, `12 ms`, `3.4 s`, `5 min`.
pub fn duration(us: u64) -> String {
    match us {
        0..60_000_000 => scaled(us, 1_000, &["us", "ms", "s"]),
        _ => format!("{} min", us / 60_000_000),
    }
}

/// Of millionths: `12.34`.
pub fn cost(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    format!("{sign}{}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

/// How much of a whole, in percent.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn scaled(number: u64, base: u64, units: &[&str]) -> String {
    let (mut size, mut at) = (1, 0);
    while at + 1 < units.len() && number / size >= base {
        (size, at) = (size.saturating_mul(base), at + 1);
    }
    let unit = units.get(at).copied().unwrap_or_default();
    let (whole, tenth) = (number / size, u128::from(number % size) * 10 / u128::from(size));
    let text = if at > 0 && whole < 10 { format!("{whole}.{tenth}") } else { whole.to_string() };
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let counts = [0, 999, 1_000, 9_999, 10_000, 999_999, u64::MAX].map(count);
        assert_eq!(counts, ["0", "999", "1.0 k", "9.9 k", "10 k", "999 k", "18 E"]);
        assert_eq!([0, 1_023, 1_536, 64 << 20].map(bytes), ["0 B", "1023 B", "1.5 KiB", "64 MiB"]);
        let durations = [0, 850, 1_500, 12_000, 3_400_000, 59_999_999, 300_000_000].map(duration);
        assert_eq!(durations, ["0 us", "850 us", "1.5 ms", "12 ms", "3.4 s", "59 s", "5 min"]);
        assert_eq!([0, 12_345_678, -1_500_000].map(cost), ["0.00", "12.34", "-1.50"]);
        assert_eq!([percent(1, 3), percent(0, 0), percent(7, 7)], ["33.3 %", "-", "100.0 %"]);
    }
}
