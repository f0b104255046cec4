//! Taking secrets out of what guests write: every secret that the server knows, and what the operator's patterns match.
//!
//! Secrets are looked for in all the spellings that [`crate::http`] knows, in one pass however many there are. Patterns are
//! linear in the text (the `regex` crate has no backtracking), and bounded in size when they are read. What a guest takes apart
//! over several lines, or transforms in a way of its own, is beyond this.

use std::{borrow::Cow, fmt};

use aho_corasick::AhoCorasick;
use regex::{NoExpand, Regex, RegexBuilder};
use zeroize::Zeroizing;

use crate::{CredentialRef, Sources, http::spellings};

const REPLACEMENT: &str = "[redacted]";
/// Shorter ones cannot be taken out without mangling every other word.
const SECRET_BYTES_MIN: usize = 4;
/// Of one compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Patterns, each of which is another pass.
const PATTERNS_MAX: usize = 32;

/// Takes secrets out of texts.
pub struct Redactor {
    known: Option<AhoCorasick>,
    patterns: Vec<Regex>,
}

/// Why texts cannot be redacted as asked.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// Not a pattern of the `regex` crate, or one that is too large.
    #[error("pattern {index} is none that can be used: {why}")]
    Pattern {
        /// Which of the list, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It would match between any two characters.
    #[error("pattern {0} matches the empty text: everything would be redacted")]
    Empty(usize),
    /// More than 32.
    #[error("there are more than {PATTERNS_MAX} patterns: join them with `|`")]
    TooMany,
    /// The secrets together are too long to be looked for.
    #[error("the secrets cannot be looked for: {0}")]
    Known(String),
}

impl Redactor {
    /// Reads every secret, and checks the patterns.
    ///
    /// # Errors
    /// The first that cannot be used. Names no value.
    pub fn new(secrets: &[&CredentialRef], sources: &Sources<'_>, patterns: &[String]) -> Result<Self, RedactError> {
        let mut needles: Vec<Zeroizing<Vec<u8>>> = Vec::new();
        for secret in secrets {
            // One that cannot be had is nowhere to be found; whoever needs it says so, with its place.
            if let Ok(secret) = secret.resolve(sources)
                && secret.expose().len() >= SECRET_BYTES_MIN
            {
                needles.extend(spellings(secret.expose()));
            }
        }
        needles.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
        needles.dedup();
        let known = match needles.is_empty() {
            true => None,
            false => Some(AhoCorasick::new(&needles).map_err(|why| RedactError::Known(why.to_string()))?),
        };
        if patterns.len() > PATTERNS_MAX {
            return Err(RedactError::TooMany);
        }
        let patterns =
            patterns.iter().enumerate().map(|(index, text)| pattern(index, text)).collect::<Result<_, _>>()?;
        Ok(Self { known, patterns })
    }

    /// The text with `[redacted]` in the place of each secret.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = self.without_known(text);
        for pattern in &self.patterns {
            if let Cow::Owned(changed) = pattern.replace_all(&clean, NoExpand(REPLACEMENT)) {
                clean = Cow::Owned(changed);
            }
        }
        clean
    }

    fn without_known<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(known) = self.known.as_ref().filter(|known| known.is_match(text)) else { return Cow::Borrowed(text) };
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        for (start, end) in spans(known, text) {
            clean.push_str(text.get(at..start).unwrap_or_default());
            clean.push_str(REPLACEMENT);
            at = end;
        }
        clean.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(clean)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

/// Where secrets stand, in order; those that overlap are one span.
fn spans(known: &AhoCorasick, text: &str) -> Vec<(usize, usize)> {
    let mut spans: Vec<_> = known.find_overlapping_iter(text).map(|found| (found.start(), found.end())).collect();
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let overlaps = next.0 < last.1;
        if overlaps {
            last.1 = last.1.max(next.1);
        }
        overlaps
    });
    spans
}

fn pattern(index: usize, text: &str) -> Result<Regex, RedactError> {
    let built = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX).build();
    let pattern = built.map_err(|why| RedactError::Pattern { index, why: why.to_string() })?;
    if pattern.is_match("") { Err(RedactError::Empty(index)) } else { Ok(pattern) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(patterns: &[&str]) -> Result<Redactor, RedactError> {
        let read_env = |name: &str| match name {
            "ONE" => Some("s3cr/t+Canary".to_owned()),
            "TWO" => Some("nary-and-more".to_owned()),
            "SHORT" => Some("abc".to_owned()),
            _ => None,
        };
        let sources = Sources { read_env: &read_env, allow_inline: false };
        let secrets = ["ONE", "TWO", "SHORT"].map(|name| CredentialRef::Env(name.to_owned()));
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        Redactor::new(&secrets.iter().collect::<Vec<_>>(), &sources, &patterns)
    }

    #[test]
    fn known_secrets_go_in_every_spelling_and_others_stay() {
        let redactor = redactor(&[]).expect("valid");
        for (text, clean) in [
            ("a s3cr/t+Canary b", "a [redacted] b"),
            ("s3cr%2Ft%2BCanary", "[redacted]"),
            ("s3cr/t+Canary-and-more!", "[redacted]!"),
            ("abc is too short, s3cr/t is not all of it", "abc is too short, s3cr/t is not all of it"),
            ("gr\u{fc}\u{df}e s3cr/t+Canary \u{6f22}", "gr\u{fc}\u{df}e [redacted] \u{6f22}"),
        ] {
            assert_eq!(redactor.redact(text), clean);
        }
    }

    #[test]
    fn patterns_take_out_what_they_match_and_nothing_expands() {
        let redactor = redactor(&[r"\b\d{4}-\d{4}\b", r"(?i)iban:\s*\S+"]).expect("valid");
        assert_eq!(redactor.redact("card 1234-5678, IBAN: DE02 $1"), "card [redacted], [redacted] $1");
    }

    #[test]
    fn a_pattern_that_is_none_or_too_large_or_matches_nothing_is_refused() {
        for (pattern, named) in
            [("(", "pattern 0"), (r"\w{1000}{1000}", "pattern 0"), ("a*", "empty"), (r"(?=a)", "pattern 0")]
        {
            let why = redactor(&[pattern]).expect_err(pattern).to_string();
            assert!(why.contains(named), "{pattern}: {why}");
        }
        assert!(matches!(redactor(&["x"; 33]), Err(RedactError::TooMany)));
    }

    #[test]
    fn a_hostile_text_takes_time_in_step_with_its_length() {
        // With backtracking this would not end.
        let redactor = redactor(&[r"(a+)+b", r"(x|x)*y"]).expect("valid");
        let text = "a".repeat(60_000) + &"x".repeat(60_000);
        assert_eq!(redactor.redact(&text), text);
    }
}
