//! `doctor`: says what is installed, which lanes run, and what to do about the others; with `--verify` asks the browsers themselves.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
};

use passkey_model::{expand, lane::Browser, library::Library, row::Row};

use super::{EXIT_HARNESS, EXIT_NOTHING, EXIT_OK, EXIT_RED, EXIT_USAGE, run::Ending};
use crate::{
    browser::{WEBDRIVER_URL, processes},
    doctor::{self, Installed, LaneState, Program, Verification},
    lanes::{self, Places, REQUIRED, Shard},
    run,
};

/// Says what there is, and returns the exit code.
pub(super) fn doctor(
    library: &Library,
    rows: &[Row],
    verify: bool,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let read = Shard::from_environment()
        .map_err(|error| error.to_string())
        .and_then(|shard| Ok((shard, run::capacity().map_err(|error| error.to_string())?)));
    let (shard, capacity) = match read {
        Ok(read) => read,
        Err(mistake) => {
            writeln!(err, "{mistake}")?;
            return Ok(EXIT_USAGE);
        }
    };
    let all = expand::lanes(library);
    let browsers: BTreeSet<Browser> = all.iter().filter_map(|lane| lane.browser).collect();
    let places = Places::look(&all);
    writeln!(out, "passkey-harness {}", env!("CARGO_PKG_VERSION"))?;
    for browser in &browsers {
        installed(*browser, out)?;
    }
    environment(capacity, out)?;
    writeln!(out, "\nlanes")?;
    let rows = lanes::in_shard(rows.to_vec(), shard);
    for lane in &all {
        let state = match LaneState::of(lane, &rows, &places) {
            LaneState::Runs {
                rows,
                not_applicable,
            } => format!("runs: {rows} rows, {not_applicable} not applicable"),
            LaneState::Blocked(why) => format!("blocked: {why}"),
        };
        writeln!(out, "  {:<17}  {state}", lane.id)?;
    }
    let missing = lanes::missing(&all, &places);
    for (_, why) in &missing {
        writeln!(err, "{why}")?;
    }
    let verified = if verify {
        self::verify(library, &browsers, &places, out)?
    } else {
        EXIT_OK
    };
    Ok(match verified {
        EXIT_HARNESS => EXIT_HARNESS,
        _ if !missing.is_empty() => EXIT_RED,
        verified => verified,
    })
}

fn installed(browser: Browser, out: &mut impl Write) -> io::Result<()> {
    let found = Installed::look(browser);
    let driver = match &found.driver {
        Ok(driver) => program(driver),
        Err(missing) => missing.clone(),
    };
    let own = match &found.browser {
        Some(browser) => program(browser),
        None => "not on PATH; the driver looks for it".to_owned(),
    };
    writeln!(out, "\n{browser}\n  driver   {driver}\n  browser  {own}")
}

fn program(program: &Program) -> String {
    let version = program.version.as_ref().unwrap_or_else(|why| why);
    format!("{} ({version})", program.path.display())
}

fn environment(capacity: usize, out: &mut impl Write) -> io::Result<()> {
    let said = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    let line = |name: &str, value: Option<String>, otherwise: &str| match value {
        Some(value) => format!("  {name:<22}  {value}"),
        None => format!("  {name:<22}  not set: {otherwise}"),
    };
    let remote = said(WEBDRIVER_URL).map(|url| {
        format!("{url}: every browser is started there, and has to reach the proxies of this machine on 127.0.0.1")
    });
    let browsers = format!("rows of a browser lane at once: {capacity}");
    let here = "drivers are started on this machine";
    writeln!(out, "\nenvironment")?;
    writeln!(out, "{}", line(WEBDRIVER_URL, remote, here))?;
    let named = said("PASSKEY_BROWSERS").map(|_| browsers.clone());
    writeln!(out, "{}", line("PASSKEY_BROWSERS", named, &browsers))?;
    let shard = said("PASSKEY_SHARD");
    writeln!(out, "{}", line("PASSKEY_SHARD", shard, "every row"))?;
    let none = "no lane has to be there";
    writeln!(out, "{}", line(REQUIRED, said(REQUIRED), none))
}

/// Checks the browsers that are there.
fn verify(
    library: &Library,
    browsers: &BTreeSet<Browser>,
    places: &Places,
    out: &mut impl Write,
) -> io::Result<u8> {
    processes::end_on_signals()?;
    let _ending = Ending;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut code = EXIT_NOTHING;
    for browser in browsers {
        let place = match places.of(*browser) {
            Ok(place) => place,
            Err(why) => {
                writeln!(out, "\n{browser} is not verified: {why}")?;
                continue;
            }
        };
        let verification = runtime.block_on(doctor::verify(*browser, place, library));
        report(*browser, &verification, out)?;
        if !verification.is_good() {
            code = EXIT_HARNESS;
        } else if code == EXIT_NOTHING {
            code = EXIT_OK;
        }
    }
    Ok(code)
}

fn report(browser: Browser, verification: &Verification, out: &mut impl Write) -> io::Result<()> {
    let version = &verification.version;
    writeln!(out, "\nverifying {browser} {version}")?;
    for check in &verification.checks {
        match &check.result {
            Ok(()) => writeln!(out, "  ok      {browser} {version}: {}", check.title)?,
            Err(wrong) => {
                writeln!(
                    out,
                    "  FAILED  {browser} {version}: {}: {wrong}",
                    check.title
                )?;
            }
        }
    }
    Ok(())
}
