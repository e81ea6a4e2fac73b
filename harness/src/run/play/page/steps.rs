//! Ceremonies on pages that a target's file describes by steps. Options and responses are what the extension is asked and answers.

mod answers;
mod let_in;
mod outcome;
mod seen;
mod walk;

use std::sync::Arc;

use passkey_model::{
    scenario::{CeremonyKind, StepSpec},
    target::{PageCeremony, Pages},
    verdict::Outcome,
};

use super::{Ceremony, OnPage, Played, said};
use crate::{
    browser::look,
    run::play::{Player, made},
    target::ReadyTarget,
};
use answers::{Answers, Asked, Call};
use outcome::{Came, Watched};
use walk::{Walk, Words};

impl OnPage {
    /// Tells whether the target's file says what is done on the pages.
    pub(in crate::run::play) const fn is_described(&self) -> bool {
        self.described.is_some()
    }

    /// Tells whether the next row has the same account, so that whoever is signed in stays signed in.
    pub(in crate::run::play) fn stays_signed_in(&self) -> bool {
        let target = self.described.as_ref();
        let pages = target.and_then(|target| target.file.page.as_ref());
        pages.is_some_and(Pages::has_one_account)
    }
}

/// Returns the target and its pages.
fn described(page: &OnPage) -> Played<(Arc<ReadyTarget>, Pages)> {
    let target = page.described.clone();
    let found = target.and_then(|target| {
        let pages = target.file.page.clone()?;
        Some((target, pages))
    });
    found.ok_or_else(|| "the target's file does not say what is done on its pages".to_owned())
}

impl Player<'_> {
    /// Registers a passkey, after the user was let in.
    pub(in crate::run::play) async fn register_by_steps(
        &mut self,
        page: &mut OnPage,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let (_, pages) = described(page)?;
        let made = made::in_step(self.library, spec)?;
        self.put_on(page, spec).await?;
        if page.user.as_deref() != Some(user) {
            self.sign_out_by_steps(page).await?;
            self.let_in(page, user).await?;
        }
        let mut ceremony = Ceremony::new(CeremonyKind::Registration, index, spec, Some(made));
        let words = self.words(page, user)?;
        self.by_steps(
            page,
            &mut ceremony,
            ("page/register", &pages.register),
            &words,
        )
        .await
    }

    /// Signs in, after whoever is signed in signed out.
    pub(in crate::run::play) async fn sign_in_by_steps(
        &mut self,
        page: &mut OnPage,
        user: &str,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let (_, pages) = described(page)?;
        self.sign_out_by_steps(page).await?;
        self.put_on(page, spec).await?;
        let with_name = spec.username || !self.rp.signs_in_without_name();
        let at = if with_name {
            "page/sign-in-with-name"
        } else {
            "page/sign-in"
        };
        let section = pages
            .signs_in(with_name)
            .ok_or_else(|| format!("the target's file has no {at}"))?;
        let mut ceremony = Ceremony::new(CeremonyKind::Authentication, 0, spec, None);
        let words = self.words(page, user)?;
        let outcome = self
            .by_steps(page, &mut ceremony, (at, section), &words)
            .await?;
        page.user = (outcome == Outcome::Accepted).then(|| user.to_owned());
        Ok(outcome)
    }

    /// Signs out, if somebody is signed in.
    pub(in crate::run::play) async fn sign_out_by_steps(
        &mut self,
        page: &mut OnPage,
    ) -> Played<Outcome> {
        let Some(user) = page.user.take() else {
            return Ok(Outcome::Accepted);
        };
        let (_, pages) = described(page)?;
        let words = self.words(page, &user)?;
        let mut walk = Walk::new(&page.session, &pages, &words);
        let gone = walk.until_through("page/sign-out", &pages.sign_out);
        // A page that asks for a passkey as soon as nobody is signed in is answered in the next ceremony.
        gone.await.map(|()| Outcome::Accepted)
    }

    /// Returns what the steps of a user are filled with.
    fn words(&self, page: &OnPage, user: &str) -> Played<Words> {
        let (target, _) = described(page)?;
        let row = self.rp.of_row(self.row, &self.seed);
        let user = target.file.user_name(user, &row.users);
        Ok(Words { target, user })
    }

    /// Does the steps of a ceremony, and says what came of it.
    async fn by_steps(
        &mut self,
        page: &mut OnPage,
        ceremony: &mut Ceremony<'_>,
        (at, section): (&str, &PageCeremony),
        words: &Words,
    ) -> Played<Outcome> {
        let (target, pages) = described(page)?;
        let asked = Asked::default();
        let walk = Walk::new(&page.session, &pages, words);
        let watched = Watched {
            at,
            section,
            asked: asked.clone(),
            site: &page.site,
            from: page.site.asked().len(),
        };
        let doing = walk.ceremony(&watched);
        let answers = Answers {
            kept: Arc::clone(&target.kept),
            asked: asked.clone(),
        };
        let came = self
            .meanwhile_by_steps(&page.session, &mut page.events, (ceremony, &answers), doing)
            .await?;
        look::leave(&page.session).await.map_err(said)?;
        if let Some(outcome) = ceremony.outcome.take() {
            return Ok(outcome);
        }
        Ok(match came {
            Came::Accepted => Outcome::Accepted,
            Came::Refused(words) if asked.call() == Call::None => {
                self.before_it_was_shown(ceremony.spec, target.file.refused_in_words(&words))
            }
            Came::Refused(words) => target.file.refused_in_words(&words),
            Came::ByClient(error) => Outcome::NoCredential { error },
            Came::Nothing(outcome) => outcome,
            Came::Unavailable(words) => Outcome::OtherRefusal {
                what: format!("its page is out of order for a moment: {words}"),
            },
        })
    }
}
