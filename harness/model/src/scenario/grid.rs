//! Profiles, matrix contexts and the literal grid of expectations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Expected;
use crate::{platform::Context, policy::Clause};

/// Names a policy that administrators use: one named set of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Profile {
    /// The name in rows.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// The policy, in the shape of Microsoft Graph's fido2AuthenticationMethodConfiguration.
    pub policy: Value,
    /// Where the profile comes from.
    pub sources: Vec<String>,
}

/// Lists the registration and sign-in contexts of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Contexts {
    /// One pair each; a pair is here because it changes the exchange, the expectation or the cell that it cites.
    pub pairs: Vec<ContextPair>,
}

/// Pairs the context where a passkey is made with one where it is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContextPair {
    /// The provider.
    pub provider: String,
    /// Where the passkey is made.
    pub registration: Context,
    /// Where it is used.
    pub sign_in: Context,
    /// What the pair is there for.
    pub because: String,
}

/// Holds the literal expectations of the matrix, written from the documentation and reviewed by people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Grid {
    /// One provider under one profile each.
    pub entries: Vec<GridEntry>,
}

/// States what a relying party does with one provider under one profile, in every context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridEntry {
    /// The provider.
    pub provider: String,
    /// The profile in force.
    pub profile: String,
    /// What becomes of a registration under it.
    pub registration: Expected,
    /// What becomes of a sign-in under it with a passkey that was registered under all-types.
    pub sign_in: Expected,
    /// The clauses that refuse; empty where both are accepted.
    #[serde(default)]
    pub clauses: GridClauses,
    /// The documentation that says so.
    pub source: String,
    /// Contexts in which another verdict holds.
    #[serde(default)]
    pub except: Vec<GridException>,
}

/// Lists the clauses that refuse, by operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridClauses {
    /// The clauses that refuse a registration.
    #[serde(default)]
    pub registration: Vec<Clause>,
    /// The clauses that refuse a sign-in.
    #[serde(default)]
    pub sign_in: Vec<Clause>,
}

/// States another verdict for passkeys made in some contexts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GridException {
    /// The registration contexts that it speaks of.
    pub contexts: Vec<Context>,
    /// What becomes of a registration there.
    pub registration: Expected,
    /// What becomes of a sign-in with a passkey that was made there under all-types.
    pub sign_in: Expected,
    /// The clauses that refuse.
    #[serde(default)]
    pub clauses: GridClauses,
    /// The documentation that says so.
    pub source: String,
}
