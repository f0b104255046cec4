//! Keys of issuers and identity providers: where they come from, and what keeps those fresh that somebody else publishes.
//!
//! A [`KeyRing`] opens sources by name. A file is read once; a URL becomes a [`Published`] set, which fetches itself in the
//! background for as long as anybody holds it, and is one and the same for everybody who asks for it in the same words. One that
//! is asked for in other words begins with what the one before had, so that no key comes back that was seen to be gone.

mod asking;
mod kept;
mod published;
mod schedule;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use airlock_access::{Algorithms, Issuer, KeySet};
use airlock_model::{Digest, place::join};
use airlock_resources::{ConfigError as ResourceError, DocumentClient, Network};
use tokio::runtime::Handle;

use crate::{
    clock,
    config::{Config, ConfigError, JwksSource, KeySource, Origin, PublishedSource, Setting, refuse_reserved_keys},
};
use kept::{Had, Kept};
pub(crate) use published::Published;

/// The published sets of a process. Clones share them.
#[derive(Clone)]
pub(crate) struct KeyRing(Arc<Ring>);

struct Ring {
    network: Network,
    /// Where sets are kept and who fetches them; `None` for whoever only judges a configuration.
    online: Option<Online>,
    open: Mutex<HashMap<SetName, Weak<Published>>>,
}

struct Online {
    state_dir: PathBuf,
    /// Where fetching goes on, whichever thread asked for it.
    runtime: Handle,
}

/// What makes two published sets the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SetName {
    /// The `iss` of whose keys they are.
    pub(crate) iss: String,
    pub(crate) source: PublishedSource,
    pub(crate) algorithms: Algorithms,
    /// The content of the `ca_file`: what was fetched under the word of others is another set.
    pub(crate) trusted: Option<Digest>,
}

impl SetName {
    fn of(iss: &str, source: &PublishedSource, algorithms: Algorithms) -> Self {
        // One that cannot be read is complained of by the client.
        let pem = source.document.ca_file.as_ref().and_then(|file| std::fs::read(file).ok());
        let trusted = pem.map(|pem| Digest::of(&pem));
        Self { iss: iss.to_owned(), source: source.clone(), algorithms, trusted }
    }

    /// Whether both are kept in one place.
    fn is_beside(&self, other: &Self) -> bool {
        (&self.iss, &self.source.document.url) == (&other.iss, &other.source.document.url)
    }

    /// Whether both are what the same somebody says.
    fn has_same_word(&self, other: &Self) -> bool {
        self.is_beside(other) && self.trusted == other.trusted
    }

    /// Differs between any two. Means nothing outside this process.
    fn mark(&self) -> Digest {
        Digest::of(format!("{self:?}").as_bytes())
    }

    /// For the list of settings, so that a reload says when it is another one.
    fn said(&self) -> String {
        let trusted = self.trusted.as_ref().map(|digest| format!(", `ca_file` sha256 {}", digest.excerpt()));
        format!("published at the URL{}", trusted.unwrap_or_default())
    }
}

impl KeyRing {
    /// One that fetches. Call it in the runtime that lives as long as the server.
    pub(crate) fn start(state_dir: &Path, network: Network) -> Self {
        let online = Online { state_dir: state_dir.to_owned(), runtime: Handle::current() };
        Self(Arc::new(Ring { network, online: Some(online), open: Mutex::default() }))
    }

    /// One that checks what is written, and never fetches nor keeps anything.
    pub(crate) fn offline(network: Network) -> Self {
        Self(Arc::new(Ring { network, online: None, open: Mutex::default() }))
    }

    /// The set of this name: the one that is open already, or a new one. That begins with what another one of the same issuer and
    /// URL has at hand, and only where there is none with what was kept on disk, which may know less.
    ///
    /// # Errors
    /// What is wrong with the source. Nothing is asked over the network here.
    pub(crate) fn open(&self, name: &SetName) -> Result<Arc<Published>, ResourceError> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, set| set.strong_count() > 0);
        let newest = || {
            let beside = open.iter().filter(|(other, _)| other.is_beside(name));
            beside.filter_map(|(_, set)| set.upgrade()).max_by_key(|set| set.fetched_at())
        };
        // One that somebody still holds from before may know less than what took its place: that is begun anew.
        if let Some(set) = open.get(name).and_then(Weak::upgrade)
            && newest().is_none_or(|newest| newest.fetched_at() <= set.fetched_at())
        {
            return Ok(set);
        }
        let client = DocumentClient::new(&name.source.document, &self.0.network)?;
        let set = Arc::new(match &self.0.online {
            None => Published::idle(name.clone()),
            Some(Online { state_dir, runtime }) => {
                let (kept, had) = beginning(name, state_dir, newest().as_deref());
                Published::start(name.clone(), client, (kept, had), runtime)
            }
        });
        open.insert(name.clone(), Arc::downgrade(&set));
        Ok(set)
    }
}

/// Where a new set is kept, and what it begins with.
fn beginning(name: &SetName, state_dir: &Path, before: Option<&Published>) -> (Kept, Option<Had>) {
    let Some(before) = before else {
        let kept = Kept::new(state_dir, name);
        let had = kept.load(clock::now_unix_s());
        return (kept, had);
    };
    let kept = before.kept().map_or_else(|| Kept::new(state_dir, name), |kept| kept.beside(name));
    (kept, if name.has_same_word(before.name()) { before.had() } else { None })
}

/// Keys of one issuer or provider, wherever they come from.
#[derive(Clone)]
pub(crate) enum Keys {
    /// They are what a file says.
    File(KeySet),
    /// They are what somebody publishes at the moment.
    Published(Arc<Published>),
}

impl Keys {
    /// The keys that may be used now; `None` when there are none at hand.
    pub(crate) fn now(&self) -> Option<KeySet> {
        match self {
            Self::File(keys) => Some(keys.clone()),
            Self::Published(set) => set.keys(),
        }
    }

    /// Whoever has them, as far as tokens are judged by them.
    pub(crate) fn issuer(&self, iss: &str, algorithms: Algorithms) -> Issuer {
        Issuer { iss: iss.to_owned(), algorithms, keys: self.now() }
    }

    /// The set that is fetched, where there is one.
    pub(crate) fn published(&self) -> Option<&Arc<Published>> {
        match self {
            Self::File(_) => None,
            Self::Published(set) => Some(set),
        }
    }
}

/// A source that was opened.
pub(crate) struct Opened {
    pub(crate) keys: Keys,
    /// Differs whenever other keys may come of it: with the content of a file, and with what a set at a URL is fetched by.
    pub(crate) mark: Digest,
    /// For the list of settings.
    pub(crate) setting: Setting,
}

/// Reads a file, or opens a set that is published.
///
/// # Errors
/// What is wrong with the source, with its key.
pub(crate) fn open(
    config: &Config,
    ring: &KeyRing,
    (section, source): (&str, KeySource<'_>),
) -> Result<Opened, ConfigError> {
    let refuse = |key: &str, why: String| config.origins.locate(ConfigError::value(format!("{section}.{key}"), why));
    let algorithms = source.allowed();
    let (keys, mark, value, origin) = match source.jwks {
        JwksSource::File(file) => {
            let read = if is_own(section) { read_file } else { read_published_file };
            let (keys, digest) = read(file, algorithms).map_err(|why| refuse("jwks.file", why))?;
            let value = said_of(&keys, &digest);
            // The same file has fewer keys where fewer algorithms are allowed.
            let mark = Digest::of_parts(&[digest.as_bytes(), format!("{algorithms:?}").as_bytes()]);
            (Keys::File(keys), mark, value, Origin::NamedFile(file.clone()))
        }
        JwksSource::Url(published) => {
            let name = SetName::of(source.iss, published, algorithms);
            let mark = name.mark();
            let key = |why: &ResourceError| join("jwks", why.key().unwrap_or("url"));
            let set = ring.open(&name).map_err(|why| refuse(&key(&why), why.to_string()))?;
            let origin = config.origins.of(&format!("{section}.jwks.url"));
            (Keys::Published(set), mark, name.said(), origin)
        }
    };
    Ok(Opened { keys, mark, setting: Setting { key: format!("{section}.keys"), value, origin } })
}

/// Whether a section is about keys that Airlock's own tokens are signed with.
fn is_own(section: &str) -> bool {
    section.starts_with("tokens.")
}

pub(crate) fn said_of(keys: &KeySet, digest: &Digest) -> String {
    let digest = digest.excerpt();
    let ids = keys.key_ids().collect::<Vec<_>>().join(", ");
    format!("{ids} (sha256 {digest})")
}

/// Reads a file of an identity provider: keys in it that are of no use here are passed over.
fn read_published_file(path: &Path, algorithms: Algorithms) -> Result<(KeySet, Digest), String> {
    let refuse = |why: String| format!("`{}`: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| refuse(why.to_string()))?;
    let published = KeySet::parse_published(&text, algorithms).map_err(|why| refuse(why.to_string()))?;
    refuse_reserved_keys(published.keys.key_ids()).map_err(|why| refuse(why.to_string()))?;
    Ok((published.keys, Digest::of(text.as_bytes())))
}

/// Who has no keys yet is told how to make some.
fn unreadable(path: &Path, why: &std::io::Error) -> String {
    match why.kind() {
        std::io::ErrorKind::NotFound => {
            format!("{why}; `airlock keys new --key signing-key.json --jwks {}` makes one", path.display())
        }
        _ => why.to_string(),
    }
}

/// Reads a file of Airlock's own issuers: every key in it has to be right.
///
/// # Errors
/// Why not, with the file and the key.
pub(crate) fn read_file(path: &Path, algorithms: Algorithms) -> Result<(KeySet, Digest), String> {
    let refuse = |why: String| format!("`{}`: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|why| refuse(unreadable(path, &why)))?;
    let keys = KeySet::parse_with(&text, algorithms).map_err(|why| refuse(why.to_string()))?;
    refuse_reserved_keys(keys.key_ids()).map_err(|why| refuse(why.to_string()))?;
    Ok((keys, Digest::of(text.as_bytes())))
}
