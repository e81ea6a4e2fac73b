//! An address that only the certificates of a response name: whoever asks it believed them.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use passkey_model::{row::Row, verdict::Outcome};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The name of the canary's URL among the values of a row.
pub(super) const NAME: &str = "CANARY";
const ANSWER: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A listener on loopback that counts who calls, and has nothing to give.
#[derive(Debug)]
pub(super) struct Canary {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    listening: JoinHandle<()>,
}

impl Canary {
    /// Starts a canary for a row that has a mutation name it, and calls it once, so that silence means something.
    ///
    /// # Errors
    /// When nothing can listen on loopback, or the call is not heard.
    pub(super) async fn for_row(row: &Row) -> io::Result<Option<Self>> {
        let wanted = format!("${NAME}");
        let named = row.steps.iter().any(|step| {
            let mutation = step.spec.mutation.as_ref();
            let value = mutation.and_then(|mutation| mutation.value.as_ref());
            value.and_then(|value| value.as_str()) == Some(&wanted)
        });
        if !named {
            return Ok(None);
        }
        let canary = Self::start().await?;
        canary.call().await?;
        if canary.calls.swap(0, Ordering::SeqCst) != 1 {
            return Err(io::Error::other("one call was not counted as one"));
        }
        Ok(Some(canary))
    }

    async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Counted before it is answered: whoever waits for the answer is known by then.
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream));
            }
        });
        Ok(Self {
            address,
            calls,
            listening,
        })
    }

    async fn call(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: canary\r\n\r\n")
            .await?;
        stream.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }

    /// Returns the URL to write into certificates.
    pub(super) fn url(&self) -> String {
        format!("http://{}/revocation", self.address)
    }

    /// Returns what a step came to, if nobody has called up to its end.
    pub(super) fn after(&self, outcome: Outcome) -> Outcome {
        match self.calls.load(Ordering::SeqCst) {
            0 => outcome,
            calls => Outcome::Crashed {
                how: format!(
                    "it was {outcome}, and {calls} requests went to the address that a certificate nobody trusts names"
                ),
            },
        }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Reads the head of a request, and answers that there is nothing.
async fn answer(mut stream: TcpStream) {
    let mut head = [0; 1024];
    // Who hangs up early has called all the same.
    if stream.read(&mut head).await.is_ok() {
        let _ = stream.write_all(ANSWER).await;
        let _ = stream.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_call_is_told_from_silence() {
        let canary = Canary::start().await.unwrap();
        assert_eq!(canary.after(Outcome::Accepted), Outcome::Accepted);
        canary.call().await.unwrap();
        let after = canary.after(Outcome::Accepted);
        assert!(matches!(after, Outcome::Crashed { .. }), "{after}");
    }
}
