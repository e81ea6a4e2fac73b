//! A mistake: what certificates of a response name is fetched before anybody trusts them.
//!
//! A relying party that checks revocation this way sends requests to whatever address a stranger writes into a certificate.

use std::time::Duration;

use ciborium::Value as Cbor;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use x509_parser::prelude::{
    DistributionPointName, FromDer, GeneralName, ParsedExtension, X509Certificate,
};

use crate::{
    defects::Defects,
    parse::{base64url, cbor, member},
};

const PATIENCE: Duration = Duration::from_secs(2);

/// Fetches every http URL that the attestation certificates of a registration name, and throws away what comes.
pub(super) async fn fetch(response: &Value) {
    for url in urls(response).unwrap_or_default() {
        // Nobody answering is no reason to stop: revocation that cannot be looked up is passed over.
        let _ = timeout(PATIENCE, get(&url)).await;
    }
}

fn urls(response: &Value) -> Option<Vec<String>> {
    let object = response.pointer("/response/attestationObject")?.as_str();
    let object = base64url(object?)?;
    let object = cbor(&mut object.as_slice(), &Defects::NONE)?;
    let chain = member(member(&object, "attStmt")?, "x5c")?.as_array()?;
    let certificates = chain.iter().filter_map(Cbor::as_bytes);
    Some(certificates.flat_map(|der| named_in(der)).collect())
}

/// Lists the URLs of CRLs, OCSP responders and issuers (RFC 5280, 4.2.1.13 and 4.2.2.1).
fn named_in(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in points.iter() {
                    if let Some(DistributionPointName::FullName(full)) = &point.distribution_point {
                        names.extend(full.iter().filter_map(uri));
                    }
                }
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let places = access
                    .accessdescs
                    .iter()
                    .map(|access| &access.access_location);
                names.extend(places.filter_map(uri));
            }
            _ => {}
        }
    }
    names
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

async fn get(url: &str) -> std::io::Result<()> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Ok(());
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}
