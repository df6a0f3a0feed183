use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use storeplane_core::access::Access;
use storeplane_core::identity::{Credential, Proof, Role};
use storeplane_core::ids::{Tenant, TokenId};
use uuid::Uuid;

use super::*;

fn secret(number: usize) -> String {
    format!("{PREFIX}{number:0>LENGTH$}")
}

fn caller() -> Caller {
    let access = Access::whole(Tenant::default());
    Caller {
        credential: Credential::Token(TokenId(Uuid::nil())),
        name: "test".into(),
        access,
        role: Role::Viewer,
        expires: None,
        proof: Proof::Signed,
        origin: Arc::default(),
    }
}

#[derive(Default)]
struct Stage {
    lookup: TokenLookup,
    statements: AtomicUsize,
    known: Mutex<HashMap<Hash, Caller>>,
}

impl Stage {
    async fn verify(&self, secret: &str) -> Result<Option<Caller>, PortError> {
        let find = |hashes: Vec<Hash>| async move {
            self.statements.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
            let known = self.known.lock().expect("no panic");
            Ok(hashes.iter().filter_map(|hash| Some((*hash, known.get(hash)?.clone()))).collect())
        };
        self.lookup.verify(secret, find).await
    }

    fn statements(&self) -> usize {
        self.statements.load(Ordering::Relaxed)
    }
}

#[test]
fn only_tokens_are_well_formed() {
    assert!(is_well_formed(&secret(7)));
    let long = format!("{}1", secret(7));
    let upper = secret(7).replace("00", "0A");
    for bad in ["", "spt_", "spt_x", &secret(7)[..LENGTH], &long, &upper, &secret(7).replace('_', "-")] {
        assert!(!is_well_formed(bad), "{bad}");
    }
}

#[tokio::test]
async fn malformed_token_causes_no_statement_and_unknown_one_is_cached() {
    let stage = Stage::default();
    for _ in 0..100 {
        assert_eq!(stage.verify("spt_nonsense").await.expect("an answer"), None);
    }
    assert_eq!(stage.statements(), 0);
    let late = secret(1);
    for _ in 0..100 {
        assert_eq!(stage.verify(&late).await.expect("an answer"), None);
    }
    assert!((1..=3).contains(&stage.statements()), "{}", stage.statements());
    assert_eq!(stage.lookup.refused.malformed.load(Ordering::Relaxed), 100);
    assert_eq!(stage.lookup.refused.unknown.load(Ordering::Relaxed), 100);

    // Created in the meantime, it works after a second.
    stage.known.lock().expect("no panic").insert(hash(&late), caller());
    let created = Instant::now();
    while stage.verify(&late).await.expect("an answer").is_none() {
        assert!(created.elapsed() < Duration::from_secs(30), "a new token does not work");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn different_invalid_tokens_cause_few_statements_and_valid_token_works() {
    let stage = Arc::new(Stage::default());
    let good = secret(0);
    stage.known.lock().expect("no panic").insert(hash(&good), caller());
    let began = Instant::now();
    for round in 0..5 {
        let bad = (0..800).map(|number| {
            let stage = Arc::clone(&stage);
            async move { stage.verify(&secret(1 + round * 1000 + number)).await.expect("an answer") }
        });
        let (refused, admitted) = tokio::join!(futures::future::join_all(bad), stage.verify(&good));
        assert!(refused.iter().all(Option::is_none));
        assert!(admitted.expect("an answer").is_some());
    }
    let most = 5 + usize::try_from(began.elapsed().as_millis() / PAUSE.as_millis()).expect("a short time");
    assert!(stage.statements() <= most, "{} statements for 4,000 tokens", stage.statements());
}

#[tokio::test]
async fn all_callers_of_a_batch_get_its_failure() {
    let lookup = TokenLookup::default();
    let asked = AtomicUsize::new(0);
    let calls = (0..50).map(|number| {
        let (lookup, asked) = (&lookup, &asked);
        async move {
            let find = |_: Vec<Hash>| async move {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
                Err(PortError::Unavailable(Outage::new(OutageKind::ReadOnly, "a standby")))
            };
            lookup.verify(&secret(number), find).await
        }
    });
    for answer in futures::future::join_all(calls).await {
        assert!(matches!(answer, Err(PortError::Unavailable(outage)) if outage.kind == OutageKind::ReadOnly));
    }
    assert!(asked.load(Ordering::Relaxed) <= 2, "{asked:?} statements");
}

#[tokio::test]
async fn number_of_waiting_tokens_is_bounded() {
    let lookup = TokenLookup::default();
    let _busy = lookup.batch.lock().await;
    for number in 0..WAITING_MAX {
        assert!(lookup.wait_for_batch(hash(&secret(number))).is_ok());
    }
    assert!(lookup.wait_for_batch(hash(&secret(WAITING_MAX))).is_err());
}
