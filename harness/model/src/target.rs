//! Targets: relying parties under test that run on their own.
//!
//! A target file says how a relying party is reached, what it is like, and how it refuses:
//!
//! ```yaml
//! target: shop                        # its name in reports
//! version: 4.2.0                      # of what is tested; verdicts are kept for each
//! start:                              # how it is started, where it does not run already; it is ended after the run
//!   command: [./start]                # in the folder of this file; its environment has PORT, RP_ID, ORIGIN and TRUST_ANCHORS
//! address: 127.0.0.1:8080             # where it listens, over plain HTTP; port 0 is any that is free, which {$PORT} in origin names
//! rp-id: shop.example
//! origin: https://login.shop.example  # its host is sent as Host
//! driver: fido-api                    # how it is spoken to: reference, fido-api, json, page, command
//! pass-from: SHOP_PASS                # the environment variable with the pass that lets alice, bob and mallory in
//! users: $USER-$ROW                   # how users are named, not with the driver reference; with $ROW every row has users of its own
//! declares:                           # what it is like; a row that needs anything else is not-applicable
//!   relying-party:                    # its set-up, in the words of scenarios
//!     user-verification: required
//!     attestation: none
//!     algorithms: [ES256, RS256]
//!     counter: reject
//!   features: [usernameless, username-flow, several-passkeys]
//!   fido: true                        # what only FIDO's conformance tests demand is red, too
//! pacing: { rows-at-once: 2, requests-per-second: 5 }
//! refusal:                            # how it refuses; learned before the rows run when left out
//!   statuses: [400]
//!   content-types: [application/json]
//!   members: [error]                  # what the JSON of every refusal has at the top
//!   body: '"error"'                   # a regular expression that every refusal matches
//! code-at: /error/code                # where a refusal has its code, and its words: JSON pointers
//! message-at: /error/message
//! reasons:                            # what its refusals mean; the first entry that fits counts
//!   - { code: "^bad_challenge$", is: [reg.8, auth.11] }
//!   - { text: signature, is: [auth.21] }
//!   - { status: 409, is: [reg.26] }
//! deviations: shop.deviations.yaml    # beside it: where it is known to deviate
//! ```
//!
//! Everything but `target`, `address`, `rp-id` and `origin` is optional; `driver: reference` needs `pass-from`, and `driver: json` a
//! [`Dialect`], `driver: page` [`Pages`]. `driver: command` needs `start` and has no `address`: it is an adapter that speaks
//! harness/COMMAND.md. Without `declares` it is taken for a relying party that is set up as the scenarios
//! presume, in which a user has several passkeys and may sign in with or without a name; without `usernameless` among its features,
//! users give their name first wherever a row does not ask for the contrary. A refusal that no entry of `reasons` knows is judged
//! by the refusal alone.

mod command;
mod declares;
mod deviations;
mod dialect;
mod half_pairs;
mod mistakes;
mod pacing;
mod page;
mod policy;
mod refusal;
mod start;
mod template;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    lane::{self, Lane},
    library::Library,
    row::Row,
    scenario::{CeremonyKind, Feature, RelyingPartySettings},
};
pub use command::REFUSED;
pub use declares::{Declares, is_set};
pub use deviations::{Deviation, Deviations, ListedVerdict, Whose};
pub use dialect::{
    Accepted, Call, Ceremony, Csrf, Dialect, Exchange, Listing, RequestLine, Shared,
};
pub use half_pairs::json_of;
pub use pacing::Pacing;
pub use page::{LetIn, PageAct, PageCeremony, PageStep, Pages, Recogniser, Tidy};
pub use policy::{
    Graph, PolicyControl, Requests, added, changes_policy, in_environment, is_about_policy,
    is_in_force, that_restores,
};
pub use refusal::{Answered, Pattern, ReasonClass, ReasonRule, Refusing, Status};
pub use start::Start;
pub use template::{Code, Template, Variable};

/// How a relying party is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// The reference relying party's L3 JSON API.
    #[default]
    Reference,
    /// The API of FIDO's conformance tests.
    FidoApi,
    /// Requests that the file describes.
    Json,
    /// Its own pages in a browser, with steps that the file describes.
    Page,
    /// JSON lines on standard input and output: harness/COMMAND.md.
    Command,
}

impl Driver {
    /// Tells whether user verification and attestation are told with every ceremony.
    const fn asks_per_ceremony(self) -> bool {
        matches!(self, Self::FidoApi | Self::Command)
    }
}

/// Describes a relying party that runs on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// Its name in reports.
    pub target: String,
    /// The version of what is tested, in reports and in the names of the files with its verdicts.
    #[serde(default)]
    pub version: Option<String>,
    /// How it is started, where it does not run already.
    #[serde(default)]
    pub start: Option<Start>,
    /// Where it listens: an IP address and a port, spoken to over plain HTTP; port 0 is any free one, where it is started. An adapter
    /// listens nowhere.
    #[serde(default)]
    pub address: Option<std::net::SocketAddr>,
    /// Its RP ID.
    pub rp_id: String,
    /// Its origin; its host is sent as `Host`. `{$PORT}` in it is the port of the address, also where that is any free one.
    pub origin: String,
    /// How it is spoken to.
    #[serde(default)]
    pub driver: Driver,
    /// The requests of the driver `json`.
    #[serde(default)]
    pub json: Option<Dialect>,
    /// The pages of the driver `page`.
    #[serde(default)]
    pub page: Option<Pages>,
    /// The environment variable that holds the pass which lets alice, bob and mallory in before they have passkeys.
    #[serde(default)]
    pub pass_from: Option<String>,
    /// Secrets that requests name as `$SECRET/<name>`, each with the environment variable that holds it; a target that is started gets
    /// one made up in its environment where there is none.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// How users are named: `$USER` is `alice`, `bob` or `mallory`, and `$ROW` ten digits of the row's own, so that every row has users
    /// of its own. `$USER-$ROW` when left out; nothing else than `$USER` with the driver `reference`, which does not say it.
    #[serde(default)]
    pub users: Option<String>,
    /// What it is like.
    #[serde(default)]
    pub declares: Declares,
    /// How its policy is set; rows that need one are not-applicable when left out.
    #[serde(default)]
    pub policy: Option<PolicyControl>,
    /// How fast it may be asked.
    #[serde(default)]
    pub pacing: Pacing,
    /// How it refuses a response; learned from two responses that it has to refuse when left out.
    #[serde(default)]
    pub refusal: Option<Refusing>,
    /// Regular expressions for the words of what looks like a refusal and is a crash, as the message of an exception that is nobody's
    /// answer.
    #[serde(default)]
    pub crashes: Vec<Pattern>,
    /// Where the JSON of a refusal has its code: a JSON pointer.
    #[serde(default)]
    pub code_at: Option<String>,
    /// Where the JSON of a refusal has its words: a JSON pointer; the whole body when left out.
    #[serde(default)]
    pub message_at: Option<String>,
    /// What its refusals mean: the first entry that fits counts.
    #[serde(default)]
    pub reasons: Vec<ReasonRule>,
    /// The file with its known deviations, beside this one: `<target>.deviations.yaml`.
    #[serde(default)]
    pub deviations: Option<String>,
}

impl Target {
    /// Returns the requests with which it is spoken to; nothing of the reference relying party's own API.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        match self.driver {
            Driver::Reference | Driver::Page | Driver::Command => None,
            Driver::FidoApi => dialect::fido_api(),
            Driver::Json => self.json.clone(),
        }
    }

    /// Returns the settings that a row presumes of it, which are asked for where whoever asks chooses.
    #[must_use]
    pub fn wanted(&self, row: &RelyingPartySettings) -> Value {
        Value::Object(self.declares.wanted(row))
    }

    /// Returns the name under which it knows a user of a row.
    #[must_use]
    pub fn user_name(&self, user: &str, row: &str) -> String {
        let usual = match self.driver {
            Driver::Reference => "$USER",
            Driver::Page if self.page.as_ref().is_some_and(Pages::has_one_account) => "$USER",
            Driver::FidoApi | Driver::Json | Driver::Page | Driver::Command => "$USER-$ROW",
        };
        let template = self.users.as_deref().unwrap_or(usual);
        template.replace("$USER", user).replace("$ROW", row)
    }

    /// Returns the lane in which it is tested where nobody names one: a site with pages only has none without a browser.
    #[must_use]
    pub const fn usual_lane(&self) -> &'static str {
        match self.driver {
            Driver::Page => Lane::CHROMIUM_PROVIDER,
            Driver::Reference | Driver::FidoApi | Driver::Json | Driver::Command => Lane::SOFTWARE,
        }
    }

    /// Puts the port in the origin that it listens on.
    pub fn listens_on(&mut self, port: u16) {
        self.origin = self.origin.replace("{$PORT}", &port.to_string());
    }

    /// Tells whether every row has users of its own.
    #[must_use]
    pub fn has_fresh_users(&self) -> bool {
        self.user_name("", "a") != self.user_name("", "b")
    }

    /// Tells whether it can be told to end a session.
    #[must_use]
    pub fn signs_out(&self) -> bool {
        self.dialect()
            .is_none_or(|dialect| dialect.sign_out.is_some())
    }

    /// Tells whether requests can tell who is signed in.
    fn shows_session(&self) -> bool {
        match self.driver {
            Driver::Reference => true,
            Driver::Json | Driver::FidoApi => self
                .dialect()
                .is_some_and(|dialect| dialect.session.is_some()),
            Driver::Page | Driver::Command => false,
        }
    }

    /// Tells whether whoever asks for the options of a ceremony chooses user verification: as FIDO's API wants it, or as a file says with
    /// `$WANTED`.
    fn lets_clients_choose(&self, ceremony: CeremonyKind) -> bool {
        let Some(dialect) = self.dialect() else {
            return self.driver.asks_per_ceremony();
        };
        let options = &dialect.ceremony(ceremony).options;
        let templates = options.query.values().chain(&options.body);
        let mut templates = templates.chain([&options.request.path]);
        // What is sent whole has it.
        let chooses = |it: &Template| {
            it.names_member(Variable::Wanted, "user-verification")
                || (it.names(Variable::Wanted) && !it.names_member(Variable::Wanted, "attestation"))
        };
        self.driver.asks_per_ceremony() || templates.any(chooses)
    }

    /// Returns the host of the origin, as requests name it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(self.origin.as_str(), |(_, host)| host)
    }

    /// Tells whether users can sign in without giving their name.
    #[must_use]
    pub fn signs_in_without_name(&self) -> bool {
        self.declares.has(Feature::Usernameless, self.driver)
    }

    /// Tells whether it asks for `direct` attestation, as relying parties do that declare nothing else.
    #[must_use]
    pub fn asks_for_attestation(&self) -> bool {
        let asked = self.declares.relying_party.attestation.as_deref();
        asked.is_none_or(|asked| asked == "direct")
    }

    /// Says which setting a row presumes that is not declared, and that options which were sent, the last one's last, do not have.
    #[must_use]
    pub fn sends_otherwise(&self, row: &Row, sent: &[(CeremonyKind, &Value)]) -> Option<String> {
        // Where whoever asks chooses, options are what was asked for.
        if self.driver.asks_per_ceremony() {
            return None;
        }
        let why = self.declares.sends_otherwise(row, sent)?;
        Some(format!("target {} {why}", self.target))
    }

    /// Says what a row needs of a relying party that this one does not declare, or cannot be told; nothing when it can run here.
    #[must_use]
    pub fn cannot_show(&self, library: &Library, row: &Row) -> Option<String> {
        let name = &self.target;
        if self.driver == Driver::Command
            && let Some(why) = command::no_library_has(row)
        {
            return Some(format!("target {name} is a library: {why}"));
        }
        if let Some(what) = declares::to_be_told(row, self) {
            return Some(format!("the {what} of target {name} cannot be set"));
        }
        let has_api = matches!(self.driver, Driver::Json | Driver::FidoApi);
        if has_api && row.lane.driver == lane::Driver::Page {
            return Some(format!(
                "target {name} is reached by requests, and the lane opens pages"
            ));
        }
        let on_pages = self.page.as_ref().filter(|_| self.driver == Driver::Page);
        if let Some(why) = on_pages.and_then(|pages| pages.cannot_show(row)) {
            return Some(format!("target {name} {why}"));
        }
        let policy = self.policy.as_ref();
        if let Some(why) = policy.and_then(|policy| policy.cannot_set(row)) {
            return Some(format!("target {name} {why}"));
        }
        let lacks = self.declares.lacks(library, row, self.driver);
        let why = lacks.or_else(|| self.requests_cannot_show(row).map(str::to_owned))?;
        Some(format!("target {name} {why}"))
    }

    /// Says why the requests that its file describes cannot show a row; nothing when they can.
    fn requests_cannot_show(&self, row: &Row) -> Option<&'static str> {
        let registers_as_administrator = || {
            let dialect = self.dialect();
            dialect.is_some_and(|dialect| dialect.registers_as_administrator())
        };
        match () {
            () if declares::asks_whether_renewed(row) && !self.shows_session() => {
                Some("does not show who is signed in")
            }
            () if declares::asks_for_less(row).is_some_and(|it| self.lets_clients_choose(it)) => {
                Some("lets whoever asks choose user verification")
            }
            () if declares::registers_signed_out(row) && registers_as_administrator() => {
                Some("is asked to register by an administrator, who is never signed out")
            }
            () => None,
        }
    }
}

#[cfg(test)]
mod tests;
