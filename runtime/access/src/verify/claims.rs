//! The inside of a token: every claim read into its type, then judged (RFC 7519, RFC 8693, RFC 8725).
//!
//! Claims that Airlock does not know are ignored, as RFC 7519 section 4 demands, with one exception: `cnf` narrows a
//! token to its holder, and ignoring it or a part of it would widen the token, so what is not understood is refused.

use std::{num::NonZeroU32, str::FromStr};

use airlock_model::{
    AppName, ControlScope, EnvironmentName, FunctionName, Grant, LimitCaps, Principal, Scope, TenantName,
};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{ClaimFault, TokenRefusal};
use crate::{keys::KeyTag, sender::Confirmation};

const TEXT_BYTES_MAX: usize = 255;
const TOKEN_ID_BYTES_MAX: usize = 128;
const AUDIENCES_MAX: usize = 16;
const FUNCTIONS_MAX: usize = 256;
pub(crate) const SCOPES_MAX: usize = 128;
/// A subject and an actor.
const ORIGINS_MAX: usize = 2;
/// How often a token can be derived from another.
pub(crate) const CHAIN_MAX: usize = 8;

macro_rules! claims {
    ($($variant:ident $name:literal $rule:literal;)*) => {
        /// A claim that Airlock reads.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are the claims")]
        pub enum Claim { $($variant,)* }

        impl Claim {
            /// The member of the JSON object.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it must be, as an instruction.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)* }
            }
        }
    };
}

claims! {
    Iss "iss" "1 to 255 bytes of printable text";
    Sub "sub" "1 to 255 bytes of printable text";
    Aud "aud" "one text or a list of 1 to 16 texts";
    Exp "exp" "seconds since 1970 as a non-negative integer";
    Nbf "nbf" "seconds since 1970 as a non-negative integer";
    Iat "iat" "seconds since 1970 as a non-negative integer";
    Jti "jti" "1 to 128 visible ASCII characters";
    Tenant "tenant" "1 to 63 characters of a-z, 0-9 and `-`";
    App "app" "1 to 63 characters of a-z, 0-9 and `-`";
    Act "act" "an object with `sub`, 1 to 255 bytes of printable text";
    Environment "environment" "1 to 63 characters of a-z, 0-9 and `-`";
    Functions "functions" "a list of at most 256 function names, or [\"*\"]";
    Scope "scope" "at most 128 scopes such as `orders-db:read`, with one space between them";
    Limits "limits" "an object of known limits, each above zero";
    Calls "calls" "how many calls the token is good for, an integer above zero";
    Chain "chain" "a list of at most 8 objects with `iss`, `jti`, `key` and maybe `calls`";
    Origins "origins" "a list of at most 2 objects with `iss`, `jti` and `key`";
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The functions a token lets its bearer invoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Functions {
    /// `["*"]`: every function of the environment.
    All,
    /// These, possibly none.
    Named(Vec<FunctionName>),
}

/// A token that another was derived from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its `iss`.
    pub issuer: String,
    /// Its `jti`; empty when it had none, as tokens of identity providers may.
    pub token_id: String,
    /// The key that it was verified with: what was derived from it ends when that key does.
    pub key: KeyTag,
    /// How many calls it is good for, those with tokens derived from it among them; `None` for any number.
    pub calls_max: Option<NonZeroU32>,
}

/// When a token is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) issued: u64,
    pub(crate) not_before: u64,
    pub(crate) expires: u64,
}

/// All claims in their types; shapes are checked, meaning is not yet.
#[derive(Debug)]
pub(crate) struct TokenClaims {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) period: Period,
    pub(crate) token_id: String,
    pub(crate) principal: Principal,
    pub(crate) environment: EnvironmentName,
    pub(crate) functions: Functions,
    pub(crate) grants: Vec<Grant>,
    pub(crate) control_scopes: Vec<ControlScope>,
    pub(crate) limits: LimitCaps,
    pub(crate) calls_max: Option<NonZeroU32>,
    /// The tokens it was derived from, the first one first.
    pub(crate) chain: Vec<Link>,
    /// The identity providers' tokens that the first of all was exchanged for: the subject's, and the actor's where there is one.
    pub(crate) origins: Vec<Link>,
    pub(crate) confirmation: Option<Confirmation>,
}

/// What the verifier expects of the claims. `None` asks for any value of the right shape.
pub(crate) struct Demand<'a> {
    pub(crate) issuer: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
    pub(crate) lifetime_max_s: u64,
    /// The cap for tokens that let anything be written.
    pub(crate) lifetime_write_max_s: u64,
    pub(crate) leeway_s: u64,
}

impl TokenClaims {
    /// Reads every claim into its type.
    pub(crate) fn read(members: &Map<String, Value>) -> Result<Self, TokenRefusal> {
        let bound = members.get("cnf").map(|claim| Confirmation::read(claim).ok_or(TokenRefusal::Confirmation));
        let confirmation = bound.transpose()?;
        let reader = Reader(members);
        let (grants, control_scopes) = reader.scopes()?;
        Ok(Self {
            issuer: reader.printable(Claim::Iss)?,
            audiences: reader.audiences()?,
            period: Period {
                issued: reader.seconds(Claim::Iat)?,
                not_before: reader.seconds(Claim::Nbf)?,
                expires: reader.seconds(Claim::Exp)?,
            },
            token_id: reader.token_id()?,
            principal: Principal {
                tenant: reader.name::<TenantName>(Claim::Tenant)?,
                app: reader.name::<AppName>(Claim::App)?,
                subject: reader.printable(Claim::Sub)?,
                actor: reader.actor()?,
            },
            environment: reader.name(Claim::Environment)?,
            functions: reader.functions()?,
            grants,
            control_scopes,
            limits: reader.limits()?,
            calls_max: reader.calls_max()?,
            chain: reader.chain()?,
            origins: reader.origins()?,
            confirmation,
        })
    }

    /// Judges issuer, audience, lifetime and time.
    pub(crate) fn judge(&self, demand: &Demand<'_>, now_unix_s: u64) -> Result<(), TokenRefusal> {
        if demand.issuer.is_some_and(|issuer| issuer != self.issuer) {
            return Err(TokenRefusal::Issuer);
        }
        if !self.audiences.iter().any(|audience| self.is_meant_by(audience, demand.instance)) {
            return Err(TokenRefusal::Audience);
        }
        let Period { issued, expires, .. } = self.period;
        if expires <= issued {
            return Err(TokenRefusal::Inverted);
        }
        if expires - issued > demand.lifetime_max_s {
            return Err(TokenRefusal::Lifetime);
        }
        if expires - issued > demand.lifetime_write_max_s && self.grants.iter().any(|grant| grant.operation.writes()) {
            return Err(TokenRefusal::LifetimeOfWrites);
        }
        self.period.check(now_unix_s, demand.leeway_s)
    }

    /// `<instance>/<environment>`; an environment has no slash, so the last one divides.
    fn is_meant_by(&self, audience: &str, expected: Option<&str>) -> bool {
        let Some((instance, environment)) = audience.rsplit_once('/') else { return false };
        environment == self.environment.as_str() && expected.map_or(!instance.is_empty(), |wanted| wanted == instance)
    }
}

impl Period {
    /// Whether the token is good at this second. Asked again on every use of a remembered token.
    pub(crate) fn check(self, now_unix_s: u64, leeway_s: u64) -> Result<(), TokenRefusal> {
        let latest = now_unix_s.saturating_add(leeway_s);
        if now_unix_s >= self.expires.saturating_add(leeway_s) {
            return Err(TokenRefusal::Expired);
        }
        if self.not_before > latest {
            return Err(TokenRefusal::NotYetValid);
        }
        if self.issued > latest {
            return Err(TokenRefusal::IssuedInFuture);
        }
        Ok(())
    }
}

/// Reads members of the claims object.
struct Reader<'m>(&'m Map<String, Value>);

impl<'m> Reader<'m> {
    fn optional(&self, claim: Claim) -> Option<&'m Value> {
        self.0.get(claim.name())
    }

    fn required(&self, claim: Claim) -> Result<&'m Value, TokenRefusal> {
        self.optional(claim).ok_or(TokenRefusal::Claim(claim, ClaimFault::Missing))
    }

    fn text(&self, claim: Claim) -> Result<&'m str, TokenRefusal> {
        self.required(claim)?.as_str().ok_or(wrong_type(claim))
    }

    fn printable(&self, claim: Claim) -> Result<String, TokenRefusal> {
        printable(self.text(claim)?).ok_or(wrong_value(claim))
    }

    fn name<T: FromStr>(&self, claim: Claim) -> Result<T, TokenRefusal> {
        self.text(claim)?.parse().map_err(|_| wrong_value(claim))
    }

    fn seconds(&self, claim: Claim) -> Result<u64, TokenRefusal> {
        self.required(claim)?.as_u64().ok_or(wrong_type(claim))
    }

    fn token_id(&self) -> Result<String, TokenRefusal> {
        let text = self.text(Claim::Jti)?;
        if is_token_id(text) { Ok(text.to_owned()) } else { Err(wrong_value(Claim::Jti)) }
    }

    fn audiences(&self) -> Result<Vec<String>, TokenRefusal> {
        let listed = match self.required(Claim::Aud)? {
            Value::String(one) => return Ok(vec![one.clone()]),
            Value::Array(listed) => listed,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(wrong_type(Claim::Aud)),
        };
        if !(1..=AUDIENCES_MAX).contains(&listed.len()) {
            return Err(wrong_value(Claim::Aud));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(wrong_type(Claim::Aud));
        listed.iter().map(text).collect()
    }

    fn actor(&self) -> Result<Option<String>, TokenRefusal> {
        let Some(act) = self.optional(Claim::Act) else { return Ok(None) };
        let members = act.as_object().ok_or(wrong_type(Claim::Act))?;
        let subject = members.get("sub").and_then(Value::as_str).ok_or(wrong_value(Claim::Act))?;
        printable(subject).ok_or(wrong_value(Claim::Act)).map(Some)
    }

    fn functions(&self) -> Result<Functions, TokenRefusal> {
        let Some(value) = self.optional(Claim::Functions) else { return Ok(Functions::Named(Vec::new())) };
        let listed = value.as_array().ok_or(wrong_type(Claim::Functions))?;
        if let [Value::String(only)] = listed.as_slice()
            && only == "*"
        {
            return Ok(Functions::All);
        }
        if listed.len() > FUNCTIONS_MAX {
            return Err(wrong_value(Claim::Functions));
        }
        let name = |value: &Value| {
            let text = value.as_str().ok_or(wrong_type(Claim::Functions))?;
            text.parse().map_err(|_| wrong_value(Claim::Functions))
        };
        listed.iter().map(name).collect::<Result<_, _>>().map(Functions::Named)
    }

    /// The grants on resources and the rights on the control plane that `scope` lists (RFC 8693 section 4.2).
    fn scopes(&self) -> Result<(Vec<Grant>, Vec<ControlScope>), TokenRefusal> {
        let (mut grants, mut control) = (Vec::new(), Vec::new());
        let Some(value) = self.optional(Claim::Scope) else { return Ok((grants, control)) };
        let text = value.as_str().ok_or(wrong_type(Claim::Scope))?;
        if text.is_empty() {
            return Ok((grants, control));
        }
        for (index, word) in text.split(' ').enumerate() {
            if index >= SCOPES_MAX {
                return Err(wrong_value(Claim::Scope));
            }
            match word.parse().map_err(|_| wrong_value(Claim::Scope))? {
                Scope::Resource(grant) => grants.push(grant),
                Scope::Control(right) => control.push(right),
            }
        }
        Ok((grants, control))
    }

    fn limits(&self) -> Result<LimitCaps, TokenRefusal> {
        let Some(value) = self.optional(Claim::Limits) else { return Ok(LimitCaps::default()) };
        if !value.is_object() {
            return Err(wrong_type(Claim::Limits));
        }
        LimitCaps::deserialize(value).map_err(|_| wrong_value(Claim::Limits))
    }

    fn calls_max(&self) -> Result<Option<NonZeroU32>, TokenRefusal> {
        let Some(value) = self.optional(Claim::Calls) else { return Ok(None) };
        value.as_u64().ok_or(wrong_type(Claim::Calls))?;
        count_of(value).ok_or(wrong_value(Claim::Calls)).map(Some)
    }

    fn chain(&self) -> Result<Vec<Link>, TokenRefusal> {
        let Some(value) = self.optional(Claim::Chain) else { return Ok(Vec::new()) };
        let listed = value.as_array().ok_or(wrong_type(Claim::Chain))?;
        if listed.len() > CHAIN_MAX {
            return Err(wrong_value(Claim::Chain));
        }
        let link = |value: &Value| link_of(value).filter(|link| !link.token_id.is_empty());
        listed.iter().map(|value| link(value).ok_or(wrong_value(Claim::Chain))).collect()
    }

    fn origins(&self) -> Result<Vec<Link>, TokenRefusal> {
        let Some(value) = self.optional(Claim::Origins) else { return Ok(Vec::new()) };
        let listed = value.as_array().ok_or(wrong_type(Claim::Origins))?;
        if listed.len() > ORIGINS_MAX {
            return Err(wrong_value(Claim::Origins));
        }
        listed.iter().map(|link| link_of(link).ok_or(wrong_value(Claim::Origins))).collect()
    }
}

fn link_of(value: &Value) -> Option<Link> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let issuer = printable(text("iss")?)?;
    let token_id = text("jti").filter(|id| id.is_empty() || is_token_id(id))?.to_owned();
    let key = KeyTag::read(text("key")?)?;
    let calls_max = match value.get("calls") {
        None => None,
        Some(calls) => Some(count_of(calls)?),
    };
    Some(Link { issuer, token_id, key, calls_max })
}

fn count_of(value: &Value) -> Option<NonZeroU32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new)
}

pub(crate) fn is_token_id(text: &str) -> bool {
    (1..=TOKEN_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

const fn wrong_type(claim: Claim) -> TokenRefusal {
    TokenRefusal::Claim(claim, ClaimFault::Type)
}

const fn wrong_value(claim: Claim) -> TokenRefusal {
    TokenRefusal::Claim(claim, ClaimFault::Value)
}

/// Texts go to logs, terminals and the audit trail: no control characters, nothing invisible that reorders or hides.
pub(crate) fn printable(text: &str) -> Option<String> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(hidden);
    fits.then(|| text.to_owned())
}
