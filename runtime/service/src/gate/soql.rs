//! SOQL in HTTP requests: where a binding says that a path takes a query, it is one that only reads.

use airlock_analysis::soql;
use airlock_model::{HostError, Reason, RequestPath, ResourceName, StatementClass, StatementLanguage};

use super::{
    judge::{Judge, denied},
    notes::{Notes, Stage},
    said::Said,
};

impl Judge<'_> {
    /// Looks at the parameter `q` of such a path. The trail keeps the query without its values.
    pub(super) fn check_soql<'q>(
        &self,
        resource: &ResourceName,
        path: &RequestPath,
        query: impl Iterator<Item = &'q (String, String)>,
        notes: &mut Notes,
    ) -> Result<(), HostError> {
        if !self.settings.resources.takes_soql(&self.deployed.environment, resource, path) {
            return Ok(());
        }
        notes.at(Stage::Analysis);
        notes.blame(|| self.binding_place(resource, "soql"));
        let hint = "send one SELECT as the parameter `q`, with values written by the SDK's `soql`";
        let refuse = |rule: String| denied(Reason::StatementRefused, rule, hint);
        let mut asked = query.filter(|(name, _)| name.eq_ignore_ascii_case("q"));
        let (Some((_, text)), None) = (asked.next(), asked.next()) else {
            return Err(refuse("this path takes exactly one parameter `q`".to_owned()));
        };
        let report = soql(text).map_err(|why| refuse(why.to_string()))?;
        let shape = report.listed_shape();
        notes.event.class = Some(StatementClass::Read);
        notes.event.tables = report.objects;
        let kept = self.keep_soql(&mut notes.event, resource, (&shape, &report.shape));
        kept.map_err(|why| HostError::Unavailable(why.to_string()))?;
        if let Some(name) = report.binds.first() {
            return Err(refuse(format!("`:{name}` has no value yet")));
        }
        notes.passed(|| ("a SOQL query, which only reads".to_owned(), self.binding_place(resource, "soql")));
        let said = Said { resource, language: StatementLanguage::Soql, text: &shape };
        let tables = std::mem::take(&mut notes.event.tables);
        let held = self.hold_to_manifest(&said, (StatementClass::Read, &tables), notes);
        notes.event.tables = tables;
        held
    }
}
