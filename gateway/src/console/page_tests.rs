//! The pages of made-up values: what a clerk is shown, in which words, and what is never in a page.

use askama::Template;

use super::advice::wrong;
use super::pages::*;
use super::view::*;
use super::words::{Words, masked};
use crate::audit::catalogue::Language;

const NUMBER: &str = "90010199992";
const EVIL: &str = "<script>alert('x')</script>\"";

fn shell(is_fresh: bool, path: &str) -> Shell {
    Shell {
        words: Words(Language::Dutch),
        person: "Guy Voorbeeld".to_owned(),
        organization: "CGG Leie".to_owned(),
        form_token: "token-of-the-form".to_owned(),
        is_fresh,
        path: path.to_owned(),
        done: None,
    }
}

fn line(state: &str, code: &str) -> Line {
    Line {
        id: "0199F00000000000000000001".to_owned(),
        person: format!("Mia {EVIL}"),
        number: masked(NUMBER),
        payer: "131".to_owned(),
        month: 202_603,
        first_day: "2026-03-02".to_owned(),
        last_day: "2026-03-02".to_owned(),
        code: 789_014,
        units: 1,
        amount_cents: 6_250,
        provider: "19110101801".to_owned(),
        channel: "efact".to_owned(),
        state: state.to_owned(),
        wrong: vec![wrong(Words(Language::Dutch), code, "R")],
        source: "contact".to_owned(),
        ..Line::default()
    }
}

fn decided() -> Decided {
    let [request, fund, state, from, until, tariff_class] =
        [EVIL, EVIL, "approved", "2026-03-01", "2027-02-28", EVIL].map(str::to_owned);
    Decided { request, fund, state, from, until, tariff_class, received_ms: 0 }
}

fn sending() -> Sending {
    Sending {
        id: "0199F00000000000000000009".to_owned(),
        number: 7,
        year: 2026,
        federation: "100".to_owned(),
        channel: "efact".to_owned(),
        month: 202_603,
        state: "partly-settled".to_owned(),
        created_on: "2026-04-02".to_owned(),
        has_file: true,
        ..Sending::default()
    }
}

fn sending_page(is_fresh: bool) -> String {
    let page = SendingPage {
        shell: shell(is_fresh, "/billing/sendings/0199F00000000000000000009"),
        sending: sending(),
        wrong: Vec::new(),
        totals: vec![DestinationSum {
            payer: "131".to_owned(),
            requested_cents: 12_500,
            accepted_cents: 6_250,
            refused_cents: 6_250,
            records: 8,
            invoices: 2,
            payment: EVIL.to_owned(),
        }],
        refused: vec![line("refused", "500810")],
        lines: vec![line("paid", "")],
        next: String::new(),
        messages: vec![Message {
            kind: "920900".to_owned(),
            state: "applied".to_owned(),
            received_ms: 1_775_000_000_000,
            hash: "ab".to_owned(),
        }],
    };
    page.render().expect("it is rendered")
}

fn line_page(state: &str, is_fresh: bool) -> String {
    let field = Field { name: "number", value: String::new(), characters_max: 13, pattern: "", is_wrong: true };
    let page = LinePage {
        shell: shell(is_fresh, "/billing/lines/0199F00000000000000000001"),
        line: line(state, "500810"),
        fields: vec![field],
        objections: Vec::new(),
        waits_until: "2026-04-03".to_owned(),
        seen: 17,
    };
    page.render().expect("it is rendered")
}

/// Every page, of values in which somebody wrote markup.
fn every_page() -> Vec<String> {
    let shell = || shell(true, "/billing");
    let rows = vec![ImportRow {
        row: 2,
        person: EVIL.to_owned(),
        number: masked(NUMBER),
        day: "2026-03-02".to_owned(),
        code: EVIL.to_owned(),
        cents: None,
        errors: vec![(EVIL.to_owned(), EVIL.to_owned())],
    }];
    let leaving = |waits_until: &str| Leaving {
        third_party: "71099999123".to_owned(),
        federation: 300,
        name: EVIL.to_owned(),
        count: 4,
        cents: 9_900,
        waits_until: waits_until.to_owned(),
    };
    let month = MonthPage {
        shell: shell(),
        month: "2026-03".to_owned(),
        month_words: "maart 2026".to_owned(),
        channels: vec![("efact".to_owned(), "eFact".to_owned(), true)],
        channel: "efact".to_owned(),
        progress: Progress { total: 10, checked: 4 },
        is_checking: true,
        findings: vec![(wrong(Words(Language::Dutch), "500810", ""), 3)],
        faulty: vec![line("faulty", "500810")],
        leaving: vec![leaving(""), leaving("2026-04-03")],
        for_portal: 0,
        exported: 0,
    };
    let import = ImportPage {
        shell: shell(),
        content: "eA==".to_owned(),
        rows,
        counts: (1, 0),
        objection: EVIL.to_owned(),
        taken: Some((2, 1)),
    };
    let settled = Settled {
        month: 202_603,
        payer: "131".to_owned(),
        requested_cents: 5,
        paid_cents: 3,
        refused_cents: 1,
        open_cents: 0,
    };
    let lines = LinesPage {
        shell: shell(),
        states: vec![("ready".to_owned(), "klaar".to_owned(), true)],
        month: String::new(),
        lines: vec![line("ready", "999999")],
        count: 1,
        cents: 6_250,
        next: "/billing/lines?after=x".to_owned(),
        query: "&state=ready".to_owned(),
    };
    let work = WorkPage {
        shell: shell(),
        items: vec![WorkItem {
            code: "refused",
            count: 1_204,
            cents: 6_250,
            to: "/billing/lines?state=refused".to_owned(),
        }],
        states: vec![StateSum { state: "paid".to_owned(), count: 2, cents: 12_500 }],
    };
    let figures = FiguresPage {
        shell: shell(),
        chart: String::new(),
        months: vec![202_603],
        states: vec!["paid".to_owned()],
        amounts: vec![MonthState { month: 202_603, state: "paid".to_owned(), cents: 12_500 }],
    };
    let unknown = Message { kind: EVIL.to_owned(), state: "unknown".to_owned(), received_ms: 0, hash: EVIL.to_owned() };
    let sendings = SendingsPage {
        shell: shell(),
        sendings: vec![sending()],
        unknown: vec![unknown],
        decisions: vec![decided()],
        next: EVIL.to_owned(),
    };
    let problem = ProblemPage { shell: shell(), why: "step-up-required", said: EVIL.to_owned(), wants_step_up: true };
    let rendered = [
        work.render(),
        lines.render(),
        month.render(),
        import.render(),
        SettlementPage { shell: shell(), settled: vec![settled], apart: Vec::new() }.render(),
        figures.render(),
        sendings.render(),
        problem.render(),
    ];
    let rendered = rendered.map(|page| page.expect("it is rendered"));
    rendered.into_iter().chain([sending_page(true), line_page("refused", true), line_page("paid", true)]).collect()
}

#[test]
fn no_text_that_somebody_wrote_becomes_markup_and_no_page_runs_or_styles_anything_of_its_own() {
    for page in every_page() {
        assert_eq!(page.matches("<script").count(), 1, "the one script of the gateway's: {page}");
        assert!(!page.contains("\"\"\"") && !page.contains("<style") && !page.contains(" style="), "{page}");
        for handler in [" onclick", " onload", " hx-on", "javascript:", "hx-vals=\"js:", "hx-vals='js:"] {
            assert!(!page.contains(handler), "{handler}: {page}");
        }
    }
}

#[test]
fn no_page_has_a_national_number() {
    for page in every_page() {
        assert!(!page.contains(NUMBER) && !page.contains("900101"), "{page}");
    }
}

#[test]
fn every_form_that_changes_something_carries_the_token_of_the_session() {
    for page in every_page() {
        for form in page.split("<form").skip(1).filter(|form| form.starts_with(" method=\"post\"")) {
            let form = form.split("</form>").next().unwrap_or_default();
            assert!(form.contains("name=\"form_token\" value=\"token-of-the-form\""), "{form}");
        }
    }
}

#[test]
fn a_refusal_is_told_with_its_code_its_zone_and_what_to_do_and_one_click_leads_to_its_correction() {
    let page = sending_page(true);
    for told in ["500810", "nummer van de patiënt", "Vergelijk rijksnummer en geslacht met de identiteitskaart."] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(page.contains("href=\"/billing/lines/0199F00000000000000000001\""));
    let form = line_page("refused", true);
    assert!(form.contains("name=\"then\" value=\"send\">Bewaren en opnieuw verzenden</button>"), "{form}");
    assert!(form.contains("het volgende kan op 03/04/2026"), "the rule that makes it wait is told: {form}");
}

#[test]
fn what_needs_a_fresh_sign_in_is_offered_after_one_only() {
    let (stale, fresh) = (sending_page(false), sending_page(true));
    assert!(fresh.contains("/billing/sendings/0199F00000000000000000009/file"));
    assert!(!stale.contains("/0199F00000000000000000009/file\""), "{stale}");
    assert!(stale.contains("/step-up?return_to=%2Fbilling%2Fsendings%2F0199F00000000000000000009"), "{stale}");
    let (stale, fresh) = (line_page("refused", false), line_page("refused", true));
    assert!(!stale.contains("value=\"send\"") && fresh.contains("value=\"send\""));
}

#[test]
fn only_what_can_be_done_with_a_line_is_offered() {
    let offers = |state: &str| {
        let page = line_page(state, true);
        ["correct", "write-off", "credit", "remove"].map(|act| page.contains(&format!("00001/{act}\"")))
    };
    assert_eq!(offers("faulty"), [true, false, false, true]);
    assert_eq!(offers("refused"), [true, true, false, false]);
    assert_eq!(offers("paid"), [false, false, true, false]);
    for state in ["sealed", "sent", "accepted", "corrected", "uncollectable", "credited", "exported", "void"] {
        assert_eq!(offers(state), [false; 4], "{state}");
    }
}

#[test]
fn what_does_not_reconcile_is_told_in_words() {
    let settled = Settled {
        month: 202_603,
        payer: "131".to_owned(),
        requested_cents: 500,
        paid_cents: 300,
        refused_cents: 0,
        open_cents: 0,
    };
    let page = SettlementPage { shell: shell(true, "/billing/settlement"), settled: vec![settled], apart: Vec::new() };
    let text = page.render().expect("it is rendered");
    assert!(text.contains("Klopt niet: 2,00\u{a0}€ verschil."), "{text}");
}

#[test]
fn a_check_under_way_asks_again_and_one_that_is_done_does_not() {
    let part = |(total, checked, is_checking)| ProgressPart {
        shell: shell(true, "/billing/month"),
        month: "2026-03".to_owned(),
        channel: "efact".to_owned(),
        progress: Progress { total, checked },
        is_checking,
    };
    let states = [(0, 0, true), (10, 4, true), (10, 10, true), (0, 0, false)];
    let [uncounted, begun, counted, done] = states.map(|state| part(state).render().expect("it is rendered"));
    assert!(uncounted.contains("hx-get") && counted.contains("hx-get"), "{uncounted}{counted}");
    assert!(begun.contains("hx-get=\"/billing/month/progress?month=2026-03") && begun.contains("4 / 10"), "{begun}");
    assert!(!done.contains("hx-get"), "{done}");
}
