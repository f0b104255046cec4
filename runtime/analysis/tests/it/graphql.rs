//! Documents: what they are, what they cost, and which are refused with which words.

use std::{sync::Arc, time::Instant};

use airlock_analysis::{Document, DocumentLimits, DocumentRefusal, DocumentRules, GraphqlSchema, Variables, sdl_of};
use airlock_model::OperationClass;

use crate::fixture::Chance;

const SDL: &str = "
type Query { customer(id: ID!): Customer customers(first: Int): [Customer!]! version: String! }
type Mutation { rename(id: ID!, name: String!): Customer }
type Subscription { renamed: Customer }
type Customer { id: ID! name: String! orders(first: Int, limit: Int): [Order!]! best: Customer }
type Order { id: ID! total: Int! items: [Item!]! }
type Item { sku: String! }
";

fn limits() -> DocumentLimits {
    DocumentLimits {
        depth_max: 8,
        cost_max: 1_000,
        aliases_max: 5,
        fragments_max: 5,
        directives_max: 5,
        list_items: 10,
        allows_introspection: false,
    }
}

fn rules(schema: Option<&str>) -> DocumentRules {
    let schema = schema.map(|sdl| Arc::new(GraphqlSchema::parse(sdl).expect("a schema")));
    DocumentRules { limits: limits(), schema }
}

fn cost(text: &str, variables: &str, schema: Option<&str>) -> Result<u64, DocumentRefusal> {
    Document::parse(text, &rules(schema))?.cost(&Variables::parse(variables)?)
}

fn refused(text: &str, schema: Option<&str>) -> String {
    Document::parse(text, &rules(schema)).expect_err(text).to_string()
}

#[test]
fn the_class_is_the_operation_s() {
    for (text, class, fields) in [
        ("{ version }", OperationClass::Query, vec!["version"]),
        (
            "query Q($id: ID!) { customer(id: $id) { name } version }",
            OperationClass::Query,
            vec!["customer", "version"],
        ),
        ("mutation { rename(id: 1, name: \"x\") { id } }", OperationClass::Mutation, vec!["rename"]),
        ("query { ...F } fragment F on Query { version }", OperationClass::Query, vec!["version"]),
    ] {
        for schema in [None, Some(SDL)] {
            let document = Document::parse(text, &rules(schema)).expect(text);
            assert_eq!(
                (document.report().class, &document.report().root_fields),
                (class, &fields.iter().map(ToString::to_string).collect()),
                "{text}"
            );
        }
    }
}

#[test]
fn what_is_not_one_query_or_mutation_is_refused_with_place_and_fix() {
    for (text, part) in [
        ("", "is empty"),
        ("  \n ", "is empty"),
        ("query {", "at line 1, column"),
        ("{ a } trailing", "not understood"),
        ("{ a } { b }", "2 operations"),
        ("query A { a } mutation B { b }", "2 operations"),
        ("fragment F on Query { version }", "0 operations"),
        ("subscription { renamed { id } }", "at line 1, column 1: send a query"),
        ("type X { a: Int } query { version }", "defines a type"),
        ("{ version }\nextend type Query { x: Int }", "at line 2, column 1"),
        ("{ __schema { types { name } } }", "leave out `__schema`"),
        ("{ a: __type(name: \"X\") { name } }", "leave out `__type`"),
        ("{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }", "contains itself"),
        ("{ ...F }", "no fragment `F`"),
        ("{ customers @stream { id } }", "`@stream` is not available"),
        ("{ ... @defer { version } }", "`@defer` is not available"),
        ("query ($a: Int, $a: Int) { customers(first: $a) { id } }", "not valid"),
    ] {
        let text = refused(text, None);
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(cost("{ __typename }", "", Some(SDL)), Ok(1), "a name of a type is no introspection");
}

#[test]
fn introspection_is_for_those_who_may() {
    let rules = DocumentRules { limits: DocumentLimits { allows_introspection: true, ..limits() }, schema: None };
    assert!(Document::parse("{ __schema { queryType { name } } }", &rules).is_ok());
}

#[test]
fn a_schema_finds_what_the_api_would() {
    for (text, part) in [
        ("{ nothing }", "at line 1, column 3"),
        ("{ customer { name } }", "id"),
        ("{ customer(id: 1) }", "must have a sub"),
        ("{ customers(first: $n) { id } }", "n"),
        ("query ($id: Int) { customer(id: $id) { name } }", "$id"),
        ("{ customers(first: \"x\") { id } }", "Int"),
        ("{ customer(id: 1) { ... on Item { sku } } }", "Item"),
        ("query ($unused: Int) { version }", "unused"),
    ] {
        assert!(Document::parse(text, &rules(None)).is_ok() || text.contains("unused"), "{text}");
        let refusal = refused(text, Some(SDL));
        assert!(refusal.contains("not valid") && refusal.contains(part), "{text}: {refusal}");
    }
}

#[test]
fn the_cost_is_the_largest_answer() {
    for (text, variables, with_schema, without) in [
        ("{ version }", "", 1, 1),
        ("{ customer(id: 1) { id name } }", "", 3, 3),
        ("{ customers(first: 3) { id } }", "", 6, 6),
        ("{ customers { id } }", "", 20, 2),
        ("query ($n: Int) { customers(first: $n) { id } }", "{\"n\": 7}", 14, 14),
        ("query ($n: Int = 4) { customers(first: $n) { id } }", "{}", 8, 8),
        ("query ($n: Int) { customers(first: $n) { id } }", "{\"n\": null}", 20, 2),
        ("{ customers(first: 2) { orders(first: 3) { id total } } }", "", 2 * (1 + 3 * 3), 2 * (1 + 3 * 3)),
        ("{ customers(first: 2) { orders(first: 3, limit: 5) { id } } }", "", 2 * (1 + 5 * 2), 2 * (1 + 5 * 2)),
        ("{ customers(first: 0) { id } }", "", 2, 2),
        ("{ customers(first: 2) { ...C ...C } } fragment C on Customer { id }", "", 6, 6),
    ] {
        assert_eq!(cost(text, variables, Some(SDL)), Ok(with_schema), "{text}");
        assert_eq!(cost(text, variables, None), Ok(without), "{text}");
    }
}

#[test]
fn limits_name_themselves() {
    let deep = |levels: usize| format!("{{ {} }}", "best { ".repeat(levels - 1) + "id" + &" }".repeat(levels - 1));
    assert!(Document::parse(&deep(8), &rules(None)).is_ok());
    let many = |what: &str, times: usize| {
        format!("{{ {} }}", (0..times).map(|n| what.replace('#', &n.to_string())).collect::<String>())
    };
    for (text, part) in [
        (deep(9), "depth is 9, `depth_max` is 8"),
        (many("a#: version ", 6), "aliases is 6, `aliases_max` is 5"),
        (many("v# @skip(if: true) ", 6), "directives is 6, `directives_max` is 5"),
        ((0..6).map(|n| format!("fragment F{n} on Query {{ a }} ")).collect::<String>() + "{ a }", "fragments is 6"),
        ("{ customers(first: 1001) { id } }".to_owned(), "cost is 2002, `cost_max` is 1000"),
        (
            "{ ...F } fragment F on Query { best { best { best { best { ...G } } } } } \
          fragment G on C { best { best { best { best { best { id } } } } } }"
                .to_owned(),
            "`depth_max` is 8",
        ),
    ] {
        let refusal = refused(&text, None);
        assert!(refusal.contains(part), "{refusal}");
    }
    let over = cost("query ($n: Int) { customers(first: $n) { id } }", "{\"n\": 9007199254740993}", None);
    assert!(matches!(over, Err(DocumentRefusal::Over { limit: "cost_max", .. })), "{over:?}");
}

#[test]
fn variables_are_an_object_and_keep_their_digits() {
    let written = r#"{"a":12345678901234567890123,"b":[1.10,{"x":null}]}"#;
    assert_eq!(Variables::parse(written).expect("an object").to_json(), written);
    for text in ["[]", "1", "null", "{", "{\"a\":1,\"a\":2}", "{\"a\":1} x", "\"{}\""] {
        assert!(matches!(Variables::parse(text), Err(DocumentRefusal::Variables(_))), "{text}");
    }
    assert_eq!(Variables::parse(" ").expect("nothing").to_json(), "{}");
}

/// Public attack shapes: each is refused or cheap, and quickly either way.
#[test]
fn bombs_are_refused_without_work() {
    let chain = |fragments: usize| {
        (0..fragments).map(|n| format!("fragment F{n} on Query {{ ...F{} ...F{} }} ", n + 1, n + 1)).collect::<String>()
    };
    let bombs = [
        "{ a ".repeat(30_000),
        "{".repeat(60_000),
        format!("{{ a(x: {}1{}) }}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("query ($v: {}Int{}) {{ a }}", "[".repeat(20_000), "]".repeat(20_000)),
        format!("{{ ...F0 }} {} fragment F40 on Query {{ version }}", chain(40)),
        format!("{{ ...F0 }} {} fragment F5 on Query {{ version }}", chain(5)),
        "{ a }".repeat(10_000),
        "{ version ".to_owned() + &"version ".repeat(7_000) + "}",
        "query ".to_owned() + &"@a".repeat(20_000) + " { a }",
        "{ a(s: \"\"\"".to_owned() + &"\\\"\"\"".repeat(10_000) + "\"\"\") }",
        "#".repeat(60_000),
        "\u{feff}{ version }".to_owned(),
        "{ ...on Query { ".repeat(90) + "version" + &" } }".repeat(90),
    ];
    for bomb in &bombs {
        let began = Instant::now();
        for schema in [None, Some(SDL)] {
            let _ = Document::parse(bomb, &rules(schema));
        }
        assert!(began.elapsed().as_secs() < 30, "{}", &bomb[..40.min(bomb.len())]);
    }
}

#[test]
fn random_changes_of_documents_end_in_an_answer() {
    let seeds = [
        "query Q($id: ID!, $n: Int = 3) { customer(id: $id) { ...C orders(first: $n) @include(if: true) { id items { sku } } } } fragment C on Customer { id name best { name } }",
        "mutation M { a: rename(id: \"1\", name: \"\"\"x\\\"\"\" y\"\"\") { ... on Customer { id } } }",
    ];
    let parts = [
        "{",
        "}",
        "(",
        ")",
        "...",
        "\"",
        "\"\"\"",
        "$",
        "@skip",
        "fragment",
        "on",
        "query",
        ":",
        "!",
        "[",
        "]",
        "&",
        "|",
        "\u{0}",
        "\u{1f600}",
        "1e9",
        "-",
        "#",
        ",",
        "C",
        "Customer",
        "first",
    ];
    let rules = [rules(None), rules(Some(SDL))];
    let mut chance = Chance(0x5eed_0042);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for round in 0..6_000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=chance.below(4) {
            let at = chance.below(text.len());
            match chance.below(3) {
                0 => drop(text.remove(at)),
                1 => drop(text.splice(at..at, parts[chance.below(parts.len())].chars())),
                _ => text.swap(at, chance.below(at + 1)),
            }
        }
        let text: String = text.into_iter().collect();
        for rules in &rules {
            match Document::parse(&text, rules) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    println!("mutated documents: {accepted} accepted, {refused} refused");
    assert!(accepted > 100 && refused > 1_000, "the mutations reach both sides: {accepted} {refused}");
}

#[test]
fn what_an_api_says_of_itself_becomes_a_schema() {
    let named = |kind: &str, name: &str| serde_json::json!({ "kind": kind, "name": name, "ofType": null });
    let list = serde_json::json!({ "kind": "NON_NULL", "name": null, "ofType": { "kind": "LIST", "name": null, "ofType": named("OBJECT", "Customer") } });
    let value = |name: &str, ty: &serde_json::Value, default: Option<&str>| serde_json::json!({ "name": name, "description": null, "type": ty, "defaultValue": default });
    let data = serde_json::json!({ "__schema": {
        "queryType": { "name": "Query" }, "mutationType": null, "subscriptionType": null,
        "types": [
            { "kind": "OBJECT", "name": "Query", "description": "What can be \"asked\"\n\"\"\" }", "interfaces": [], "fields": [
                { "name": "customers", "description": null, "args": [value("first", &named("SCALAR", "Int"), Some("10"))], "type": list, "isDeprecated": true, "deprecationReason": "use \"other\"" }] },
            { "kind": "OBJECT", "name": "Customer", "description": null, "interfaces": [{ "name": "Node" }], "fields": [
                { "name": "id", "description": null, "args": [], "type": named("SCALAR", "ID"), "isDeprecated": false, "deprecationReason": null },
                { "name": "tier", "description": null, "args": [], "type": named("ENUM", "Tier"), "isDeprecated": false, "deprecationReason": null }] },
            { "kind": "INTERFACE", "name": "Node", "description": null, "interfaces": [], "fields": [
                { "name": "id", "description": null, "args": [], "type": named("SCALAR", "ID"), "isDeprecated": false, "deprecationReason": null }] },
            { "kind": "ENUM", "name": "Tier", "description": null, "enumValues": [{ "name": "GOLD", "description": "best", "isDeprecated": false, "deprecationReason": null }] },
            { "kind": "UNION", "name": "Any", "description": null, "possibleTypes": [{ "name": "Customer" }] },
            { "kind": "INPUT_OBJECT", "name": "Filter", "description": null, "inputFields": [value("tier", &named("ENUM", "Tier"), Some("GOLD"))] },
            { "kind": "SCALAR", "name": "Date", "description": null },
            { "kind": "SCALAR", "name": "Int", "description": null },
            { "kind": "OBJECT", "name": "__Type", "description": null, "fields": [] }],
        "directives": [{ "name": "own", "locations": ["FIELD"], "args": [] }, { "name": "skip", "locations": ["FIELD"], "args": [] }] } });
    let sdl = sdl_of(&data.to_string()).expect("a schema");
    assert!(
        sdl.contains("customers(first: Int = 10): [Customer]! @deprecated(reason: \"use \\\"other\\\"\")"),
        "{sdl}"
    );
    assert!(sdl.contains("type Customer implements Node {") && !sdl.contains("__Type"), "{sdl}");
    assert_eq!(cost("{ customers(first: 2) { id tier } }", "", Some(&sdl)), Ok(6));
    for damaged in ["{}", "[]", "", "{\"__schema\":{\"queryType\":{\"name\":\"Query }\"},\"types\":[]}}"] {
        assert!(sdl_of(damaged).is_err(), "{damaged}");
    }
    let own = airlock_analysis::graphql::QUERY;
    let may = DocumentRules {
        limits: DocumentLimits { allows_introspection: true, depth_max: 20, ..limits() },
        schema: None,
    };
    Document::parse(own, &may).expect("our own query is valid");
}
