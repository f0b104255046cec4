//! SOQL in HTTP requests: where a binding says that a path takes a query, it is one that only reads.

use airlock_analysis::soql;
use airlock_model::{AuditEvent, HostError, Reason, RequestPath, ResourceName, StatementClass, StatementLanguage};

use super::{
    CallGate,
    plan::{TARGET_CHARS_MAX, denied},
    said::Said,
};

impl CallGate {
    /// Looks at the parameter `q` of such a path. The trail keeps the query without its values.
    pub(super) fn check_soql(
        &self,
        resource: &ResourceName,
        path: &RequestPath,
        query: &[(String, String)],
        event: &mut AuditEvent,
    ) -> Result<(), HostError> {
        if !self.facts.settings.resources.takes_soql(&self.facts.deployed.environment, resource, path) {
            return Ok(());
        }
        let hint = "send one SELECT as the parameter `q`, with values written by the SDK's `soql`";
        let refuse = |rule: String| denied(Reason::StatementRefused, rule, hint);
        let mut asked = query.iter().filter(|(name, _)| name.eq_ignore_ascii_case("q"));
        let (Some((_, text)), None) = (asked.next(), asked.next()) else {
            return Err(refuse("this path takes exactly one parameter `q`".to_owned()));
        };
        let report = soql(text).map_err(|why| refuse(why.to_string()))?;
        let shape = report.listed_shape();
        event.class = Some(StatementClass::Read);
        event.tables = report.objects;
        if let Some(target) = &mut event.target {
            target.push_str("?q=");
            target.extend(report.shape.chars().take(TARGET_CHARS_MAX));
        }
        if let Some(name) = report.binds.first() {
            return Err(refuse(format!("`:{name}` has no value yet")));
        }
        let said = Said { resource, language: StatementLanguage::Soql, text: &shape };
        self.hold_to_manifest(&said, StatementClass::Read, &event.tables)
    }
}
