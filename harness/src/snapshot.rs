//! Snapshots: which row's transcript stands in which file under `snapshots/`, and how others are compared with it.
//!
//! Rows of one scenario whose ceremony must look the same share one snapshot. The first of them in the whole plan owns it; the
//! others are compared with it here. Nothing in this module writes a snapshot: the test target hands the owner's transcript to insta.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use passkey_model::{
    expand,
    library::Library,
    row::{NamedPolicy, Row},
    scenario::StepSpec,
};
use serde_json::{Value, json};

/// The row that owns the snapshot of each row, by names without lanes, and the lane in which the owner tells it.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    of_row: BTreeMap<String, String>,
    told_in: BTreeMap<String, String>,
}

impl Owners {
    /// Finds the owners among rows that are sorted by name; of a scenario, all rows have to be there or none.
    ///
    /// A row stands in several lanes: the first of them, in the order of the lanes, tells what the others are compared with.
    #[must_use]
    pub fn of<'a>(library: &Library, rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let lanes = expand::lanes(library);
        let place = |lane: &str| lanes.iter().position(|known| known.id == lane);
        let mut first: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut owners = Self::default();
        for row in rows {
            // What a browser's own authenticator makes is held against the software lane (`differences`).
            if row.not_applicable.is_some() || row.lane.is_native() {
                continue;
            }
            let name = row.name.without_lane();
            let lane = owners
                .told_in
                .entry(name.clone())
                .or_insert_with(|| row.lane.id.clone());
            if place(&row.lane.id) < place(lane) {
                lane.clone_from(&row.lane.id);
            }
            if owners.of_row.contains_key(&name) {
                continue;
            }
            let owner = first
                .entry((row.scenario.clone(), ceremony_key(library, row)))
                .or_insert_with(|| name.clone());
            owners.of_row.insert(name, owner.clone());
        }
        owners
    }

    /// Returns the row that owns a row's snapshot, without its lane; nothing for a row that does not run.
    #[must_use]
    pub fn owner(&self, row: &Row) -> Option<&str> {
        self.of_row
            .get(&row.name.without_lane())
            .map(String::as_str)
    }

    /// Tells whether a row, in this lane, is the one that tells its snapshot.
    #[must_use]
    pub fn tells(&self, row: &Row) -> bool {
        let name = row.name.without_lane();
        self.of_row.get(&name) == Some(&name) && self.told_in.get(&name) == Some(&row.lane.id)
    }

    /// Returns the files that may stand under the folder of snapshots.
    #[must_use]
    pub fn files(&self, root: &Path) -> BTreeSet<PathBuf> {
        self.of_row
            .values()
            .map(|owner| file(root, owner))
            .collect()
    }
}

/// What a row does, without what the relying party cannot see of its contexts.
fn ceremony_key(library: &Library, row: &Row) -> String {
    let steps: Vec<Value> = row
        .steps
        .iter()
        .map(|step| step_key(library, &step.spec))
        .collect();
    // Profiles are the same everywhere: only a scenario's own policies have to be looked at.
    let is_profile = |policy: &NamedPolicy| {
        let profile = library.profile(&policy.name);
        profile.is_some_and(|profile| profile.policy == *policy.document)
    };
    let policies: Vec<&Value> = row
        .policies
        .iter()
        .filter(|policy| !is_profile(policy))
        .map(|policy| policy.document.as_ref())
        .collect();
    json!({
        "steps": steps,
        "policy": row.policy.as_ref().map(|policy| &policy.name),
        "policies": policies,
        "relying party": row.relying_party,
        "switches": row.switches,
        "users": row.users,
    })
    .to_string()
}

fn step_key(library: &Library, spec: &StepSpec) -> Value {
    let provider = spec.provider.as_ref().and_then(|id| library.provider(id));
    let made = provider
        .zip(spec.context.as_ref())
        .map(|(provider, context)| provider.made_in(context).model);
    let bare = StepSpec {
        context: None,
        ..spec.clone()
    };
    let cross_device = spec
        .context
        .as_ref()
        .map(passkey_model::platform::Context::is_cross_device);
    json!({ "spec": bare, "model": made, "cross-device": cross_device })
}

/// Returns the file of a snapshot: `::` becomes a folder, the last part the file.
#[must_use]
pub fn file(root: &Path, owner: &str) -> PathBuf {
    let (folder, name) = place(root, owner);
    folder.join(format!("{name}.snap"))
}

/// Returns the folder of a snapshot and its name in it.
#[must_use]
pub fn place(root: &Path, owner: &str) -> (PathBuf, String) {
    let mut parts: Vec<&str> = owner.split("::").collect();
    let name = parts.pop().unwrap_or_default().to_owned();
    (root.join(parts.iter().collect::<PathBuf>()), name)
}

/// Reads the transcript out of a snapshot file: what stands behind insta's header.
///
/// # Errors
/// When the file cannot be read.
pub fn read(file: &Path) -> io::Result<String> {
    let text = fs::read_to_string(file)?;
    let body = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"));
    Ok(body.map_or(text.as_str(), |(_, body)| body).to_owned())
}

/// Returns the ceremony out of a whole transcript.
#[must_use]
pub fn ceremony(transcript: &str) -> &str {
    let start = transcript.find("ceremony:").unwrap_or_default();
    let end = transcript
        .rfind("\nclient:")
        .map_or(transcript.len(), |end| end + 1);
    &transcript[start..end]
}

/// Returns the lines in which two texts first differ, with their line number; nothing when they are the same.
#[must_use]
pub fn first_difference(expected: &str, found: &str) -> Option<String> {
    if expected.trim_end() == found.trim_end() {
        return None;
    }
    let (mut old, mut new) = (expected.lines(), found.lines());
    for line in 1.. {
        let pair = (old.next(), new.next());
        match pair {
            (None, None) => break,
            (old, new) if old != new => {
                let (old, new) = (old.unwrap_or("(nothing)"), new.unwrap_or("(nothing)"));
                return Some(format!("line {line}\n    - {old}\n    + {new}"));
            }
            _ => {}
        }
    }
    Some("white space".to_owned())
}

/// Finds every snapshot file below a folder, pending ones (`.snap.new`) apart.
///
/// # Errors
/// When a folder cannot be listed.
pub fn walk(root: &Path) -> io::Result<(BTreeSet<PathBuf>, BTreeSet<PathBuf>)> {
    let (mut snapshots, mut pending) = (BTreeSet::new(), BTreeSet::new());
    let mut folders = Vec::from_iter(root.exists().then(|| root.to_owned()));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".snap.new") {
                pending.insert(path);
            } else if name.ends_with(".snap") {
                snapshots.insert(path);
            }
        }
    }
    Ok((snapshots, pending))
}

/// Takes over the pending transcripts of one scenario and returns their files.
///
/// # Errors
/// When a file cannot be read, written or removed.
pub fn accept(root: &Path, scenario: &str) -> io::Result<Vec<PathBuf>> {
    let (_, pending) = walk(root)?;
    let mut accepted = Vec::new();
    for new in pending {
        let inside = new.strip_prefix(root).unwrap_or(&new);
        let of_scenario = inside.components().nth(1).is_some_and(|part| {
            let part = part.as_os_str().to_string_lossy();
            part == scenario || part == format!("{scenario}.snap.new")
        });
        if !of_scenario {
            continue;
        }
        let text = fs::read_to_string(&new)?;
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("assertion_line:"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let file = new.with_extension("");
        fs::write(&file, text)?;
        fs::remove_file(&new)?;
        accepted.push(file);
    }
    Ok(accepted)
}
