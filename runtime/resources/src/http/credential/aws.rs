//! Requests signed for AWS services.

use std::sync::Arc;

use ::http::{HeaderName, Request, header::AUTHORIZATION};
use airlock_model::{Digest, HostError};
use zeroize::Zeroizing;

use super::{insert, plain};
use crate::{
    ConfigError, CredentialConfig, Secret,
    http::{body::Outgoing, scrub::Scrubber},
    sign::{self, Signed, Signer, Stamp},
};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// # Errors
/// When a name is none that AWS gives.
pub(super) fn signer(written: &CredentialConfig, secret: Secret) -> Result<Signer, ConfigError> {
    let refuse =
        ConfigError::Credential("has an `access_key_id`, `region` or `service` that is not letters, digits and `-`");
    let CredentialConfig::AwsSigv4 { access_key_id, region, service, .. } = written else { return Err(refuse) };
    let is_name = |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if ![access_key_id, region, service].into_iter().all(is_name) {
        return Err(refuse);
    }
    let (access_key_id, region, service) = (access_key_id.clone(), region.clone(), service.clone());
    Ok(Signer { access_key_id, secret, region, service })
}

/// Signs everything that can be signed, and says what must not come back: a signature is good for a quarter of an hour.
///
/// # Errors
/// When the body is not at hand.
pub(super) fn sign(
    signer: &Signer,
    request: &mut Request<Outgoing>,
    now_unix_ms: u64,
) -> Result<Arc<Scrubber>, HostError> {
    let Outgoing::Whole(body) = request.body() else {
        return Err(HostError::BadRequest("the API wants signed requests: send the body whole".to_owned()));
    };
    let (payload, stamp) = (Digest::of(body).to_string(), Stamp::of(now_unix_ms));
    request.headers_mut().insert(PAYLOAD, plain(&payload)?);
    request.headers_mut().insert(DATE, plain(stamp.as_str())?);
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let mut headers: Vec<(&str, &str)> = vec![("host", &host)];
    let is_signed = |name: &str| name == "content-type" || name.starts_with("x-amz-");
    let texts = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    headers.extend(texts.filter(|(name, _)| is_signed(name)));
    headers.sort_unstable();
    let path = match signer.service.as_str() {
        "s3" => request.uri().path().to_owned(),
        _ => sign::path(request.uri().path()),
    };
    let query = sorted(request.uri().query().unwrap_or_default());
    let signed = Signed { method: request.method().as_str(), path: &path, query: &query, headers: &headers };
    let authorization = Zeroizing::new(signer.authorization(&signed, &payload, &stamp));
    let signature = authorization.rsplit_once('=').map_or("", |(_, signature)| signature);
    let known = [signer.secret.expose(), signature].map(|text| Zeroizing::new(text.to_owned()));
    let scrubber = Arc::new(Scrubber::new(&known));
    insert(request, AUTHORIZATION, &authorization);
    Ok(scrubber)
}

/// Ours is encoded the way that the signature wants it already.
fn sorted(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_by_key(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla-query-order-key-case` and `post-vanilla` of AWS's own test suite, with our two headers more.
    #[test]
    fn everything_that_is_sent_under_our_name_is_signed() {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::from_text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        };
        let mut request = Request::new(Outgoing::Whole("x=1".into()));
        *request.uri_mut() = "https://example.amazonaws.com/a%20b?Param2=v2&Param1=v1".parse().expect("URI");
        request.headers_mut().insert("content-type", "text/plain".parse().expect("value"));
        sign(&signer, &mut request, 1_440_938_160_000).expect("signed");
        let authorization = request.headers()["authorization"].to_str().expect("text");
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,\
                        SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date,Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(request.headers()["x-amz-date"], "20150830T123600Z");
    }

    #[test]
    fn parameters_are_signed_in_order() {
        assert_eq!(sorted("b=2&a=2&a=1&a-b=0"), "a=1&a=2&a-b=0&b=2");
    }
}
