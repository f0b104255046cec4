//! Where the rules about a host call are written, for explanations.

use airlock_model::{Layer, ResourceName, place::join};

use super::judge::Judge;
use crate::config::Origin;

impl Judge<'_> {
    /// A key of `[environments.<name>]`.
    pub(crate) fn environment_place(&self, key: &str) -> String {
        self.written(&format!("environments.{}", self.deployed.environment), key)
    }

    /// A key of the binding.
    pub(crate) fn binding_place(&self, resource: &ResourceName, key: &str) -> String {
        self.written(&format!("resources.{resource}.{}", self.deployed.environment), key)
    }

    /// That a resource is bound, and where.
    pub(super) fn bound(&self, resource: &ResourceName) -> (String, String) {
        let environment = &self.deployed.environment;
        let origin = self.settings.origin(&format!("resources.{resource}.{environment}"));
        let kind = self.settings.resources.kind_of(resource, environment);
        let kind = kind.map(|kind| format!(" as {kind}")).unwrap_or_default();
        let rule = format!("environment `{environment}` binds `{resource}`{kind}");
        (rule, format!("[resources.{resource}.{environment}] ({origin})"))
    }

    /// Where one authority says what may be done to a resource.
    pub(crate) fn grant_place(&self, layer: Layer, resource: &ResourceName) -> String {
        match layer {
            Layer::Token => layer.place().to_owned(),
            Layer::Manifest => {
                let place = self.deployed.grant_places.get(resource);
                place.cloned().unwrap_or_else(|| layer.place().to_owned())
            }
            Layer::Environment => self.binding_place(resource, "operations"),
        }
    }

    /// Where all three do.
    pub(super) fn grant_places(&self, resource: &ResourceName) -> String {
        [Layer::Token, Layer::Manifest, Layer::Environment].map(|layer| self.grant_place(layer, resource)).join("; ")
    }

    fn written(&self, section: &str, key: &str) -> String {
        let origin = self.settings.origin(&join(section, key));
        if origin == Origin::BuiltIn { origin.to_string() } else { format!("[{section}] {key} ({origin})") }
    }
}
