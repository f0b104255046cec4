//! The second wall: what works behind it, what does not, and that nobody serves without it by mistake.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
    path::Path,
    process::{Command, Stdio},
};

use airlock_tests::{
    airlock_binary,
    guests::{WatGuest, built},
    output,
    process::{NOBODY, Place, wait},
};
use serde_json::{Value, json};

const PLAIN: &str = "name = \"one\"\nlanguage = \"component\"\n";
const PROBE: &str = env!("CARGO_BIN_EXE_wall-probe");

/// Nobody can become another user without being root first.
fn other_user() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(NOBODY)
}

#[tokio::test]
async fn a_server_behind_the_wall_deploys_calls_restarts_and_drains() {
    let place = Place::make(None).await;
    let server = place.serve().await;
    assert!(server.lines.iter().any(|line| line.contains("Isolation L1 (Landlock ABI")), "{:?}", server.lines);
    assert!(server.is_healthy("airlock.isolation.L1").await && !server.is_healthy("airlock.isolation.L0").await);
    server.deploy(PLAIN, WatGuest::returning("1").component()).await.expect("a small guest");
    for guest in ["order-summary", "sql-probe"] {
        let (manifest, component) = built(guest);
        server.deploy(&manifest, component).await.unwrap_or_else(|status| panic!("{guest}: {status:?}"));
    }
    let answer = output(&server.invoke("order-summary", r#"{"customer":"ada"}"#).await.expect("SQLite and HTTP"));
    assert_eq!(answer["tier"], "gold", "{answer}");
    let change =
        r#"{"op":"execute","statement":"update orders set total = total + 1 where customer = ?1","params":["ada"]}"#;
    let answer = output(&server.invoke("sql-probe", change).await.expect("a write, with its journal"));
    assert_eq!(answer["affected"], 3, "{answer}");
    let (status, lines) = server.stop().await;
    assert!(status.success(), "{status} {lines:#?}");

    let server = place.serve().await;
    assert_eq!(output(&server.invoke("one", "null").await.expect("after a restart")), json!(1));
    let answer = server.invoke("order-summary", r#"{"customer":"ada"}"#).await.expect("after a restart");
    assert_eq!(output(&answer)["tier"], "gold");
    assert!(server.stop().await.0.success());
    let started = place.trail().await.remove(0).event.message.expect("a message");
    assert!(started.starts_with("isolation L1 (Landlock ABI"), "{started}");
}

#[tokio::test]
async fn nobody_needs_to_be_root() {
    let Some(user) = other_user() else { return };
    let place = Place::make(Some(user)).await;
    let server = place.serve().await;
    server.deploy(PLAIN, WatGuest::returning("1").component()).await.expect("deployed");
    assert_eq!(output(&server.invoke("one", "null").await.expect("called")), json!(1));
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a process");
    for fact in ["Uid:\t65534", "NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"] {
        assert!(status.contains(fact), "{fact} is not in {status}");
    }
    let (status, lines) = server.stop().await;
    assert!(status.success(), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("PAGEMAP_SCAN")), "memory is reset the slow way: {lines:#?}");
}

/// Runs the probe against this test and gives what it tried.
async fn probed(user: Option<u32>, more: &[&str]) -> Value {
    let place = Place::make(user).await;
    place.configure("control = \"127.0.0.1:0\"", "control = \"127.0.0.1:17071\"");
    // One resource with a name to resolve.
    let named = "[resources.named]\nkind = \"http\"\n[resources.named.dev]\nengine = \"http\"\n\
                 base_url = \"https://localhost\"\noperations = [\"GET\"]\n";
    place.configure("[resources.crm]\n", &format!("{named}[resources.crm]\n"));
    for dir in ["state", "cache"] {
        std::fs::create_dir(place.path(dir)).expect("a directory");
    }
    // Elsewhere: the directory of the configuration may be read.
    let outside = tempfile::tempdir().expect("a directory");
    std::fs::write(outside.path().join("secret.txt"), "secret").expect("a file");
    for path in [outside.path().to_owned(), outside.path().join("secret.txt")] {
        std::os::unix::fs::chown(path, user, user).expect("root may give files away");
    }
    place.give_away();
    let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
    let name = format!("airlock-probe-{}-{}", std::process::id(), trap.local_addr().expect("bound").port());
    let address = |name: &str| SocketAddr::from_abstract_name(name).expect("a name");
    let _stream = UnixListener::bind_addr(&address(&name)).expect("an abstract socket");
    let _datagram = UnixDatagram::bind_addr(&address(&format!("{name}-datagrams"))).expect("an abstract socket");
    let mut command = place.command(Path::new(PROBE));
    command.args([place.path("airlock.toml"), place.path("cache"), outside.path().to_owned()]);
    command.arg(trap.local_addr().expect("bound").port().to_string());
    command.arg(place.crm.address.port().to_string()).arg(name).args(more);
    tokio::task::spawn_blocking(move || talk(command)).await.expect("a conversation")
}

/// The probe asks for a file to be replaced, as an operator would from outside.
fn talk(mut command: Command) -> Value {
    let mut probe = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the probe");
    let mut answers = probe.stdin.take().expect("piped");
    let mut report = Value::Null;
    for line in BufReader::new(probe.stdout.take().expect("piped")).lines().map_while(Result::ok) {
        if let Some(path) = line.strip_prefix("replace ") {
            let new = format!("{path}.new");
            std::fs::write(&new, "new").and_then(|()| std::fs::rename(&new, path)).expect("replaced");
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(path, open).expect("readable by all");
            answers.write_all(b"y").expect("heard");
        } else if line.starts_with('{') {
            report = serde_json::from_str(&line).expect("JSON");
        }
    }
    assert!(wait(&mut probe).success());
    report
}

/// The wall's own answers: not permitted, no access, no such call, not across directories.
const WALL_ERRNOS: [i64; 4] = [1, 13, 38, 18];

fn assert_walled(report: &Value) {
    let tried = report["tried"].as_array().expect("a list");
    let succeeded: Vec<_> = tried.iter().filter(|probe| probe["succeeded"] == true).collect();
    assert!(succeeded.is_empty(), "{succeeded:#?}");
    let by_wall = |probe: &&Value| probe["errno"].as_i64().is_some_and(|errno| WALL_ERRNOS.contains(&errno));
    let elsewise: Vec<_> = tried.iter().filter(|probe| !by_wall(probe)).collect();
    assert!(elsewise.is_empty(), "failed, but not at the wall: {elsewise:#?}");
    assert!(tried.len() >= 80, "{} probes", tried.len());
    let broken: Vec<_> =
        report["allowed"].as_array().expect("a list").iter().filter(|twin| twin["ok"] != true).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(report["allowed"].as_array().map(Vec::len), Some(11));
}

#[tokio::test]
async fn nothing_that_is_forbidden_succeeds_and_what_is_allowed_does() {
    assert_walled(&probed(None, &[]).await);
}

#[tokio::test]
async fn nothing_that_is_forbidden_succeeds_without_root() {
    let Some(user) = other_user() else { return };
    assert_walled(&probed(Some(user), &[]).await);
}

#[tokio::test]
async fn without_the_wall_the_probes_do_succeed() {
    let report = probed(None, &["--without-wall"]).await;
    let tried = report["tried"].as_array().expect("a list");
    let failed: Vec<_> = tried.iter().filter(|probe| probe["succeeded"] == false).collect();
    assert!(tried.len() >= 45 && failed.len() <= 5, "{} of {} failed: {failed:#?}", failed.len(), tried.len());
}

/// A command under a filter that hides Landlock, as a container or an old kernel would.
fn without_landlock(place: &Place, program: &Path) -> Command {
    let mut command = place.command(Path::new(PROBE));
    command.arg("hide-landlock").arg(program);
    command
}

#[tokio::test]
async fn a_server_refuses_to_start_below_its_level() {
    let place = Place::make(None).await;
    let mut command = without_landlock(&place, &airlock_binary());
    command.args(place.serve_arguments()).stderr(Stdio::piped());
    let mut server = command.spawn().expect("a server");
    assert_eq!(wait(&mut server).code(), Some(1));
    let mut said = String::new();
    server.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    for wanted in ["Landlock ABI 6", "offers none", "level = \"L0\""] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!place.path("state/airlock.db").exists());
}

#[tokio::test]
async fn without_landlock_a_server_at_l0_still_compiles_and_says_what_is_missing() {
    let place = Place::make(None).await;
    place.configure("\"L1\"", "\"L0\"");
    let mut command = without_landlock(&place, &airlock_binary());
    command.args(place.serve_arguments());
    let server = place.start(command).await;
    assert!(server.is_healthy("airlock.isolation.L0").await && !server.is_healthy("airlock.isolation.L1").await);
    server.deploy(PLAIN, WatGuest::returning("1").component()).await.expect("deployed");
    let (status, lines) = server.stop().await;
    assert!(status.success(), "{lines:#?}");
    let remarks = lines.iter().filter(|line| line.contains("the compile process is not locked in")).count();
    assert_eq!(remarks, 1, "{lines:#?}");
}

#[tokio::test]
async fn the_compile_child_is_locked_in_before_it_reads_a_byte() {
    let place = Place::make(None).await;
    let cache = place.path("cache");
    let limits = ["--memory-bytes", "3221225472", "--cpu-s", "60"];
    let arguments =
        ["compile-child", "--locked", "--cache-dir", cache.to_str().expect("UTF-8")].into_iter().chain(limits);
    let spawn = |mut command: Command| {
        command.args(arguments.clone()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the child")
    };
    let mut child = spawn(place.command(&airlock_binary()));
    let facts = || std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    // Two filters: one hides calls, one lists what is left. Nothing was sent yet.
    while !(facts().contains("NoNewPrivs:\t1") && facts().contains("Seccomp_filters:\t2")) {
        assert!(std::time::Instant::now() < end, "{}", facts());
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let component = WatGuest::returning("1").component();
    child.stdin.take().expect("piped").write_all(&component).expect("sent");
    let ended = child.wait_with_output().expect("an end");
    assert!(ended.status.success() && ended.stdout.starts_with(b"\x7fELF"), "{ended:?}");
    assert!(std::fs::read_dir(cache.join("compiled")).expect("a cache").count() > 0, "the cache was not written");

    let mut refusing = without_landlock(&place, &airlock_binary());
    refusing.args(arguments).stdin(Stdio::null());
    let ended = refusing.output().expect("an end");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(3) && said.contains("cannot lock the compile process in"), "{said}");
}
