use std::path::Path;

use airlock_access::{Functions, Member};

use crate::config::{Config, ConfigError};

const BASE: &str = r#"
[state]
dir = "state"
[[tokens.issuer]]
iss = "https://platform.example"
jwks = { file = "keys.json" }
[environments.dev]
[environments.prod]
[resources.orders-db]
kind = "sql"
dev = { engine = "sqlite", path = "orders.db", operations = ["read"] }
[[identity.provider]]
iss = "https://login.example"
audience = "airlock"
jwks = { file = "login.json" }
tenant = "acme"
app = "console"
"#;

fn parse(more: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{BASE}{more}"), "airlock.toml", &[], Path::new("/srv"))
}

fn why(more: &str) -> String {
    match parse(more) {
        Ok(_) => panic!("accepted: {more}"),
        Err(why) => why.to_string(),
    }
}

#[test]
fn an_entry_becomes_a_rule_with_its_place() {
    let config = parse(
        "[[identity.access]]\ngroup = \"payments\"\nenvironments = [\"dev\"]\nroles = [\"builder\"]\nfunctions = [\"*\"]\n\
         use = [\"orders-db:read\"]\nedit = [\"orders-db\"]\nlimits = { result_rows = 10 }\n\
         [[identity.access]]\nsubject = \"ada\"\nenvironments = [\"prod\"]\nroles = [\"release\"]\nedit = [\"*\"]\n\
         [identity.roles.release]\nscopes = [\"function:promote\"]\n",
    )
    .unwrap();
    let rules = config.access_rules().unwrap();
    let scopes = |index: usize| rules[index].scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let builder = "function:deploy function:read resource:read approval:read logs:read";
    assert_eq!(scopes(0), format!("{builder} orders-db:read orders-db:edit"));
    assert_eq!(scopes(1), "function:promote resource:edit");
    assert_eq!(rules[0].functions, Functions::All);
    assert_eq!(rules[1].member, Member::Subject("ada".to_owned()));
    assert_eq!(rules[0].place, "identity.access[0] (airlock.toml:19)");
    assert_eq!(rules[0].limits.result_rows.map(u64::from), Some(10));
}

#[test]
fn what_names_nothing_is_refused_with_its_key() {
    let entry = |body: &str| format!("[[identity.access]]\n{body}\n");
    for (more, key, said) in [
        (entry("environments = [\"dev\"]\nroles = [\"builder\"]"), "access[0].group", "one of the two"),
        (entry("group = \"a\"\nsubject = \"b\"\nenvironments = [\"dev\"]"), "access[0].group", "one of the two"),
        (entry("group = \"a\"\nroles = [\"builder\"]"), "access[0].environments", "at least one"),
        (
            entry("group = \"a\"\nenvironments = [\"qa\"]\nroles = [\"builder\"]"),
            "access[0].environments",
            "[environments.qa]",
        ),
        (entry("group = \"a\"\nenvironments = [\"dev\"]\nroles = [\"king\"]"), "access[0].roles", "no role `king`"),
        (entry("group = \"a\"\nenvironments = [\"dev\"]"), "access[0].roles", "gives nothing"),
        (
            entry("group = \"a\"\nenvironments = [\"dev\"]\nuse = [\"other:read\"]"),
            "access[0].use",
            "[resources.other]",
        ),
        (
            entry("group = \"a\"\nenvironments = [\"dev\"]\nuse = [\"orders-db:GET\"]"),
            "access[0].use",
            "nothing that functions do",
        ),
        (
            entry("group = \"a\"\nenvironments = [\"dev\"]\nuse = [\"orders-db:edit\"]"),
            "access[0].use",
            "nothing that functions do",
        ),
        (entry("group = \"a\"\nenvironments = [\"dev\"]\nuse = [\"audit:read\"]"), "access[0].use", "by a role"),
        (entry("group = \"a\"\nenvironments = [\"dev\"]\nedit = [\"other\"]"), "access[0].edit", "[resources.other]"),
        (entry("group = \"a\"\nenvironments = [\"dev\"]\nfunctions = [\"A\"]"), "access[0].functions", "function name"),
        (
            entry("group = \"a\"\nprovider = \"x\"\nenvironments = [\"dev\"]\nroles = [\"builder\"]"),
            "access[0].provider",
            "no [[identity.provider]]",
        ),
        ("[identity.roles.builder]\nscopes = []\n".to_owned(), "identity.roles.builder", "built in"),
        ("[identity.roles.x]\nscopes = [\"orders-db:read\"]\n".to_owned(), "identity.roles.x", "`use` and `edit`"),
    ] {
        let said_so = why(&more);
        assert!(said_so.contains(key) && said_so.contains(said), "{more}: {said_so}");
    }
}

/// With one more provider, an entry that trusts anybody's word would give a namesake there the same.
#[test]
fn with_several_providers_every_entry_says_whose_word_counts() {
    let other = "[[identity.provider]]\niss = \"https://partner.example\"\naudience = \"a\"\njwks = { file = \"x\" }\n\
                 tenant = \"acme\"\napp = \"a\"\n";
    let entry = "[[identity.access]]\nsubject = \"ada\"\nenvironments = [\"dev\"]\nroles = [\"builder\"]\n";
    assert!(parse(entry).is_ok());
    assert!(why(&format!("{other}{entry}")).contains("identity.access[0].provider"));
    assert!(parse(&format!("{other}{entry}provider = \"https://login.example\"\n")).is_ok());
}

#[test]
fn nobody_is_an_issuer_and_a_provider() {
    let provider = |iss: &str| {
        format!(
            "[[identity.provider]]\niss = \"{iss}\"\naudience = \"a\"\njwks = {{ file = \"x\" }}\ntenant = \"t\"\napp = \"a\"\n"
        )
    };
    for iss in ["https://platform.example", "https://login.example", "urn:airlock:server", ""] {
        assert!(why(&provider(iss)).contains("identity.provider[1].iss"), "{iss}");
    }
    assert!(parse(&provider("https://other.example")).is_ok());
    assert!(why("[identity]\niss = \"https://platform.example\"\n").contains("identity.iss"));
    assert!(parse("[tokens]\nsender_bound = \"require\"\n").is_ok());
}
