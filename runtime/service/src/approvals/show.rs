//! What whoever decides sees.

use airlock_access::Presented;
use airlock_model::{Approval, ApprovalId, ApprovalState, ControlScope, EnvironmentName, Failure};
use airlock_store::{ApprovalFilter, Page, PageRequest};

use super::{similar, unknown};
use crate::{App, app::store_failure, clock, control::About};

/// How many of the approvals before are compared.
const COMPARED_MAX: u32 = 50;

/// One approval as of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// As it is stored.
    pub approval: Approval,
    /// Its state, with the clock's word.
    pub state: ApprovalState,
}

/// A text that was approved before for the same function and resource and resembles this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimilarApproval {
    /// Its approval.
    pub id: ApprovalId,
    /// The difference, word by word: lines that begin with ` `, `-` or `+`.
    pub diff: String,
}

impl App {
    /// The approvals of the token's tenant and environment, newest first.
    ///
    /// # Errors
    /// When the token lacks `approval:read`, or the page token is not ours.
    pub async fn list_approvals(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        filter: ApprovalFilter,
        page: PageRequest,
    ) -> Result<Page<Shown>, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::ApprovalRead, About("ApprovalService.List", &environment, None))?;
        let (state, tenant) = (filter.state, permit.principal().tenant.clone());
        // One that has ended unnoticed is stored as what it was.
        let filter = ApprovalFilter { state: state.filter(|state| *state != ApprovalState::Expired), ..filter };
        let found = self.backends.store.approvals(tenant, environment, filter, page).await;
        let Page { items, next } = found.map_err(|why| store_failure(&why))?;
        let items = items.into_iter().filter(|one| permit.token().covers(&one.asked.function)).map(shown);
        Ok(Page { items: items.filter(|shown| state.is_none_or(|state| shown.state == state)).collect(), next })
    }

    /// One approval, and the text approved before that it resembles.
    ///
    /// # Errors
    /// When the token lacks `approval:read`; `approval_unknown`.
    pub async fn get_approval(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: ApprovalId,
    ) -> Result<(Shown, Option<SimilarApproval>), Failure> {
        let permit =
            self.authorize(bearer, ControlScope::ApprovalRead, About("ApprovalService.Get", &environment, None))?;
        let (store, tenant) = (&self.backends.store, permit.principal().tenant.clone());
        let found = store.approval(id.clone(), tenant, environment).await.map_err(|why| store_failure(&why))?;
        let covered = found.filter(|approval| permit.token().covers(&approval.asked.function));
        let approval = covered.ok_or_else(|| unknown(&id))?;
        let before = store.approved_before(approval.asked.clone(), COMPARED_MAX).await;
        let before = before.map_err(|why| store_failure(&why))?;
        Ok((shown(approval.clone()), similar::to(&approval, &before)))
    }
}

pub(super) fn shown(approval: Approval) -> Shown {
    Shown { state: approval.state_at(clock::now_unix_ms()), approval }
}
