//! Remembers what analysis made of a document: functions run the same few over and over.

use std::{num::NonZeroU64, path::Path, sync::Arc};

use airlock_analysis::{
    Document, DocumentLimits, DocumentRefusal, DocumentRules, GraphqlSchema, graphql::SDL_BYTES_MAX,
};
use airlock_resources::GraphqlKeys;
use moka::sync::Cache;

/// Bytes of document text that are remembered for one binding. A document read has some ten times the size of its text.
const CACHE_BYTES_MAX: u64 = 2 << 20;

/// The rules of one binding, and the documents that were judged by them. A reload makes new ones.
pub(crate) struct Documents {
    rules: DocumentRules,
    known: Cache<Arc<str>, Arc<Document>>,
}

/// Why a schema file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaFileError {
    #[error("`{path}` cannot be read: {source}")]
    Unread { path: String, source: std::io::Error },
    #[error("`{path}` is not a schema: {why}")]
    Invalid { path: String, why: DocumentRefusal },
}

impl Documents {
    /// Takes the limits of a binding, and reads its schema.
    pub(crate) fn new(keys: &GraphqlKeys) -> Result<Self, SchemaFileError> {
        let schema = keys.schema.as_deref().map(read_schema).transpose()?.map(Arc::new);
        let weigh = |text: &Arc<str>, _: &Arc<Document>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let known = Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weigh).build();
        Ok(Self { rules: DocumentRules { limits: limits(keys), schema }, known })
    }

    /// Reads a document by the rules of the binding.
    pub(crate) fn read(&self, text: &str) -> Result<Arc<Document>, DocumentRefusal> {
        if let Some(document) = self.known.get(text) {
            return Ok(document);
        }
        let document = Arc::new(Document::parse(text, &self.rules)?);
        self.known.insert(Arc::from(text), Arc::clone(&document));
        Ok(document)
    }

    /// The schema as the operator gave it.
    pub(crate) fn sdl(&self) -> Option<&str> {
        self.rules.schema.as_deref().map(GraphqlSchema::sdl)
    }
}

fn limits(keys: &GraphqlKeys) -> DocumentLimits {
    let (usual, or) =
        (DocumentLimits::BUILT_IN, |written: Option<NonZeroU64>, usual| written.map_or(usual, NonZeroU64::get));
    DocumentLimits {
        depth_max: or(keys.depth_max, usual.depth_max),
        cost_max: or(keys.cost_max, usual.cost_max),
        aliases_max: or(keys.aliases_max, usual.aliases_max),
        fragments_max: or(keys.fragments_max, usual.fragments_max),
        directives_max: or(keys.directives_max, usual.directives_max),
        list_items: or(keys.list_items, usual.list_items),
        allows_introspection: keys.introspection,
    }
}

fn read_schema(file: &Path) -> Result<GraphqlSchema, SchemaFileError> {
    let path = file.display().to_string();
    let unread = |source| SchemaFileError::Unread { path: path.clone(), source };
    if std::fs::metadata(file).map_err(unread)?.len() > SDL_BYTES_MAX as u64 {
        let why = DocumentRefusal::TooLong { configured: SDL_BYTES_MAX, found: usize::MAX };
        return Err(SchemaFileError::Invalid { path, why });
    }
    let sdl = std::fs::read_to_string(file).map_err(unread)?;
    GraphqlSchema::parse(&sdl).map_err(|why| SchemaFileError::Invalid { path: path.clone(), why })
}
