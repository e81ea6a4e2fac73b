//! `compare` puts targets side by side and says what changed.

use serde_json::Value;

use super::{
    fake::Fake,
    world::{CHALLENGE, Folder, harness, harness_with, reference},
};

const CASE: &str = "cd.chal-other::registration";

#[tokio::test]
async fn targets_stand_side_by_side_in_every_format() {
    let (good, bad) = (Folder::new(), Folder::new());
    let rp = reference().await;
    let takes_all = Fake::new(Vec::new()).serve().await;
    let conforms = good.target(rp.address(), "driver: fido-api\nversion: \"2.0\"\n");
    let listed = "pass-from: SHOP_PASS\nversion: \"1.0\"\ndeviations: shop.deviations.yaml\n";
    let deviates = bad.target(takes_all, listed);
    let list = format!(
        "deviations:\n  - {{ rows: {CHALLENGE}, verdict: deviates, of: application, found: It is <b>asleep</b>., link: \"https://shop.example/?a=1&b\" }}\n"
    );
    bad.write("shop.deviations.yaml", &list);
    let out = good.file("out");
    let arguments = [
        "compare",
        &conforms,
        &deviates,
        "--filter",
        CASE,
        "--out",
        &out,
        "--verdicts",
        &good.file("kept"),
    ];
    let said = harness(&arguments).await;
    said.has(
        0,
        &[
            "shop 2.0: 1 conforms",
            "shop 1.0: 1 known-deviation",
            "no verdicts of it are kept",
        ],
    );
    let markdown = good.read("out/compare.md");
    for part in [
        "| case | row | severity | basis | shop 2.0 | shop 1.0 |",
        "CASES.md#cdchal-other) | registration software | ",
        "| conforms | known-deviation (application) |",
        "## Known deviations of the application",
    ] {
        assert!(markdown.contains(part), "'{part}' is not in {markdown}");
    }
    let json: Value = serde_json::from_str(&good.read("out/compare.json")).unwrap();
    let verdicts = &json["rows"][0]["verdicts"];
    assert_eq!(verdicts[0]["verdict"], "conforms");
    assert_eq!(verdicts[1]["known"]["of"], "application");
    assert_eq!(json["targets"][1]["version"], "1.0");
    let html = good.read("out/compare.html");
    assert!(html.contains("It is &lt;b&gt;asleep&lt;/b&gt;."), "{html}");
    assert!(html.contains("https://shop.example/?a=1&amp;b"), "{html}");
    assert!(html.contains("<summary>known-deviation (application)</summary>"));
    assert!(!html.contains("<script"), "{html}");
}

#[tokio::test]
async fn a_verdict_that_changed_since_it_was_kept_is_red() {
    let folder = Folder::new();
    let rp = reference().await;
    let target = folder.target(rp.address(), "driver: fido-api\nversion: \"2.0\"\n");
    let (out, kept) = (folder.file("out"), folder.file(""));
    let arguments = [
        "compare",
        &target,
        "--filter",
        CASE,
        "--out",
        &out,
        "--verdicts",
        &kept,
    ];
    // Rows that are not chosen are not compared.
    let others = "conformance::another::registration::software deviates\n";
    folder.write(
        "shop-2.0.txt",
        &format!("# head\n{others}{CHALLENGE} conforms\n"),
    );
    let said = harness(&arguments).await;
    said.has(0, &["the verdicts are those of "]);
    folder.write("shop-2.0.txt", &format!("{others}{CHALLENGE} deviates\n"));
    let said = harness(&arguments).await;
    said.has(
        1,
        &[
            "verdicts changed since",
            &format!("{CHALLENGE}: conforms, was deviates"),
        ],
    );
    let markdown = folder.read("out/compare.md");
    assert!(
        markdown.contains("## Verdicts of shop 2.0 that changed"),
        "{markdown}"
    );
    folder.write("shop-2.0.txt", "gibberish\n");
    harness(&arguments)
        .await
        .has(4, &["shop-2.0.txt:1: expected 'row verdict'"]);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_left_out_and_told() {
    let (good, gone) = (Folder::new(), Folder::new());
    let rp = reference().await;
    let here = good.target(rp.address(), "driver: fido-api\n");
    let nowhere = gone.target(([127, 0, 0, 1], 1).into(), "driver: fido-api\n");
    let (out, kept) = (good.file("out"), good.file("kept"));
    let arguments = [
        "compare",
        &nowhere,
        &here,
        "--filter",
        CASE,
        "--out",
        &out,
        "--verdicts",
        &kept,
    ];
    let said = harness(&arguments).await;
    said.has(5, &["is unreachable", "is left out", "shop: 1 conforms"]);
}

#[tokio::test]
async fn the_verdicts_of_a_part_are_not_kept_as_those_of_the_whole() {
    let said = harness(&["compare", "shop", "--update", "--filter", CASE]).await;
    said.has(2, &["cannot be used with"]);
}

#[tokio::test]
async fn a_site_with_pages_is_compared_in_a_browser_and_no_empty_verdicts_are_kept() {
    let folder = Folder::new();
    let rp = reference().await;
    let pages = r##"driver: page
page:
  let-in: { steps: [{ open: / }] }
  register: { steps: [{ open: / }], accepted: [{ css: "#yes" }], refused: [{ css: "#no" }] }
  sign-out: [{ open: / }]
  sign-in: { steps: [{ open: / }], accepted: [{ css: "#yes" }], refused: [{ css: "#no" }] }
declares: { features: [usernameless] }
"##;
    let target = folder.target(rp.address(), pages);
    let (out, kept) = (folder.file("out"), folder.file("kept"));
    let arguments = [
        "compare",
        &target,
        "--update",
        "--out",
        &out,
        "--verdicts",
        &kept,
    ];
    let without_a_browser = [
        ("CHROMEDRIVER", "/no/driver"),
        ("PASSKEY_REQUIRED_LANES", ""),
    ];
    let said = harness_with(&arguments, &without_a_browser).await;
    let why = "CHROMEDRIVER names /no/driver";
    said.has(3, &["shop: nothing ran", why]);
    let of_no_browser = "reached through its pages alone";
    assert!(!said.out.contains(of_no_browser), "{}", said.out);
    assert!(!std::path::Path::new(&kept).exists(), "{}", said.out);
}
