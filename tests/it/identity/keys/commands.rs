//! `airlock keys`, and what `airlock doctor` and `airlock config check` say of issuers.

use std::{os::unix::fs::PermissionsExt as _, process::Command};

use airlock_tests::airlock_binary;

use super::*;

/// Runs a command in a directory: whether it succeeded, and its document.
fn airlock(dir: &Path, words: &[&str]) -> (bool, Value) {
    let output = Command::new(airlock_binary()).current_dir(dir).arg("--json").args(words).output().expect("airlock");
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

fn kids(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("keys.json")).expect("readable");
    let set: Value = serde_json::from_str(&text).expect("JSON");
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

#[test]
fn the_command_line_rotates_with_overlap_and_retires() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |words: &[&str]| airlock(dir.path(), words);
    let (made, document) = run(&["keys", "new", "--key", "1.json", "--jwks", "keys.json"]);
    assert!(made && document["kid"] == "key-1" && document["algorithm"] == "EdDSA", "{document}");
    let rotate = ["keys", "rotate", "--key", "2.json", "--jwks", "keys.json", "--algorithm", "ES256"];
    let (rotated, document) = run(&rotate);
    assert!(rotated && document["added"] == "key-2", "{document}");
    assert_eq!(document["next"].as_array().map(Vec::len), Some(3), "{document}");
    assert_eq!(kids(dir.path()), ["key-1", "key-2"]);
    let (retired, document) = run(&["keys", "rotate", "--jwks", "keys.json", "--retire", "key-1"]);
    assert!(retired && document["published"] == json!(["key-2"]), "{document}");
    // Both at once, and a name that is retired is not given again.
    assert!(run(&["keys", "rotate", "--jwks", "keys.json", "--key", "3.json", "--retire", "key-2"]).0);
    assert_eq!(kids(dir.path()), ["key-3"]);
    let mode = std::fs::metadata(dir.path().join("3.json")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mint = ["token", "mint", "--key", "3.json", "--issuer", "i", "--tenant", "t", "--app", "a", "--subject", "s"];
    assert!(run(&mint).0);
    assert!(run(&["token", "keygen", "--key", "4.json", "--jwks", "4.jwks", "--kid", "by-its-old-name"]).0);
}

#[test]
fn a_rotation_that_is_refused_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |words: &[&str]| airlock(dir.path(), words);
    assert!(run(&["keys", "new", "--key", "1.json", "--jwks", "keys.json"]).0);
    assert!(run(&["keys", "rotate", "--key", "2.json", "--jwks", "keys.json"]).0);
    let private = std::fs::read(dir.path().join("2.json")).expect("a key");
    for refused in [
        &["keys", "rotate", "--jwks", "keys.json"][..],
        &["keys", "rotate", "--jwks", "keys.json", "--retire", "key-9"],
        &["keys", "rotate", "--jwks", "keys.json", "--retire", "key-1", "--retire", "key-2"],
        &["keys", "rotate", "--jwks", "keys.json", "--key", "2.json"],
        &["keys", "rotate", "--jwks", "keys.json", "--key", "3.json", "--kid", "key-2"],
        &["keys", "rotate", "--jwks", "keys.json", "--key", "3.json", "--algorithm", "RS256"],
        &["keys", "rotate", "--jwks", "1.json", "--key", "3.json"],
        &["keys", "rotate", "--jwks", "none.json", "--key", "3.json"],
        &["keys", "new", "--key", "3.json", "--jwks", "3.jwks", "--algorithm", "RS256"],
    ] {
        assert!(!run(refused).0, "{refused:?}");
        assert_eq!(kids(dir.path()), ["key-1", "key-2"], "{refused:?} changed something");
    }
    assert_eq!(std::fs::read(dir.path().join("2.json")).expect("a key"), private);
    assert!(!dir.path().join("3.json").exists(), "no key is left behind that nobody publishes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_and_config_check_say_what_they_can() {
    let (key, place) = (ed("a"), Place::make(None).await);
    let publisher = Publisher::of(&[&key]).await;
    let usual = std::fs::read_to_string(place.path("airlock.toml")).expect("readable");
    let issuer = publisher.issuer(PROVIDER, "");
    std::fs::write(place.path("airlock.toml"), format!("{usual}\n{issuer}")).expect("written");
    let dir = place.path("");
    let doctor = || {
        let words = ["doctor", "--config", "airlock.toml", "--cache-dir", "cache"];
        let report = tokio::task::block_in_place(|| airlock(&dir, &words)).1;
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        let check = checks.into_iter().find(|check| check["name"] == "published_keys").expect("a check");
        (check["status"].clone(), check["detail"].as_str().expect("a detail").to_owned())
    };
    let (status, detail) = doctor();
    assert!(status == "ok" && detail.contains("publishes a"), "{detail}");
    drop(publisher);
    let (status, detail) = doctor();
    assert!(status == "warning" && detail.contains(PROVIDER), "{detail}");
    let (valid, checked) = airlock(&dir, &["config", "check", "--config", "airlock.toml"]);
    assert!(valid && checked["published_keys"][0]["issuer"] == PROVIDER, "{checked}");
}
