//! Every defect of the reference relying party's pages is revealed, in a real browser, by each row that names it.
//!
//! Without Chromium the test says so and passes, unless PASSKEY_REQUIRED_LANES names its lane.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test speaks to the terminal"
)]

use std::{collections::BTreeSet, env, path::Path, sync::Arc};

use passkey_harness::{
    browser::Look,
    cli,
    lanes::Places,
    run::{Browsers, Runner},
};
use passkey_model::{expand, verdict::Verdict};
use passkey_reference_rp::Defect;

const LANE: &str = "chromium-provider";

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_of_the_pages_is_revealed_by_the_rows_that_name_it() {
    let root = Path::new("scenarios");
    let (library, rows) = cli::rows(root).unwrap();
    let lanes = expand::lanes(&library);
    let places = Places::look(&lanes);
    let lane = lanes.iter().find(|lane| lane.id == LANE).unwrap();
    if let Some(why) = places.blocked(lane) {
        let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
        assert!(!required.contains(LANE), "{why}");
        eprintln!("left out: {why}");
        return;
    }
    let browsers = Arc::new(Browsers::of(&lanes, places, Look::default()).unwrap());
    let library = Arc::new(library);
    let mut revealed = BTreeSet::new();
    let mut survivors = Vec::new();
    for row in rows.iter().filter(|row| row.lane.id == LANE) {
        let named = row.defects.iter().filter_map(|name| name.parse().ok());
        for defect in named.filter(|defect| Defect::PAGE.contains(defect)) {
            let runner = Runner {
                library: Arc::clone(&library),
                browsers: Arc::clone(&browsers),
                defects: defect.into(),
                ..Runner::default()
            };
            let judgement = runner.run_row(row).await.judgement;
            if judgement.verdict == Verdict::Deviates {
                revealed.insert(defect);
            } else {
                let (name, because) = (&row.name, judgement.because);
                survivors.push(format!("{defect} survives {name}: {because}"));
            }
        }
    }
    browsers.close().await;
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    let all: BTreeSet<Defect> = Defect::PAGE.iter().copied().collect();
    assert_eq!(revealed, all, "no row names the others");
}
