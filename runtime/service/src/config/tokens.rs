//! `[tokens]`: whose tokens are accepted, and where the keys are that they are checked with.

use std::path::{Path, PathBuf};

use airlock_access::{Algorithm, Algorithms, LEEWAY_MAX_S, LIFETIME_MAX_S, LIFETIME_WRITE_MAX_S, SenderPolicy};
use airlock_resources::{DocumentConfig, Needs};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, ProviderConfig};

/// `[tokens]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Name of this installation: the first half of every token's audience.
    #[serde(default = "default_instance")]
    pub instance: String,
    /// Longest lifetime a token may claim, in seconds.
    #[serde(default = "default_lifetime")]
    pub max_lifetime_s: u64,
    /// The same for tokens with a scope that allows writes, in seconds; 60, or the other when that is less.
    pub max_lifetime_write_s: Option<u64>,
    /// Clock difference that is forgiven, in seconds, at most 5.
    #[serde(default = "default_leeway")]
    pub leeway_s: u64,
    /// Whether tokens have to be bound to a certificate or a key of whoever sends them.
    #[serde(default)]
    pub sender_bound: SenderPolicy,
    /// Who signs tokens.
    #[serde(default)]
    pub issuer: Vec<IssuerConfig>,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            instance: default_instance(),
            max_lifetime_s: default_lifetime(),
            max_lifetime_write_s: None,
            leeway_s: default_leeway(),
            sender_bound: SenderPolicy::default(),
            issuer: Vec::new(),
        }
    }
}

fn default_instance() -> String {
    "airlock".to_owned()
}
fn default_lifetime() -> u64 {
    LIFETIME_MAX_S
}
fn default_leeway() -> u64 {
    LEEWAY_MAX_S
}

impl TokenConfig {
    /// The cap in force for tokens that let anything be written, in seconds.
    #[must_use]
    pub fn lifetime_write_max_s(&self) -> u64 {
        self.max_lifetime_write_s.unwrap_or_else(|| LIFETIME_WRITE_MAX_S.min(self.max_lifetime_s))
    }
}

/// `[[tokens.issuer]]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The `iss` claim.
    pub iss: String,
    /// Where its public keys are. Each key fixes its own algorithm there (RFC 7517 section 4.4).
    pub jwks: JwksSource,
    /// What its keys may be for. `RS256` only where it is named.
    #[serde(default = "own_algorithms")]
    pub algorithms: Vec<Algorithm>,
}

/// What Airlock's own keys are for.
pub(super) fn own_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| Algorithms::OWN.contains(*algorithm)).collect()
}

/// Whose keys are read, and where they are: an issuer's or an identity provider's.
#[derive(Debug, Clone, Copy)]
pub struct KeySource<'a> {
    /// The `iss` of whose keys they are.
    pub iss: &'a str,
    /// Where they are.
    pub jwks: &'a JwksSource,
    /// What they may be for.
    pub algorithms: &'a [Algorithm],
}

impl KeySource<'_> {
    /// What the keys may be for.
    #[must_use]
    pub fn allowed(&self) -> Algorithms {
        self.algorithms.iter().copied().collect()
    }
}

/// Where a JWKS comes from: exactly one of a file and a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum JwksSource {
    /// A file of public keys; relative to the configuration file. Read at start and at every reload, strictly.
    File(PathBuf),
    /// A set that somebody else publishes.
    Url(PublishedSource),
}

/// A key set at a URL. Fetched through the guarded client: see [`DocumentConfig`] for who may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublishedSource {
    /// Where it is, and which addresses that may lead to.
    pub document: DocumentConfig,
    /// How often it is fetched, in seconds: 300 unless set, 30 to 86,400.
    pub refresh_s: u64,
    /// How long keys are used after they were last fetched, in seconds: a day unless set, at least `refresh_s`, at most 30 days.
    pub max_age_s: u64,
}

const REFRESH_S: u64 = 300;
const MAX_AGE_S: u64 = 86_400;
const REFRESH_S_RANGE: std::ops::RangeInclusive<u64> = 30..=86_400;
const MAX_AGE_S_MAX: u64 = 30 * 86_400;

/// A source as it stands in the file.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_private: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_plaintext: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

impl TryFrom<Written> for JwksSource {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match (written.file.clone(), written.url.clone()) {
            (Some(file), None) => match written.key_of_urls() {
                None => Ok(Self::File(file)),
                Some(key) => Err(format!("`jwks` has `{key}`, which is for a `url`: leave it out beside `file`")),
            },
            (None, Some(url)) => written.published(url).map(Self::Url),
            (Some(_), Some(_)) | (None, None) => {
                Err("`jwks` needs exactly one of `file` and `url`, for instance { file = \"keys.json\" }".to_owned())
            }
        }
    }
}

impl Written {
    /// A key that says something only of URLs.
    fn key_of_urls(&self) -> Option<&'static str> {
        let given = [
            ("refresh_s", self.refresh_s.is_some()),
            ("max_age_s", self.max_age_s.is_some()),
            ("allow_private", self.allow_private.is_some()),
            ("allow_plaintext", self.allow_plaintext.is_some()),
            ("ca_file", self.ca_file.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(key, _)| key)
    }

    fn published(self, url: String) -> Result<PublishedSource, String> {
        let refresh_s = self.refresh_s.unwrap_or(REFRESH_S);
        let max_age_s = self.max_age_s.unwrap_or(MAX_AGE_S.max(refresh_s));
        if !REFRESH_S_RANGE.contains(&refresh_s) {
            let (least, most) = (REFRESH_S_RANGE.start(), REFRESH_S_RANGE.end());
            return Err(format!("`refresh_s` of `jwks` is {refresh_s}: give {least} to {most} seconds"));
        }
        if !(refresh_s..=MAX_AGE_S_MAX).contains(&max_age_s) {
            let most = MAX_AGE_S_MAX;
            return Err(format!(
                "`max_age_s` of `jwks` is {max_age_s}: give `refresh_s` ({refresh_s}) to {most} seconds"
            ));
        }
        let document = DocumentConfig {
            url,
            allow_private: self.allow_private.unwrap_or_default(),
            allow_plaintext: self.allow_plaintext.unwrap_or_default(),
            ca_file: self.ca_file,
        };
        Ok(PublishedSource { document, refresh_s, max_age_s })
    }
}

impl From<JwksSource> for Written {
    fn from(source: JwksSource) -> Self {
        match source {
            JwksSource::File(file) => Self { file: Some(file), ..Self::default() },
            JwksSource::Url(PublishedSource { document, refresh_s, max_age_s }) => Self {
                file: None,
                url: Some(document.url),
                refresh_s: Some(refresh_s),
                max_age_s: Some(max_age_s),
                allow_private: Some(document.allow_private).filter(|nets| !nets.is_empty()),
                allow_plaintext: Some(document.allow_plaintext).filter(|allowed| *allowed),
                ca_file: document.ca_file,
            },
        }
    }
}

impl JwksSource {
    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Url(_) => None,
        }
    }

    /// What it needs of the second wall.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::File(file) => Needs { files: vec![file.clone()], ..Needs::default() },
            Self::Url(published) => published.document.needs(),
        }
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        match self {
            Self::File(file) => *file = base.join(&file),
            Self::Url(published) => published.document.resolve_paths(base),
        }
    }
}

impl Config {
    /// Whose keys are read, with the section that says so: for the second wall, and for whoever looks at a configuration.
    pub fn key_sources(&self) -> impl Iterator<Item = (String, KeySource<'_>)> {
        self.issuer_sources().chain(self.provider_sources())
    }

    /// Those that tokens are checked with.
    pub(crate) fn issuer_sources(&self) -> impl Iterator<Item = (String, KeySource<'_>)> {
        self.tokens.issuer.iter().enumerate().map(|(index, one)| {
            let IssuerConfig { iss, jwks, algorithms } = one;
            (format!("tokens.issuer[{index}]"), KeySource { iss, jwks, algorithms })
        })
    }

    /// Those that tokens of identity providers are checked with.
    pub(crate) fn provider_sources(&self) -> impl Iterator<Item = (String, KeySource<'_>)> {
        self.identity.provider.iter().enumerate().map(|(index, one)| {
            let ProviderConfig { iss, jwks, algorithms, .. } = one;
            (format!("identity.provider[{index}]"), KeySource { iss, jwks, algorithms })
        })
    }

    /// Somebody has to be able to get a token. Asked of whoever serves: a function that is only run needs nobody's.
    pub(crate) fn expect_issuer(&self) -> Result<(), ConfigError> {
        let is_somebody = !self.tokens.issuer.is_empty() || !self.identity.provider.is_empty();
        if is_somebody || self.development.is_some() {
            return Ok(());
        }
        let message = "there is no [[tokens.issuer]], so nobody could call: make keys with `airlock keys new` and name them there, or \
                       start a server for yourself with `airlock serve --dev`";
        Err(ConfigError::value("tokens.issuer", message))
    }

    /// Every issuer has algorithms, each once.
    pub(super) fn check_tokens(&self) -> Result<(), ConfigError> {
        for (section, issuer) in self.key_sources() {
            check_algorithms(&section, issuer.algorithms)?;
        }
        Ok(())
    }
}

/// # Errors
/// When there are none, or one stands twice.
pub(super) fn check_algorithms(section: &str, algorithms: &[Algorithm]) -> Result<(), ConfigError> {
    let key = || format!("{section}.algorithms");
    if algorithms.is_empty() {
        return Err(ConfigError::value(
            key(),
            "none is named: no token could ever be good; leave the key out for EdDSA and ES256",
        ));
    }
    for (index, algorithm) in algorithms.iter().enumerate() {
        if algorithms.iter().take(index).any(|before| before == algorithm) {
            return Err(ConfigError::value(key(), format!("`{algorithm}` stands twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> Result<IssuerConfig, String> {
        let text = format!("iss = 'https://platform.example'\n{text}");
        toml::from_str::<IssuerConfig>(&text).map_err(|why| why.to_string())
    }

    fn source(inner: &str) -> Result<JwksSource, String> {
        issuer(&format!("jwks = {{ {inner} }}")).map(|issuer| issuer.jwks)
    }

    #[test]
    fn a_source_is_a_file_or_a_url_with_its_times() {
        assert_eq!(source("file = 'keys.json'"), Ok(JwksSource::File("keys.json".into())));
        let JwksSource::Url(published) = source("url = 'https://l.example/keys'").expect("a URL") else { panic!() };
        assert_eq!((published.refresh_s, published.max_age_s), (300, 86_400));
        assert!(published.document.allow_private.is_empty() && !published.document.allow_plaintext);
        let written = "url = 'http://127.0.0.1/k', refresh_s = 60, max_age_s = 60, allow_private = ['127.0.0.1'], \
                       allow_plaintext = true, ca_file = 'ca.pem'";
        let JwksSource::Url(published) = source(written).expect("a URL") else { panic!() };
        assert_eq!((published.refresh_s, published.max_age_s), (60, 60));
        assert_eq!(published.document.ca_file.as_deref(), Some(Path::new("ca.pem")));
        assert!(published.document.allow_plaintext);
        assert_eq!(
            source("url = 'https://l.example/k', refresh_s = 86_400").map(|one| one.needs().ports),
            Ok(vec![443])
        );
    }

    #[test]
    fn a_source_that_cannot_be_meant_is_refused() {
        for (inner, named) in [
            ("", "exactly one"),
            ("file = 'a', url = 'https://b.example/'", "exactly one"),
            ("file = 'a', refresh_s = 60", "refresh_s"),
            ("file = 'a', allow_private = []", "allow_private"),
            ("url = 'https://a.example/', refresh_s = 29", "30 to 86400"),
            ("url = 'https://a.example/', refresh_s = 86_401", "30 to 86400"),
            ("url = 'https://a.example/', max_age_s = 299", "`refresh_s` (300)"),
            ("url = 'https://a.example/', max_age_s = 2_592_001", "2592000"),
            ("uri = 'https://a.example/'", "uri"),
        ] {
            let why = source(inner).expect_err(inner);
            assert!(why.contains(named), "{inner}: {why}");
        }
    }

    #[test]
    fn a_source_is_written_back_as_it_holds() {
        let back = |inner: &str| serde_json::to_string(&source(inner).expect(inner)).expect("JSON");
        assert_eq!(back("file = 'k'"), r#"{"file":"k"}"#);
        assert_eq!(
            back("url = 'https://a.example/'"),
            r#"{"url":"https://a.example/","refresh_s":300,"max_age_s":86400}"#
        );
    }

    #[test]
    fn algorithms_are_named_once_and_rs256_only_on_purpose() {
        let file = "jwks = { file = 'k' }";
        let allowed = |algorithms: &str| issuer(&format!("{file}\n{algorithms}")).map(|issuer| issuer.algorithms);
        assert_eq!(allowed(""), Ok(vec![Algorithm::EdDsa, Algorithm::Es256]));
        assert_eq!(allowed("algorithms = ['RS256']"), Ok(vec![Algorithm::Rs256]));
        for wrong in ["algorithms = ['HS256']", "algorithms = ['none']", "algorithms = ['eddsa']"] {
            assert!(allowed(wrong).is_err_and(|why| why.contains("EdDSA")), "{wrong}");
        }
        assert!(check_algorithms("x", &Algorithm::ALL).is_ok());
        assert!(check_algorithms("x", &[]).is_err());
        assert!(check_algorithms("x", &[Algorithm::EdDsa, Algorithm::EdDsa]).is_err());
    }
}
