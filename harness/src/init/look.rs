//! What a page and its scripts tell of how passkeys are used there. Everything is a guess, and is written down as one.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

/// What was found in a page and its scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What mentions WebAuthn: `navigator.credentials.create`.
    pub mentions: BTreeSet<String>,
    /// Paths that look like endpoints of passkeys, with the method where a script names it.
    pub endpoints: Vec<(String, String)>,
    /// Buttons and links that look like it: a selector, and the text.
    pub buttons: Vec<(String, String)>,
    /// Where forms are sent: method and path.
    pub forms: BTreeSet<String>,
}

/// The requests of both ceremonies, as far as they were found: `POST /register/options`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Registration.
    pub registration: Part,
    /// Authentication.
    pub authentication: Part,
}

/// The requests of one ceremony.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What asks for options.
    pub options: Option<String>,
    /// What is shown the response.
    pub result: Option<String>,
}

impl Endpoints {
    /// Returns the four requests, if all were found.
    #[must_use]
    pub fn all(&self) -> Option<[&str; 4]> {
        Some([
            self.registration.options.as_deref()?,
            self.registration.result.as_deref()?,
            self.authentication.options.as_deref()?,
            self.authentication.result.as_deref()?,
        ])
    }
}

/// A regular expression that is written here; one that is wrong matches nothing, as a test would see.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static SCRIPT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r#"(?i)<(?:script|link)\b[^>]*?\b(?:src|href)\s*=\s*["']?([^"'\s>]+\.m?js(?:\?[^"'\s>]*)?)["'\s>]"#,
    )
});
static MENTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"navigator\.credentials(?:\.(?:create|get|store))?|PublicKeyCredential(?:\.\w+)?|\bstart(?:Registration|Authentication)\b|\bisConditionalMediationAvailable\b",
    )
});
static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r#"["'`](/[A-Za-z0-9_][A-Za-z0-9_./-]{2,120})(["'`?])"#));
static LIKELY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)regist|attestation|assertion|authenticat|webauthn|passkey|sign-?in|sign-?up|log-?in|fido|credential",
    )
});
static REGISTERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)regist|attestation|sign-?up|enrol|create|add"));
static SIGNS_IN: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)authenticat|assertion|sign-?in|log-?in|/auth\b|\bget\b"));
static OPTIONS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?i)option|begin|start|challenge|init|generate|request"));
static METHOD_BEFORE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r#"(?i)(?:["'`](GET|POST|PUT)["'`]\s*,\s*|\.(get|post|put)\(\s*)$"#));
static METHOD_AFTER: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r#"(?i)^[^;]{0,160}?\bmethod\s*:\s*["'`](GET|POST|PUT)"#));
static BUTTON: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?is)<(button|a)\b([^>]*)>(.{0,400}?)</(?:button|a)\s*>"));
static INPUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r#"(?i)<(input)\b([^>]*\btype\s*=\s*["']?(?:submit|button)\b[^>]*)>"#)
});
static BUTTON_TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)passkey|security key|regist|sign[ -]?(?:up|in|out)|log[ -]?(?:in|out)|create (?:an )?account",
    )
});
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?s)<[^>]*>"));
static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?i)<form\b([^>]*)>"));

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|it| it.is_match(text))
}

fn groups<'t>(
    pattern: &'static LazyLock<Option<Regex>>,
    text: &'t str,
) -> impl Iterator<Item = regex::Captures<'t>> {
    pattern
        .as_ref()
        .into_iter()
        .flat_map(move |it| it.captures_iter(text))
}

/// Returns the addresses of a page's scripts, as they are written.
pub(super) fn scripts(page: &str) -> Vec<String> {
    groups(&SCRIPT, page)
        .map(|found| found[1].replace("&amp;", "&"))
        .collect()
}

impl Page {
    /// Looks at a page, the first text, and at its scripts, the others.
    #[must_use]
    pub fn of(texts: &[String]) -> Self {
        let mut page = Self::default();
        for text in texts {
            let mentions = groups(&MENTION, text).map(|found| found[0].to_owned());
            page.mentions.extend(mentions);
            page.find_endpoints(text);
        }
        if let Some(text) = texts.first() {
            page.find_buttons(text);
            page.find_forms(text);
        }
        page
    }

    fn find_endpoints(&mut self, text: &str) {
        for found in groups(&PATH, text) {
            let Some(path) = found.get(1) else { continue };
            let is_file = path
                .as_str()
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains('.'));
            let known = self
                .endpoints
                .iter()
                .any(|(_, known)| known == path.as_str());
            if is_file || known || !matches(&LIKELY, path.as_str()) {
                continue;
            }
            let before = &text[..path.start() - 1];
            let after = &text[path.end()..];
            let named = METHOD_BEFORE
                .as_ref()
                .and_then(|it| it.captures(tail(before)));
            let named = named.or_else(|| METHOD_AFTER.as_ref()?.captures(head(after)));
            let method = named.and_then(|it| {
                it.iter()
                    .skip(1)
                    .flatten()
                    .next()
                    .map(|it| it.as_str().to_uppercase())
            });
            // What fetch does where nothing is said.
            let method = method.unwrap_or_else(|| "GET".to_owned());
            self.endpoints.push((method, path.as_str().to_owned()));
        }
    }

    fn find_buttons(&mut self, text: &str) {
        for found in groups(&BUTTON, text).chain(groups(&INPUT, text)) {
            let (tag, attributes) = (found[1].to_lowercase(), &found[2]);
            let inside = found.get(3).map(|it| it.as_str());
            let words = match inside {
                Some(inside) => TAG
                    .as_ref()
                    .map(|it| it.replace_all(inside, " ").into_owned()),
                None => attribute(attributes, "value"),
            };
            let words = words.unwrap_or_default();
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            if matches(&BUTTON_TEXT, &words) {
                self.buttons.push((selector(&tag, attributes), words));
            }
        }
    }

    fn find_forms(&mut self, text: &str) {
        for found in groups(&FORM, text) {
            let Some(action) = attribute(&found[1], "action") else {
                continue;
            };
            let method = attribute(&found[1], "method").unwrap_or_else(|| "get".to_owned());
            self.forms
                .insert(format!("{} {action}", method.to_uppercase()));
        }
    }

    /// Guesses which of the paths are the four requests.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        let part = |belongs: &dyn Fn(&str) -> bool| {
            let of = |options: bool| {
                let found = self
                    .endpoints
                    .iter()
                    .find(|(_, path)| belongs(path) && matches(&OPTIONS, path) == options);
                found.map(|(method, path)| format!("{method} {path}"))
            };
            Part {
                options: of(true),
                // A response is too large for a query.
                result: of(false).filter(|it| !it.starts_with("GET ")),
            }
        };
        Endpoints {
            registration: part(&|path| matches(&REGISTERS, path)),
            authentication: part(&|path| matches(&SIGNS_IN, path) && !matches(&REGISTERS, path)),
        }
    }
}

/// Returns the last characters of a text.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(40).map_or(0, |(at, _)| at);
    &text[start..]
}

/// Returns the first characters of a text.
fn head(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(200)
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn attribute(attributes: &str, name: &str) -> Option<String> {
    let quoted = Regex::new(&format!(
        r#"(?i)(?:^|\s){name}\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"#
    ))
    .ok()?;
    let found = quoted.captures(attributes)?;
    let value = found.iter().skip(1).flatten().next();
    value.map(|it| it.as_str().to_owned())
}

/// Returns a selector of an element: by what is made to be found by, where it has that.
fn selector(tag: &str, attributes: &str) -> String {
    if let Some(id) = attribute(attributes, "id") {
        return format!("#{id}");
    }
    for name in ["data-testid", "name", "class", "href"] {
        if let Some(value) = attribute(attributes, name) {
            return format!("{tag}[{name}=\"{value}\"]");
        }
    }
    tag.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn every_pattern_that_is_written_here_is_one() {
        for pattern in [
            &SCRIPT,
            &MENTION,
            &PATH,
            &LIKELY,
            &REGISTERS,
            &SIGNS_IN,
            &OPTIONS,
            &METHOD_BEFORE,
            &METHOD_AFTER,
            &BUTTON,
            &INPUT,
            &BUTTON_TEXT,
            &TAG,
            &FORM,
        ] {
            assert!(pattern.is_some());
        }
    }

    #[test]
    fn the_four_requests_are_found_in_a_script() {
        let script = r#"
            const options = await (await fetch(`/generate-registration-options?username=${name}`)).json();
            await fetch("/verify-registration", { method: "POST", body });
            const asked = await fetch('/generate-authentication-options');
            axios.post("/verify-authentication", body);
            import "/pages/register.js";
        "#;
        let page = Page::of(&[script.to_owned()]);
        assert_eq!(
            page.endpoints().all().unwrap(),
            [
                "GET /generate-registration-options",
                "POST /verify-registration",
                "GET /generate-authentication-options",
                "POST /verify-authentication",
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_not_guessed() {
        let page = Page::of(&["fetch('/login', { method: 'POST' })".to_owned()]);
        let endpoints = page.endpoints();
        assert_eq!(endpoints.all(), None);
        assert_eq!(endpoints.registration, Part::default());
        assert_eq!(
            endpoints.authentication.result.as_deref(),
            Some("POST /login")
        );
    }

    #[test]
    fn buttons_are_found_by_their_words_and_named_by_their_id() {
        let html = r#"<form method="post" action="/signup"><button class='big blue'><b>Sign</b> up</button></form>
            <button id="pk">Use a passkey</button><button>Help</button><input type="submit" name="in" value="Log in">"#;
        let page = Page::of(&[html.to_owned()]);
        let told: Vec<_> = page
            .buttons
            .iter()
            .map(|(at, text)| format!("{at} {text}"))
            .collect();
        assert_eq!(
            told,
            [
                "button[class=\"big blue\"] Sign up",
                "#pk Use a passkey",
                "input[name=\"in\"] Log in"
            ]
        );
        assert_eq!(page.forms.iter().collect::<Vec<_>>(), ["POST /signup"]);
    }
}
