//! The command line.

use std::path::PathBuf;

mod approvals;
mod audit;
mod explain;
mod export;
mod keys;
mod lifecycle;
mod logs;
mod token;
mod usage;

use clap::{Args, Parser, Subcommand};

pub use approvals::{
    ApprovalOptions, ApprovalsCommand, ApproveOptions, ListApprovalsOptions, PreviewOptions, RejectOptions,
    RevokeOptions,
};
pub use audit::{DecisionName, EraseOptions, FilterOptions, ProveOptions, QueryOptions, SeqRange, TrailOptions};
pub use explain::ExplainOptions;
pub use export::{ExportOptions, LineFormat};
pub use keys::{KeysCommand, NewKeyOptions, RotateOptions};
pub use lifecycle::{
    AliasOptions, BindingsOptions, DisableOptions, FunctionOptions, FunctionsOptions, PromoteOptions, RollbackOptions,
};

pub use logs::{Level, LogsOptions};
pub use token::{
    AttenuateOptions, ExchangeOptions, InspectTokenOptions, LiftOptions, MintOptions, RevokeTokenOptions, RevokedThing,
};
pub use usage::{
    AdoptionOptions, HeadroomOptions, UnusedGrantsOptions, UnusedOptions, UsageCommand, UsageFilterOptions,
    UsageOptions, UsageReportOptions, UsageSourceOptions, UsageVerifyOptions,
};

const EXIT_CODES: &str =
    "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 refused by Airlock, 4 the function returned its own error.";

/// Backend functions that nobody has to trust.
#[derive(Parser)]
#[command(name = "airlock", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print one JSON document on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more: -v, -vv, -vvv. `AIRLOCK_LOG` takes a filter such as `airlock_service=debug`.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show the main job end to end on loopback, with what is refused and why.
    Demo(DemoOptions),
    /// Serve calls by a configuration file.
    Serve(ServeOptions),
    /// Look at a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See what functions can use, and prepare what it stands for.
    #[command(subcommand)]
    Resources(ResourcesCommand),
    /// Have a server read its configuration again, as SIGHUP does; prints what changed. Needs `operator:write`.
    Reload(ControlOptions),
    /// Show the limits that calls to a server start from, each with where it was set. Needs `operator:read`.
    Limits(LimitsOptions),
    /// Say whether this machine and a configuration can serve, and what to do about what is missing.
    Doctor(DoctorOptions),
    /// Make a new function project.
    New(NewOptions),
    /// Build a function project into a component.
    Build(BuildOptions),
    /// Build and analyse a function project; deploys nothing.
    Check(CheckOptions),
    /// Build a function and run one call locally: the server's engine, gate, policy and limits.
    Run(RunOptions),
    /// Show what a component can touch, its size and its digest.
    Inspect(InspectOptions),
    /// Build a function and deploy it to a server.
    Deploy(DeployOptions),
    /// Print the statements that a function was recorded to send, as a `statements.toml`. Needs `function:read`.
    Bindings(BindingsOptions),
    /// List the functions of an environment, or show one. Needs `function:read`.
    Functions(FunctionsOptions),
    /// List the revisions of a function, newest first. Needs `function:read`.
    Revisions(FunctionOptions),
    /// Take a revision over from another environment, checked by the policy of this one. Needs `function:promote`.
    Promote(PromoteOptions),
    /// Make the revision live that was live before, or one you name. Needs `function:promote`.
    Rollback(RollbackOptions),
    /// Give revisions a share of the calls, or a name of their own. Needs `function:promote`.
    Alias(AliasOptions),
    /// Take a function out of service. Needs `function:operate`.
    Disable(DisableOptions),
    /// Take a function back into service. Needs `function:operate`.
    Enable(FunctionOptions),
    /// End a function in an environment; its revisions stay on record. Needs `function:operate`.
    Delete(FunctionOptions),
    /// See what waits for a person, and decide.
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Call a deployed function.
    Invoke(InvokeOptions),
    /// Stop running calls of your own.
    Cancel(CancelOptions),
    /// Say what would be decided about a call, by which rule and where it is written. Changes nothing.
    Explain(ExplainOptions),
    /// Make keys and tokens, and look into tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make and rotate keys: of those who mint tokens, and of those who sign components.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Sign a component for environments that ask for it.
    Sign(SignOptions),
    /// Read and verify the audit trail of a state directory.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Report what calls used, by whom, and what nobody uses.
    Usage(Box<UsageOptions>),
    /// Show what functions write, as it comes and as far as it is kept. Needs `logs:read`.
    Logs(LogsOptions),
    /// Look at SQL statements as the server does.
    #[command(subcommand)]
    Sql(SqlCommand),
    /// Look at GraphQL documents as the server does.
    #[command(subcommand)]
    Graphql(GraphqlCommand),
    /// See which requests a configuration lets out.
    #[command(subcommand)]
    Egress(EgressCommand),
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// The server's own compile process.
    #[command(hide = true)]
    CompileChild {
        #[arg(long)]
        cache_dir: Option<PathBuf>,
        /// Refuse to compile unless the kernel locks the process in.
        #[arg(long)]
        locked: bool,
        #[arg(long)]
        memory_bytes: u64,
        #[arg(long)]
        cpu_s: u64,
    },
    /// The doctor's own process that raises the wall and ends.
    #[command(hide = true)]
    WallAttempt {
        #[arg(long)]
        config: PathBuf,
    },
}

#[derive(Args)]
pub struct DemoOptions {
    /// Where the state lives and stays; a temporary directory when missing.
    #[arg(long)]
    pub state: Option<PathBuf>,
    /// Leave the server up at the end, with commands to try.
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Args, Clone)]
pub struct CacheOptions {
    /// Where compiled parts are kept between builds [default: ~/.cache/airlock].
    #[arg(long, env = "AIRLOCK_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

#[derive(Args)]
pub struct ServeOptions {
    #[command(flatten)]
    pub desk: DeskOptions,
    #[command(flatten)]
    pub cache: CacheOptions,
}

/// A server for one desk, and where its configuration is.
#[derive(Args)]
pub struct DeskOptions {
    /// For development: with an issuer of its own, made in `.airlock/dev` beside the configuration, whose tokens `airlock token
    /// mint --dev` mints and no other server takes. On loopback only. Needs no configuration file.
    #[arg(long)]
    pub dev: bool,
    /// The configuration file [default: airlock.toml].
    #[arg(long)]
    pub config: Option<PathBuf>,
}

#[derive(Args)]
pub struct DoctorOptions {
    /// The configuration file.
    #[arg(long, default_value = "airlock.toml")]
    pub config: PathBuf,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Read a configuration as `serve` would, and say what is wrong with it.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "airlock.toml")]
        config: PathBuf,
        /// List every value with its source: file and line, variable, or built-in default.
        #[arg(long)]
        explain: bool,
    },
    /// Show the configuration that a server runs with, each value with its source. Needs `operator:read`.
    Show(ControlOptions),
}

#[derive(Subcommand)]
pub enum ResourcesCommand {
    /// List the resources that a token covers. Needs `resource:read`.
    List(ControlOptions),
    /// Show the tables and columns of a database, or the schema of a GraphQL API. Needs `resource:read` and the resource's
    /// `read` or `query`.
    Describe {
        /// The resource.
        name: airlock_model::ResourceName,
        /// Ask the database, although it was asked a moment ago.
        #[arg(long)]
        refresh: bool,
        #[command(flatten)]
        control: ControlOptions,
    },
    /// Print the SQL that makes the database roles of a resource. Holds no password, and asks no server.
    Provision {
        /// The resource.
        name: airlock_model::ResourceName,
        /// The environment whose binding is meant.
        #[arg(long)]
        environment: airlock_model::EnvironmentName,
        /// The configuration file.
        #[arg(long, default_value = "airlock.toml")]
        config: PathBuf,
    },
    /// Ask a GraphQL API for its schema, with the credential of its binding, and write it as a schema file.
    Introspect {
        /// The resource.
        name: airlock_model::ResourceName,
        /// The environment whose binding is meant.
        #[arg(long)]
        environment: airlock_model::EnvironmentName,
        /// Where the schema goes; standard output when missing.
        #[arg(long)]
        output: Option<PathBuf>,
        /// The configuration file.
        #[arg(long, default_value = "airlock.toml")]
        config: PathBuf,
    },
}

/// A server's control plane.
#[derive(Args)]
pub struct ControlOptions {
    /// The server's control address.
    #[arg(long, env = "AIRLOCK_CONTROL", default_value = "http://127.0.0.1:7071")]
    pub server: String,
    #[command(flatten)]
    pub access: ServerOptions,
}

#[derive(Args)]
pub struct LimitsOptions {
    /// Whose calls; the token's own tenant when missing.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Of which deployed function; without any function's own limits when missing.
    #[arg(long)]
    pub function: Option<String>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct NewOptions {
    /// Directory to make; its last part is the function's name.
    pub dir: PathBuf,
    /// `typescript` or `rust`.
    #[arg(long, default_value = "typescript")]
    pub language: String,
    /// For Rust: the directory `guest-sdk/rust` of an Airlock checkout.
    #[arg(long)]
    pub sdk: Option<PathBuf>,
}

#[derive(Args)]
pub struct ProjectOptions {
    /// Directory with `function.toml`.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Where cargo puts its output, for Rust functions [default: DIR/target].
    #[arg(long, env = "AIRLOCK_GUEST_TARGET_DIR")]
    pub target_dir: Option<PathBuf>,
    #[command(flatten)]
    pub cache: CacheOptions,
}

#[derive(Args)]
pub struct BuildOptions {
    #[command(flatten)]
    pub project: ProjectOptions,
    /// Where the component goes [default: the function's name and .wasm in DIR].
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct CheckOptions {
    #[command(flatten)]
    pub project: ProjectOptions,
    /// Judge this one source file (`-` for standard input) and no project. Exit code 2 with findings, 1 when it cannot be read.
    #[arg(long, value_name = "FILE")]
    pub source: Option<PathBuf>,
    /// Its language: ts, js, py or rs; by the end of its name unless given.
    #[arg(long, requires = "source")]
    pub language: Option<String>,
    /// What its databases speak: postgres, sqlite or mysql; any of them unless given.
    #[arg(long)]
    pub dialect: Option<String>,
    /// What to call standard input in findings.
    #[arg(long, value_name = "NAME", default_value = "stdin", requires = "source")]
    pub stdin_name: String,
    /// The server's configuration: with it the packages of the project are checked too.
    #[arg(long, value_name = "FILE", requires = "environment", conflicts_with = "source")]
    pub config: Option<PathBuf>,
    /// By the policy of which environment.
    #[arg(short, long, value_name = "NAME", requires = "config")]
    pub environment: Option<String>,
    /// How to print findings. `--json` is short for json.
    #[arg(long, value_enum)]
    pub format: Option<CheckFormat>,
}

/// How findings are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CheckFormat {
    /// For people: the lines in question, and fixes as diffs.
    Text,
    /// One document.
    Json,
    /// SARIF 2.1.0, for code hosts and editors.
    Sarif,
}

#[derive(Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub project: ProjectOptions,
    /// JSON, `@file` or `-` for standard input.
    #[arg(short, long, default_value = "null")]
    pub input: String,
    /// Where the resources are bound; without it none are.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Which environment of the configuration.
    #[arg(short, long, default_value = "dev")]
    pub environment: String,
}

#[derive(Subcommand)]
pub enum EgressCommand {
    /// Say whether a request would leave, by which rule, and to which address; resolves names and connects to nothing.
    Explain(EgressOptions),
}

#[derive(Args)]
pub struct EgressOptions {
    /// An HTTP API of the configuration.
    #[arg(long)]
    pub resource: airlock_model::ResourceName,
    /// The environment whose binding is meant.
    #[arg(short, long, default_value = "dev")]
    pub environment: airlock_model::EnvironmentName,
    /// The configuration file.
    #[arg(long, default_value = "airlock.toml")]
    pub config: PathBuf,
    /// For instance `GET`.
    pub method: String,
    /// The whole URL, as a function would write it for `fetch`.
    pub url: String,
}

#[derive(Args)]
pub struct InspectOptions {
    /// A component file.
    pub component: PathBuf,
}

#[derive(Args, Clone)]
pub struct ServerOptions {
    /// The token, or `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_TOKEN", hide_env_values = true)]
    pub token: String,
    /// Which environment [default: the one that the token is for].
    #[arg(short, long)]
    pub environment: Option<String>,
    #[command(flatten)]
    pub tls: TlsOptions,
}

/// How an `https://` server is known, and what servers are shown beside a token.
#[derive(Args, Clone, Default)]
pub struct TlsOptions {
    /// Whose certificates servers are known by, PEM; the public authorities when missing.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_CA")]
    pub ca: Option<PathBuf>,
    /// Your own certificate with its chain, PEM, for servers that ask for one.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_CLIENT_CERT", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Your own key, by `airlock keys new`: tokens you exchange are bound to it, and bound ones are sent with a proof (DPoP).
    #[arg(long, value_name = "FILE", env = "AIRLOCK_DPOP_KEY")]
    pub dpop_key: Option<PathBuf>,
}

#[derive(Args)]
pub struct DeployOptions {
    #[command(flatten)]
    pub project: ProjectOptions,
    /// The server's control address.
    #[arg(long, env = "AIRLOCK_CONTROL", default_value = "http://127.0.0.1:7071")]
    pub server: String,
    #[command(flatten)]
    pub access: ServerOptions,
    /// A signature over exactly the component that is built, by `airlock sign`.
    #[arg(long, value_name = "FILE", conflicts_with = "sign_with")]
    pub signature: Option<PathBuf>,
    /// Sign the component with this key, made by `airlock keys new-signer`.
    #[arg(long, value_name = "KEY")]
    pub sign_with: Option<PathBuf>,
}

#[derive(Args)]
pub struct SignOptions {
    /// A component, or a project that was built.
    pub component: PathBuf,
    /// Private key made by `airlock keys new-signer`.
    #[arg(long)]
    pub key: PathBuf,
    /// File for the signature.
    #[arg(short, long)]
    pub output: PathBuf,
}

#[derive(Args)]
pub struct InvokeOptions {
    /// The function's name.
    pub function: String,
    /// JSON, `@file` or `-` for standard input.
    #[arg(short, long, default_value = "null")]
    pub input: String,
    /// Show the function's log lines while it runs.
    #[arg(long)]
    pub logs: bool,
    /// Give up after this many milliseconds.
    #[arg(long)]
    pub timeout_ms: Option<u64>,
    /// Name the request: the server's log says it, and `airlock cancel --request` stops it.
    #[arg(long)]
    pub request_id: Option<String>,
    /// Call the revisions of an alias instead of what is live: `airlock alias`.
    #[arg(long)]
    pub alias: Option<String>,
    /// The server's data address.
    #[arg(long, env = "AIRLOCK_SERVER", default_value = "http://127.0.0.1:7070")]
    pub server: String,
    #[command(flatten)]
    pub access: ServerOptions,
}

#[derive(Args)]
pub struct CancelOptions {
    /// The invocation's id, or with --request the id that its request was sent with.
    pub id: String,
    /// ID is a request's: every running call of yours that was sent with it is stopped.
    #[arg(long)]
    pub request: bool,
    /// The server's data address.
    #[arg(long, env = "AIRLOCK_SERVER", default_value = "http://127.0.0.1:7070")]
    pub server: String,
    /// The token, or `@file`, or `-` for standard input.
    #[arg(long, env = "AIRLOCK_TOKEN", hide_env_values = true)]
    pub token: String,
    #[command(flatten)]
    pub tls: TlsOptions,
}

const INSPECT_HELP: &str =
    "Without --jwks nothing is verified: what is shown is what whoever wrote the token wanted to say.";

#[derive(Subcommand)]
pub enum TokenCommand {
    /// The same as `airlock keys new`.
    Keygen(NewKeyOptions),
    /// Mint a short-lived scoped token and print it.
    Mint(MintOptions),
    /// Show what a token on standard input says; with --jwks judge its signature too.
    #[command(after_help = INSPECT_HELP)]
    Inspect(InspectTokenOptions),
    /// Get a scoped token in exchange for one of an identity provider.
    Exchange(ExchangeOptions),
    /// Get a token that allows less than your own, for somebody who is to do less.
    Attenuate(AttenuateOptions),
    /// End a token, or everything of a subject, app, tenant, function or resource, calls in flight too. Needs `token:revoke`.
    Revoke(RevokeTokenOptions),
    /// List what is ended. Needs `token:revoke`.
    Revocations(ControlOptions),
    /// Take a revocation back. Needs `token:revoke`.
    Lift(LiftOptions),
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Print records: by principal, app, resource, table, decision, time and more.
    #[command(visible_alias = "list", after_help = QUERY_HELP)]
    Query(Box<QueryOptions>),
    /// Write records as JSON lines for others: once, or on and on.
    ///
    /// Works beside a running server and without one. A server exports by itself what `[[audit.export]]` in airlock.toml says.
    Export(ExportOptions),
    /// Show how far each export of the server has come, how far it is behind, and why it takes nothing.
    Exports(StateOptions),
    /// The same as `airlock usage unused-grants`.
    #[command(hide = true)]
    UnusedGrants(UnusedGrantsOptions),
    /// Ask a server where its trail stands, as one signed line to keep elsewhere. Needs `audit:read`.
    Checkpoint(ControlOptions),
    /// Verify the hash chain, by checkpoints too, and say whether every call that began also ended.
    ///
    /// Works beside a running server and without one. Ends with 0 when the trail is whole and complete, with 1 when calls have no
    /// end, and with 2 when a record is not what was written; then it names the first.
    Verify(VerifyOptions),
    /// Prove that a value is the one that a record is committed to, as long as its salt is not erased.
    ///
    /// Ends with 0 when it is, with 1 when it is another or nobody can tell any more, and with 2 when what is kept beside the record
    /// is not what was written.
    Prove(ProveOptions),
    /// Erase values and salts that are kept beside the records; the records stay, and one more says who did it and why.
    ///
    /// On a state directory no server may run; with `--server` it needs `audit:erase` and is about the token's own tenant and
    /// environment.
    #[command(after_help = ERASE_HELP)]
    Erase(Box<EraseOptions>),
}

const ERASE_HELP: &str = "Examples:
  airlock audit erase --server http://127.0.0.1:7071 --token @privacy.jwt --principal ada --reason 'request 4711'
  airlock audit erase --state state --until 30d --seq 1..100000 --field arguments --reason 'kept for 30 days'";

const QUERY_HELP: &str = "Examples:
  airlock audit query --principal ada --since 2026-11-23 --until 2026-11-24
  airlock audit query --table orders --decision deny --json
  airlock audit query --server http://127.0.0.1:7071 --token @auditor.jwt --resource orders-db --follow";

#[derive(Args)]
pub struct VerifyOptions {
    #[command(flatten)]
    pub state: StateOptions,
    /// Checkpoints that were kept elsewhere, one on each line; `-` reads them from the standard input. May be given more than once.
    /// Without, nobody can tell whether the end was cut off.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<String>,
    /// The public keys of the checkpoints, a JWK set that was kept elsewhere [default: `audit-jwks.json` in the state directory].
    #[arg(long, value_name = "JWKS")]
    pub keys: Option<PathBuf>,
}

const CLASSIFY_HELP: &str = "Classes: read, write, ddl, session, admin, forbidden; refused when there is none.

Examples:
  airlock sql classify --dialect postgres 'SELECT name FROM customers WHERE id = $1'
  printf '%s\\n' '{\"sql\": \"DELETE FROM t\"}' | airlock sql classify --dialect sqlite
    {\"class\":\"write\",\"objects\":[\"t\"],\"reasons\":[\"DELETE removes rows\"]}";

#[derive(Subcommand)]
pub enum SqlCommand {
    /// Say what class a statement has, which tables it names, and why it is not a plain read; runs nothing.
    #[command(after_help = CLASSIFY_HELP)]
    Classify(ClassifyOptions),
}

#[derive(Args)]
pub struct ClassifyOptions {
    /// The SQL that the statements are written in.
    #[arg(long, value_enum)]
    pub dialect: DialectName,
    /// A function that only reads, `name` or `schema.name`; repeat it for more.
    #[arg(long = "read-function", value_name = "NAME")]
    pub read_functions: Vec<String>,
    /// The statement; when missing, JSON lines `{"sql": ".."}` on standard input, each answered by one line.
    pub statement: Option<String>,
}

#[derive(Subcommand)]
pub enum GraphqlCommand {
    /// Say what documents do and can cost: their class, depth, cost and root fields, or why they are refused.
    Classify(DocumentOptions),
}

#[derive(Args)]
pub struct DocumentOptions {
    /// The schema that the documents are written for.
    #[arg(long)]
    pub schema: Option<PathBuf>,
    /// Let documents ask for `__schema` and `__type`.
    #[arg(long)]
    pub introspection: bool,
    /// `depth_max` of the binding, when it is not the usual one.
    #[arg(long)]
    pub depth_max: Option<u64>,
    /// `cost_max` of the binding, when it is not the usual one.
    #[arg(long)]
    pub cost_max: Option<u64>,
    /// The variables of the document, a JSON object.
    #[arg(long)]
    pub variables: Option<String>,
    /// The document; when missing, JSON lines `{"document": "..", "variables": {..}}` on standard input, each answered by
    /// one line.
    pub document: Option<String>,
}

/// A dialect on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum DialectName {
    Postgres,
    Sqlite,
    Mysql,
}

#[derive(Args)]
pub struct StateOptions {
    /// The server's state directory.
    #[arg(long, default_value = "state")]
    pub state: PathBuf,
}
