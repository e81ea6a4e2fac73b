//! What is seen after the steps of a ceremony.

use passkey_model::{target::PageCeremony, verdict::Outcome};
use tokio::time::{Instant, sleep_until};

use super::{
    super::{Played, said},
    answers::{Asked, Call},
    seen::{Known, Look},
    walk::{LOOK, MOST_OPENED, Walk},
};
use crate::{
    browser::{look, page},
    run::site::{AskedFor, RowSite},
};

/// What is seen after the steps of a ceremony.
pub(super) enum Came {
    Accepted,
    /// Refused with these words.
    Refused(String),
    /// The client made nothing, and said so with this DOMException.
    ByClient(String),
    /// Nothing that anybody recognises until the limit was over, which means this.
    Nothing(Outcome),
    /// The site is out of order for a moment, in these words.
    Unavailable(String),
}

/// A ceremony whose outcome is looked for.
pub(super) struct Watched<'a> {
    /// Where the target's file describes it.
    pub(super) at: &'a str,
    pub(super) section: &'a PageCeremony,
    /// What became of the page's call.
    pub(super) asked: Asked,
    pub(super) site: &'a RowSite,
    /// How much had been asked of the site before.
    pub(super) from: usize,
}

impl Watched<'_> {
    /// Returns what was asked of the site since.
    pub(super) fn asked_for(&self) -> Vec<AskedFor> {
        self.site.asked().split_off(self.from)
    }
}

impl Walk<'_> {
    /// Waits for what is recognised after the steps of a ceremony.
    pub(super) async fn outcome(
        &self,
        watched: &Watched<'_>,
        before: Option<&Look>,
    ) -> Played<Came> {
        look::leave(self.session).await.map_err(said)?;
        let known = Known::of(self.pages, watched.section);
        let deadline = self.deadline();
        let (mut last, mut unavailable, mut opened) = (Look::default(), None, 0);
        loop {
            let next = Instant::now() + LOOK;
            let call = watched.asked.call();
            if let Call::Refused(name) = call {
                return Ok(Came::ByClient(name));
            }
            if let Some(look) = self.look_for(&known, watched).await? {
                if let Some(words) = known.unavailable(&look) {
                    if call == Call::None {
                        return Ok(Came::Unavailable(words));
                    }
                    unavailable = Some(words);
                    if opened < MOST_OPENED {
                        // Opened anew, it shows what the response came to.
                        opened += 1;
                        page::open(self.session, &look.view.address)
                            .await
                            .map_err(said)?;
                    }
                } else if let Some(words) = known.refused(&look, before) {
                    return Ok(Came::Refused(words));
                } else if call == Call::Answered && known.accepted(&look, before) {
                    return Ok(Came::Accepted);
                }
                last = look;
            }
            if Instant::now() >= deadline {
                return match (call, unavailable) {
                    (Call::None, _) => {
                        const WHAT: &str =
                            "after the steps the page asks for no passkey and refuses nothing";
                        let why = self.in_vain(WHAT, &last.view);
                        Err(format!("the target's file, {}: {why}", watched.at))
                    }
                    (_, Some(words)) => Ok(Came::Unavailable(words)),
                    _ => Ok(Came::Nothing(self.nothing_seen(watched, before, &last))),
                };
            }
            sleep_until(next).await;
        }
    }

    /// Looks once for what a ceremony is recognised by; nothing while the page is changing.
    pub(super) async fn look_for(
        &self,
        known: &Known<'_>,
        watched: &Watched<'_>,
    ) -> Played<Option<Look>> {
        let looked = look::look(self.session, &[], &known.sights()).await;
        let Some(view) = looked.map_err(said)? else {
            return Ok(None);
        };
        if let Some(mistake) = view.mistake {
            return Err(format!("the target's file, {}: {mistake}", watched.at));
        }
        let cookies = if known.asks_cookies() {
            look::cookies(self.session).await.map_err(said)?
        } else {
            Vec::new()
        };
        Ok(Some(Look {
            view,
            cookies,
            asked: watched.asked_for(),
        }))
    }

    /// Says what it means that a page shows nothing that is recognised: what its requests came to, or else nothing that can be told.
    fn nothing_seen(&self, watched: &Watched<'_>, before: Option<&Look>, last: &Look) -> Outcome {
        let asked = watched.asked_for();
        if asked
            .iter()
            .any(|asked| !asked.reads && asked.status.is_none())
        {
            return Outcome::Hung;
        }
        let mut answered = last.answered(before);
        let broke = answered.find(|(_, status)| *status >= 500);
        if let Some((path, status)) = broke {
            return Outcome::Crashed {
                how: format!(
                    "{path} was answered with status {status}, and the page shows nothing of it"
                ),
            };
        }
        Outcome::OtherRefusal {
            what: self.in_vain(
                &format!(
                    "neither of {0}/accepted and {0}/refused is seen",
                    watched.at
                ),
                &last.view,
            ),
        }
    }
}
