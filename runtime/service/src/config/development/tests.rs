use std::os::unix::fs::PermissionsExt;

use super::*;

const SMALL: &str = "[state]\ndir = 'state'\n[environments.dev]\n";

/// A directory of its own, gone with this value.
struct Desk(PathBuf);

impl Desk {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("airlock-desk-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&dir).expect("a directory");
        Self(dir)
    }

    fn open(&self) -> Result<Arc<Development>, DevelopmentError> {
        Development::open(&self.0).map(|(development, _)| development)
    }

    fn parse(&self, text: &str) -> Result<Config, String> {
        let development = self.open().expect("a desk");
        Config::parse_as(text, "airlock.toml", &[], (&self.0, Some(development))).map_err(|why| why.to_string())
    }

    fn mode(&self, path: &str) -> u32 {
        std::fs::metadata(self.0.join(path)).expect(path).permissions().mode() & 0o777
    }

    fn set_mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.0.join(path), PermissionsExt::from_mode(mode)).expect(path);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("removed");
    }
}

#[test]
fn a_desk_has_one_key_for_its_owner_alone() {
    let (desk, other) = (Desk::new(), Desk::new());
    let (made, key) = Development::open(&desk.0).expect("made");
    assert!(made.iss().starts_with(DEVELOPMENT_PREFIX) && made.iss() == key.key_id());
    assert_eq!((desk.mode(".airlock/dev"), desk.mode(".airlock/dev/signing-key.json")), (0o700, 0o600));
    assert_eq!(desk.open().expect("read").iss(), made.iss(), "the next start has the same");
    assert_ne!(other.open().expect("made").iss(), made.iss());
}

#[test]
fn a_key_that_others_can_get_at_is_refused() {
    let desk = Desk::new();
    desk.open().expect("made");
    for (path, open, closed) in [(".airlock/dev/signing-key.json", 0o640, 0o600), (".airlock/dev", 0o755, 0o700)] {
        desk.set_mode(path, open);
        let why = desk.open().expect_err("open to others").to_string();
        assert!(why.contains(path) && why.contains("chmod"), "{why}");
        desk.set_mode(path, closed);
        desk.open().expect("closed again");
    }
}

#[test]
fn a_key_of_another_kind_is_no_key_of_a_desk() {
    let desk = Desk::new();
    desk.open().expect("made");
    let file = desk.0.join(".airlock/dev/signing-key.json");
    let foreign = SigningKey::generate(airlock_access::Algorithm::EdDsa, "key-1").expect("a key");
    for text in [foreign.to_file_text().expect("text").as_str(), "{}", ""] {
        std::fs::write(&file, text).expect("written");
        assert!(matches!(desk.open(), Err(DevelopmentError::Foreign { .. })), "{text}");
    }
}

#[test]
fn a_desk_needs_no_issuer_and_no_file() {
    let desk = Desk::new();
    assert!(desk.parse(SMALL).expect("valid").development().is_some());
    let alone = Config::of_desk(&desk.0, desk.open().expect("a desk")).expect("valid");
    assert!(alone.state.dir.starts_with(desk.0.join(DIR)) && alone.path().is_none());
    assert!(alone.server.data.ip().is_loopback() && alone.environments.len() == 1);
}

#[test]
fn a_reserved_name_is_refused_wherever_it_stands_with_and_without_a_desk() {
    let desk = Desk::new();
    let issuer = |iss: &str| format!("{SMALL}[[tokens.issuer]]\niss = '{iss}'\njwks = {{ file = 'k' }}\n");
    let provider = |iss: &str| {
        format!(
            "{SMALL}[[identity.provider]]\niss = '{iss}'\naudience = 'a'\njwks = {{ file = 'k' }}\ntenant = 't'\napp = 'a'\n"
        )
    };
    let own = |iss: &str| format!("{SMALL}[identity]\niss = '{iss}'\n");
    for text in [issuer("airlock-dev:1"), issuer("Airlock-Dev:1"), provider("airlock-dev:1"), own("airlock-dev:1")] {
        let alone = Config::parse(&text, "airlock.toml", &[], &desk.0).expect_err(&text).to_string();
        assert!(alone.contains("airlock.toml:") && alone.contains("--dev"), "{alone}");
        assert!(desk.parse(&text).expect_err(&text).contains(".iss`"), "{text}");
    }
    for text in [issuer("https://airlock-dev.example"), provider("https://a.example"), own("urn:airlock-dev:1")] {
        Config::parse(&text, "airlock.toml", &[], &desk.0).expect(&text);
        desk.parse(&text).expect(&text);
    }
}

#[test]
fn a_desk_is_no_server_for_others() {
    let desk = Desk::new();
    let from_dev = "[environments.prod]\npromote_from = ['dev']\n";
    let signer = "[signers.ci]\npublic_key = { file = 'ci.pub' }\n[environments.prod]\n";
    for (fine, refused, line) in [
        ("[server]\ndata = '127.0.0.2:0'\n".to_owned(), "[server]\ndata = '0.0.0.0:0'\n".to_owned(), 5),
        ("[server]\ncontrol = '[::1]:0'\n".to_owned(), "[server]\ncontrol = '192.0.2.1:7071'\n".to_owned(), 5),
        (from_dev.to_owned(), format!("{from_dev}deploys = 'promotion'\n"), 6),
        (signer.to_owned(), format!("{signer}signed_by = ['ci']\n"), 7),
        ("[server]\nnames = []\n".to_owned(), "[server]\nnames = ['airlock.example']\n".to_owned(), 5),
        (
            "[server]\ndrain_ms = 1\n".to_owned(),
            "[server]\ntls = { certificate = { file = 'a.pem' }, key = { file = 'a.key' } }\n".to_owned(),
            5,
        ),
        ("[identity]\niss = 'urn:x'\n".to_owned(), "[identity]\nkey = { file = 'own.json' }\n".to_owned(), 5),
    ] {
        desk.parse(&format!("{SMALL}{fine}")).expect(&fine);
        let text = format!("{SMALL}{refused}");
        let why = desk.parse(&text).expect_err(&refused);
        assert!(why.contains("--dev") && why.contains(&format!("airlock.toml:{line}")), "{refused}: {why}");
        let config = Config::parse(&text, "airlock.toml", &[], &desk.0).expect("valid without `--dev`");
        assert_eq!(config.expect_desk().expect_err("no desk").to_string(), why);
    }
}

#[test]
fn a_key_of_a_desk_is_told_by_its_name() {
    let desk = Desk::new();
    let (_, key) = Development::open(&desk.0).expect("made");
    assert!(refuse_reserved_keys([key.key_id()].into_iter()).is_err_and(|why| why.to_string().contains("keys new")));
    assert!(refuse_reserved_keys(["key-1", "x-airlock-dev:1"].into_iter()).is_ok());
}
