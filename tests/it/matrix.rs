//! Coverage by construction: every RPC has a row, every host import has a denied twin.

use std::collections::{BTreeMap, BTreeSet};

use airlock_proto::v1::{InvokeStreamRequest, TokenServiceRevokeRequest};
use airlock_tests::{
    Harness, Options,
    approvals::{approval_in, approver},
    guests::{WatGuest, root},
    http_post,
    models::Models,
    output,
    shop::Shop,
    tokens::TokenSpec,
    with_token,
};
use prost_reflect::DescriptorPool;
use serde_json::{Value, json};

/// A row of `permission-matrix.json`: an RPC, a request that a good token gets through, and the scope it takes.
fn matrix() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root().join("tests/it/permission-matrix.json")).expect("the matrix");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn every_rpc_has_a_row() {
    let pool = DescriptorPool::decode(airlock_proto::FILE_DESCRIPTOR_SET).expect("descriptors");
    let rpcs: BTreeSet<_> = pool
        .services()
        .flat_map(|service| service.methods().map(|m| m.full_name().to_owned()).collect::<Vec<_>>())
        .collect();
    assert_eq!(rpcs, matrix().into_keys().collect());
}

#[tokio::test]
async fn every_rpc_refuses_every_wrong_token() {
    let harness = Harness::start().await;
    harness.set_config(&harness.config().replacen(
        "[environments.dev]\nwrites = \"allow\"",
        "[environments.dev]\nwrites = \"approve-statement\"\napprovals = { author_may_approve = true }\n\
         promote_from = [\"qa\"]",
        1,
    ));
    harness.reload().await.expect("read again");
    harness.deploy_built("sql-probe").await;
    let one = "name = \"one\"\nlanguage = \"component\"\n";
    harness.deploy_to("qa", one, WatGuest::returning("3").component()).await.expect("deployed");
    for (rpc, mut row) in matrix() {
        // Two revisions, so that every RPC about a function finds what it needs, whatever the one before it did.
        for number in ["1", "2"] {
            harness.deploy_wat("one", &WatGuest::returning(number), "").await;
        }
        if let Some(state) = row["approval"].as_str() {
            row["request"]["id"] = json!(approval(&harness, &rpc, state).await);
        }
        if row["revocation"] == true {
            row["request"]["id"] = json!(revocation(&harness).await);
        }
        let right = spec(&row);
        let running = running(&harness, &row, &right).await;
        // Who asks for a token has none; whoever has any may ask for less.
        let outside = if row["bearer"] == "any" { 200 } else { 403 };
        if row["bearer"] == "none" {
            let (status, body) = post(&harness, &rpc, &row, None).await;
            // What stands in for a bearer is in the body, and no good.
            assert_eq!(status, 401, "{rpc}: {body}");
            continue;
        }
        let cases = [
            ("no token", None, 401),
            ("forged", Some(forged(&harness, &right)), 401),
            ("expired", Some(harness.token(&right.clone().age_s(7_200))), 401),
            ("other instance", Some(harness.token(&right.clone().instance("other"))), 401),
            ("other environment", Some(harness.token(&right.clone().environment("prod"))), outside),
            ("no scope", Some(harness.token(&TokenSpec::only("other", &["orders-db:read"]))), outside),
            ("right", Some(harness.token(&right)), 200),
        ];
        for (name, token, wanted) in cases {
            let (status, body) = post(&harness, &rpc, &row, token).await;
            assert_eq!(status, wanted, "{rpc} with {name}: {body}");
        }
        drop(running);
    }
}

/// An approval of its own for the RPCs that are about one.
async fn approval(harness: &Harness, rpc: &str, state: &str) -> String {
    let statement = format!("update orders set status = 'open' where id = 1 -- {rpc}");
    let call = json!({ "op": "execute", "statement": statement }).to_string();
    let id = approval_in(&harness.probe(&TokenSpec::everything(), &call).await);
    if state == "approved" {
        harness.approve(&approver("dev"), &id).await.expect("approved");
    }
    id
}

/// A revocation of nobody, for the RPC that lifts one.
async fn revocation(harness: &Harness) -> String {
    let request = TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: "subject".to_owned(),
        value: "nobody".to_owned(),
        ..TokenServiceRevokeRequest::default()
    };
    let token = harness.token(&TokenSpec::control_with(&["token:revoke"]));
    let revoked = harness.tokens().revoke(with_token(request, &token)).await.expect("revoked").into_inner();
    revoked.revocation.expect("what it is").id
}

/// A call in progress for the RPCs that are about one.
async fn running(harness: &Harness, row: &Value, spec: &TokenSpec) -> Option<impl Sized> {
    let request_id = row["running"].as_str()?;
    let function = row["function"].as_str().expect("a function");
    harness.deploy_wat(function, &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "").await;
    let request = InvokeStreamRequest {
        function: function.to_owned(),
        environment: "dev".to_owned(),
        payload: Vec::new(),
        request_id: request_id.to_owned(),
        alias: String::new(),
    };
    Some(harness.invocations().invoke_stream(with_token(request, &harness.token(spec))).await.expect("it begins"))
}

fn spec(row: &Value) -> TokenSpec {
    let scopes: Vec<_> =
        row["scopes"].as_array().expect("scopes").iter().map(|scope| scope.as_str().expect("text")).collect();
    TokenSpec::only(row["function"].as_str().unwrap_or("one"), &scopes)
}

fn forged(harness: &Harness, spec: &TokenSpec) -> String {
    let token = harness.token(spec);
    let (body, signature) = token.rsplit_once('.').expect("three parts");
    let swapped: String = signature.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).take(signature.len()).collect();
    format!("{body}.{swapped}")
}

async fn post(harness: &Harness, rpc: &str, row: &Value, token: Option<String>) -> (u16, String) {
    let (service, method) = rpc.rsplit_once('.').expect("a method name");
    let server = harness.server();
    let address = if row["listener"] == "data" { server.data_addr() } else { server.control_addr() };
    let mut request = row["request"].clone();
    if request.get("component").is_some() {
        request["component"] = json!(base64(&WatGuest::returning("1").component()));
    }
    let headers: Vec<_> = token.map(|token| ("authorization", format!("Bearer {token}"))).into_iter().collect();
    http_post(address, &format!("/{service}/{method}"), &headers, &request.to_string()).await
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * index)) as usize & 63] as char;
            text.push(if index <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

/// Every function of every resource interface of the WIT, with a call that works and the scope it takes away.
const HOST_IMPORTS: &[(&str, &str, &str)] = &[
    ("sql.query", r#"{"op":"query","statement":"select 1"}"#, "orders-db:read"),
    ("sql.execute", r#"{"op":"execute","statement":"update orders set total = 1"}"#, "orders-db:write"),
    ("sql.query-stream", r#"{"steps":[{"do":"stream","statement":"select 1","batches":0}]}"#, "orders-db:read"),
    ("sql.[method]batches.next", r#"{"steps":[{"do":"stream","statement":"select 1"}]}"#, "orders-db:read"),
    ("sql.begin", r#"{"steps":[{"do":"begin"}]}"#, "orders-db:read"),
    (
        "sql.[method]transaction.query",
        r#"{"steps":[{"do":"begin"},{"do":"query","within":0,"statement":"select 1"}]}"#,
        "orders-db:read",
    ),
    (
        "sql.[method]transaction.execute",
        r#"{"steps":[{"do":"begin"},{"do":"execute","within":0,"statement":"update orders set total = 1"}]}"#,
        "orders-db:write",
    ),
    ("sql.[method]transaction.commit", r#"{"steps":[{"do":"begin"},{"do":"commit","within":0}]}"#, "orders-db:read"),
    (
        "sql.[method]transaction.rollback",
        r#"{"steps":[{"do":"begin"},{"do":"rollback","within":0}]}"#,
        "orders-db:read",
    ),
    ("http.send", r#"{"op":"http","method":"GET","path":"/customers/ada"}"#, "crm:GET"),
    ("http.covers", r#"{"op":"covers","url":"https://elsewhere.test/"}"#, "crm:GET"),
    ("http.open", r#"{"op":"stream","method":"GET","path":"/customers/ada","read":0}"#, "crm:GET"),
    (
        "http.[method]exchange.write",
        r#"{"op":"stream","method":"POST","path":"/echo","pieces":["x"],"read":0}"#,
        "crm:POST:/echo",
    ),
    ("http.[method]exchange.response", r#"{"op":"stream","method":"GET","path":"/customers/ada","read":0}"#, "crm:GET"),
    ("http.[method]exchange.next", r#"{"op":"stream","method":"GET","path":"/customers/ada"}"#, "crm:GET"),
    ("kv.get", r#"{"to":"kv","op":"get","key":"k"}"#, "cache:read"),
    ("kv.set", r#"{"to":"kv","op":"set","key":"k","value":1}"#, "cache:write"),
    ("kv.delete", r#"{"to":"kv","op":"delete","key":"k"}"#, "cache:write"),
    ("kv.list", r#"{"to":"kv","op":"list"}"#, "cache:read"),
    ("kv.increment", r#"{"to":"kv","op":"increment","key":"n","by":1}"#, "cache:write"),
    ("kv.compare-and-set", r#"{"to":"kv","op":"compare_and_set","key":"c","value":1}"#, "cache:write"),
    ("blob.put", r#"{"to":"blob","op":"put","key":"k","text":"x"}"#, "files:write"),
    ("blob.get", r#"{"to":"blob","op":"get","key":"k"}"#, "files:read"),
    ("blob.head", r#"{"to":"blob","op":"head","key":"k"}"#, "files:read"),
    ("blob.list", r#"{"to":"blob","op":"list"}"#, "files:read"),
    ("blob.delete", r#"{"to":"blob","op":"delete","key":"k"}"#, "files:write"),
    ("blob.signed-url", r#"{"to":"blob","op":"signed_url","key":"k","ttl_ms":1000}"#, "files:read"),
    ("graphql.query", r#"{"to":"graphql","op":"query","document":"{ version }"}"#, "shop:query"),
    (
        "graphql.mutate",
        r#"{"to":"graphql","op":"mutate","document":"mutation { rename(id: 1, name: \"x\") { id } }"}"#,
        "shop:mutation",
    ),
    ("llm.complete", r#"{"to":"llm","op":"complete","text":"say x"}"#, "model:complete"),
    ("llm.complete-stream", r#"{"to":"llm","op":"stream","text":"say x","pieces":0}"#, "model:complete"),
    ("llm.[method]pieces.next", r#"{"to":"llm","op":"stream","text":"say x"}"#, "model:complete"),
];

/// The guest that makes such a call.
fn prober(call: &str) -> &'static str {
    match call {
        call if call.contains("steps") => "tx-probe",
        call if call.contains(r#""to":"graphql""#) => "api-probe",
        call if call.contains(r#""to":"llm""#) => "model-probe",
        call if call.contains(r#""to":"#) => "store-probe",
        _ => "sql-probe",
    }
}

#[test]
fn every_host_import_of_the_wit_has_a_denied_twin() {
    let mut found = BTreeSet::new();
    for kind in airlock_model::ResourceKind::ALL {
        let resource = airlock_toolchain::ResourceImport { name: "any".parse().unwrap(), kind };
        let (resolve, _) = airlock_toolchain::resolve(&[resource]).expect("a world");
        let interfaces = resolve.interfaces.iter().filter(|(_, i)| i.name.as_deref() == Some(kind.as_str()));
        found.extend(
            interfaces.flat_map(|(_, i)| i.functions.keys().map(|name| format!("{kind}.{name}")).collect::<Vec<_>>()),
        );
    }
    let listed: BTreeSet<_> = HOST_IMPORTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}

#[tokio::test]
async fn every_host_import_is_denied_without_its_scope() {
    let (shop, models) = (Shop::start().await, Models::start().await);
    let harness =
        Harness::start_with(Options { more_config: shop.binding("dev", "") + &models.binding("dev", "") }).await;
    for guest in ["sql-probe", "tx-probe", "store-probe", "api-probe", "model-probe"] {
        harness.deploy_built(guest).await;
    }
    for (name, call, scope) in HOST_IMPORTS {
        let guest = prober(call);
        let ask = async |scope: &str| {
            let answered = harness.invoke_as(&TokenSpec::only(guest, &[scope]), guest, call).await;
            output(&answered.expect("the probe answers"))
        };
        let allowed = ask(scope).await;
        // A directory has no URLs to give: there the gate lets the call pass, and the engine says so.
        let has_passed = match *name {
            "blob.signed-url" => allowed["error"]["kind"] == "bad_request",
            _ => first_error(&allowed).is_none(),
        };
        assert!(has_passed, "{name}: {allowed}");
        let denied = ask("other-db:read").await;
        let reason = first_error(&denied).map(|error| &error["reason"]);
        assert_eq!(reason, Some(&json!("not_granted")), "{name}: {denied}");
    }
}

/// Of one answer, or of a list of them.
fn first_error(answer: &Value) -> Option<&Value> {
    let answers = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    answers.iter().find_map(|answer| answer.get("error"))
}
