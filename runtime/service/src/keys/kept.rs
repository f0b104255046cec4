//! A published set on disk, so that a server that starts while the publisher is away still serves.
//!
//! In the state directory, which nobody but the server writes. What is read there is judged like what comes over the network.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use airlock_model::Digest;
use serde::{Deserialize, Serialize};

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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    iss: String,
    url: String,
    fetched_at_unix_s: u64,
    jwks: String,
}

impl Kept {
    pub(super) fn new(state_dir: &Path, iss: &str, url: &str) -> Self {
        let name = Digest::of_parts(&[iss.as_bytes(), url.as_bytes()]);
        let file = state_dir.join("keys").join(format!("{name}.json"));
        Self { file, iss: iss.to_owned(), url: url.to_owned() }
    }

    /// The text of the set and its age; `None` when there is none that can be told the age of.
    pub(super) fn load(&self, now_unix_s: u64) -> Option<(String, Duration)> {
        let mut text = String::new();
        File::open(&self.file).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let record: Record = serde_json::from_str(&text).ok()?;
        let is_ours = record.iss == self.iss && record.url == self.url;
        let is_past = record.fetched_at_unix_s <= now_unix_s.saturating_add(FUTURE_S_MAX);
        let age = Duration::from_secs(now_unix_s.saturating_sub(record.fetched_at_unix_s));
        (is_ours && is_past).then_some((record.jwks, age))
    }

    /// Keeps a set. Whoever reads meanwhile sees the one before or this one.
    ///
    /// # Errors
    /// Why it could not be written.
    pub(super) fn save(&self, jwks: String, now_unix_s: u64) -> io::Result<()> {
        let record = Record { iss: self.iss.clone(), url: self.url.clone(), fetched_at_unix_s: now_unix_s, jwks };
        let text = serde_json::to_vec(&record)?;
        if let Some(dir) = self.file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let unfinished = self.file.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&text)?;
        drop(file);
        fs::rename(unfinished, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_set_comes_back_with_its_age() {
        let dir = Dir::new("age");
        let kept = Kept::new(&dir.0, "https://i.example", "https://i.example/keys");
        assert_eq!(kept.load(1_000), None);
        kept.save("one".to_owned(), 1_000).unwrap();
        kept.save("two \u{1}\"".to_owned(), 1_010).unwrap();
        assert_eq!(kept.load(1_070), Some(("two \u{1}\"".to_owned(), Duration::from_secs(60))));
        assert_eq!(kept.load(1_000).map(|(_, age)| age), Some(Duration::ZERO), "a clock that went back a little");
        assert_eq!(kept.load(700), None, "a clock that went back a lot");
    }

    #[test]
    fn a_set_is_nobody_elses_and_a_broken_file_is_none() {
        let dir = Dir::new("broken");
        let kept = Kept::new(&dir.0, "https://i.example", "https://i.example/keys");
        kept.save("{}".to_owned(), 1_000).unwrap();
        for (iss, url) in [("https://i.example", "https://i.example/other"), ("https://j.example", &kept.url)] {
            assert_eq!(Kept::new(&dir.0, iss, url).load(1_000), None, "{iss} {url}");
            let renamed = Kept { file: kept.file.clone(), ..Kept::new(&dir.0, iss, url) };
            assert_eq!(renamed.load(1_000), None, "{iss} {url} under another's name");
        }
        for text in ["", "{", r#"{"jwks":"{}"}"#, "\u{0}"] {
            fs::write(&kept.file, text).unwrap();
            assert_eq!(kept.load(1_000), None, "{text:?}");
        }
    }
}
