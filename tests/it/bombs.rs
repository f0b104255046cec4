//! Deploy bombs: each ends as the zoo says, in bounded time and memory, and the deploys of others go on.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use airlock_proto::v1::{DeployRequest, SourceFile};
use airlock_tests::{
    Harness, Options,
    guests::{WatGuest, built},
    reason,
    tokens::TokenSpec,
    with_token,
    zoo::{Group, Specimen, specimens},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Tighter than the defaults, so that what hits them does so soon.
const TIGHT: &str = "[deploy]\ncompile_cpu_s = 20\ncompile_wall_ms = \"40s\"\n";
const MIB: u64 = 1 << 20;
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Relaxed);
        usual(panic);
    }));
}

async fn tight() -> Harness {
    Harness::start_with(Options { more_config: TIGHT.to_owned() }).await
}

/// How an upload ended, in the words of [`Specimen::expected`].
async fn outcome(harness: &Harness, specimen: &Specimen, component: Vec<u8>) -> String {
    let manifest = format!("name = \"{}\"\nlanguage = \"component\"\n{}", specimen.name, specimen.manifest);
    let began = Instant::now();
    let deployed = harness.deploy(&manifest, component).await;
    println!("{:<32} deployed or refused after {:.1?}", specimen.name, began.elapsed());
    match deployed {
        Err(status) if reason(&status) == "component_rejected" => format!("rejected:{}", rules(&status).join("+")),
        Err(status) => reason(&status),
        Ok(_) => match harness.invoke(specimen.name, specimen.payload).await {
            Ok(_) => "returned".to_owned(),
            Err(status) => reason(&status),
        },
    }
}

/// The rules of all findings, each once.
fn rules(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.precondition_failure().map(|failure| failure.violations.clone()).unwrap_or_default();
    let rules: BTreeSet<_> = violations.into_iter().map(|violation| violation.r#type).collect();
    rules.into_iter().collect()
}

/// A number of `/proc/self/status`, in bytes.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with(key)).expect(key);
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

/// Children of this process that still run or wait to be reaped.
fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs").flatten();
    tasks
        .map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default())
        .map(|pids| pids.split_ascii_whitespace().count())
        .sum()
}

async fn no_child_is_left() {
    let deadline = Instant::now() + Duration::from_secs(10);
    while children() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(children(), 0, "a compile process outlived its deploy");
}

/// Whether analysis accepts a specimen, so that the compile process sees it.
fn is_compiled(specimen: &Specimen) -> bool {
    let analysis =
        ["not-a-component", "bound-exceeded", "component-invalid", "import-not-allowed", "import-undeclared"];
    let refused = specimen.expected.strip_prefix("rejected:").is_some_and(|rule| analysis.contains(&rule));
    !refused && specimen.expected != "request_malformed"
}

/// Deploys every specimen of one part of the group and compares.
async fn all_end_as_expected(compiled: bool) {
    count_panics();
    let harness = tight().await;
    let bombs = specimens().into_iter().filter(|specimen| specimen.group == Group::Deploy);
    let mut wrong = Vec::new();
    for bomb in bombs.filter(|bomb| is_compiled(bomb) == compiled) {
        // Off this thread: some take seconds to write down, and the connection has to be kept alive meanwhile.
        let (bomb, component) = tokio::task::spawn_blocking(move || {
            let component = (bomb.component)();
            (bomb, component)
        })
        .await
        .expect("written");
        let size = component.len() as u64;
        std::fs::write("/proc/self/clear_refs", "5").expect("resets the peak");
        let (before, began) = (memory("VmRSS"), Instant::now());
        let actual = outcome(&harness, &bomb, component).await;
        let (took, grew) = (began.elapsed(), memory("VmHWM").saturating_sub(before));
        println!("{:<32} {actual:<30} {took:>10.1?} +{:>4} MiB, upload {size}", bomb.name, grew / MIB);
        if actual != bomb.expected {
            wrong.push(format!("{}: expected {}, got {actual}", bomb.name, bomb.expected));
        }
        if took > Duration::from_secs(90) {
            wrong.push(format!("{}: took {took:?}", bomb.name));
        }
        // The upload is in memory at the client, on the wire and in the server; analysis and machine code come on top.
        if grew > 6 * size + 160 * MIB {
            wrong.push(format!("{}: {} MiB more for {size} bytes", bomb.name, grew / MIB));
        }
    }
    no_child_is_left().await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(PANICS.load(Relaxed), 0, "the host panicked");
    assert!(harness.is_serving().await);
}

#[tokio::test]
async fn every_bomb_that_analysis_refuses_ends_as_the_zoo_says() {
    all_end_as_expected(false).await;
}

#[tokio::test]
async fn every_bomb_that_is_compiled_ends_as_the_zoo_says() {
    all_end_as_expected(true).await;
}

#[test]
fn the_zoo_has_enough_bombs_with_names_of_their_own() {
    let bombs: Vec<_> = specimens().into_iter().filter(|specimen| specimen.group == Group::Deploy).collect();
    let names: BTreeSet<_> = bombs.iter().map(|bomb| bomb.name).collect();
    assert_eq!(names.len(), bombs.len(), "a name stands there twice");
    assert!(bombs.len() >= 24, "{}", bombs.len());
}

/// A component that takes the compiler many seconds.
fn slow() -> Vec<u8> {
    let bomb = specimens().into_iter().find(|specimen| specimen.name == "deploy-locals-joined").expect("in the zoo");
    (bomb.component)()
}

fn upload(name: &str, component: Vec<u8>) -> DeployRequest {
    DeployRequest {
        environment: "dev".to_owned(),
        manifest_toml: format!("name = \"{name}\"\nlanguage = \"component\"\n"),
        component,
        sources: Vec::new(),
        signature: Vec::new(),
    }
}

#[tokio::test]
async fn a_tenant_that_compiles_long_keeps_itself_waiting_and_nobody_else() {
    let more_config = "[deploy]\ncompile_wall_ms = \"10s\"\nwaiting_per_tenant = 1\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    let loud = harness.token(&TokenSpec::control().tenant("loud"));
    let (bomb, small) = (slow(), WatGuest::returning("1").component());
    let deploy = |request: DeployRequest, token: String| {
        let mut functions = harness.functions();
        tokio::spawn(async move { functions.deploy(with_token(request, &token)).await })
    };
    let first = deploy(upload("slow", bomb), loud.clone());
    while children() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = deploy(upload("second", small.clone()), loud.clone());
    tokio::time::sleep(Duration::from_millis(200)).await;
    // The first compiles, the second waits, the third is told to come again.
    let third = deploy(upload("third", small.clone()), loud).await.unwrap().expect_err("busy");
    assert_eq!((reason(&third).as_str(), third.code()), ("tenant_busy", Code::ResourceExhausted));
    assert!(third.get_error_details().retry_info().is_some_and(|retry| retry.retry_delay.is_some()), "{third:?}");
    // A neighbour deploys and calls meanwhile.
    let quiet = harness.token(&TokenSpec::control().tenant("quiet"));
    deploy(upload("quiet", small), quiet).await.unwrap().expect("the neighbour deploys");
    assert!(harness.invoke("quiet", "null").await.is_ok());
    assert!(!first.is_finished() && !second.is_finished(), "the neighbour waited for the slow compilation");
    assert_eq!(reason(&first.await.unwrap().expect_err("refused")), "component_rejected");
    second.await.unwrap().expect("its turn comes");
    no_child_is_left().await;
}

#[tokio::test]
async fn a_deploy_whose_client_goes_away_ends_its_compile_process() {
    let harness = tight().await;
    let token = harness.token(&TokenSpec::control());
    let mut functions = harness.functions();
    let request = with_token(upload("slow", slow()), &token);
    let deploy = tokio::spawn(async move { functions.deploy(request).await.map(drop) });
    while children() == 0 {
        assert!(!deploy.is_finished(), "it never compiled");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    deploy.abort();
    let began = Instant::now();
    no_child_is_left().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // The tenant's turn came back with it.
    harness.deploy_wat("after", &WatGuest::returning("1"), "").await;
    assert_eq!(reason(&harness.invoke("slow", "null").await.expect_err("absent")), "function_unknown");
}

#[tokio::test]
async fn an_operator_sets_the_bounds_and_the_finding_says_so() {
    let more_config = "[deploy.bounds]\nfunctions = 1\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    let refused =
        harness.deploy("name = \"f\"\nlanguage = \"component\"\n", WatGuest::returning("1").component()).await;
    let status = refused.expect_err("refused");
    assert!(status.message().contains("2 core functions, the bound `functions` is 1"), "{}", status.message());
}

#[tokio::test]
async fn machine_code_has_a_bound_of_its_own() {
    let more_config = "[deploy]\ncompiled_bytes = \"4KiB\"\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    let refused =
        harness.deploy("name = \"f\"\nlanguage = \"component\"\n", WatGuest::returning("1").component()).await;
    let status = refused.expect_err("refused");
    assert!(status.message().contains("4096 bytes of machine code (`[deploy] compiled_bytes`"), "{}", status.message());
    assert_eq!(rules(&status), ["compile-limit"]);
    no_child_is_left().await;
}

#[tokio::test]
async fn what_cannot_run_leaves_nothing_on_disk() {
    let harness = tight().await;
    let files = || walk(&harness.dir().join("state/artifacts"));
    let table = WatGuest::new("(i32.const 0)").fields("(table 1000000 funcref)");
    let status =
        harness.deploy("name = \"f\"\nlanguage = \"component\"\n", table.component()).await.expect_err("refused");
    assert_eq!(rules(&status), ["component-link"]);
    assert!(status.message().contains("does not fit the sandbox"), "{}", status.message());
    assert_eq!(files(), 0);
    harness.deploy_wat("f", &WatGuest::returning("1"), "").await;
    assert!(files() >= 2);
}

/// Files under a directory.
fn walk(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn a_manifest_that_is_a_bomb_is_malformed() {
    let harness = tight().await;
    let head = "name = \"f\"\nlanguage = \"component\"\n";
    let nest = |open: &str, close: &str| format!("{head}input = {}1{}", open.repeat(50_000), close.repeat(50_000));
    let schema = |schema: &str| format!("{head}[input]\n{schema}");
    let doubling: String = (0..20)
        .map(|n| format!("[input.\"$defs\".d{n}]\nallOf = [{{ \"$ref\" = \"#/$defs/d{0}\" }}, {{ \"$ref\" = \"#/$defs/d{0}\" }}]\n", n + 1))
        .collect();
    let manifests = [
        ("8 MB", format!("{head}description = \"{}\"", "x".repeat(8 << 20)), "at most 262144"),
        ("arrays", nest("[", "]"), "not valid"),
        ("tables", nest("{a=", "}"), "not valid"),
        ("keys", format!("{head}[input{}]", ".a".repeat(50_000)), "not valid"),
        ("resources", format!("{head}{}", resources(1_000)), "at most 64"),
        (
            "operations",
            format!("{head}[resources.a]\nkind=\"sql\"\noperations=[{}]", "\"read\",".repeat(1_000)),
            "at most 64",
        ),
        ("remote", schema("\"$ref\" = \"http://127.0.0.1:1/x\""), "nothing is ever fetched"),
        ("file", schema("\"$ref\" = \"file:///etc/passwd\""), "nothing is ever fetched"),
        ("meta", schema("\"$schema\" = \"http://127.0.0.1:1/x\""), "drafts"),
        ("circle", schema("items = { \"$ref\" = \"#\" }"), "refers to itself"),
        (
            "doubling",
            format!("{head}[input]\n\"$ref\" = \"#/$defs/d0\"\n{doubling}[input.\"$defs\".d20]\ntype = \"null\"\n"),
            "costs",
        ),
        ("backtracking", schema("pattern = '(a+)+\\1$'"), "not accepted"),
        ("large expression", schema("pattern = '((a{99}){99}){99}'"), "not accepted"),
        ("not a schema", schema("type = 7"), "not accepted"),
    ];
    for (name, manifest, said) in manifests {
        let began = Instant::now();
        let status = harness.deploy(&manifest, WatGuest::returning("1").component()).await.expect_err(name);
        assert_eq!((reason(&status).as_str(), status.code()), ("request_malformed", Code::InvalidArgument), "{name}");
        assert!(status.message().contains(said), "{name}: {}", status.message());
        assert!(began.elapsed() < Duration::from_secs(10), "{name}: {:?}", began.elapsed());
    }
    assert!(harness.is_serving().await);
}

fn resources(count: usize) -> String {
    (0..count).map(|n| format!("[resources.r{n}]\nkind = \"sql\"\noperations = [\"read\"]\n")).collect()
}

#[tokio::test]
async fn an_expression_that_would_backtrack_for_ever_is_judged_in_linear_time() {
    let harness = tight().await;
    let manifest = "name = \"f\"\nlanguage = \"component\"\n[input]\npattern = '^(a+)+$'\n";
    harness.deploy(manifest, WatGuest::returning("1").component()).await.expect("deployed");
    let began = Instant::now();
    let status = harness.invoke("f", &format!("\"{}!\"", "a".repeat(100_000))).await.expect_err("does not fit");
    assert_eq!(reason(&status), "request_malformed");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(harness.invoke("f", "\"aaa\"").await.is_ok());
}

#[tokio::test]
async fn sources_by_the_million_or_outside_the_project_are_malformed() {
    let harness = tight().await;
    let token = harness.token(&TokenSpec::control());
    let file = |path: String| SourceFile { path, text: String::new() };
    let large = SourceFile { path: "a".to_owned(), text: "x".repeat(9 << 20) };
    let uploads = [
        (0..1_000_000).map(|n| file(format!("{n:x}"))).collect(),
        vec![file("../../etc/passwd".to_owned())],
        vec![file("/etc/passwd".to_owned())],
        vec![file("a/..\\b".to_owned())],
        vec![file("a".repeat(100_000))],
        vec![large],
    ];
    for (at, sources) in uploads.into_iter().enumerate() {
        let request = DeployRequest { sources, ..upload("f", WatGuest::returning("1").component()) };
        let status = harness.functions().deploy(with_token(request, &token)).await.expect_err("refused");
        assert_eq!(reason(&status), "request_malformed", "{at}: {status:?}");
    }
}

/// The small one at every byte: over the wire, through everything.
#[tokio::test]
async fn a_component_cut_at_any_byte_is_refused_by_the_whole_deploy_path() {
    count_panics();
    let harness = tight().await;
    let whole = WatGuest::returning("1").component();
    let mut accepted = Vec::new();
    for length in 1..whole.len() {
        let deployed = harness.deploy("name = \"cut\"\nlanguage = \"component\"\n", whole[..length].to_vec()).await;
        match deployed {
            Err(status) => {
                assert_eq!(reason(&status), "component_rejected", "{length}: {status:?}");
                assert!(!rules(&status).is_empty(), "{length}: no finding");
            }
            Ok(_) => accepted.push(length),
        }
    }
    // Only names for debuggers stand behind the last export.
    assert!(accepted.len() <= 1, "{accepted:?}");
    assert_eq!(PANICS.load(Relaxed), 0);
    no_child_is_left().await;
}

/// QuickJS with its 1.7 MB: around every section border, and at a sample of all other bytes.
#[test]
fn a_large_component_cut_anywhere_is_refused_by_analysis() {
    let (_, whole) = built("chatty");
    let bounds = airlock_analysis::Bounds::BUILT_IN;
    assert!(airlock_analysis::inspect(&whole, &bounds).is_ok());
    let mut cuts: BTreeSet<usize> = BTreeSet::new();
    borders(&whole, 0, &mut cuts);
    assert!(cuts.len() > 20, "{}", cuts.len());
    let mut cuts: BTreeSet<usize> = cuts.into_iter().flat_map(|at| at.saturating_sub(2)..=at + 2).collect();
    let mut seed = 0x5eed_u64;
    for _ in 0..50 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        cuts.insert(usize::try_from(seed >> 33).expect("31 bits") % whole.len());
    }
    let mut accepted = 0;
    for cut in cuts.iter().copied().filter(|cut| *cut < whole.len()) {
        match airlock_analysis::inspect(&whole[..cut], &bounds) {
            Ok(_) => accepted += 1,
            Err(findings) => assert!(!findings.is_empty(), "cut at {cut}"),
        }
    }
    println!("{} cuts, {accepted} accepted", cuts.len());
    // Custom sections stand behind the last export.
    assert!(accepted <= 10, "{accepted}");
}

/// Where the sections of a component or module, and of those inside it, begin.
fn borders(bytes: &[u8], offset: usize, found: &mut BTreeSet<usize>) {
    let is_component = bytes.starts_with(b"\0asm\x0d");
    let mut at = 8;
    while at < bytes.len() {
        found.insert(offset + at);
        let id = bytes[at];
        let (mut length, mut shift) = (0_usize, 0);
        at += 1;
        while at < bytes.len() {
            let byte = bytes[at];
            length |= usize::from(byte & 0x7f) << shift;
            (at, shift) = (at + 1, shift + 7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let end = (at + length).min(bytes.len());
        if is_component && (id == 1 || id == 4) {
            borders(&bytes[at..end], offset + at, found);
        }
        at = end;
    }
}
