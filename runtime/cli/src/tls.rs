//! TLS of a client: whom it trusts, what it shows, and what to do when that does not work out.

use std::{collections::BTreeMap, error::Error, io, path::Path};

use airlock_access::Thumbprint;
use anyhow::Context;
use rustls::{
    AlertDescription, CertificateError, InvalidMessage,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Identity},
};

use crate::args::TlsOptions;

/// What a client speaks TLS with.
pub fn client(options: &TlsOptions) -> anyhow::Result<ClientTlsConfig> {
    let config = match &options.ca {
        Some(file) => {
            certificate(file)?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?))
        }
        None => ClientTlsConfig::new().with_webpki_roots(),
    };
    Ok(match (&options.client_cert, &options.client_key) {
        (Some(own), Some(key)) => {
            certificate(own)?;
            config.identity(Identity::from_pem(read(own)?, read(key)?))
        }
        _ => config,
    })
}

/// Options that would do nothing were meant for another address.
pub fn check_use(server: &str, is_tls: bool, options: &TlsOptions) -> anyhow::Result<()> {
    let given = options.ca.is_some() || options.client_cert.is_some();
    anyhow::ensure!(
        is_tls || !given || is_loopback(server),
        "`{server}` is in clear text, where --ca and --client-cert do nothing: say https://"
    );
    Ok(())
}

/// A variable of the environment may set the options for all servers; in clear text on this machine nothing is lost.
fn is_loopback(server: &str) -> bool {
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// SHA-256 of the first certificate of a PEM file, as tokens name it.
pub fn certificate_thumbprint(file: &Path) -> anyhow::Result<Thumbprint> {
    Ok(Thumbprint::of_certificate(&certificate(file)?))
}

fn certificate(file: &Path) -> anyhow::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(&read(file)?)
        .map_err(|_| anyhow::anyhow!("`{}` holds no certificate in PEM", file.display()))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))
}

/// What to do about a connection that failed for its TLS; `None` when it did not.
pub fn advice(why: &(dyn Error + 'static), server: &str, options: &TlsOptions) -> Option<String> {
    use CertificateError as Bad;
    let ca = match &options.ca {
        Some(file) => format!("`{}`", file.display()),
        None => "the public authorities: give its own with --ca FILE".to_owned(),
    };
    Some(match in_chain(why)? {
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            format!("{server} shows a certificate that is not by {ca}")
        }
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            format!(
                "{server} shows a certificate for another name: say the name it is for, or have one made for this one"
            )
        }
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            format!("{server} shows a certificate that has expired: have the server reload a fresh one")
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            format!("{server} does not speak TLS: say http://, or have the server set `[server.tls]`")
        }
        rustls::Error::AlertReceived(alert) => refused(server, *alert),
        _ => format!("no TLS with {server}"),
    })
}

fn refused(server: &str, alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            format!("{server} asks for a client certificate: give --client-cert and --client-key")
        }
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::DecryptError => {
            format!("{server} does not accept the client certificate: it has to be by an authority of its `client_ca`")
        }
        _ => format!("{server} ended the TLS handshake"),
    }
}

/// The facts about a call whose connection broke. With TLS 1.3 a server refuses a client certificate only after the
/// client's own handshake, and one that expects TLS drops a request in clear text without a word.
pub fn broken(status: &Status) -> BTreeMap<String, String> {
    let hint = match status.source().and_then(in_chain) {
        Some(rustls::Error::AlertReceived(alert)) => refused("the server", *alert),
        Some(_) => "the TLS connection broke".to_owned(),
        None => {
            "the connection broke: a server that speaks TLS needs https://, and one that asks for client certificates \
                 --client-cert and --client-key by an authority of its `client_ca`"
                .to_owned()
        }
    };
    BTreeMap::from([("hint".to_owned(), hint)])
}

/// The TLS library's own error, wherever it is wrapped.
fn in_chain<'e>(why: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut rest = Some(why);
    while let Some(why) = rest {
        // Its own source is that of what it wraps.
        let wrapped = why.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = why.downcast_ref().or_else(|| wrapped.and_then(|wrapped| wrapped.downcast_ref()));
        if found.is_some() {
            return found;
        }
        rest = why.source();
    }
    None
}
