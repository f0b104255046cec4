//! The one table of rules.

use airlock_model::Severity;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A template literal, f-string or `format!` with holes.
    SqlTemplate,
    /// `+` with something that is not constant.
    SqlConcat,
    /// `%`, `.format(..)` and their like.
    SqlFormat,
    /// `+=`, `push_str` and their like.
    SqlAppend,
    /// `join` of a list that is not constant.
    SqlJoin,
    /// `replace` with something that is not constant.
    SqlReplace,
    /// A parameter of a function that others call.
    SqlParameter,
    /// The result of a call, an import or a name that the sources do not define.
    SqlUnknown,
    /// A hole where a table, a column or a keyword stands.
    SqlIdentifier,
    /// A GraphQL document that is not constant.
    GraphqlDynamic,
    /// A SOQL text that is not constant.
    SoqlDynamic,
    /// More than one statement in a constant text.
    SqlMultiple,
    /// A constant text that the database's grammar does not know.
    SqlUnparsed,
    /// A constant text that changes the schema, the session or the server.
    SqlDestructive,
    /// `eval` and what else makes code of text.
    DynamicCode,
    /// `import(x)` and `require(x)` of something that is not constant.
    DynamicImport,
    /// A method of a client chosen at run time.
    DynamicMember,
    /// The file does not parse.
    SyntaxError,
    /// The file is too large or too deep to judge.
    AnalysisLimit,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Its stable name.
    pub id: &'static str,
    /// Errors refuse a deploy, warnings ask for a look.
    pub severity: Severity,
    /// In a few words.
    pub title: &'static str,
    /// What to do.
    pub help: &'static str,
}

macro_rules! rules {
    ($($rule:ident $id:literal $severity:ident $title:literal $help:literal;)*) => {
        /// Every rule, in the order of `docs/check.md`.
        pub const RULES: &[RuleInfo] = &[$(RuleInfo {
            rule: Rule::$rule, id: $id, severity: Severity::$severity, title: $title, help: $help,
        }),*];
        impl Rule {
            /// Its row of the table.
            #[must_use]
            pub const fn info(self) -> RuleInfo {
                match self {
                    $(Self::$rule => RuleInfo {
                        rule: Rule::$rule, id: $id, severity: Severity::$severity, title: $title, help: $help,
                    },)*
                }
            }
        }
    };
}

rules! {
    SqlTemplate "sql_template" Error "statement text with holes" "bind the values as parameters";
    SqlConcat "sql_concat" Error "statement text put together with `+`" "bind the values as parameters";
    SqlFormat "sql_format" Error "statement text made by a format function" "bind the values as parameters";
    SqlAppend "sql_append" Error "statement text that grows" "bind the values as parameters";
    SqlJoin "sql_join" Error "statement text joined from a list" "bind the list as one parameter: `= ANY($1)`";
    SqlReplace "sql_replace" Error "statement text made by replacing" "bind the values as parameters";
    SqlParameter "sql_parameter" Error "statement text from a parameter" "write the text where it runs, and pass only values";
    SqlUnknown "sql_unknown" Error "statement text of unknown origin" "write the text as a constant where it runs";
    SqlIdentifier "sql_identifier" Error "name or keyword from a value" "look the name up in a constant map";
    GraphqlDynamic "graphql_dynamic" Error "GraphQL document that is not constant" "declare variables in the document and pass the values";
    SoqlDynamic "soql_dynamic" Error "SOQL text that is not constant" "bind the values as parameters";
    SqlMultiple "sql_multiple" Warning "more than one statement" "send one statement per call";
    SqlUnparsed "sql_unparsed" Warning "statement that is not understood" "write it in the dialect of the database";
    SqlDestructive "sql_destructive" Warning "statement that Airlock refuses" "take it out of the function and run it as an operator";
    DynamicCode "dynamic_code" Error "code made from text" "write the code out";
    DynamicImport "dynamic_import" Error "module chosen at run time" "import each module by its constant name";
    DynamicMember "dynamic_member" Error "client method chosen at run time" "call the method by its name";
    SyntaxError "syntax_error" Error "the file does not parse" "correct the syntax";
    AnalysisLimit "analysis_limit" Error "the file is too large or too deep to judge" "split it";
}
