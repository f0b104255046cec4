//! What the clients of HTTP resources take and give. Scheme, host, port and credential belong to the host.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::HostError;

/// One request to the API that the resource names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Upper case, for instance `GET`.
    pub method: String,
    /// Absolute path without query, for instance `/customers/42`; or a whole URL of an origin that the resource covers.
    pub path: String,
    /// Names and values; the host encodes them.
    pub query: Vec<(String, String)>,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A request without query, headers and body.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self { method: method.into(), path: path.into(), query: Vec::new(), headers: Vec::new(), body: None }
    }

    /// The same request with one more pair in its query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with a body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// The same request with a JSON body and its `content-type`.
    ///
    /// # Errors
    /// [`HostError::BadRequest`] when the value has no JSON form.
    pub fn json(self, value: &impl Serialize) -> Result<Self, HostError> {
        let bytes = serde_json::to_vec(value).map_err(|error| HostError::bad_request(error.to_string()))?;
        Ok(self.header("content-type", "application/json").body(bytes))
    }
}

/// What the API answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names and values in the order received.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// True for a status from 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as a JSON value of that type.
    ///
    /// # Errors
    /// serde's, when the body is not JSON or does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// The head of a response whose body is read in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// Names and values in the order received.
    pub headers: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_body_brings_its_content_type() {
        let request = Request::new("POST", "/orders").json(&[1]).expect("serialises");
        assert_eq!(request.headers, [("content-type".to_owned(), "application/json".to_owned())]);
        assert_eq!(request.body.as_deref(), Some(b"[1]".as_slice()));
    }

    #[test]
    fn header_names_have_no_case() {
        let response = Response { status: 204, headers: vec![("ETag".into(), "x".into())], body: Vec::new() };
        assert_eq!((response.header("etag"), response.header("age")), (Some("x"), None));
    }
}
