//! How long a server wants to be left alone (`retry-after`, RFC 9110 section 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

use ::http::{HeaderMap, HeaderName, header};

/// A server that wants to be left alone for longer is: the guest is told.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What a response asks for, in seconds or until a date: zero when it asks for nothing or the date is over, `None` when it is more
/// than [`WAIT_MAX`] or cannot be read. `now` is ours, counted from 1970.
pub(super) fn asked(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    if !headers.contains_key(header::RETRY_AFTER) {
        return Some(Duration::ZERO);
    }
    wished(headers, now).filter(|wait| *wait <= WAIT_MAX)
}

/// What a response asks for, however long that is; `None` when it asks for nothing, or cannot be read.
pub(super) fn wished(headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let value = text(headers, &header::RETRY_AFTER)?;
    let seconds: Option<u64> = value.parse().ok();
    seconds.map(Duration::from_secs).or_else(|| until(value, headers, now))
}

/// From now to a date. The server's own clock counts, where it says what that shows: ours may be another.
fn until(value: &str, headers: &HeaderMap, now: Duration) -> Option<Duration> {
    let now = text(headers, &header::DATE).and_then(since_1970).unwrap_or(now);
    since_1970(value).map(|then| then.saturating_sub(now))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// A date in any of the three forms of RFC 9110 section 5.6.7.
fn since_1970(date: &str) -> Option<Duration> {
    httpdate::parse_http_date(date).ok()?.duration_since(UNIX_EPOCH).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    const NOW: Duration = Duration::from_secs(784_111_777);

    fn wait(value: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().expect("a value"));
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().expect("a value"));
        }
        asked(&headers, NOW).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_waited_for_up_to_the_same_bound() {
        for (value, expected) in [
            ("0", Some(0)),
            (" 5 ", Some(5)),
            ("6", None),
            ("Sun, 06 Nov 1994 08:49:39 GMT", Some(2)),
            ("Sunday, 06-Nov-94 08:49:42 GMT", Some(5)),
            ("Sun Nov  6 08:49:38 1994", Some(1)),
            ("Sun, 06 Nov 1994 08:49:43 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:39", None),
            ("-1", None),
            ("18446744073709551616", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(value, None), expected, "{value}");
        }
        assert_eq!(asked(&HeaderMap::new(), NOW), Some(Duration::ZERO));
    }

    #[test]
    fn a_date_is_read_by_the_clock_of_who_wrote_it() {
        let date = Some("Mon, 07 Nov 1994 08:49:37 GMT");
        assert_eq!(wait("Mon, 07 Nov 1994 08:49:40 GMT", date), Some(3));
        assert_eq!(wait("Mon, 07 Nov 1994 08:49:40 GMT", None), None, "by ours it is a day away");
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:40 GMT", Some("yesterday")), Some(3), "ours is left");
    }
}
