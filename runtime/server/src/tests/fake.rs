//! An application that does what the function's name says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use airlock_model::{
    Approval, ApprovalId, Asked, AuditEvent, AuditKind, Digest, Effect, EnvironmentName, Erasure, Failure, Finding,
    FunctionError, FunctionName, InvocationId, Limit, LimitSource, LogLevel, LogLine, ManifestStatement, Operation,
    Progress, Reason, ResourceKind, ResourceName, Revocation, RevocationId, Revoked, StatementLanguage, TenantName,
    Usage,
};
use airlock_service::{
    Answer, ApprovalFilter, Attenuation, AuditFilter, AuditPage, AuditRecord, CallName, CallReport, Change,
    CheckReport, Checkpoint, Column, Decision, Deployment, Described, Dialect, Erased, Exchange, Exchanged,
    ExplainedStep, Explanation, Figures, FunctionChange, Functions, Holding, Holdings, HoldingsConfig, InvokeCall,
    InvokeError, InvokeReply, LimitInForce, Listener, LiveFunction, LogEvents, LogQuery, Looking, Minted, Page,
    PageRequest, Presented, Preview, Promotion, Question, ResourceSummary, Revision, RevocationRequest, RevokedCalls,
    Ruling, Schema, Sender, Setting, Shown, SignedCheckpoint, SimilarApproval, Table, TrailReport, UnusedGrants,
    Upload, UsageLine, UsageQuery, UsageReport, Verdict, VerifyReport, Wanted,
    config::Origin,
    telemetry::{Format, Telemetry},
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::Notify;
use tokio_rustls::rustls::ServerConfig;

use crate::Application;

/// What requests and answers may hold here.
pub(super) const HELD_BYTES_MAX: u64 = 32 << 20;

pub(super) struct Fake {
    /// Calls of `wait` that have begun, and that were dropped before their end.
    pub(super) begun: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    pub(super) release: Notify,
    /// Takes no calls.
    pub(super) stuck: AtomicBool,
    pub(super) holdings: Holdings,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) telemetry: Arc<Telemetry>,
}

impl Default for Fake {
    fn default() -> Self {
        let holdings = HoldingsConfig { bytes_max: HELD_BYTES_MAX, bytes_max_per_tenant: HELD_BYTES_MAX };
        Self {
            begun: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            release: Notify::new(),
            stuck: AtomicBool::new(false),
            holdings: Holdings::new(holdings),
            tls: None,
            telemetry: Arc::new(Telemetry::new().unwrap()),
        }
    }
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
    fn check_token(bearer: Presented<'_>) -> Result<(), Failure> {
        match bearer.token {
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

fn minted() -> Minted {
    Minted {
        token: "a.b.c".into(),
        token_id: "token-1".into(),
        expires_at_unix_s: 60,
        functions: Functions::All,
        scopes: Vec::new(),
        holder: None,
    }
}

fn revocation(environment: EnvironmentName) -> Revocation {
    Revocation {
        id: RevocationId("r-1".into()),
        what: Revoked::Subject,
        value: "ada".into(),
        tenant: None,
        environment: Some(environment),
        issued_until_unix_s: Some(7),
        expires_unix_s: None,
        revoked_unix_ms: 5_000,
        by: "op".into(),
        reason: "left".into(),
    }
}

fn reply(answer: Answer) -> InvokeReply {
    let usage = Usage { fuel: 7, ..Usage::default() };
    InvokeReply { invocation: InvocationId("inv-1".into()), revision: "ab".repeat(32).into(), answer, usage }
}

impl Application for Fake {
    fn find_key(&self, _: Option<&str>) -> Option<Looking> {
        None
    }

    fn authenticate(&self, bearer: Presented<'_>, _: Wanted) -> Result<TenantName, Failure> {
        Self::check_token(bearer).map(|()| "acme".parse().expect("a name"))
    }

    fn tenant_of(&self, bearer: Presented<'_>) -> Option<TenantName> {
        self.authenticate(bearer, Wanted::Other).ok()
    }

    fn tls(&self, _: Listener) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }

    fn is_named(&self, _: Listener, _: &str, _: Option<std::net::SocketAddr>) -> bool {
        true
    }

    fn open_holding(&self) -> Holding {
        self.holdings.open()
    }

    fn ready(&self) -> Result<(), Failure> {
        let stuck = || Failure::new(Reason::AuditUnavailable, "nothing can be written", "free the disk");
        if self.stuck.load(SeqCst) { Err(stuck()) } else { Ok(()) }
    }

    fn is_development(&self) -> bool {
        false
    }

    fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    async fn metrics_text(&self, _: Format) -> String {
        "some_total 1\n".to_owned()
    }

    fn halt(&self) {}

    async fn leave_thread(&self) {}

    async fn invoke(&self, call: InvokeCall) -> Result<InvokeReply, InvokeError> {
        Self::check_token(Presented::bearer(call.bearer.as_deref()))?;
        let line = |text: &str| LogLine { level: LogLevel::Warn, message: text.into(), fields: r#"{"n":1}"#.into() };
        match call.request.function.as_str() {
            "echo" => {
                call.holding.claim(&"acme".parse().expect("a name"))?;
                call.holding.hold(call.request.payload.len() as u64)?;
                Ok(reply(Answer::Returned(call.request.payload)))
            }
            "deadline" => {
                let left = call.remaining.map_or("null".to_owned(), |left| left.as_millis().to_string());
                Ok(reply(Answer::Returned(left)))
            }
            "declared" => Ok(reply(Answer::FunctionError(FunctionError {
                code: "out_of_stock".into(),
                message: "none left".into(),
                details: r#"{"sku":"a"}"#.into(),
            }))),
            "trap" => {
                let failure = Failure::new(Reason::GuestTrap, "the function trapped", "look at its log");
                Err(InvokeError { failure, invocation: Some(InvocationId("inv-2".into())), usage: None })
            }
            "broken" => Err(Failure::internal(SECRET).into()),
            "panic" => panic!("a bug: {SECRET}"),
            "wait" => {
                if let Some(begun) = call.begun {
                    begun.send(InvocationId("inv-1".into())).expect("a stream listens");
                }
                self.wait().await;
                Ok(reply(Answer::Returned("\"waited\"".into())))
            }
            "log" | "log-then-trap" | "log-then-panic" => {
                let sink = call.logs.expect("a stream has a sink");
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

    /// Knows one call by each name, and ends every `wait`.
    fn cancel(&self, bearer: Presented<'_>, name: &CallName) -> Result<Vec<InvocationId>, Failure> {
        Self::check_token(bearer)?;
        match name {
            CallName::Invocation(id) | CallName::Request(id) if id == "known" => {
                self.release.notify_waiters();
                Ok(vec![InvocationId("inv-1".into())])
            }
            _ => Err(Failure::new(Reason::NotGranted, "no running call of yours", "take the id of one")),
        }
    }

    async fn explain(&self, bearer: Presented<'_>, question: Question) -> Result<Explanation, Failure> {
        Self::check_token(bearer)?;
        let step = ExplainedStep {
            name: "function",
            verdict: Verdict::Permit,
            rule: format!("the token covers `{}`", question.function),
            place: String::new(),
            hint: String::new(),
        };
        let (reason, revision) = (String::new(), "ab".repeat(32));
        Ok(Explanation { ruling: Ruling::Permit, reason, revision, steps: vec![step], limits: Vec::new() })
    }

    async fn check(&self, bearer: Presented<'_>, upload: Upload) -> Result<CheckReport, Failure> {
        Self::check_token(bearer)?;
        let findings = if upload.component == b"bad" { vec![finding()] } else { Vec::new() };
        let resources = vec![("crm".parse().expect("a name"), ResourceKind::Http)];
        Ok(CheckReport { digest: Digest::of(&upload.component), findings, resources })
    }

    async fn deploy(&self, bearer: Presented<'_>, upload: Upload) -> Result<Deployment, Failure> {
        Self::check_token(bearer)?;
        if upload.component == b"bad" {
            let failure = Failure::new(Reason::ComponentRejected, "the component is rejected", "apply the fixes");
            return Err(failure.with_findings(vec![finding()]));
        }
        if upload.component == b"wait" {
            self.wait().await;
        }
        let function = "f".parse().expect("a name");
        Ok(Deployment { revision: revision(function, upload.environment), findings: Vec::new() })
    }

    async fn promote(&self, bearer: Presented<'_>, promotion: Promotion) -> Result<Deployment, Failure> {
        Self::check_token(bearer)?;
        Ok(Deployment { revision: revision(promotion.function, promotion.to), findings: Vec::new() })
    }

    async fn change_function(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        change: FunctionChange,
    ) -> Result<Option<LiveFunction>, Failure> {
        let live = self.get(bearer, function, environment).await?;
        Ok(match change {
            FunctionChange::Delete => None,
            FunctionChange::Disable(why) => Some(LiveFunction { disabled: Some(why), ..live }),
            _ => Some(live),
        })
    }

    async fn get(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<LiveFunction, Failure> {
        Self::check_token(bearer)?;
        Ok(LiveFunction { revision: revision(function, environment), disabled: None, aliases: BTreeMap::new() })
    }

    async fn list(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> Result<Page<Revision>, Failure> {
        Self::check_token(bearer)?;
        // As many as were asked for, and the token back, so that tests see what arrived.
        let one = revision("f".parse().expect("a name"), environment);
        Ok(Page { items: vec![one; page.size.unwrap_or_default() as usize], next: page.token })
    }

    async fn list_revisions(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        _: PageRequest,
    ) -> Result<Page<Revision>, Failure> {
        Self::check_token(bearer)?;
        Ok(Page { items: vec![revision(function, environment)], next: None })
    }

    async fn list_candidates(
        &self,
        bearer: Presented<'_>,
        _: FunctionName,
        _: EnvironmentName,
    ) -> Result<Vec<ManifestStatement>, Failure> {
        Self::check_token(bearer).map(|()| Vec::new())
    }

    async fn audit_query(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> Result<AuditPage, Failure> {
        Self::check_token(bearer)?;
        let mut event = AuditEvent::new(AuditKind::InvocationFinished, 1_700_000_000_000);
        event.invocation = filter.invocation.map(Into::into);
        event.environment = Some((&environment).into());
        let position = filter.after_seq.unwrap_or_default() + 1;
        let records = vec![AuditRecord { seq: position, hash: Digest::of(b"x"), event, values: Vec::new() }];
        Ok(AuditPage { records, position, is_last: true })
    }

    async fn audit_tail(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> Result<BoxStream<'static, Result<AuditPage, Failure>>, Failure> {
        let page = self.audit_query(bearer, environment, filter).await?;
        Ok(stream::iter([Ok(page)]).boxed())
    }

    async fn audit_checkpoint(&self, bearer: Presented<'_>, _: EnvironmentName) -> Result<SignedCheckpoint, Failure> {
        Self::check_token(bearer)?;
        let (signed, instance, hash) = ("a.b.c".to_owned(), "airlock".to_owned(), Digest::of(b"x").to_string());
        Ok(SignedCheckpoint { signed, instance, seq: 7, hash, time_unix_ms: 1_700_000_000_000 })
    }

    async fn audit_erase(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        _: Erasure,
        _: String,
    ) -> Result<Erased, Failure> {
        Self::check_token(bearer)?;
        Ok(Erased { values: 2, seq: Some(8), more: false, log_is_cut: true })
    }

    async fn audit_verify(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        _: Vec<String>,
    ) -> Result<TrailReport, Failure> {
        Self::check_token(bearer)?;
        let head = Checkpoint { seq: 7, hash: Digest::of(b"x") };
        let calls =
            CallReport { complete: true, finished: 3, unfinished: Vec::new(), unfinished_count: 0, repeated: 0 };
        let trail = VerifyReport {
            records: 7,
            cut: None,
            integrity: true,
            first_bad: None,
            bad_records: 0,
            head,
            whole_to: 7,
            values_kept: 0,
            values_erased: 0,
            seq_gaps: Vec::new(),
            calls,
        };
        Ok(TrailReport { trail, proven_to: Some(7), kept_to: None, bad_checkpoints: Vec::new(), bad_cut: None })
    }

    async fn usage_report(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        query: UsageQuery,
    ) -> Result<UsageReport, Failure> {
        Self::check_token(bearer)?;
        // What was asked, so that tests see what arrived.
        let group = query.by.iter().map(ToString::to_string).collect();
        let used = Figures { calls: 3, errors: 1, outcomes: [("ok".to_owned(), 2)].into(), ..Figures::default() };
        let line = UsageLine { begin_unix_ms: query.since_unix_ms, group, other: false, used: used.clone() };
        Ok(UsageReport { lines: vec![line], total: used, groups: 1, through_seq: 7 })
    }

    async fn unused_grants(&self, bearer: Presented<'_>, _: EnvironmentName, _: u32) -> Result<UnusedGrants, Failure> {
        Self::check_token(bearer)?;
        Ok(UnusedGrants { unused: Vec::new(), host_calls: 0, reaches_back: true })
    }

    async fn list_resources(&self, bearer: Presented<'_>, _: EnvironmentName) -> Result<Vec<ResourceSummary>, Failure> {
        Self::check_token(bearer)?;
        let (name, operations) = ("orders-db".parse().expect("a name"), vec![Operation::Read]);
        Ok(vec![ResourceSummary { name, kind: ResourceKind::Sql, operations, dialect: Some(Dialect::Sqlite) }])
    }

    async fn describe_schema(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        _: ResourceName,
        _: bool,
    ) -> Result<Arc<Described>, Failure> {
        Self::check_token(bearer)?;
        let column = Column {
            name: "id".into(),
            database_type: "INTEGER".into(),
            nullable: false,
            has_default: false,
            primary_key: 1,
            references: String::new(),
        };
        let table = Table { schema: String::new(), name: "orders".into(), is_view: false, columns: vec![column] };
        let schema = Schema { tables: vec![table], truncated: false };
        Ok(Arc::new(Described { schema, sdl: String::new(), read_unix_ms: 1_700_000_000_000 }))
    }

    async fn list_approvals(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        _: ApprovalFilter,
        _: PageRequest,
    ) -> Result<Page<Shown>, Failure> {
        let (shown, _) = self.get_approval(bearer, environment, ApprovalId::new(1)).await?;
        Ok(Page { items: vec![shown], next: None })
    }

    async fn get_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
    ) -> Result<(Shown, Option<SimilarApproval>), Failure> {
        Self::check_token(bearer)?;
        let approval = approval(id, environment);
        Ok((Shown { state: approval.progress.state, approval }, None))
    }

    async fn preview_approval(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        _: ApprovalId,
        _: Option<String>,
    ) -> Result<Preview, Failure> {
        Self::check_token(bearer)?;
        Ok(Preview { affected: 2, ..Preview::default() })
    }

    async fn decide_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        _: Decision,
    ) -> Result<Approval, Failure> {
        Self::check_token(bearer)?;
        Ok(approval(id, environment))
    }

    async fn exchange(&self, _: Exchange, _: Sender) -> Result<Exchanged, Failure> {
        Ok(Exchanged { minted: minted(), expires_in_s: 60, granted_by: vec!["identity.access[0]".into()] })
    }

    async fn attenuate(&self, bearer: Presented<'_>, _: Attenuation) -> Result<(Minted, u64), Failure> {
        Self::check_token(bearer)?;
        Ok((minted(), 60))
    }

    async fn revoke(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        asked: RevocationRequest,
    ) -> Result<RevokedCalls, Failure> {
        Self::check_token(bearer)?;
        let revocation = Revocation { what: asked.what, value: asked.value, ..revocation(environment) };
        Ok(RevokedCalls { revocation, cut: vec![InvocationId("inv-1".into())] })
    }

    async fn list_revocations(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> Result<Vec<Revocation>, Failure> {
        Self::check_token(bearer)?;
        Ok(vec![revocation(environment)])
    }

    async fn lift_revocation(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        _: RevocationId,
    ) -> Result<Revocation, Failure> {
        Self::check_token(bearer)?;
        Ok(revocation(environment))
    }

    async fn reload(&self, bearer: Presented<'_>, _: EnvironmentName) -> Result<Vec<Change>, Failure> {
        Self::check_token(bearer)?;
        Ok(vec![Change { key: "limits.default.fuel".into(), old: Some("1".into()), new: None }])
    }

    async fn get_config(&self, bearer: Presented<'_>, _: EnvironmentName) -> Result<Vec<Setting>, Failure> {
        Self::check_token(bearer)?;
        let origin = Origin::File { name: "airlock.toml".into(), line: 7 };
        Ok(vec![Setting { key: "server.data".into(), value: "\"x\"".into(), origin }])
    }

    async fn limits_in_force(
        &self,
        bearer: Presented<'_>,
        _: EnvironmentName,
        tenant: Option<TenantName>,
        _: Option<FunctionName>,
    ) -> Result<Vec<LimitInForce>, Failure> {
        Self::check_token(bearer)?;
        let place = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        Ok(vec![LimitInForce { limit: Limit::Fuel, value: 5, source: LimitSource::Tenant, place }])
    }

    async fn tail_logs(&self, bearer: Presented<'_>, _: EnvironmentName, _: LogQuery) -> Result<LogEvents, Failure> {
        Self::check_token(bearer)?;
        // Nobody writes.
        Ok(tokio::sync::mpsc::channel(1).1)
    }
}

fn approval(id: ApprovalId, environment: EnvironmentName) -> Approval {
    let name = |text: &str| text.parse().expect("a name");
    let asked = Asked {
        tenant: "acme".parse().expect("a name"),
        environment,
        function: "f".parse().expect("a name"),
        resource: name("orders-db"),
        language: StatementLanguage::Sql,
        text: "delete from orders where id = ?".into(),
        execution: None,
    };
    Approval {
        id,
        progress: Progress::requested(asked.scope(), 1_700_000_000_000),
        asked,
        effect: Effect::default(),
        parameters: None,
        authors: vec!["alice".into()],
        revision: String::new(),
        requested_unix_ms: 1_600_000_000_000,
        rows_max: None,
        decided: None,
        executed: None,
        follows_unknown: None,
    }
}

fn finding() -> Finding {
    Finding::error("import-undeclared", "imports `crm`, which is not declared", "src/main.ts:3:1", "declare it")
}

const MANIFEST: &str = r#"
    name = "f"
    language = "component"
    description = "counts"
    resources.crm = { kind = "http", operations = ["GET"] }
"#;

fn revision(function: FunctionName, environment: EnvironmentName) -> Revision {
    Revision {
        digest: Digest::of(b"revision"),
        function,
        environment,
        number: 3,
        component_digest: Digest::of(b"component"),
        artifact_digest: Digest::of(b"artifact"),
        manifest: MANIFEST.into(),
        findings: Vec::new(),
        statements: None,
        promoted_from: None,
        signed_by: None,
        author: "alice".into(),
        token_id: None,
        created_unix_ms: 1_700_000_000_000,
    }
}
