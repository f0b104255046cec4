//! Request paths and the patterns that allow them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not an acceptable path or pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Paths are absolute, without query or fragment, at most 2,048 bytes.
    #[error("a path starts with `/`, has no `?` or `#`, and is at most 2,048 bytes of visible ASCII")]
    Shape,
    /// A segment could be read differently by another server: `.`, `..`, empty, or an encoded `/`, `\` or `.`.
    #[error("a path has no empty, `.` or `..` segments, no `\\` or `;`, and no `%2f`, `%5c`, `%2e` or `%00`")]
    Ambiguous,
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("a `%` in a path is followed by two hexadecimal digits")]
    Escape,
    /// `*` must be a whole segment and `**` the last one.
    #[error("in a pattern `*` stands for one whole segment and `**` for all the rest, at the end only")]
    Wildcard,
}

const LENGTH_MAX: usize = 2_048;

/// The path of one HTTP request: absolute, unambiguous, already percent-encoded.
///
/// Refuses what two parsers could read in two ways (RFC 3986 section 6.2.2.3; path-confusion advisories), so that the
/// path the policy saw is the path the upstream sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestPath(String);

/// A path with wildcards: `*` for one segment, a last `**` for any rest.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl RequestPath {
    /// The path as it goes on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PathPattern {
    /// Every path.
    #[must_use]
    pub fn any() -> Self {
        Self("/**".to_owned())
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern allows the path, comparing segments byte by byte.
    #[must_use]
    pub fn matches(&self, path: &RequestPath) -> bool {
        let mut given = path.0.split('/');
        for wanted in self.0.split('/') {
            match (wanted, given.next()) {
                ("**", _) => return true,
                (_, None) => return false,
                ("*", Some(segment)) if !segment.is_empty() => {}
                (wanted, Some(segment)) if wanted == segment => {}
                (_, Some(_)) => return false,
            }
        }
        given.next().is_none()
    }

    /// Whether the pattern allows every path that the other allows.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut narrower = other.0.split('/');
        for wanted in self.0.split('/') {
            match (wanted, narrower.next()) {
                ("**", _) => return true,
                (_, None | Some("**")) => return false,
                ("*", Some(segment)) if !segment.is_empty() => {}
                (wanted, Some(segment)) if wanted == segment => {}
                (_, Some(_)) => return false,
            }
        }
        narrower.next().is_none()
    }
}

fn check(text: &str) -> Result<(), PathError> {
    let visible = |b: u8| b.is_ascii_graphic() && !b"?#\"<>^`{|}".contains(&b);
    if !text.starts_with('/') || text.len() > LENGTH_MAX || !text.bytes().all(visible) {
        return Err(PathError::Shape);
    }
    if text.contains(['\\', ';']) || has_odd_segment(text) {
        return Err(PathError::Ambiguous);
    }
    check_escapes(text)
}

/// A trailing slash is fine: it makes one last empty segment.
fn has_odd_segment(text: &str) -> bool {
    let inner = text.strip_prefix('/').unwrap_or(text);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    !inner.is_empty() && inner.split('/').any(odd) || text == "//"
}

fn check_escapes(text: &str) -> Result<(), PathError> {
    for escape in text.split('%').skip(1) {
        let Some(digits) = escape.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) else {
            return Err(PathError::Escape);
        };
        if matches!(digits.to_ascii_lowercase().as_str(), "2f" | "5c" | "2e" | "00") {
            return Err(PathError::Ambiguous);
        }
    }
    Ok(())
}

impl FromStr for RequestPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        check(text).map(|()| Self(text.to_owned()))
    }
}

impl FromStr for PathPattern {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        check(text)?;
        let count = text.split('/').count();
        let misplaced = |(index, segment): (usize, &str)| match segment {
            "*" => false,
            "**" => index + 1 != count,
            other => other.contains('*'),
        };
        if text.split('/').enumerate().any(misplaced) { Err(PathError::Wildcard) } else { Ok(Self(text.to_owned())) }
    }
}

impl TryFrom<String> for PathPattern {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for RequestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, path: &str) -> bool {
        pattern.parse::<PathPattern>().expect("pattern").matches(&path.parse().expect("path"))
    }

    #[test]
    fn patterns_allow_exactly_what_they_say() {
        assert!(allows("/customers/*", "/customers/42"));
        assert!(allows("/customers/**", "/customers/42/orders"));
        assert!(allows("/**", "/"));
        assert!(!allows("/customers/*", "/customers/42/orders"));
        assert!(!allows("/customers/*", "/customers/"));
        assert!(!allows("/customers/*", "/customer/42"));
        assert!(!allows("/customers", "/customers/"));
    }

    #[test]
    fn paths_that_two_parsers_could_read_differently_are_refused() {
        for path in ["/a/../b", "/./a", "//a", "/a//b", "/a%2fb", "/a%2E%2e/b", "/a\\b", "/a;x", "/a%00", "//"] {
            assert_eq!(path.parse::<RequestPath>(), Err(PathError::Ambiguous), "{path}");
        }
        for path in ["", "a", "http://x/", "/a?b", "/a#b", "/a b", "/ü", "/a\nb"] {
            assert_eq!(path.parse::<RequestPath>(), Err(PathError::Shape), "{path}");
        }
        assert_eq!("/a%zz".parse::<RequestPath>(), Err(PathError::Escape));
    }

    #[test]
    fn a_pattern_covers_what_allows_no_path_that_it_does_not() {
        let segments = ["a", "b", "*", "**", ""];
        let mut patterns = Vec::new();
        for one in segments {
            patterns.push(format!("/{one}"));
            patterns.extend(segments.iter().map(|two| format!("/{one}/{two}")));
        }
        let patterns: Vec<PathPattern> = patterns.iter().filter_map(|text| text.parse().ok()).collect();
        let mut paths = vec!["/".to_owned(), "/a/b/c".to_owned(), "/c/c/c".to_owned()];
        for one in ["a", "b", "c"] {
            paths.extend([format!("/{one}"), format!("/{one}/")]);
            paths.extend(["a", "b", "c"].iter().flat_map(|two| [format!("/{one}/{two}"), format!("/{one}/{two}/")]));
        }
        let paths: Vec<RequestPath> = paths.iter().map(|path| path.parse().expect("path")).collect();
        let mut covered = 0;
        for wide in &patterns {
            for narrow in &patterns {
                let allows_more = paths.iter().any(|path| narrow.matches(path) && !wide.matches(path));
                assert_eq!(wide.covers(narrow), !allows_more, "{wide} {narrow}");
                covered += usize::from(wide.covers(narrow));
            }
        }
        assert!(covered > patterns.len(), "{covered}");
    }

    #[test]
    fn wildcards_stand_alone() {
        for pattern in ["/a*", "/**/b", "/a/***"] {
            assert_eq!(pattern.parse::<PathPattern>(), Err(PathError::Wildcard), "{pattern}");
        }
    }
}
