//! Which processes belong to a session, read from `/proc`.
//!
//! Three traces are followed, because none is there always. The marker in the environment is inherited by everything, also by what was
//! given to another parent, but Chromium's zygotes and renderers write their titles over it. Those stay in the process group of the driver,
//! which outlives parents too; but Chromium's crash handler leaves the group. And a child has its parent, until that one dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io, process,
};

/// What a session's processes are known by.
pub(super) struct Traces {
    /// `NAME=value` in their environment.
    pub marker: String,
    /// Process groups whose leader was one of them.
    pub groups: BTreeSet<i32>,
}

#[derive(Clone, Copy)]
struct Process {
    parent: i32,
    group: i32,
}

/// Returns the ids of the living processes of a session, and learns the groups that they lead. Zombies do not live.
///
/// # Errors
/// When there is no `/proc`.
pub(super) fn living(traces: &mut Traces) -> io::Result<BTreeSet<i32>> {
    let mut marked = BTreeSet::new();
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some(process) = read(id) else { continue };
        all.insert(id, process);
        if has(id, &traces.marker) {
            marked.insert(id);
        }
    }
    all.remove(&i32::try_from(process::id()).unwrap_or_default());
    Ok(related(&all, marked, &mut traces.groups))
}

/// Adds to the marked ones whoever is in a group of theirs, or a child of one, until nothing is added any more.
fn related(
    all: &BTreeMap<i32, Process>,
    marked: BTreeSet<i32>,
    groups: &mut BTreeSet<i32>,
) -> BTreeSet<i32> {
    let mut found = marked;
    loop {
        groups.extend(
            all.iter()
                .filter(|(id, process)| **id == process.group && found.contains(id))
                .map(|(id, _)| *id),
        );
        let more: Vec<i32> = all
            .iter()
            .filter(|(id, _)| !found.contains(id))
            .filter(|(_, process)| {
                groups.contains(&process.group) || found.contains(&process.parent)
            })
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Reads `/proc/ID/stat`: `id (name) state parent group ...`, where the name can hold anything.
fn read(id: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

fn parse(stat: &str) -> Option<Process> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    Some(Process {
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn has(id: i32, marker: &str) -> bool {
    fs::read(format!("/proc/{id}/environ")).is_ok_and(|all| {
        all.split(|byte| *byte == 0)
            .any(|one| one == marker.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(processes: &[(i32, i32, i32)]) -> BTreeMap<i32, Process> {
        let process = |(id, parent, group): &(i32, i32, i32)| {
            let (parent, group) = (*parent, *group);
            (*id, Process { parent, group })
        };
        processes.iter().map(process).collect()
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let process = parse("12 (a) R 9 (b) S 3 4 5 6");
        assert_eq!(process.map(|it| (it.parent, it.group)), Some((3, 4)));
    }

    #[test]
    fn a_zombie_does_not_live() {
        assert!(parse("12 (chromium) Z 3 4 5").is_none());
    }

    #[test]
    fn children_and_members_of_groups_belong_to_a_session_and_strangers_do_not() {
        // 10 drives; 11 is its child; 12 was 11's in another group; 13 lost its parent but not 10's group; 20 is nobody's.
        let all = all(&[
            (10, 1, 10),
            (11, 10, 10),
            (12, 11, 12),
            (13, 1, 10),
            (14, 1, 12),
            (20, 1, 20),
        ]);
        let mut groups = BTreeSet::new();
        let found = related(&all, BTreeSet::from([10]), &mut groups);
        assert_eq!(found, BTreeSet::from([10, 11, 12, 13, 14]));
        assert_eq!(groups, BTreeSet::from([10, 12]));
    }

    #[test]
    fn a_group_that_was_learned_is_known_after_its_leader_died() {
        let mut groups = BTreeSet::from([12]);
        let found = related(&all(&[(14, 1, 12)]), BTreeSet::new(), &mut groups);
        assert_eq!(found, BTreeSet::from([14]));
    }

    #[test]
    fn a_group_that_a_stranger_leads_is_not_taken_over() {
        let mut groups = BTreeSet::new();
        let all = all(&[(30, 1, 30), (31, 30, 30), (32, 30, 30)]);
        let found = related(&all, BTreeSet::from([31]), &mut groups);
        assert_eq!(found, BTreeSet::from([31]));
    }
}
