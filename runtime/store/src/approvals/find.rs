//! Looking at approvals.

use airlock_model::{
    Approval, ApprovalId, ApprovalState, ApprovalStep, Asked, EnvironmentName, FunctionName, ResourceName, TenantName,
};
use rusqlite::{Connection, ToSql};

use super::{PENDING_MAX, is_visible, row, stands};
use crate::{Page, PageRequest, PageToken, Reader, StoreError};

/// What stands for something that somebody may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It may be executed.
    Granted(Box<Approval>),
    /// A person has to decide first, or has said no.
    Refused(Box<Approval>),
    /// Nobody was asked yet.
    Nothing,
    /// Nobody was asked yet, and too many requests wait already.
    Full,
}

/// What to look for beside tenant and environment. Everything that is set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only of this function.
    pub function: Option<FunctionName>,
    /// Only on this resource.
    pub resource: Option<ResourceName>,
    /// Only in this state, as it is stored: what has passed its end unnoticed still counts as what it was.
    pub state: Option<ApprovalState>,
}

impl Reader {
    /// One approval, if it is one of this tenant in this environment.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn approval(
        &self,
        id: ApprovalId,
        tenant: TenantName,
        environment: EnvironmentName,
    ) -> Result<Option<Approval>, StoreError> {
        let read = move |connection: &Connection| {
            let found = row::by_name(connection, &id)?;
            Ok(found.filter(|approval| is_visible(approval, &tenant, &environment)))
        };
        self.run(read).await
    }

    /// The approvals of a tenant in an environment, newest first.
    ///
    /// # Errors
    /// [`StoreError::PageToken`], [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn approvals(
        &self,
        tenant: TenantName,
        environment: EnvironmentName,
        filter: ApprovalFilter,
        page: PageRequest,
    ) -> Result<Page<Approval>, StoreError> {
        self.run(move |connection| listed(connection, (&tenant, &environment), &filter, &page)).await
    }

    /// What stands for a request now: what [`Store::claim_approval`](crate::Store::claim_approval) would find. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn standing_approval(&self, asked: Asked, now_unix_ms: u64) -> Result<Standing, StoreError> {
        let read = move |connection: &Connection| {
            let latest = row::latest(connection, &asked.binding())?.map(|mut found| {
                // As `expire` would write it.
                if let Ok(expired) = found.progress.after(ApprovalStep::Expire, now_unix_ms) {
                    found.progress = expired;
                }
                found
            });
            if let Some(found) = latest.filter(|found| stands(found, now_unix_ms)) {
                return Ok(match found.progress.after(ApprovalStep::Execute, now_unix_ms) {
                    Ok(_) => Standing::Granted(Box::new(found)),
                    Err(_) => Standing::Refused(Box::new(found)),
                });
            }
            // Requests that have ended make room when somebody asks.
            let open = row::all_open(connection, &asked)?;
            let waiting = open.iter().filter(|one| one.state_at(now_unix_ms) == ApprovalState::Pending).count();
            Ok(if (waiting as u64) < PENDING_MAX { Standing::Nothing } else { Standing::Full })
        };
        self.run(read).await
    }

    /// How many requests of all tenants wait for a person: a number for operators.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn pending_approvals(&self, now_unix_ms: u64) -> Result<u64, StoreError> {
        self.run(move |connection| row::pending_count(connection, now_unix_ms)).await
    }

    /// The texts that were approved last for the same function and resource, newest first, at most so many.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn approved_before(&self, asked: Asked, count_max: u32) -> Result<Vec<Approval>, StoreError> {
        let sql = "SELECT body FROM approvals WHERE tenant = ?1 AND environment = ?2 AND function = ?3 \
                   AND resource = ?4 AND state IN ('approved', 'executing', 'used', 'unknown') \
                   ORDER BY id DESC LIMIT ?5";
        let read = move |connection: &Connection| {
            let Asked { tenant, environment, function, resource, .. } = &asked;
            let place = (tenant.as_str(), environment.as_str(), function.as_str(), resource.as_str(), count_max);
            row::all(connection, sql, place)
        };
        self.run(read).await
    }
}

fn listed(
    connection: &Connection,
    (tenant, environment): (&TenantName, &EnvironmentName),
    filter: &ApprovalFilter,
    page: &PageRequest,
) -> Result<Page<Approval>, StoreError> {
    let function = filter.function.as_ref().map(FunctionName::as_str);
    let resource = filter.resource.as_ref().map(ResourceName::as_str);
    let state = filter.state.map(ApprovalState::as_str);
    let list = [
        "approvals",
        tenant.as_str(),
        environment.as_str(),
        function.unwrap_or_default(),
        resource.unwrap_or_default(),
        state.unwrap_or_default(),
    ];
    // Names are random: the place in the list is that of the row.
    let sql = "SELECT body FROM approvals WHERE tenant = ?1 AND environment = ?2 \
               AND (?3 IS NULL OR function = ?3) AND (?4 IS NULL OR resource = ?4) AND (?5 IS NULL OR state = ?5) \
               AND (?6 = '' OR id < (SELECT id FROM approvals WHERE name = ?6)) ORDER BY id DESC LIMIT ?7";
    let after = page.token.as_ref().map_or(Ok(""), |token| token.key(&list))?;
    let rows = page.rows();
    let values: [&dyn ToSql; 7] =
        [&tenant.as_str(), &environment.as_str(), &function, &resource, &state, &after, &rows.saturating_add(1)];
    let items = row::all(connection, sql, values.as_slice())?;
    Ok(Page::cut(items, rows, |last: &Approval| PageToken::new(&list, last.id.as_str())))
}
