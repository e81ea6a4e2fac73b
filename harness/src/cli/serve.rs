//! `serve`: the reference relying party on its own, for people.

use std::io::{self, Write};

use passkey_model::library::Library;
use passkey_reference_rp::RunningRp;
use tokio::net::TcpListener;

use super::{EXIT_HARNESS, EXIT_OK, EXIT_USAGE};
use crate::run::embedded;

/// Who there is, members of no group, all with the same pass.
const USERS: [&str; 3] = ["alice", "bob", "mallory"];

/// What is served, and where.
pub(super) struct Serving<'a> {
    pub port: u16,
    pub profile: Option<&'a str>,
}

/// Serves until it is interrupted.
pub(super) fn serve(
    library: &Library,
    serving: &Serving<'_>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let policy = match serving.profile {
        None => None,
        Some(id) => match library.profile(id) {
            Some(profile) => Some(profile.policy.clone()),
            None => {
                let known = library.profiles.iter().map(|known| known.value.id.as_str());
                let hint = passkey_model::suggest::nearest(id, known);
                let hint = hint.map(|name| format!("; did you mean {name}?"));
                writeln!(err, "no profile is named {id}{}", hint.unwrap_or_default())?;
                return Ok(EXIT_USAGE);
            }
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let address = ("127.0.0.1", serving.port);
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                writeln!(
                    err,
                    "cannot listen on port {}: {error}; choose another with --port, or 0 for any",
                    serving.port
                )?;
                return Ok(EXIT_HARNESS);
            }
        };
        let mut rp = RunningRp::start(embedded::for_people(library, &USERS, policy), listener)?;
        writeln!(out, "http://{}/", rp.address())?;
        writeln!(
            err,
            "RP ID {}, origin {}; users {} with the pass '{}'; Ctrl-C ends it",
            embedded::RP_ID,
            embedded::ORIGIN,
            USERS.join(", "),
            embedded::PASS
        )?;
        out.flush()?;
        tokio::select! {
            () = rp.stopped() => Ok(EXIT_HARNESS),
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| EXIT_OK),
        }
    })
}
