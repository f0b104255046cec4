//! Revisions as people name them: by the beginning of a digest, which has to be that of one alone.

use airlock_access::{Authorized, Control, authorize_control};
use airlock_model::{ControlScope, Digest, DigestPrefix, EnvironmentName, Failure, FunctionName, Reason};
use airlock_store::{Reader, Share};

use crate::{App, FunctionChange, app::store_failure, lifecycle::expect_few};

/// Digests that an answer lists.
const LISTED_MAX: u32 = 5;

impl App {
    /// The digest that is meant. A whole one is taken as it is, whether or not there is such a revision.
    ///
    /// # Errors
    /// `function_unknown` when no revision begins so, `request_malformed` when several do. Others than those are listed for who
    /// may read them.
    pub(crate) async fn digest_of(
        &self,
        permit: &Authorized<Control>,
        (function, environment): (&FunctionName, &EnvironmentName),
        name: &DigestPrefix,
    ) -> Result<Digest, Failure> {
        if let Some(whole) = name.whole() {
            return Ok(whole);
        }
        let look = async |range| {
            let subject = (function.clone(), environment.clone());
            let store: &Reader = &self.backends.store;
            store.digests_of(subject, range, LISTED_MAX).await.map_err(|why| store_failure(&why))
        };
        let found = look(name.range()).await?;
        if let Some(only) = only(name, &found)? {
            return Ok(only);
        }
        let may_read = authorize_control(permit.token(), ControlScope::FunctionRead, environment.clone()).is_ok();
        let all = Digest::from_bytes([u8::MIN; 32])..=Digest::from_bytes([u8::MAX; 32]);
        let there = if may_read { look(all).await? } else { Vec::new() };
        Err(unknown(function, environment, name, &there))
    }

    /// A change with the digests that are meant.
    pub(crate) async fn with_digests(
        &self,
        permit: &Authorized<Control>,
        subject: (&FunctionName, &EnvironmentName),
        change: FunctionChange,
    ) -> Result<FunctionChange<Digest>, Failure> {
        Ok(match change {
            FunctionChange::Rollback(None) => FunctionChange::Rollback(None),
            FunctionChange::Rollback(Some(name)) => {
                FunctionChange::Rollback(Some(self.digest_of(permit, subject, &name).await?))
            }
            FunctionChange::SetAlias(alias, named) => {
                // Before anything is looked up.
                expect_few(&named)?;
                let mut shares = Vec::with_capacity(named.len());
                for Share { revision, percent } in named {
                    shares.push(Share { revision: self.digest_of(permit, subject, &revision).await?, percent });
                }
                FunctionChange::SetAlias(alias, shares)
            }
            FunctionChange::Disable(why) => FunctionChange::Disable(why),
            FunctionChange::Enable => FunctionChange::Enable,
            FunctionChange::Delete => FunctionChange::Delete,
        })
    }
}

/// The one that was found, if any was.
fn only(name: &DigestPrefix, found: &[Digest]) -> Result<Option<Digest>, Failure> {
    match found {
        [] => Ok(None),
        [only] => Ok(Some(*only)),
        several => {
            let message = format!("`{name}` begins the digests of several revisions: {}", listed(several));
            Err(Failure::new(Reason::RequestMalformed, message, "give more digits of the one you mean"))
        }
    }
}

fn unknown(function: &FunctionName, environment: &EnvironmentName, name: &DigestPrefix, there: &[Digest]) -> Failure {
    let there = if there.is_empty() { String::new() } else { format!("; the newest are {}", listed(there)) };
    let message =
        format!("no revision of function `{function}` in environment `{environment}` begins with `{name}`{there}");
    let hint = format!("`airlock revisions {function} --environment {environment}` lists what there is");
    Failure::new(Reason::FunctionUnknown, message, hint)
}

fn listed(digests: &[Digest]) -> String {
    let more = if digests.len() >= LISTED_MAX as usize { " and maybe more" } else { "" };
    let digests: Vec<_> = digests.iter().map(|digest| format!("`{}`", digest.excerpt())).collect();
    format!("{}{more}", digests.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_meant_none_is_unknown_and_several_are_listed() {
        let name: DigestPrefix = "0123abcd".parse().unwrap();
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(only(&name, &[]).unwrap(), None);
        assert_eq!(only(&name, &[one]).unwrap(), Some(one));
        let refused = only(&name, &[one, other]).unwrap_err();
        assert_eq!(refused.reason, Reason::RequestMalformed);
        assert!([one, other].iter().all(|digest| refused.message.contains(&digest.excerpt())), "{}", refused.message);
        assert!(!refused.message.contains("more"), "both are listed");
    }
}
