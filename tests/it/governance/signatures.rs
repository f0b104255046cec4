//! Signed components, through the interfaces that builders use: each refusal beside what is let in.

use std::process::Command;

use airlock_access::{Algorithm, Presented, SigningKey, public_jwks, sign_component};
use airlock_model::Digest;
use airlock_proto::v1::{CheckRequest, DeployRequest, PromoteRequest};
use airlock_tests::{Harness, Options, airlock_binary, guests::WatGuest, reason, tokens::TokenSpec, with_token};
use tonic::Status;
use tonic_types::StatusExt;

const MANIFEST: &str = "name = \"one\"\nlanguage = \"component\"\n";

/// `guarded` takes what `ci` has signed, `next` what `release` has, from `dev`, which takes anything.
struct Signed {
    harness: Harness,
    ci: SigningKey,
    release: SigningKey,
    stranger: SigningKey,
    _keys: tempfile::TempDir,
}

impl Signed {
    async fn start() -> Self {
        let keys = tempfile::tempdir().expect("a directory");
        let key = |name: &str| {
            let key = SigningKey::generate(Algorithm::EdDsa, name).expect("a key");
            std::fs::write(keys.path().join(name), public_jwks(&[&key])).expect("written");
            key
        };
        let (ci, release, stranger) = (key("ci"), key("release"), key("stranger"));
        let file = |name: &str| keys.path().join(name).display().to_string();
        let more_config = format!(
            "[signers.ci]\npublic_key = {{ file = \"{}\" }}\n[signers.release]\npublic_key = {{ file = \"{}\" }}\n\
             [environments.guarded]\nsigned_by = [\"ci\"]\n\
             [environments.next]\nsigned_by = [\"release\"]\npromote_from = [\"dev\"]\n",
            file("ci"),
            file("release"),
        );
        let harness = Harness::start_with(Options { more_config }).await;
        Self { harness, ci, release, stranger, _keys: keys }
    }

    async fn deploy(&self, environment: &str, component: &[u8], signature: &[u8]) -> Result<(), Status> {
        let token = self.harness.token(&TokenSpec::control().environment(environment));
        let request = DeployRequest {
            environment: environment.to_owned(),
            manifest_toml: MANIFEST.to_owned(),
            component: component.to_vec(),
            sources: Vec::new(),
            signature: signature.to_vec(),
        };
        self.harness.functions().deploy(with_token(request, &token)).await.map(drop)
    }

    /// The rules that a check of `guarded` finds.
    async fn check(&self, component: &[u8], signature: &[u8]) -> Vec<String> {
        let token = self.harness.token(&TokenSpec::control().environment("guarded"));
        let request = CheckRequest {
            environment: "guarded".to_owned(),
            manifest_toml: MANIFEST.to_owned(),
            component: component.to_vec(),
            sources: Vec::new(),
            signature: signature.to_vec(),
        };
        let answer = self.harness.functions().check(with_token(request, &token)).await.expect("an answer").into_inner();
        let rules: Vec<_> = answer.findings.into_iter().map(|finding| finding.rule).collect();
        assert_eq!(answer.accepted, rules.is_empty(), "{rules:?}");
        rules
    }

    async fn promote(&self) -> Result<(), Status> {
        let scopes = ["function:promote", "resource:edit"];
        let token = self.harness.token(&TokenSpec::only("one", &scopes).environment("next"));
        let request = PromoteRequest {
            environment: "next".to_owned(),
            function: "one".to_owned(),
            from_environment: "dev".to_owned(),
            revision: String::new(),
            percent: 0,
        };
        self.harness.functions().promote(with_token(request, &token)).await.map(drop)
    }

    async fn signed_by(&self, environment: &str) -> Option<String> {
        let token = self.harness.token(&TokenSpec::control().environment(environment));
        let (function, environment) = ("one".parse().expect("a name"), environment.parse().expect("a name"));
        let live = self.harness.app().get(Presented::bearer(Some(&token)), function, environment).await.expect("live");
        live.revision.signed_by
    }
}

fn component(answer: &str) -> Vec<u8> {
    WatGuest::returning(answer).component()
}

fn sign(key: &SigningKey, component: &[u8]) -> Vec<u8> {
    sign_component(key, &Digest::of(component)).expect("signed")
}

fn rules(status: &Status) -> Vec<String> {
    assert_eq!(reason(status), "component_rejected", "{status:?}");
    let details = status.get_error_details();
    let failure = details.precondition_failure().expect("findings");
    failure.violations.iter().map(|violation| violation.r#type.clone()).collect()
}

#[tokio::test]
async fn an_environment_takes_what_its_signers_have_signed_and_nothing_else() {
    let signed = Signed::start().await;
    let (one, two) = (component("1"), component("2"));
    let good = sign(&signed.ci, &one);
    let padded = [good.as_slice(), &[0]].concat();
    for (name, signature, rule) in [
        ("unsigned", Vec::new(), "signature-missing"),
        ("another component's", sign(&signed.ci, &two), "signature-invalid"),
        ("an unknown key's", sign(&signed.stranger, &one), "signature-invalid"),
        ("another environment's signer", sign(&signed.release, &one), "signature-invalid"),
        ("too short", good[..63].to_vec(), "signature-invalid"),
        ("too long", padded, "signature-invalid"),
        ("much too long", vec![7; 1 << 20], "signature-invalid"),
        ("zeros", vec![0; 64], "signature-invalid"),
    ] {
        let refused = signed.deploy("guarded", &one, &signature).await.expect_err(name);
        assert_eq!(rules(&refused), [rule], "{name}");
    }
    let call = signed.harness.invoke_as(&TokenSpec::everything().environment("guarded"), "one", "null").await;
    assert_eq!(reason(&call.expect_err("nothing is live")), "function_unknown");
    signed.deploy("guarded", &one, &good).await.expect("signed by ci");
    assert_eq!(signed.signed_by("guarded").await.as_deref(), Some("ci"));
    signed.deploy("dev", &two, &[]).await.expect("dev asks for nothing");
    assert_eq!(signed.signed_by("dev").await, None);
    let stranger = sign(&signed.stranger, &two);
    assert_eq!(rules(&signed.deploy("dev", &two, &stranger).await.expect_err("by nobody")), ["signature-invalid"]);
}

#[tokio::test]
async fn no_byte_of_signature_or_component_can_change() {
    let signed = Signed::start().await;
    let one = component("1");
    let good = sign(&signed.ci, &one);
    assert_eq!(signed.check(&one, &good).await, [""; 0]);
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(signed.check(&one, &flipped).await, ["signature-invalid"], "byte {at}");
    }
    for step in 0..64 {
        let at = step * one.len() / 64;
        let mut flipped = one.clone();
        flipped[at] ^= 1 << (step % 8);
        let found = signed.check(&flipped, &good).await;
        assert!(found.iter().any(|rule| rule == "signature-invalid"), "byte {at}: {found:?}");
    }
}

#[tokio::test]
async fn a_promotion_is_judged_by_the_signers_of_where_it_goes() {
    let signed = Signed::start().await;
    let (one, two, three) = (component("1"), component("2"), component("3"));
    signed.deploy("dev", &one, &[]).await.expect("unsigned");
    assert_eq!(rules(&signed.promote().await.expect_err("unsigned")), ["signature-missing"]);
    signed.deploy("dev", &two, &sign(&signed.ci, &two)).await.expect("by ci");
    assert_eq!(rules(&signed.promote().await.expect_err("not by release")), ["signature-invalid"]);
    signed.deploy("dev", &three, &sign(&signed.release, &three)).await.expect("by release");
    assert_eq!(signed.signed_by("dev").await.as_deref(), Some("release"));
    signed.promote().await.expect("by release");
    assert_eq!(signed.signed_by("next").await.as_deref(), Some("release"));
}

#[tokio::test]
async fn a_signer_who_is_taken_out_signs_nothing_any_more() {
    let signed = Signed::start().await;
    let one = component("1");
    let (by_ci, by_release) = (sign(&signed.ci, &one), sign(&signed.release, &one));
    signed.deploy("guarded", &one, &by_ci).await.expect("by ci");
    let config = signed.harness.config().replace("signed_by = [\"ci\"]", "signed_by = [\"release\"]");
    signed.harness.set_config(&config);
    signed.harness.reload().await.expect("reloaded");
    assert_eq!(rules(&signed.deploy("guarded", &one, &by_ci).await.expect_err("taken out")), ["signature-invalid"]);
    signed.deploy("guarded", &one, &by_release).await.expect("put in");
    signed.harness.set_config(&config.replace("signed_by = [\"release\"]", "signed_by = [\"nobody\"]"));
    let refused = signed.harness.reload().await.expect_err("no such signer");
    assert!(refused.message().contains("[signers.nobody]"), "{}", refused.message());
}

#[test]
fn keys_and_signatures_are_made_on_the_command_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let airlock = |arguments: &[&str]| {
        Command::new(airlock_binary()).args(arguments).current_dir(dir.path()).status().expect("it runs").success()
    };
    std::fs::write(dir.path().join("one.wasm"), component("1")).expect("written");
    assert!(airlock(&["keys", "new-signer", "--key", "ci.key", "--public", "ci.pub"]));
    assert!(!airlock(&["keys", "new-signer", "--key", "ci.key", "--public", "ci.pub"]), "never overwritten");
    assert!(airlock(&["sign", "one.wasm", "--key", "ci.key", "--output", "one.sig"]));
    assert!(airlock(&["token", "keygen", "--key", "p256.key", "--jwks", "p256.json", "--algorithm", "ES256"]));
    assert!(!airlock(&["sign", "one.wasm", "--key", "p256.key", "--output", "two.sig"]), "Ed25519 only");
    let public = std::fs::read_to_string(dir.path().join("ci.pub")).expect("a key");
    airlock_access::SignerKey::parse(&public).expect("a public key");
    let text = std::fs::read_to_string(dir.path().join("one.sig")).expect("a signature");
    assert_eq!(text.trim().len(), 88, "64 bytes in base64");
    assert!(!public.contains("\"d\""), "the private half stays");
}
