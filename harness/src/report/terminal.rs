//! What a person sees of a run: a progress bar on a terminal, plain lines elsewhere; red rows in full; the counts.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use passkey_model::target::Whose;

use super::{Event, Reporter, counted, failure, files::write_files, matches_nothing};

/// Tells a person how a run goes.
pub struct Terminal<O, E> {
    /// Where the lines of rows go; nothing when another reporter has standard output.
    out: Option<O>,
    /// Where progress, red rows and counts go.
    err: E,
    /// Where transcripts of red rows go.
    folder: PathBuf,
    /// The command that runs a row again, up to its name.
    command: String,
    bar: Option<ProgressBar>,
    red: usize,
    reasons: BTreeMap<String, usize>,
    /// How many deviations are known, by whose they are.
    known: BTreeMap<Whose, usize>,
}

impl<O: Write, E: Write> Terminal<O, E> {
    /// Makes a reporter; with `interactive` there is a progress bar instead of a line a row.
    pub fn new(
        out: Option<O>,
        err: E,
        folder: PathBuf,
        command: String,
        interactive: bool,
    ) -> Self {
        Self {
            out,
            err,
            folder,
            command,
            bar: interactive
                .then(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())),
            red: 0,
            reasons: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    fn progress(&self, runnable: usize) {
        if let Some(bar) = &self.bar {
            let style =
                ProgressStyle::with_template("{pos}/{len} rows, {msg}, {eta} left {bar:30}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_length(runnable as u64);
            bar.set_message("0 red");
        }
    }

    fn judged(
        &mut self,
        row: &passkey_model::row::Row,
        result: &crate::run::RowResult,
    ) -> io::Result<()> {
        let verdict = result.judgement.verdict;
        if !verdict.has_run() {
            *self
                .reasons
                .entry(result.judgement.because.clone())
                .or_default() += 1;
            return Ok(());
        }
        self.red += usize::from(verdict.is_red());
        if let Some(known) = &result.known {
            *self.known.entry(known.of).or_default() += 1;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{} red", self.red));
                bar.inc(1);
            }
            None => {
                if let Some(out) = &mut self.out {
                    writeln!(out, "{:<15} {}", verdict.name(), row.name)?;
                }
            }
        }
        if !verdict.is_red() {
            return Ok(());
        }
        let files = write_files(&self.folder, row, result)?;
        let text = failure(row, result, &files, &self.command);
        match &self.bar {
            Some(bar) => bar.suspend(|| writeln!(self.err, "{text}")),
            None => writeln!(self.err, "{text}"),
        }
    }
}

impl<O: Write, E: Write> Reporter for Terminal<O, E> {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Started { runnable } => {
                self.progress(*runnable);
                Ok(())
            }
            Event::Judged { row, result } => self.judged(row, result),
            Event::Finished {
                counts,
                unmatched,
                elapsed,
            } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                if !self.reasons.is_empty() {
                    writeln!(self.err, "not run:")?;
                }
                for (reason, count) in &self.reasons {
                    writeln!(self.err, "{count:>5}  {reason}")?;
                }
                if !self.known.is_empty() {
                    writeln!(self.err, "known deviations:")?;
                }
                for (of, count) in &self.known {
                    writeln!(self.err, "{count:>5}  of the {of}")?;
                }
                for listed in *unmatched {
                    writeln!(self.err, "{}", matches_nothing(listed))?;
                }
                let rows: usize = counts.values().sum();
                let seconds = elapsed.as_secs_f64();
                writeln!(
                    self.err,
                    "{rows} rows in {seconds:.1} s: {}",
                    counted(counts)
                )
            }
        }
    }
}
