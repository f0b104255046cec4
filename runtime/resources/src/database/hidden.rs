//! Names that no message may carry out.

const MESSAGE_CHARS_MAX: usize = 400;
const HIDDEN: &str = "[redacted]";

/// The names of one binding.
#[derive(Debug)]
pub(crate) struct Hidden {
    always: Vec<String>,
    /// Tables may be called like the database, so it is hidden only where a message is about databases.
    database: String,
}

impl Hidden {
    pub(crate) fn new(always: impl IntoIterator<Item = String>, database: &str) -> Self {
        Self { always: always.into_iter().collect(), database: database.to_owned() }
    }

    /// The message without the names, cut to 400 characters.
    pub(crate) fn remove(&self, message: &str) -> String {
        let about_databases = message.contains("database").then_some(&self.database);
        let names = self.always.iter().chain(about_databases);
        names.fold(message.to_owned(), |text, name| without(&text, name)).chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Replaces a name where it stands as a word.
fn without(text: &str, name: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let (found, after) = found.split_at(name.len());
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        clean.push_str(before);
        clean.push_str(if is_word { HIDDEN } else { found });
        rest = after;
    }
    clean + rest
}
