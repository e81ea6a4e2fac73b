//! What is seen after the steps of a ceremony.

use passkey_model::target::PageCeremony;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{Played, said},
    answers::{Asked, Call},
    seen::{first, sights},
    walk::{LOOK, MOST_OPENED, Walk},
};
use crate::browser::{
    look::{self, Sight, View},
    page,
};

/// What is seen after the steps of a ceremony.
pub(super) enum Came {
    Accepted,
    /// Refused with these words.
    Refused(String),
    /// The client made nothing, and said so with this DOMException.
    ByClient(String),
    /// Nothing that anybody recognises, until the limit was over.
    Nothing,
    /// The site is out of order for a moment, in these words.
    Unavailable(String),
}

impl Walk<'_> {
    /// Waits for what is recognised after the steps of a ceremony.
    pub(super) async fn outcome(
        &self,
        at: &str,
        section: &PageCeremony,
        asked: &Asked,
    ) -> Played<Came> {
        look::leave(self.session).await.map_err(said)?;
        let parts = [&self.pages.unavailable, &section.refused, &section.accepted];
        let all: Vec<Sight<'_>> = parts.iter().flat_map(|part| sights(part)).collect();
        let asks_cookies = parts
            .iter()
            .any(|part| part.iter().any(|known| known.cookie.is_some()));
        let deadline = self.deadline();
        let (mut last, mut unavailable, mut opened) = (View::default(), None, 0);
        loop {
            let next = Instant::now() + LOOK;
            let call = asked.call();
            if let Call::Refused(name) = call {
                return Ok(Came::ByClient(name));
            }
            let looked = look::look(self.session, &[], &all).await.map_err(said)?;
            let cookies = if asks_cookies {
                look::cookies(self.session).await.map_err(said)?
            } else {
                Vec::new()
            };
            if let Some(view) = looked {
                if let Some(mistake) = view.mistake {
                    return Err(format!("the target's file, {at}: {mistake}"));
                }
                let (out_of_order, rest) = view
                    .top
                    .split_at_checked(parts[0].len())
                    .unwrap_or_default();
                let (refused, accepted) = rest.split_at_checked(parts[1].len()).unwrap_or_default();
                let words = first(parts[0], out_of_order, &view, &cookies);
                if let Some(words) = words {
                    if call == Call::None {
                        return Ok(Came::Unavailable(words));
                    }
                    unavailable = Some(words);
                    if opened < MOST_OPENED {
                        // Opened anew, it shows what the response came to.
                        opened += 1;
                        page::open(self.session, &view.address)
                            .await
                            .map_err(said)?;
                    }
                } else if let Some(words) = first(parts[1], refused, &view, &cookies) {
                    return Ok(Came::Refused(words));
                } else if call == Call::Answered
                    && first(parts[2], accepted, &view, &cookies).is_some()
                {
                    return Ok(Came::Accepted);
                }
                last = view;
            }
            if Instant::now() >= deadline {
                return match (call, unavailable) {
                    (Call::None, _) => Err(format!(
                        "the target's file, {at}: {}",
                        self.in_vain(
                            "after the steps the page asks for no passkey and refuses nothing",
                            &last
                        )
                    )),
                    (_, Some(words)) => Ok(Came::Unavailable(words)),
                    _ => Ok(Came::Nothing),
                };
            }
            sleep_until(next).await;
        }
    }
}
