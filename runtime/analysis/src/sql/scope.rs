//! Which names are common table expressions rather than tables, at each point of the walk.
//!
//! When in doubt a name counts as a table: naming one too many hides nothing.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query};

/// One `WITH` clause and how far the walk has come in it.
struct Frame {
    /// Address of the query that each expression runs, and its name.
    expressions: Vec<(usize, String)>,
    /// How many of them can be seen now.
    visible: usize,
    recursive: bool,
}

/// All `WITH` clauses around the current point.
#[derive(Default)]
pub(super) struct Scope {
    frames: Vec<Frame>,
}

impl Scope {
    /// On entering `query`.
    pub(super) fn enter(&mut self, query: &Query) {
        let address = std::ptr::from_ref(query) as usize;
        if let Some((frame, at)) = self.body_of(address) {
            // Inside its own body an expression is visible only when recursive; before that the name is a table.
            frame.visible = if frame.recursive { at + 1 } else { at };
        }
        let expressions = query.with.iter().flat_map(|with| &with.cte_tables);
        let expressions =
            expressions.map(|cte| (std::ptr::from_ref(cte.query.as_ref()) as usize, name(&cte.alias.name)));
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        self.frames.push(Frame { expressions: expressions.collect(), visible: 0, recursive });
    }

    /// On leaving `query`.
    pub(super) fn leave(&mut self, query: &Query) {
        self.frames.pop();
        let address = std::ptr::from_ref(query) as usize;
        if let Some((frame, at)) = self.body_of(address) {
            frame.visible = at + 1;
        }
    }

    /// Whether a relation of this name is a common table expression here.
    pub(super) fn defines(&self, relation: &ObjectName) -> bool {
        let [ObjectNamePart::Identifier(ident)] = relation.0.as_slice() else { return false };
        let wanted = name(ident);
        let sees = |frame: &Frame| frame.expressions.iter().take(frame.visible).any(|(_, name)| *name == wanted);
        self.frames.iter().any(sees)
    }

    fn body_of(&mut self, address: usize) -> Option<(&mut Frame, usize)> {
        let frame = self.frames.last_mut()?;
        let at = frame.expressions.iter().position(|(query, _)| *query == address)?;
        Some((frame, at))
    }
}

/// Unquoted names match without regard to case; quoted ones only themselves.
fn name(ident: &Ident) -> String {
    match ident.quote_style {
        None => ident.value.to_lowercase(),
        Some(_) => ident.value.clone(),
    }
}
