//! Reads scenario files: the only module that knows YAML.
//!
//! A file is read twice: serde_yaml makes the typed value, and a pass over the parser's events finds the positions of its
//! parts and refuses what would let a file say two things at once: aliases, duplicate keys, a second document.

mod events;

use std::{
    fs, io,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
};

use passkey_model::{
    library::{Library, Located},
    row::SourceRef,
    target::{Deviations, Target},
    verdict::known::Listed,
};
use serde::de::DeserializeOwned;

pub use events::Positions;

/// The largest scenario file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// How the names of files with known deviations end.
const DEVIATIONS: &str = ".deviations.yaml";

/// A mistake in a scenario file, or a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct LoadError {
    /// The file, as the user named it.
    pub file: String,
    /// The line, from one.
    pub line: usize,
    /// The column, from one.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl LoadError {
    fn whole(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.display().to_string(),
            line: 1,
            column: 1,
            message: message.into(),
        }
    }

    /// Reports a mistake at a part of a file that could be read.
    #[must_use]
    pub fn at(place: SourceRef, message: String) -> Self {
        Self {
            file: place.file,
            line: place.line,
            column: place.column,
            message,
        }
    }
}

/// Reads every scenario file below a directory.
///
/// # Errors
/// Every mistake in every file.
pub fn library(root: &Path) -> Result<Library, Vec<LoadError>> {
    let mut loader = Loader {
        root,
        library: Library::default(),
        errors: Vec::new(),
    };
    loader.read();
    if loader.errors.is_empty() {
        Ok(loader.library)
    } else {
        Err(loader.errors)
    }
}

struct Loader<'a> {
    root: &'a Path,
    library: Library,
    errors: Vec<LoadError>,
}

impl Loader<'_> {
    fn read(&mut self) {
        let root = self.root;
        // Two folders hold two thirds of the text: they are read beside the others.
        thread::scope(|scope| {
            let policy = scope.spawn(|| folder(root, "policy"));
            let conformance = scope.spawn(|| folder(root, "conformance"));
            self.library.platforms = self.all_of(folder(root, "platforms"));
            self.library.providers = self.all_of(folder(root, "providers"));
            self.library.profiles = self.all_of(folder(root, "profiles"));
            self.library.availability = self.single("availability.yaml");
            self.library.contexts = self.single("contexts.yaml");
            self.library.grid = self.single("grid.yaml");
            self.library.lanes = self.single("lanes.yaml");
            self.library.differences = self.single("differences.yaml");
            self.library.not_built = self.single("not-built.yaml");
            self.library.steps = self.single("steps.yaml");
            self.library.matrix = self.all_of(folder(root, "matrix"));
            self.library.policy = self.all_of(joined(policy));
            let flows = self.all_of(folder(root, "flows"));
            self.library.policy.extend(flows);
            let keys = self.all_of(folder(root, "security-keys"));
            self.library.policy.extend(keys);
            self.library.conformance = self.all_of(joined(conformance));
            self.read_targets();
        });
        let scenarios =
            self.library.matrix.len() + self.library.policy.len() + self.library.conformance.len();
        if scenarios == 0 && self.errors.is_empty() {
            let message = "no scenarios here: expected *.yaml in matrix/, policy/, flows/, security-keys/ or conformance/";
            self.errors.push(LoadError::whole(self.root, message));
        }
    }

    fn all_of<T>(&mut self, files: Vec<Result<Located<T>, LoadError>>) -> Vec<Located<T>> {
        files
            .into_iter()
            .filter_map(|file| self.keep(file))
            .collect()
    }

    fn single<T: DeserializeOwned>(&mut self, name: &str) -> Option<Located<T>> {
        let file = self.root.join(name);
        if file.exists() {
            self.keep(read(&file))
        } else {
            None
        }
    }

    /// Reads every target of the folder `targets`, with its known deviations, which are beside it.
    fn read_targets(&mut self) {
        let files = self.keep(listed(&self.root.join("targets")));
        for file in files.unwrap_or_default() {
            if file.to_string_lossy().ends_with(DEVIATIONS) {
                continue;
            }
            match target(&file) {
                Ok(target) => self.library.targets.push(target),
                Err(mistakes) => self.errors.extend(mistakes),
            }
        }
    }

    fn keep<T>(&mut self, result: Result<T, LoadError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }
}

/// Reads every file of a folder.
fn folder<T: DeserializeOwned>(root: &Path, name: &str) -> Vec<Result<Located<T>, LoadError>> {
    match listed(&root.join(name)) {
        Ok(files) => files.iter().map(|file| read(file)).collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Waits for a thread; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lists the YAML files of a folder, by their names; there need not be such a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries =
        entries.map_err(|error| LoadError::whole(folder, format!("cannot be listed: {error}")))?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    Ok(files)
}

/// Reads a target's file, and looks at that of its known deviations.
///
/// # Errors
/// As [`read`], and every part that does not fit the others.
pub fn target(file: &Path) -> Result<Located<Target>, Vec<LoadError>> {
    let target: Located<Target> = read(file).map_err(|error| vec![error])?;
    let mut mistakes = at_their_places(&target, target.value.mistakes());
    mistakes.extend(deviations(&target).err().unwrap_or_default());
    if mistakes.is_empty() {
        Ok(target)
    } else {
        Err(mistakes)
    }
}

/// Reads the known deviations of a target, which are beside its file; none where it names no such file.
///
/// # Errors
/// As [`read`], and every entry that says nothing that could hold.
pub fn deviations(target: &Located<Target>) -> Result<Vec<Listed>, Vec<LoadError>> {
    let Some(name) = &target.value.deviations else {
        return Ok(Vec::new());
    };
    if name.contains('/') || !name.ends_with(DEVIATIONS) {
        let message = format!(
            "'{name}': expected the name of a file beside this one, as {}{DEVIATIONS}",
            target.value.target
        );
        return Err(vec![LoadError::at(target.at("/deviations"), message)]);
    }
    let file: Located<Deviations> =
        read(&Path::new(&target.file).with_file_name(name)).map_err(|error| vec![error])?;
    let mistakes = at_their_places(&file, file.value.mistakes());
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let entries = file.value.deviations.iter().enumerate();
    let listed = entries.map(|(index, deviation)| Listed {
        deviation: deviation.clone(),
        at: file.at(&format!("/deviations/{index}")),
    });
    Ok(listed.collect())
}

/// Says where in the file each mistake is, from its top to its end.
fn at_their_places<T>(
    file: &Located<T>,
    mistakes: impl IntoIterator<Item = (String, impl Into<String>)>,
) -> Vec<LoadError> {
    let mistakes = mistakes.into_iter();
    let mut placed: Vec<_> = mistakes
        .map(|(pointer, message)| LoadError::at(file.at(&pointer), message.into()))
        .collect();
    placed.sort_by_key(|mistake| (mistake.line, mistake.column));
    placed
}

/// Reads one file of one document.
///
/// # Errors
/// When it cannot be read, is too large, is not UTF-8, holds none or several documents, or does not have the shape of `T`.
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<Located<T>, LoadError> {
    let text = read_text(file)?;
    let positions = events::positions(&text).map_err(|fault| LoadError {
        file: file.display().to_string(),
        line: fault.line,
        column: fault.column,
        message: fault.message,
    })?;
    let value = serde_yaml::from_str(&text).map_err(|error| {
        let place = error
            .location()
            .map_or((1, 1), |place| (place.line(), place.column()));
        let message = with_suggestion(&strip_position(&error.to_string()));
        let quoted = message.split('\'').nth(1).unwrap_or_default();
        let (line, column) = positions.of_text(quoted, place.0).unwrap_or(place);
        LoadError {
            file: file.display().to_string(),
            line,
            column,
            message,
        }
    })?;
    Ok(Located {
        value,
        file: file.display().to_string(),
        places: positions.places,
    })
}

fn read_text(file: &Path) -> Result<String, LoadError> {
    let unreadable = |error: io::Error| LoadError::whole(file, format!("cannot be read: {error}"));
    let size = fs::metadata(file).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        return Err(LoadError::whole(
            file,
            format!("has {size} bytes; a scenario file has at most {MAX_FILE_BYTES}"),
        ));
    }
    let bytes = fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count();
        let message = "is not UTF-8: save the file as UTF-8".to_owned();
        LoadError {
            file: file.display().to_string(),
            line,
            column,
            message,
        }
    })
}

/// serde_yaml repeats the position in its message; ours stands in front.
fn strip_position(message: &str) -> String {
    message
        .find(" at line ")
        .map_or_else(|| message.to_owned(), |end| message[..end].to_owned())
}

/// Adds the nearest of the names that serde lists in `unknown field 'x', expected one of 'a', 'b'`.
fn with_suggestion(message: &str) -> String {
    if !message.contains("unknown field") && !message.contains("unknown variant") {
        return message.to_owned();
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(found) = names.next() else {
        return message.to_owned();
    };
    match passkey_model::suggest::nearest(found, names) {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}
