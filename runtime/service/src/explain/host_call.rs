//! One host call of a call that nobody makes: the gate's own judgement, and then what the gate would do about it.

use std::sync::Arc;

use airlock_access::VerifiedToken;
use airlock_model::{
    Approval, AuditEvent, AuditKind, EffectiveLimits, Failure, Grant, Grants, GraphqlCall, GraphqlVerb, HostCall,
    HostError, HttpCall, KvAction, KvCall, Layer, Limit, LlmCall, LlmVerb, OperationClass, Principal, Reason,
    ResourceName, SqlCall, SqlVerb, StatementClass, StatementLanguage, WebOrigin,
};
use airlock_store::Standing;
use serde_json::json;

use super::{
    HostAsk, HostQuestion,
    tree::{No, Ruling, Tree},
};
use crate::{
    app::{Backends, store_failure},
    clock,
    deploy::off_thread,
    gate::{self, Budget, Change, Judge, Notes, Stage, Steps, Unlisted},
    line::Turn,
    registry::Deployed,
    settings::Settings,
};

/// Whether the token names the resource and the function declares it: asked first of all, and only here, because a function
/// cannot name what it does not import.
const SCOPE: &str = "scope";

/// Whether somebody has ended the resource: asked before anything is looked at.
const REVOCATION: &str = "revocation";

/// Whether another call has had the effects of the token: asked of calls that have some, where the environment cares.
const EFFECTS: &str = "effects";

/// What the gate of the call would know.
pub(super) struct Case {
    pub(super) settings: Arc<Settings>,
    pub(super) backends: Arc<Backends>,
    pub(super) deployed: Arc<Deployed>,
    pub(super) principal: Arc<Principal>,
    pub(super) token: VerifiedToken,
    pub(super) grants: Grants,
    pub(super) limits: EffectiveLimits,
}

/// What the gate says of a host call before anybody is asked.
struct Judged {
    steps: Steps,
    has_effect: bool,
    said: Result<Permitted, HostError>,
}

/// A host call that the gate lets pass.
#[derive(Default)]
struct Permitted {
    /// The request for the approval that it needs.
    approval: Option<Approval>,
    /// Where it goes, for what goes out over HTTP.
    over_http: Option<Option<WebOrigin>>,
}

/// The questions that are asked about such a host call, in order.
pub(super) fn stages(asked: Option<&HostQuestion>) -> impl Iterator<Item = &'static str> + use<> {
    use Stage::{
        Address, Analysis, Approval, Budget, Cost, Egress, Grants, Model, Resource, Spending, Statements, Transaction,
        Writes,
    };
    let stages: &[Stage] = match asked.map(|asked| &asked.asks) {
        None => &[],
        Some(HostAsk::Sql { in_transaction: false, .. }) => {
            &[Budget, Resource, Analysis, Grants, Statements, Writes, Approval]
        }
        Some(HostAsk::Sql { in_transaction: true, .. }) => {
            &[Budget, Transaction, Resource, Analysis, Grants, Statements, Writes, Approval]
        }
        Some(HostAsk::Graphql { .. }) => {
            &[Budget, Resource, Analysis, Grants, Statements, Writes, Cost, Approval, Address]
        }
        Some(HostAsk::Http { .. }) => &[Budget, Egress, Grants, Address],
        Some(HostAsk::Read) => &[Budget, Resource, Grants],
        Some(HostAsk::Write) => &[Budget, Resource, Grants, Writes, Approval],
        Some(HostAsk::Complete { .. }) => &[Budget, Resource, Grants, Model, Spending, Address],
    };
    let first: &[&'static str] = if asked.is_some() { &[SCOPE, REVOCATION] } else { &[] };
    first.iter().copied().chain(stages.iter().map(|stage| stage.as_str()))
}

/// Adds the steps of a host call. The turn is held until its analysis has ended, whether or not anybody waits for it.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn explain(case: Case, asked: HostQuestion, turn: Turn, tree: &mut Tree) -> Result<(), Failure> {
    let (resource, names) = (asked.resource.clone(), stages(Some(&asked)));
    if let Err(no) = case.check_scope(&resource, tree) {
        tree.deny(SCOPE, no);
        tree.not_reached(names);
        return Ok(());
    }
    if let Err(error) = case.judge_of().check_revoked(&resource) {
        tree.deny(REVOCATION, case.no(error, String::new()));
        tree.not_reached(names);
        return Ok(());
    }
    tree.permit(REVOCATION, format!("nobody has ended `{resource}`"), String::new());
    let case = Arc::new(case);
    let judging = Arc::clone(&case);
    let (judged, _turn) = off_thread(move || (judging.judge(&asked), turn)).await?;
    let Judged { steps, has_effect, said } = judged;
    let (stage, blamed) = steps.last();
    let (stage, blamed) = (stage.unwrap_or(Stage::Budget), blamed.to_owned());
    for passed in steps.passed {
        tree.permit(passed.stage.as_str(), passed.rule, passed.place);
    }
    match said {
        Err(error) => tree.deny(stage.as_str(), case.no(error, blamed)),
        Ok(permitted) => {
            if has_effect {
                case.check_effects(tree).await?;
            }
            if !tree.is_decided() {
                case.follow(&resource, permitted, tree).await?;
            }
        }
    }
    if tree.is_decided() {
        tree.not_reached(names);
    }
    Ok(())
}

impl Case {
    fn judge_of(&self) -> Judge<'_> {
        Judge {
            settings: &self.settings,
            backends: &self.backends,
            deployed: &self.deployed,
            principal: &self.principal,
            grants: &self.grants,
            unlisted: Unlisted::Forgotten,
        }
    }

    /// The token first: whoever it does not name a resource to is not told whether there is one.
    fn check_scope(&self, resource: &ResourceName, tree: &mut Tree) -> Result<(), No> {
        let lacks = |grants: &[Grant]| !grants.iter().any(|grant| grant.resource == *resource);
        let (layer, hint) = if lacks(&self.grants.token) {
            (Layer::Token, "ask for a token whose scope covers an operation on it")
        } else if lacks(&self.grants.manifest) {
            (Layer::Manifest, "declare it in function.toml and deploy again")
        } else {
            let rule = format!("the token and the function name `{resource}`");
            let places = [Layer::Token, Layer::Manifest].map(|layer| self.judge_of().grant_place(layer, resource));
            tree.permit(SCOPE, rule, places.join("; "));
            return Ok(());
        };
        Err(No {
            ruling: Ruling::Deny,
            reason: Reason::NotGranted.to_string(),
            rule: format!("nothing on `{resource}` is covered by {}", layer.place()),
            place: layer.place().to_owned(),
            hint: hint.to_owned(),
        })
    }

    /// What the gate would say, as far as it needs nobody.
    fn judge(&self, asked: &HostQuestion) -> Judged {
        let mut notes = Notes::of_steps(AuditEvent::new(AuditKind::HostCallIntent, clock::now_unix_ms()));
        let said = self.judged(asked, &mut notes);
        Judged { has_effect: notes.has_effect, steps: notes.into_steps(), said }
    }

    fn judged(&self, asked: &HostQuestion, notes: &mut Notes) -> Result<Permitted, HostError> {
        let call = self.host_call(asked);
        notes.at(Stage::Budget);
        Budget::new(self.limits.clone()).charge_call(&call)?;
        notes.passed(|| {
            let rule = format!("the call hands over {} bytes, and fits `host_bytes`", call.size_bytes());
            (rule, self.limits.place(Limit::HostBytes).to_owned())
        });
        let judge = self.judge_of();
        match &call {
            HostCall::Sql(call) => {
                if matches!(asked.asks, HostAsk::Sql { in_transaction: true, .. }) {
                    judge.transaction(&call.resource, notes)?;
                }
                judge.statement(call, notes)?;
                let (language, text) = (StatementLanguage::Sql, call.statement.as_str());
                let change = Change { resource: &call.resource, language, text, parameters: &call.parameters };
                Ok(Permitted { approval: needed(&judge, &change, notes), over_http: None })
            }
            HostCall::Graphql(call) => {
                let (_, variables) = judge.document(call, notes)?;
                let (language, text) = (StatementLanguage::Graphql, call.document.as_str());
                let change = Change { resource: &call.resource, language, text, parameters: &variables.to_json() };
                Ok(Permitted { approval: needed(&judge, &change, notes), over_http: Some(None) })
            }
            HostCall::Http(call) => {
                let aim = judge.request(call, notes)?;
                Ok(Permitted { approval: None, over_http: Some(aim.origin) })
            }
            HostCall::Llm(call) => {
                let priced = judge.completion(call, notes)?;
                judge.check_spending(&priced, notes)?;
                Ok(Permitted { approval: None, over_http: Some(None) })
            }
            HostCall::Kv(call) => {
                judge.store(&call.resource, call.action.changes(), notes)?;
                Ok(Permitted::default())
            }
            _ => Err(HostError::BadRequest("such a call is not explained".to_owned())),
        }
    }

    /// The host call as a guest would make it. Key-value stores stand for object stores too: both are judged alike.
    fn host_call(&self, asked: &HostQuestion) -> HostCall {
        let (resource, key) = (asked.resource.clone(), "key".to_owned());
        match &asked.asks {
            HostAsk::Sql { statement, parameters, .. } => HostCall::Sql(SqlCall {
                verb: self.sql_verb(&resource, statement),
                resource,
                within: None,
                statement: statement.clone(),
                parameters: parameters.clone(),
            }),
            HostAsk::Graphql { document, variables } => HostCall::Graphql(GraphqlCall {
                verb: self.graphql_verb(&resource, document),
                resource,
                document: document.clone(),
                variables: variables.clone(),
            }),
            HostAsk::Http { method, url } => HostCall::Http(HttpCall {
                resource,
                method: method.clone(),
                path: url.clone(),
                query: Vec::new(),
                headers: Vec::new(),
                body: None,
            }),
            HostAsk::Read => HostCall::Kv(KvCall { resource, action: KvAction::Get { key } }),
            HostAsk::Write => HostCall::Kv(KvCall { resource, action: KvAction::Delete { key } }),
            HostAsk::Complete { model, max_tokens } => {
                let messages = [json!({ "role": "user", "content": "." })];
                let request = match max_tokens {
                    None => json!({ "model": model, "messages": messages }),
                    Some(most) => json!({ "model": model, "messages": messages, "max_tokens": most }),
                };
                HostCall::Llm(LlmCall { resource, verb: LlmVerb::Complete, request: request.to_string() })
            }
        }
    }

    /// A guest says by the function that it calls whether it reads; here the text says so.
    fn sql_verb(&self, resource: &ResourceName, statement: &str) -> SqlVerb {
        let environment = &self.deployed.environment;
        let Some(dialect) = self.settings.resources.dialect(resource, environment) else { return SqlVerb::Query };
        let listed = self.settings.listed(resource, environment);
        match self.backends.classes.classify(gate::analysed_as(dialect), listed, statement) {
            Ok(report) if report.class != StatementClass::Read => SqlVerb::Execute,
            _ => SqlVerb::Query,
        }
    }

    fn graphql_verb(&self, resource: &ResourceName, document: &str) -> GraphqlVerb {
        let documents = self.settings.documents(resource, &self.deployed.environment);
        match documents.and_then(|documents| documents.read(document).ok()) {
            Some(read) if read.report().class == OperationClass::Mutation => GraphqlVerb::Mutate,
            _ => GraphqlVerb::Query,
        }
    }

    /// Whether the gate could claim the effects of the token for a call that has none yet. Claims nothing.
    async fn check_effects(&self, tree: &mut Tree) -> Result<(), Failure> {
        let (judge, now) = (self.judge_of(), clock::now_unix_s());
        let Some(root) = judge.single_use(&self.token) else { return Ok(()) };
        let is_left = self.backends.store.are_effects_left(root, now).await.map_err(|why| store_failure(&why))?;
        let place = judge.single_use_place();
        if is_left {
            tree.permit(EFFECTS, "no other call has had the effects of the token".to_owned(), place);
        } else {
            tree.deny(EFFECTS, self.no(judge.effects_taken(), place));
        }
        Ok(())
    }

    /// What the gate does with a call that it lets pass: looks for the approval, and judges the address.
    async fn follow(&self, resource: &ResourceName, permitted: Permitted, tree: &mut Tree) -> Result<(), Failure> {
        let Permitted { approval, over_http } = permitted;
        if let Some(new) = approval {
            self.look_for_approval(new, tree).await?;
        }
        if let Some(origin) = over_http.filter(|_| !tree.is_decided()) {
            self.judge_address(resource, origin, tree);
        }
        Ok(())
    }

    async fn look_for_approval(&self, new: Approval, tree: &mut Tree) -> Result<(), Failure> {
        let (name, place) = (Stage::Approval.as_str(), self.judge_of().environment_place("writes"));
        let what = new.asked.scope().as_str();
        let found = self.backends.store.standing_approval(new.asked, new.requested_unix_ms).await;
        match found.map_err(|why| store_failure(&why))? {
            Standing::Granted(approval) => {
                let most = approval.rows_max.map(|most| format!(", of at most {most} rows")).unwrap_or_default();
                tree.permit(name, format!("approval {} of this {what} stands{most}", approval.id), place);
            }
            Standing::Refused(approval) => tree.deny(name, self.undecided(gate::approval_refused(&approval), place)),
            Standing::Full => tree.deny(name, self.undecided(gate::too_many(), place)),
            Standing::Nothing => {
                let environment = &self.deployed.environment;
                let rule =
                    format!("`{environment}` wants a person to approve this {what} first, and nobody was asked yet");
                let hint = "call once, which asks, and have somebody decide: `airlock approvals list`".to_owned();
                let reason = Reason::ApprovalPending.to_string();
                tree.deny(name, No { ruling: Ruling::NeedsApproval, reason, rule, place, hint });
            }
        }
        Ok(())
    }

    fn judge_address(&self, resource: &ResourceName, origin: Option<WebOrigin>, tree: &mut Tree) {
        let (name, place) = (Stage::Address.as_str(), self.judge_of().binding_place(resource, "allow_private"));
        match self.settings.resources.judge_address(&self.deployed.environment, resource, origin) {
            Err(error) => tree.deny(name, self.no(error, place)),
            Ok(true) => tree.permit(name, "the address may be connected to".to_owned(), place),
            Ok(false) => {
                let rule = "the addresses of the host's name are judged when it is resolved; nobody resolved it now";
                tree.info(name, rule.to_owned(), place);
            }
        }
    }

    /// A no that a person can turn into a yes, unless one has said no.
    fn undecided(&self, error: HostError, place: String) -> No {
        let is_pending = error.reason() == Reason::ApprovalPending.as_str();
        let no = self.no(error, place);
        if is_pending { No { ruling: Ruling::NeedsApproval, ..no } } else { no }
    }

    /// A no of the gate, as the guest would be told it.
    fn no(&self, error: HostError, place: String) -> No {
        let reason = error.reason().to_owned();
        let ruling = Ruling::Deny;
        match error {
            HostError::Denied { rule, hint, .. } => No { ruling, reason, rule, place, hint },
            HostError::Limit { limit, configured, used, hint } => {
                let rule = format!("limit `{limit}` reached: {configured} allowed, {used} asked for");
                No { ruling, reason, rule, place: self.limits.place(limit).to_owned(), hint }
            }
            other => No { ruling, reason, rule: other.to_string(), place, hint: String::new() },
        }
    }
}

/// The request for the approval of what writes, where one is needed.
fn needed(judge: &Judge<'_>, change: &Change<'_>, notes: &Notes) -> Option<Approval> {
    if notes.has_effect { judge.approval_for(change) } else { None }
}
