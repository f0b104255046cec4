//! Roles: every RPC and every role, as `permission-matrix.json` says it.

use std::collections::BTreeMap;

use airlock_proto::v1::ExchangeRequest;
use airlock_tests::{
    Harness,
    guests::{WatGuest, root},
    http_post,
    idp::{Idp, asking},
};
use serde_json::Value;

const ROLES: [&str; 5] = ["builder", "approver", "operator", "auditor", "privacy"];

fn matrix() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root().join("tests/it/permission-matrix.json")).expect("the matrix");
    serde_json::from_str(&text).expect("JSON")
}

async fn house(idp: &Idp) -> Harness {
    let entry = |role: &str| {
        format!(
            "[[identity.access]]\ngroup = \"{role}s\"\nenvironments = [\"dev\"]\nroles = [\"{role}\"]\nfunctions = [\"*\"]\n"
        )
    };
    let harness = idp.house(&ROLES.map(entry).concat()).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

async fn token(harness: &Harness, idp: &Idp, role: &str) -> String {
    let request =
        ExchangeRequest { functions: vec!["*".to_owned()], ..asking(&idp.token("ada", &[&format!("{role}s")])) };
    harness.exchange(request).await.expect("exchanged").access_token
}

/// A role gets past the door of what it may do and is turned away from the rest. What it finds behind is another matter.
#[tokio::test]
async fn every_role_opens_the_doors_that_the_matrix_says() {
    let idp = Idp::new();
    let harness = house(&idp).await;
    let mut tokens = BTreeMap::new();
    for role in ROLES {
        tokens.insert(role, token(&harness, &idp, role).await);
    }
    let mut doors = 0;
    for (rpc, row) in matrix() {
        if row["listener"] == "data" || row["bearer"] == "none" {
            continue;
        }
        let listed = row["roles"].as_array().expect("roles");
        for role in ROLES {
            let (service, method) = rpc.rsplit_once('.').expect("a method");
            let authorization = ("authorization", format!("Bearer {}", tokens[role]));
            // What would go on for ever ends by this.
            let patience = (method == "Tail").then(|| ("grpc-timeout", "1S".to_owned()));
            let headers: Vec<_> = [authorization].into_iter().chain(patience).collect();
            let path = format!("/{service}/{method}");
            let mut request = row["request"].clone();
            if request.get("component").is_some() {
                request["component"] = "AGFzbQ==".into();
            }
            if row["approval"].is_string() {
                request["id"] = "ap-00000000000000000000000000000001".into();
            }
            if row["revocation"] == true {
                request["id"] = "none".into();
            }
            let (status, answer) =
                http_post(harness.server().control_addr(), &path, &headers, &request.to_string()).await;
            let is_open = status != 403;
            assert_eq!(is_open, listed.iter().any(|one| one == role), "{role} at {rpc}: {status} {answer}");
            doors += 1;
        }
    }
    assert!(doors >= 4 * 20, "{doors}");
}

/// Rights to resources come from `use` and `edit`, apart for each.
#[tokio::test]
async fn a_builder_without_edit_cannot_deploy_what_names_the_resource() {
    let idp = Idp::new();
    let entry = |group: &str, edit: &str| {
        format!(
            "[[identity.access]]\ngroup = \"{group}\"\nenvironments = [\"dev\"]\nroles = [\"builder\"]\nfunctions = [\"*\"]\n{edit}\n"
        )
    };
    let access =
        [entry("without", ""), entry("with", "edit = [\"orders-db\", \"crm\"]"), entry("all", "edit = [\"*\"]")];
    let harness = idp.house(&access.concat()).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    for (group, may) in [("without", false), ("with", true), ("all", true)] {
        let given = harness.exchange(asking(&idp.token("ada", &[group]))).await.expect("exchanged");
        let request = airlock_proto::v1::DeployRequest {
            environment: "dev".to_owned(),
            manifest_toml: manifest.clone(),
            component: component.clone(),
            ..airlock_proto::v1::DeployRequest::default()
        };
        let deployed = harness.functions().deploy(airlock_tests::with_token(request, &given.access_token)).await;
        assert_eq!(deployed.is_ok(), may, "{group}: {deployed:?}");
    }
}
