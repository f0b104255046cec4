//! The second permit: the token covers what is asked, judged by name only.
//!
//! Nothing here looks up whether a function exists, so a refusal is the same, in text and in time, for both.

use std::sync::Arc;

use airlock_model::{ControlScope, EnvironmentName, Failure, FunctionName, Principal, Reason};

use crate::{Functions, VerifiedToken};

/// A call that the token covers. Only [`authorize_invoke`] and [`authorize_control`] make one; used once, by value.
#[derive(Debug)]
#[must_use]
pub struct Authorized<C> {
    token: VerifiedToken,
    call: C,
}

/// Run a function.
#[derive(Debug)]
pub struct Invoke {
    function: FunctionName,
    environment: EnvironmentName,
}

/// Use the control plane.
#[derive(Debug)]
pub struct Control {
    scope: ControlScope,
    environment: EnvironmentName,
}

/// Allows the invocation when the token is for the environment and its `functions` name the function.
///
/// # Errors
/// [`Reason::NotGranted`], with the same text whether or not the function or the environment exists.
pub fn authorize_invoke(
    token: &VerifiedToken,
    function: FunctionName,
    environment: EnvironmentName,
) -> Result<Authorized<Invoke>, Failure> {
    if *token.environment() == environment && token.covers(&function) {
        return Ok(Authorized { token: token.clone(), call: Invoke { function, environment } });
    }
    let message = format!("the token does not cover function `{function}` in environment `{environment}`");
    let hint = format!(
        "ask the issuer for a token with `{function}` in its `functions` claim and `{environment}` as its `environment`"
    );
    Err(Failure::new(Reason::NotGranted, message, hint))
}

/// Allows the use of the control plane when the token is for the environment and carries the scope.
///
/// # Errors
/// [`Reason::NotGranted`].
pub fn authorize_control(
    token: &VerifiedToken,
    scope: ControlScope,
    environment: EnvironmentName,
) -> Result<Authorized<Control>, Failure> {
    if *token.environment() == environment && token.control_scopes().contains(&scope) {
        return Ok(Authorized { token: token.clone(), call: Control { scope, environment } });
    }
    let scope = scope.as_str();
    let message = format!("the token does not carry `{scope}` in environment `{environment}`");
    let hint = format!(
        "ask the issuer for a token with `{scope}` in its `scope` claim and `{environment}` as its `environment`"
    );
    Err(Failure::new(Reason::NotGranted, message, hint))
}

/// Whether the token could allow any invocation at all. For requests whose body, which names the function, is still to come.
///
/// # Errors
/// [`Reason::NotGranted`] when its `functions` claim names none.
pub fn expect_invoke(token: &VerifiedToken) -> Result<(), Failure> {
    if !matches!(token.functions(), Functions::Named(names) if names.is_empty()) {
        return Ok(());
    }
    let hint = "ask the issuer for a token with the function in its `functions` claim";
    Err(Failure::new(Reason::NotGranted, "the token does not cover any function", hint))
}

/// Whether the token carries the scope. For requests whose body, which names the environment, is still to come.
///
/// # Errors
/// [`Reason::NotGranted`].
pub fn expect_control(token: &VerifiedToken, scope: ControlScope) -> Result<(), Failure> {
    if token.control_scopes().contains(&scope) {
        return Ok(());
    }
    let scope = scope.as_str();
    let hint = format!("ask the issuer for a token with `{scope}` in its `scope` claim");
    Err(Failure::new(Reason::NotGranted, format!("the token does not carry `{scope}`"), hint))
}

impl Authorized<Control> {
    /// Whether the token is for that function, as its `functions` claim says: on the control plane as in calls.
    ///
    /// # Errors
    /// [`Reason::NotGranted`], with the same text whether or not the function exists.
    pub fn expect_function(&self, function: &FunctionName) -> Result<(), Failure> {
        if self.token.covers(function) {
            return Ok(());
        }
        let message = format!("the token does not cover function `{function}`");
        let hint = format!("ask the issuer for a token with `{function}` in its `functions` claim");
        Err(Failure::new(Reason::NotGranted, message, hint))
    }
}

impl<C> Authorized<C> {
    /// What is allowed.
    #[must_use]
    pub fn call(&self) -> &C {
        &self.call
    }

    /// Who acts.
    #[must_use]
    pub fn principal(&self) -> &Arc<Principal> {
        self.token.principal()
    }

    /// The token that allows it.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    pub(crate) fn into_parts(self) -> (VerifiedToken, C) {
        (self.token, self.call)
    }
}

impl Invoke {
    /// Which function.
    #[must_use]
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// Where.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }
}

impl Control {
    /// Which right.
    #[must_use]
    pub fn scope(&self) -> ControlScope {
        self.scope
    }

    /// Where.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }
}

#[cfg(test)]
mod tests;
