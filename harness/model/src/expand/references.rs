//! Checks that names which scenario files give to each other exist, each once, before anything is expanded.

use std::collections::BTreeMap;

use super::ExpandError;
use crate::{
    library::{Library, Located},
    platform::{Context, Flow, Platform, PlatformVersion, VersionSymbol},
    policy::{Limits, Policy, Switches},
    row::SourceRef,
};

/// Returns every mistake in the references between files.
pub(super) fn check(library: &Library) -> Vec<ExpandError> {
    let mut check = Check {
        platforms: ids(&library.platforms, |platform| &platform.id),
        providers: ids(&library.providers, |provider| &provider.id),
        profiles: ids(&library.profiles, |profile| &profile.id),
        errors: Vec::new(),
    };
    check.duplicates(library);
    check.platforms(library);
    check.providers(library);
    check.profiles(library);
    check.availability(library);
    check.contexts(library);
    check.grid(library);
    check.matrix(library);
    check.errors
}

fn ids<T>(items: &[Located<T>], id: impl Fn(&T) -> &String) -> Vec<String> {
    items.iter().map(|item| id(&item.value).clone()).collect()
}

struct Check {
    platforms: Vec<String>,
    providers: Vec<String>,
    profiles: Vec<String>,
    errors: Vec<ExpandError>,
}

impl Check {
    fn known(&mut self, place: SourceRef, kind: &str, name: &str) {
        let known = match kind {
            "platform" => &self.platforms,
            "provider" => &self.providers,
            _ => &self.profiles,
        };
        if !known.iter().any(|known| known == name) {
            let names = known.iter().map(String::as_str);
            self.errors
                .push(ExpandError::unknown(place, kind, name, names));
        }
    }

    fn context(&mut self, place: SourceRef, context: &Context) {
        self.known(place.clone(), "platform", &context.client.platform);
        if let Flow::CrossDevice(phone) = &context.flow {
            self.known(place, "platform", &phone.platform);
        }
    }

    fn duplicates(&mut self, library: &Library) {
        let at = |place: SourceRef, name: &str| (place, name.to_owned());
        self.unique(
            "platform",
            library
                .platforms
                .iter()
                .map(|item| at(item.at("/id"), &item.value.id)),
        );
        self.unique(
            "provider",
            library
                .providers
                .iter()
                .map(|item| at(item.at("/id"), &item.value.id)),
        );
        self.unique(
            "profile",
            library
                .profiles
                .iter()
                .map(|item| at(item.at("/id"), &item.value.id)),
        );
        let matrix = library
            .matrix
            .iter()
            .map(|item| at(item.at("/scenario"), &item.value.scenario));
        self.unique("scenario", matrix);
        let policy = library
            .policy
            .iter()
            .map(|item| at(item.at("/scenario"), &item.value.scenario));
        self.unique("scenario", policy);
        let grid = library.grid.iter().flat_map(|grid| {
            let entries = (0..).zip(&grid.value.entries);
            entries.map(move |(index, entry): (usize, _)| {
                at(
                    grid.at(&format!("/entries/{index}")),
                    &format!("{} under {}", entry.provider, entry.profile),
                )
            })
        });
        self.unique("entry of the grid", grid);
    }

    fn unique(&mut self, kind: &str, names: impl Iterator<Item = (SourceRef, String)>) {
        let mut first: BTreeMap<String, SourceRef> = BTreeMap::new();
        for (place, name) in names {
            if let Some(before) = first.get(&name) {
                let message = format!("{kind} '{name}' is already at {before}");
                self.errors.push(ExpandError::new(place, message));
            } else {
                first.insert(name, place);
            }
        }
    }

    /// A platform's name has to be read back out of a context: `x-below` at `min` would be `x` at `below-min`.
    fn platforms(&mut self, library: &Library) {
        for platform in &library.platforms {
            let id = &platform.value.id;
            let at_min = PlatformVersion {
                platform: id.clone(),
                version: VersionSymbol::Min,
            };
            let context = Context {
                client: at_min,
                flow: Flow::SameDevice,
            };
            if context.to_string().parse().as_ref() != Ok(&context) {
                let message =
                    format!("a platform cannot be named '{id}': contexts could not be read back");
                self.errors
                    .push(ExpandError::new(platform.at("/id"), message));
            }
            self.user_agents(platform);
        }
    }

    /// A platform says what browsers show of it at every version, once each, or leaves all of them out.
    fn user_agents(&mut self, platform: &Located<Platform>) {
        let stated = &platform.value.user_agents;
        if stated.is_empty() {
            return;
        }
        for version in VersionSymbol::ALL {
            let count = stated.iter().filter(|one| one.version == version).count();
            if count != 1 {
                let message = format!(
                    "platform '{}' has {count} user agents for version '{}': write one for each version, or none at all",
                    platform.value.id,
                    version.name()
                );
                self.errors
                    .push(ExpandError::new(platform.at("/user-agents"), message));
            }
        }
    }

    fn providers(&mut self, library: &Library) {
        for provider in &library.providers {
            for (index, variant) in provider.value.variants.iter().enumerate() {
                self.known(
                    provider.at(&format!("/variants/{index}/platform")),
                    "platform",
                    &variant.platform,
                );
            }
        }
    }

    /// A profile is a policy that holds; policies that must be refused stand in scenarios.
    fn profiles(&mut self, library: &Library) {
        for profile in &library.profiles {
            let read = Policy::from_graph(
                &profile.value.policy,
                &Switches::default(),
                &Limits::default(),
                None,
            );
            if let Err(refusal) = read {
                self.errors
                    .push(ExpandError::new(profile.at("/policy"), refusal.to_string()));
            }
        }
    }

    fn availability(&mut self, library: &Library) {
        if let Some(table) = &library.availability {
            for (row, line) in table.value.rows.iter().enumerate() {
                for (index, provider) in line.providers.iter().enumerate() {
                    self.known(
                        table.at(&format!("/rows/{row}/providers/{index}")),
                        "provider",
                        provider,
                    );
                }
                for (index, cell) in line.cells.iter().enumerate() {
                    let pointer = format!("/rows/{row}/cells/{index}");
                    self.known(
                        table.at(&format!("{pointer}/platform")),
                        "platform",
                        &cell.platform,
                    );
                    for (phone, minimum) in cell.cross_device.phones.iter().enumerate() {
                        let place =
                            table.at(&format!("{pointer}/cross-device/phones/{phone}/platform"));
                        self.known(place, "platform", &minimum.platform);
                    }
                }
            }
        }
    }

    fn contexts(&mut self, library: &Library) {
        if let Some(contexts) = &library.contexts {
            for (index, pair) in contexts.value.pairs.iter().enumerate() {
                let place = |name: &str| contexts.at(&format!("/pairs/{index}/{name}"));
                self.known(place("provider"), "provider", &pair.provider);
                self.context(place("registration"), &pair.registration);
                self.context(place("sign-in"), &pair.sign_in);
            }
        }
    }

    fn grid(&mut self, library: &Library) {
        if let Some(grid) = &library.grid {
            for (index, entry) in grid.value.entries.iter().enumerate() {
                let place = |name: &str| grid.at(&format!("/entries/{index}/{name}"));
                self.known(place("provider"), "provider", &entry.provider);
                self.known(place("profile"), "profile", &entry.profile);
                for (number, exception) in entry.except.iter().enumerate() {
                    for (context, value) in exception.contexts.iter().enumerate() {
                        self.context(place(&format!("except/{number}/contexts/{context}")), value);
                    }
                }
            }
        }
    }

    fn matrix(&mut self, library: &Library) {
        for scenario in &library.matrix {
            let spec = &scenario.value;
            self.known(scenario.at("/control"), "profile", &spec.control);
            for (provider, profile) in &spec.control_for {
                let place = scenario.at(&format!("/control-for/{provider}"));
                self.known(place.clone(), "provider", provider);
                self.known(place, "profile", profile);
            }
            for (index, profile) in spec.profiles.iter().flatten().enumerate() {
                self.known(
                    scenario.at(&format!("/profiles/{index}")),
                    "profile",
                    profile,
                );
            }
            for (index, provider) in spec.providers.iter().flatten().enumerate() {
                self.known(
                    scenario.at(&format!("/providers/{index}")),
                    "provider",
                    provider,
                );
            }
        }
    }
}
