//! The folder of `--report`: JUnit XML, JSON lines, and the transcripts of red rows.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use passkey_model::row::Row;

use super::{Event, JsonLines, Reporter, junit::Junit};
use crate::snapshot;

/// Writes the files of a report.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    json: JsonLines<BufWriter<File>>,
    junit: Junit,
}

impl Files {
    /// Makes the folder and begins its files; `command` runs a row again, up to its name.
    ///
    /// # Errors
    /// When the folder or a file cannot be made.
    pub fn create(folder: &Path, target: &str, command: &str) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let rows = File::create(folder.join("rows.jsonl"))?;
        Ok(Self {
            folder: folder.to_owned(),
            json: JsonLines {
                out: BufWriter::new(rows),
                target: target.to_owned(),
            },
            junit: Junit::new(command.to_owned()),
        })
    }
}

/// Returns where the transcript of a red row goes.
#[must_use]
pub fn transcript_file(folder: &Path, row: &Row) -> PathBuf {
    let (folder, name) = snapshot::place(&folder.join("transcripts"), &row.name.to_string());
    folder.join(format!("{name}.txt"))
}

/// Writes the transcript of a red row and returns its file; nothing when nothing ran.
///
/// # Errors
/// When it cannot be written.
pub fn write_transcript(folder: &Path, row: &Row, transcript: &str) -> io::Result<Option<PathBuf>> {
    if transcript.is_empty() {
        return Ok(None);
    }
    let file = transcript_file(folder, row);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&file, transcript)?;
    Ok(Some(file))
}

impl Reporter for Files {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.json.event(event)?;
        self.junit.event(event)?;
        if let Event::Finished { .. } = event {
            let file = BufWriter::new(File::create(self.folder.join("junit.xml"))?);
            self.junit.write(file)?;
        }
        Ok(())
    }
}
