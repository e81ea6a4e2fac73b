//! What is wrong in the description of a site's pages although each part has the right shape.

use super::{PageCeremony, PageStep, Pages, Recogniser};
use crate::{
    scenario::Feature,
    target::{Driver, Target},
};

/// Lists the mistakes of a target's file that are about pages: the JSON pointer of the part, and the mistake.
pub(in crate::target) fn mistakes(target: &Target) -> Vec<(String, String)> {
    let mut found = Mistakes(Vec::new());
    match (target.driver, &target.page) {
        (Driver::Page, Some(pages)) => {
            found.in_pages(pages);
            found.in_ways(target, pages);
        }
        (Driver::Page, None) => found.add(
            "/driver",
            "the driver page needs the member page, which says what is done on its pages",
        ),
        (_, Some(_)) => found.add(
            "/page",
            "says what the driver page does, and the driver is another: expected driver: page",
        ),
        (_, None) => {}
    }
    found.0
}

struct Mistakes(Vec<(String, String)>);

impl Mistakes {
    fn add(&mut self, at: &str, what: &str) {
        self.0.push((at.to_owned(), what.to_owned()));
    }

    fn in_pages(&mut self, pages: &Pages) {
        self.in_steps("/page/let-in/once", &pages.let_in.once);
        self.in_steps("/page/let-in/steps", &pages.let_in.steps);
        self.in_steps("/page/sign-out", &pages.sign_out);
        let ceremonies = [
            ("register", Some(&pages.register)),
            ("sign-in", pages.sign_in.as_ref()),
            ("sign-in-with-name", pages.sign_in_with_name.as_ref()),
        ];
        for (name, ceremony) in ceremonies {
            if let Some(ceremony) = ceremony {
                self.in_ceremony(&format!("/page/{name}"), ceremony);
            }
        }
        self.in_recognisers("/page/unavailable", &pages.unavailable);
        self.in_statuses(pages);
        if let Some(tidy) = &pages.tidy {
            self.in_steps("/page/tidy/steps", &tidy.steps);
        }
        if pages.sign_in.is_none() && pages.sign_in_with_name.is_none() {
            self.add(
                "/page",
                "nobody could sign in: expected sign-in or sign-in-with-name",
            );
        }
    }

    /// Looks whether everybody can sign in who is declared to.
    fn in_ways(&mut self, target: &Target, pages: &Pages) {
        let ways = [
            (
                Feature::Usernameless,
                false,
                "a sign-in without a name, and page has no sign-in",
            ),
            (
                Feature::UsernameFlow,
                true,
                "a sign-in with a name, and page has no sign-in-with-name",
            ),
        ];
        for (feature, with_name, what) in ways {
            let declared = target.declares.has(feature, target.driver);
            if declared && pages.signs_in(with_name).is_none() {
                let what = format!("the target declares {what}: write it, or name its features");
                self.add("/page", &what);
            }
        }
    }

    fn in_steps(&mut self, at: &str, steps: &[PageStep]) {
        let wrong = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.act().is_none());
        for (index, _) in wrong {
            self.add(
                &format!("{at}/{index}"),
                "expected exactly one of open, click, fill (together with with), enter-frame, leave-frame: true, wait-for, wait-gone \
                 and wait-cookie",
            );
        }
    }

    fn in_recognisers(&mut self, at: &str, recognisers: &[Recogniser]) {
        let empty = recognisers
            .iter()
            .enumerate()
            .filter(|(_, known)| known.says_nothing());
        for (index, _) in empty {
            self.add(
                &format!("{at}/{index}"),
                "recognises nothing: expected css, gone, text, url, cookie or status",
            );
        }
    }

    /// Statuses are those of answers while a ceremony is done.
    fn in_statuses(&mut self, pages: &Pages) {
        let ceremonies = [
            ("register", Some(&pages.register)),
            ("sign-in", pages.sign_in.as_ref()),
            ("sign-in-with-name", pages.sign_in_with_name.as_ref()),
        ];
        let mut lists = vec![("/page/unavailable".to_owned(), &pages.unavailable)];
        for (name, ceremony) in ceremonies {
            if let Some(ceremony) = ceremony {
                lists.push((format!("/page/{name}/accepted"), &ceremony.accepted));
                lists.push((format!("/page/{name}/refused"), &ceremony.refused));
            }
        }
        for (at, recognisers) in lists {
            for (index, known) in recognisers.iter().enumerate() {
                let here = format!("{at}/{index}");
                match (known.status, &known.path) {
                    (None, Some(_)) => self.add(&here, "path is that of a request: expected status with it"),
                    (Some(_), _) if at == "/page/unavailable" => self.add(
                        &here,
                        "the status of an answer is seen in a ceremony alone: expected css, gone, text or url",
                    ),
                    _ => {}
                }
            }
        }
    }

    fn in_ceremony(&mut self, at: &str, ceremony: &PageCeremony) {
        self.in_steps(&format!("{at}/steps"), &ceremony.steps);
        let outcomes = [
            ("accepted", &ceremony.accepted),
            ("refused", &ceremony.refused),
        ];
        for (name, recognisers) in outcomes {
            let at = format!("{at}/{name}");
            if recognisers.is_empty() {
                self.add(
                    &at,
                    "the outcome could not be told: expected at least one entry",
                );
            }
            self.in_recognisers(&at, recognisers);
        }
    }
}
