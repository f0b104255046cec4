//! Proofs of possession with each request: DPoP (RFC 9449), as strict as tokens.
//!
//! A proof is a small JWT in the header `DPoP`, signed by the key that the token is bound to, over the method and the URL of
//! this request, the token, the time and an identifier that is used once. Whoever asks for a token has none to prove: the new one
//! is bound to the key of the proof (section 5). Keys and algorithms are those of tokens.

mod used;

use std::{fmt, sync::OnceLock, time::Duration};

use airlock_model::{Failure, Principal, Reason, Scheme, WebUrl};
use serde_json::{Map, Value, json};

use self::used::Holder;
pub use self::used::UsedProofs;
use crate::{
    keys::{Algorithm, KeyError, KeyFault, PublicKey, SigningKey},
    mint,
    sender::Thumbprint,
    verify::{Compact, LEEWAY_MAX_S},
};

const PROOF_TYPE: &str = "dpop+jwt";
const HEADER_MEMBERS: [&str; 3] = ["alg", "typ", "jwk"];
const IDENTIFIER_BYTES_MAX: usize = 128;
/// A part of the time for which proofs are remembered.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How old a proof may be, in seconds: made for one request, it is on its way for moments.
pub(crate) const PROOF_AGE_MAX_S: u64 = 30;

/// The request that a proof has to be about.
#[derive(Debug, Clone)]
pub struct ProvenRequest {
    /// For instance `POST`.
    pub method: String,
    /// Whether the connection is TLS; where it is not, TLS may end in front of us and the URL may be either.
    pub over_tls: bool,
    /// Host and port as the client says them: `:authority`, or `host`.
    pub authority: String,
    /// Whether that is a name of this server's own. Whoever sends a proof on that was made for another server can name that one.
    pub is_ours: bool,
    /// Without query.
    pub path: String,
}

/// The proof of one request, and what it has to fit.
pub struct Proof {
    text: Option<String>,
    request: ProvenRequest,
    /// What the first check of this request accepted: later ones find the proof used, by itself, and older.
    accepted: OnceLock<Accepted>,
}

/// A key, and the token that was presented with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Accepted {
    key: Thumbprint,
    token: Thumbprint,
}

/// When a proof is judged, and what was used before.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    pub(crate) now_unix_s: u64,
    pub(crate) leeway_s: u64,
    pub(crate) used: &'a UsedProofs,
}

/// Why a proof is refused. None carries text from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// No header, more than one, or no compact JWS with strict JSON.
    #[error("the header `DPoP` is missing, stands twice, or is no strict compact JWT")]
    Shape,
    /// A member that changes how a proof would have to be read, or one that is missing.
    #[error("the header of the proof is not exactly `typ`, `alg` and `jwk`, or its `typ` is not `dpop+jwt`")]
    Header,
    /// `alg` is not one of ours, or not that of the key.
    #[error("the proof's `alg` is not `EdDSA` or `ES256`, or not that of its `jwk`")]
    Algorithm,
    /// `jwk` is no public key that tokens could be signed with.
    #[error("the proof's `jwk` is not an Ed25519 or P-256 public key")]
    Key,
    /// Another key than the token is bound to.
    #[error("the proof is by another key than the token is bound to")]
    OtherKey,
    /// The signature does not verify.
    #[error("the signature of the proof does not verify")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("the proof lacks one of `htm`, `htu`, `iat`, `jti` and `ath`, or one has the wrong type or size")]
    Claims,
    /// `htm` is another method.
    #[error("the proof's `htm` is not the method of the request")]
    Method,
    /// `htu` is another URL.
    #[error("the proof's `htu` is not the URL of the request, or two readers could read it differently")]
    Url,
    /// `htu` and the request agree on another server.
    #[error("the request and the proof's `htu` name a host that is none of this server's: see `[server] names`")]
    Host,
    /// `ath` is another token's.
    #[error("the proof's `ath` is not the SHA-256 of the token, or is there before there is a token")]
    Token,
    /// `iat` is too far away.
    #[error(
        "the proof is older than {PROOF_AGE_MAX_S} s, or from the future: make one for each request, compare the clocks"
    )]
    Time,
    /// From a time of which nobody remembers which were used.
    #[error("the proof may have been used before this server started, which nobody remembers: make a new one")]
    BeforeStart,
    /// The identifier was used before.
    #[error("the proof was used before: its `jti` was seen with the same key")]
    Replayed,
    /// Forgetting used ones early would let them be used again.
    #[error("the tenant used more proofs than are remembered of one")]
    TenantShare,
    /// The same of one key, or of one subject.
    #[error("the holder used more proofs than are remembered of one key and one subject")]
    HolderShare,
    /// The same of all tenants together.
    #[error("all tenants together used more proofs than can be remembered")]
    Full,
}

impl ProofRefusal {
    /// What the caller sees who asked for a token with this proof: it is about nobody's token, so it says what is wrong.
    pub(crate) fn at_exchange(self) -> Failure {
        let hint = "make one proof (RFC 9449 section 5) for each request: `htu` is this URL, `iat` now, and there is no `ath` yet";
        self.as_failure().unwrap_or_else(|| Failure::new(Reason::TokenInvalid, self.to_string(), hint)).with_log(self)
    }

    /// What the caller sees where nothing is wrong with the proof. Only its holder gets so far.
    pub(crate) fn as_failure(self) -> Option<Failure> {
        let busy = |reason, message| {
            let hint = "try again shortly with a new proof; ask for fewer, larger things, or bind tokens to a certificate, \
                        which needs no proofs";
            Some(Failure::new(reason, message, hint).with_retry_after(BUSY_RETRY_AFTER))
        };
        match self {
            Self::TenantShare => busy(
                Reason::TenantBusy,
                "the tenant sent more proofs (DPoP) within a minute than are remembered of one",
            ),
            Self::HolderShare => busy(
                Reason::TenantBusy,
                "this key or subject sent more proofs (DPoP) within a minute than are remembered of one",
            ),
            Self::Full => {
                busy(Reason::Overloaded, "more proofs (DPoP) were sent within a minute than can be remembered")
            }
            Self::BeforeStart => {
                let message = "the proof (DPoP) may have been used before this server started, which nobody remembers";
                let hint = "make a new proof; for some seconds after a restart those of clocks that are right are in doubt, too";
                let failure = Failure::new(Reason::TokenInvalid, message, hint);
                Some(failure.with_retry_after(Duration::from_secs(LEEWAY_MAX_S + 1)))
            }
            Self::Shape
            | Self::Header
            | Self::Algorithm
            | Self::Key
            | Self::OtherKey
            | Self::Signature
            | Self::Claims
            | Self::Method
            | Self::Url
            | Self::Host
            | Self::Token
            | Self::Time
            | Self::Replayed => None,
        }
    }
}

impl Proof {
    /// The value of the one `DPoP` header; `None` when there is none or more.
    #[must_use]
    pub fn new(text: Option<&str>, request: ProvenRequest) -> Self {
        Self { text: text.map(str::to_owned), request, accepted: OnceLock::new() }
    }

    /// Whether this proves the use of the key, for this request and token. The first time it is used up.
    pub(crate) fn check(
        &self,
        (key, token): (Thumbprint, Thumbprint),
        principal: &Principal,
        moment: &Moment<'_>,
    ) -> Result<(), ProofRefusal> {
        let accepted = Accepted { key, token };
        // The body of a request can take longer than a proof lives, and its token is looked at before and after.
        if self.accepted.get() == Some(&accepted) {
            return Ok(());
        }
        let (key, identifier) = self.judge(Some(accepted), moment)?;
        moment.used.take(Holder { principal, key }, &identifier, moment.now_unix_s)?;
        // Another check of the same request can only have come to the same end.
        let _first = self.accepted.set(accepted);
        Ok(())
    }

    /// Whose key this proves the use of, for a request for a token. Uses the proof up.
    pub(crate) fn holder(&self, principal: &Principal, moment: &Moment<'_>) -> Result<Thumbprint, ProofRefusal> {
        let (key, identifier) = self.judge(None, moment)?;
        moment.used.take(Holder { principal, key }, &identifier, moment.now_unix_s)?;
        Ok(key)
    }

    /// The checks of RFC 9449 section 4.3, but for the last; gives key and `jti`. Before there is a token any key will do.
    fn judge(&self, wanted: Option<Accepted>, moment: &Moment<'_>) -> Result<(Thumbprint, String), ProofRefusal> {
        let proof = Compact::split(self.text.as_deref().unwrap_or_default()).map_err(|_| ProofRefusal::Shape)?;
        let header = proof.header_json().map_err(|_| ProofRefusal::Shape)?;
        let (key, thumbprint) = key_of(&header)?;
        if wanted.is_some_and(|wanted| wanted.key != thumbprint) {
            return Err(ProofRefusal::OtherKey);
        }
        proof.signed_by(&key).map_err(|_| ProofRefusal::Signature)?;
        let claims = Claims::read(&proof.claims_json().map_err(|_| ProofRefusal::Shape)?)?;
        if wanted.is_some() && claims.token.is_none() {
            return Err(ProofRefusal::Claims);
        }
        if claims.method != self.request.method {
            return Err(ProofRefusal::Method);
        }
        if !self.request.is_at(&claims.url) {
            return Err(ProofRefusal::Url);
        }
        if !self.request.is_ours {
            return Err(ProofRefusal::Host);
        }
        if claims.token != wanted.map(|wanted| wanted.token) {
            return Err(ProofRefusal::Token);
        }
        let oldest = moment.now_unix_s.saturating_sub(PROOF_AGE_MAX_S);
        if claims.issued < oldest || claims.issued > moment.now_unix_s.saturating_add(moment.leeway_s) {
            return Err(ProofRefusal::Time);
        }
        if claims.issued < moment.used.since_unix_s() {
            return Err(ProofRefusal::BeforeStart);
        }
        Ok((thumbprint, claims.identifier))
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({:?}, ..)", self.request)
    }
}

impl ProvenRequest {
    /// Whether this is its URL, without regard to query and fragment, to the case of scheme and host and to a port that the
    /// scheme implies (RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3).
    fn is_at(&self, url: &str) -> bool {
        let Ok(said) = bare(url).parse::<WebUrl>() else { return false };
        let scheme = said.origin.scheme();
        if self.over_tls && scheme != Scheme::Https {
            return false;
        }
        let own = format!("{}://{}{}", scheme.as_str(), self.authority, self.path).parse::<WebUrl>();
        own.is_ok_and(|own| own.origin == said.origin && own.path == said.path)
    }
}

fn bare(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// What a proof says; other claims are ignored, as RFC 7519 section 4 demands.
struct Claims {
    method: String,
    url: String,
    issued: u64,
    identifier: String,
    /// Missing before there is a token.
    token: Option<Thumbprint>,
}

impl Claims {
    fn read(members: &Map<String, Value>) -> Result<Self, ProofRefusal> {
        let text = |name: &str| members.get(name).and_then(Value::as_str).ok_or(ProofRefusal::Claims);
        let identifier = text("jti")?;
        let fits = (1..=IDENTIFIER_BYTES_MAX).contains(&identifier.len())
            && identifier.bytes().all(|byte| byte.is_ascii_graphic());
        Ok(Self {
            method: text("htm")?.to_owned(),
            url: text("htu")?.to_owned(),
            issued: members.get("iat").and_then(Value::as_u64).ok_or(ProofRefusal::Claims)?,
            identifier: Some(identifier).filter(|_| fits).ok_or(ProofRefusal::Claims)?.to_owned(),
            token: match members.get("ath") {
                None => None,
                Some(ath) => Some(Thumbprint::read(ath).ok_or(ProofRefusal::Claims)?),
            },
        })
    }
}

fn key_of(header: &Map<String, Value>) -> Result<(PublicKey, Thumbprint), ProofRefusal> {
    let only_known = header.keys().all(|name| HEADER_MEMBERS.contains(&name.as_str()));
    if !only_known || header.get("typ").and_then(Value::as_str) != Some(PROOF_TYPE) {
        return Err(ProofRefusal::Header);
    }
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(ProofRefusal::Header)?;
    let named = header.get("alg").and_then(Value::as_str).and_then(|name| name.parse::<Algorithm>().ok());
    let algorithm = named.ok_or(ProofRefusal::Algorithm)?;
    let (key, thumbprint) = public_key(jwk).map_err(|_| ProofRefusal::Key)?;
    if key.algorithm() == algorithm { Ok((key, thumbprint)) } else { Err(ProofRefusal::Algorithm) }
}

/// A public key with its thumbprint (RFC 7638 section 3).
pub(crate) fn public_key(jwk: &Map<String, Value>) -> Result<(PublicKey, Thumbprint), &'static str> {
    let key = PublicKey::from_jwk(jwk).map_err(|KeyFault(rule)| rule)?;
    // Checked a moment ago: members of these names are texts of base64url in their one spelling.
    let member = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    let spelled = match key.algorithm() {
        Algorithm::EdDsa => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, member("x")),
        Algorithm::Es256 => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")),
        // A holder makes its own key, and that need not be so large.
        Algorithm::Rs256 => return Err("a holder's key is Ed25519 or P-256"),
    };
    Ok((key, Thumbprint::of(&spelled)))
}

/// What a proof is to say.
#[derive(Debug, Clone, Copy)]
pub struct ProofClaims<'a> {
    /// The method of the request; gRPC has `POST` alone.
    pub method: &'a str,
    /// The URL of the request, without query and fragment.
    pub url: &'a str,
    /// The token that goes with it; `None` when the request asks for one.
    pub token: Option<&'a str>,
    /// Now, in seconds since the Unix epoch.
    pub issued_at_unix_s: u64,
}

/// Makes a proof for one request, with an identifier of its own: for clients and tests.
///
/// # Errors
/// When the cryptographic library fails, for instance for lack of randomness.
pub fn prove(key: &SigningKey, claims: &ProofClaims<'_>) -> Result<String, KeyError> {
    let mut jwk = key.public_jwk();
    if let Value::Object(members) = &mut jwk {
        members.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name.as_str()));
    }
    let header = json!({ "typ": PROOF_TYPE, "alg": key.algorithm().as_str(), "jwk": jwk });
    let mut members = json!({
        "htm": claims.method,
        "htu": bare(claims.url),
        "iat": claims.issued_at_unix_s,
        "jti": mint::random_token_id()?,
    });
    if let (Value::Object(members), Some(token)) = (&mut members, claims.token) {
        members.insert("ath".to_owned(), json!(Thumbprint::of(token).to_string()));
    }
    mint::compact(key, header.to_string().as_bytes(), members.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
