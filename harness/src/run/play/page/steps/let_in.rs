//! Lets a row's user in who is to register: by what the target's file says, with the passkey that is kept where it asks for one.

use std::pin::pin;

use passkey_authenticators::SoftwareAuthenticator;
use passkey_model::target::{Pages, Tidy};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    super::{OnPage, Played, said},
    answers::by_kept,
    described,
    walk::{Walk, Words},
};
use crate::{
    browser::{
        Session,
        look::{self, Sight},
    },
    run::{learn, play::Player, site::Event},
};

/// More passkeys than this are not deleted in one row: then deleting does not work.
const MOST_DELETED: usize = 100;

impl Player<'_> {
    /// Lets a user in; the first row that needs it makes the account, where all rows have one.
    pub(super) async fn let_in(&mut self, page: &mut OnPage, user: &str) -> Played<()> {
        let (target, pages) = described(page)?;
        let words = self.words(page, user)?;
        // One row after the other: the kept passkey's counter rises as it is used.
        let mut kept = target.kept.lock().await;
        let (session, events) = (&page.session, &mut page.events);
        if pages.has_one_account() && kept.is_none() {
            let seed = self.seed.derive("the passkey that is kept");
            let mut authenticator = SoftwareAuthenticator::new(learn::model(), seed);
            let mut walk = Walk::new(session, &pages, &words);
            let once = walk.until_through("page/let-in/once", &pages.let_in.once);
            let made = with_kept(events, Some(&mut authenticator), once).await;
            *kept = Some(made.map(|()| authenticator));
        }
        let mut own = match kept.as_mut() {
            Some(Err(why)) => return Err(why.clone()),
            Some(Ok(authenticator)) => Some(authenticator),
            None => None,
        };
        let mut walk = Walk::new(session, &pages, &words);
        let steps = walk.until_through("page/let-in/steps", &pages.let_in.steps);
        with_kept(events, own.as_deref_mut(), steps).await?;
        if let Some(tidy) = &pages.tidy {
            let tidied = tidy_up(session, &pages, &words, tidy);
            with_kept(events, own, tidied).await?;
        }
        page.user = Some(user.to_owned());
        Ok(())
    }
}

/// Does something on the page, and answers the extension with the kept passkey meanwhile.
async fn with_kept<T>(
    events: &mut UnboundedReceiver<Event>,
    mut kept: Option<&mut SoftwareAuthenticator>,
    doing: impl Future<Output = Played<T>>,
) -> Played<T> {
    let mut unanswered = Vec::new();
    let mut doing = pin!(doing);
    loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => {
                let Event::Call { call, answer } = event else { continue };
                if call["mediation"] == "conditional" {
                    unanswered.push(answer);
                    continue;
                }
                let answered = match kept.as_deref_mut() {
                    Some(kept) => by_kept(kept, &call),
                    None => json!({ "do": "browser" }),
                };
                // A page that went away asks no more.
                let _ = answer.send(answered);
            }
            done = &mut doing => return done,
        }
    }
}

/// Deletes passkeys of earlier rows.
async fn tidy_up(session: &Session, pages: &Pages, words: &Words, tidy: &Tidy) -> Played<()> {
    let mut walk = Walk::new(session, pages, words);
    let sight = Sight::shown(&tidy.count);
    for _ in 0..MOST_DELETED {
        let view = look::look(session, std::slice::from_ref(&sight), &[]).await;
        let view = view.map_err(said)?.unwrap_or_default();
        let count = view.here.first().map_or(0, |seen| seen.count);
        if count <= tidy.at_most {
            return Ok(());
        }
        let steps = walk.until_through("page/tidy/steps", &tidy.steps);
        steps.await?;
        walk.until_fewer("page/tidy/count", &tidy.count, count)
            .await?;
    }
    Err(format!(
        "page/tidy/steps: after {MOST_DELETED} times there are still more than {} of '{}'",
        tidy.at_most, tidy.count
    ))
}
