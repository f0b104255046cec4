//! AWS Signature Version 4: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html> for S3, and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html> for other services.

use std::fmt::Write as _;

use airlock_model::Digest;
use aws_lc_rs::hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Secret;

/// RFC 3986's unreserved characters stay, as the signature wants them.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path, whose `/` stay as well.
const PATH: &AsciiSet = &VALUE.remove(b'/');
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Who has a signed URL sends no body that could be signed.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Who signs, and for where.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) secret: Secret,
    pub(crate) region: String,
    /// As AWS names it: `s3`, `execute-api`.
    pub(crate) service: String,
}

/// What is signed of a request.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// Encoded, as it goes on the wire; for services other than S3 encoded once more.
    pub(crate) path: &'a str,
    /// Encoded and sorted.
    pub(crate) query: &'a str,
    /// Names in lower case, sorted.
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// A time as signatures have it: `20130524T000000Z`.
pub(crate) struct Stamp(String);

impl Stamp {
    pub(crate) fn of(unix_ms: u64) -> Self {
        let (days, second) = (unix_ms / 86_400_000, unix_ms / 1_000 % 86_400);
        let (year, month, day) = civil(days);
        Self(format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn date(&self) -> &str {
        self.0.get(..8).unwrap_or_default()
    }
}

/// Year, month and day of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

impl Signer {
    /// The value of `authorization`.
    pub(crate) fn authorization(&self, signed: &Signed<'_>, payload_sha256: &str, stamp: &Stamp) -> String {
        let signature = self.signature(signed, payload_sha256, stamp);
        let (scope, names) = (self.scope(stamp), names(signed.headers));
        format!("{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}", self.access_key_id)
    }

    /// The query of a URL that reads an object for so many seconds.
    pub(crate) fn query(&self, host: &str, path: &str, seconds: u64, stamp: &Stamp) -> String {
        let credential = format!("{}/{}", self.access_key_id, self.scope(stamp));
        let query = query(&[
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", stamp.as_str()),
            ("X-Amz-Expires", &seconds.to_string()),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let signed = Signed { method: "GET", path, query: &query, headers: &[("host", host)] };
        let signature = self.signature(&signed, UNSIGNED, stamp);
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn signature(&self, signed: &Signed<'_>, payload_sha256: &str, stamp: &Stamp) -> String {
        let mut request = format!("{}\n{}\n{}\n", signed.method, signed.path, signed.query);
        for (name, value) in signed.headers {
            // Writing to a text cannot fail.
            let _ = writeln!(request, "{name}:{}", value.trim());
        }
        let _ = write!(request, "\n{}\n{payload_sha256}", names(signed.headers));
        let text =
            format!("{ALGORITHM}\n{}\n{}\n{}", stamp.as_str(), self.scope(stamp), Digest::of(request.as_bytes()));
        hex::encode(keyed(self.key(stamp).as_ref(), &text))
    }

    /// A key for one day, region and service.
    fn key(&self, stamp: &Stamp) -> hmac::Tag {
        let secret = zeroize::Zeroizing::new(format!("AWS4{}", self.secret.expose()));
        let day = keyed(secret.as_bytes(), stamp.date());
        let region = keyed(day.as_ref(), &self.region);
        let service = keyed(region.as_ref(), &self.service);
        keyed(service.as_ref(), "aws4_request")
    }

    fn scope(&self, stamp: &Stamp) -> String {
        format!("{}/{}/{}/aws4_request", stamp.date(), self.region, self.service)
    }
}

fn keyed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn names(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

/// A path on the wire: everything encoded that is not plain.
pub(crate) fn path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// A query on the wire. The pairs are sorted by name already.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| {
        format!("{}={}", utf8_percent_encode(name, VALUE), utf8_percent_encode(value, VALUE))
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "examplebucket.s3.amazonaws.com";
    const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn example() -> (Signer, Stamp) {
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Secret::from_text("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        (signer, Stamp::of(1_369_353_600_000))
    }

    /// The examples of AWS's own documents.
    #[test]
    fn signatures_are_those_that_aws_publishes() {
        let (signer, stamp) = example();
        assert_eq!(stamp.as_str(), "20130524T000000Z");
        let common = [("x-amz-content-sha256", NOTHING), ("x-amz-date", stamp.as_str())];
        let plain = [&[("host", HOST)], &common[..]].concat();
        let ranged = [&[("host", HOST), ("range", "bytes=0-9")], &common[..]].concat();
        for (path, query, headers, expected) in [
            ("/test.txt", "", &ranged, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            ("/", "lifecycle=", &plain, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("/", "max-keys=2&prefix=J", &plain, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let signed = Signed { method: "GET", path, query, headers };
            assert_eq!(signer.signature(&signed, NOTHING, &stamp), expected, "{path}?{query}");
        }
        let url = signer.query(HOST, "/test.txt", 86_400, &stamp);
        assert!(
            url.ends_with("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            "{url}"
        );
    }

    #[test]
    fn days_have_their_dates() {
        for (unix_ms, expected) in [
            (0, "19700101T000000Z"),
            (951_827_696_000, "20000229T123456Z"),
            (1_735_689_599_999, "20241231T235959Z"),
            (4_107_542_400_000, "21000301T000000Z"),
        ] {
            assert_eq!(Stamp::of(unix_ms).as_str(), expected);
        }
    }

    #[test]
    fn nothing_in_a_path_or_query_stays_that_could_mean_something() {
        assert_eq!(path("/b/a b/ü?#%/*'(x)~"), "/b/a%20b/%C3%BC%3F%23%25/%2A%27%28x%29~");
        assert_eq!(query(&[("prefix", "a/&=+ b")]), "prefix=a%2F%26%3D%2B%20b");
    }
}
