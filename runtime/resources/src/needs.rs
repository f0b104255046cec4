//! What a binding needs of the process around it, for the second wall. Reads nothing and resolves nothing.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use airlock_model::{Operation, OriginPattern};
use url::{Host, Url};

use crate::{
    BindingConfig, CredentialConfig, CredentialRef, HttpConfig, RedisConfig, S3Config, SqliteConfig,
    database::ServerConfig,
};

/// Files, ports and services that a binding uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files to read; what replaces them under their name counts too.
    pub files: Vec<PathBuf>,
    /// A database file, and whether the binding may change it.
    pub database: Option<(PathBuf, bool)>,
    /// A directory to read and write.
    pub directory: Option<PathBuf>,
    /// TCP ports to connect to.
    pub ports: Vec<u16>,
    /// Whether a host name has to be resolved.
    pub resolves_names: bool,
}

impl BindingConfig {
    /// What it needs. A binding that will be refused anyway needs nothing.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::Sqlite(config) => sqlite(config),
            Self::Http(config) => http(config),
            Self::Postgres(config) => server(&config.server()),
            Self::Mysql(config) => server(&config.server()),
            // Its file is in the state directory, which the server may write to anyway.
            Self::Embedded(_) => Needs::default(),
            Self::Redis(config) => redis(config),
            Self::Directory(config) => Needs { directory: Some(config.path.clone()), ..Needs::default() },
            Self::S3(config) => s3(config),
            Self::Openai(config) | Self::Anthropic(config) => http(&config.http),
            Self::Graphql(config) => {
                let mut needs = http(&config.http);
                needs.files.extend(config.own.schema.clone());
                needs
            }
        }
    }
}

fn sqlite(config: &SqliteConfig) -> Needs {
    let changes = config.operations.iter().any(|operation| matches!(operation, Operation::Write | Operation::Ddl));
    Needs { database: Some((config.path.clone(), changes)), ..Needs::default() }
}

fn http(config: &HttpConfig) -> Needs {
    let url = Url::parse(&config.base_url).ok();
    let shown = config.client_certificate.as_ref();
    let token_url = config.credential.as_ref().and_then(CredentialConfig::token_url);
    let urls: Vec<Url> = url.into_iter().chain(token_url).collect();
    let patterns: Vec<OriginPattern> = config.origins.iter().filter_map(|text| text.parse().ok()).collect();
    let secrets = config.credential.iter().map(CredentialConfig::value).chain(shown.map(|shown| &shown.key));
    let files = secrets.filter_map(file).chain(config.ca_file.as_deref()).chain(shown.map(|shown| &*shown.certificate));
    let is_name = |url: &Url| matches!(url.host(), Some(Host::Domain(_)));
    let mut ports: Vec<u16> = urls.iter().filter_map(Url::port_or_known_default).collect();
    ports.extend(patterns.iter().map(OriginPattern::port));
    Needs {
        files: files.map(Path::to_owned).collect(),
        ports,
        resolves_names: urls.iter().any(is_name) || !patterns.is_empty(),
        ..Needs::default()
    }
}

fn file(reference: &CredentialRef) -> Option<&Path> {
    match reference {
        CredentialRef::File(path) => Some(path),
        CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
    }
}

fn server(config: &ServerConfig<'_>) -> Needs {
    let roles = [config.read].into_iter().chain(config.write);
    let secrets = roles.filter_map(|role| match &role.password {
        CredentialRef::File(path) => Some(path.as_path()),
        CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
    });
    Needs {
        files: secrets.chain(config.ca_file).map(Path::to_owned).collect(),
        ports: vec![config.port],
        resolves_names: config.host.parse::<IpAddr>().is_err(),
        ..Needs::default()
    }
}

fn redis(config: &RedisConfig) -> Needs {
    let secret = config.login.as_ref().and_then(|login| match &login.password {
        CredentialRef::File(path) => Some(path.as_path()),
        CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
    });
    Needs {
        files: secret.into_iter().chain(config.ca_file.as_deref()).map(Path::to_owned).collect(),
        ports: vec![config.port.get()],
        resolves_names: config.host.parse::<IpAddr>().is_err(),
        ..Needs::default()
    }
}

fn s3(config: &S3Config) -> Needs {
    let url = Url::parse(&config.base_url).ok();
    let secret = match &config.credential.secret {
        CredentialRef::File(path) => Some(path.as_path()),
        CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
    };
    Needs {
        files: secret.into_iter().chain(config.ca_file.as_deref()).map(Path::to_owned).collect(),
        ports: url.as_ref().and_then(Url::port_or_known_default).into_iter().collect(),
        resolves_names: url.as_ref().is_some_and(|url| matches!(url.host(), Some(Host::Domain(_)))),
        ..Needs::default()
    }
}

impl CredentialConfig {
    fn token_url(&self) -> Option<Url> {
        match self {
            Self::Oauth2 { token_url, .. } => Url::parse(token_url).ok(),
            Self::Bearer { .. }
            | Self::Basic { .. }
            | Self::Header { .. }
            | Self::Query { .. }
            | Self::AwsSigv4 { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(text: &str) -> Needs {
        toml::from_str::<BindingConfig>(text).expect("a binding").needs()
    }

    #[test]
    fn an_api_needs_its_port_its_files_and_names() {
        let found = needs(
            "engine = 'http'\nbase_url = 'https://api.example.com/v1'\noperations = ['GET']\nca_file = '/c/ca.pem'\n\
             credential = { kind = 'basic', username = 'u', value = { file = '/s/token' } }",
        );
        let files = vec!["/s/token".into(), "/c/ca.pem".into()];
        assert_eq!(found, Needs { files, ports: vec![443], resolves_names: true, ..Needs::default() });
        let plain = needs("engine = 'http'\nbase_url = 'http://127.0.0.1:8080'\noperations = ['GET']");
        assert_eq!(plain, Needs { ports: vec![8080], ..Needs::default() });
    }

    #[test]
    fn a_database_server_needs_its_port_its_passwords_and_names() {
        let found = needs(
            "engine = 'postgres'\nhost = 'db.internal'\ndatabase = 'orders'\noperations = ['read']\nca_file = '/c/ca.pem'\n\
             read = { user = 'r', password = { file = '/s/r' } }\nwrite = { user = 'w', password = { env = 'W' } }",
        );
        let files = vec!["/s/r".into(), "/c/ca.pem".into()];
        assert_eq!(found, Needs { files, ports: vec![5432], resolves_names: true, ..Needs::default() });
    }

    #[test]
    fn stores_need_what_they_reach_and_no_more() {
        let redis = needs(
            "engine = 'redis'\nhost = '10.0.0.1'\noperations = ['read']\n\
             login = { user = 'u', password = { file = '/s/redis' } }",
        );
        assert_eq!(redis, Needs { files: vec!["/s/redis".into()], ports: vec![6379], ..Needs::default() });
        let s3 = needs(
            "engine = 's3'\nbase_url = 'https://s3.example.com'\nbucket = 'b'\noperations = ['read']\n\
             credential = { access_key_id = 'A', secret = { file = '/s/s3' } }",
        );
        let files = vec!["/s/s3".into()];
        assert_eq!(s3, Needs { files, ports: vec![443], resolves_names: true, ..Needs::default() });
        let directory = needs("engine = 'directory'\npath = '/d/files'\noperations = ['read']");
        assert_eq!(directory, Needs { directory: Some("/d/files".into()), ..Needs::default() });
        assert_eq!(needs("engine = 'embedded'\noperations = ['read']"), Needs::default());
    }

    #[test]
    fn a_database_is_changed_only_where_the_binding_says_so() {
        let database = |operations| needs(&format!("engine = 'sqlite'\npath = '/d/a.db'\noperations = [{operations}]"));
        assert_eq!(database("'read'").database, Some(("/d/a.db".into(), false)));
        assert_eq!(database("'read', 'write'").database, Some(("/d/a.db".into(), true)));
    }
}
