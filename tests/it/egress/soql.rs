//! SOQL over an HTTP resource: values never become query, and a query only reads.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use airlock_analysis::soql;
use airlock_tests::{Harness, Options, function_error, output, tokens::TokenSpec};
use axum::{Json, Router, extract::State, http::Uri, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Asked = Arc<Mutex<Vec<String>>>;

/// A server that writes down what it is asked.
async fn server() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, asked) = (listener.local_addr().expect("an address"), Asked::default());
    let answer = async |State(asked): State<Asked>, uri: Uri| {
        let pairs = uri.query().unwrap_or_default().split('&');
        asked.lock().expect("no panic").extend(pairs.filter_map(|pair| Some(decoded(pair.split_once('=')?.1))));
        Json(json!({ "totalSize": 0, "records": [] }))
    };
    let router = Router::new().route("/services/data/v60.0/query", get(answer)).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, asked)
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        let escape =
            more.get(..2).filter(|_| *first == b'%').map(|digits| std::str::from_utf8(digits).expect("digits"));
        bytes.push(escape.map_or(*first, |digits| u8::from_str_radix(digits, 16).expect("hexadecimal")));
        rest = if escape.is_some() { &more[2..] } else { more };
    }
    String::from_utf8(bytes).expect("UTF-8")
}

async fn start() -> (Harness, Asked) {
    let (address, asked) = server().await;
    let more_config = format!(
        "[resources.salesforce]\nkind = \"http\"\n[resources.salesforce.dev]\nengine = \"http\"\nbase_url = \"http://{address}\"\n\
         allow_private = [\"127.0.0.1/32\"]\noperations = [\"GET:/services/data/*/query\"]\nsoql = [\"/services/data/*/query\"]\n"
    );
    let harness = Harness::start_with(Options { more_config }).await;
    harness.deploy_built("soql-script").await;
    (harness, asked)
}

async fn ask(harness: &Harness, input: &Value) -> Result<Value, Value> {
    let spec = TokenSpec::only("soql-script", &["salesforce:GET"]);
    let answer = harness.invoke_as(&spec, "soql-script", &input.to_string()).await.expect("answers");
    let failed = matches!(&answer.result, Some(airlock_proto::v1::invoke_response::Result::FunctionError(_)));
    if failed { Err(function_error(&answer).1) } else { Ok(output(&answer)) }
}

/// Texts that would be query if anything of them got out of its quotes.
const HOSTILE: [&str; 24] = [
    "O'Brien",
    "' OR Name != '",
    "x' OR '1'='1",
    "\\' OR Name != \\'",
    "\\",
    "\\\\' OR 1=1",
    "'",
    "''",
    "\\'",
    "x') OR (Name != '",
    "x' LIMIT 2000 FOR UPDATE --",
    "x\n' OR Name != '",
    "x\r\n",
    "\u{2028}' OR Name != '",
    "\u{ff07} OR Name != \u{ff07}",
    "\"; DELETE",
    ":name",
    "%' OR Name LIKE '%",
    "\\u0027 OR Name != \\u0027",
    "\u{7}\u{8}\u{b}\u{c}\t",
    "grüße 漢字 😀",
    "SELECT Id FROM User",
    "/* x */ -- y",
    "",
];

/// What a string of a query stands for: the escapes of the SOQL reference, read by other code than what wrote them.
fn unescaped(literal: &str) -> String {
    let (mut text, mut characters) = (String::new(), literal.chars());
    while let Some(next) = characters.next() {
        text.push(match next {
            '\\' => match characters.next().expect("something behind a backslash") {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            },
            '\'' => panic!("a quote that is not escaped: {literal}"),
            other => other,
        });
    }
    text
}

#[tokio::test]
async fn no_value_becomes_query() {
    let (harness, asked) = start().await;
    let shape = "SELECT Id , Name FROM Account WHERE Name = ? LIMIT ?";
    for value in HOSTILE {
        ask(&harness, &json!({ "value": value })).await.expect(value);
        let sent = asked.lock().expect("no panic").pop().expect("one query");
        assert_eq!(soql(&sent).expect(&sent).shape, shape, "{sent}");
        let literal = sent.strip_prefix("SELECT Id, Name FROM Account WHERE Name = '").expect(&sent);
        assert_eq!(unescaped(literal.strip_suffix("' LIMIT 1").expect(&sent)), value, "{sent}");
    }
    assert_eq!(asked.lock().expect("no panic").len(), 0, "one query for each value");
}

#[tokio::test]
async fn values_of_every_kind_have_their_form_and_others_none() {
    let (harness, asked) = start().await;
    let refused = ask(&harness, &json!({ "kinds": true })).await.expect("answers");
    assert_eq!(refused, json!(vec!["TypeError"; 6]));
    let sent = asked.lock().expect("no panic").clone();
    assert_eq!(
        sent,
        [
            "SELECT Id FROM Account WHERE A = null AND B = true AND C = -1.5 AND D = 9007199254740993",
            "SELECT Id FROM Account WHERE A > 1970-01-01T00:00:00.000Z AND B = 2026-01-31 AND C IN ('a', 'b\\'')",
        ]
    );
}

#[tokio::test]
async fn a_path_for_queries_takes_one_that_reads_and_nothing_else() {
    let (harness, asked) = start().await;
    for (input, part) in [
        (json!({ "raw": "SELECT Id FROM Account FOR UPDATE" }), "changes something"),
        (json!({ "raw": "DELETE FROM Account" }), "begins with SELECT"),
        (json!({ "raw": "SELECT Id FROM Account WHERE Name = :name" }), "has no value yet"),
        (json!({ "raw": "SELECT Id FROM Account", "more": { "Q": "SELECT Id FROM User" } }), "exactly one parameter"),
    ] {
        let refused = ask(&harness, &input).await.expect_err("refused");
        assert_eq!(refused["reason"], "statement_refused", "{refused}");
        assert!(refused["rule"].as_str().is_some_and(|rule| rule.contains(part)), "{refused}");
    }
    assert_eq!(asked.lock().expect("no panic").len(), 0, "none of it was sent");
    ask(&harness, &json!({ "raw": "SELECT Id FROM Account WHERE Name = 'secret value'" })).await.expect("answers");
    let trail = harness.trail().await;
    let record =
        trail.iter().rev().find(|record| record.event.resource.as_deref() == Some("salesforce")).expect("a record");
    let target = record.event.target.as_deref();
    assert_eq!(target, Some("/services/data/v60.0/query?q=SELECT Id FROM Account WHERE Name = ?"));
    assert_eq!(record.event.tables, ["Account"]);
}
