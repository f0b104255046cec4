//! Signed checkpoints, and what they prove about a trail that somebody has changed.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_model::Digest;
use airlock_proto::v1::{AuditServiceCheckpointRequest, AuditServiceVerifyRequest, AuditServiceVerifyResponse};
use airlock_store::Checkpoint;
use airlock_tests::{
    Harness, Options, airlock_binary, guests::WatGuest, process::Place, reason, tokens::TokenSpec, with_token,
};
use rusqlite::Connection;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn verify(state: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(airlock_binary());
    command.args(["audit", "verify", "--json", "--state"]).arg(state).args(more).output().expect("airlock runs")
}

/// The exit code, and what is wrong with which record.
pub(super) fn judged(state: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let output = verify(state, more);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code(), report)
}

/// A server that made some records and has ended, with the checkpoints that it told.
async fn ended(config: &str) -> Harness {
    let mut harness = Harness::start_with(Options { more_config: config.to_owned() }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    for _ in 0..5 {
        harness.invoke("one", "null").await.expect("it runs");
    }
    harness.app().announce_checkpoint().await.expect("announced");
    harness.drain(Duration::from_secs(5)).await;
    harness
}

fn trail(harness: &Harness) -> Connection {
    Connection::open(harness.dir().join("state/airlock.db")).expect("opened")
}

const IN_A_FILE: &str = "[audit.checkpoints]\nevery_s = 86_400\nfile = \"kept.jsonl\"\n";

#[tokio::test]
async fn a_trail_that_was_cut_off_shows_against_a_checkpoint_kept_elsewhere() {
    let harness = ended(IN_A_FILE).await;
    let (state, kept) = (harness.dir().join("state"), harness.dir().join("kept.jsonl"));
    let elsewhere = ["--checkpoint", kept.to_str().expect("UTF-8")];
    let (code, report) = judged(&state, &elsewhere);
    assert_eq!((code, &report["integrity"], &report["complete"]), (Some(0), &true.into(), &true.into()), "{report}");
    assert_eq!(
        (&report["proven_to"], &report["kept_to"]),
        (&report["head"]["seq"], &report["head"]["seq"]),
        "{report}"
    );
    assert_eq!(judged(&state, &[]).1["proven_to"], Value::Null, "what is kept beside the trail proves nothing");

    let last = report["head"]["seq"].as_i64().expect("a number");
    trail(&harness).execute_batch(&format!("DELETE FROM audit WHERE seq >= {}", last - 1)).expect("cut");
    let (code, report) = judged(&state, &[]);
    assert_eq!((code, &report["first_bad"]["why"]), (Some(2), &"cut_off".into()), "by those beside it: {report}");
    trail(&harness).execute_batch("DELETE FROM checkpoints").expect("gone");
    let unproven = verify(&state, &[]);
    assert_eq!(unproven.status.code(), Some(0), "nothing is left to compare with");
    assert!(String::from_utf8_lossy(&unproven.stderr).contains("cut off"), "{unproven:?}");
    let (code, report) = judged(&state, &elsewhere);
    assert_eq!(
        (code, &report["first_bad"]["why"], &report["first_bad"]["seq"]),
        (Some(2), &"cut_off".into(), &last.into())
    );
}

/// Changes a record and computes every hash from there on anew, as whoever knows how the chain is made.
fn rewrite(trail: &Connection) {
    let sql = "SELECT seq, hash, body FROM audit ORDER BY seq";
    let rows: Vec<(i64, [u8; 32], String)> = {
        let mut statement = trail.prepare(sql).expect("prepared");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read");
        rows.collect::<Result<_, _>>().expect("rows")
    };
    let mut before = Checkpoint::genesis().hash;
    for (seq, _, body) in rows {
        let body = body.replace("\"token_id\":\"", "\"token_id\":\"not-");
        before = Digest::of_parts(&[
            &u64::try_from(seq).expect("positive").to_le_bytes(),
            before.as_bytes(),
            body.as_bytes(),
        ]);
        let sql = "UPDATE audit SET body = ?1, hash = ?2 WHERE seq = ?3";
        trail.execute(sql, (&body, before.as_bytes().as_slice(), seq)).expect("changed");
    }
}

#[tokio::test]
async fn a_trail_that_was_rewritten_shows_unless_the_key_was_taken_too() {
    let harness = ended(IN_A_FILE).await;
    let (state, kept) = (harness.dir().join("state"), harness.dir().join("kept.jsonl"));
    let head = judged(&state, &[]).1["head"].clone();
    rewrite(&trail(&harness));
    let (code, report) = judged(&state, &[]);
    assert_ne!(report["head"]["hash"], head["hash"], "something was changed");
    assert_eq!((code, &report["first_bad"]["why"]), (Some(2), &"rewritten".into()), "{report}");

    // With checkpoints to go with it, but not by the key.
    let forger = SigningKey::generate(Algorithm::EdDsa, "forger").expect("a key");
    let hash: Vec<u8> =
        trail(&harness).query_row("SELECT hash FROM audit ORDER BY seq DESC", [], |row| row.get(0)).expect("it");
    let forged = airlock_access::sign_checkpoint(
        &forger,
        &airlock_access::CheckpointClaims {
            instance: "airlock".to_owned(),
            seq: head["seq"].as_u64().expect("a number"),
            hash: Digest::from_bytes(hash.clone().try_into().expect("32 bytes")),
            issued_at_unix_s: 1,
        },
    );
    trail(&harness).execute_batch("DELETE FROM checkpoints").expect("gone");
    let sql = "INSERT INTO checkpoints (seq, hash, time_unix_ms, signed) VALUES (?1, ?2, 1, ?3)";
    trail(&harness).execute(sql, (head["seq"].as_i64(), &hash, forged.expect("signed"))).expect("forged");
    let (code, report) = judged(&state, &[]);
    assert_eq!(code, Some(2), "{report}");
    assert!(report["bad_checkpoints"][0]["why"].to_string().contains("none of the keys"), "{report}");

    // Without any key there is nothing to believe what is kept by.
    let public = std::fs::read(state.join("audit-jwks.json")).expect("read");
    std::fs::remove_file(state.join("audit-jwks.json")).expect("removed");
    assert_eq!(judged(&state, &[]).0, Some(2));
    std::fs::write(state.join("audit-jwks.json"), public).expect("back");

    // Even with the forger's key in the state directory: the real one is kept elsewhere, and so are checkpoints.
    let real = harness.dir().join("real.json");
    std::fs::copy(state.join("audit-jwks.json"), &real).expect("copied");
    std::fs::write(state.join("audit-jwks.json"), public_jwks(&[&forger])).expect("written");
    assert_eq!(judged(&state, &[]).0, Some(0), "nothing beside it is left to compare with");
    let (real, kept) = (real.to_str().expect("UTF-8"), kept.to_str().expect("UTF-8"));
    assert_eq!(judged(&state, &["--keys", real]).0, Some(2));
    assert_eq!(judged(&state, &["--keys", real, "--checkpoint", kept]).0, Some(2));
    let of_nobody = verify(&state, &["--checkpoint", kept]);
    assert_eq!(of_nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&of_nobody.stderr).contains("line 1 of"), "{of_nobody:?}");
}

#[tokio::test]
async fn a_file_of_checkpoints_is_read_as_a_crash_leaves_it_and_never_without_signatures() {
    let harness = ended(IN_A_FILE).await;
    let (state, kept) = (harness.dir().join("state"), harness.dir().join("kept.jsonl"));
    let whole = std::fs::read_to_string(&kept).expect("read");
    let arguments = ["--checkpoint", kept.to_str().expect("UTF-8")];
    std::fs::write(&kept, format!("{}\n{whole}{}", &whole[..40], &whole[..60])).expect("written");
    let (code, report) = judged(&state, &arguments);
    assert_eq!((code, &report["proven_to"]), (Some(0), &report["head"]["seq"]), "{report}");
    // The server goes on behind what was cut off.
    let mut harness = harness;
    harness.restart().await;
    harness.app().announce_checkpoint().await.expect("announced");
    let (code, report) = judged(&state, &arguments);
    assert_eq!((code, &report["integrity"]), (Some(0), &true.into()), "{report}");
    for unsigned in [
        format!("{}", report["head"]),
        format!("{{\"airlock_checkpoint\":null,\"seq\":1,\"hash\":{}}}", report["head"]["hash"]),
    ] {
        std::fs::write(&kept, unsigned).expect("written");
        let refused = verify(&state, &arguments);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no checkpoint"), "{refused:?}");
    }
}

async fn verify_by(
    harness: &Harness,
    spec: &TokenSpec,
    kept: Vec<String>,
) -> Result<AuditServiceVerifyResponse, tonic::Status> {
    let request = AuditServiceVerifyRequest { environment: "dev".to_owned(), checkpoints: kept };
    let answer = harness.audit_service().verify(with_token(request, &harness.token(spec))).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_auditor_keeps_checkpoints_and_has_the_trail_judged_by_them() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.invoke("one", "null").await.expect("it runs");
    let auditor = TokenSpec::control_with(&["audit:read"]);
    let request = AuditServiceCheckpointRequest { environment: "dev".to_owned() };
    let made = harness.audit_service().checkpoint(with_token(request.clone(), &harness.token(&auditor))).await;
    let made = made.expect("a checkpoint").into_inner();
    let other = harness.token(&TokenSpec::control_with(&["function:read"]));
    let refused = harness.audit_service().checkpoint(with_token(request, &other)).await.expect_err("no auditor");
    assert_eq!(reason(&refused), "not_granted");
    let refused =
        verify_by(&harness, &TokenSpec::control_with(&["function:read"]), vec![]).await.expect_err("no auditor");
    assert_eq!(reason(&refused), "not_granted");

    let report = verify_by(&harness, &auditor, vec![made.checkpoint.clone()]).await.expect("judged");
    assert!(report.integrity && report.complete && report.first_bad_reason.is_empty(), "{report:?}");
    assert!(report.proven_to_sequence >= made.sequence && made.sequence > 0, "{report:?} {made:?}");
    let forged = verify_by(&harness, &auditor, vec![format!("{}x", made.checkpoint)]).await.expect_err("forged");
    assert_eq!(reason(&forged), "request_malformed");

    trail(&harness)
        .execute_batch("UPDATE audit SET body = replace(body, 'one', 'two') WHERE seq = 2")
        .expect("changed");
    let report = verify_by(&harness, &auditor, vec![]).await.expect("judged");
    assert!(!report.integrity && report.first_bad_sequence == 2 && report.complete, "{report:?}");
    assert!(report.first_bad_reason.contains("hash"), "{report:?}");
}

/// Somebody who takes what is posted.
async fn collector() -> (SocketAddr, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, posted) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let (mut text, mut part) = (String::new(), [0; 4_096]);
                loop {
                    let read = stream.read(&mut part).await.unwrap_or(0);
                    text.push_str(&String::from_utf8_lossy(&part[..read]));
                    if read == 0 {
                        return;
                    }
                    if let Some((_, body)) = text.split_once("\r\n\r\n")
                        && body.ends_with('}')
                    {
                        sender.send(text.clone()).expect("the test listens");
                        text.clear();
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("answered");
                    }
                }
            });
        }
    });
    (address, posted)
}

#[tokio::test]
async fn checkpoints_are_posted_also_when_nothing_happens() {
    let (address, mut posted) = collector().await;
    let config = format!(
        "[audit.checkpoints]\nevery_s = 1\nwebhook = {{ url = \"http://{address}/keep\", allow_private = [\"127.0.0.1/32\"] }}\n"
    );
    let _harness = Harness::start_with(Options { more_config: config }).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let request = timeout(PATIENCE, posted.recv()).await.expect("posted in time").expect("posted");
        assert!(request.starts_with("POST /keep HTTP/1.1\r\n"), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").expect("a body");
        let said: Value = serde_json::from_str(body).expect("JSON");
        told.push((said["seq"].as_u64(), said["time_unix_ms"].as_u64(), said["airlock_checkpoint"].clone()));
    }
    assert_eq!(told[0].0, told[1].0, "nothing happened");
    assert!(told[0].1 < told[1].1 && told[0].2 != told[1].2, "{told:?}");
}

#[tokio::test]
async fn a_server_behind_its_wall_tells_its_checkpoints_and_a_last_one() {
    let place = Place::make(None).await;
    let config = format!(
        "[state]\ndir = \"state\"\n[audit]\nkey = {{ file = \"audit-key.json\" }}\n[audit.checkpoints]\nstdout = true\nfile = \"{}\"\n",
        place.path("files/kept.jsonl").display()
    );
    place.configure("[state]\ndir = \"state\"\n", &config);
    let key = SigningKey::generate(Algorithm::Es256, "audit-1").expect("a key");
    std::fs::write(place.path("audit-key.json"), key.to_file_text().expect("text").as_bytes()).expect("written");
    let mut command = place.command(Path::new("/bin/sh"));
    let words = place.serve_arguments().join(" ");
    command.args(["-c", &format!("exec {} {words} > lines.jsonl", airlock_binary().display())]);
    let served = place.start(command).await;
    let (status, said) = served.stop().await;
    assert!(status.success(), "{said:#?}");
    let lines = std::fs::read_to_string(place.path("lines.jsonl")).expect("lines");
    assert_eq!(std::fs::read_to_string(place.path("files/kept.jsonl")).expect("kept"), lines);
    assert!(lines.lines().count() >= 2, "the first and the last: {lines}");
    std::fs::write(place.path("elsewhere.json"), public_jwks(&[&key])).expect("written");
    let [kept, keys] = ["lines.jsonl", "elsewhere.json"].map(|name| place.path(name).display().to_string());
    let (code, report) = judged(&place.path("state"), &["--checkpoint", &kept, "--keys", &keys]);
    assert_eq!((code, &report["proven_to"]), (Some(0), &report["head"]["seq"]), "{report}");
}

#[tokio::test]
async fn a_configuration_that_cannot_sign_is_refused_with_its_line() {
    let place = Place::make(None).await;
    for (more, named) in [
        ("[audit]\nkey = { file = \"none.json\" }", "airlock keys new"),
        ("[audit.checkpoints]\nevery_s = 0", "audit.checkpoints.every_s"),
        ("[audit]\nkeep_days = 1", "audit.keep_days"),
        ("[audit.checkpoints]\nwebhook = { url = \"http://collector.example/\" }", "allow_plaintext"),
        ("[audit.checkpoints]\nfile = \"nowhere/kept.jsonl\"", "nowhere/kept.jsonl"),
    ] {
        let text = std::fs::read_to_string(place.path("airlock.toml")).expect("readable");
        let text = text.replace("\"L1\"", "\"L0\"");
        std::fs::write(place.path("other.toml"), format!("{text}\n{more}\n")).expect("written");
        let output =
            place.command(&airlock_binary()).args(["serve", "--config", "other.toml"]).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{more}: {said}");
        assert!(said.contains("other.toml:"), "{more}: {said}");
    }
}
