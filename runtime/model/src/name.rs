//! Names that people choose. Parsed once at the edge, trusted afterwards.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Why a text is not a legal name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind} name: {rule}")]
pub struct NameError {
    /// What was being named, for instance `function`.
    pub kind: &'static str,
    /// The text, cut to 80 characters.
    pub text: String,
    /// The rule it breaks, as an instruction.
    pub rule: &'static str,
}

const LENGTH_MAX: usize = 63;
const GENERAL_RULE: &str = "use 1 to 63 characters of a-z, 0-9 and `-`";
const KEBAB_RULE: &str = "use 1 to 63 characters: words of a-z and 0-9 that start with a letter, joined by single `-`";
const RESERVED_RULE: &str = "this word is kept for control scopes, choose another";

/// Words that open a control scope (`function:deploy`) and so cannot name a resource.
pub const RESERVED_RESOURCE_WORDS: [&str; 8] =
    ["function", "approval", "resource", "token", "audit", "usage", "operator", "airlock"];

fn general(text: &str) -> Option<&'static str> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = (1..=LENGTH_MAX).contains(&text.len()) && text.chars().all(legal);
    (!fits).then_some(GENERAL_RULE)
}

/// WIT labels are stricter than our names: a resource name becomes a package name of its own.
fn kebab(text: &str) -> Option<&'static str> {
    let word = |w: &str| w.starts_with(|c: char| c.is_ascii_lowercase());
    if general(text).is_some() || !text.split('-').all(word) {
        return Some(KEBAB_RULE);
    }
    RESERVED_RESOURCE_WORDS.contains(&text).then_some(RESERVED_RULE)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $rule:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                match $rule(text) {
                    None => Ok(Self(text.into())),
                    Some(rule) => Err(NameError { kind: $kind, text: text.chars().take(80).collect(), rule }),
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
        impl From<&$name> for Arc<str> {
            fn from(name: &$name) -> Self {
                name.0.clone()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    )*};
}

names! {
    /// What callers invoke. 1 to 63 characters of `a-z`, `0-9`, `-`.
    FunctionName, "function", general;
    /// A named binding of resources, policy and live revisions. 1 to 63 characters of `a-z`, `0-9`, `-`.
    EnvironmentName, "environment", general;
    /// A name for revisions beside the live one. 1 to 63 characters of `a-z`, `0-9`, `-`.
    AliasName, "alias", general;
    /// A named backend. Kebab-case words, because it becomes a WIT package name; control words are reserved.
    ResourceName, "resource", kebab;
    /// Who pays. 1 to 63 characters of `a-z`, `0-9`, `-`.
    TenantName, "tenant", general;
    /// Which application calls. 1 to 63 characters of `a-z`, `0-9`, `-`.
    AppName, "app", general;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_parse_and_print_unchanged() {
        for text in ["a", "order-summary", "0-9", &"x".repeat(63)] {
            assert_eq!(text.parse::<FunctionName>().map(|n| n.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn illegal_names_say_which_rule_they_break() {
        for text in ["", "A", "a_b", "a b", "ü", &"x".repeat(64), "a\0"] {
            assert_eq!(text.parse::<FunctionName>().map_err(|e| e.rule), Err(GENERAL_RULE), "{text:?}");
        }
    }

    #[test]
    fn resource_names_follow_wit_and_leave_control_words_alone() {
        assert!("orders-db".parse::<ResourceName>().is_ok());
        for text in ["1db", "a--b", "a-", "-a", "a-1"] {
            assert_eq!(text.parse::<ResourceName>().map_err(|e| e.rule), Err(KEBAB_RULE), "{text:?}");
        }
        assert_eq!("audit".parse::<ResourceName>().map_err(|e| e.rule), Err(RESERVED_RULE));
    }
}
