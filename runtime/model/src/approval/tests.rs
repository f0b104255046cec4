//! The machine over every order of what several people, a clock, two executions and a crash can do.

use super::*;
use crate::approval::progress::{Scope, State, Step};

/// Who acts, each with the steps it takes in this order.
const ACTORS: [&[Event]; 8] = [
    &[Event::Approve],
    &[Event::Approve],
    &[Event::Reject],
    &[Event::Revoke],
    &[Event::Expire],
    &[Event::Crash],
    &[Event::Execute(0), Event::Finish(0)],
    &[Event::Execute(1), Event::Finish(1)],
];
const END: u64 = 100;

#[derive(Clone, Copy)]
enum Event {
    Approve,
    Reject,
    Revoke,
    /// The clock passes the end, and somebody writes it down.
    Expire,
    Crash,
    Execute(usize),
    Finish(usize),
}

/// What has happened to one approval so far.
#[derive(Clone, Copy)]
struct World {
    progress: Progress,
    now: u64,
    times: Option<u32>,
    /// Which executor believes that it may go on.
    holds: [bool; 2],
    executions: u32,
    lost: u32,
    yes: u32,
    is_closed: bool,
}

impl World {
    fn new(scope: Scope, times: Option<u32>) -> Self {
        let progress = Progress::requested(scope, END);
        let (holds, executions, lost, yes) = ([false; 2], 0, 0, 0);
        Self { progress, now: 1, times, holds, executions, lost, yes, is_closed: false }
    }

    fn step(&mut self, step: Step) -> bool {
        let before = self.progress;
        match before.after(step, self.now) {
            Ok(after) => {
                assert!(!before.state.is_final(), "{before:?} {step:?} {after:?}");
                self.progress = after;
                true
            }
            Err(illegal) => {
                assert_eq!((illegal.from, illegal.step), (before.state, step));
                false
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Approve => {
                let step = Step::Approve { expires_unix_ms: Some(END), times: self.times };
                self.yes += u32::from(self.step(step));
            }
            Event::Reject => self.is_closed |= self.step(Step::Reject),
            Event::Revoke => self.is_closed |= self.step(Step::Revoke),
            Event::Expire => {
                self.now = END;
                self.is_closed |= self.step(Step::Expire);
            }
            Event::Crash => {
                self.lost += u32::from(self.step(Step::Lose));
                // Whoever executed is gone.
                self.holds = [false; 2];
            }
            Event::Execute(who) => {
                self.holds[who] = self.step(Step::Execute);
                if self.holds[who] {
                    assert!(self.yes > 0 && !self.is_closed && self.now < END, "executed without a standing yes");
                    self.executions += 1;
                }
            }
            Event::Finish(who) => {
                if std::mem::take(&mut self.holds[who]) && self.progress.scope == Scope::Execution {
                    assert!(self.step(Step::Finish), "an execution cannot end: {:?}", self.progress);
                }
            }
        }
    }
}

/// Every order of the actors' steps.
fn every_order(world: World, done: [usize; ACTORS.len()], seen: &mut u64, check: &dyn Fn(&World)) {
    let mut is_last = true;
    for (actor, events) in ACTORS.iter().enumerate() {
        let Some(event) = events.get(done[actor]) else { continue };
        is_last = false;
        let (mut next, mut after) = (world, done);
        next.happen(*event);
        after[actor] += 1;
        check(&next);
        every_order(next, after, seen, check);
    }
    *seen += u64::from(is_last);
}

#[test]
fn in_every_order_a_single_approval_is_executed_at_most_once() {
    let mut orders = 0;
    every_order(World::new(Scope::Execution, Some(1)), [0; ACTORS.len()], &mut orders, &|world| {
        assert!(world.executions <= 1 && world.yes <= 1);
        match world.progress.state {
            State::Used => assert_eq!((world.executions, world.lost), (1, 0), "used without an execution"),
            State::Unknown => assert_eq!((world.executions, world.lost), (1, 1)),
            State::Executing => assert_eq!(world.executions, 1),
            State::Pending | State::Approved | State::Rejected | State::Expired | State::Revoked => {
                assert_eq!(world.executions, 0);
            }
        }
    });
    assert_eq!(orders, 907_200, "10 steps, of which two pairs have an order of their own");
}

#[test]
fn in_every_order_repeats_are_one_after_the_other_and_end_with_a_loss() {
    for times in [Some(2), None] {
        let mut orders = 0;
        every_order(World::new(Scope::Execution, times), [0; ACTORS.len()], &mut orders, &|world| {
            let under_way = world.holds.iter().filter(|holds| **holds).count();
            assert!(under_way <= 1 && world.executions <= 2);
            assert_eq!(under_way == 1, world.progress.state == State::Executing);
            assert!(world.lost == 0 || world.progress.state == State::Unknown);
        });
        assert_eq!(orders, 907_200);
    }
}

#[test]
fn in_every_order_a_statement_is_executed_only_while_its_approval_stands() {
    let mut orders = 0;
    every_order(World::new(Scope::Statement, None), [0; ACTORS.len()], &mut orders, &|world| {
        assert!(!matches!(world.progress.state, State::Executing | State::Used | State::Unknown));
    });
    assert_eq!(orders, 907_200);
}

fn approval(scope: Scope, is_destructive: bool) -> Approval {
    let execution = Execution {
        revision: "r1".into(),
        app: "desk".parse().unwrap(),
        subject: "grace".into(),
        actor: None,
        parameters_sha256: Digest::of(b"[1]"),
    };
    let asked = Asked {
        tenant: "acme".parse().unwrap(),
        environment: "prod".parse().unwrap(),
        function: "billing".parse().unwrap(),
        resource: "orders-db".parse().unwrap(),
        language: StatementLanguage::Sql,
        text: "update orders set total = 1 where id = $1".into(),
        execution: (scope == Scope::Execution).then_some(execution),
    };
    Approval {
        id: ApprovalId::new(7),
        asked,
        effect: Effect { class: Some(StatementClass::Write), is_destructive, ..Effect::default() },
        parameters: None,
        authors: vec!["ada".into()],
        revision: "r1".into(),
        requested_unix_ms: 1,
        progress: Progress::requested(scope, 1_000_000),
        rows_max: None,
        decided: None,
        executed: None,
        follows_unknown: None,
    }
}

#[test]
fn each_part_of_what_is_asked_is_bound() {
    let asked = approval(Scope::Execution, false).asked;
    let changed = |change: &dyn Fn(&mut Asked)| {
        let mut other = asked.clone();
        change(&mut other);
        other.binding()
    };
    let execution = |change: &dyn Fn(&mut Execution)| changed(&|asked| change(asked.execution.as_mut().unwrap()));
    let bindings = [
        asked.binding(),
        changed(&|asked| asked.tenant = "globex".parse().unwrap()),
        changed(&|asked| asked.environment = "qa".parse().unwrap()),
        changed(&|asked| asked.function = "other".parse().unwrap()),
        changed(&|asked| asked.resource = "other-db".parse().unwrap()),
        changed(&|asked| asked.language = StatementLanguage::Graphql),
        changed(&|asked| asked.text.push(' ')),
        changed(&|asked| asked.execution = None),
        execution(&|execution| execution.revision.push('x')),
        execution(&|execution| execution.app = "other".parse().unwrap()),
        execution(&|execution| execution.subject.push('x')),
        execution(&|execution| execution.actor = Some(String::new())),
        execution(&|execution| execution.actor = Some("agent".into())),
        execution(&|execution| execution.parameters_sha256 = Digest::of(b"[\"1\"]")),
    ];
    let different: std::collections::BTreeSet<_> = bindings.iter().collect();
    assert_eq!(different.len(), bindings.len());
    assert_eq!(asked.clone().binding(), asked.binding());
}

#[test]
fn who_decides_and_on_what_terms_is_the_policys_word() {
    let (acme, globex, prod, qa) =
        ("acme".parse().unwrap(), "globex".parse().unwrap(), "prod".parse().unwrap(), "qa".parse().unwrap());
    let by = |subject, tenant, environment| Approver { subject, tenant, environment };
    let try_it = |scope, destructive, by: Approver<'_>, terms, policy: &ApprovalPolicy| {
        let mut approval = approval(scope, destructive);
        let before = approval.clone();
        let said = approval.approve(by, terms, policy, 5);
        assert!(said.is_ok() || approval == before, "a refusal changed something");
        said.map(|()| approval.progress)
    };
    let (strict, plain) = (ApprovalPolicy::default(), Terms::default());
    let lenient = ApprovalPolicy { author_may_approve: true, repeats_max: 3, repeat_for_s: 60, ..strict.clone() };
    let grace = by("grace", &acme, &prod);

    assert_eq!(try_it(Scope::Execution, false, grace, plain, &strict).unwrap().uses_left, Some(1));
    assert_eq!(try_it(Scope::Statement, false, grace, plain, &strict).unwrap().expires_unix_ms, None);
    for (stranger, policy) in [(by("grace", &globex, &prod), &lenient), (by("grace", &acme, &qa), &lenient)] {
        assert_eq!(try_it(Scope::Execution, false, stranger, plain, policy), Err(ApprovalRefusal::NotYours));
    }
    let ada = by("ada", &acme, &prod);
    assert_eq!(try_it(Scope::Execution, false, ada, plain, &strict), Err(ApprovalRefusal::Author("ada".into())));
    assert!(try_it(Scope::Execution, false, ada, plain, &lenient).is_ok());

    let times = |times| Terms { times: Some(times), ..plain };
    let repeat = |seconds| Terms { repeat_for_s: Some(seconds), ..plain };
    assert_eq!(try_it(Scope::Execution, false, grace, times(3), &lenient).unwrap().uses_left, Some(3));
    assert_eq!(try_it(Scope::Execution, false, grace, repeat(60), &lenient).unwrap().uses_left, None);
    assert_eq!(try_it(Scope::Execution, false, grace, repeat(60), &lenient).unwrap().expires_unix_ms, Some(60_005));
    let refused = [
        (Scope::Execution, false, times(2), &strict),
        (Scope::Execution, false, times(4), &lenient),
        (Scope::Execution, false, times(0), &lenient),
        (Scope::Execution, false, repeat(1), &strict),
        (Scope::Execution, false, repeat(61), &lenient),
        (Scope::Execution, false, repeat(0), &lenient),
        (Scope::Execution, true, times(2), &lenient),
        (Scope::Execution, true, repeat(10), &lenient),
        (Scope::Execution, false, Terms { expires_after_s: Some(86_401), ..plain }, &strict),
        (Scope::Execution, false, Terms { expires_after_s: Some(0), ..plain }, &strict),
        (Scope::Statement, false, times(1), &lenient),
        (Scope::Statement, false, repeat(1), &lenient),
        (Scope::Statement, false, Terms { expires_after_s: Some(0), ..plain }, &lenient),
    ];
    for (scope, destructive, terms, policy) in refused {
        let said = try_it(scope, destructive, grace, terms, policy);
        assert!(matches!(said, Err(ApprovalRefusal::Terms(_))), "{terms:?}: {said:?}");
    }
}

#[test]
fn a_name_is_read_as_it_is_written_and_nothing_else_is() {
    let id = ApprovalId::new(u128::MAX);
    assert_eq!(id.to_string().parse(), Ok(id));
    for text in ["", "ap-", "ap-12", "AP-00000000000000000000000000000007", "ap-0000000000000000000000000000000G"] {
        assert_eq!(text.parse::<ApprovalId>(), Err(ApprovalIdError), "{text}");
    }
}
