//! An identity provider: its key, its tokens, and how a server is told of it.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

use airlock_access::{Algorithm, SigningKey, mint_foreign, public_jwks};
use airlock_proto::v1::{ExchangeRequest, ExchangeResponse};
use serde_json::{Value, json};
use tonic::{Request, Status};

use crate::Harness;

/// The `iss` of its tokens.
pub const LOGIN: &str = "https://login.tests.example";
/// The client id that the server has there.
pub const CLIENT: &str = "airlock-client";

/// Makes every `jti` another one.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An identity provider.
pub struct Idp {
    key: SigningKey,
}

impl Idp {
    pub fn new() -> Self {
        Self { key: SigningKey::generate(Algorithm::Es256, "login-1").expect("a key") }
    }

    /// A server that trusts it and has these entries of `[[identity.access]]`.
    pub async fn house(&self, access: &str) -> Harness {
        let harness = Harness::start().await;
        self.publish(harness.dir());
        harness.set_config(&format!("{}\n{}\n{access}\n", harness.config(), Self::section()));
        harness.reload().await.expect("read again");
        harness
    }

    pub fn publish(&self, dir: &Path) {
        std::fs::write(dir.join("login.json"), public_jwks(&[&self.key])).expect("write keys");
    }

    pub fn section() -> String {
        format!(
            "[[identity.provider]]\niss = \"{LOGIN}\"\naudience = \"{CLIENT}\"\njwks = {{ file = \"login.json\" }}\n\
             tenant = \"acme\"\napp = \"console\"\n"
        )
    }

    /// An ID token of somebody in these groups.
    pub fn token(&self, subject: &str, groups: &[&str]) -> String {
        self.token_with(subject, groups, &json!({}))
    }

    /// The same with other claims laid over.
    pub fn token_with(&self, subject: &str, groups: &[&str], changes: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let mut claims = json!({
            "iss": LOGIN, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 600,
            "jti": format!("login-{}", COUNT.fetch_add(1, Relaxed)), "groups": groups,
        });
        let changes = changes.as_object().expect("an object").clone();
        claims.as_object_mut().expect("an object").extend(changes);
        mint_foreign(&self.key, "JWT", &claims).expect("a token")
    }
}

impl Default for Idp {
    fn default() -> Self {
        Self::new()
    }
}

/// A request for everything that the token's holder has in `dev`.
pub fn asking(subject_token: &str) -> ExchangeRequest {
    ExchangeRequest {
        subject_token: subject_token.to_owned(),
        environment: "dev".to_owned(),
        ..ExchangeRequest::default()
    }
}

impl Harness {
    /// Gives the server a key of its own that outlives it.
    pub async fn keep_own_key(&self) {
        let key = SigningKey::generate(Algorithm::EdDsa, "own-1").expect("a key");
        std::fs::write(self.dir().join("own.key"), key.to_file_text().expect("text").as_bytes()).expect("written");
        self.set_config(&format!("{}\n[identity]\nkey = {{ file = \"own.key\" }}\n", self.config()));
        self.reload().await.expect("read again");
    }

    pub async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, Status> {
        self.tokens().exchange(Request::new(request)).await.map(tonic::Response::into_inner)
    }
}
