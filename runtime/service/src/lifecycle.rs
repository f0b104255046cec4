//! What happens to a function after it was deployed: back, aside, out of service, gone.

use std::sync::Arc;

use airlock_access::{Authorized, Control, Presented};
use airlock_model::{
    AliasName, AuditEvent, AuditKind, ControlScope, Decision, Digest, DigestPrefix, EnvironmentName, Failure,
    FunctionName, Reason,
};
use airlock_store::{LIVE_ALIAS, LiveFunction, Releaser, Share, StoreError};

use crate::{
    App,
    app::store_failure,
    clock,
    control::{About, function_unknown},
    deploy::control_event,
    loader::Loader,
    registry::Deployed,
    settings::Settings,
};

/// Characters of the reason of a disabled function.
const REASON_CHARS_MAX: usize = 500;
/// Revisions of one alias.
const SHARES_MAX: usize = 10;

/// One change to a function that is live, with revisions as they were named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionChange<R = DigestPrefix> {
    /// An earlier revision goes live: that one, or the one that was live before.
    Rollback(Option<R>),
    /// An alias means something else; without shares it is gone.
    SetAlias(AliasName, Vec<Share<R>>),
    /// It takes no calls, for the reason given.
    Disable(String),
    /// It takes calls again.
    Enable,
    /// It ends.
    Delete,
}

impl<R> FunctionChange<R> {
    const fn scope(&self) -> ControlScope {
        match self {
            Self::Rollback(_) | Self::SetAlias(..) => ControlScope::FunctionPromote,
            Self::Disable(_) | Self::Enable | Self::Delete => ControlScope::FunctionOperate,
        }
    }

    const fn rpc(&self) -> &'static str {
        match self {
            Self::Rollback(_) => "FunctionService.Rollback",
            Self::SetAlias(..) => "FunctionService.SetAlias",
            Self::Disable(_) => "FunctionService.Disable",
            Self::Enable => "FunctionService.Enable",
            Self::Delete => "FunctionService.Delete",
        }
    }

    const fn kind(&self) -> AuditKind {
        match self {
            Self::Rollback(_) => AuditKind::FunctionRolledBack,
            Self::SetAlias(..) => AuditKind::AliasChanged,
            Self::Disable(_) => AuditKind::FunctionDisabled,
            Self::Enable => AuditKind::FunctionEnabled,
            Self::Delete => AuditKind::FunctionDeleted,
        }
    }
}

impl FunctionChange<Digest> {
    /// What the trail says of it beside its kind.
    fn message(&self) -> Option<String> {
        match self {
            Self::SetAlias(alias, shares) => {
                let share = |share: &Share| format!("{} % {}", share.percent, share.revision);
                let shares = shares.iter().map(share).collect::<Vec<_>>().join(", ");
                Some(format!("alias `{alias}`: {}", if shares.is_empty() { "gone" } else { &shares }))
            }
            Self::Disable(why) => Some(why.clone()),
            Self::Rollback(_) | Self::Enable | Self::Delete => None,
        }
    }

    /// Whether it says what it has to.
    fn check(&self) -> Result<(), Failure> {
        match self {
            Self::SetAlias(alias, shares) => check_shares(alias, shares),
            Self::Disable(why) if why.trim().is_empty() || why.chars().count() > REASON_CHARS_MAX => {
                let message = format!("field `reason`: 1 to {REASON_CHARS_MAX} characters");
                Err(malformed(message, "say why, for those who call the function"))
            }
            _ => Ok(()),
        }
    }
}

/// One function in one environment.
type Subject = (FunctionName, EnvironmentName);

impl App {
    /// Changes a function, on disk and for its callers; on record in the same step. Calls in flight finish on the revision they
    /// began with. Gives what is live afterwards, `None` when it is gone.
    ///
    /// # Errors
    /// When the token lacks the scope, `function_unknown`, `request_malformed`.
    pub async fn change_function(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        change: FunctionChange,
    ) -> Result<Option<LiveFunction>, Failure> {
        let permit = self.authorize(bearer, change.scope(), About(change.rpc(), &environment, Some(&function)))?;
        let changed = self.change(&permit, (function.clone(), environment), change).await;
        changed.map_err(|failure| self.record_deploy_refusal(&permit, Some(&function), failure))
    }

    async fn change(
        &self,
        permit: &Authorized<Control>,
        subject: Subject,
        change: FunctionChange,
    ) -> Result<Option<LiveFunction>, Failure> {
        let change = self.with_digests(permit, (&subject.0, &subject.1), change).await?;
        change.check()?;
        self.backends.store.ready().map_err(|why| store_failure(&why))?;
        let ready = self.made_ready(permit, &subject, &change).await?;
        let record = on_record(permit, &change);
        let (loader, reloader) = (self.loader.clone(), self.reloader.clone());
        self.in_order(async move {
            if let Some(settings) = &ready.judged_by {
                reloader.expect_in_force(settings)?;
            }
            make(&loader, subject.clone(), change, &ready.digests, record).await?;
            loader.refresh(&subject.0, &subject.1, &ready.revisions).await?;
            let live = loader.backends.store.live_function(subject.0, subject.1).await;
            live.map_err(|why| store_failure(&why))
        })
        .await
    }

    /// The revisions that a change lets callers reach, after every check of a deploy by what is configured now, and in this
    /// engine. Before anybody waits for the change.
    async fn made_ready(
        &self,
        permit: &Authorized<Control>,
        subject: &Subject,
        change: &FunctionChange<Digest>,
    ) -> Result<Ready, Failure> {
        let digests = match change {
            FunctionChange::Rollback(Some(digest)) => vec![*digest],
            FunctionChange::Rollback(None) => vec![before(&self.loader, subject).await?],
            FunctionChange::SetAlias(_, shares) => shares.iter().map(|share| share.revision).collect(),
            FunctionChange::Disable(_) | FunctionChange::Enable | FunctionChange::Delete => {
                return Ok(Ready::default());
            }
        };
        let _turn = self.turn(permit).await?;
        // By what holds now, not when it began to wait.
        let settings = self.settings();
        let mut revisions = Vec::with_capacity(digests.len());
        for digest in &digests {
            let judged = self.judge_again(permit, subject, *digest, &settings).await;
            let revision = judged.map_err(|failure| about(digest, failure))?;
            revisions.push(self.loader.loaded(&revision, &revisions).await?);
        }
        Ok(Ready { digests, revisions, judged_by: Some(settings) })
    }
}

/// A refusal that says of which revision: whoever rolls back need not have named one.
fn about(revision: &Digest, mut failure: Failure) -> Failure {
    // What is not there is named already.
    if failure.reason != Reason::FunctionUnknown {
        failure.message = format!("revision `{}`: {}", revision.excerpt(), failure.message);
    }
    failure
}

/// What a change lets callers reach.
#[derive(Default)]
struct Ready {
    digests: Vec<Digest>,
    /// The same, in memory.
    revisions: Vec<Arc<Deployed>>,
    /// The configuration that nothing was against them by; `None` where there was nothing to judge.
    judged_by: Option<Arc<Settings>>,
}

/// The revision that was live before the one that is.
async fn before(loader: &Loader, subject: &Subject) -> Result<Digest, Failure> {
    let found = loader.backends.store.rollback_target(subject.0.clone(), subject.1.clone()).await;
    let revision = found.map_err(|why| store_failure(&why))?.ok_or_else(|| not_there(&nothing_before(), subject))?;
    Ok(revision.digest)
}

fn nothing_before() -> StoreError {
    StoreError::NotFound { what: "a revision that was live before".to_owned() }
}

fn on_record(permit: &Authorized<Control>, change: &FunctionChange<Digest>) -> (AuditEvent, Releaser) {
    let mut event = control_event(permit, change.kind(), Decision::Permit);
    event.message = change.message();
    let by = Releaser { author: permit.principal().subject.clone(), time_unix_ms: clock::now_unix_ms() };
    (event, by)
}

async fn make(
    loader: &Loader,
    (function, environment): Subject,
    change: FunctionChange<Digest>,
    judged: &[Digest],
    (event, by): (AuditEvent, Releaser),
) -> Result<(), Failure> {
    let store = &loader.backends.store;
    let subject = (function.clone(), environment.clone());
    let made = match change {
        FunctionChange::Rollback(None) => match judged.first() {
            // What was live before may be another one by now, which nobody has judged: then the store refuses.
            Some(judged) => store.roll_back((function, environment), *judged, by, event).await.map(drop),
            None => Err(nothing_before()),
        },
        FunctionChange::Rollback(Some(to)) => store.select((function, environment), to, by, event).await.map(drop),
        FunctionChange::SetAlias(alias, shares) => store.set_alias((function, environment), alias, shares, event).await,
        FunctionChange::Disable(why) => store.set_disabled(function, environment, Some(why), event).await,
        FunctionChange::Enable => store.set_disabled(function, environment, None, event).await,
        FunctionChange::Delete => store.delete(function, environment, event).await,
    };
    made.map_err(|why| not_there(&why, &subject))
}

fn not_there(error: &StoreError, (function, environment): &Subject) -> Failure {
    match error {
        StoreError::NotFound { what } if what.contains("revision") && !what.starts_with("a live") => {
            let message = format!("`{function}` in environment `{environment}` does not have {what}");
            let hint = format!("`airlock revisions {function} --environment {environment}` lists what there is");
            Failure::new(Reason::FunctionUnknown, message, hint)
        }
        StoreError::NotFound { .. } => function_unknown(function, environment),
        other => store_failure(other),
    }
}

fn check_shares(alias: &AliasName, shares: &[Share]) -> Result<(), Failure> {
    let is_live = alias.as_str() == LIVE_ALIAS;
    let total: u32 = shares.iter().map(|share| u32::from(share.percent)).sum();
    let mut digests: Vec<Digest> = shares.iter().map(|share| share.revision).collect();
    digests.sort();
    digests.dedup();
    let fits = shares.len() <= SHARES_MAX
        && digests.len() == shares.len()
        && shares.iter().all(|share| share.percent > 0)
        && (shares.is_empty() || if is_live { total <= 100 } else { total == 100 });
    if fits {
        return Ok(());
    }
    let hint = format!(
        "give at most {SHARES_MAX} different revisions from 1 to 100 percent: for `live` at most 100 in all, the rest stays with \
         what is live; for another alias exactly 100"
    );
    Err(malformed(format!("field `shares`: {total} percent in {} shares", shares.len()), &hint))
}

/// Whether there are as few shares as an alias can have.
pub(crate) fn expect_few<R>(shares: &[Share<R>]) -> Result<(), Failure> {
    if shares.len() <= SHARES_MAX {
        return Ok(());
    }
    let message = format!("field `shares`: {} of them", shares.len());
    Err(malformed(message, &format!("give at most {SHARES_MAX} different revisions")))
}

fn malformed(message: String, hint: &str) -> Failure {
    Failure::new(Reason::RequestMalformed, message, hint)
}
