//! Servers that speak TLS, with authorities and certificates made for each test.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

/// Who vouches for certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    fn identity(&self, names: &[&str], usage: ExtendedKeyUsagePurpose, expired: bool) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "nobody");
        parameters.extended_key_usages = vec![usage];
        if expired {
            (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        }
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A server of these names and addresses.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.identity(names, ExtendedKeyUsagePurpose::ServerAuth, false)
    }

    /// One whose time is over.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        self.identity(names, ExtendedKeyUsagePurpose::ServerAuth, true)
    }

    pub fn client(&self) -> Identity {
        self.identity(&[], ExtendedKeyUsagePurpose::ClientAuth, false)
    }

    /// One whose time is over.
    pub fn expired_client(&self) -> Identity {
        self.identity(&[], ExtendedKeyUsagePurpose::ClientAuth, true)
    }
}

impl Identity {
    /// As the Docker CLI keeps it.
    pub fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("cert.pem"), &self.certificate).unwrap();
        std::fs::write(directory.join("key.pem"), &self.key).unwrap();
    }
}

/// How a server is reached.
pub struct Manner<'a> {
    pub identity: &'a Identity,
    /// Who vouches for its clients; without one it takes all.
    pub clients: Option<&'a Authority>,
    /// Nothing newer than 1.2.
    pub old: bool,
}

/// A server on this machine, until the test ends.
pub struct TlsServer {
    port: u16,
    /// The first line of every request that came through.
    heard: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// Answers every request with what `answer` makes of its method and path.
    pub fn start(manner: &Manner<'_>, answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (configuration, answer, own) = (Arc::new(configuration(manner)), Arc::new(answer), Arc::clone(&heard));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let connection = ServerConnection::new(Arc::clone(&configuration)).unwrap();
                let (answer, heard) = (Arc::clone(&answer), Arc::clone(&own));
                std::thread::spawn(move || serve(stream, connection, &heard, &*answer));
            }
        });
        Self { port, heard }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn configuration(manner: &Manner<'_>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = if manner.old { &[&rustls::version::TLS12][..] } else { rustls::DEFAULT_VERSIONS };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let certificate = CertificateDer::from_pem_slice(manner.identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(manner.identity.key.as_bytes()).unwrap();
    let builder = match manner.clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// One request, one answer. Who does not get in hears why.
fn serve(
    mut stream: TcpStream,
    mut connection: ServerConnection,
    heard: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str, &str) -> Vec<u8> + Send + Sync),
) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
    let mut secured = Stream::new(&mut connection, &mut stream);
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match secured.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => head.extend_from_slice(&piece[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let first = head.lines().next().unwrap_or_default().to_owned();
    if let [method, path, _] = first.split(' ').collect::<Vec<_>>()[..] {
        heard.lock().unwrap().push(format!("{method} {path}"));
        let _ = secured.write_all(&answer(method, path));
        connection.send_close_notify();
    }
    while connection.wants_write() && connection.write_tls(&mut stream).is_ok() {}
    // What is unread when a socket is closed takes with it what was written last.
    let _ = stream.shutdown(Shutdown::Write);
    while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
}

/// An answer after which the connection ends.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let mut out =
        format!("HTTP/1.1 {status} x\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}
