//! What is wrong with a target's file although each part of it has the right shape.

use super::{Dialect, Driver, Target, command, page};
use crate::scenario::Feature;

/// The JSON pointer of a part, and what is wrong there.
type Mistake = (String, String);

impl Target {
    /// Lists what is wrong although each part of the file has the right shape: the JSON pointer of the part, and the mistake.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let dialect = self.json.as_ref().map(Dialect::mistakes);
        let policy = self.policy.as_ref();
        let policy = policy.map(|it| it.mistakes(self.start.is_some(), self.json.is_some()));
        [
            owned(dialect.unwrap_or_default()),
            page::mistakes(self),
            owned(command::mistakes(self)),
            owned(policy.unwrap_or_default()),
            owned(self.pacing.mistake()),
            owned(of_driver(self)),
            owned(of_address(self)),
            owned(of_origin(self)),
            owned(of_version(self)),
            owned(of_users(self)),
            owned(of_refusals(self)),
            owned(of_features(self)),
        ]
        .concat()
    }
}

fn owned(found: impl IntoIterator<Item = (String, &'static str)>) -> Vec<Mistake> {
    let found = found.into_iter();
    found.map(|(at, what)| (at, what.to_owned())).collect()
}

/// Says that a member of the file's top is wrong, where it is.
fn at(name: &str, is_wrong: bool, what: &'static str) -> Option<(String, &'static str)> {
    is_wrong.then(|| (format!("/{name}"), what))
}

fn of_driver(target: &Target) -> Vec<(String, &'static str)> {
    let is_json = target.driver == Driver::Json;
    let is_reference = target.driver == Driver::Reference;
    let found = [
        at(
            "driver",
            is_json && target.json.is_none(),
            "the driver json needs the member json, which says how it is spoken to",
        ),
        at(
            "json",
            !is_json && target.json.is_some(),
            "says how the driver json speaks, and the driver is another: expected driver: json",
        ),
        at(
            "driver",
            is_reference && target.pass_from.is_none(),
            "the driver reference needs pass-from, the environment variable with the pass that lets users in",
        ),
    ];
    found.into_iter().flatten().collect()
}

fn of_address(target: &Target) -> Option<(String, &'static str)> {
    let any = target.address.is_some_and(|at| at.port() == 0);
    at(
        "address",
        any && target.start.is_none(),
        "port 0 stands for any free one, which only a target can be told that is started: expected start or a port",
    )
}

fn of_origin(target: &Target) -> Option<(String, &'static str)> {
    let origin = target.origin.as_str();
    let after = origin.split_once("://").map(|(_, after)| after);
    at(
        "origin",
        after.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', '@', ' '])),
        "expected scheme, host and, if there is one, port, as https://login.shop.example",
    )
}

fn of_version(target: &Target) -> Option<(String, &'static str)> {
    let of_file_names = |version: &String| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        !version.is_empty() && version.bytes().all(known)
    };
    at(
        "version",
        target.version.as_ref().is_some_and(|it| !of_file_names(it)),
        "stands in the names of files: expected letters, digits, '.', '-', '_' and '+'",
    )
}

fn of_users(target: &Target) -> Option<(String, &'static str)> {
    let users = target.users.as_ref()?;
    let what = if target.driver == Driver::Reference {
        "the driver reference speaks of alice, bob and mallory as they are: leave it out"
    } else {
        "alice and bob would be one user: expected $USER in it"
    };
    let is_wrong = target.driver == Driver::Reference || !users.contains("$USER");
    at("users", is_wrong, what)
}

fn of_refusals(target: &Target) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for (name, pointer) in [
        ("code-at", &target.code_at),
        ("message-at", &target.message_at),
    ] {
        let is_wrong = pointer.as_ref().is_some_and(|text| !text.starts_with('/'));
        found.extend(at(
            name,
            is_wrong,
            "expected a JSON pointer, as /error/code",
        ));
    }
    for (index, rule) in target.reasons.iter().enumerate() {
        if rule.status.is_none() && rule.code.is_none() && rule.text.is_none() {
            found.push((
                format!("/reasons/{index}"),
                "says of no refusal what it means: expected status, code or text",
            ));
        }
        if rule.code.is_some() && target.code_pointer().is_none() {
            found.push((
                format!("/reasons/{index}/code"),
                "the file does not say where a refusal has its code: expected code-at",
            ));
        }
        if rule.is.is_empty() {
            found.push((
                format!("/reasons/{index}/is"),
                "expected a reason, as reg.8; a refusal without a known reason needs no entry",
            ));
        }
    }
    let shape = target.refusal.as_ref().and_then(|shape| shape.mistake());
    found.extend(shape.map(|what| ("/refusal".to_owned(), what)));
    found
}

fn of_features(target: &Target) -> Option<(String, &'static str)> {
    let features = target.declares.features.as_deref().unwrap_or_default();
    let index = features.iter().position(|known| *known == Feature::Clock)?;
    Some((
        format!("/declares/features/{index}"),
        "the clock of a target cannot be set, only the embedded relying party's",
    ))
}
