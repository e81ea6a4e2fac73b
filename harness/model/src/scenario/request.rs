//! Requests that no page of the relying party makes: what somebody sends who is free to send anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// States how the requests of a step differ from those that the relying party's page makes, or what a step sends and reads.
///
/// Texts `$NAME` inside JSON stand for a value of the row, as in mutations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RequestSpec {
    /// `register`, `sign-in`: the endpoints that are used; those of the ceremony when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// Whose account the URL or the enrolment link is, whose password is given, or whose records are read; the user's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `register`: whether the user has no session.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed_out: bool,
    /// `register`, `sign-in`: members that are added to the request for options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks_with: Option<Map<String, Value>>,
    /// `register`, `sign-in`: members that are added to the response that is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posts_with: Option<Map<String, Value>>,
    /// `register`, `sign-in`: what happens between the options and the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<Meanwhile>,
    /// `register`, `sign-in`: whether other options are fetched before the response to the first is posted; a later step with `same-options` answers those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
    /// `register`: a user who posts a registration with the same change at the same moment; judged is the second success, if there is one, otherwise a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rival: Option<String>,
    /// `register`, `sign-in`: members that are written into the state that the client holds, whose seal stays as it is. A `challenge` is the one that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_state: Option<Map<String, Value>>,
    /// `send`: where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Endpoint>,
    /// `send`: the JSON that is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// `read`: what is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<ReadOf>,
    /// `read`: the members that it has to have, with their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shows: Option<Map<String, Value>>,
}

/// Names the endpoints of a ceremony, where they are not the usual ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// `register`: those whose URL names the account.
    AccountUrl,
    /// `register`: those of an enrolment link, the same one throughout the row.
    EnrolmentLink,
    /// `register`: those that its framework or library brings along, beside its own.
    DefaultEndpoints,
    /// `sign-in`: those that take a passkey after a password.
    SecondFactor,
    /// `sign-in`: those that ask a user who is signed in for a passkey again.
    StepUp,
}

/// Names what happens between the options and the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Meanwhile {
    /// The session ends, and its cookie is kept.
    SignOut,
    /// The user changes the password elsewhere.
    PasswordChange,
    /// The password of `account` is given in the same session.
    PasswordSignIn,
}

/// Names where JSON is sent that no ceremony made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// Where the response of a registration is posted.
    Registration,
    /// Where the passkey is posted that a user who is signed in was asked for again.
    StepUp,
}

/// Names what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadOf {
    /// The credential record of the step's passkey, as the relying party's view has it.
    Record,
    /// The user's session.
    Session,
}
