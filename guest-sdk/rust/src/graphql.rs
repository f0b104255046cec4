//! What the clients of GraphQL resources take and give.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::HostError;

/// Why a part of the data is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// For people.
    pub message: String,
    /// What the API has in `extensions.code`; empty for nothing.
    pub code: String,
    /// Names and positions from the root of the data, joined by `.`; empty for nothing.
    pub path: String,
}

/// The data of an answer, and what is missing of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer<T> {
    /// As the type reads it.
    pub data: T,
    /// Empty when nothing is missing.
    pub problems: Vec<Problem>,
}

impl<T> Answer<T> {
    /// The data, if nothing of it is missing.
    ///
    /// # Errors
    /// [`HostError::Backend`] with the first problem.
    pub fn whole(self) -> Result<T, HostError> {
        match self.problems.into_iter().next() {
            None => Ok(self.data),
            Some(Problem { message, code, .. }) => {
                let code = if code.is_empty() { "GRAPHQL_ERROR".to_owned() } else { code };
                Err(HostError::Backend { code, message })
            }
        }
    }
}

/// Variables as the contract carries them: a JSON object, or nothing for `()`.
///
/// # Errors
/// [`HostError::BadRequest`] when they have no JSON form.
#[doc(hidden)]
pub fn variables(values: &impl Serialize) -> Result<String, HostError> {
    let text = serde_json::to_string(values).map_err(|error| HostError::bad_request(error.to_string()))?;
    Ok(if text == "null" { String::new() } else { text })
}

/// Data as its reader wants it.
///
/// # Errors
/// [`HostError::BadRequest`] when it does not fit the type.
#[doc(hidden)]
pub fn answer<T: DeserializeOwned>(data: &str, problems: Vec<Problem>) -> Result<Answer<T>, HostError> {
    let data = serde_json::from_str(data)
        .map_err(|error| HostError::bad_request(format!("the data does not fit: {error}")))?;
    Ok(Answer { data, problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_an_error_for_who_wants_all() {
        let problem = Problem { message: "no".into(), code: String::new(), path: "a".into() };
        let partial = answer::<Option<u32>>("null", vec![problem]).expect("data");
        let code = |answer: Answer<_>| match answer.whole() {
            Err(HostError::Backend { code, .. }) => code,
            other => format!("{other:?}"),
        };
        assert_eq!(code(partial), "GRAPHQL_ERROR");
        assert_eq!(answer::<u32>("7", Vec::new()).and_then(Answer::whole), Ok(7));
        assert_eq!(variables(&()).as_deref(), Ok(""));
    }
}
