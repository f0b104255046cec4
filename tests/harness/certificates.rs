//! An authority of a test's own and what it signs, made anew by `openssl` so that no key lies in the repository.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use airlock_access::Thumbprint;
use tempfile::TempDir;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

const AUTHORITY: &str = "[req]\ndistinguished_name=name\nprompt=no\nx509_extensions=ext\n[name]\nCN=airlock test authority\n\
                         [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
                         subjectKeyIdentifier=hash\n";

/// An authority, with certificates for `localhost` and 127.0.0.1: for servers and clients alike.
pub struct Certificates {
    dir: TempDir,
}

impl Certificates {
    /// An authority with a certificate `server` and one `client`.
    pub fn make() -> Self {
        let this = Self { dir: tempfile::tempdir().expect("a directory") };
        std::fs::write(this.path("ca.cnf"), AUTHORITY).expect("write");
        this.openssl(&["req", "-x509", "-config", "ca.cnf", "-days", "2", "-out", "ca.pem"], "ca.key");
        this.issue("server");
        this.issue("client");
        this
    }

    /// One more certificate, `NAME.pem` with `NAME.key`; takes the place of an earlier one.
    pub fn issue(&self, name: &str) {
        self.issue_for(name, "DNS:localhost,IP:127.0.0.1");
    }

    /// The same for these names and addresses.
    pub fn issue_for(&self, name: &str, names: &str) {
        let mut config = AUTHORITY.replace("CN=airlock test authority", &format!("CN={name}"));
        config = config.replace("CA:TRUE", "CA:FALSE").replace("keyCertSign,cRLSign", "digitalSignature");
        write!(config, "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}\n").expect("text");
        std::fs::write(self.path(&format!("{name}.cnf")), config).expect("write");
        let (config, pem, key) = (format!("{name}.cnf"), format!("{name}.pem"), format!("{name}.key"));
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2"];
        self.openssl(&[&["req", "-x509", "-config", &config, "-out", &pem][..], &signed].concat(), &key);
    }

    fn openssl(&self, arguments: &[&str], key: &str) {
        let key_options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
        let made = Command::new("openssl").current_dir(self.dir.path()).args(arguments).args(key_options).output();
        let made = made.expect("openssl, which ./scripts/test installs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        self.set_mode(key, 0o600);
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).expect("readable")
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).expect("write");
    }

    pub fn set_mode(&self, file: &str, mode: u32) {
        std::fs::set_permissions(self.path(file), std::fs::Permissions::from_mode(mode)).expect("ours");
    }

    /// The DER of a certificate, by another program than the one that is tested.
    pub fn der(&self, name: &str) -> Vec<u8> {
        let file = format!("{name}.pem");
        let mut shown = Command::new("openssl");
        shown.current_dir(self.dir.path()).args(["x509", "-in", &file, "-outform", "der"]);
        shown.output().expect("openssl").stdout
    }

    /// As tokens name it.
    pub fn thumbprint(&self, name: &str) -> Thumbprint {
        Thumbprint::of_certificate(&self.der(name))
    }

    /// `[server.tls]` with the certificate `server`, and with more keys.
    pub fn config(&self, more: &str) -> String {
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        format!("\n[server.tls]\ncertificate = {{ file = {certificate:?} }}\nkey = {{ file = {key:?} }}\n{more}\n",)
    }

    /// Keys that ask clients for a certificate of this authority.
    pub fn asking(&self, client_auth: &str) -> String {
        format!("client_ca = {{ file = {:?} }}\nclient_auth = \"{client_auth}\"", self.path("ca.pem"))
    }

    /// A client that trusts this authority and shows one of its certificates, or none.
    pub fn endpoint(&self, address: SocketAddr, shown: Option<&str>) -> Endpoint {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.read("ca.pem")));
        let tls = match shown {
            Some(name) => {
                tls.identity(Identity::from_pem(self.read(&format!("{name}.pem")), self.read(&format!("{name}.key"))))
            }
            None => tls,
        };
        let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port())).expect("an address");
        endpoint.tls_config(tls).expect("a client of TLS")
    }
}
