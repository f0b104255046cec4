//! What the server needs of the application behind it.

use std::{net::SocketAddr, sync::Arc};

use airlock_model::{
    Approval, ApprovalId, EnvironmentName, Erasure, Failure, FunctionName, InvocationId, ManifestStatement,
    ResourceName, Revocation, RevocationId, TenantName,
};
use airlock_service::{
    App, ApprovalFilter, Attenuation, AuditFilter, AuditPage, AuditTail, CallName, Change, CheckReport, Decision,
    Deployment, Described, Erased, Exchange, Exchanged, Explanation, FunctionChange, Holding, InvokeCall, InvokeError,
    InvokeReply, LimitInForce, Listener, LiveFunction, LogEvents, LogQuery, Looking, Minted, Page, PageRequest,
    Presented, Preview, Promotion, Question, ResourceSummary, Revision, RevocationRequest, RevokedCalls, Sender,
    Setting, Shown, SignedCheckpoint, SimilarApproval, TrailReport, UnusedGrants, Upload, UsageQuery, UsageReport,
    Wanted,
    telemetry::{Format, Telemetry},
};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio_rustls::rustls::ServerConfig;

/// The application: everything behind the wire. Dispatched statically, shared by all workers.
///
/// Requests arrive well-formed: names are parsed and the payload is JSON. A caller that goes away drops the future of
/// its call, so every method must leave things in order when it is dropped at an `await`. A caller
/// that does not read its log lines holds up its own run at most until that run's deadline.
pub trait Application: Send + Sync + 'static {
    /// Looks for the key that this bearer's token names, when nobody has seen it yet: to be waited for before the token is
    /// judged. `None` when there is nothing to wait for, which is nearly always.
    fn find_key(&self, token: Option<&str>) -> Option<Looking>;

    /// Whether this bearer could be allowed what it wants at all, and whose it is. Guards reflection, and bodies that are still
    /// to come.
    ///
    /// # Errors
    /// `token_invalid`, `keys_unavailable`, `not_granted`.
    fn authenticate(&self, bearer: Presented<'_>, wanted: Wanted) -> Result<TenantName, Failure>;

    /// Whose token it is, if it is good. Decides nothing and leaves no record.
    fn tenant_of(&self, bearer: Presented<'_>) -> Option<TenantName>;

    /// What a new connection speaks TLS with; `None` in clear text. Must not wait.
    fn tls(&self, listener: Listener) -> Option<Arc<ServerConfig>>;

    /// Whether a request that names this authority means this server. Must not wait.
    fn is_named(&self, listener: Listener, authority: &str, met_at: Option<SocketAddr>) -> bool;

    /// Begins to count what is held for one request. Must not wait.
    fn open_holding(&self) -> Holding;

    /// Whether calls are taken now. Decides what health says, so it is asked every second and must not wait.
    ///
    /// # Errors
    /// What a call would be refused with.
    fn ready(&self) -> Result<(), Failure>;

    /// Whether it takes the tokens of a desk.
    fn is_development(&self) -> bool;

    /// What is counted, for whoever counts more.
    fn telemetry(&self) -> &Arc<Telemetry>;

    /// All numbers as they are now.
    fn metrics_text(&self, format: Format) -> impl Future<Output = String> + Send;

    /// Drops what still runs, because the threads that serve are about to end.
    fn halt(&self);

    /// Waits until nothing is left of the calls that began on this thread, because it is about to end. All of their callers
    /// have gone, or [`Application::halt`] was called.
    fn leave_thread(&self) -> impl Future<Output = ()> + Send;

    /// Runs a function. The application enforces the caller's deadline (`remaining`).
    ///
    /// # Errors
    /// Every refusal, and every way a run can fail; with the invocation's id once there is one.
    fn invoke(&self, call: InvokeCall) -> impl Future<Output = Result<InvokeReply, InvokeError>> + Send;

    /// Stops running calls of the caller's own, and names them. Must not wait.
    ///
    /// # Errors
    /// Refusals; `not_granted` when the caller has no running call of that name.
    fn cancel(&self, bearer: Presented<'_>, name: &CallName) -> Result<Vec<InvocationId>, Failure>;

    /// Says what would be decided about a call that nobody makes.
    ///
    /// # Errors
    /// Refusals, as `invoke` says them where the token does not cover the function; what is denied after that is part of the reply.
    fn explain(
        &self,
        bearer: Presented<'_>,
        question: Question,
    ) -> impl Future<Output = Result<Explanation, Failure>> + Send;

    /// Says what `deploy` would say.
    ///
    /// # Errors
    /// Refusals; findings are part of the reply.
    fn check(&self, bearer: Presented<'_>, upload: Upload)
    -> impl Future<Output = Result<CheckReport, Failure>> + Send;

    /// Stores a revision and makes it live.
    ///
    /// # Errors
    /// Refusals, `component_rejected` with its findings among them.
    fn deploy(&self, bearer: Presented<'_>, upload: Upload)
    -> impl Future<Output = Result<Deployment, Failure>> + Send;

    /// Takes a revision over from another environment.
    ///
    /// # Errors
    /// Refusals, `component_rejected` with its findings among them.
    fn promote(
        &self,
        bearer: Presented<'_>,
        promotion: Promotion,
    ) -> impl Future<Output = Result<Deployment, Failure>> + Send;

    /// Changes a function that is live.
    ///
    /// # Errors
    /// Refusals.
    fn change_function(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        change: FunctionChange,
    ) -> impl Future<Output = Result<Option<LiveFunction>, Failure>> + Send;

    /// A function as callers meet it.
    ///
    /// # Errors
    /// Refusals.
    fn get(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<LiveFunction, Failure>> + Send;

    /// The live revisions of an environment, by name.
    ///
    /// # Errors
    /// Refusals.
    fn list(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Revision>, Failure>> + Send;

    /// The revisions of a function, newest first.
    ///
    /// # Errors
    /// Refusals.
    fn list_revisions(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Revision>, Failure>> + Send;

    /// Statements that a function sent and that are not listed.
    ///
    /// # Errors
    /// Refusals.
    fn list_candidates(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<ManifestStatement>, Failure>> + Send;

    /// A page of the audit trail.
    ///
    /// # Errors
    /// Refusals.
    fn audit_query(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> impl Future<Output = Result<AuditPage, Failure>> + Send;

    /// The audit trail as it grows. Ends with its first error.
    ///
    /// # Errors
    /// Refusals.
    fn audit_tail(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<AuditPage, Failure>>, Failure>> + Send;

    /// Says where the audit trail stands.
    ///
    /// # Errors
    /// Refusals.
    fn audit_checkpoint(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<SignedCheckpoint, Failure>> + Send;

    /// Judges the whole audit trail.
    ///
    /// # Errors
    /// Refusals.
    fn audit_verify(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        checkpoints: Vec<String>,
    ) -> impl Future<Output = Result<TrailReport, Failure>> + Send;

    /// Erases values from beside the audit trail.
    ///
    /// # Errors
    /// Refusals.
    fn audit_erase(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        erasure: Erasure,
        why: String,
    ) -> impl Future<Output = Result<Erased, Failure>> + Send;

    /// What the token's tenant used in its environment.
    ///
    /// # Errors
    /// Refusals.
    fn usage_report(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        query: UsageQuery,
    ) -> impl Future<Output = Result<UsageReport, Failure>> + Send;

    /// What the token's tenant was granted in its environment and nobody used in so many days.
    ///
    /// # Errors
    /// Refusals.
    fn unused_grants(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        days: u32,
    ) -> impl Future<Output = Result<UnusedGrants, Failure>> + Send;

    /// The resources of an environment that the token covers.
    ///
    /// # Errors
    /// Refusals.
    fn list_resources(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<ResourceSummary>, Failure>> + Send;

    /// The tables of a database.
    ///
    /// # Errors
    /// Refusals; `resource_unavailable`.
    fn describe_schema(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        resource: ResourceName,
        refresh: bool,
    ) -> impl Future<Output = Result<Arc<Described>, Failure>> + Send;

    /// Reads the configuration again, all of it or nothing.
    ///
    /// # Errors
    /// Refusals; why the old configuration stays.
    fn reload(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Change>, Failure>> + Send;

    /// The configuration in force, without secrets.
    ///
    /// # Errors
    /// Refusals.
    fn get_config(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Setting>, Failure>> + Send;

    /// The limits that calls of a tenant start from.
    ///
    /// # Errors
    /// Refusals.
    fn limits_in_force(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        tenant: Option<TenantName>,
        function: Option<FunctionName>,
    ) -> impl Future<Output = Result<Vec<LimitInForce>, Failure>> + Send;

    /// Lines of functions: those that are kept, those that come.
    ///
    /// # Errors
    /// Refusals.
    fn tail_logs(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        query: LogQuery,
    ) -> impl Future<Output = Result<LogEvents, Failure>> + Send;

    /// Approvals and requests for them, newest first.
    ///
    /// # Errors
    /// Refusals.
    fn list_approvals(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: ApprovalFilter,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Shown>, Failure>> + Send;

    /// One of them, and the text approved before that it resembles.
    ///
    /// # Errors
    /// Refusals; `approval_unknown`.
    fn get_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
    ) -> impl Future<Output = Result<(Shown, Option<SimilarApproval>), Failure>> + Send;

    /// What its statement would change.
    ///
    /// # Errors
    /// Refusals; `resource_unavailable`.
    fn preview_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        parameters: Option<String>,
    ) -> impl Future<Output = Result<Preview, Failure>> + Send;

    /// Approves, rejects or revokes.
    ///
    /// # Errors
    /// Refusals; `approval_closed`.
    fn decide_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        decision: Decision,
    ) -> impl Future<Output = Result<Approval, Failure>> + Send;

    /// A scoped token in exchange for one of an identity provider.
    ///
    /// # Errors
    /// Refusals.
    fn exchange(&self, asked: Exchange, sender: Sender) -> impl Future<Output = Result<Exchanged, Failure>> + Send;

    /// A token that allows less than the bearer's, and how long it is good for, in seconds.
    ///
    /// # Errors
    /// Refusals.
    fn attenuate(
        &self,
        bearer: Presented<'_>,
        asked: Attenuation,
    ) -> impl Future<Output = Result<(Minted, u64), Failure>> + Send;

    /// Ends tokens, a function or a resource, and the calls in flight with it.
    ///
    /// # Errors
    /// Refusals.
    fn revoke(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        asked: RevocationRequest,
    ) -> impl Future<Output = Result<RevokedCalls, Failure>> + Send;

    /// What is ended.
    ///
    /// # Errors
    /// Refusals.
    fn list_revocations(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Revocation>, Failure>> + Send;

    /// Takes a revocation back.
    ///
    /// # Errors
    /// Refusals.
    fn lift_revocation(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: RevocationId,
    ) -> impl Future<Output = Result<Revocation, Failure>> + Send;
}

impl Application for App {
    fn find_key(&self, token: Option<&str>) -> Option<Looking> {
        Self::find_key(self, token)
    }

    fn authenticate(&self, bearer: Presented<'_>, wanted: Wanted) -> Result<TenantName, Failure> {
        Self::authenticate(self, bearer, wanted)
    }

    fn tenant_of(&self, bearer: Presented<'_>) -> Option<TenantName> {
        Self::tenant_of(self, bearer)
    }

    fn tls(&self, listener: Listener) -> Option<Arc<ServerConfig>> {
        Self::tls(self, listener)
    }

    fn is_named(&self, listener: Listener, authority: &str, met_at: Option<SocketAddr>) -> bool {
        Self::is_named(self, listener, authority, met_at)
    }

    fn open_holding(&self) -> Holding {
        Self::open_holding(self)
    }

    fn ready(&self) -> Result<(), Failure> {
        Self::ready(self)
    }

    fn is_development(&self) -> bool {
        Self::is_development(self)
    }

    fn telemetry(&self) -> &Arc<Telemetry> {
        Self::telemetry(self)
    }

    fn metrics_text(&self, format: Format) -> impl Future<Output = String> + Send {
        Self::metrics_text(self, format)
    }

    fn halt(&self) {
        Self::halt(self);
    }

    fn leave_thread(&self) -> impl Future<Output = ()> + Send {
        Self::leave_thread(self)
    }

    fn invoke(&self, call: InvokeCall) -> impl Future<Output = Result<InvokeReply, InvokeError>> + Send {
        Self::invoke(self, call)
    }

    fn cancel(&self, bearer: Presented<'_>, name: &CallName) -> Result<Vec<InvocationId>, Failure> {
        Self::cancel(self, bearer, name)
    }

    fn explain(
        &self,
        bearer: Presented<'_>,
        question: Question,
    ) -> impl Future<Output = Result<Explanation, Failure>> + Send {
        Self::explain(self, bearer, question)
    }

    fn check(
        &self,
        bearer: Presented<'_>,
        upload: Upload,
    ) -> impl Future<Output = Result<CheckReport, Failure>> + Send {
        Self::check(self, bearer, upload)
    }

    fn deploy(
        &self,
        bearer: Presented<'_>,
        upload: Upload,
    ) -> impl Future<Output = Result<Deployment, Failure>> + Send {
        Self::deploy(self, bearer, upload)
    }

    fn promote(
        &self,
        bearer: Presented<'_>,
        promotion: Promotion,
    ) -> impl Future<Output = Result<Deployment, Failure>> + Send {
        Self::promote(self, bearer, promotion)
    }

    fn change_function(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        change: FunctionChange,
    ) -> impl Future<Output = Result<Option<LiveFunction>, Failure>> + Send {
        Self::change_function(self, bearer, function, environment, change)
    }

    fn get(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<LiveFunction, Failure>> + Send {
        Self::get(self, bearer, function, environment)
    }

    fn list(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Revision>, Failure>> + Send {
        Self::list(self, bearer, environment, page)
    }

    fn list_revisions(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Revision>, Failure>> + Send {
        Self::list_revisions(self, bearer, function, environment, page)
    }

    fn list_candidates(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<ManifestStatement>, Failure>> + Send {
        Self::list_candidates(self, bearer, function, environment)
    }

    fn audit_query(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> impl Future<Output = Result<AuditPage, Failure>> + Send {
        Self::audit_query(self, bearer, environment, filter)
    }

    async fn audit_tail(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: AuditFilter,
    ) -> Result<BoxStream<'static, Result<AuditPage, Failure>>, Failure> {
        let tail = Self::audit_tail(self, bearer, environment, filter).await?;
        let next = |mut tail: AuditTail| async { Ok(Some((tail.next().await?, tail))) };
        Ok(stream::try_unfold(tail, next).boxed())
    }

    fn audit_checkpoint(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<SignedCheckpoint, Failure>> + Send {
        Self::audit_checkpoint(self, bearer, environment)
    }

    fn audit_verify(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        checkpoints: Vec<String>,
    ) -> impl Future<Output = Result<TrailReport, Failure>> + Send {
        Self::audit_verify(self, bearer, environment, checkpoints)
    }

    fn audit_erase(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        erasure: Erasure,
        why: String,
    ) -> impl Future<Output = Result<Erased, Failure>> + Send {
        Self::audit_erase(self, bearer, environment, erasure, why)
    }

    fn usage_report(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        query: UsageQuery,
    ) -> impl Future<Output = Result<UsageReport, Failure>> + Send {
        Self::usage_report(self, bearer, environment, query)
    }

    fn unused_grants(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        days: u32,
    ) -> impl Future<Output = Result<UnusedGrants, Failure>> + Send {
        Self::unused_grants(self, bearer, environment, days)
    }

    fn list_resources(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<ResourceSummary>, Failure>> + Send {
        Self::list_resources(self, bearer, environment)
    }

    fn describe_schema(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        resource: ResourceName,
        refresh: bool,
    ) -> impl Future<Output = Result<Arc<Described>, Failure>> + Send {
        Self::describe_schema(self, bearer, environment, resource, refresh)
    }

    fn reload(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Change>, Failure>> + Send {
        Self::reload(self, bearer, environment)
    }

    fn get_config(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Setting>, Failure>> + Send {
        Self::get_config(self, bearer, environment)
    }

    fn limits_in_force(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        tenant: Option<TenantName>,
        function: Option<FunctionName>,
    ) -> impl Future<Output = Result<Vec<LimitInForce>, Failure>> + Send {
        Self::limits_in_force(self, bearer, environment, tenant, function)
    }

    fn tail_logs(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        query: LogQuery,
    ) -> impl Future<Output = Result<LogEvents, Failure>> + Send {
        Self::tail_logs(self, bearer, environment, query)
    }

    fn list_approvals(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: ApprovalFilter,
        page: PageRequest,
    ) -> impl Future<Output = Result<Page<Shown>, Failure>> + Send {
        Self::list_approvals(self, bearer, environment, filter, page)
    }

    fn get_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
    ) -> impl Future<Output = Result<(Shown, Option<SimilarApproval>), Failure>> + Send {
        Self::get_approval(self, bearer, environment, id)
    }

    fn preview_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        parameters: Option<String>,
    ) -> impl Future<Output = Result<Preview, Failure>> + Send {
        Self::preview_approval(self, bearer, environment, id, parameters)
    }

    fn decide_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
        decision: Decision,
    ) -> impl Future<Output = Result<Approval, Failure>> + Send {
        Self::decide_approval(self, bearer, environment, id, decision)
    }

    fn exchange(&self, asked: Exchange, sender: Sender) -> impl Future<Output = Result<Exchanged, Failure>> + Send {
        Self::exchange(self, asked, sender)
    }

    fn attenuate(
        &self,
        bearer: Presented<'_>,
        asked: Attenuation,
    ) -> impl Future<Output = Result<(Minted, u64), Failure>> + Send {
        Self::attenuate(self, bearer, asked)
    }

    fn revoke(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        asked: RevocationRequest,
    ) -> impl Future<Output = Result<RevokedCalls, Failure>> + Send {
        Self::revoke(self, bearer, environment, asked)
    }

    fn list_revocations(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> impl Future<Output = Result<Vec<Revocation>, Failure>> + Send {
        Self::list_revocations(self, bearer, environment)
    }

    fn lift_revocation(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: RevocationId,
    ) -> impl Future<Output = Result<Revocation, Failure>> + Send {
        Self::lift_revocation(self, bearer, environment, id)
    }
}
