//! The JSON form over HTTP/1.1 and HTTP/2.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::Message as _;

use super::House;

/// Every RPC with a request that succeeds: path, whether it is on the data listener, body.
const EVERY: [(&str, bool, &str); 40] = [
    ("TokenService/Exchange", false, r#"{"subjectToken":"a.b.c","environment":"dev"}"#),
    ("TokenService/Attenuate", false, r#"{"scope":"orders-db:read","limits":{"result_rows":"5"}}"#),
    ("TokenService/Revoke", false, r#"{"environment":"dev","kind":"subject","value":"ada"}"#),
    ("TokenService/ListRevocations", false, r#"{"environment":"dev"}"#),
    ("TokenService/LiftRevocation", false, r#"{"environment":"dev","id":"r-1"}"#),
    ("InvocationService/Invoke", true, r#"{"function":"echo","environment":"dev"}"#),
    ("InvocationService/InvokeStream", true, r#"{"function":"log","environment":"dev"}"#),
    ("InvocationService/Cancel", true, r#"{"requestId":"known"}"#),
    (
        "InvocationService/Explain",
        true,
        r#"{"function":"echo","environment":"dev","resource":"orders-db","sql":"select 1"}"#,
    ),
    ("FunctionService/Check", false, r#"{"environment":"dev","manifestToml":"name = 1","component":"Z29vZA=="}"#),
    ("FunctionService/Deploy", false, r#"{"environment":"dev","manifestToml":"name = 1","component":"Z29vZA=="}"#),
    ("FunctionService/Get", false, r#"{"environment":"dev","function":"f"}"#),
    ("FunctionService/List", false, r#"{"environment":"dev"}"#),
    ("FunctionService/ListRevisions", false, r#"{"environment":"dev","function":"f"}"#),
    ("AuditService/Query", false, r#"{"environment":"dev"}"#),
    ("AuditService/Tail", false, r#"{"environment":"dev"}"#),
    ("AuditService/Checkpoint", false, r#"{"environment":"dev"}"#),
    ("AuditService/Verify", false, r#"{"environment":"dev"}"#),
    ("AuditService/Erase", false, r#"{"environment":"dev","principal":"ada","reason":"she asked"}"#),
    ("UsageService/Report", false, r#"{"environment":"dev","groupBy":["app"],"since":"2026-11-23T00:00:00Z"}"#),
    ("UsageService/UnusedGrants", false, r#"{"environment":"dev"}"#),
    ("LogService/Tail", false, r#"{"environment":"dev"}"#),
    ("OperatorService/Reload", false, r#"{"environment":"dev"}"#),
    ("OperatorService/GetConfig", false, r#"{"environment":"dev"}"#),
    ("OperatorService/Limits", false, r#"{"environment":"dev","tenant":"acme"}"#),
    ("ResourceService/List", false, r#"{"environment":"dev"}"#),
    ("ResourceService/DescribeSchema", false, r#"{"environment":"dev","resource":"orders-db"}"#),
    ("FunctionService/Promote", false, r#"{"environment":"dev","function":"f","fromEnvironment":"qa"}"#),
    ("FunctionService/Rollback", false, r#"{"environment":"dev","function":"f"}"#),
    ("FunctionService/SetAlias", false, r#"{"environment":"dev","function":"f","alias":"canary"}"#),
    ("FunctionService/ListCandidates", false, r#"{"environment":"dev","function":"f"}"#),
    ("FunctionService/Disable", false, r#"{"environment":"dev","function":"f","reason":"x"}"#),
    ("FunctionService/Enable", false, r#"{"environment":"dev","function":"f"}"#),
    ("FunctionService/Delete", false, r#"{"environment":"dev","function":"f"}"#),
    ("ApprovalService/List", false, r#"{"environment":"dev","state":"pending"}"#),
    ("ApprovalService/Get", false, r#"{"environment":"dev","id":"ap-00000000000000000000000000000001"}"#),
    ("ApprovalService/Preview", false, r#"{"environment":"dev","id":"ap-00000000000000000000000000000001"}"#),
    ("ApprovalService/Approve", false, r#"{"environment":"dev","id":"ap-00000000000000000000000000000001"}"#),
    ("ApprovalService/Reject", false, r#"{"environment":"dev","id":"ap-00000000000000000000000000000001"}"#),
    ("ApprovalService/Revoke", false, r#"{"environment":"dev","id":"ap-00000000000000000000000000000001"}"#),
];

/// A new RPC without a row above fails here.
#[tokio::test]
async fn every_rpc_of_the_contract_needs_a_token() {
    let set = prost_types::FileDescriptorSet::decode(airlock_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().filter(|file| file.package() == "airlock.v1").flat_map(|file| &file.service);
    let served: BTreeSet<_> = services
        .flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())))
        .collect();
    assert_eq!(served, EVERY.iter().map(|(path, ..)| (*path).to_owned()).collect());

    let house = House::open();
    for (path, on_data, body) in EVERY {
        let address = if on_data { house.server.data_addr() } else { house.server.control_addr() };
        for (token, code) in
            [("", 401), ("authorization: Bearer bad\r\n", 401), ("authorization: Bearer good\r\n", 200)]
        {
            let headers = format!("content-type: application/json\r\n{token}");
            let answer = super::post(address, &format!("/airlock.v1.{path}"), &headers, body).await;
            // Whoever asks for a token has none.
            let code = if path == "TokenService/Exchange" { 200 } else { code };
            assert_eq!(answer.code, code, "{path} {token}");
        }
    }
}

const INVOKE: &str = "/airlock.v1.InvocationService/Invoke";

fn body(function: &str) -> String {
    format!(r#"{{"function":"{function}","environment":"dev","payload":{{"n":1.10}}}}"#)
}

#[tokio::test]
async fn a_call_takes_and_gives_json_as_it_is() {
    let house = House::open();
    let answer = house.json(INVOKE, &body("echo")).await;
    assert_eq!((answer.code, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.body.contains(r#""output":{"n":1.10}"#), "{}", answer.body);
    assert_eq!(answer.json()["usage"]["fuel"], "7");
    assert!(answer.header("x-request-id").is_some());
    let declared = house.json(INVOKE, &body("declared")).await;
    assert_eq!((declared.code, &declared.json()["functionError"]["details"]["sku"]), (200, &"a".into()));
}

#[tokio::test]
async fn the_same_over_http2_without_an_upgrade() {
    let house = House::open();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let request = Request::post(format!("http://{}{INVOKE}", house.server.data_addr()))
        .header("content-type", "application/json; charset=utf-8")
        .header("authorization", "Bearer good")
        .body(Full::from(body("echo")))
        .unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&text).contains(r#""output":{"n":1.10}"#));
}

#[tokio::test]
async fn a_stream_answers_one_object_per_line() {
    let house = House::open();
    let path = "/airlock.v1.InvocationService/InvokeStream";
    let answer = house.json(path, &body("log")).await;
    assert_eq!((answer.code, answer.header("content-type")), (200, Some("application/x-ndjson")));
    let lines: Vec<serde_json::Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["log"]["message"], &lines[0]["log"]["fields"]["n"]), (&"one".into(), &1.into()));
    assert_eq!(lines[3]["done"]["output"], true);

    let answer = house.json(path, &body("log-then-trap")).await;
    let last: serde_json::Value = serde_json::from_str(answer.body.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["reason"], "guest_trap");

    let refused = house.json(path, &body("missing")).await;
    assert_eq!((refused.code, &refused.json()["reason"]), (404, &"function_unknown".into()));
}

#[tokio::test]
async fn errors_say_code_reason_message_hint_and_details() {
    let house = House::open();
    let trap = house.json(INVOKE, &body("trap")).await;
    let error = trap.json();
    assert_eq!((trap.code, &error["code"], &error["reason"]), (500, &"unknown".into(), &"guest_trap".into()));
    assert_eq!((&error["message"], &error["hint"]), (&"the function trapped".into(), &"look at its log".into()));
    assert_eq!(error["details"]["invocationId"], "inv-2");
    assert_eq!(trap.header("x-request-id"), error["details"]["requestId"].as_str());

    let bare = house.post(INVOKE, "content-type: application/json\r\n", &body("echo")).await;
    assert_eq!((bare.code, bare.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(house.json(INVOKE, &body("missing")).await.code, 404);
    for function in ["broken", "panic"] {
        let answer = house.json(INVOKE, &body(function)).await;
        assert_eq!((answer.code, &answer.json()["reason"]), (500, &"internal".into()), "{function}");
        assert!(!answer.body.contains("hunter2"));
    }
}

#[tokio::test]
async fn every_control_rpc_speaks_json() {
    let house = House::open();
    let post = |path: &'static str, text: &'static str| {
        let headers = "content-type: application/json\r\nauthorization: Bearer good\r\n";
        super::post(house.server.control_addr(), path, headers, text)
    };
    let upload = r#"{"environment":"dev","manifestToml":"name = 1","component":"Z29vZA==","sources":[{"path":"a.ts","text":""}]}"#;
    let check = post("/airlock.v1.FunctionService/Check", upload).await.json();
    assert_eq!(check["accepted"], true);
    let deploy = post("/airlock.v1.FunctionService/Deploy", upload).await.json();
    assert_eq!(deploy["revision"]["createTime"], "2023-11-14T22:13:20Z");
    let bad = r#"{"environment":"dev","manifestToml":"name = 1","component":"YmFk"}"#;
    let refused = post("/airlock.v1.FunctionService/Deploy", bad).await;
    assert_eq!((refused.code, &refused.json()["details"]["findings"][0]["rule"]), (400, &"import-undeclared".into()));
    let get = post("/airlock.v1.FunctionService/Get", r#"{"environment":"dev","function":"f"}"#).await.json();
    assert_eq!(get["function"]["liveRevision"]["number"], "3");
    let list = post("/airlock.v1.FunctionService/List", r#"{"environment":"dev","pageSize":7}"#).await.json();
    assert_eq!(list["functions"].as_array().unwrap().len(), 7);
    let revisions = r#"{"environment":"dev","function":"g"}"#;
    let revisions = post("/airlock.v1.FunctionService/ListRevisions", revisions).await.json();
    assert_eq!(revisions["revisions"][0]["function"], "g");
    let audit = r#"{"environment":"dev","invocationId":"inv-1","afterSequence":"9007199254740993"}"#;
    let audit = post("/airlock.v1.AuditService/Query", audit).await.json();
    assert_eq!(audit["records"][0]["sequence"], "9007199254740994");
    assert_eq!(audit["records"][0]["event"]["kind"], "invocation_finished");
    let resources = post("/airlock.v1.ResourceService/List", r#"{"environment":"dev"}"#).await.json();
    let expected =
        serde_json::json!({ "name": "orders-db", "kind": "sql", "operations": ["read"], "dialect": "sqlite" });
    assert_eq!(resources["resources"][0], expected);
    let asked = r#"{"environment":"dev","resource":"orders-db"}"#;
    let schema = post("/airlock.v1.ResourceService/DescribeSchema", asked).await.json();
    assert_eq!(schema["tables"][0]["columns"][0]["databaseType"], "INTEGER");
    assert_eq!(schema["readTime"], "2023-11-14T22:13:20Z");
}

#[tokio::test]
async fn health_answers_curl() {
    let house = House::open();
    let answer = house.post("/grpc.health.v1.Health/Check", "content-type: application/json\r\n", "{}").await;
    assert_eq!((answer.code, &answer.json()["status"]), (200, &"SERVING".into()));
}

#[tokio::test]
async fn malformed_json_is_refused_with_the_field() {
    let house = House::open();
    for (text, field) in [
        (r#"{"function":"f","environment":"dev","paylaod":1}"#, "paylaod"),
        (r#"{"function":["f"],"environment":"dev"}"#, "function"),
        (r#"{"function":"f","environment":"Prod!"}"#, "environment"),
    ] {
        let answer = house.json(INVOKE, text).await;
        let error = answer.json();
        assert_eq!((answer.code, &error["code"]), (400, &"invalid_argument".into()), "{text}");
        assert_eq!(error["details"]["fieldViolations"][0]["field"], field, "{text}");
    }
    for text in ["", "{", "[]", "null", "{}{}", "{\"payload\":}", "\u{feff}{}", "{\"payload\":1}x"] {
        let answer = house.json(INVOKE, text).await;
        assert_eq!((answer.code, &answer.json()["reason"]), (400, &"request_malformed".into()), "{text:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_cap_is_too_large() {
    let house = House::open();
    let big = format!(r#"{{"payload":"{}"}}"#, "x".repeat(5 << 20));
    let answer = house.json(INVOKE, &big).await;
    assert_eq!((answer.code, &answer.json()["reason"]), (413, &"payload_too_large".into()));
}

#[tokio::test]
async fn deadlines_are_read_from_either_header() {
    let house = House::open();
    let text = body("deadline");
    for header in ["connect-timeout-ms: 1500", "grpc-timeout: 1500m"] {
        let headers = format!("content-type: application/json\r\nauthorization: Bearer good\r\n{header}\r\n");
        assert_eq!(house.post(INVOKE, &headers, &text).await.json()["output"], 1500, "{header}");
    }
    let headers = "content-type: application/json\r\nauthorization: Bearer good\r\nconnect-timeout-ms: soon\r\n";
    assert_eq!(house.post(INVOKE, headers, &text).await.code, 400);
}

#[tokio::test]
async fn other_types_methods_and_paths_are_turned_away() {
    let house = House::open();
    assert_eq!(house.post(INVOKE, "content-type: text/plain\r\n", "{}").await.code, 415);
    assert_eq!(house.post(INVOKE, "", "{}").await.code, 415);
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    assert_eq!(house.post(INVOKE, gzip, "{}").await.code, 415);
    assert_eq!(house.post(INVOKE, "content-type: application/grpc\r\n", "").await.code, 505);
    assert_eq!(house.json("/airlock.v1.InvocationService/Nope", "{}").await.code, 404);
    assert_eq!(house.json("/", "{}").await.code, 404);
    let get =
        format!("GET {INVOKE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
    let answer = super::exchange(house.server.data_addr(), get.as_bytes()).await;
    assert_eq!((answer.code, answer.header("allow")), (405, Some("POST")));
}
