//! Certificates of the hosts that the proxy ends TLS for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// Self-signed certificates, made when a host is asked for the first time. Browsers take them because of `acceptInsecureCerts`.
#[derive(Default)]
pub(super) struct Certificates(Mutex<BTreeMap<String, Arc<ServerConfig>>>);

impl Certificates {
    /// Returns what TLS needs for a host.
    ///
    /// # Errors
    /// When the host's name cannot stand in a certificate.
    pub(super) fn of(&self, host: &str) -> Result<Arc<ServerConfig>, String> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = made.get(host) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(make(host)?);
        made.insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

fn make(host: &str) -> Result<ServerConfig, String> {
    let made =
        rcgen::generate_simple_self_signed([host.to_owned()]).map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
        });
    let mut config = config.map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
