//! Two runs with different seeds and ports: the same verdicts, the same redacted transcripts, the same exchanges.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, sync::Arc};

use passkey_harness::{
    cli,
    run::{Runner, SOFTWARE_CAPACITY},
    snapshot::first_difference,
};
use passkey_model::{lane::Lane, verdict::Verdict};
use tokio::sync::Semaphore;

struct Told {
    verdict: Verdict,
    transcript: String,
    exchange: String,
}

async fn run_all(seed: u64) -> Vec<(String, Told)> {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let runner = Arc::new(Runner {
        library: Arc::new(library),
        seed,
        ..Runner::default()
    });
    let places = Arc::new(Semaphore::new(SOFTWARE_CAPACITY));
    let tasks: Vec<_> = rows
        .into_iter()
        .filter(|row| row.lane.id == Lane::SOFTWARE && row.not_applicable.is_none())
        .map(|row| {
            let (runner, places) = (Arc::clone(&runner), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let result = runner.run_row(&row).await;
                let told = Told {
                    verdict: result.judgement.verdict,
                    transcript: result.written(&row).transcript,
                    exchange: result.exchange,
                };
                (row.name.to_string(), told)
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn two_seeds_tell_the_same_story() {
    let (first, second) = (run_all(1).await, run_all(0xfeed).await);
    assert_eq!(first.len(), second.len());
    let mut differing = Vec::new();
    for ((name, first), (_, second)) in first.iter().zip(&second) {
        if first.verdict != second.verdict || first.exchange != second.exchange {
            differing.push(format!("{name}: verdict or exchange"));
        }
        if let Some(difference) = first_difference(&first.transcript, &second.transcript) {
            differing.push(format!("{name}: {difference}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
