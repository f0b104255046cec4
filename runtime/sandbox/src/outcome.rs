//! From what Wasmtime reports to what callers are told.

use std::{any::Any, fmt};

use airlock_model::{EffectiveLimits, Failure, FunctionError, Limit, Outcome, Reason};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use wasmtime::{Error, PoolConcurrencyLimitError, Trap, component::ResourceTableError};

use crate::{
    Job,
    limiter::LimitTrap,
    run::{GuestFunctionError, Handled},
};

/// Wasmtime reports these three limits as text only; the texts are pinned by tests and by the exact version.
const HOST_COPY_TEXT: &str = "fuel allocated for hostcalls has been exhausted";
const COUNT_TEXT: &str = "resource limit exceeded:";
const HANDLES_TEXT: &str = "store handle limit exceeded";

/// The outcome of a call that Wasmtime brought to an end.
pub(crate) fn of_call(result: wasmtime::Result<Handled>, job: &Job, fuel_used: u64) -> Outcome {
    let limits = job.gate.limits();
    match result {
        Ok(Ok(output)) => of_output(output, limits),
        Ok(Err(error)) => of_function_error(error, limits),
        Err(error) if format!("{error:#}").contains(HOST_COPY_TEXT) => Outcome::Failed(of_host_copy(job)),
        Err(error) => Outcome::Failed(of_error(&error, limits, fuel_used)),
    }
}

fn of_output(output: String, limits: &EffectiveLimits) -> Outcome {
    let size = output.len() as u64;
    if size > limits.get(Limit::OutputBytes) {
        return Outcome::Failed(Failure::limit(Limit::OutputBytes, limits, size));
    }
    match check_json(&output) {
        Ok(()) => Outcome::Returned(output),
        Err(why) => Outcome::Failed(Failure::new(
            Reason::OutputMalformed,
            format!("the function returned text that is not JSON: {why}"),
            "return JSON text; the SDKs do this for you",
        )),
    }
}

/// What a function says of its own error is output too.
fn of_function_error(error: GuestFunctionError, limits: &EffectiveLimits) -> Outcome {
    let size = [&error.code, &error.message, &error.details].into_iter().map(|text| text.len() as u64).sum();
    if size > limits.get(Limit::OutputBytes) {
        return Outcome::Failed(Failure::limit(Limit::OutputBytes, limits, size));
    }
    let GuestFunctionError { code, message, details } = error;
    Outcome::FunctionError(FunctionError { code, message, details: as_json(details) })
}

/// Details that are not JSON are passed on as text, so that they cannot hide the error.
fn as_json(details: String) -> String {
    if check_json(&details).is_ok() { details } else { serde_json::Value::String(details).to_string() }
}

/// A reader that skips text does not look into its escapes, where half a surrogate pair would break callers.
fn check_json(text: &str) -> serde_json::Result<()> {
    serde_json::from_str::<serde::de::IgnoredAny>(text)?;
    let surrogates = ["\\ud", "\\uD"].iter().any(|escape| text.contains(escape));
    if surrogates { serde_json::from_str::<Readable>(text).map(drop) } else { Ok(()) }
}

/// Any JSON whose texts can be read, and nothing kept of it: a tree would take eighty times the room of its text.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

fn of_error(error: &Error, limits: &EffectiveLimits, fuel_used: u64) -> Failure {
    if let Some(stop) = error.downcast_ref::<LimitTrap>() {
        return Failure::limit(stop.limit, limits, stop.used);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        let hint = "try again shortly; operators raise `[sandbox] instances_max`";
        return Failure::new(Reason::Overloaded, "every sandbox of this server is in use", hint).with_log(error);
    }
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
        return Failure::limit(Limit::Handles, limits, limits.get(Limit::Handles).saturating_add(1));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return of_trap(*trap, limits, fuel_used);
    }
    of_text(&format!("{error:#}"), limits)
}

fn of_trap(trap: Trap, limits: &EffectiveLimits, fuel_used: u64) -> Failure {
    if trap == Trap::OutOfFuel {
        return Failure::limit(Limit::Fuel, limits, fuel_used);
    }
    guest_trap(&trap.to_string())
}

fn of_text(text: &str, limits: &EffectiveLimits) -> Failure {
    if text.contains(COUNT_TEXT) {
        let asked = limits.get(Limit::Instances).saturating_add(1);
        return Failure::limit(Limit::Instances, limits, asked);
    }
    if text.contains(HANDLES_TEXT) {
        let asked = limits.get(Limit::Handles).saturating_add(1);
        return Failure::limit(Limit::Handles, limits, asked);
    }
    guest_trap(text)
}

/// Wasmtime stopped one copy from the guest and does not say which: the output, or an argument of a host call, where a
/// guest has any to make.
fn of_host_copy(job: &Job) -> Failure {
    let asked = |limit| job.gate.limits().get(limit).saturating_add(1);
    if !job.program.sends_bytes {
        return Failure::limit(Limit::OutputBytes, job.gate.limits(), asked(Limit::OutputBytes));
    }
    let message = "one value that the function handed to the host, its output or an argument of a host call, is larger \
                   than 8 MiB and than `output_bytes`";
    Failure { message: message.into(), ..Failure::limit(Limit::HostBytes, job.gate.limits(), asked(Limit::HostBytes)) }
}

/// A guest that broke the rules of Wasm or of the component ABI.
fn guest_trap(what: &str) -> Failure {
    let cause: String = what.chars().filter(|c| !c.is_control()).take(300).collect();
    Failure::new(
        Reason::GuestTrap,
        format!("the function crashed: {cause}"),
        "this is a fault in the function or its language runtime; its log lines may say more",
    )
}

/// The deadline passed; the guest or a host call of it was still running.
pub(crate) fn of_deadline(limits: &EffectiveLimits) -> Failure {
    Failure::limit(Limit::WallTimeMs, limits, limits.get(Limit::WallTimeMs))
}

/// A panic on our side of the sandbox. Counted by its log event; must never happen.
pub(crate) fn of_host_panic(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = %text, "the host panicked inside an invocation");
    Failure::internal(format!("host panic: {text}"))
}

#[cfg(test)]
mod tests {
    use super::{as_json, check_json};

    #[test]
    fn output_is_json_that_every_caller_can_read() {
        for good in
            ["1", "\"😀\"", r#""\ud83d\ude00""#, r#""a\\ud83d""#, &format!("{}1{}", "[".repeat(5000), "]".repeat(5000))]
        {
            assert!(check_json(good).is_ok(), "{good:.40}");
        }
        for bad in ["", "undefined", r#""\ud83d""#, r#"{"a":"\uDE00"}"#, "[1", "1 2"] {
            assert!(check_json(bad).is_err(), "{bad}");
            let passed_on: String = serde_json::from_str(&as_json(bad.to_owned())).unwrap();
            assert_eq!(passed_on, bad);
        }
    }
}
