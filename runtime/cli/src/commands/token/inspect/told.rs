//! The claims of a token as lines of text. They are what somebody wrote: nothing in them moves a cursor.

use std::{fmt, io::Write};

use airlock_access::{Inspection, Verdict};
use airlock_service::config::DEVELOPMENT_PREFIX;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{output::plain, when};

/// What a token is for, by its `typ` and what else it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One of a platform.
    Access,
    /// Given in exchange for one of an identity provider.
    Exchanged,
    /// Made from another, which allows more.
    Derived,
    /// Of an identity provider.
    Identity,
    /// A proof that somebody has a key (RFC 9449).
    Proof,
    /// None of them.
    Other,
}

impl Kind {
    /// The kind of a token that could be read.
    pub fn of(seen: &Inspection) -> Self {
        let has = |claim: &str| seen.claims_json.as_ref().is_some_and(|claims| claims.get(claim).is_some());
        let typ = seen.header.as_ref().and_then(|header| header.get("typ")).and_then(Value::as_str);
        match typ.unwrap_or_default().to_ascii_lowercase().as_str() {
            "airlock+jwt" if has("chain") => Self::Derived,
            "airlock+jwt" if has("origins") => Self::Exchanged,
            "airlock+jwt" => Self::Access,
            "dpop+jwt" => Self::Proof,
            // Many providers leave it out.
            "" | "jwt" | "at+jwt" | "application/at+jwt" if has("iss") && has("aud") => Self::Identity,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "an access token of Airlock",
            Self::Exchanged => "an access token of Airlock, given in exchange for one of an identity provider",
            Self::Derived => "an access token of Airlock, made from one that allows more",
            Self::Identity => {
                "a token of an identity provider: no access token, but `airlock token exchange` may give one for it"
            }
            Self::Proof => "a DPoP proof: it goes along with a token and is none",
            Self::Other => "none that Airlock knows",
        })
    }
}

/// Writes everything that a token says.
pub fn write(out: &mut dyn Write, kind: Kind, seen: &Inspection, now_unix_s: u64) -> std::io::Result<()> {
    line(out, "kind", &kind.to_string())?;
    verdict(out, "signature", &seen.signature)?;
    // The rules are those of access tokens.
    if !matches!(kind, Kind::Identity | Kind::Proof) {
        verdict(out, "claims", &seen.claims)?;
    }
    if let Some(Value::Object(header)) = &seen.header {
        let member = |name: &str| header.get(name).map_or_else(|| "none".to_owned(), text);
        line(out, "key", &format!("{} ({})", member("kid"), member("alg")))?;
    }
    let Some(Value::Object(claims)) = &seen.claims_json else { return Ok(()) };
    if claims.get("iss").and_then(Value::as_str).is_some_and(|iss| iss.starts_with(DEVELOPMENT_PREFIX)) {
        line(out, "", "of a development issuer: it counts at `airlock serve --dev` alone")?;
    }
    claims_in_words(out, claims)?;
    times(out, claims, now_unix_s)?;
    links(out, claims)?;
    others(out, claims)
}

/// Claims with a line of their own, in the order of the questions that people ask, and what the line is called.
const CLAIMS: [(&str, &str); 13] = [
    ("sub", "who"),
    ("act", "acting"),
    ("app", "app"),
    ("tenant", "tenant"),
    ("environment", "where"),
    ("functions", "functions"),
    ("scope", "scope"),
    ("limits", "limits"),
    ("calls", "calls"),
    ("cnf", "cnf"),
    ("iss", "issuer"),
    ("aud", "audience"),
    ("jti", "jti"),
];
const TIMES: [(&str, &str); 3] = [("iat", "issued"), ("nbf", "not before"), ("exp", "expires")];
const LINKS: [(&str, &str); 2] = [("chain", "made from"), ("origins", "login")];

fn claims_in_words(out: &mut dyn Write, claims: &Map<String, Value>) -> std::io::Result<()> {
    for (claim, name) in CLAIMS {
        let Some(value) = claims.get(claim) else { continue };
        let said = match claim {
            "act" => value.get("sub").map_or_else(|| text(value), text),
            "functions" if *value == serde_json::json!(["*"]) => "every function of the environment".to_owned(),
            "functions" if *value == serde_json::json!([]) => "none".to_owned(),
            "calls" => format!("good for {} in all", text(value)),
            "scope" if *value == "" => "none".to_owned(),
            "functions" | "aud" => list(value),
            _ => text(value),
        };
        line(out, name, &said)?;
    }
    Ok(())
}

fn times(out: &mut dyn Write, claims: &Map<String, Value>, now_unix_s: u64) -> std::io::Result<()> {
    for (claim, name) in TIMES {
        let Some(value) = claims.get(claim) else { continue };
        let said = value
            .as_u64()
            .map_or_else(|| text(value), |at| format!("{}, {}", when::utc(at), when::from_now(at, now_unix_s)));
        line(out, name, &said)?;
    }
    let seconds = |claim: &str| claims.get(claim).and_then(Value::as_u64);
    match seconds("exp").zip(seconds("iat")).and_then(|(exp, iat)| exp.checked_sub(iat)) {
        Some(lifetime) => line(out, "lifetime", &when::span(lifetime)),
        None => Ok(()),
    }
}

/// The tokens that it dies with.
fn links(out: &mut dyn Write, claims: &Map<String, Value>) -> std::io::Result<()> {
    for (claim, name) in LINKS {
        for link in claims.get(claim).and_then(Value::as_array).into_iter().flatten() {
            let member = |name: &str| link.get(name).map_or_else(|| "none".to_owned(), text);
            let calls = link.get("calls").map(|calls| format!(", good for {} calls", text(calls))).unwrap_or_default();
            line(out, name, &format!("jti {} of {}{calls}", member("jti"), member("iss")))?;
        }
    }
    Ok(())
}

/// What Airlock does not read, or not as anything of its own.
fn others(out: &mut dyn Write, claims: &Map<String, Value>) -> std::io::Result<()> {
    let known = CLAIMS.iter().chain(&TIMES).chain(&LINKS).map(|(claim, _)| *claim).collect::<Vec<_>>();
    let other = claims.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    let mut other = other.map(|(name, value)| format!("{name}={}", text(value)));
    other.try_for_each(|said| line(out, "also", &said))
}

fn verdict(out: &mut dyn Write, what: &str, verdict: &Verdict) -> std::io::Result<()> {
    match &verdict.reason {
        None => line(out, what, "valid"),
        Some(reason) if reason.starts_with("not verified") => line(out, what, &format!("{reason} (--jwks)")),
        Some(reason) => line(out, what, &format!("not valid: {reason}")),
    }
}

fn line(out: &mut dyn Write, name: &str, said: &str) -> std::io::Result<()> {
    // On one line: a claim must not look like the next one.
    writeln!(out, "{name:<10} {}", plain(said).replace('\n', "\u{fffd}"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> String {
    value.as_array().map_or_else(|| text(value), |items| items.iter().map(text).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
