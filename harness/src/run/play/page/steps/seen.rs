//! What is recognised on a page.

use passkey_model::target::{PageCeremony, Pages, Recogniser};

use crate::{
    browser::look::{Replied, Seen, Sight, View},
    run::site::AskedFor,
};

/// How much of a page's text is told, in characters.
const MOST_TOLD: usize = 200;

/// Returns what is looked for to recognise something.
fn sight(known: &Recogniser) -> Sight<'_> {
    let Recogniser {
        frame, css, gone, ..
    } = known;
    Sight {
        frame: frame.as_deref(),
        css: css.as_deref(),
        gone: gone.as_deref(),
    }
}

/// Returns what is looked for to recognise any of these.
pub(super) fn sights(recognisers: &[Recogniser]) -> Vec<Sight<'_>> {
    recognisers.iter().map(sight).collect()
}

/// One look at a page, with what else something can be recognised by.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) view: View,
    pub(super) cookies: Vec<String>,
    /// What the page asked for since the steps began.
    pub(super) asked: Vec<AskedFor>,
}

impl Look {
    fn is_of_the_document_of(&self, later: &Self) -> bool {
        self.view.since.to_bits() == later.view.since.to_bits()
    }

    /// Lists what was answered since the steps began: what passed the harness, and what the page knows of that it did not know before.
    pub(super) fn answered<'a>(
        &'a self,
        before: Option<&'a Self>,
    ) -> impl Iterator<Item = (&'a str, u16)> {
        let passed = self.asked.iter().filter(|it| !it.reads);
        let passed = passed.filter_map(|it| Some((it.path.as_str(), it.status?)));
        let is_new =
            move |it: &&Replied| before.is_some_and(|before| !before.view.answers.contains(it));
        let on_page = self.view.answers.iter().filter(is_new);
        passed.chain(on_page.map(|it| (it.path.as_str(), it.status)))
    }
}

/// What a ceremony is recognised by.
pub(super) struct Known<'a> {
    unavailable: &'a [Recogniser],
    refused: &'a [Recogniser],
    accepted: &'a [Recogniser],
}

impl<'a> Known<'a> {
    pub(super) fn of(pages: &'a Pages, section: &'a PageCeremony) -> Self {
        Self {
            unavailable: &pages.unavailable,
            refused: &section.refused,
            accepted: &section.accepted,
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a Recogniser> {
        let outcomes = self.refused.iter().chain(self.accepted);
        self.unavailable.iter().chain(outcomes)
    }

    pub(super) fn sights(&self) -> Vec<Sight<'a>> {
        self.all().map(sight).collect()
    }

    pub(super) fn asks_cookies(&self) -> bool {
        self.all().any(|known| known.cookie.is_some())
    }

    /// Returns the words in which the site is out of order, if it is.
    pub(super) fn unavailable(&self, look: &Look) -> Option<String> {
        first(self.unavailable, &look.view.top, &look.view)
    }

    /// Returns the words of the refusal that is seen, and was not there before.
    pub(super) fn refused(&self, look: &Look, before: Option<&Look>) -> Option<String> {
        newly(self.refused, self.unavailable.len(), look, before)
    }

    /// Tells whether that it was accepted is seen, and was not there before.
    pub(super) fn accepted(&self, look: &Look, before: Option<&Look>) -> bool {
        let at = self.unavailable.len() + self.refused.len();
        newly(self.accepted, at, look, before).is_some()
    }
}

/// Returns the words of the first recogniser that recognises what was not there before; theirs are the sights from a place on.
fn newly(
    recognisers: &[Recogniser],
    at: usize,
    look: &Look,
    before: Option<&Look>,
) -> Option<String> {
    recognisers.iter().enumerate().find_map(|(index, known)| {
        let place = at + index;
        let words = recognised(known, place, look, before)?;
        let unchanged = before.is_some_and(|before| {
            before.is_of_the_document_of(look)
                && before.view.top.get(place) == look.view.top.get(place)
                && recognised(known, place, before, None).is_some()
        });
        // What is gone may have been there in between.
        let is_shown = known.gone.is_none() && (known.css.is_some() || known.text.is_some());
        (!(unchanged && is_shown)).then_some(words)
    })
}

/// Returns the words of a recogniser, if it recognises what is seen in its place.
fn recognised(
    known: &Recogniser,
    place: usize,
    look: &Look,
    before: Option<&Look>,
) -> Option<String> {
    let seen = look.view.top.get(place)?;
    let cookie = known.cookie.as_ref();
    if !is_seen(known, seen, &look.view) || cookie.is_some_and(|name| !look.cookies.contains(name))
    {
        return None;
    }
    let words = told(&seen.text);
    let Some(status) = known.status else {
        return Some(words);
    };
    let path = known.path.as_ref();
    let mut answered = look.answered(before);
    let (path, _) = answered.find(|(asked, answered)| {
        *answered == status && path.is_none_or(|path| path.is_match(asked))
    })?;
    Some(format!("{path}: status {status}; {words}"))
}

/// Returns the words of the first recogniser that recognises what is seen on a page.
pub(super) fn first(recognisers: &[Recogniser], seen: &[Seen], view: &View) -> Option<String> {
    let mut both = recognisers.iter().zip(seen);
    let found = both.find(|(known, seen)| is_seen(known, seen, view));
    found.map(|(_, seen)| told(&seen.text))
}

fn is_seen(known: &Recogniser, seen: &Seen, view: &View) -> bool {
    let (text, url) = (known.text.as_ref(), known.url.as_ref());
    seen.there
        && text.is_none_or(|pattern| pattern.is_match(&seen.text))
        && url.is_none_or(|pattern| pattern.is_match(&view.address))
}

/// Returns the beginning of a text, in one line.
pub(super) fn told(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST_TOLD).collect()
}
