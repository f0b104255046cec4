//! Approvals on disk: each step once, with its event, whatever ends the process.
//!
//! `AIRLOCK_APPROVAL_KILL_POINTS` sets how many kills (20 when not set; 200 before a release).

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    sync::Arc,
    task::Poll,
};

use airlock_model::{
    Approval, ApprovalId, ApprovalPolicy, ApprovalState, Asked, AuditEvent, AuditKind, Digest, Effect, Executed,
    Execution, Principal, Progress, StatementClass, StatementLanguage, Terms,
};

use super::{Random, child, environment, function, open, state_dir};
use crate::{
    ApprovalFilter, AuditFilter, Claim, DecideError, Decider, PENDING_MAX, PageRequest, Standing, Store, Word,
};

const NOW: u64 = 1_000_000;

/// A request for one execution with this parameter.
pub(super) fn request(number: u64, parameter: u64) -> Approval {
    let execution = Execution {
        revision: "r1".to_owned(),
        app: "desk".parse().expect("a name"),
        subject: "grace".to_owned(),
        actor: None,
        parameters_sha256: Digest::of(parameter.to_string().as_bytes()),
    };
    let asked = Asked {
        tenant: "acme".parse().expect("a name"),
        environment: environment("dev"),
        function: function("billing"),
        resource: "orders-db".parse().expect("a name"),
        language: StatementLanguage::Sql,
        text: "update orders set total = 1 where id = ?".to_owned(),
        execution: Some(execution),
    };
    Approval {
        id: ApprovalId::new(u128::from(number)),
        progress: Progress::requested(asked.scope(), NOW + 1_000_000),
        asked,
        effect: Effect { class: Some(StatementClass::Write), counts_rows: true, ..Effect::default() },
        parameters: Some(format!("[{parameter}]")),
        authors: vec!["ada".to_owned()],
        revision: "r1".to_owned(),
        requested_unix_ms: NOW,
        rows_max: None,
        decided: None,
        executed: None,
        follows_unknown: None,
    }
}

fn statement(number: u64) -> Approval {
    let mut new = request(number, 0);
    new.asked.execution = None;
    new.progress = Progress::requested(new.asked.scope(), NOW + 1_000_000);
    new
}

pub(super) fn intent() -> AuditEvent {
    AuditEvent::new(AuditKind::HostCallIntent, NOW)
}

fn decider(tenant: &str) -> Decider {
    let (tenant, app) = (tenant.parse().expect("a name"), "console".parse().expect("a name"));
    let principal = Principal { tenant, app, subject: "linus".to_owned(), actor: None };
    Decider { principal, environment: environment("dev") }
}

pub(super) async fn approve(store: &Store, id: &ApprovalId) -> Result<Approval, DecideError> {
    let word = Word::Approve(Terms::default(), ApprovalPolicy::default());
    let event = AuditEvent::new(AuditKind::ApprovalGranted, NOW);
    store.decide_approval(id.clone(), decider("acme"), word, event).await
}

/// What a question finds is what a claim would find, and a question leaves nothing.
#[tokio::test]
async fn what_stands_is_found_and_nothing_is_asked_for() {
    let dir = state_dir();
    let store = open(dir.path());
    let standing =
        async |new: &Approval, now: u64| store.standing_approval(new.asked.clone(), now).await.expect("read");
    let new = request(1, 1);
    for _ in 0..3 {
        assert_eq!(standing(&new, NOW).await, Standing::Nothing);
    }
    assert!(
        store.approval(new.id.clone(), new.asked.tenant.clone(), environment("dev")).await.expect("read").is_none()
    );
    assert!(matches!(store.claim_approval(new.clone(), intent(), || NOW).await, Ok(Claim::Refused(_))));
    assert!(
        matches!(standing(&new, NOW).await, Standing::Refused(found) if found.progress.state == ApprovalState::Pending)
    );
    assert_eq!(standing(&new, NOW + 2_000_000).await, Standing::Nothing, "its time has passed");
    approve(&store, &new.id).await.expect("approved");
    assert!(matches!(standing(&new, NOW).await, Standing::Granted(found) if found.id == new.id));
    assert_eq!(standing(&request(2, 2), NOW).await, Standing::Nothing, "other parameters");
    for number in 2..=PENDING_MAX + 1 {
        let asked = store.claim_approval(request(number + 1, number), intent(), || NOW).await;
        assert!(matches!(asked, Ok(Claim::Refused(_))), "{asked:?}");
    }
    assert_eq!(standing(&request(999, 999), NOW).await, Standing::Full);
    assert!(matches!(store.claim_approval(request(999, 999), intent(), || NOW).await, Ok(Claim::Full)));
    assert_eq!(
        standing(&request(999, 999), NOW + 2_000_000).await,
        Standing::Nothing,
        "those that have ended make room"
    );
}

pub(super) fn executed() -> Executed {
    Executed { outcome: "ok".to_owned(), rows: Some(1) }
}

/// Asks in the moment that the request says.
async fn claim(store: &Store, new: Approval) -> Claim {
    let now = new.requested_unix_ms;
    store.claim_approval(new, intent(), move || now).await.expect("asked")
}

async fn refused(store: &Store, new: Approval) -> Approval {
    match claim(store, new).await {
        Claim::Refused(approval) => *approval,
        other => panic!("{other:?}"),
    }
}

async fn granted(store: &Store, new: Approval) -> Box<crate::Executing> {
    match claim(store, new).await {
        Claim::Granted(executing) => executing,
        other => panic!("{other:?}"),
    }
}

async fn state(store: &Store, id: &ApprovalId) -> ApprovalState {
    // What was queued before is on disk then.
    store.append(intent()).await.expect("appended");
    let found = store.approval(id.clone(), "acme".parse().expect("a name"), environment("dev")).await;
    found.expect("read").expect("there").progress.state
}

async fn kinds(store: &Store) -> Vec<AuditKind> {
    let all = store.query(AuditFilter { limit: Some(1_000), ..AuditFilter::default() }).await.expect("found");
    all.into_iter().filter(|record| record.event.approval.is_some()).map(|record| record.event.kind).collect()
}

#[tokio::test]
async fn each_step_is_on_record_with_the_approval() {
    let dir = state_dir();
    let store = open(dir.path());
    let first = refused(&store, request(1, 7)).await;
    assert_eq!((first.progress.state, &first.id), (ApprovalState::Pending, &ApprovalId::new(1)));
    assert_eq!(refused(&store, request(2, 7)).await.id, first.id, "the same is asked for once");
    approve(&store, &first.id).await.expect("approved");
    let mut executing = granted(&store, request(3, 7)).await;
    assert_eq!(refused(&store, request(4, 7)).await.progress.state, ApprovalState::Executing);
    executing.begin();
    executing.finish(executed());
    assert_eq!(state(&store, &first.id).await, ApprovalState::Used);
    let wanted = [
        AuditKind::ApprovalRequested,
        AuditKind::ApprovalGranted,
        AuditKind::ApprovalExecuting,
        AuditKind::HostCallIntent,
        AuditKind::ApprovalUsed,
    ];
    assert_eq!(kinds(&store).await, wanted);
    let again = refused(&store, request(5, 7)).await;
    assert_eq!((again.progress.state, &again.id), (ApprovalState::Pending, &ApprovalId::new(5)), "used once");
    assert!(store.verify(None).await.expect("verified").integrity);
}

#[tokio::test]
async fn what_is_let_go_is_not_executed_again() {
    let dir = state_dir();
    let store = open(dir.path());
    for (parameter, begins, wanted) in [(1, false, ApprovalState::Used), (2, true, ApprovalState::Unknown)] {
        let asked = refused(&store, request(parameter, parameter)).await;
        approve(&store, &asked.id).await.expect("approved");
        let mut executing = granted(&store, request(90, parameter)).await;
        if begins {
            executing.begin();
        }
        drop(executing);
        assert_eq!(state(&store, &asked.id).await, wanted);
        let again = refused(&store, request(50 + parameter, parameter)).await;
        assert_eq!(again.progress.state, ApprovalState::Pending);
        assert_eq!(again.follows_unknown, begins.then_some(asked.id), "whoever decides knows of the loss");
    }
}

/// A caller that goes away while it asks leaves nothing that is executing.
#[tokio::test]
async fn a_claim_that_nobody_waits_for_is_given_back() {
    let dir = state_dir();
    let store = open(dir.path());
    let asked = refused(&store, request(1, 1)).await;
    approve(&store, &asked.id).await.expect("approved");
    let claim = store.claim_approval(request(2, 1), intent(), || NOW);
    let mut claim = Box::pin(claim);
    // Polled once, so that it is queued, and then dropped.
    let was_asked = std::future::poll_fn(|context| Poll::Ready(claim.as_mut().poll(context).map(drop))).await;
    drop((was_asked, claim));
    for _ in 0..3_000 {
        if state(&store, &asked.id).await == ApprovalState::Used {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it is still {:?}", state(&store, &asked.id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixty_four_one_executes() {
    let dir = state_dir();
    let store = Arc::new(open(dir.path()));
    for round in 0..20 {
        let asked = refused(&store, request(1_000 + round, round)).await;
        approve(&store, &asked.id).await.expect("approved");
        let asks = |number: u64| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { claim(&store, request(number, round)).await })
        };
        let claims: Vec<_> = (0..64).map(|number| asks(2_000 + round * 64 + number)).collect();
        let mut held = Vec::new();
        for claim in claims {
            if let Claim::Granted(executing) = claim.await.expect("asked") {
                held.push(executing);
            }
        }
        assert_eq!(held.len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_statement_stands_for_every_execution_until_it_is_revoked() {
    let dir = state_dir();
    let store = open(dir.path());
    let asked = refused(&store, statement(1)).await;
    approve(&store, &asked.id).await.expect("approved");
    let held: Vec<_> = [granted(&store, statement(2)).await, granted(&store, statement(3)).await].into();
    drop(held);
    assert_eq!(state(&store, &asked.id).await, ApprovalState::Approved);
    let event = AuditEvent::new(AuditKind::ApprovalRevoked, NOW);
    let word = Word::Revoke(Some("no more".to_owned()));
    store.decide_approval(asked.id.clone(), decider("acme"), word, event).await.expect("revoked");
    assert_eq!(refused(&store, statement(4)).await.id, ApprovalId::new(4));
}

#[tokio::test]
async fn a_no_stands_with_its_reason_and_others_see_nothing() {
    let dir = state_dir();
    let store = open(dir.path());
    let asked = refused(&store, request(1, 1)).await;
    let say = async |tenant: &str, word| {
        let event = AuditEvent::new(AuditKind::ApprovalRejected, NOW);
        store.decide_approval(asked.id.clone(), decider(tenant), word, event).await
    };
    let foreign = say("globex", Word::Reject("mine".to_owned())).await;
    assert!(matches!(foreign, Err(DecideError::Refused(airlock_model::ApprovalRefusal::NotYours))), "{foreign:?}");
    let listed = async |tenant: &str| {
        let tenant = tenant.parse().expect("a name");
        store.approvals(tenant, environment("dev"), ApprovalFilter::default(), PageRequest::default()).await
    };
    assert_eq!(listed("globex").await.expect("listed").items, []);
    assert_eq!(listed("acme").await.expect("listed").items.len(), 1);
    say("acme", Word::Reject("too much".to_owned())).await.expect("rejected");
    let told = refused(&store, request(2, 1)).await;
    assert_eq!(told.id, asked.id, "nobody is asked the same again at once");
    assert_eq!(told.decided.and_then(|decided| decided.reason).as_deref(), Some("too much"));
    assert!(say("acme", Word::Approve(Terms::default(), ApprovalPolicy::default())).await.is_err());
    let later = Approval { requested_unix_ms: NOW + 1_000_000, ..request(3, 1) };
    assert_eq!(refused(&store, later).await.id, ApprovalId::new(3));
}

#[tokio::test]
async fn what_waits_is_bounded_and_what_has_ended_makes_room() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 0..PENDING_MAX {
        refused(&store, request(number, number)).await;
    }
    let more = claim(&store, request(500, 500)).await;
    assert!(matches!(more, Claim::Full), "{more:?}");
    let after = Approval { requested_unix_ms: NOW + 1_000_000, ..request(501, 501) };
    let more = claim(&store, after).await;
    assert!(matches!(more, Claim::Refused(_)), "{more:?}");
}

/// How long a request waits is the operator's to change: the oldest is not always the first to end.
#[tokio::test]
async fn what_has_ended_makes_room_behind_what_has_not() {
    let dir = state_dir();
    let store = open(dir.path());
    let mut lasting = request(0, 0);
    lasting.progress.expires_unix_ms = Some(NOW + 5_000_000);
    refused(&store, lasting).await;
    for number in 1..PENDING_MAX {
        refused(&store, request(number, number)).await;
    }
    let at = |moment: u64, number: u64| {
        let mut new = Approval { requested_unix_ms: moment, ..request(number, number) };
        new.progress.expires_unix_ms = Some(moment + 1_000_000);
        new
    };
    let early = claim(&store, at(NOW + 999_999, 500)).await;
    assert!(matches!(early, Claim::Full), "the twin: none has ended yet: {early:?}");
    assert_eq!(refused(&store, at(NOW + 1_000_000, 501)).await.id, ApprovalId::new(501));
    assert_eq!(state(&store, &ApprovalId::new(0)).await, ApprovalState::Pending);
    assert_eq!(state(&store, &ApprovalId::new(1)).await, ApprovalState::Expired);
}

/// A claim waits for the store's writer; what ends meanwhile has ended.
#[tokio::test]
async fn an_approval_that_ends_while_a_claim_waits_is_not_executed() {
    let dir = state_dir();
    let store = open(dir.path());
    for (parameter, moment, executes) in [(1, NOW + 86_400_000, false), (2, NOW, true)] {
        let asked = refused(&store, request(parameter, parameter)).await;
        approve(&store, &asked.id).await.expect("approved");
        // Asked in time, and looked at in that moment.
        let claimed = store.claim_approval(request(parameter + 10, parameter), intent(), move || moment).await;
        assert_eq!(matches!(claimed.expect("asked"), Claim::Granted(_)), executes, "{parameter}");
    }
    assert_eq!(state(&store, &ApprovalId::new(1)).await, ApprovalState::Expired);
}

/// Requests in between that were never sent say nothing of the one whose outcome is not known.
#[tokio::test]
async fn the_loss_of_an_execution_is_told_until_another_was_sent() {
    let dir = state_dir();
    let store = open(dir.path());
    let lost = refused(&store, request(1, 1)).await;
    approve(&store, &lost.id).await.expect("approved");
    let mut executing = granted(&store, request(90, 1)).await;
    executing.begin();
    executing.lose();
    let say = async |id: &ApprovalId, word| {
        let event = AuditEvent::new(AuditKind::ApprovalRejected, NOW);
        store.decide_approval(id.clone(), decider("acme"), word, event).await.expect("said")
    };
    let next = |number| Approval { requested_unix_ms: NOW + 1_000_000, ..request(number, 1) };
    // Taken back after it was approved.
    let second = refused(&store, request(2, 1)).await;
    assert_eq!(second.follows_unknown.as_ref(), Some(&lost.id));
    approve(&store, &second.id).await.expect("approved");
    say(&second.id, Word::Revoke(None)).await;
    // Approved, and given up before it was sent.
    let third = refused(&store, request(3, 1)).await;
    assert_eq!(third.follows_unknown.as_ref(), Some(&lost.id), "after a revocation");
    approve(&store, &third.id).await.expect("approved");
    drop(granted(&store, request(91, 1)).await);
    let fourth = refused(&store, request(4, 1)).await;
    assert_eq!(fourth.follows_unknown.as_ref(), Some(&lost.id), "after one that was not sent");
    say(&fourth.id, Word::Reject("look first".to_owned())).await;
    let mut fifth = next(5);
    fifth.progress.expires_unix_ms = Some(NOW + 2_000_000);
    let fifth = refused(&store, fifth).await;
    assert_eq!((&fifth.id, fifth.follows_unknown.as_ref()), (&ApprovalId::new(5), Some(&lost.id)), "after a no");
    approve(&store, &fifth.id).await.expect("approved");
    let mut executing = granted(&store, next(92)).await;
    executing.begin();
    executing.finish(executed());
    assert_eq!(refused(&store, next(6)).await.follows_unknown, None, "the twin: it was sent, and its outcome is known");
}

/// Every part of what is asked, each changed alone.
#[tokio::test]
async fn what_differs_in_any_part_is_not_executed() {
    let dir = state_dir();
    let store = open(dir.path());
    let asked = refused(&store, request(1, 1)).await;
    approve(&store, &asked.id).await.expect("approved");
    let changes: [&dyn Fn(&mut Asked); 8] = [
        &|asked| asked.tenant = "globex".parse().expect("a name"),
        &|asked| asked.environment = environment("qa"),
        &|asked| asked.function = function("other"),
        &|asked| asked.resource = "other-db".parse().expect("a name"),
        &|asked| asked.language = StatementLanguage::Graphql,
        &|asked| asked.text.push(' '),
        &|asked| asked.text.make_ascii_uppercase(),
        &|asked| asked.execution = None,
    ];
    let executions: [&dyn Fn(&mut Execution); 5] = [
        &|execution| execution.revision.push('0'),
        &|execution| execution.app = "other".parse().expect("a name"),
        &|execution| execution.subject.push('x'),
        &|execution| execution.actor = Some("agent".to_owned()),
        &|execution| execution.parameters_sha256 = Digest::of(b"2"),
    ];
    let of_execution = executions
        .into_iter()
        .map(|change| move |asked: &mut Asked| change(asked.execution.as_mut().expect("an execution")));
    let mut others: Vec<Approval> = vec![request(2, 1); changes.len()];
    others.iter_mut().zip(changes).for_each(|(new, change)| change(&mut new.asked));
    others.extend(of_execution.map(|change| {
        let mut new = request(2, 1);
        change(&mut new.asked);
        new
    }));
    for (number, mut other) in (10..).zip(others) {
        other.id = ApprovalId::new(number);
        let told = refused(&store, other).await;
        assert_eq!((told.progress.state, told.id), (ApprovalState::Pending, ApprovalId::new(number)));
    }
    drop(granted(&store, request(99, 1)).await);
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests sets how long they may take")]
fn kill_points() -> u64 {
    env::var("AIRLOCK_APPROVAL_KILL_POINTS").map_or(20, |text| text.parse().expect("a number of kills"))
}

/// The child asks, has it approved, executes (a line in a file stands for the effect) and settles, over and over; it is killed
/// anywhere in between.
#[tokio::test]
async fn killed_anywhere_each_execution_happens_at_most_once_and_used_means_that_it_did() {
    let (dir, mut random) = (state_dir(), Random(17));
    let (mut unknown, mut used) = (0, 0);
    for kill in 0..kill_points() {
        let mut running = child::start("execute", dir.path());
        let mut said = BufReader::new(running.stderr.take().expect("piped"));
        let mut line = String::new();
        // A step is said before it is taken, so that the kill falls into it or behind it.
        for _ in 0..random.below(40) + 1 {
            line.clear();
            assert!(said.read_line(&mut line).expect("read") > 0, "the child ended early: {line}");
        }
        std::thread::sleep(std::time::Duration::from_micros(random.below(2_000)));
        running.kill().expect("killed");
        running.wait().expect("reaped");
        said.read_to_string(&mut line).expect("read");
        (unknown, used) = settled(dir.path(), kill).await;
    }
    assert!(used > 0 && (unknown > 0 || kill_points() < 100), "{used} used, {unknown} unknown");
}

/// Checks every approval against the effects; gives how many are unknown and used.
async fn settled(dir: &Path, kill: u64) -> (usize, usize) {
    let store = open(dir);
    store.lose_executions(NOW).await.expect("settled");
    let mut effects: BTreeMap<String, u64> = BTreeMap::new();
    for line in std::fs::read_to_string(dir.join("effects")).unwrap_or_default().lines() {
        *effects.entry(line.to_owned()).or_default() += 1;
    }
    let (mut unknown, mut used, mut page) = (0, 0, PageRequest { size: Some(1_000), token: None });
    loop {
        let tenant = "acme".parse().expect("a name");
        let found = store.approvals(tenant, environment("dev"), ApprovalFilter::default(), page).await.expect("listed");
        for approval in found.items {
            let times = effects.remove(approval.id.as_str()).unwrap_or_default();
            let state = approval.progress.state;
            match state {
                ApprovalState::Used => assert_eq!(times, 1, "kill {kill}: used and not executed once: {approval:?}"),
                ApprovalState::Unknown => assert!(times <= 1, "kill {kill}: executed {times} times"),
                other => assert_eq!(times, 0, "kill {kill}: executed while {other:?}"),
            }
            unknown += usize::from(state == ApprovalState::Unknown);
            used += usize::from(state == ApprovalState::Used);
        }
        match found.next {
            Some(token) => page = PageRequest { size: Some(1_000), token: Some(token) },
            None => break,
        }
    }
    assert!(effects.is_empty(), "kill {kill}: effects without an approval: {effects:?}");
    let report = store.verify(None).await.expect("verified");
    assert!(report.integrity, "kill {kill}: {report:?}");
    (unknown, used)
}

/// What the child does until it is killed.
pub(super) async fn execute_until_killed(dir: &Path, say: impl Fn(&str)) {
    let store = Store::open(dir).expect("opened");
    store.append(store.server_started_event(0)).await.expect("appended");
    store.lose_executions(NOW).await.expect("settled");
    let mut effects = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("effects")).expect("a file");
    loop {
        let number = store.next_call_number().expect("a number");
        say("request");
        let asked = refused(&store, of_its_own(number)).await;
        say("approve");
        approve(&store, &asked.id).await.expect("approved");
        say("claim");
        let mut executing = granted(&store, of_its_own(number)).await;
        executing.begin();
        say("execute");
        std::io::Write::write_all(&mut effects, format!("{}\n", asked.id).as_bytes()).expect("written");
        say("finish");
        executing.finish(executed());
        say("replay");
        let mut replay = of_its_own(number);
        replay.id = ApprovalId::new(u128::from(number) << 64);
        assert_eq!(refused(&store, replay).await.progress.state, ApprovalState::Pending);
    }
}

/// A function of its own each time, so that what waits stays below its bound.
fn of_its_own(number: u64) -> Approval {
    let mut new = request(number, number);
    new.asked.function = function(&format!("billing-{number}"));
    new
}
