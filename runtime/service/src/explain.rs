//! What would be decided about a call, and about one host call of it, without making either.
//!
//! Every question goes to the code that decides about real calls: the authenticator, `authorize_invoke`, the registry, admission
//! and the gate's judge. What is told about a function is told only to those whom Invoke would tell: a token that does not cover it
//! gets Invoke's own refusal. What is told about a resource is told only to those whose token names it.

mod host_call;
mod tree;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use airlock_access::{Authorized, Foreseen, Invoke, Presented, Terms, authorize_invoke};
use airlock_model::{
    AliasName, AuditKind, EnvironmentName, Failure, FunctionName, Limit, LimitCaps, Quota, ResourceName, TenantName,
    TenantQuotas, place::join,
};

use crate::{
    App, LimitInForce,
    app::store_failure,
    clock,
    line::{Line, Size, Words},
    refusals::{Refused, Subject},
    registry::Deployed,
    settings::{Environment, Settings},
};

use tree::Tree;
pub use tree::{ExplainedStep, Ruling, Verdict};

/// Explanations of one tenant that wait for the one before them.
const WAITING_PER_TENANT: usize = 16;
/// Explanations of everybody that wait.
const WAITING_MAX: usize = 256;
/// Explanations that are made at once: analysis takes the processor.
const PARALLEL: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// A call that nobody makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which function.
    pub function: FunctionName,
    /// Where.
    pub environment: EnvironmentName,
    /// Which of its revisions; what is live when missing.
    pub alias: Option<AliasName>,
    /// One host call that the function would make.
    pub host_call: Option<HostQuestion>,
}

/// A host call that nobody makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostQuestion {
    /// What it goes to.
    pub resource: ResourceName,
    /// What it asks there.
    pub asks: HostAsk,
}

/// What a host call asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostAsk {
    /// To run a statement: `query` when it only reads, and else `execute`.
    Sql {
        /// One statement.
        statement: String,
        /// JSON array as text.
        parameters: String,
        /// Whether it is one of a transaction, which is opened first.
        in_transaction: bool,
    },
    /// To send a document: `query` or `mutate`, as it is.
    Graphql {
        /// One operation.
        document: String,
        /// JSON object as text, or empty.
        variables: String,
    },
    /// To send a request without a body.
    Http {
        /// In upper case.
        method: String,
        /// A path, or a whole URL.
        url: String,
    },
    /// To read from a store.
    Read,
    /// To write to a store.
    Write,
    /// To ask a language model.
    Complete {
        /// One of the models of the binding.
        model: String,
        /// As many tokens as the binding allows when missing.
        max_tokens: Option<u64>,
    },
}

/// What would be decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What it comes to.
    pub ruling: Ruling,
    /// Stable name of what a real call would be told; empty when it is permitted.
    pub reason: String,
    /// Digest of the revision that would run; empty when none would.
    pub revision: String,
    /// Each question, in the order in which it is asked.
    pub steps: Vec<ExplainedStep>,
    /// The limits that would be in force.
    pub limits: Vec<LimitInForce>,
}

/// The line of those who want an explanation.
pub(crate) fn line() -> Arc<Line> {
    let size = Size { parallel: PARALLEL, waiting_max: WAITING_MAX, waiting_per_tenant: WAITING_PER_TENANT };
    Line::new(size, Words { what: "explanations", per_tenant: "built in", all: "built in" })
}

/// A question whose call would run, with everything that the gate would know.
struct Admissible {
    settings: Arc<Settings>,
    authorized: Authorized<Invoke>,
    deployed: Arc<Deployed>,
    foreseen: Foreseen,
}

impl App {
    /// Says what would be decided about a call now. Takes no place, no rate and no budget, keeps no candidate, asks nobody for an
    /// approval, sends nothing and resolves no name. Its own bound is a line: one explanation of a tenant is made at a time.
    ///
    /// # Errors
    /// `token_invalid`, `keys_unavailable`, and `not_granted` when the token does not cover the function, as `invoke` says them;
    /// `tenant_busy` and `overloaded` when too many wait for an explanation.
    pub async fn explain(&self, bearer: Presented<'_>, question: Question) -> Result<Explanation, Failure> {
        let settings = self.settings();
        let refuse = |refused| {
            let (function, environment) = (Some(question.function.as_str()), question.environment.as_str());
            let subject = Subject { rpc: Some("InvocationService.Explain"), function, environment };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        };
        let authorized = self.cover(&settings, bearer, &question).map_err(refuse)?;
        let turn = self.explaining.turn(&authorized.principal().tenant).await;
        let turn = turn.map_err(|why| refuse(Refused::by(authorized.token())(why)))?;
        // By what holds now, not when it began to wait.
        let settings = self.settings();
        let authorized = self.cover(&settings, bearer, &question).map_err(refuse)?;
        let mut tree = Tree::default();
        describe_token(&authorized, &mut tree);
        let admissible = self.admissible(settings, authorized, &question, &mut tree);
        let Some(Admissible { settings, authorized, deployed, foreseen }) = admissible else {
            tree.not_reached(host_call::stages(question.host_call.as_ref()));
            return Ok(tree.explanation("", Vec::new()));
        };
        let (revision, limits) = (deployed.revision.to_string(), in_force(&foreseen));
        // The last question about the call, as it is the last thing that `admit` does.
        if let Some(left) = self.call_left(authorized.token(), &settings).await? {
            let place = "the `calls` claims of the token and of those in its `chain`";
            if tree.ask("calls", left).is_none() {
                tree.not_reached(host_call::stages(question.host_call.as_ref()));
                return Ok(tree.explanation(&revision, limits));
            }
            tree.permit("calls", "the token is good for so many calls, and one is left".to_owned(), place.to_owned());
        }
        if let Some(asked) = question.host_call {
            let case = host_call::Case {
                settings,
                backends: Arc::clone(&self.backends),
                deployed,
                principal: Arc::clone(authorized.principal()),
                token: authorized.token().clone(),
                grants: foreseen.grants,
                limits: foreseen.limits,
            };
            host_call::explain(case, asked, turn, &mut tree).await?;
        }
        Ok(tree.explanation(&revision, limits))
    }

    /// The first steps of a call, with its refusals.
    fn cover(
        &self,
        settings: &Settings,
        bearer: Presented<'_>,
        question: &Question,
    ) -> Result<Authorized<Invoke>, Refused> {
        let token = self.verify(settings, bearer)?;
        let (function, environment) = (&question.function, &question.environment);
        let authorized = authorize_invoke(&token, function.clone(), environment.clone());
        let authorized = authorized.map_err(Refused::by(&token))?;
        self.check_function(&token, environment, function).map_err(Refused::by(&token))?;
        Ok(authorized)
    }

    /// Everything that can turn a call away before it runs, in the order of `admit`.
    fn admissible(
        &self,
        settings: Arc<Settings>,
        authorized: Authorized<Invoke>,
        question: &Question,
        tree: &mut Tree,
    ) -> Option<Admissible> {
        let section = format!("environments.{}", question.environment);
        let place = format!("[{section}] ({})", settings.origin(&section));
        let environment = tree.ask("environment", settings.environment(&question.environment).cloned())?;
        tree.permit("environment", format!("`{}` is configured", question.environment), place);
        // Of a holding that holds nothing, this is only a question.
        tree.ask("admission", self.holdings.open().claim(&authorized.principal().tenant))?;
        let found = tree.ask("revision", self.registry.foresee(&authorized, question.alias.as_ref()))?;
        tree.permit("revision", which(&found, question.alias.as_ref()), String::new());
        let deployed = found.deployed;
        let foreseen = self.foresee(&settings, &authorized, &environment, &deployed);
        let tenant = &authorized.principal().tenant;
        tree.info("limits", format!("{} limits would be in force", Limit::ALL.len()), String::new());
        self.describe_quotas(&settings, tenant, &foreseen, tree);
        let waits = foreseen.waits.clone().map_err(|why| settings.placed(why, tenant));
        let waits = tree.ask("admission", waits)?;
        let wall_time = Duration::from_millis(foreseen.limits.get(Limit::WallTimeMs));
        tree.ask("admission", self.lanes.have_room(&deployed.program, wall_time))?;
        let ready = self.backends.store.ready().map_err(|why| store_failure(&why));
        tree.ask("admission", ready)?;
        let rule = if waits { "the call would wait for its turn, and then run" } else { "the call would run at once" };
        tree.permit("admission", rule.to_owned(), String::new());
        Some(Admissible { settings, authorized, deployed, foreseen })
    }

    fn foresee(
        &self,
        settings: &Settings,
        authorized: &Authorized<Invoke>,
        environment: &Environment,
        deployed: &Deployed,
    ) -> Foreseen {
        let tenant = settings.tenant(&authorized.principal().tenant);
        let terms = Terms {
            operator: &settings.operator,
            tenant: &tenant.caps,
            environment: &environment.limits.caps,
            function: &deployed.limits,
            // The deadline of an explanation says nothing about that of the call.
            caller: &LimitCaps::default(),
            places: &settings.places(tenant, environment, deployed),
            manifest_grants: &deployed.manifest_grants,
            environment_grants: &environment.grants,
        };
        self.admission.foresee(authorized, &terms)
    }

    /// What the tenant may take over time, and what it has taken.
    fn describe_quotas(&self, settings: &Settings, tenant: &TenantName, foreseen: &Foreseen, tree: &mut Tree) {
        let limits = &foreseen.limits;
        let running = self.admission.in_flight(tenant);
        let rule = format!("`in_flight` is {}, {running} run now", limits.get(Limit::InFlight));
        tree.info("quota", rule, limits.place(Limit::InFlight).to_owned());
        let Some(quotas) = settings.config.limits.tenant.get(tenant).map(|tenant| &tenant.quotas) else { return };
        let today = self.admission.today(tenant).unwrap_or_default();
        let TenantQuotas { calls_per_second, calls_per_day, fuel_per_day, .. } = quotas;
        let set = [
            (Quota::CallsPerSecond, *calls_per_second, None),
            (Quota::CallsPerDay, *calls_per_day, Some(today.calls)),
            (Quota::FuelPerDay, *fuel_per_day, Some(today.fuel)),
        ];
        for (quota, most, used) in set {
            let Some(most) = most else { continue };
            let used = used.map(|used| format!(", {used} taken today")).unwrap_or_default();
            let section = join("limits.tenant", tenant.as_str());
            let origin = settings.origin(&join(&section, quota.name()));
            let place = format!("[{section}] {} ({origin})", quota.name());
            tree.info("quota", format!("`{}` is {most}{used}", quota.name()), place);
        }
    }
}

fn describe_token(authorized: &Authorized<Invoke>, tree: &mut Tree) {
    let (token, call) = (authorized.token(), authorized.call());
    let left = token.expires_at_unix_s().saturating_sub(clock::now_unix_s());
    let rule = format!("signed by a key of `{}`, good for {left} s more", token.issuer());
    tree.permit("token", rule, "the token's signature and times".to_owned());
    let rule = format!("the token covers `{}` in `{}`", call.function(), call.environment());
    tree.permit("function", rule, "the `functions` and `environment` claims of the token".to_owned());
}

fn which(found: &crate::registry::Foreseen, alias: Option<&AliasName>) -> String {
    let short: String = found.deployed.revision.chars().take(12).collect();
    let by = alias.map(|alias| format!(" by the alias `{alias}`")).unwrap_or_default();
    let live = if found.is_live { "live" } else { "not the live one" };
    let shares = match found.others {
        0 => String::new(),
        others => format!("; {others} other revision(s) get a share of such calls"),
    };
    format!("revision {short} would run{by}, which is {live}{shares}")
}

fn in_force(foreseen: &Foreseen) -> Vec<LimitInForce> {
    let limits = &foreseen.limits;
    let of_one = |limit: &Limit| LimitInForce {
        limit: *limit,
        value: limits.get(*limit),
        source: limits.source(*limit),
        place: limits.place(*limit).to_owned(),
    };
    Limit::ALL.iter().map(of_one).collect()
}
