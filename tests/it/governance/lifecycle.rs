//! Promotion, rollback, aliases, and the end of a function.

use airlock_model::AuditKind;
use airlock_proto::v1::{
    DisableRequest, EnableRequest, Function, FunctionServiceDeleteRequest, FunctionServiceGetRequest, InvokeRequest,
    PromoteRequest,
};
use airlock_tests::{Harness, guests, hint, http_post, output, reason, tokens::TokenSpec, with_token};
use serde_json::json;
use tonic::Status;

use super::{deploy_number, digest, promote, releaser, rollback, set_alias, stages};

async fn call(harness: &Harness, environment: &str, function: &str) -> Result<serde_json::Value, Status> {
    harness
        .invoke_as(&TokenSpec::everything().environment(environment), function, "null")
        .await
        .map(|answer| output(&answer))
}

async fn call_alias(harness: &Harness, function: &str, alias: &str) -> Result<serde_json::Value, Status> {
    let request = InvokeRequest {
        function: function.to_owned(),
        environment: "dev".to_owned(),
        alias: alias.to_owned(),
        ..InvokeRequest::default()
    };
    let token = harness.token(&TokenSpec::everything());
    harness.invocations().invoke(with_token(request, &token)).await.map(|answer| output(answer.get_ref()))
}

async fn get(harness: &Harness, environment: &str, function: &str) -> Result<Function, Status> {
    let token = harness.token(&releaser(environment));
    let request = FunctionServiceGetRequest { environment: environment.to_owned(), function: function.to_owned() };
    let answer = harness.functions().get(with_token(request, &token)).await?;
    Ok(answer.into_inner().function.expect("a function"))
}

#[tokio::test]
async fn a_revision_is_named_by_the_beginning_of_its_digest() {
    let harness = stages().await;
    let one = digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    let dev = releaser("dev");
    let rolled = rollback(&harness, &dev, "count", &one[..8]).await.expect("rolled back");
    assert_eq!(rolled.live_revision.expect("live").digest, one);
    let short = format!("sha256:{}", &two[..12]);
    let aliased = set_alias(&harness, &dev, ("count", "next"), &[(&short, 100)]).await.expect("set");
    assert_eq!(aliased.aliases[0].shares[0].revision, two);
    let request = PromoteRequest {
        environment: "stage".to_owned(),
        function: "count".to_owned(),
        from_environment: "dev".to_owned(),
        revision: two[..8].to_ascii_uppercase(),
        percent: 0,
    };
    let token = harness.token(&releaser("stage"));
    let promoted = harness.functions().promote(with_token(request.clone(), &token)).await.expect("promoted");
    assert_eq!(promoted.into_inner().revision.expect("a revision").digest, two);

    // Whoever may read is told what there is, in the environment of the token and in no other.
    let nobody = if one.starts_with("0000000") { "ffffffff" } else { "00000000" };
    let unknown = rollback(&harness, &dev, "count", nobody).await.expect_err("nothing begins so");
    assert_eq!(reason(&unknown), "function_unknown");
    assert!(unknown.message().contains(&one[..16]) && unknown.message().contains(&two[..16]), "{}", unknown.message());
    let blind = TokenSpec::control_with(&["function:promote", "resource:edit"]);
    let unknown = rollback(&harness, &blind, "count", nobody).await.expect_err("nothing begins so");
    assert!(!unknown.message().contains(&one[..16]) && hint(&unknown).contains("airlock revisions"), "{unknown:?}");
    assert!(rollback(&harness, &blind, "count", &two).await.is_ok(), "a whole digest needs no right to read");
    let request = PromoteRequest { revision: nobody.to_owned(), ..request };
    let unknown = harness.functions().promote(with_token(request, &token)).await.expect_err("nothing begins so");
    assert!(reason(&unknown) == "function_unknown" && !unknown.message().contains(&one[..16]), "{unknown:?}");
    let many = vec![(short.as_str(), 1); 1_000];
    let refused = set_alias(&harness, &dev, ("count", "next"), &many).await.expect_err("too many to look up");
    assert!(reason(&refused) == "request_malformed" && refused.message().contains("1000"), "{refused:?}");
    let odd = rollback(&harness, &dev, "count", &one[..7]).await.expect_err("too short");
    assert_eq!(reason(&odd), "request_malformed");
}

#[tokio::test]
async fn a_promotion_takes_over_revision_and_author_and_leaves_the_old_environment_alone() {
    let harness = stages().await;
    let one = digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    let promoted = promote(&harness, &releaser("stage"), ("count", "dev"), 0).await.expect("promoted");
    let revision = promoted.revision.expect("a revision");
    assert_eq!((revision.digest.as_str(), revision.promoted_from.as_str()), (one.as_str(), "dev"));
    assert_eq!(revision.created_by, "ada@example.com", "its author, not whoever promoted it");
    assert_eq!(call(&harness, "stage", "count").await.expect("an answer"), 1);

    deploy_number(&harness, "count", 2).await;
    assert_eq!(call(&harness, "stage", "count").await.expect("an answer"), 1, "what comes to dev stays there");
    promote(&harness, &releaser("stage"), ("count", "dev"), 100).await.expect("promoted");
    assert_eq!(call(&harness, "stage", "count").await.expect("an answer"), 2);

    let trail = harness.trail().await;
    let events: Vec<_> =
        trail.iter().map(|record| &record.event).filter(|event| event.function.as_deref() == Some("count")).collect();
    let promotion = events.iter().find(|event| format!("{:?}", event.kind) == "FunctionPromoted").expect("on record");
    assert_eq!(promotion.principal.as_ref().expect("who").subject, "release@example.com");
    assert_eq!(promotion.environment.as_deref(), Some("stage"));
}

#[tokio::test]
async fn environments_say_from_where_revisions_come() {
    let harness = stages().await;
    deploy_number(&harness, "count", 1).await;
    let refused =
        harness.deploy_to("live", &super::manifest("count"), guests::WatGuest::returning("1").component()).await;
    let refused = refused.expect_err("no uploads");
    assert_eq!(reason(&refused), "promotion_only");
    let hint = hint(&refused);
    assert!(hint.contains("`stage`, `dev`") && hint.contains("airlock.toml:"), "{hint}");

    for (to, from, expected) in [
        ("live", "dev", None),
        ("live", "stage", Some("function_unknown")),
        ("live", "prod", Some("promotion_only")),
        ("live", "live", Some("promotion_only")),
        ("live", "nowhere", Some("promotion_only")),
        ("prod", "dev", Some("promotion_only")),
    ] {
        let ended = promote(&harness, &releaser(to), ("count", from), 0).await;
        assert_eq!(ended.as_ref().err().map(reason).as_deref(), expected, "{from} to {to}: {ended:?}");
    }
    assert_eq!(call(&harness, "live", "count").await.expect("an answer"), 1);
}

#[tokio::test]
async fn a_promotion_is_judged_by_the_target_and_by_the_rights_of_whoever_promotes() {
    let harness = stages().await;
    harness.deploy_built("sql-probe").await;
    // `stage` does not bind `crm`.
    let unbound = promote(&harness, &releaser("stage"), ("sql-probe", "dev"), 0).await.expect_err("unbound");
    assert_eq!(reason(&unbound), "resource_unbound");
    // `live` is strict, and nothing tells what the probe says.
    let unknown = promote(&harness, &releaser("live"), ("sql-probe", "dev"), 0).await.expect_err("strict");
    assert_eq!(reason(&unknown), "component_rejected");
    assert!(unknown.message().contains("which statements"), "{unknown}");
    for (scopes, expected) in [
        (vec!["function:promote"], "not_granted"),
        (vec!["function:promote", "orders-db:edit"], "not_granted"),
        (vec!["function:promote", "orders-db:edit", "crm:edit"], "component_rejected"),
        (vec!["function:promote", "orders-db:read", "crm:GET"], "not_granted"),
        (vec!["function:deploy", "resource:edit"], "not_granted"),
    ] {
        let spec = TokenSpec::control_with(&scopes).environment("live");
        let refused = promote(&harness, &spec, ("sql-probe", "dev"), 0).await.expect_err("refused");
        assert_eq!(reason(&refused), expected, "{scopes:?}: {refused}");
    }
}

#[tokio::test]
async fn a_rollback_is_one_step_back_and_calls_follow_at_once() {
    let mut harness = stages().await;
    for number in 1..=3 {
        deploy_number(&harness, "count", number).await;
    }
    let spec = releaser("dev");
    rollback(&harness, &spec, "count", "").await.expect("back");
    assert_eq!(call(&harness, "dev", "count").await.expect("an answer"), 2);
    let now = rollback(&harness, &spec, "count", "").await.expect("back");
    assert_eq!(call(&harness, "dev", "count").await.expect("an answer"), 1);
    let end = rollback(&harness, &spec, "count", "").await.expect_err("nothing before");
    assert_eq!(reason(&end), "function_unknown");
    harness.restart().await;
    assert_eq!(call(&harness, "dev", "count").await.expect("an answer"), 1, "what is live survives");
    let one = digest(now.live_revision.as_ref());
    deploy_number(&harness, "count", 4).await;
    rollback(&harness, &spec, "count", &one).await.expect("named");
    assert_eq!(call(&harness, "dev", "count").await.expect("an answer"), 1);
    for (function, revision) in [("count", "ab".repeat(32)), ("nothing", String::new()), ("nothing", one)] {
        let refused = rollback(&harness, &spec, function, &revision).await.expect_err("refused");
        assert_eq!(reason(&refused), "function_unknown", "{function} {revision}");
    }
    let refused = rollback(&harness, &spec, "count", "xyz").await.expect_err("no digest");
    assert_eq!(reason(&refused), "request_malformed");
    assert_eq!(
        reason(&rollback(&harness, &TokenSpec::control(), "count", "").await.expect_err("no scope")),
        "not_granted"
    );
}

#[tokio::test]
async fn a_canary_gets_exactly_its_share() {
    let harness = stages().await;
    deploy_number(&harness, "count", 1).await;
    promote(&harness, &releaser("stage"), ("count", "dev"), 0).await.expect("promoted");
    deploy_number(&harness, "count", 2).await;
    let two = promote(&harness, &releaser("stage"), ("count", "dev"), 5).await.expect("beside");
    let mut twos = 0;
    for _ in 0..200 {
        twos += u32::from(call(&harness, "stage", "count").await.expect("an answer") == 2);
    }
    assert_eq!(twos, 10, "5 % of 200");
    let function = get(&harness, "stage", "count").await.expect("there");
    assert_eq!((function.aliases[0].name.as_str(), function.aliases[0].shares[0].percent), ("live", 5));
    let two = digest(two.revision.as_ref());
    set_alias(&harness, &releaser("stage"), ("count", "live"), &[(&two, 100)]).await.expect("all of it");
    for _ in 0..20 {
        assert_eq!(call(&harness, "stage", "count").await.expect("an answer"), 2);
    }
    rollback(&harness, &releaser("stage"), "count", &two).await.expect("live");
    let function = get(&harness, "stage", "count").await.expect("there");
    assert_eq!(
        (digest(function.live_revision.as_ref()), function.aliases.len()),
        (two, 0),
        "a release ends the shares"
    );
}

#[tokio::test]
async fn an_alias_is_a_name_for_revisions() {
    let mut harness = stages().await;
    let one = digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    let spec = releaser("dev");
    set_alias(&harness, &spec, ("count", "old"), &[(&one, 100)]).await.expect("set");
    set_alias(&harness, &spec, ("count", "both"), &[(&one, 50), (&two, 50)]).await.expect("set");
    harness.restart().await;
    assert_eq!(call_alias(&harness, "count", "old").await.expect("an answer"), 1);
    assert_eq!(call_alias(&harness, "count", "live").await.expect("an answer"), 2);
    let mut ones = 0;
    for _ in 0..100 {
        ones += u32::from(call_alias(&harness, "count", "both").await.expect("an answer") == 1);
    }
    assert_eq!(ones, 50);
    assert_eq!(reason(&call_alias(&harness, "count", "new").await.expect_err("no alias")), "function_unknown");
    assert_eq!(reason(&call_alias(&harness, "count", "No").await.expect_err("no name")), "request_malformed");
    let nothing = "ab".repeat(32);
    let wrong: [&[(&str, u32)]; 6] = [
        &[(&one, 99)],
        &[(&one, 101)],
        &[(&one, 0), (&two, 100)],
        &[(&one, 50), (&one, 50)],
        &[("zz", 100)],
        &[(&one, u32::MAX)],
    ];
    for shares in wrong {
        let refused = set_alias(&harness, &spec, ("count", "old"), shares).await.expect_err("refused");
        assert_eq!(reason(&refused), "request_malformed", "{shares:?}");
    }
    let refused = set_alias(&harness, &spec, ("count", "old"), &[(&nothing, 100)]).await.expect_err("refused");
    assert_eq!(reason(&refused), "function_unknown");
    assert_eq!(call_alias(&harness, "count", "old").await.expect("an answer"), 1, "nothing has changed");
    set_alias(&harness, &spec, ("count", "old"), &[]).await.expect("gone");
    assert_eq!(reason(&call_alias(&harness, "count", "old").await.expect_err("gone")), "function_unknown");
}

#[tokio::test]
async fn what_is_disabled_says_why_and_what_is_deleted_is_unknown() {
    let mut harness = stages().await;
    deploy_number(&harness, "count", 1).await;
    let token = harness.token(&releaser("dev"));
    let (function, environment) = ("count".to_owned(), "dev".to_owned());
    let asked = |reason: &str| DisableRequest {
        environment: environment.clone(),
        function: function.clone(),
        reason: reason.to_owned(),
    };
    for empty in ["", "  ", &"x".repeat(501)] {
        let refused = harness.functions().disable(with_token(asked(empty), &token)).await.expect_err("no reason");
        assert_eq!(reason(&refused), "request_malformed");
    }
    harness.functions().disable(with_token(asked("it loses orders"), &token)).await.expect("disabled");
    harness.restart().await;
    deploy_number(&harness, "count", 2).await;
    let refused = call(&harness, "dev", "count").await.expect_err("disabled");
    assert_eq!(reason(&refused), "function_disabled");
    assert!(refused.message().contains("it loses orders"), "{refused}");
    let asked = EnableRequest { environment: environment.clone(), function: function.clone() };
    harness.functions().enable(with_token(asked, &token)).await.expect("enabled");
    assert_eq!(call(&harness, "dev", "count").await.expect("an answer"), 2);

    let asked = || FunctionServiceDeleteRequest { environment: environment.clone(), function: function.clone() };
    let stranger = harness.token(&TokenSpec::control());
    let refused = harness.functions().delete(with_token(asked(), &stranger)).await.expect_err("no scope");
    assert_eq!(reason(&refused), "not_granted");
    harness.functions().delete(with_token(asked(), &token)).await.expect("deleted");
    for unknown in [
        call(&harness, "dev", "count").await.map(drop),
        get(&harness, "dev", "count").await.map(drop),
        rollback(&harness, &releaser("dev"), "count", "").await.map(drop),
        harness.functions().delete(with_token(asked(), &token)).await.map(drop),
    ] {
        assert_eq!(reason(&unknown.expect_err("gone")), "function_unknown");
    }
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    harness.functions().delete(with_token(asked(), &token)).await.expect("deleted");
    let revived = rollback(&harness, &releaser("dev"), "count", &two).await.expect_err("a deletion is no release");
    assert_eq!(reason(&revived), "function_unknown");
    let again = deploy_number(&harness, "count", 3).await;
    assert_eq!(again.revision.expect("a revision").number, 3, "its revisions stayed on record");
}

/// The policy of today holds for yesterday's revisions as well.
#[tokio::test]
async fn a_way_back_to_what_is_not_allowed_any_more_is_closed() {
    let harness = stages().await;
    harness.deploy_built("sql-probe").await;
    let old = digest(get(&harness, "dev", "sql-probe").await.expect("there").live_revision.as_ref());
    let (manifest, component) = guests::built("sql-probe");
    let changed = format!("{manifest}\n[limits]\nfuel = 1_000_000_000\n");
    harness.deploy(&changed, component).await.expect("deployed");
    let no_edit = TokenSpec::control_with(&["function:promote"]);
    let refused = rollback(&harness, &no_edit, "sql-probe", "").await.expect_err("no edit");
    assert_eq!(reason(&refused), "not_granted");
    harness.set_config(&harness.config().replacen("[environments.dev]\n", "[environments.dev]\nstrict = true\n", 1));
    harness.reload().await.expect("read again");
    for refused in [
        rollback(&harness, &releaser("dev"), "sql-probe", "").await,
        rollback(&harness, &releaser("dev"), "sql-probe", &old).await,
        set_alias(&harness, &releaser("dev"), ("sql-probe", "live"), &[(&old, 100)]).await,
        set_alias(&harness, &releaser("dev"), ("sql-probe", "old"), &[(&old, 100)]).await,
    ] {
        assert_eq!(reason(&refused.expect_err("strict now")), "component_rejected");
    }
    harness.set_config(&harness.config().replacen("strict = true\n", "", 1));
    harness.reload().await.expect("read again");
    rollback(&harness, &releaser("dev"), "sql-probe", "").await.expect("the twin: allowed again");
}

/// A revision of `count` that says nothing of its statements, which a strict `dev` does not take.
async fn deploy_unlisted(harness: &Harness) -> String {
    let (manifest, component) = guests::built("sql-probe");
    let named = manifest.replacen("name = \"sql-probe\"", "name = \"count\"", 1);
    assert_ne!(named, manifest);
    digest(harness.deploy(&named, component).await.expect("deployed").revision.as_ref())
}

fn strict(config: &str) -> String {
    config.replacen("[environments.dev]\n", "[environments.dev]\nstrict = true\n", 1)
}

/// Both are judged by where the first of them leads.
#[tokio::test(flavor = "multi_thread")]
async fn two_rollbacks_at_once_lead_to_nothing_that_was_not_judged() {
    let harness = stages().await;
    let spec = releaser("dev");
    deploy_unlisted(&harness).await;
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    let three = digest(deploy_number(&harness, "count", 3).await.revision.as_ref());
    harness.set_config(&strict(&harness.config()));
    harness.reload().await.expect("read again");
    for round in 0..20 {
        let (one, other) = tokio::join!(rollback(&harness, &spec, "count", ""), rollback(&harness, &spec, "count", ""));
        let live = digest(get(&harness, "dev", "count").await.expect("there").live_revision.as_ref());
        assert_eq!(live, two, "round {round}: what nobody has judged is live");
        for refused in [one.err(), other.err()].into_iter().flatten() {
            assert!(["overloaded", "component_rejected"].contains(&reason(&refused).as_str()), "{refused}");
        }
        rollback(&harness, &spec, "count", &three).await.expect("the twin: judged and allowed");
    }
}

/// The trail has the order in which configurations came into force and revisions went live.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_live_was_judged_by_the_configuration_that_is_in_force() {
    let harness = stages().await;
    let spec = releaser("dev");
    let unlisted = deploy_unlisted(&harness).await;
    let two = digest(deploy_number(&harness, "count", 2).await.revision.as_ref());
    let open = harness.config();
    for _ in 0..20 {
        harness.set_config(&strict(&open));
        let (reloaded, _either) = tokio::join!(harness.reload(), rollback(&harness, &spec, "count", &unlisted));
        reloaded.expect("read again");
        harness.set_config(&open);
        harness.reload().await.expect("read again");
        rollback(&harness, &spec, "count", &two).await.expect("the twin: allowed by both");
    }
    let (mut is_strict, mut reloads) = (false, 0);
    for record in harness.trail().await {
        let event = &record.event;
        let says = |text: &str| event.message.as_deref().is_some_and(|message| message.contains(text));
        match event.kind {
            AuditKind::ConfigReloaded if says("environments.dev.strict") => {
                is_strict = says("-> true");
                reloads += 1;
            }
            AuditKind::FunctionRolledBack if event.revision.as_deref() == Some(&unlisted) => {
                assert!(!is_strict, "live although the configuration in force does not take it");
            }
            _ => {}
        }
    }
    assert_eq!(reloads, 40);
}

/// What was uploaded before its environment took promotions only did not arrive by one.
#[tokio::test]
async fn a_way_back_is_no_way_around_promotions() {
    let harness = stages().await;
    let closed = harness.config();
    harness.set_config(&closed.replacen("deploys = \"promotion\"\n", "", 1));
    harness.reload().await.expect("read again");
    let upload = guests::WatGuest::returning("1").component();
    let uploaded = harness.deploy_to("live", &super::manifest("count"), upload).await.expect("deployed");
    let one = digest(uploaded.revision.as_ref());
    deploy_number(&harness, "count", 2).await;
    promote(&harness, &releaser("live"), ("count", "dev"), 0).await.expect("promoted");
    harness.set_config(&closed);
    harness.reload().await.expect("read again");
    let spec = releaser("live");
    for refused in [
        rollback(&harness, &spec, "count", "").await,
        rollback(&harness, &spec, "count", &one).await,
        set_alias(&harness, &spec, ("count", "live"), &[(&one, 100)]).await,
        set_alias(&harness, &spec, ("count", "old"), &[(&one, 100)]).await,
    ] {
        assert_eq!(reason(&refused.expect_err("an upload")), "promotion_only");
    }
    // The same revision, promoted: it has arrived now.
    assert_eq!(digest(deploy_number(&harness, "count", 1).await.revision.as_ref()), one);
    promote(&harness, &spec, ("count", "dev"), 0).await.expect("promoted");
    rollback(&harness, &spec, "count", "").await.expect("the twin: to what was promoted");
    rollback(&harness, &spec, "count", &one).await.expect("the twin: by name");
    assert_eq!(call(&harness, "live", "count").await.expect("an answer"), 1);
    let trail = harness.trail().await;
    let refusals = trail.iter().filter(|record| record.event.kind == AuditKind::DeployRefused);
    assert_eq!(refusals.count(), 4, "each refusal is on record");
}

#[tokio::test]
async fn a_function_has_so_many_aliases() {
    let harness = stages().await;
    let one = digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    let spec = releaser("dev");
    for number in 0..20 {
        set_alias(&harness, &spec, ("count", &format!("a{number}")), &[(&one, 100)]).await.expect("room");
    }
    let full = set_alias(&harness, &spec, ("count", "one-more"), &[(&one, 100)]).await.expect_err("no room");
    assert!(reason(&full) == "request_malformed" && full.message().contains("at most 20"), "{full}");
    set_alias(&harness, &spec, ("count", "a0"), &[]).await.expect("gone");
    set_alias(&harness, &spec, ("count", "one-more"), &[(&one, 100)]).await.expect("the twin: room again");
}

#[tokio::test]
async fn curl_can_promote_as_well() {
    let harness = stages().await;
    deploy_number(&harness, "count", 1).await;
    let headers = [("authorization", format!("Bearer {}", harness.token(&releaser("stage"))))];
    let body = json!({"environment": "stage", "function": "count", "fromEnvironment": "dev", "percent": 0});
    let path = "/airlock.v1.FunctionService/Promote";
    let (status, answer) = http_post(harness.server().control_addr(), path, &headers, &body.to_string()).await;
    assert!(status == 200 && answer.contains("\"promotedFrom\":\"dev\""), "{answer}");
    let body = json!({"environment": "stage", "function": "count", "fromEnvironment": "dev", "percent": 101});
    let (status, answer) = http_post(harness.server().control_addr(), path, &headers, &body.to_string()).await;
    assert!(status == 400 && answer.contains("percent"), "{answer}");
}
