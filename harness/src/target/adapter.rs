//! An adapter: a process that speaks harness/COMMAND.md for a library, one JSON object a line.

use std::{
    io,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use passkey_model::target::json_of;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::unix::pipe,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::lines::{Fault, Lines, follow};
use crate::browser::{BrowserError, Tail, processes::Family};

/// The version of the protocol.
const PROTOCOL: u64 = 1;
/// How long a process that closed its output, or was told to stop, may take to end.
const END_LIMIT: Duration = Duration::from_millis(500);
/// How often it is looked at then; the system does not tell us.
const LOOK: Duration = Duration::from_millis(5);

/// What an adapter says of itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Introduction {
    /// The library's name.
    pub(crate) name: String,
    /// The library's version.
    pub(crate) version: String,
    /// The language that it is written in.
    #[serde(default)]
    pub(crate) language: Option<String>,
    /// What the library does beyond verifying.
    #[serde(default)]
    pub(crate) features: Vec<Ability>,
}

/// Something that not every library can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ability {
    /// Options have the challenge that it is given.
    Challenge,
    /// Certificates are judged at the time that it is given.
    Clock,
    /// It sees to whose passkey it is (7.2, steps 5 and 6); otherwise the application does.
    UserBinding,
}

/// Says why there is no answer. Whichever it is, it is the adapter's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It cannot be run.
    #[error("it cannot be run: {0}")]
    Spawn(String),
    /// It ended, or closed its output.
    #[error("it ended instead of answering{0}")]
    Ended(String),
    /// It said nothing.
    #[error("it did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// It said something else.
    #[error("{0}")]
    Garbage(String),
}

/// A process that answers. Dropping it ends it, with everything that it started, before the drop returns.
pub(crate) struct Adapter {
    input: Option<pipe::Sender>,
    output: Lines,
    tail: Tail,
    listening: JoinHandle<()>,
    family: Family,
    next: u64,
    /// Whether it failed, so that there is nothing to wait for.
    failed: bool,
}

impl Adapter {
    /// Runs a program; `prepare` is shown the folder that lasts as long as it does.
    pub(crate) fn spawn(
        mut command: Command,
        prepare: impl FnOnce(&std::path::Path, &mut Command) -> io::Result<()>,
    ) -> Result<Self, Trouble> {
        let failed = |error: io::Error| Trouble::Spawn(error.to_string());
        let refused = |error: BrowserError| Trouble::Spawn(error.to_string());
        let family = Family::new().map_err(refused)?;
        prepare(family.folder(), &mut command).map_err(failed)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let pipes = family.spawn(&mut command, pipes).map_err(refused)?;
        let (input, output, errors) = pipes.map_err(failed)?;
        let tail = Tail::default();
        Ok(Self {
            input: Some(input),
            output: Lines::new(output),
            listening: tokio::spawn(follow(errors, tail.clone())),
            tail,
            family,
            next: 1,
            failed: false,
        })
    }

    /// Tells it to start, and hears what it is.
    pub(crate) async fn start(&mut self, limit: Duration) -> Result<Introduction, Trouble> {
        let said = self
            .ask(json!({ "do": "start", "protocol": PROTOCOL }), limit)
            .await?;
        let read = Introduction::deserialize(&said);
        read.map_err(|error| self.garbage(&format!("its answer to start cannot be used: {error}")))
    }

    /// Asks one thing, and returns the object that is answered.
    pub(crate) async fn ask(
        &mut self,
        mut asked: Value,
        limit: Duration,
    ) -> Result<Value, Trouble> {
        let id = self.next;
        self.next += 1;
        asked["id"] = json!(id);
        let line = format!("{asked}\n");
        let exchange = timeout(limit, self.exchange(line.as_bytes())).await;
        let answer = match exchange {
            Err(_) => Err(Trouble::Silent(limit)),
            Ok(Err(Fault::Ended)) => Err(Trouble::Ended(self.how_it_ended().await)),
            Ok(Err(fault)) => Err(self.garbage(&fault.to_string())),
            Ok(Ok(line)) => self.read(&line, id),
        };
        self.failed |= answer.is_err();
        answer
    }

    /// Writes and reads at once: one that answers before it has read everything does not wait for us.
    async fn exchange(&mut self, line: &[u8]) -> Result<Vec<u8>, Fault> {
        let (input, output) = (&mut self.input, &mut self.output);
        let write = async {
            if let Some(input) = input {
                // One that does not listen any more shows in what it says.
                let _ = input.write_all(line).await;
            }
            Ok(())
        };
        let ((), answer) = tokio::try_join!(write, output.next())?;
        Ok(answer)
    }

    fn read(&self, line: &[u8], id: u64) -> Result<Value, Trouble> {
        let told = || {
            String::from_utf8_lossy(line)
                .chars()
                .take(200)
                .collect::<String>()
        };
        let answer: Value = json_of(line).map_err(|error| {
            self.garbage(&format!("it wrote what is no JSON ({error}): {}", told()))
        })?;
        if !answer.is_object() {
            return Err(self.garbage(&format!("it wrote JSON that is no object: {}", told())));
        }
        if answer["id"] != id {
            return Err(self.garbage(&format!("it was asked {id}, and answers {}", answer["id"])));
        }
        if self.output.holds_more() {
            return Err(self.garbage("it wrote more than one line for one request"));
        }
        Ok(answer)
    }

    /// Tells whether it waits for the next request: it lives, and has said nothing that nobody asked.
    pub(crate) fn waits(&self) -> bool {
        !self.failed && !self.output.holds_more() && self.output.is_silent()
    }

    fn garbage(&self, what: &str) -> Trouble {
        Trouble::Garbage(format!("{what}{}", self.last_words()))
    }

    /// Returns how the process ended, as far as it has, and what it wrote last.
    async fn how_it_ended(&mut self) -> String {
        // Its last words may still be on their way.
        let _ = timeout(END_LIMIT, &mut self.listening).await;
        let deadline = Instant::now() + END_LIMIT;
        let mut status = self.family.has_ended();
        while status.is_none() && Instant::now() < deadline {
            sleep(LOOK).await;
            status = self.family.has_ended();
        }
        let status = status
            .map(|status| format!(" ({status})"))
            .unwrap_or_default();
        format!("{status}{}", self.last_words())
    }

    fn last_words(&self) -> String {
        let words = self.tail.words().0.join("\n");
        if words.is_empty() {
            String::new()
        } else {
            format!("; on standard error it said:\n{words}")
        }
    }

    /// Tells it that nothing more will be asked, and closes its input.
    pub(crate) fn say_stop(&mut self) {
        let line = format!("{}\n", json!({ "id": self.next, "do": "stop" }));
        if let Some(input) = self.input.take() {
            // Whoever does not read it sees that the input has ended.
            let _ = input.try_write(line.as_bytes());
        }
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.say_stop();
        let deadline = Instant::now() + END_LIMIT;
        while !self.failed && self.family.has_ended().is_none() && Instant::now() < deadline {
            thread::sleep(LOOK);
        }
        self.listening.abort();
    }
}

fn pipes(child: &mut Child) -> io::Result<(pipe::Sender, pipe::Receiver, pipe::Receiver)> {
    let missing = || io::Error::other("it has no standard input and output");
    let input: OwnedFd = child.stdin.take().ok_or_else(missing)?.into();
    let output: OwnedFd = child.stdout.take().ok_or_else(missing)?.into();
    let errors: OwnedFd = child.stderr.take().ok_or_else(missing)?.into();
    Ok((
        pipe::Sender::from_owned_fd(input)?,
        pipe::Receiver::from_owned_fd(output)?,
        pipe::Receiver::from_owned_fd(errors)?,
    ))
}
