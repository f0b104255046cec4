//! Which secrets a binding refers to: what every log line of a guest is searched for.

use crate::{BindingConfig, CredentialConfig, CredentialRef, HttpConfig, database::ServerConfig};

impl BindingConfig {
    /// Every reference to a secret in it.
    #[must_use]
    pub fn secrets(&self) -> Vec<&CredentialRef> {
        match self {
            Self::Sqlite(_) | Self::Embedded(_) | Self::Directory(_) => Vec::new(),
            Self::Http(config) => http(config),
            Self::Openai(config) | Self::Anthropic(config) => http(&config.http),
            Self::Graphql(config) => http(&config.http),
            Self::Postgres(config) => server(&config.server()),
            Self::Mysql(config) => server(&config.server()),
            Self::Redis(config) => config.login.iter().map(|login| &login.password).collect(),
            Self::S3(config) => vec![&config.credential.secret],
        }
    }
}

fn http(config: &HttpConfig) -> Vec<&CredentialRef> {
    let credential = config.credential.iter().map(CredentialConfig::value);
    credential.chain(config.client_certificate.iter().map(|shown| &shown.key)).collect()
}

fn server<'a>(config: &ServerConfig<'a>) -> Vec<&'a CredentialRef> {
    [config.read].into_iter().chain(config.write).map(|role| &role.password).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_names_each_of_its_secrets() {
        for (text, count) in [
            ("engine = 'sqlite'\npath = '/d/a.db'\noperations = ['read']", 0),
            (
                "engine = 'http'\nbase_url = 'https://api.example.com/v1'\noperations = ['GET']\n\
                 credential = { kind = 'basic', username = 'u', value = { file = '/s/token' } }\n\
                 client_certificate = { certificate = '/c/c.pem', key = { file = '/c/k.pem' } }",
                2,
            ),
            (
                "engine = 'postgres'\nhost = 'db'\ndatabase = 'o'\noperations = ['read']\n\
                 read = { user = 'r', password = { file = '/s/r' } }\nwrite = { user = 'w', password = { env = 'W' } }",
                2,
            ),
            (
                "engine = 'redis'\nhost = '10.0.0.1'\noperations = ['read']\nlogin = { user = 'u', password = { env = 'R' } }",
                1,
            ),
            (
                "engine = 's3'\nbase_url = 'https://s3.example.com'\nbucket = 'b'\noperations = ['read']\n\
                 credential = { access_key_id = 'A', secret = { file = '/s/s3' } }",
                1,
            ),
        ] {
            let binding: BindingConfig = toml::from_str(text).expect("a binding");
            assert_eq!(binding.secrets().len(), count, "{text}");
        }
    }
}
