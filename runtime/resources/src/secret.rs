//! Secrets and the references that configuration makes to them.

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

/// A value that nobody prints, copies or serialises. Zeroed when dropped.
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text over.
    #[must_use]
    pub fn from_text(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The value, for the one place that puts it on the wire.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where a secret stands: `{ env = "NAME" }`, `{ file = "/path" }`, or, in development only, the text itself.
#[derive(Debug)]
pub enum CredentialRef {
    /// A variable of the process environment.
    Env(String),
    /// A file, for instance of `/run/secrets`. One trailing newline is dropped.
    File(PathBuf),
    /// The text itself.
    Inline(Secret),
}

impl CredentialRef {
    /// Takes the path of a file reference from `base` when it is relative.
    pub fn resolve_path(&mut self, base: &Path) {
        if let Self::File(path) = self {
            *path = base.join(&path);
        }
    }

    /// The file that it stands in, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Env(_) | Self::Inline(_) => None,
        }
    }
}

/// Reads one variable. Only the configuration module touches the process environment, so it hands this in.
pub type ReadEnv<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a reference may be resolved from.
pub struct Sources<'a> {
    /// The process environment.
    pub read_env: ReadEnv<'a>,
    /// Whether a secret may stand in the configuration itself: for the development environment only.
    pub allow_inline: bool,
}

/// Why a reference gives no secret. Names the reference, never the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is missing.
    #[error("the environment variable `{0}` is not set: set it or point the credential at a file")]
    EnvMissing(String),
    /// The file cannot be read.
    #[error("the secret file `{path}` cannot be read: check that it exists and that this user may read it")]
    File {
        /// As written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Secrets do not stand in configuration files.
    #[error("a secret stands in the configuration itself: use {{ env = \"NAME\" }} or {{ file = \"/path\" }}")]
    InlineRefused,
    /// Nothing but white space.
    #[error("the secret from {0} is empty")]
    Empty(String),
    /// Longer than any credential.
    #[error("the secret from {0} is longer than {SECRET_BYTES_MAX} bytes")]
    TooLong(String),
    /// Not text.
    #[error("the secret from {0} is not UTF-8 text")]
    NotText(String),
}

/// 64 KiB: longer than any credential, short enough to scrub.
const SECRET_BYTES_MAX: usize = 64 << 10;

impl CredentialRef {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the source is missing, unreadable, empty, longer than 64 KiB or not UTF-8, or inline where that is not
    /// allowed.
    pub fn resolve(&self, sources: &Sources<'_>) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Env(name) => {
                (sources.read_env)(name).map(Zeroizing::new).ok_or_else(|| SecretError::EnvMissing(name.clone()))?
            }
            Self::File(path) => self.read_file(path)?,
            Self::Inline(_) if !sources.allow_inline => return Err(SecretError::InlineRefused),
            Self::Inline(secret) => Zeroizing::new(secret.expose().to_owned()),
        };
        if text.trim().is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        if text.len() > SECRET_BYTES_MAX {
            return Err(SecretError::TooLong(self.to_string()));
        }
        Ok(Secret::from_text(text.as_str().to_owned()))
    }

    fn read_file(&self, path: &Path) -> Result<Zeroizing<String>, SecretError> {
        let failed = |source| SecretError::File { path: path.to_owned(), source };
        let mut bytes = Zeroizing::new(Vec::new());
        // Room for a last newline and for one byte too many, so that a device file cannot fill the memory.
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(SECRET_BYTES_MAX as u64 + 3).read_to_end(&mut bytes).map_err(failed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText(self.to_string()))?;
        let line = text.strip_suffix('\n').map_or(text, |rest| rest.strip_suffix('\r').unwrap_or(rest));
        Ok(Zeroizing::new(line.to_owned()))
    }
}

impl fmt::Display for CredentialRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Inline(_) => f.write_str("the configuration"),
        }
    }
}

impl<'de> Deserialize<'de> for CredentialRef {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(RefVisitor)
    }
}

/// Written by hand, because a derived untagged enum says only that nothing matched.
struct RefVisitor;

impl<'de> de::Visitor<'de> for RefVisitor {
    type Value = CredentialRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret reference: { env = \"NAME\" } or { file = \"/path\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CredentialRef, E> {
        Ok(CredentialRef::Inline(Secret::from_text(text.to_owned())))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<CredentialRef, E> {
        Ok(CredentialRef::Inline(Secret::from_text(text)))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<CredentialRef, A::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Key {
            Env,
            File,
        }
        let Some(key) = map.next_key()? else {
            return Err(de::Error::custom("an empty secret reference: add `env` or `file`"));
        };
        let reference = match key {
            Key::Env => CredentialRef::Env(map.next_value()?),
            Key::File => CredentialRef::File(map.next_value()?),
        };
        match map.next_key::<Key>()? {
            None => Ok(reference),
            Some(_) => Err(de::Error::custom("a secret reference has exactly one of `env` and `file`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Holder {
        value: CredentialRef,
    }

    fn parse(text: &str) -> Result<CredentialRef, String> {
        toml::from_str::<Holder>(text).map(|holder| holder.value).map_err(|why| why.to_string())
    }

    fn resolve(reference: &CredentialRef, allow_inline: bool) -> Result<Secret, SecretError> {
        let read_env = |name: &str| match name {
            "SET" => Some("canary-value".to_owned()),
            "BLANK" => Some(" \n".to_owned()),
            "HUGE" => Some("x".repeat(SECRET_BYTES_MAX + 1)),
            _ => None,
        };
        reference.resolve(&Sources { read_env: &read_env, allow_inline })
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::from_text("canary-value".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        let inline = parse("value = 'canary-value'").expect("inline");
        assert!(!format!("{inline:?} {inline}").contains("canary"));
    }

    #[test]
    fn references_resolve_from_environment_and_file() {
        let env = parse("value = { env = 'SET' }").expect("reference");
        assert_eq!(resolve(&env, false).expect("set").expose(), "canary-value");
        let file = tempfile::NamedTempFile::new().expect("file");
        for (content, value) in [("abc\n", "abc"), ("abc\r\n", "abc"), ("abc\n\n", "abc\n"), (" abc", " abc")] {
            std::fs::write(file.path(), content).expect("write");
            let reference = CredentialRef::File(file.path().to_owned());
            assert_eq!(resolve(&reference, false).expect("readable").expose(), value);
        }
    }

    #[test]
    fn a_full_length_secret_fits_and_one_byte_more_does_not() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let reference = CredentialRef::File(file.path().to_owned());
        std::fs::write(file.path(), format!("{}\n", "x".repeat(SECRET_BYTES_MAX))).expect("write");
        assert!(resolve(&reference, false).is_ok());
        std::fs::write(file.path(), format!("{}\n", "x".repeat(SECRET_BYTES_MAX + 1))).expect("write");
        assert!(matches!(resolve(&reference, false), Err(SecretError::TooLong(_))));
        assert!(matches!(resolve(&CredentialRef::Env("HUGE".into()), false), Err(SecretError::TooLong(_))));
    }

    #[test]
    fn missing_empty_and_binary_sources_are_named() {
        assert!(
            matches!(resolve(&CredentialRef::Env("NOPE".into()), false), Err(SecretError::EnvMissing(name)) if name == "NOPE")
        );
        assert!(matches!(resolve(&CredentialRef::Env("BLANK".into()), false), Err(SecretError::Empty(_))));
        assert!(matches!(resolve(&CredentialRef::File("/nonexistent/x".into()), false), Err(SecretError::File { .. })));
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), [0xff, 0xfe]).expect("write");
        assert!(matches!(resolve(&CredentialRef::File(file.path().to_owned()), false), Err(SecretError::NotText(_))));
    }

    #[test]
    fn inline_secrets_are_for_development_only() {
        let inline = parse("value = 'canary-value'").expect("inline");
        assert!(matches!(resolve(&inline, false), Err(SecretError::InlineRefused)));
        assert_eq!(resolve(&inline, true).expect("allowed").expose(), "canary-value");
    }

    #[test]
    fn a_reference_has_exactly_one_known_key() {
        for text in ["value = {}", "value = { evn = 'X' }", "value = { env = 'X', file = '/y' }", "value = 7"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
