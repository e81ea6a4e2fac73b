//! What is recognised on a page.

use passkey_model::target::Recogniser;

use crate::browser::look::{Seen, Sight, View};

/// How much of a page's text is told, in characters.
const MOST_TOLD: usize = 200;

/// Returns what is looked for to recognise something.
pub(super) fn sights(recognisers: &[Recogniser]) -> Vec<Sight<'_>> {
    let sight = |known| {
        let Recogniser {
            frame, css, gone, ..
        }: &Recogniser = known;
        Sight {
            frame: frame.as_deref(),
            css: css.as_deref(),
            gone: gone.as_deref(),
        }
    };
    recognisers.iter().map(sight).collect()
}

/// Returns the words of the first recogniser that recognises what is seen.
pub(super) fn first(
    recognisers: &[Recogniser],
    seen: &[Seen],
    view: &View,
    cookies: &[String],
) -> Option<String> {
    let fits = |(known, seen): &(&Recogniser, &Seen)| {
        let text = known.text.as_ref();
        let url = known.url.as_ref();
        seen.there
            && text.is_none_or(|pattern| pattern.is_match(&seen.text))
            && url.is_none_or(|pattern| pattern.is_match(&view.address))
            && known
                .cookie
                .as_ref()
                .is_none_or(|name| cookies.contains(name))
    };
    let found = recognisers.iter().zip(seen).find(fits);
    found.map(|(_, seen)| told(&seen.text))
}

/// Returns the beginning of a text, in one line.
pub(super) fn told(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MOST_TOLD).collect()
}
