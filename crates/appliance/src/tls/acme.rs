//! A certificate from an ACME server, for the names of this server, proved by TLS-ALPN-01 or HTTP-01.
//!
//! It knows when one is due and how to have it; trying again and serving it is `super`'s. What the server
//! says in words stays out of the log, because it names addresses; its error type, a fixed word, is told.
//! RFC 8555, RFC 8737.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::CertificateError;
use super::challenges::Challenges;
use super::made;
use super::state::State;
use crate::limits::{
    ACME_BACK_OFF_S, ACME_BACK_OFF_S_MAX, ACME_EXCHANGE_MS_MAX, ACME_PROBLEM_BYTES_MAX,
    ACME_REFUSED_BACK_OFF_S,
};
use crate::reach::{self, Cause};
use crate::settings::{self, Refusal};

/// The client of one ACME server.
pub(crate) struct Acme {
    settings: settings::Acme,
    names: BTreeSet<String>,
    state: State,
    challenges: Arc<Challenges>,
    /// Failures in a row of one kind.
    failures: u32,
    /// Whether the last of them was a refusal.
    was_refused: bool,
    /// Whether our account was made and has not had an order taken since.
    is_unproved: bool,
    /// Not to be asked before, in Unix seconds.
    retry_unix_s: u64,
}

/// Why there is no new certificate.
#[derive(Debug)]
pub(crate) struct AcmeError {
    wrong: String,
    right: String,
    /// The server answered and would not: asking soon again costs an account its patience.
    is_refusal: bool,
}

impl Acme {
    /// For these names.
    pub(crate) fn new(
        settings: settings::Acme,
        names: &[String],
        state: State,
        challenges: Arc<Challenges>,
    ) -> Self {
        // The client of the ACME library asks for the process's provider, and must not have to guess.
        let _ = ring::default_provider().install_default();
        Self {
            settings,
            names: names.iter().cloned().collect(),
            state,
            challenges,
            failures: 0,
            was_refused: false,
            is_unproved: false,
            retry_unix_s: 0,
        }
    }

    /// The certificate that was kept, if it is for our names and has not ended.
    ///
    /// # Errors
    ///
    /// It is not to be read.
    pub(crate) fn kept(&self, now_unix_s: u64) -> Result<Option<Arc<CertifiedKey>>, CertificateError> {
        let Some(pem) = self.state.read(CERTIFICATE_FILE).map_err(CertificateError::state)? else {
            return Ok(None);
        };
        let certified = made::certified(pem.expose()).ok_or_else(|| {
            let right = "remove it, and another one is obtained";
            let refusal = Refusal::new("does not hold a certificate and its key", right);
            CertificateError::state(refusal.of(&self.state.path(CERTIFICATE_FILE)))
        })?;
        let is_valid = made::validity(&certified).is_some_and(|validity| validity.covers(now_unix_s));
        Ok((is_valid && self.is_for_our_names(&certified)).then(|| Arc::new(certified)))
    }

    /// Obtains a certificate and keeps it. Everything an order needs is done within a bounded time.
    pub(crate) async fn obtain(&mut self, now_unix_s: u64) -> Result<Arc<CertifiedKey>, AcmeError> {
        let patience = Duration::from_millis(ACME_EXCHANGE_MS_MAX);
        let done = tokio::time::timeout(patience, self.exchange(now_unix_s)).await;
        self.challenges.clear();
        let obtained = done.unwrap_or_else(|_late| Err(AcmeError::late()));
        match &obtained {
            Ok(_) => (self.failures, self.retry_unix_s) = (0, 0),
            Err(error) => self.back_off(error, now_unix_s),
        }
        obtained
    }

    /// Waits longer after each failure in a row: silence and refusals each in their own time.
    fn back_off(&mut self, error: &AcmeError, now_unix_s: u64) {
        let is_another_kind = self.was_refused != error.is_refusal;
        self.failures = if is_another_kind { 1 } else { self.failures.saturating_add(1) };
        self.was_refused = error.is_refusal;
        let first_s = if error.is_refusal { ACME_REFUSED_BACK_OFF_S } else { ACME_BACK_OFF_S };
        let doublings = self.failures.saturating_sub(1).min(16);
        self.retry_unix_s = now_unix_s + (first_s << doublings).min(ACME_BACK_OFF_S_MAX);
    }

    /// When the server is to be asked for what follows a certificate, in Unix seconds. After a failure it is
    /// later, or at once if somebody `asked` for it.
    pub(crate) fn next_unix_s(&self, certified: &CertifiedKey, asked: bool) -> u64 {
        let due_unix_s = self.due_unix_s(certified);
        if asked { due_unix_s } else { due_unix_s.max(self.retry_unix_s) }
    }

    /// When a certificate is to be renewed, in Unix seconds: with a third of its time left, or at once if it
    /// is not for our names alone, as the one is not that we make ourselves meanwhile.
    fn due_unix_s(&self, certified: &CertifiedKey) -> u64 {
        let validity = made::validity(certified).filter(|_| self.is_for_our_names(certified));
        validity.map_or(0, |validity| {
            validity.until_unix_s - validity.until_unix_s.saturating_sub(validity.from_unix_s) / 3
        })
    }

    fn is_for_our_names(&self, certified: &CertifiedKey) -> bool {
        made::names(certified) == self.names
    }

    async fn exchange(&mut self, now_unix_s: u64) -> Result<Arc<CertifiedKey>, AcmeError> {
        // What is ordered counts against the CA's limits, also if it is lost at the next restart.
        self.state.probe().map_err(AcmeError::state)?;
        let mut order = self.order().await?;
        self.prove(&mut order).await?;
        let retries = RetryPolicy::new().timeout(Duration::from_millis(ACME_EXCHANGE_MS_MAX));
        if order.poll_ready(&retries).await? != OrderStatus::Ready {
            return Err(self.reason(&mut order).await);
        }
        let unusable = |error: rcgen::Error| AcmeError::unreachable(error);
        let key = KeyPair::generate().map_err(unusable)?;
        let mut params =
            CertificateParams::new(self.names.iter().cloned().collect::<Vec<_>>()).map_err(unusable)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(unusable)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&retries).await?;
        let pem = Zeroizing::new(Zeroizing::new(key.serialize_pem()).to_string() + &chain);
        let certified = made::certified(pem.as_bytes())
            .ok_or_else(|| AcmeError::unreachable("sent a certificate that is not for our key"))?;
        if self.due_unix_s(&certified) <= now_unix_s {
            // Taken as it is, it would have the next one ordered at once, and so on.
            let right = "check the clock of this machine".to_owned();
            let wrong = "sent a certificate that is for other names or already due for renewal";
            return Err(AcmeError { right, ..AcmeError::refused(wrong) });
        }
        self.state.write(CERTIFICATE_FILE, pem.as_bytes());
        Ok(Arc::new(certified))
    }

    /// An order for our names. An account of which the server will not hear any more is forgotten, unless it
    /// is new and would be followed by one after the other.
    async fn order(&mut self) -> Result<Order, AcmeError> {
        let account = self.account().await?;
        let identifiers: Vec<_> = self.names.iter().cloned().map(Identifier::Dns).collect();
        let order = account.new_order(&NewOrder::new(&identifiers)).await;
        if let Err(Error::Api(problem)) = &order
            && is_of_account(problem)
            && !self.is_unproved
        {
            self.state.remove(ACCOUNT_FILE);
            return Err(AcmeError::unreachable("knows our account no more; another one is made"));
        }
        let order = order?;
        self.is_unproved = false;
        Ok(order)
    }

    /// The account that was kept for this directory, or a new one.
    async fn account(&mut self) -> Result<Account, AcmeError> {
        let builder = || match &self.settings.root {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        };
        let directory = self.settings.directory.as_str();
        let kept = self.state.read(ACCOUNT_FILE).map_err(AcmeError::state)?;
        let kept = kept.and_then(|text| serde_json::from_slice::<serde_json::Value>(text.expose()).ok());
        if let Some(kept) = kept.filter(|kept| kept["directory"] == directory)
            && let Ok(credentials) = serde_json::from_value::<AccountCredentials>(kept)
        {
            return Ok(builder()?.from_credentials(credentials).await?);
        }
        let contact: Vec<_> = self.settings.contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder()?.create(&new, directory.to_owned(), None).await?;
        let text = Zeroizing::new(serde_json::to_vec(&credentials).map_err(Error::from)?);
        self.state.write(ACCOUNT_FILE, &text);
        self.is_unproved = true;
        Ok(account)
    }

    /// Lays out what the server will look for, and tells it to look.
    async fn prove(&self, order: &mut Order) -> Result<(), AcmeError> {
        let kind = if self.settings.http { ChallengeType::Http01 } else { ChallengeType::TlsAlpn01 };
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let Identifier::Dns(name) = authorization.identifier().identifier.clone() else { continue };
            let mut challenge = authorization
                .challenge(kind.clone())
                .ok_or_else(|| AcmeError::refused("offers no challenge of the kind that we can meet"))?;
            let proof = challenge.key_authorization();
            if self.settings.http {
                self.challenges.answer_http(&challenge.token, proof.as_str());
            } else {
                let made = self.challenges.answer_tls(&name, proof.digest().as_ref());
                made.map_err(AcmeError::unreachable)?;
            }
            challenge.set_ready().await?;
        }
        Ok(())
    }

    /// What the server found wrong with our proofs.
    async fn reason(&self, order: &mut Order) -> AcmeError {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let Ok(state) = authorization.refresh().await else { continue };
            if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
                return AcmeError::from_problem(problem);
            }
        }
        AcmeError::refused("refused the order")
    }
}

impl AcmeError {
    /// Nothing that the server would hold against us.
    fn unreachable(wrong: impl fmt::Display) -> Self {
        let right = "check tls.acme and that this machine may connect there".to_owned();
        Self { wrong: format!("the ACME server {wrong}"), right, is_refusal: false }
    }

    /// An order that was not carried out within [`ACME_EXCHANGE_MS_MAX`].
    fn late() -> Self {
        Self::unreachable("was not done with the order in time")
    }

    fn refused(wrong: impl fmt::Display) -> Self {
        let right = "see its documentation for why".to_owned();
        Self { wrong: format!("the ACME server {wrong}"), right, is_refusal: true }
    }

    fn state(refusal: Refusal) -> Self {
        let (wrong, right) = (format!("tls.state: {}", refusal.wrong), refusal.right);
        Self { wrong, right, is_refusal: false }
    }

    fn from_problem(problem: &Problem) -> Self {
        let kind = kind(problem);
        let right = match kind.as_str() {
            "connection" | "tls" | "unauthorized" | "incorrectResponse" => {
                "it must reach this server by every one of server.names: by listen.http on port 80 if that \
                 is set, else by listen.web on port 443"
            }
            "dns" => "every one of server.names needs an address record that leads here",
            "rateLimited" => "it was asked too often for these names and is asked again later",
            // RFC 8555 §6.5: both pass with another try, and no proof of ours was found wrong.
            "badNonce" | "serverInternal" => {
                let right = "it is asked again soon".to_owned();
                return Self { right, ..Self::unreachable(format_args!("answered \"{kind}\"")) };
            }
            _ => "the word is explained in RFC 8555 §6.7",
        };
        Self { right: right.to_owned(), ..Self::refused(format_args!("refused with \"{kind}\"")) }
    }
}

impl From<Error> for AcmeError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(problem) => return Self::from_problem(problem),
            Error::Timeout(_) => return Self::late(),
            _ => {}
        }
        match reach::cause(&error) {
            Cause::Untrusted => {
                let right =
                    "set tls.acme.root to the certificate of its CA if it is a private one".to_owned();
                Self { right, ..Self::unreachable("has a certificate that is not trusted here") }
            }
            Cause::Io(kind) => Self::unreachable(format_args!("cannot be reached: {kind}")),
            Cause::Other => Self::unreachable("cannot be reached or does not speak ACME"),
        }
    }
}

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.wrong, self.right)
    }
}

/// The word of RFC 8555 §6.7, or what a server puts there, made fit for a log line.
fn kind(problem: &Problem) -> String {
    let kind = problem.r#type.as_deref().unwrap_or("unknown");
    let word = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    word.chars().filter(char::is_ascii_alphanumeric).take(ACME_PROBLEM_BYTES_MAX).collect()
}

/// Whether a server that was asked for an order says that there is no such account any more.
fn is_of_account(problem: &Problem) -> bool {
    //= RFC 8555 §7.3.6: "If a server receives a POST or POST-as-GET from a deactivated
    //= account, it MUST return an error response with status code 401 (Unauthorized)
    //= and type "urn:ietf:params:acme:error:unauthorized"."
    matches!(kind(problem).as_str(), "accountDoesNotExist" | "unauthorized")
}

const ACCOUNT_FILE: &str = "acme-account.json";
const CERTIFICATE_FILE: &str = "acme.pem";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_with_a_third_of_its_time_left_or_for_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let acme = acme(&State::open(&folder.path().join("state")).unwrap());
        let due = |name: &str| {
            let pem = made::make(&[name.to_owned()].into(), VALIDITY).unwrap();
            acme.due_unix_s(&made::certified(pem.as_bytes()).unwrap())
        };
        assert_eq!(due("a.example"), 1_800_000_600);
        assert_eq!(due("b.example"), 0);
    }

    #[test]
    fn refusals_are_waited_out_longer_than_silence_and_both_have_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut acme = acme(&State::open(&folder.path().join("state")).unwrap());
        let (silence, refusal) = (AcmeError::unreachable("is away"), AcmeError::refused("would not"));
        let none = made::make(&["b.example".to_owned()].into(), VALIDITY).unwrap();
        let none = made::certified(none.as_bytes()).unwrap();
        let mut wait_s = |error: &AcmeError| {
            acme.back_off(error, NOW);
            acme.next_unix_s(&none, false) - NOW
        };
        assert_eq!([(); 3].map(|()| wait_s(&silence)), [1, 2, 4].map(|times| times * ACME_BACK_OFF_S));
        for _ in 0..40 {
            wait_s(&silence);
        }
        assert_eq!(wait_s(&silence), ACME_BACK_OFF_S_MAX);
        assert_eq!([(); 2].map(|()| wait_s(&refusal)), [1, 2].map(|times| times * ACME_REFUSED_BACK_OFF_S));
        assert_eq!(wait_s(&silence), ACME_BACK_OFF_S);
        assert_eq!(wait_s(&refusal), ACME_REFUSED_BACK_OFF_S);
    }

    #[test]
    fn an_order_that_takes_too_long_is_told_as_that() {
        let told = AcmeError::from(Error::Timeout(None)).to_string();
        assert!(told.starts_with("the ACME server was not done with the order in time; "), "{told}");
    }

    #[tokio::test]
    async fn nothing_is_ordered_that_could_not_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut acme = acme(&State::open(&folder.path().join("state")).unwrap());
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
        let told = acme.obtain(NOW).await.unwrap_err().to_string();
        assert!(told.starts_with("tls.state: ") && told.contains("cannot be written"), "{told}");
    }

    #[test]
    fn what_passes_with_another_try_is_no_refusal() {
        let problem = |kind: &str| {
            let text = format!(r#"{{"type": "urn:ietf:params:acme:error:{kind}", "status": 400}}"#);
            AcmeError::from(Error::Api(serde_json::from_str(&text).unwrap()))
        };
        assert!(!problem("badNonce").is_refusal && !problem("serverInternal").is_refusal);
        assert!(problem("rateLimited").is_refusal && problem("connection").is_refusal);
        assert_eq!(
            problem("badNonce").to_string(),
            "the ACME server answered \"badNonce\"; it is asked again soon"
        );
    }

    fn acme(state: &State) -> Acme {
        let settings = settings::Acme { directory: String::new(), contact: None, root: None, http: false };
        Acme::new(settings, &["a.example".to_owned()], state.clone(), Arc::default())
    }

    const NOW: u64 = 1_800_000_000;
    const VALIDITY: made::Validity = made::Validity { from_unix_s: NOW, until_unix_s: NOW + 900 };
}
