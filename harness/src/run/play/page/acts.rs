//! What a person does on the page: registers, signs in and out, deletes passkeys.

use passkey_model::{
    platform::{PlatformVersion, UserAgent},
    scenario::{CeremonyKind, Mediation, Place, StepSpec},
    verdict::Outcome,
};

use super::{Ceremony, OnPage, Played, said};
use crate::{
    browser::page::{self, Act},
    run::play::{Player, made, setup::RP_ID, values},
};

impl Player<'_> {
    /// Registers on the page, after the user was let in with the pass.
    pub(in crate::run::play) async fn register_on_page(
        &mut self,
        page: &mut OnPage,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let mut made = made::in_step(self.library, spec)?;
        self.row.lane.fixed.replace(&mut made);
        let mut ceremony = Ceremony::new(CeremonyKind::Registration, index, spec, Some(made));
        let before = self.stored(user);
        self.plug_in(&ceremony).await?;
        page.attach(&mut ceremony).await?;
        self.arrive(page, spec).await?;
        let mut acts = Vec::new();
        if page.user.as_deref() != Some(user) {
            acts.extend(page.sign_out_first());
            acts.push(Act {
                show: Some("#other-ways"),
                fill: vec![
                    ("#username", user.to_owned()),
                    ("#pass", self.rp.pass().to_owned()),
                ],
                click: "#use-pass".to_owned(),
            });
        }
        acts.push(Act::click(match spec.place {
            None => "#register",
            Some(Place::Here) => "#register-here",
            Some(Place::Elsewhere) => "#register-elsewhere",
        }));
        let outcome = self.ceremony(page, &mut ceremony, &acts).await?;
        page.user = Some(user.to_owned());
        if matches!(outcome, Outcome::NoCredential { .. }) && self.stored(user) != before {
            let how = "it stored a passkey that nobody made".to_owned();
            return Ok(Outcome::Crashed { how });
        }
        Ok(outcome)
    }

    /// Signs in on the page, after whoever is signed in there signed out.
    pub(in crate::run::play) async fn sign_in_on_page(
        &mut self,
        page: &mut OnPage,
        user: &str,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let mut ceremony = Ceremony::new(CeremonyKind::Authentication, 0, spec, None);
        let outcome = if spec.mediation == Some(Mediation::Conditional) {
            self.sign_out_on_page(page).await?;
            self.put_on(page, spec).await?;
            self.plug_in(&ceremony).await?;
            page.attach(&mut ceremony).await?;
            self.autofill(page, &mut ceremony).await?
        } else {
            self.plug_in(&ceremony).await?;
            page.attach(&mut ceremony).await?;
            self.arrive(page, spec).await?;
            let name = if spec.username { user } else { "" };
            let mut acts = Vec::from_iter(page.sign_out_first());
            acts.push(Act {
                show: None,
                fill: vec![("#username", name.to_owned())],
                click: "#sign-in".to_owned(),
            });
            self.ceremony(page, &mut ceremony, &acts).await?
        };
        page.user = (outcome == Outcome::Accepted).then(|| user.to_owned());
        Ok(outcome)
    }

    /// Plugs in the security key of a ceremony, where the row has one.
    async fn plug_in(&mut self, ceremony: &Ceremony<'_>) -> Played<()> {
        if !self.row.lane.has_keys() {
            return Ok(());
        }
        let (name, spec) = (&ceremony.passkey, ceremony.spec);
        if let Some(made) = &ceremony.made {
            let seed = self.seed.derive(&format!("step {}", ceremony.index));
            self.keys.make(name, &made.model, seed, spec);
        }
        self.keys.plug_in(name, spec).await
    }

    /// Signs out on the page, if somebody is signed in there.
    pub(in crate::run::play) async fn sign_out_on_page(
        &mut self,
        page: &mut OnPage,
    ) -> Played<Outcome> {
        if let Some(act) = page.sign_out_first() {
            let settled = page::act(&page.session, &[act]).await.map_err(said)?;
            if settled.state != "done" {
                return Err(format!("the page does not sign out: {}", settled.words));
            }
        }
        Ok(Outcome::Accepted)
    }

    /// Puts on the user agent of the step's platform, and opens the page where it does not stand open in it.
    async fn arrive(&self, page: &mut OnPage, spec: &StepSpec) -> Played<()> {
        self.put_on(page, spec).await?;
        // What is attached tells the page what to offer while it loads.
        if spec.offers_same_device.is_some() {
            page.open = None;
        }
        let origin = spec.page.as_deref().unwrap_or(self.rp.origin());
        let address = match &spec.framed {
            None => format!("{origin}/"),
            Some(frame) if frame.allowed => format!("{}/embedded?allowed", frame.by),
            Some(frame) => format!("{}/embedded", frame.by),
        };
        page.open(address, spec.framed.is_some()).await
    }

    /// Deletes a passkey where it is kept.
    pub(in crate::run::play) fn delete_at_provider(
        &mut self,
        page: &mut OnPage,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let passkey = spec.credential.as_deref().unwrap_or("passkey");
        if let Some(native) = &mut page.native {
            native.forget(passkey);
        }
        if let Some(authenticator) = self.passkeys.get_mut(passkey) {
            authenticator.forget(RP_ID);
        }
        Ok(Outcome::Accepted)
    }

    /// Deletes a passkey on the page of whoever is signed in there, while its authenticator is attached.
    pub(in crate::run::play) async fn delete_at_relying_party(
        &mut self,
        page: &mut OnPage,
        spec: &StepSpec,
    ) -> Played<Outcome> {
        let mut ceremony = Ceremony::new(CeremonyKind::Authentication, 0, spec, None);
        let id = values::credential_id(&self.values, &ceremony.passkey)
            .ok_or_else(|| format!("no passkey '{}' was registered before", ceremony.passkey))?;
        page.attach(&mut ceremony).await?;
        let act = Act::click(&format!("#passkeys li[data-id=\"{id}\"] .delete"));
        let settled = page::act(&page.session, &[act]).await.map_err(said)?;
        page.detach(&mut ceremony).await?;
        if settled.state == "done" && settled.did == "deleted" {
            return Ok(Outcome::Accepted);
        }
        Err(format!("the page does not delete: {}", settled.words))
    }

    /// Returns how many passkeys the relying party keeps of a user; nothing of one that cannot be asked.
    fn stored(&self, user: &str) -> Option<usize> {
        let passkeys = self.rp.controlled().ok()?.passkeys(user);
        passkeys.as_array().map(Vec::len)
    }

    pub(super) async fn put_on(&self, page: &mut OnPage, spec: &StepSpec) -> Played<()> {
        let platform = spec.context.as_ref().map(|context| &context.client);
        let user_agent = platform.and_then(|platform| self.user_agent(platform));
        page.wear(user_agent.cloned()).await?;
        page.expect_user_agent();
        Ok(())
    }

    fn user_agent(&self, at: &PlatformVersion) -> Option<&UserAgent> {
        let mut platforms = self.library.platforms.iter().map(|located| &located.value);
        let platform = platforms.find(|platform| platform.id == at.platform)?;
        platform.user_agent(at.version)
    }
}
