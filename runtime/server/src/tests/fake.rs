//! An application that does what the function's name says.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use airlock_model::{
    AuditEvent, AuditKind, Digest, EnvironmentName, Failure, Finding, FunctionError, FunctionName, InvocationId, LogLevel,
    LogLine, Reason, Usage,
};
use tokio::sync::Notify;

use crate::application::*;

#[derive(Default)]
pub(super) struct Fake {
    /// Calls of `wait` that have begun, and that were dropped before their end.
    pub(super) begun: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    pub(super) release: Notify,
}

struct CountDrop<'a>(&'a AtomicUsize, bool);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, SeqCst);
        }
    }
}

pub(super) const SECRET: &str = "host=db.internal password=hunter2";

impl Fake {
    fn check_token(bearer: Option<&str>) -> Result<(), Failure> {
        match bearer {
            Some("good") => Ok(()),
            _ => Err(Failure::new(Reason::TokenInvalid, "the token is not valid", "get a new one").with_log(SECRET)),
        }
    }

    /// Until a call of `wait` runs.
    pub(super) async fn has_begun(&self, calls: usize) {
        let begun = async {
            while self.begun.load(SeqCst) < calls {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, begun).await.expect("the call begins");
    }

    pub(super) async fn has_dropped(&self, calls: usize) {
        let dropped = async {
            while self.dropped.load(SeqCst) < calls {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, dropped).await.expect("the call is dropped");
    }

    async fn wait(&self) {
        let mut count = CountDrop(&self.dropped, false);
        let released = self.release.notified();
        self.begun.fetch_add(1, SeqCst);
        released.await;
        count.1 = true;
    }
}

fn reply(answer: Answer) -> InvokeReply {
    let usage = Usage { fuel: 7, ..Usage::default() };
    InvokeReply { invocation: InvocationId("inv-1".into()), revision: "ab".repeat(32), answer, usage }
}

impl Application for Fake {
    fn authenticate(&self, bearer: Option<&str>) -> Result<(), Failure> {
        Self::check_token(bearer)
    }

    async fn invoke(&self, call: InvokeCall) -> Result<InvokeReply, InvokeFailure> {
        Self::check_token(call.bearer.as_deref())?;
        let line = |text: &str| LogLine { level: LogLevel::Warn, message: text.into(), fields: r#"{"n":1}"#.into() };
        match call.request.function.as_str() {
            "echo" => Ok(reply(Answer::Returned(call.request.payload))),
            "deadline" => {
                let left = call.deadline.map_or("null".to_owned(), |left| left.as_millis().to_string());
                Ok(reply(Answer::Returned(left)))
            }
            "declared" => Ok(reply(Answer::FunctionError(FunctionError {
                code: "out_of_stock".into(),
                message: "none left".into(),
                details: r#"{"sku":"a"}"#.into(),
            }))),
            "trap" => {
                let failure = Failure::new(Reason::GuestTrap, "the function trapped", "look at its log");
                Err(InvokeFailure { failure, invocation: Some(InvocationId("inv-2".into())) })
            }
            "broken" => Err(Failure::internal(SECRET).into()),
            "panic" => panic!("a bug: {SECRET}"),
            "wait" => {
                self.wait().await;
                Ok(reply(Answer::Returned("\"waited\"".into())))
            }
            "log" | "log-then-trap" | "log-then-panic" => {
                let sink = call.log_sink.expect("a stream has a sink");
                for text in ["one", "two", "three"] {
                    sink.try_send(line(text)).expect("room for three");
                }
                match call.request.function.as_str() {
                    "log" => Ok(reply(Answer::Returned("true".into()))),
                    "log-then-trap" => Err(Failure::new(Reason::GuestTrap, "the function trapped", "look").into()),
                    _ => panic!("a bug"),
                }
            }
            _ => Err(Failure::new(Reason::FunctionUnknown, "nothing is deployed under that name", "deploy it").into()),
        }
    }

    async fn check(&self, call: ControlCall<DeployRequest>) -> Result<CheckReply, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        let findings = if call.request.component == b"bad" { vec![finding()] } else { Vec::new() };
        Ok(CheckReply { digest: Digest::of(&call.request.component), findings })
    }

    async fn deploy(&self, call: ControlCall<DeployRequest>) -> Result<DeployReply, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        match call.request.component.as_slice() {
            b"bad" => {
                let failure = Failure::new(Reason::ComponentRejected, "the component is rejected", "apply the fixes");
                Err(failure.with_findings(vec![finding()]))
            }
            b"wait" => {
                self.wait().await;
                Ok(DeployReply { revision: revision("f"), findings: Vec::new() })
            }
            _ => Ok(DeployReply { revision: revision("f"), findings: Vec::new() }),
        }
    }

    async fn get(&self, call: ControlCall<GetRequest>) -> Result<FunctionInfo, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        Ok(info(call.request.function, call.request.environment))
    }

    async fn list(&self, call: ControlCall<ListRequest>) -> Result<Page<FunctionInfo>, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        let items = vec![info("f".parse().expect("a name"), call.request.environment)];
        // The size asked for and the token, so that tests see what arrived.
        let page = call.request.page;
        Ok(Page { items, next: Some(format!("{}-{}", page.size, page.token.unwrap_or_default())) })
    }

    async fn list_revisions(&self, call: ControlCall<ListRevisionsRequest>) -> Result<Page<RevisionInfo>, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        Ok(Page { items: vec![revision(call.request.function.as_str())], next: None })
    }

    async fn audit_query(&self, call: ControlCall<AuditQuery>) -> Result<AuditRecords, Failure> {
        Self::check_token(call.bearer.as_deref())?;
        let mut event = AuditEvent::new(AuditKind::InvocationFinished, 1_700_000_000_000);
        event.invocation = call.request.invocation.map(|id| id.0);
        event.environment = Some(call.request.environment.to_string());
        let record = AuditRecord { sequence: call.request.after_sequence + 1, hash: Digest::of(b"x"), event };
        Ok(AuditRecords { records: vec![record], more: false })
    }
}

fn finding() -> Finding {
    Finding::error("import-undeclared", "imports `crm`, which is not declared", "src/main.ts:3:1", "declare it")
}

fn revision(function: &str) -> RevisionInfo {
    RevisionInfo {
        digest: Digest::of(b"revision"),
        function: function.parse().expect("a name"),
        created_unix_ms: 1_700_000_000_000,
        created_by: "alice".into(),
        component_digest: Digest::of(b"component"),
        grants: vec!["crm:GET".into()],
        description: None,
        number: 3,
    }
}

fn info(name: FunctionName, environment: EnvironmentName) -> FunctionInfo {
    let live = revision(name.as_str());
    FunctionInfo { name, environment, live }
}
