use super::{html, markdown, terminal};
use crate::evaluate::Decision;

fn decision() -> Decision {
    crate::evaluate::tests::decision()
}

#[test]
fn the_verdict_comes_first_everywhere() {
    let decision = decision();
    assert!(terminal(&decision).starts_with("NO-GO: "));
    assert!(markdown(&decision).starts_with("# NO-GO: "));
    let page = html(&decision, "bundle");
    let body = page.split_once("<body>").unwrap().1;
    assert!(body.find("NO-GO").unwrap() < body.find("<main>").unwrap());
}

#[test]
fn what_a_terminal_shows() {
    insta::assert_snapshot!(terminal(&decision()));
}

#[test]
fn what_a_pull_request_shows() {
    insta::assert_snapshot!(markdown(&decision()));
}

#[test]
fn each_item_leads_to_its_evidence_in_one_click() {
    let decision = decision();
    let page = html(&decision, "bundle");
    for one in decision.items.iter().flat_map(|item| &item.predicates) {
        if let Some(digest) = one.digest {
            assert!(page.contains(&format!("href=\"bundle/blobs/{digest}\"")));
        }
    }
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>bold"));
}
