//! Logins: each proof is judged, joined with what was proven before, and ends in a session, in a further question, or
//! in the one reply for all refusals.
//!
//! Judging is left to `auth`, counting tries to russh; a half-proven connection holds nothing but what `login` keeps.

use std::borrow::Cow;

use russh::keys::{Algorithm, Certificate, PublicKey};
use russh::server::{Auth, PublicKeyOffer, VerifiedPublicKey};
use russh::{MethodKind, MethodSet};
use zeroize::Zeroizing;

use super::connection::Order;
use super::handler::{Connection, PROTOCOL};
use super::login::Asked;
use crate::auth::{self, Beside, Joined, Missing, NotChanged, Proven, Refused};
use crate::events::Event;
use crate::protocols::node::{Arrival, NotBegun};
use crate::session::Principal;

const KEYBOARD: &str = "keyboard-interactive";

/// A question whose answers are not shown while they are typed.
fn ask(instructions: String, prompts: &[&'static str]) -> Auth {
    let hidden = prompts.iter().map(|prompt| (Cow::Borrowed(*prompt), false));
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Owned(instructions),
        prompts: hidden.collect(),
    }
}

impl Connection {
    /// One reply for all refusals: what is still missing may be tried again.
    pub(super) fn reject(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(self.methods()),
            partial_success: false,
        }
    }

    fn methods(&self) -> MethodSet {
        super::methods(self.login.missing())
    }

    fn refuse(&self, user: &str, method: &'static str, reason: String) -> Auth {
        self.refuse_but(user, method, reason, self.methods())
    }

    /// The same, and names the methods that may help.
    fn refuse_but(&self, user: &str, method: &'static str, reason: String, methods: MethodSet) -> Auth {
        self.service.node.journal.record(Event::LoginRefused {
            account: auth::shown_claim(user),
            peer: self.peer,
            service: self.service.name.clone(),
            protocol: PROTOCOL,
            method,
            reason,
        });
        Auth::Reject {
            proceed_with_methods: Some(methods),
            partial_success: false,
        }
    }

    /// The password held, must be changed, and may not be by who has proven nothing else. That is no half of a login:
    /// only the key is, and the password is asked for again after it.
    fn ask_key(&self, user: &str, refused: Refused, method: &'static str) -> Auth {
        self.refuse_but(user, method, refused.reason, super::methods(Some(Missing::Key)))
    }

    /// What a password comes with on this connection.
    fn beside(&self) -> Beside<'_> {
        Beside {
            before: self.login.proven(),
            service: &self.service.name,
            from: self.peer.ip(),
        }
    }

    fn may_change(&self, principal: &Principal) -> Result<(), Refused> {
        self.service.node.authenticator.may_change(principal, &self.beside())
    }

    /// A password in the method of that name. One that must be changed is answered by the methods in which it can be.
    pub(super) async fn by_password(&mut self, user: &str, password: &str) -> Auth {
        if !self.login.bind(user) {
            return self.reject();
        }
        let password = Zeroizing::new(password.to_owned());
        match self.prove_password(user, password).await {
            Some(Ok(Proven::MustChange { principal, reason })) => match self.may_change(&principal) {
                Ok(()) => {
                    let mut methods = self.methods();
                    methods.remove(MethodKind::Password);
                    let reason = format!("{reason}; it can be changed by keyboard-interactive");
                    self.refuse_but(user, "password", reason, methods)
                }
                Err(refused) => self.ask_key(user, refused, "password"),
            },
            Some(Ok(Proven::SignedIn(principal))) => self.conclude(user, Ok(principal), "password"),
            Some(Err(refused)) => self.conclude(user, Err(refused), "password"),
            None => self.reject(),
        }
    }

    /// keyboard-interactive: the question first, then its answers.
    pub(super) async fn by_keyboard(&mut self, user: &str, answers: Option<Vec<Zeroizing<String>>>) -> Auth {
        if !self.login.bind(user) {
            return self.reject();
        }
        let Some(answers) = answers else {
            self.login.ask_password();
            return ask(String::new(), &["Password: "]);
        };
        match self.login.take_asked() {
            Asked::Nothing => self.reject(),
            Asked::Password => self.password_typed(user, answers).await,
            Asked::NewPassword { old } => self.new_password_typed(user, old, answers).await,
        }
    }

    async fn password_typed(&mut self, user: &str, answers: Vec<Zeroizing<String>>) -> Auth {
        // No answer, or more than was asked for, is a wrong one, and costs the same.
        let [password] = <[_; 1]>::try_from(answers).unwrap_or_default();
        match self.prove_password(user, password.clone()).await {
            Some(Ok(Proven::MustChange { principal, reason })) => match self.may_change(&principal) {
                Ok(()) => {
                    let told = format!("A new password is needed: {reason}.");
                    self.ask_new_password(user, password, told)
                }
                Err(refused) => self.ask_key(user, refused, KEYBOARD),
            },
            Some(Ok(Proven::SignedIn(principal))) => self.conclude(user, Ok(principal), KEYBOARD),
            Some(Err(refused)) => self.conclude(user, Err(refused), KEYBOARD),
            None => self.reject(),
        }
    }

    async fn new_password_typed(
        &mut self,
        user: &str,
        old: Zeroizing<String>,
        answers: Vec<Zeroizing<String>>,
    ) -> Auth {
        let [new, again] = <[_; 2]>::try_from(answers).unwrap_or_default();
        if new != again {
            return self.ask_new_password(user, old, "The two differ. Nothing was changed.".to_owned());
        }
        let authenticator = self.service.node.authenticator.clone();
        let changed = tokio::select! {
            changed = authenticator.change_password(user, old.clone(), new, self.beside()) => changed,
            () = self.line.was_cut() => return self.reject(),
        };
        match changed {
            Ok(principal) => self.conclude(user, Ok(principal), KEYBOARD),
            Err(NotChanged::Rules(complaints)) => {
                let told = format!("The new password {}. Nothing was changed.", complaints.join("; it "));
                self.ask_new_password(user, old, told)
            }
            Err(NotChanged::Refused(refused)) => self.conclude(user, Err(refused), KEYBOARD),
            Err(NotChanged::Unavailable(reason)) => {
                let reason = format!("the password could not be changed: {reason}");
                self.conclude(user, Err(Refused { reason }), KEYBOARD)
            }
        }
    }

    fn ask_new_password(&mut self, user: &str, old: Zeroizing<String>, told: String) -> Auth {
        if self.login.ask_new_password(old) {
            return ask(told, &["New password: ", "The same again: "]);
        }
        self.refuse(user, KEYBOARD, "no acceptable new password was given".to_owned())
    }

    /// An offered key, without a signature. Where certificates count, a key alone says too little: it may come with one.
    pub(super) fn offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Auth {
        if !self.login.bind(user) {
            return self.reject();
        }
        match self.verify_key(user, offer.public_key, offer.algorithm) {
            Ok(_) => Auth::Accept,
            Err(_) if self.may_be_certified(offer.algorithm) => Auth::Accept,
            Err(reason) => self.refuse(user, "publickey", reason),
        }
    }

    /// A key whose signature russh has verified.
    pub(super) fn by_key(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Auth {
        if !self.login.bind(user) {
            return self.reject();
        }
        let verified = self.verify_key(user, key.public_key, key.algorithm);
        self.conclude(user, verified.map_err(|reason| Refused { reason }), "publickey")
    }

    /// A certificate whose key's signature russh has verified; the signature's algorithm was judged when it was offered.
    pub(super) fn by_certificate(&mut self, user: &str, certificate: &Certificate) -> Auth {
        if !self.login.bind(user) {
            return self.reject();
        }
        let authenticator = &self.service.node.authenticator;
        let verified = authenticator.certificate(user, certificate, &self.service.name, self.peer.ip());
        self.conclude(user, verified, "publickey")
    }

    fn may_be_certified(&self, algorithm: &Algorithm) -> bool {
        self.ready.offer.may_sign(algorithm) && self.service.node.authenticator.takes_certificates(&self.service.name)
    }

    /// Verifies a password; `None`: the connection was cut meanwhile.
    async fn prove_password(&self, user: &str, password: Zeroizing<String>) -> Option<Result<Proven, Refused>> {
        let authenticator = self.service.node.authenticator.clone();
        tokio::select! {
            proven = authenticator.prove_password(user, password, self.peer.ip()) => Some(proven),
            () = self.line.was_cut() => None,
        }
    }

    fn verify_key(&self, user: &str, key: &PublicKey, algorithm: &Algorithm) -> Result<Principal, String> {
        if !self.ready.offer.may_sign(algorithm) {
            return Err(format!("signatures of the kind {algorithm} are not accepted"));
        }
        let authenticator = &self.service.node.authenticator;
        authenticator
            .key(user, key, &self.service.name, self.peer.ip())
            .map_err(|refused| refused.reason)
    }

    /// A proof was judged: begins the session, asks for the rest, or refuses.
    fn conclude(&mut self, user: &str, verified: Result<Principal, Refused>, method: &'static str) -> Auth {
        let authenticator = self.service.node.authenticator.clone();
        let (name, from) = (self.service.name.clone(), self.peer.ip());
        let joined = verified.and_then(|new| authenticator.join(self.login.proven(), new, &name, from));
        let begun = match joined {
            Err(refused) => Err(refused.reason),
            Ok(Joined::Partly(principal, missing)) => {
                self.login.prove(principal, missing, method);
                return Auth::Reject {
                    proceed_with_methods: Some(self.methods()),
                    partial_success: true,
                };
            }
            Ok(Joined::Enough(principal)) => self.begin(principal, self.login.methods_with(method)),
        };
        match begun {
            Ok(()) => {
                self.login.finish();
                Auth::Accept
            }
            Err(reason) => {
                let refusal = self.refuse(user, method, reason);
                // Only a message after a success can say that the proof was good and a limit was not: the connection
                // ends within the same step, and without a session nothing could be done on it anyway.
                if self.too_many.is_some() {
                    self.login.finish();
                    return Auth::Accept;
                }
                refusal
            }
        }
    }

    fn begin(&mut self, principal: Principal, method: &'static str) -> Result<(), String> {
        let begun = self.service.node.begin(Arrival {
            principal,
            peer: self.peer,
            service: &self.service.name,
            settings: self.ready.service(),
            protocol: PROTOCOL,
            method,
        });
        let registered = begun.map_err(|not| match not {
            NotBegun::Refused(reason) => reason,
            NotBegun::TooMany(limit) => self.too_many.insert(limit.to_string()).clone(),
        })?;
        let session = registered.session().clone();
        self.orders
            .try_send(Order::SignedIn(registered))
            .map_err(|_| "the connection is ending".to_owned())?;
        self.session = Some(session);
        Ok(())
    }
}
