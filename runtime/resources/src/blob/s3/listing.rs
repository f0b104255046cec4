//! Pages of a bucket: the query, and what of the answer is looked at.

use airlock_model::ObjectPage;
use percent_encoding::percent_decode_str;

use crate::sign;

/// `ListObjectsV2`. A page begins after a whole key and not at a token of the server's, so that a cursor is a key below
/// our prefix, whatever a guest makes of it.
pub(super) fn query(prefix: &str, after: Option<&str>, keys_max: usize) -> String {
    let keys_max = keys_max.to_string();
    let mut pairs =
        vec![("encoding-type", "url"), ("list-type", "2"), ("max-keys", keys_max.as_str()), ("prefix", prefix)];
    if let Some(after) = after {
        pairs.push(("start-after", after));
    }
    sign::query(&pairs)
}

/// Reads a page. Keys that are not below `space`, or do not begin with the prefix there, are left out.
///
/// Not an XML parser: a few elements that have no attributes are found by their tags, and anything else gives `None`.
pub(super) fn read(body: &[u8], space: &str, prefix: &str) -> Option<ObjectPage> {
    let text = std::str::from_utf8(body).ok()?;
    let is_encoded = element(text, "EncodingType") == Some("url");
    let is_truncated = match element(text, "IsTruncated")? {
        "true" => true,
        "false" => false,
        _ => return None,
    };
    let mut page = ObjectPage::default();
    let mut last = None;
    let mut rest = text;
    while let Some((contents, after)) = next(rest, "Contents") {
        rest = after;
        let written = element(contents, "Key")?;
        let whole = if is_encoded { decoded(written)? } else { unescaped(written)? };
        let size_bytes = element(contents, "Size")?.trim().parse().ok()?;
        let Some(key) = whole.strip_prefix(space) else { continue };
        last = Some(key.to_owned());
        if key.starts_with(prefix) {
            page.objects.push((key.to_owned(), size_bytes));
        }
    }
    // A server that says there is more and gives nothing would be asked for ever.
    page.cursor = last.filter(|_| is_truncated);
    Some(page)
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    next(text, name).map(|(inside, _)| inside)
}

/// What stands in the next element of that name, and what follows it.
fn next<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after.split_once(&format!("</{name}>"))
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn unescaped(text: &str) -> Option<String> {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, escape)) = rest.split_once('&') {
        let (name, after) = escape.split_once(';')?;
        plain.push_str(before);
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => char::from_u32(match number.strip_prefix("#x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.strip_prefix('#')?.parse().ok()?,
            })?,
        });
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], extra: &str, is_truncated: bool) -> String {
        let contents = |key: &&str| format!("<Contents><Key>{key}</Key><Size>7</Size></Contents>");
        let contents: String = keys.iter().map(contents).collect();
        format!("<ListBucketResult>{extra}<IsTruncated>{is_truncated}</IsTruncated>{contents}</ListBucketResult>")
    }

    #[test]
    fn only_keys_below_the_prefix_are_given() {
        let url = "<EncodingType>url</EncodingType>";
        let body = page(&["p/acme/a%2Fb+c", "p/acme2/x", "p/globex/x", "p/acme/%C3%BC", "p/acme/z"], url, true);
        let found = read(body.as_bytes(), "p/acme/", "").expect("a page");
        let expected = [("a/b c".to_owned(), 7), ("ü".to_owned(), 7), ("z".to_owned(), 7)];
        assert_eq!((found.objects.as_slice(), found.cursor.as_deref()), (&expected[..], Some("z")));
        let found = read(body.as_bytes(), "p/acme/", "a").expect("a page");
        assert_eq!(found.objects.len(), 1);
        let plain = page(&["p/acme/a&amp;b&lt;&#x41;&#66;+"], "", false);
        let found = read(plain.as_bytes(), "p/acme/", "").expect("a page");
        assert_eq!((found.objects[0].0.as_str(), found.cursor), ("a&b<AB+", None));
    }

    #[test]
    fn what_is_no_page_is_none() {
        for body in [
            &b""[..],
            b"\xff",
            b"<html>",
            b"<IsTruncated>maybe</IsTruncated>",
            b"<IsTruncated>false</IsTruncated><Contents></Contents>",
            b"<IsTruncated>false</IsTruncated><Contents><Key>p/a</Key><Size>x</Size></Contents>",
            b"<IsTruncated>false</IsTruncated><Contents><Key>&nope;</Key><Size>1</Size></Contents>",
        ] {
            assert_eq!(read(body, "p/", ""), None, "{body:?}");
        }
        let endless = read(page(&[], "", true).as_bytes(), "p/", "").expect("a page");
        assert_eq!(endless.cursor, None);
    }
}
