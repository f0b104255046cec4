//! The JSON Schema of a function's input, ready to judge payloads in bounded time.

use airlock_analysis::schema_cost;
use airlock_model::{Failure, Reason};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Bytes of one compiled regular expression, and of its cache.
const PATTERN_BYTES_MAX: usize = 64 << 10;
const PATTERN_CACHE_BYTES_MAX: usize = 256 << 10;
/// What judging one payload may cost: its bytes, times how often the schema looks at each. Some ten
/// milliseconds: it is the caller's payload, but the thread is everybody's.
const WORK_MAX: u64 = 4 << 20;
/// Characters of a refusal: it quotes the payload.
const COMPLAINT_CHARS_MAX: usize = 300;

/// One schema.
pub(crate) struct InputSchema {
    validator: Validator,
    payload_bytes_max: u64,
}

impl InputSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// With the reason when it is not a schema, or could take long.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        let cost = schema_cost(schema).map_err(|why| why.to_string())?;
        // Never the default engine: it backtracks.
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let validator = jsonschema::options().with_pattern_options(patterns).build(schema);
        let validator = validator.map_err(|why| cut(&why.to_string()))?;
        Ok(Self { validator, payload_bytes_max: WORK_MAX / cost.max(1) })
    }

    /// Judges a payload.
    ///
    /// # Errors
    /// `request_malformed` when it is not JSON or does not fit, `payload_too_large` when judging it would take too long.
    pub(crate) fn check(&self, payload: &str) -> Result<(), Failure> {
        let (size, most) = (payload.len() as u64, self.payload_bytes_max);
        if size > most {
            let message =
                format!("`payload` is {size} bytes; with its input schema this function takes {most} at most");
            let hint = "send less, or make [input] in the function's function.toml simpler: each alternative and \
                        pattern that judges the same value counts";
            return Err(Failure::new(Reason::PayloadTooLarge, message, hint));
        }
        let value = serde_json::from_str(payload).map_err(|why| not_json(&why))?;
        self.validator.validate(&value).map_err(|why| {
            let (place, why) = (cut(&why.instance_path().to_string()), cut(&why.to_string()));
            let message = format!("`payload` does not fit the function's input schema at `{place}`: {why}");
            Failure::new(Reason::RequestMalformed, message, "see [input] in the function's function.toml")
        })
    }
}

/// A payload that nobody can read.
pub(crate) fn not_json(why: &serde_json::Error) -> Failure {
    let hint = "send one JSON value as UTF-8 text";
    Failure::new(Reason::RequestMalformed, format!("`payload` is not JSON: {why}"), hint)
}

fn cut(text: &str) -> String {
    text.chars().take(COMPLAINT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        InputSchema::new(schema).err().unwrap_or_else(|| panic!("accepted: {schema}"))
    }

    #[test]
    fn a_payload_that_does_not_fit_is_told_where() {
        let schema = InputSchema::new(&json!({ "properties": { "a": { "type": "string" } } })).expect("accepted");
        assert!(schema.check(r#"{"a":"x"}"#).is_ok());
        let payload = json!({ "a": vec![7; 10_000] });
        let failure = schema.check(&payload.to_string()).expect_err("refused");
        assert!(failure.message.contains("/a") && failure.message.len() < 1_000, "{}", failure.message);
    }

    #[test]
    fn nothing_is_fetched() {
        assert!(refused(&json!({ "$ref": "http://127.0.0.1:9/x" })).contains("nothing is ever fetched"));
        assert!(refused(&json!({ "$schema": "http://127.0.0.1:9/x" })).contains("drafts"));
    }

    #[test]
    fn expressions_that_need_backtracking_or_much_memory_are_refused() {
        for pattern in [r"(a)\1", "(?=a)b", "((a{100}){100}){100}", "(?<!x)y"] {
            assert!(!refused(&json!({ "pattern": pattern })).is_empty(), "{pattern}");
        }
    }

    /// The worst payloads we know for the dearest schemas that are accepted.
    #[test]
    fn the_dearest_schemas_judge_in_bounded_time() {
        let same = |count: usize, schema: Value| json!({ "items": { "allOf": vec![schema; count] } });
        let schemas = [
            json!({ "pattern": "^(a+)+$" }),
            json!({ "pattern": "^(a|a)*[ab]{200}c$" }),
            json!({ "allOf": vec![json!({ "pattern": "(a|b)*a(a|b){150}c" }); 20] }),
            same(900, json!({ "type": "integer" })),
            same(50, json!({ "uniqueItems": true })),
            json!({ "uniqueItems": true }),
            json!({ "items": { "enum": (0..10_000).map(|n| format!("{n:090}")).collect::<Vec<_>>() } }),
            json!({ "items": { "anyOf": vec![json!({ "items": { "anyOf": vec![json!({ "type": "null" }); 12] } }); 12] } }),
        ];
        for schema in schemas {
            let shown: String = schema.to_string().chars().take(80).collect();
            let judge = InputSchema::new(&schema).unwrap_or_else(|why| panic!("{shown}: {why}"));
            let room = usize::try_from(judge.payload_bytes_max.min(1 << 20)).expect("small");
            for value in payloads(room) {
                let text = value.to_string();
                let began = Instant::now();
                let ended = judge.check(&text).map_err(|failure| failure.reason);
                let took = began.elapsed();
                println!("{took:>12?} {:>8} bytes {ended:?} {shown}", text.len());
                assert!(took < Duration::from_secs(10), "{shown}: {took:?}");
            }
        }
    }

    /// Payloads of nearly `room` bytes.
    fn payloads(room: usize) -> Vec<Value> {
        let room = room.saturating_sub(16);
        vec![
            json!("a".repeat(room)),
            json!("ab".repeat(room / 2)),
            json!(vec![1; room / 2]),
            json!((0..room / 7).map(|n| n % 1_000_000).collect::<Vec<_>>()),
            json!(vec![vec![0; 10]; room / 22]),
            json!((0..room / 93).map(|n| format!("{n:090}")).collect::<Vec<_>>()),
        ]
    }
}
