//! A schema that documents are validated against.

use apollo_compiler::{Schema, parser::Parser, validation::Valid};

use super::{DocumentRefusal, NESTING_MAX};

/// Longest schema, in bytes.
pub const SDL_BYTES_MAX: usize = 4 << 20;

/// A valid schema, and its text.
#[derive(Debug)]
pub struct GraphqlSchema {
    valid: Valid<Schema>,
    sdl: String,
}

impl GraphqlSchema {
    /// Reads a schema in the schema definition language.
    ///
    /// # Errors
    /// When it is longer than 4 MiB or not valid: where, and the first rule that it breaks.
    pub fn parse(sdl: &str) -> Result<Self, DocumentRefusal> {
        if sdl.len() > SDL_BYTES_MAX {
            return Err(DocumentRefusal::TooLong { configured: SDL_BYTES_MAX, found: sdl.len() });
        }
        let parsed = Parser::new().recursion_limit(NESTING_MAX).parse_schema(sdl, "schema");
        let schema = parsed.map_err(|failed| DocumentRefusal::unparsed(&failed.errors))?;
        let valid = schema.validate().map_err(|failed| DocumentRefusal::invalid(&failed.errors))?;
        Ok(Self { valid, sdl: sdl.to_owned() })
    }

    /// The text it was made from.
    #[must_use]
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    pub(super) fn valid(&self) -> &Valid<Schema> {
        &self.valid
    }
}
