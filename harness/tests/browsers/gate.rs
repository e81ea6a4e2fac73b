//! A relying party that runs on its own behind a gate: each ceremony stops there until the test lets it go on.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// A ceremony that stands at the gate until this is dropped.
pub struct Stopped(#[allow(dead_code, reason = "held")] Sender<()>);

/// The relying party, ended when dropped.
pub struct Gate {
    served: Child,
    pub address: SocketAddr,
    arrivals: Receiver<Stopped>,
}

impl Gate {
    /// Serves the reference relying party with the built binary.
    pub fn open() -> Self {
        let mut served = Command::new(env!("CARGO_BIN_EXE_passkey-harness"))
            .args(["serve", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(served.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let behind: SocketAddr = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (arrive, arrivals) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let arrive = arrive.clone();
                thread::spawn(move || pass(stream, behind, &arrive));
            }
        });
        Self {
            served,
            address,
            arrivals,
        }
    }

    /// Waits until a page has asked for the options of a ceremony.
    pub fn next(&self, limit: Duration) -> Stopped {
        self.arrivals
            .recv_timeout(limit)
            .expect("a ceremony begins")
    }

    /// Lets every further ceremony pass.
    pub fn stand_open(&mut self) {
        self.arrivals = channel().1;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.served.kill();
        let _ = self.served.wait();
    }
}

/// Passes a connection on, whose first request stops at the gate if it begins a ceremony. Ends when either side does.
fn pass(mut from: TcpStream, behind: SocketAddr, arrive: &Sender<Stopped>) {
    let mut first = [0; 4096];
    let Ok(length) = from.read(&mut first) else {
        return;
    };
    let text = String::from_utf8_lossy(&first[..length]).into_owned();
    let line = text.lines().next().unwrap_or_default();
    if line.starts_with("POST") && line.contains("/options") {
        let (go_on, gone_on) = channel();
        if arrive.send(Stopped(go_on)).is_ok() {
            let _ = gone_on.recv();
        }
    }
    let Ok(mut to) = TcpStream::connect(behind) else {
        return;
    };
    if to.write_all(&first[..length]).is_err() {
        return;
    }
    let (Ok(mut answer), Ok(mut back)) = (to.try_clone(), from.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let _ = io::copy(&mut answer, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
