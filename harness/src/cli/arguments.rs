//! What the command line can be told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::run::SOFTWARE_CAPACITY;

/// The folder with the scenarios, where nothing else is said.
pub(super) const SCENARIOS: &str = "scenarios";
/// The target that comes along.
pub(super) const EMBEDDED: &str = "embedded";

/// Tests whether a relying party accepts the passkeys it should and refuses those it must.
#[derive(Debug, Parser)]
#[command(name = "passkey-harness", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The folder with the scenarios.
    #[arg(
        long,
        global = true,
        default_value = SCENARIOS,
        env = "PASSKEY_SCENARIOS"
    )]
    pub(super) scenarios: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing red; 1 rows deviate or are inconclusive; 2 usage; 3 nothing executed; 4 bad scenario or target file; 5 target unreachable; 6 harness error; where several apply, 6 before 5 before 1.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the rows whose names hold any of the texts.
    List {
        /// Texts; every row when there is none.
        filter: Vec<String>,
        /// Only rows of this lane.
        #[arg(long)]
        lane: Vec<String>,
        /// How to print them.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Run the rows whose names hold any of the texts, each against a relying party of its own.
    Run(RunArguments),
    /// Play the test vectors of WebAuthn L3, section 16, through a target with driver: command; 1 when one is not taken.
    Vectors(VectorsArguments),
    /// Run the same rows against several relying parties, write a table of them, and say which verdicts changed since they were kept.
    Compare(CompareArguments),
    /// Look at a relying party's page and write a target file, with what was found and what has to be filled in.
    Init {
        /// The address of the page where people sign in, as http://localhost:8080/login.
        url: String,
        /// The file, which must not be there yet; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Register and sign in once, and say in plain words what is missing.
    Smoke {
        /// The relying party: a file, or the name of one in the scenarios' folder targets.
        #[arg(long, value_name = "NAME|FILE")]
        target: String,
    },
    /// Explain one row: where it is written, what is expected and who says so.
    Explain {
        /// The row's whole name.
        row: String,
    },
    /// Print which row reveals which defect of the reference relying party; 1 when a defect survives or a row is red without one.
    SelfCheck,
    /// Print the steps of WebAuthn L3, 7.1 and 7.2, with the number of their cases in each lane; 1 when a step has none and no reason.
    Coverage {
        /// How to print them.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Run one row against the embedded relying party and write its exchange as a JSON fixture for a unit test.
    Extract {
        /// The row's whole name; of the software lane where no lane is named.
        row: String,
        /// The file; standard output when left out.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the page about every conformance case for people who write relying parties: what red means, and how to mend it.
    Docs,
    /// Say what is installed, which lanes run, and what to do about the others; 1 when a lane of PASSKEY_REQUIRED_LANES does not.
    Doctor {
        /// Ask the browsers that are there whether they still do what the harness relies on; 6 when one does not.
        #[arg(long)]
        verify: bool,
    },
    /// Serve the reference relying party on its own, for people.
    Serve {
        /// The port on loopback; 0 for any.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The passkey profile in force; none when left out.
        #[arg(long)]
        profile: Option<String>,
    },
    /// List the security keys that are plugged in, and what a run would do with them.
    Keys,
    /// Plug in a security key without hardware, print its device, and serve it until it is interrupted (Linux).
    VirtualKey(VirtualKeyArguments),
    /// Load and validate scenarios and targets without running anything.
    Check {
        /// Folders of scenarios, or files of targets; the folder of --scenarios when there is none.
        paths: Vec<PathBuf>,
    },
    /// Take over the pending transcripts (*.snap.new) of one scenario, after you have read them.
    Accept {
        /// The scenario, as in the second part of a row's name.
        scenario: String,
        /// The folder with the snapshots.
        #[arg(long, default_value = "snapshots")]
        snapshots: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One name a line.
    Text,
    /// One JSON object a line.
    Json,
}

/// What `run` is told.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Texts; every row when there is none.
    pub filter: Vec<String>,
    /// A text is a whole name.
    #[arg(long)]
    pub exact: bool,
    /// Only rows of this lane.
    #[arg(long)]
    pub lane: Vec<String>,
    /// The relying party: `embedded`, a file, or the name of one in the scenarios' folder targets.
    #[arg(long, default_value = EMBEDDED, value_name = "NAME|FILE")]
    pub target: String,
    /// Rows whose basis is a SHOULD are red too.
    #[arg(long)]
    pub strict: bool,
    /// How many rows of the software lane run at once; browsers have PASSKEY_BROWSERS.
    #[arg(long, default_value_t = SOFTWARE_CAPACITY)]
    pub jobs: usize,
    /// Show the browsers' windows.
    #[arg(long)]
    pub headed: bool,
    /// Wait that many milliseconds before each act on a page, for people who watch.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub slow_motion: u64,
    /// What keys and credential IDs derive from, beside the row's name; 0 when left out, on a target that runs on its own
    /// another one each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Write JUnit XML, JSON lines and the transcripts of red rows there.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// How to print the results; with json nothing else is on stdout.
    #[arg(long, default_value = "text")]
    pub format: Format,
}

/// What `vectors` is told.
#[derive(Debug, Args)]
pub(super) struct VectorsArguments {
    /// The adapter: a file, or the name of one in the scenarios' folder targets.
    #[arg(long, value_name = "NAME|FILE")]
    pub target: String,
    /// The JSON file with the vectors.
    #[arg(long, value_name = "FILE", env = "PASSKEY_W3C_VECTORS")]
    pub vectors: PathBuf,
}

/// What `compare` is told.
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// The relying parties: files, or the names of some in the scenarios' folder targets.
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Only rows whose names hold one of the texts; the suites conformance, matrix and policy when left out.
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// A text is a whole name.
    #[arg(long, requires = "filter")]
    pub exact: bool,
    /// Only rows of this lane; the software lane when left out, and chromium-provider for a site with pages only.
    #[arg(long)]
    pub lane: Vec<String>,
    /// Rows whose basis is a SHOULD are red too.
    #[arg(long)]
    pub strict: bool,
    /// How many rows of the software lane run at once.
    #[arg(long, default_value_t = SOFTWARE_CAPACITY)]
    pub jobs: usize,
    /// What keys and credential IDs derive from, beside the row's name; another one each time when left out.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where the table is written: compare.md, compare.json and compare.html.
    #[arg(long, value_name = "DIR", default_value = "passkey-compare")]
    pub out: PathBuf,
    /// Where verdicts are kept, a file for each version of a target; targets/verdicts in the folder of --scenarios when left out.
    #[arg(long, value_name = "DIR")]
    pub verdicts: Option<PathBuf>,
    /// Write the verdicts there, instead of saying which changed.
    #[arg(long, conflicts_with_all = ["filter", "lane", "strict"])]
    pub update: bool,
}

/// How the virtual key is.
#[derive(Debug, Args)]
pub(super) struct VirtualKeyArguments {
    /// How the kernel is told of it: uhid or vhci.
    #[arg(long, default_value = "uhid")]
    pub bus: String,
    /// Its PIN; none is set when left out.
    #[arg(long)]
    pub pin: Option<String>,
    /// Its model.
    #[arg(long, default_value = "73796e74-6865-7469-632d-766972747561")]
    pub aaguid: String,
    /// Whether it speaks U2F alone.
    #[arg(long)]
    pub u2f_only: bool,
    /// Whether nobody touches it.
    #[arg(long)]
    pub untouched: bool,
    /// After how many milliseconds somebody touches it.
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        conflicts_with = "untouched"
    )]
    pub touch_after: u64,
    /// What it does wrong, and when, as in `unplug@make-credential`; more than once for more faults.
    #[arg(long)]
    pub fault: Vec<String>,
    /// What its keys derive from.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}
