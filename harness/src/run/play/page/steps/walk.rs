//! Does the steps of a target's file, one after the other, and sees what came of them.
//!
//! A page has no way to tell us that it is ready, so it is looked at again and again until it shows what is waited for, or the limit is over.

use std::{sync::Arc, time::Duration};

use passkey_model::target::{PageAct, PageStep, Pages, Template, Variable};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{Played, said},
    answers::Call,
    outcome::{Came, Watched},
    seen::{Known, Look, first, sights, told},
};
use crate::{
    browser::{
        Session,
        look::{self, Seen, Sight, View},
        page,
        patience::patient,
    },
    target::ReadyTarget,
};

/// How often a page is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// How often a page that is out of order for a moment is opened anew.
pub(super) const MOST_OPENED: usize = 5;

/// What steps are filled with.
pub(super) struct Words {
    pub(super) target: Arc<ReadyTarget>,
    /// The user's name, as the site knows it.
    pub(super) user: String,
}

impl Words {
    fn fill(&self, template: &Template) -> Played<String> {
        let look_up = |variable| match variable {
            Variable::User => Some(json!(self.user)),
            Variable::Pass => Some(json!(self.target.pass)),
            Variable::Secret => Some(json!(self.target.secrets)),
            Variable::Started => Some(json!(self.target.captured.by_name())),
            _ => None,
        };
        template.fill_text(&look_up)
    }
}

/// How far one gets with steps.
enum Way {
    Through,
    /// The site is out of order for a moment, in these words.
    Unavailable(String),
}

/// Somebody who does steps in a browser.
pub(super) struct Walk<'a> {
    pub(super) session: &'a Session,
    pub(super) pages: &'a Pages,
    words: &'a Words,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(session: &'a Session, pages: &'a Pages, words: &'a Words) -> Self {
        Self {
            session,
            pages,
            words,
        }
    }

    /// Does steps, from the first one again where the site is out of order for a moment.
    pub(super) async fn until_through(&mut self, at: &str, steps: &[PageStep]) -> Played<()> {
        let mut why = String::new();
        for _ in 0..MOST_OPENED {
            match self.steps(at, steps, None).await? {
                Way::Through => return look::leave(self.session).await.map_err(said),
                Way::Unavailable(words) => why = words,
            }
            self.open_anew().await?;
        }
        Err(out_of_order(at, &why))
    }

    /// Does the steps of a ceremony and waits for what comes of it; begins again where the site is out of order before it asked for a passkey.
    pub(super) async fn ceremony(mut self, watched: &Watched<'_>) -> Played<Came> {
        let at = format!("{}/steps", watched.at);
        let unasked = || watched.asked.call() == Call::None;
        let mut why = String::new();
        for _ in 0..MOST_OPENED {
            let mut before = None;
            let moment = (watched, &mut before);
            let steps = &watched.section.steps;
            let came = match self.steps(&at, steps, Some(moment)).await? {
                Way::Unavailable(words) if unasked() => Came::Unavailable(words),
                _ => self.outcome(watched, before.as_ref()).await?,
            };
            match came {
                Came::Unavailable(words) if unasked() => why = words,
                came => return Ok(came),
            }
            self.open_anew().await?;
        }
        Err(out_of_order(watched.at, &why))
    }

    /// Opens the page that is open once more.
    async fn open_anew(&self) -> Played<()> {
        look::leave(self.session).await.map_err(said)?;
        let view = look::look(self.session, &[], &[]).await.map_err(said)?;
        match view {
            Some(view) => page::open(self.session, &view.address).await.map_err(said),
            // It is about to show another one.
            None => Ok(()),
        }
    }

    /// Does steps; before the last one of a ceremony that can begin it, looks at what is there already.
    async fn steps(
        &mut self,
        at: &str,
        steps: &[PageStep],
        mut moment: Option<(&Watched<'_>, &mut Option<Look>)>,
    ) -> Played<Way> {
        look::leave(self.session).await.map_err(said)?;
        let begins =
            |step: &PageStep| matches!(step.act(), Some(PageAct::Click(_) | PageAct::Open(_)));
        let beginning = steps.iter().rposition(begins);
        for (index, step) in steps.iter().enumerate() {
            if let Some((watched, before)) = &mut moment
                && Some(index) == beginning
            {
                let looked = self.look_before(watched, step).await;
                **before =
                    looked.map_err(|why| format!("the target's file, {at}/{index}: {why}"))?;
            }
            let at = format!("{at}/{index}");
            let act = step
                .act()
                .ok_or_else(|| format!("{at}: says nothing, or more than one thing"))?;
            let way = match self.is_due(step).await {
                Ok(true) => self.step(act).await,
                Ok(false) => continue,
                Err(why) => Err(why),
            };
            let way = way.map_err(|why| format!("the target's file, {at}: {why}"))?;
            if let Way::Unavailable(words) = way {
                return Ok(Way::Unavailable(words));
            }
        }
        Ok(Way::Through)
    }

    /// Looks at what is there before the step that can begin a ceremony, when its element is shown.
    async fn look_before(&self, watched: &Watched<'_>, step: &PageStep) -> Played<Option<Look>> {
        if let Some(PageAct::Click(css)) = step.act()
            && self.is_due(step).await?
            && self.until_shown(css).await?.is_err()
        {
            // The site is out of order, as the step itself will see.
            return Ok(None);
        }
        let known = Known::of(self.pages, watched.section);
        for _ in 0..MOST_OPENED {
            let next = Instant::now() + LOOK;
            let looked = self.look_for(&known, watched).await?;
            if looked.is_some() {
                return Ok(looked);
            }
            sleep_until(next).await;
        }
        Ok(None)
    }

    /// Tells whether a step is to be done as the page is now.
    async fn is_due(&self, step: &PageStep) -> Played<bool> {
        let looked_for = [(&step.only_if, true), (&step.unless, false)];
        for (css, due) in looked_for {
            let Some(css) = css else { continue };
            let sight = Sight::shown(css);
            let view = look::look(self.session, &[sight], &[])
                .await
                .map_err(said)?;
            let view = view.unwrap_or_default();
            if let Some(mistake) = view.mistake {
                return Err(mistake);
            }
            if view.here.first().is_some_and(|seen| seen.there) != due {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn step(&mut self, act: PageAct<'_>) -> Played<Way> {
        match act {
            PageAct::Open(template) => {
                let address = self.address(&self.words.fill(template)?);
                page::open(self.session, &address).await.map_err(said)?;
                Ok(Way::Through)
            }
            PageAct::LeaveFrame => {
                look::leave(self.session).await.map_err(said)?;
                Ok(Way::Through)
            }
            PageAct::WaitCookie(name) => self.until_cookie(name).await,
            PageAct::WaitGone(css) => {
                let sight = Sight {
                    frame: None,
                    css: None,
                    gone: Some(css),
                };
                let what = format!("'{css}' is still shown");
                self.until(&what, &sight, |seen| seen.there).await.map(way)
            }
            PageAct::WaitFor(css) => {
                let shown = self.until_shown(css).await?;
                Ok(shown.map_or_else(Way::Unavailable, |_| Way::Through))
            }
            PageAct::Click(css) | PageAct::EnterFrame(css) | PageAct::Fill(css, _) => {
                let text = match act {
                    PageAct::Fill(_, template) => self.words.fill(template)?,
                    _ => String::new(),
                };
                self.on_element(css, act, &text).await
            }
        }
    }

    /// Does something with an element as soon as it is shown and lets itself be used.
    async fn on_element(&self, css: &str, act: PageAct<'_>, text: &str) -> Played<Way> {
        let deadline = self.deadline();
        loop {
            let next = Instant::now() + LOOK;
            let index = match self.until_shown(css).await? {
                Ok(seen) => seen.index,
                Err(words) => return Ok(Way::Unavailable(words)),
            };
            let done = match act {
                PageAct::Click(_) => look::click(self.session, css, index).await,
                PageAct::Fill(..) => look::fill(self.session, (css, index), text).await,
                _ => look::enter(self.session, css, index).await,
            };
            if done.map_err(said)? {
                return Ok(Way::Through);
            }
            if Instant::now() >= deadline {
                return Err(format!(
                    "'{css}' is shown and cannot be used: something lies above it, or it is disabled"
                ));
            }
            sleep_until(next).await;
        }
    }

    async fn until_shown(&self, css: &str) -> Played<Result<Seen, String>> {
        let sight = Sight::shown(css);
        let what = format!("no element '{css}' is shown");
        self.until(&what, &sight, |seen| seen.there).await
    }

    /// Waits until fewer elements are shown.
    pub(super) async fn until_fewer(&self, at: &str, css: &str, than: usize) -> Played<()> {
        let sight = Sight::shown(css);
        let what = format!("{at}: there are still {than} of '{css}'");
        let fewer = self.until(&what, &sight, |seen| seen.count < than).await?;
        fewer.map(|_| ()).map_err(|words| out_of_order(at, &words))
    }

    /// Looks until something is as it is waited for; `Err` in it says that the site is out of order for a moment.
    async fn until(
        &self,
        what: &str,
        sight: &Sight<'_>,
        is_so: impl Fn(&Seen) -> bool,
    ) -> Played<Result<Seen, String>> {
        let deadline = self.deadline();
        let unavailable = sights(&self.pages.unavailable);
        let mut last = View::default();
        loop {
            let next = Instant::now() + LOOK;
            let looked = look::look(self.session, std::slice::from_ref(sight), &unavailable).await;
            if let Some(view) = looked.map_err(said)? {
                if let Some(mistake) = view.mistake {
                    return Err(mistake);
                }
                if let Some(words) = first(&self.pages.unavailable, &view.top, &view) {
                    return Ok(Err(words));
                }
                match view.here.first() {
                    Some(seen) if is_so(seen) => return Ok(Ok(seen.clone())),
                    _ => last = view,
                }
            }
            if Instant::now() >= deadline {
                return Err(self.in_vain(what, &last));
            }
            sleep_until(next).await;
        }
    }

    async fn until_cookie(&self, name: &str) -> Played<Way> {
        let deadline = self.deadline();
        loop {
            let next = Instant::now() + LOOK;
            let cookies = look::cookies(self.session).await.map_err(said)?;
            if cookies.iter().any(|known| known == name) {
                return Ok(Way::Through);
            }
            if Instant::now() >= deadline {
                let names = cookies.join(", ");
                return Err(format!("there is no cookie '{name}'; there are: {names}"));
            }
            sleep_until(next).await;
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + patient(Duration::from_secs(self.pages.within_seconds))
    }

    /// Returns the address of a path of the site, or the address itself.
    fn address(&self, open: &str) -> String {
        if open.contains("://") {
            return open.to_owned();
        }
        format!("{}{open}", self.words.target.file.origin)
    }

    pub(super) fn in_vain(&self, what: &str, last: &View) -> String {
        format!(
            "{what} within {} s; the page is {} and says '{}'",
            self.pages.within_seconds,
            last.address,
            told(&last.text)
        )
    }
}

fn way(reached: Result<Seen, String>) -> Way {
    reached.map_or_else(Way::Unavailable, |_| Way::Through)
}

fn out_of_order(at: &str, words: &str) -> String {
    format!(
        "the target's file, {at}: the page was opened {MOST_OPENED} times, and is out of order: {words}"
    )
}
