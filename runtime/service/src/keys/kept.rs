//! A published set on disk, so that a server that starts while the publisher is away still serves.
//!
//! In the state directory, which nobody but the server writes. What is read there is judged like what comes over the network.
//! There is never more in it than the last fetch brought: what cannot be replaced is removed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_model::Digest;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::SetName;

/// Bytes of a file: a set has at most 64 KiB, which JSON can make six times as long.
const FILE_BYTES_MAX: u64 = 512 << 10;
/// A set from the future is one of a clock that was wrong: its age is unknown.
const FUTURE_S_MAX: u64 = 300;

/// Where one set is kept.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    file: PathBuf,
    iss: String,
    url: String,
    trusted: Option<Digest>,
    /// When the fetch began whose keys were last kept here, by whichever set. Held while they are.
    last: Arc<Mutex<Option<Instant>>>,
}

/// A published set as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Had {
    pub(super) text: Arc<str>,
    pub(super) taken: Instant,
    /// How old it was when it was taken.
    age_then: Duration,
}

impl Had {
    /// One that has just come.
    pub(super) fn now(text: String) -> Self {
        Self { text: text.into(), taken: Instant::now(), age_then: Duration::ZERO }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        self.age_then.saturating_add(now.saturating_duration_since(self.taken))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    iss: String,
    url: String,
    /// The content of the `ca_file` that it was fetched under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trusted: Option<Digest>,
    fetched_at_unix_s: u64,
    jwks: String,
}

impl Kept {
    pub(super) fn new(state_dir: &Path, name: &SetName) -> Self {
        let (iss, url) = (&name.iss, &name.source.document.url);
        let digest = Digest::of_parts(&[iss.as_bytes(), url.as_bytes()]);
        let file = state_dir.join("keys").join(format!("{digest}.json"));
        Self { file, iss: iss.clone(), url: url.clone(), trusted: name.trusted, last: Arc::default() }
    }

    /// The same place for a set that is fetched in other words: none of the two undoes what the other has kept later.
    pub(super) fn beside(&self, name: &SetName) -> Self {
        Self { trusted: name.trusted, ..self.clone() }
    }

    /// The set; `None` when there is none that can be told the age of, or it was fetched under the word of others.
    pub(super) fn load(&self, now_unix_s: u64) -> Option<Had> {
        let mut text = String::new();
        File::open(&self.file).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let record: Record = serde_json::from_str(&text).ok()?;
        let is_ours = record.iss == self.iss && record.url == self.url && record.trusted == self.trusted;
        let is_past = record.fetched_at_unix_s <= now_unix_s.saturating_add(FUTURE_S_MAX);
        let age_then = Duration::from_secs(now_unix_s.saturating_sub(record.fetched_at_unix_s));
        (is_ours && is_past).then(|| Had { text: record.jwks.into(), taken: Instant::now(), age_then })
    }

    /// Keeps a set that was fetched from `began` on, unless a later one is kept already. Durable. Whoever reads meanwhile sees the
    /// one before or this one.
    ///
    /// # Errors
    /// Why it could not be written. The one before is gone then.
    pub(super) fn save(&self, jwks: &str, now_unix_s: u64, began: Instant) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last > began) {
            return Ok(());
        }
        *last = Some(began);
        self.write(jwks, now_unix_s).or_else(|why| {
            // What was kept before may have a key that is gone by now.
            self.forget().map_err(|also| io::Error::new(why.kind(), format!("{why}, nor removed: {also}")))?;
            Err(why)
        })
    }

    fn write(&self, jwks: &str, now_unix_s: u64) -> io::Result<()> {
        let record = Record {
            iss: self.iss.clone(),
            url: self.url.clone(),
            trusted: self.trusted,
            fetched_at_unix_s: now_unix_s,
            jwks: jwks.to_owned(),
        };
        let text = serde_json::to_vec(&record)?;
        if let Some(dir) = self.file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let unfinished = self.file.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&text)?;
        file.sync_all()?;
        drop(file);
        fs::rename(unfinished, &self.file)?;
        self.sync_dir()
    }

    /// Removes what is kept, or makes it nothing where it cannot be removed.
    fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Ok(()) => self.sync_dir(),
            // Not even its directory is there.
            Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(()),
            Err(_) => OpenOptions::new().write(true).truncate(true).open(&self.file)?.sync_all(),
        }
    }

    /// A rename is durable when its directory is, and that one when the state directory is.
    fn sync_dir(&self) -> io::Result<()> {
        self.file.ancestors().skip(1).take(2).try_for_each(|dir| File::open(dir)?.sync_all())
    }
}

#[cfg(test)]
mod tests {
    use airlock_access::Algorithms;
    use airlock_resources::DocumentConfig;

    use super::*;
    use crate::config::PublishedSource;

    const TEXT: &str = "one";

    /// A directory that goes away with the value.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("airlock-kept-{}-{name}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn name(iss: &str, url: &str, trusted: Option<&str>) -> SetName {
        let document = DocumentConfig { url: url.to_owned(), ..DocumentConfig::default() };
        let source = PublishedSource { document, refresh_s: 300, max_age_s: 3_600 };
        let trusted = trusted.map(|pem| Digest::of(pem.as_bytes()));
        SetName { iss: iss.to_owned(), source, algorithms: Algorithms::OWN, trusted }
    }

    fn usual() -> SetName {
        name("https://i.example", "https://i.example/keys", None)
    }

    impl Kept {
        fn put(&self, text: &str, now_unix_s: u64) -> io::Result<()> {
            self.save(text, now_unix_s, Instant::now())
        }

        fn text(&self) -> Option<String> {
            self.load(1_000).map(|had| had.text.to_string())
        }
    }

    #[test]
    fn a_set_comes_back_with_its_age() {
        let dir = Dir::new("age");
        let kept = Kept::new(&dir.0, &usual());
        assert_eq!(kept.load(1_000), None);
        kept.put(TEXT, 1_000).unwrap();
        kept.put("two \u{1}\"", 1_010).unwrap();
        let had = kept.load(1_070).unwrap();
        assert_eq!((&*had.text, had.age(had.taken)), ("two \u{1}\"", Duration::from_secs(60)));
        assert_eq!(had.age(had.taken + Duration::from_secs(5)), Duration::from_secs(65));
        let back = kept.load(1_000).unwrap();
        assert_eq!(back.age(back.taken), Duration::ZERO, "a clock that went back a little");
        assert_eq!(kept.load(700), None, "a clock that went back a lot");
    }

    #[test]
    fn a_fetch_that_began_earlier_undoes_nothing_also_of_another_set() {
        let dir = Dir::new("order");
        let (early, late) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let kept = Kept::new(&dir.0, &usual());
        let other = kept.beside(&usual());
        other.save("late", 1_000, late).unwrap();
        kept.save("early", 1_000, early).unwrap();
        assert_eq!(kept.text().as_deref(), Some("late"));
        kept.save("later still", 1_000, late).unwrap();
        assert_eq!(other.text().as_deref(), Some("later still"));
    }

    /// Each way in which nothing can be written: the set before does not come back either.
    #[test]
    fn what_cannot_be_replaced_is_removed() {
        let broken = |name: &str, harm: &dyn Fn(&Kept)| {
            let dir = Dir::new(name);
            let kept = Kept::new(&dir.0, &usual());
            kept.put(TEXT, 1_000).unwrap();
            harm(&kept);
            assert!(kept.put("two", 1_000).is_err(), "{name}");
            assert_eq!(kept.text(), None, "{name}");
        };
        broken("no room for the new one", &|kept| fs::create_dir(kept.file.with_extension("new")).unwrap());
        broken("no directory", &|kept| {
            let keys = kept.file.parent().unwrap();
            fs::remove_dir_all(keys).unwrap();
            fs::write(keys, "").unwrap();
        });
        broken("a directory in its place", &|kept| {
            fs::remove_file(&kept.file).unwrap();
            fs::create_dir(&kept.file).unwrap();
        });
        broken("a full disk", &|kept| {
            // Whatever is written there finds no space left.
            std::os::unix::fs::symlink("/dev/full", kept.file.with_extension("new")).unwrap();
        });
        let (dir, _) = (Dir::new("twin"), ());
        let kept = Kept::new(&dir.0, &usual());
        kept.put(TEXT, 1_000).unwrap();
        kept.put("two", 1_000).unwrap();
        assert_eq!(kept.text().as_deref(), Some("two"), "the twin");
    }

    #[test]
    fn what_was_fetched_under_the_word_of_others_is_not_taken() {
        let dir = Dir::new("trusted");
        let under = |pem| name("https://i.example", "https://i.example/keys", pem);
        let kept = Kept::new(&dir.0, &under(Some("a")));
        kept.put(TEXT, 1_000).unwrap();
        for (pem, expected) in [(Some("a"), Some(TEXT)), (Some("b"), None), (None, None)] {
            assert_eq!(Kept::new(&dir.0, &under(pem)).text().as_deref(), expected, "{pem:?}");
        }
        kept.beside(&under(Some("b"))).put("two", 1_000).unwrap();
        assert_eq!(kept.text(), None, "there is one place for both");
    }

    #[test]
    fn a_set_is_nobody_elses_and_a_broken_file_is_none() {
        let dir = Dir::new("broken");
        let kept = Kept::new(&dir.0, &usual());
        kept.put("{}", 1_000).unwrap();
        for (iss, url) in [("https://i.example", "https://i.example/other"), ("https://j.example", &kept.url)] {
            let other = name(iss, url, None);
            assert_eq!(Kept::new(&dir.0, &other).load(1_000), None, "{iss} {url}");
            let renamed = Kept { file: kept.file.clone(), ..Kept::new(&dir.0, &other) };
            assert_eq!(renamed.load(1_000), None, "{iss} {url} under another's name");
        }
        for text in ["", "{", r#"{"jwks":"{}"}"#, "\u{0}"] {
            fs::write(&kept.file, text).unwrap();
            assert_eq!(kept.load(1_000), None, "{text:?}");
        }
    }
}
