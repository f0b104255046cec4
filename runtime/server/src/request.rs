//! What the headers of a request say: its id, its token, its time.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use airlock_model::{Failure, Reason};
use airlock_service::{Presented, Proof, ProvenRequest, Sender};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request,
    header::{AUTHORIZATION, HOST},
    uri::Authority,
};

use crate::{listen::Peer, route::EXCHANGE, status::Refusal};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const DPOP: HeaderName = HeaderName::from_static("dpop");
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const REQUEST_ID_LENGTH_MAX: usize = 64;

/// Whether a caller's id may stand in logs and answers as it is.
pub(crate) fn is_sane_id(text: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=REQUEST_ID_LENGTH_MAX).contains(&text.len()) && text.iter().all(legal)
}

/// The caller's `x-request-id` when it is sane, else a fresh one, which the headers then also carry.
pub(crate) fn settle_id(headers: &mut HeaderMap) -> HeaderValue {
    match headers.get(REQUEST_ID) {
        Some(given) if is_sane_id(given.as_bytes()) => passing(given.clone()),
        _ => {
            let fresh = passing(fresh_id());
            headers.insert(REQUEST_ID, fresh.clone());
            fresh
        }
    }
}

/// Keeps a value that never comes again out of the connection's HPACK table, where it would push out those that do, and
/// where each new one is compared with all before it.
pub(crate) fn passing(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// 16 hexadecimal digits, unique within the process and scattered across processes. Not a secret.
fn fresh_id() -> HeaderValue {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0u8));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = *SEED ^ NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut digits = [0u8; 16];
    for (place, digit) in digits.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * place)) as u8 & 0xf;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("none"))
}

/// The id that [`settle_id`] left in the headers.
pub(crate) fn id_of(headers: &HeaderMap) -> &str {
    headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// How a token is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// RFC 6750 section 2.1.
    Bearer,
    /// RFC 9449 section 7.1: with a proof.
    Dpop,
}

/// The token of `authorization: Bearer <token>` or `DPoP <token>`. Two headers, another scheme or bytes outside ASCII count
/// as none.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    authorization(headers).map(|(_, token)| token)
}

fn authorization(headers: &HeaderMap) -> Option<(Scheme, &str)> {
    let (scheme, token) = only(headers, AUTHORIZATION)?.split_once(' ')?;
    let known = [("bearer", Scheme::Bearer), ("dpop", Scheme::Dpop)];
    let (_, scheme) = known.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name))?;
    Some((scheme, token.trim_matches(' ')))
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}

/// What a request shows of its sender beside the token; `None` when nothing, as most do.
pub(crate) fn sender<B>(request: &Request<B>, peer: Peer, is_ours: impl Fn(&str) -> bool) -> Option<Sender> {
    let headers = request.headers();
    let is_proven = authorization(headers).is_some_and(|(scheme, _)| scheme == Scheme::Dpop);
    // Whoever asks for a token has none whose scheme could say so (RFC 9449 section 5).
    let asks_with_proof = request.uri().path() == EXCHANGE && headers.contains_key(DPOP);
    let proof = (is_proven || asks_with_proof)
        .then(|| Arc::new(Proof::new(only(headers, DPOP), proven(request, peer, is_ours))));
    (proof.is_some() || peer.certificate.is_some()).then_some(Sender { certificate: peer.certificate, proof })
}

/// The request as a proof has to name it.
fn proven<B>(request: &Request<B>, peer: Peer, is_ours: impl Fn(&str) -> bool) -> ProvenRequest {
    // HTTP/2 has it in `:authority`, HTTP/1.1 in `host`.
    let named = request.uri().authority().map(Authority::as_str).or_else(|| only(request.headers(), HOST));
    let authority = named.unwrap_or_default();
    ProvenRequest {
        method: request.method().as_str().to_owned(),
        over_tls: peer.over_tls,
        authority: authority.to_owned(),
        is_ours: is_ours(authority),
        path: request.uri().path().to_owned(),
    }
}

/// The token of a request, and what goes with it.
pub(crate) fn presented<B>(request: &Request<B>) -> Presented<'_> {
    Presented { token: token(request.headers()), sender: request.extensions().get() }
}

/// What the caller leaves us, from `grpc-timeout` (gRPC over HTTP/2: at most eight digits and a unit).
///
/// # Errors
/// When the header is there but does not read so.
pub(crate) fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    let read = value.to_str().ok().and_then(parse_timeout);
    read.map(Some).ok_or_else(|| {
        let message = "`grpc-timeout` is not a timeout";
        let hint = "write up to eight digits and one of H, M, S, m, u, n";
        Refusal::field("grpc-timeout", Failure::new(Reason::RequestMalformed, message, hint))
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn timeouts_read_as_grpc_writes_them() {
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(deadline(&with(GRPC_TIMEOUT, text)).unwrap(), Some(time), "{text}");
        }
        assert_eq!(deadline(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn other_timeouts_are_refused() {
        for text in ["", "S", "1", "123456789S", "-1S", "+1S", "1.5S", "1s", "1 S", "1SS"] {
            assert!(deadline(&with(GRPC_TIMEOUT, text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let kept = settle_id(&mut with(REQUEST_ID, "Job_7.a-b"));
        assert_eq!(kept, "Job_7.a-b");
        assert!(
            kept.is_sensitive() && settle_id(&mut HeaderMap::new()).is_sensitive(),
            "no id belongs into HPACK's table"
        );
        for odd in ["", "a b", "a\tb", "<script>"] {
            let mut headers = with(REQUEST_ID, odd);
            let id = settle_id(&mut headers);
            assert!(is_sane_id(id.as_bytes()) && id != odd, "{odd:?}");
            assert_eq!(id_of(&headers), id);
        }
        assert_ne!(settle_id(&mut HeaderMap::new()), settle_id(&mut HeaderMap::new()));
    }

    #[test]
    fn a_token_is_read_and_anything_ambiguous_is_none() {
        assert_eq!(token(&with(AUTHORIZATION, "Bearer a.b.c")), Some("a.b.c"));
        assert_eq!(token(&with(AUTHORIZATION, "bearer  a.b.c")), Some("a.b.c"));
        assert_eq!(token(&with(AUTHORIZATION, "DPoP a.b.c")), Some("a.b.c"));
        assert_eq!(token(&with(AUTHORIZATION, "Basic a.b.c")), None);
        assert_eq!(token(&HeaderMap::new()), None);
        let mut twice = with(AUTHORIZATION, "Bearer a");
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer b"));
        assert_eq!(token(&twice), None);
    }

    #[test]
    fn a_sender_is_what_the_scheme_and_the_connection_say() {
        let request = |scheme: &str| {
            let request = Request::post("https://a.example/x").header("authorization", format!("{scheme} a.b.c"));
            request.header("dpop", "proof").body(()).unwrap()
        };
        let certificate = Some(airlock_service::Thumbprint::of_certificate(b"der"));
        let shown = |scheme: &str, peer: Peer| {
            let shown = sender(&request(scheme), peer, |authority| authority == "a.example");
            shown.map(|sender| (sender.certificate, sender.proof.is_some()))
        };
        let (plain, known) = (Peer::default(), Peer { over_tls: true, certificate, met_at: None });
        assert_eq!(shown("Bearer", plain), None, "a proof beside a bearer token is nothing");
        assert_eq!(shown("DPoP", plain), Some((None, true)));
        assert_eq!(shown("Bearer", known), Some((certificate, false)));
        assert_eq!(shown("dpop", known), Some((certificate, true)));
    }

    #[test]
    fn a_request_for_a_token_proves_without_one() {
        let proves = |path: &str, headers: &[&'static str]| {
            let request = headers.iter().fold(Request::post(path), |request, proof| request.header("dpop", *proof));
            sender(&request.body(()).unwrap(), Peer::default(), |_| true).is_some_and(|sender| sender.proof.is_some())
        };
        assert!(proves(EXCHANGE, &["proof"]));
        assert!(proves(EXCHANGE, &["proof", "another"]), "what cannot be read is refused, not passed over");
        assert!(!proves(EXCHANGE, &[]));
        assert!(!proves("/airlock.v1.TokenService/Attenuate", &["proof"]));
    }
}
