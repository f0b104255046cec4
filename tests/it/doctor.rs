//! `airlock doctor`: every check speaks, and what stops a server stops it with status 1.

use std::{net::TcpListener, path::Path, process::Command};

use airlock_tests::{airlock_binary, process::Place};
use serde_json::Value;

fn examine(mut command: Command) -> (i32, Value) {
    command.args(["doctor", "--json", "--config", "airlock.toml", "--cache-dir", "cache"]);
    let output = command.output().expect("the doctor");
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().expect("a status"), report)
}

fn status<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no `{name}`: {report:#}"));
    assert!(!check["detail"].as_str().expect("a detail").is_empty(), "{check}");
    let status = check["status"].as_str().expect("a status");
    assert_eq!(status == "ok", check["fix"].is_null(), "what is not ok has a fix: {check}");
    status
}

#[tokio::test]
async fn a_machine_that_can_serve_gets_a_clean_bill() {
    let place = Place::make(None).await;
    let (code, report) = examine(place.command(&airlock_binary()));
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["isolation"]["asked"], &report["isolation"]["reached"]), (&"L1".into(), &"L1".into()));
    assert!(report["isolation"]["landlock_abi"].as_u64() >= Some(6) && report["isolation"]["seccomp"] == true);
    assert!(report["kernel"]["release"].is_string() && report["kernel"]["pagemap_scan"].is_boolean());
    for fact in ["cores", "memory_bytes", "open_files_hard", "max_map_count"] {
        assert!(report["machine"][fact].as_u64() > Some(0), "{fact}: {report:#}");
    }
    for check in ["configuration", "isolation", "ports", "writable_directories", "clock", "cache_directory"] {
        assert_eq!(status(&report, check), "ok", "{check}");
    }
    // Looking changes nothing.
    assert!(!place.path("state").exists() && !place.path("cache").exists());
}

#[tokio::test]
async fn what_stops_a_server_is_an_error_with_a_fix() {
    let place = Place::make(None).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("control = \"{}\"", taken.local_addr().expect("bound"));
    place.configure("control = \"127.0.0.1:0\"", &address);
    let (code, report) = examine(place.command(&airlock_binary()));
    assert_eq!((code, status(&report, "ports")), (1, "error"), "{report:#}");

    let mut old_kernel = place.command(Path::new(env!("CARGO_BIN_EXE_wall-probe")));
    old_kernel.arg("hide-landlock").arg(airlock_binary());
    let (code, report) = examine(old_kernel);
    assert_eq!((code, status(&report, "isolation")), (1, "error"), "{report:#}");
    assert_eq!(report["isolation"]["reached"], "L0");
    assert!(report["isolation"]["landlock_abi"].is_null());

    place.configure("[server]", "[serve]");
    let (code, report) = examine(place.command(&airlock_binary()));
    assert_eq!((code, status(&report, "configuration")), (1, "error"), "{report:#}");
}

#[tokio::test]
async fn a_configuration_that_the_server_could_change_is_a_warning() {
    let place = Place::make(None).await;
    place.configure("data/orders.db", "orders.db");
    let (code, report) = examine(place.command(&airlock_binary()));
    assert_eq!((code, status(&report, "writable_directories")), (0, "warning"), "{report:#}");
}

#[tokio::test]
async fn every_backend_is_asked_and_one_that_does_not_answer_is_named() {
    let place = Place::make(None).await;
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let binding = format!(
        "[resources.away]\nkind = \"kv\"\n[resources.away.dev]\nengine = \"redis\"\nhost = \"127.0.0.1\"\nport = {}\n\
         allow_private = [\"127.0.0.1/32\"]\ntls = \"disable\"\noperations = [\"read\"]\n\n[environments.dev]",
        nobody.port()
    );
    place.configure("[environments.dev]", &binding);
    let (code, report) = examine(place.command(&airlock_binary()));
    assert_eq!(code, 0, "a server starts without it: {report:#}");
    let checks = report["checks"].as_array().expect("checks").iter().filter(|check| check["name"] == "resource");
    let of = |status: &str| {
        let found = checks.clone().filter(|check| check["status"] == status);
        found.map(|check| check["detail"].as_str().expect("a detail")).collect::<Vec<_>>()
    };
    assert!(of("ok").iter().any(|detail| detail.starts_with("`orders-db` in `dev` answers")), "{report:#}");
    let away: Vec<_> = of("warning").into_iter().filter(|detail| detail.starts_with("`away` in `dev`: ")).collect();
    assert!(matches!(away[..], [one] if one.contains("refuses")), "{report:#}");
}
