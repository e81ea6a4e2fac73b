//! The folder of `--report`: JUnit XML, JSON lines, and of red rows the transcripts and what their browsers showed.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use passkey_model::row::Row;

use super::{Event, JsonLines, Reporter, junit::Junit};
use crate::{run::RowResult, snapshot};

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

/// Writes what there is of a red row: its transcript, and what its browser showed, side by side under `transcripts`.
///
/// Returns what each is, with its file, or why there is none: `("screenshot", "report/transcripts/....png")`.
///
/// # Errors
/// When a file cannot be written.
pub fn write_files(
    folder: &Path,
    row: &Row,
    result: &RowResult,
) -> io::Result<Vec<(&'static str, String)>> {
    let (folder, name) = snapshot::place(&folder.join("transcripts"), &row.name.to_string());
    let write = |ending: &str, bytes: &[u8]| {
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.{ending}"));
        fs::write(&file, bytes)?;
        Ok::<_, io::Error>(file.display().to_string())
    };
    let mut files = Vec::new();
    let transcript = result.written(row).transcript;
    if !transcript.is_empty() {
        files.push(("transcript", write("txt", transcript.as_bytes())?));
    }
    for piece in &result.evidence.0 {
        let file = match &piece.content {
            Ok(bytes) => write(piece.ending, bytes)?,
            Err(why) => format!("none: {why}"),
        };
        files.push((piece.what, file));
    }
    Ok(files)
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
