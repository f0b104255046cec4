//! What the JSON Schema of a function's input may be, so that judging a payload takes bounded time.
//!
//! A schema runs before the guest and outside its limits, on the thread that serves the neighbours too. So everything
//! that lets a short schema take long is refused when it is deployed: references that leave it or close a circle, and
//! combinations that look at the same byte of a payload very often.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Schemas in schemas, references included.
const DEPTH_MAX: usize = 48;
/// How often one byte of a payload may be looked at.
const COST_MAX: u64 = 1_000;
/// Regular expressions of one schema.
const PATTERNS_MAX: usize = 64;
/// Characters of one regular expression.
const PATTERN_CHARS_MAX: usize = 1_000;

const DRAFTS: [&str; 3] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
];

/// Keywords that would make a reference mean something else than its path says.
const REFUSED: [&str; 7] =
    ["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary", "$anchor", "id"];
/// Keywords whose schemas judge the same value.
const SAME_VALUE: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref"];
/// Keywords whose schemas judge all elements, keys or members.
const EVERY_CHILD: [&str; 8] = [
    "items",
    "additionalItems",
    "contains",
    "propertyNames",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentSchema",
];
/// Keywords that hold schemas by name, more than one of which can judge the same value.
const OVERLAPPING_MAPS: [&str; 3] = ["patternProperties", "dependentSchemas", "dependencies"];

/// Why an input schema is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaRefusal {
    /// It refers to something outside itself.
    #[error("`$ref` must be a path inside the schema such as `#/$defs/name`, not `{0}`: nothing is ever fetched")]
    Reference(String),
    /// A keyword that is not supported.
    #[error("the keyword `{0}` is not supported here; use `$defs` and `$ref` with a path")]
    Keyword(String),
    /// Another dialect.
    #[error("`$schema` is `{0}`; drafts 7, 2019-09 and 2020-12 are supported")]
    Draft(String),
    /// It refers to itself, over whatever detour.
    #[error("the schema refers to itself at `{0}`; write out as many levels as the input has")]
    Circle(String),
    /// It nests too deeply.
    #[error("the schema nests more than {DEPTH_MAX} levels, references included; make it flatter")]
    Depth,
    /// It looks at the same part of a payload too often.
    #[error(
        "the schema costs {0}, at most {COST_MAX} is allowed: every alternative, pattern and reference that judges the \
         same value counts; use fewer of them"
    )]
    Cost(u64),
    /// It has too many regular expressions, or too long ones.
    #[error("at most {PATTERNS_MAX} regular expressions of {PATTERN_CHARS_MAX} characters are allowed in a schema")]
    Patterns,
}

/// Judges a schema and says how often, at most, it looks at one byte of a payload.
///
/// # Errors
/// With the first thing that makes the time of judging a payload hard to bound.
pub fn schema_cost(root: &Value) -> Result<u64, SchemaRefusal> {
    if let Some(draft) = root.get("$schema").and_then(Value::as_str)
        && !DRAFTS.contains(&draft.trim_end_matches('#'))
    {
        return Err(SchemaRefusal::Draft(shown(draft)));
    }
    let Weight { cost, .. } = Walk { root, known: HashMap::new(), patterns: 0 }.schema(root, 0)?;
    if cost > COST_MAX { Err(SchemaRefusal::Cost(cost)) } else { Ok(cost) }
}

/// Of a schema with everything below it and everything it refers to.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    cost: u64,
    height: usize,
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self { cost: self.cost.saturating_add(other.cost), height: self.height.max(other.height) }
    }

    fn or(self, other: Self) -> Self {
        Self { cost: self.cost.max(other.cost), height: self.height.max(other.height) }
    }

    fn times(self, factor: u64) -> Self {
        Self { cost: self.cost.saturating_mul(factor), ..self }
    }
}

struct Walk<'a> {
    root: &'a Value,
    /// The weight of what a reference means; nothing while it is being worked out.
    known: HashMap<&'a str, Option<Weight>>,
    patterns: usize,
}

type Weighed = Result<Weight, SchemaRefusal>;

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Weighed {
        if depth > DEPTH_MAX {
            return Err(SchemaRefusal::Depth);
        }
        let Value::Object(keywords) = schema else { return Ok(Weight { cost: 1, height: 1 }) };
        let base: &[&str] = if depth > 0 { &["$id", "$schema"] } else { &[] };
        if let Some(refused) = REFUSED.iter().chain(base).find(|keyword| keywords.contains_key(**keyword)) {
            return Err(SchemaRefusal::Keyword((*refused).to_owned()));
        }
        let mut all = Weight { cost: own_cost(keywords), height: 0 };
        if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str) {
            all = all.plus(self.pattern(pattern)?);
        }
        for keyword in SAME_VALUE {
            all = all.plus(self.keyword(keyword, keywords, depth)?);
        }
        all = all.plus(self.children(keywords, depth)?);
        // These ask all the others once more what they have judged.
        if ["unevaluatedProperties", "unevaluatedItems"].iter().any(|keyword| keywords.contains_key(*keyword)) {
            all = all.times(2);
        }
        Ok(Weight { height: all.height + 1, ..all })
    }

    fn keyword(&mut self, keyword: &str, keywords: &'a Map<String, Value>, depth: usize) -> Weighed {
        match (keyword, keywords.get(keyword)) {
            (_, None) => Ok(Weight::default()),
            ("$ref", Some(reference)) => self.reference(reference, depth),
            // A value that fails every alternative is judged again to say why.
            ("anyOf" | "oneOf", Some(Value::Array(schemas))) => Ok(self.sum(schemas.iter(), depth)?.times(2)),
            (_, Some(Value::Array(schemas))) => self.sum(schemas.iter(), depth),
            (_, Some(schema)) => self.schema(schema, depth + 1),
        }
    }

    /// Schemas of what lies inside the value. Only one of `properties` judges a member; of the others all can.
    fn children(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Weighed {
        let mut all = Weight::default();
        if let Some(Value::Object(properties)) = keywords.get("properties") {
            all = self.largest(properties.values(), depth)?;
        }
        if let Some(Value::Array(elements)) = keywords.get("prefixItems") {
            all = all.or(self.largest(elements.iter(), depth)?);
        }
        for keyword in EVERY_CHILD {
            all = all.plus(self.keyword(keyword, keywords, depth)?);
        }
        for keyword in OVERLAPPING_MAPS {
            let Some(Value::Object(schemas)) = keywords.get(keyword) else { continue };
            all = all.plus(self.sum(schemas.values(), depth)?);
            for pattern in schemas.keys().filter(|_| keyword == "patternProperties") {
                all = all.plus(self.pattern(pattern)?);
            }
        }
        // Not part of any judgement until something refers to them, but they must be sound.
        for keyword in ["$defs", "definitions"] {
            if let Some(Value::Object(definitions)) = keywords.get(keyword) {
                self.largest(definitions.values(), depth)?;
            }
        }
        Ok(all)
    }

    fn sum(&mut self, schemas: impl Iterator<Item = &'a Value>, depth: usize) -> Weighed {
        let mut sum = Weight::default();
        for schema in schemas {
            sum = sum.plus(self.schema(schema, depth + 1)?);
        }
        Ok(sum)
    }

    fn largest(&mut self, schemas: impl Iterator<Item = &'a Value>, depth: usize) -> Weighed {
        let mut largest = Weight::default();
        for schema in schemas {
            largest = largest.or(self.schema(schema, depth + 1)?);
        }
        Ok(largest)
    }

    fn reference(&mut self, reference: &'a Value, depth: usize) -> Weighed {
        let path = reference.as_str().unwrap_or_default();
        let pointer = path.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let Some(target) = pointer.filter(|pointer| !pointer.contains('%')).and_then(|path| self.root.pointer(path))
        else {
            return Err(SchemaRefusal::Reference(shown(path)));
        };
        let weight = match self.known.get(path) {
            Some(Some(weight)) => *weight,
            Some(None) => return Err(SchemaRefusal::Circle(shown(path))),
            None => {
                self.known.insert(path, None);
                let weight = self.schema(target, depth + 1)?;
                self.known.insert(path, Some(weight));
                weight
            }
        };
        // It may have been weighed nearer to the top.
        if depth + weight.height > DEPTH_MAX { Err(SchemaRefusal::Depth) } else { Ok(weight) }
    }

    /// The engine is linear in the text, with a factor that grows with the size of the expression.
    fn pattern(&mut self, pattern: &str) -> Weighed {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX || pattern.len() > PATTERN_CHARS_MAX {
            return Err(SchemaRefusal::Patterns);
        }
        let counts = pattern.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u64>().ok());
        let states = counts.fold(pattern.len() as u64, u64::saturating_add);
        Ok(Weight { cost: 8 + states / 8, height: 0 })
    }
}

fn own_cost(keywords: &Map<String, Value>) -> u64 {
    let choices = keywords.get("enum").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    let sorted = if keywords.get("uniqueItems") == Some(&Value::Bool(true)) { 16 } else { 0 };
    // These are asked for in every object.
    let count = |keyword: &str| keywords.get(keyword).map_or(0, |value| value.as_object().map_or(0, Map::len)) as u64;
    let demands = keywords.get("dependentRequired").and_then(Value::as_object);
    let demanded = demands.map_or(0, |demands| demands.values().filter_map(Value::as_array).map(Vec::len).sum()) as u64;
    let required = keywords.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    let members = count("dependentRequired") + count("properties") / 16 + demanded + required / 4;
    1 + choices / 16 + sorted + members
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(levels: usize, width: usize, keyword: &str) -> Value {
        let mut defs = Map::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            defs.insert(format!("d{level}"), json!({ keyword: vec![next; width] }));
        }
        defs.insert(format!("d{levels}"), json!({ "type": "string" }));
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    }

    #[test]
    fn a_usual_schema_is_cheap() {
        let address = json!({ "type": "object", "properties": { "city": { "type": "string", "pattern": "^[A-Z]" } } });
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": { "type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}$" },
                "$id": { "type": "string" },
                "to": { "$ref": "#/$defs/address" },
                "from": { "$ref": "#/$defs/address" },
                "lines": { "type": "array", "items": { "enum": ["a", "b"] }, "uniqueItems": true }
            },
            "$defs": { "address": address }
        });
        let cost = schema_cost(&schema).expect("accepted");
        assert!((3..50).contains(&cost), "{cost}");
        assert_eq!(schema_cost(&json!(true)), Ok(1));
    }

    #[test]
    fn references_that_double_are_counted_and_circles_refused() {
        assert!(matches!(schema_cost(&chain(20, 2, "allOf")), Err(SchemaRefusal::Cost(cost)) if cost > 1 << 20));
        assert!(schema_cost(&chain(5, 2, "allOf")).is_ok());
        for circle in [
            json!({ "$ref": "#" }),
            json!({ "items": { "$ref": "#" } }),
            json!({ "$defs": { "a": { "not": { "$ref": "#/$defs/b" } }, "b": { "items": { "$ref": "#/$defs/a" } } } }),
        ] {
            assert!(matches!(schema_cost(&circle), Err(SchemaRefusal::Circle(_) | SchemaRefusal::Depth)), "{circle}");
        }
        assert_eq!(schema_cost(&chain(100, 1, "allOf")), Err(SchemaRefusal::Depth));
        // The same, weighed from its end: each link alone is short.
        let mut defs = Map::new();
        defs.insert("a000".to_owned(), json!({ "type": "string" }));
        for level in 1..100 {
            defs.insert(format!("a{level:03}"), json!({ "not": { "$ref": format!("#/$defs/a{:03}", level - 1) } }));
        }
        assert_eq!(schema_cost(&json!({ "$ref": "#/$defs/a099", "$defs": defs })), Err(SchemaRefusal::Depth));
        assert_eq!(
            schema_cost(&json!({ "$defs": defs, "items": { "$ref": "#/$defs/a099" } })),
            Err(SchemaRefusal::Depth)
        );
    }

    #[test]
    fn nothing_outside_the_schema_is_referred_to() {
        for reference in
            ["http://127.0.0.1/x.json", "file:///etc/passwd", "other.json#/a", "#anchor", "#/no", "#/%24defs"]
        {
            let refused = schema_cost(&json!({ "$ref": reference, "$defs": {} }));
            assert!(matches!(refused, Err(SchemaRefusal::Reference(_))), "{reference}: {refused:?}");
        }
        for keyword in ["$dynamicRef", "$recursiveRef", "$anchor"] {
            assert!(matches!(schema_cost(&json!({ keyword: "#" })), Err(SchemaRefusal::Keyword(_))), "{keyword}");
        }
        let inner = json!({ "properties": { "a": { "$id": "http://127.0.0.1/", "$ref": "#/x" } }, "x": true });
        assert!(matches!(schema_cost(&inner), Err(SchemaRefusal::Keyword(_))));
        assert!(matches!(schema_cost(&json!({ "$schema": "http://127.0.0.1/meta" })), Err(SchemaRefusal::Draft(_))));
    }

    #[test]
    fn patterns_and_choices_count() {
        let many: Map<_, _> = (0..65).map(|n| (format!("p{n}"), json!({ "pattern": "a" }))).collect();
        assert_eq!(schema_cost(&json!({ "properties": many })), Err(SchemaRefusal::Patterns));
        assert_eq!(schema_cost(&json!({ "pattern": "a".repeat(1_001) })), Err(SchemaRefusal::Patterns));
        let same: Vec<_> = (0..60).map(|n| json!({ "pattern": format!("a{{{n}00}}") })).collect();
        assert!(matches!(schema_cost(&json!({ "allOf": same })), Err(SchemaRefusal::Cost(_))));
        let choices: Vec<_> = (0..20_000).collect();
        assert!(matches!(schema_cost(&json!({ "enum": choices })), Err(SchemaRefusal::Cost(_))));
    }
}
