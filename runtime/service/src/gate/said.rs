//! What a function says against what its revision may say.

use airlock_model::{
    Digest, HostError, ManifestStatement, Reason, ResourceName, StatementClass, StatementLanguage, fingerprint,
};
use airlock_store::Caller;

use super::{
    judge::{Judge, Unlisted, denied},
    notes::{Notes, Stage},
};

/// One text to one resource.
pub(super) struct Said<'a> {
    pub(super) resource: &'a ResourceName,
    pub(super) language: StatementLanguage,
    pub(super) text: &'a str,
}

impl Judge<'_> {
    /// In an environment that is strict a revision says what stands in its statement manifest, and nothing else: whatever
    /// reaches the function, there is no text to inject into. Elsewhere what is not listed is kept, as a candidate.
    pub(super) fn hold_to_manifest(
        &self,
        said: &Said<'_>,
        (class, tables): (StatementClass, &[String]),
        notes: &mut Notes,
    ) -> Result<(), HostError> {
        notes.at(Stage::Statements);
        let fingerprint = fingerprint(said.resource, said.language, said.text);
        let (settings, deployed) = (self.settings, self.deployed);
        if deployed.statements.as_ref().is_some_and(|listed| listed.contains(&fingerprint)) {
            notes.passed(|| {
                let place = "the statement manifest of the revision";
                (format!("{place} lists this text"), place.to_owned())
            });
            return Ok(());
        }
        // An environment that is gone by now allows nothing.
        if settings.environment(&deployed.environment).map_or(true, |environment| environment.strict) {
            notes.blame(|| self.environment_place("strict"));
            return Err(self.not_listed());
        }
        notes.passed(|| {
            let rule = "the revision does not list this text, and need not: the environment is not strict";
            (rule.to_owned(), self.environment_place("strict"))
        });
        if self.unlisted == Unlisted::Kept {
            self.remember(fingerprint, said, class, tables);
        }
        Ok(())
    }

    fn not_listed(&self) -> HostError {
        let (settings, environment) = (self.settings, &self.deployed.environment);
        let place = settings.origin(&format!("environments.{environment}.strict"));
        let rule = format!(
            "[environments.{environment}] strict = true ({place}), and the revision's statement manifest lacks this text"
        );
        let hint = "write the statement as a constant text with placeholders for values and deploy again; `airlock check` \
                    shows what is listed";
        denied(Reason::StatementUnlisted, rule, hint)
    }

    fn remember(&self, fingerprint: Digest, said: &Said<'_>, class: StatementClass, tables: &[String]) {
        let deployed = self.deployed;
        let of = Caller {
            function: deployed.function.clone(),
            environment: deployed.environment.clone(),
            tenant: self.principal.tenant.clone(),
        };
        self.backends.recorder.see(self.backends, of, &fingerprint, || ManifestStatement {
            resource: said.resource.clone(),
            language: said.language,
            text: said.text.to_owned(),
            class,
            tables: tables.to_vec(),
            place: "recorded".to_owned(),
        });
    }
}
