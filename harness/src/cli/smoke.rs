//! `smoke`: one registration and one sign-in, and in plain words what is missing.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use passkey_model::{expand, library::Library, row::Row, target::Driver};

use super::{EXIT_OK, EXIT_RED, EXIT_UNREACHABLE, EXIT_USAGE, run::Ending, target};
use crate::{
    browser::{Look, processes},
    lanes::Places,
    run::{Browsers, Came, Runner, Tried, row_of_smoke, smoke as try_once, smoke_on_pages},
    target::{ReadyTarget, Secrets, Veiling, begin, probe},
};

/// Tries a target once and returns the exit code.
pub(super) fn smoke(
    scenarios: &Path,
    named: &str,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    processes::end_on_signals()?;
    // Nothing that was started outlives the attempt.
    let _ending = Ending;
    let (library, rows) = match super::rows(scenarios) {
        Ok((library, rows)) => (Arc::new(library), rows),
        Err(mistakes) => return super::report_mistakes(&mistakes, err),
    };
    let (mut ready, file) = match target::find(named, scenarios) {
        Ok(Some(found)) => found,
        Ok(None) => {
            writeln!(
                err,
                "the embedded relying party is no target to be tried; name one, or its file"
            )?;
            return Ok(EXIT_USAGE);
        }
        Err(error) => return target::error(&error, err),
    };
    let out = &mut Veiling::new(Secrets::of(&ready), out);
    let err = &mut Veiling::new(Secrets::of(&ready), err);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    target::announce(&ready, err);
    let folder = file.parent().unwrap_or(Path::new(""));
    let seed = target::default_seed(named);
    let tried = runtime.block_on(async {
        let (started, _) = begin(&mut ready, folder, &library).await?;
        probe(&ready).await?;
        let tried = match ready.file.driver {
            Driver::Page => on_pages(&ready, &library, &rows, seed).await,
            _ => try_once(&ready, seed)
                .await
                .map_err(|error| error.to_string()),
        };
        Ok((tried, started))
    });
    let name = &ready.file.target;
    let (tried, _started) = match tried {
        Ok(tried) => tried,
        Err(error) => {
            writeln!(out, "missing  target {name}: not started")?;
            return target::error(&error, err);
        }
    };
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(EXIT_UNREACHABLE);
        }
    };
    let answers = match ready.file.address {
        Some(_) => format!("answers at {}", ready.address),
        None => "introduces itself".to_owned(),
    };
    writeln!(out, "ok       target {name}: {answers}")?;
    tried.iter().try_for_each(|it| writeln!(out, "{it}"))?;
    let missing = |came: &Came| matches!(came, Came::Missing(_));
    let missing = tried.iter().filter(|it| missing(&it.came)).count();
    if missing == 0 {
        writeln!(
            err,
            "target {name} registers, signs in and refuses a wrong signature"
        )?;
        return Ok(EXIT_OK);
    }
    let noun = if missing == 1 {
        "thing is"
    } else {
        "things are"
    };
    writeln!(err, "target {name}: {missing} {noun} missing")?;
    Ok(EXIT_RED)
}

/// Tries a target that has nothing but its own pages.
async fn on_pages(
    target: &ReadyTarget,
    library: &Arc<Library>,
    rows: &[Row],
    seed: u64,
) -> Result<Vec<Tried>, String> {
    let lanes = expand::lanes(library);
    let browsers = Browsers::of(&lanes, Places::look(&lanes), Look::default());
    let runner = Runner {
        seed,
        library: Arc::clone(library),
        target: Some(Arc::new(target.clone())),
        browsers: Arc::new(browsers.map_err(|error| error.to_string())?),
        ..Runner::default()
    };
    let row = row_of_smoke(rows).ok_or("the scenarios have no row by which pages are tried")?;
    let tried = smoke_on_pages(&runner, row).await;
    runner.browsers.close().await;
    Ok(tried)
}
