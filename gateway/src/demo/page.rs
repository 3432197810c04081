//! The story as it is printed: sections, requests, answers, the trail as a table, and what to type next.

use serde_json::Value;

use super::office::Settled;

const INDENT: usize = 18;

/// Before the first act.
pub(super) fn title(root: &str) {
    println!(
        "\nA referral through Wellgate, and how the care is billed, played over HTTP against {root}\n\n\
         The cast: a prevention service (EDPBW Noord), two first-line psychologists of one pool (ELP De Linde, ELP De Beuk),\n\
         a centre for mental health (CGG Leie) with its billing clerk (Guy Voorbeeld), and a general practice (Huisarts Dok).\n\
         The people and everything about them are made up. Ids are cut to their last six characters."
    );
}

/// The head of an act.
pub(super) fn act(number: u8, title: &str, explanation: &str) {
    println!("\n{number}  {title}");
    for line in explanation.lines() {
        println!("   {}", line.trim());
    }
    println!();
}

/// Who asks for what.
pub(super) fn request(party: &str, method: &str, path: &str, note: &str) {
    let note = if note.is_empty() { String::new() } else { format!("  ({note})") };
    println!("   {party:<14} {method:<4} {}{note}", short(if path.is_empty() { "/" } else { path }));
}

/// What came back.
pub(super) fn answer(status: u16, telling: &str) {
    println!("{:INDENT$}{status}  {}", "", short(telling));
}

/// What the step shows, where the answer alone does not say it.
pub(super) fn remark(text: &str) {
    println!("{:INDENT$}     {}", "", short(text));
}

/// The events of a trail, oldest first.
pub(super) fn trail(events: &[&Value]) {
    println!("\n   {:<13} {:<14} {:<12} {:<24} outcome", "when", "who", "act", "on");
    for event in events {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let when = text("/recorded").get(11..23).unwrap_or_default();
        let who = text("/agent/2/who/reference").trim_start_matches("Organization/");
        let basis = text("/agent/2/policy/0").rsplit('#').next().unwrap_or_default();
        let outcome = if text("/outcome") == "0" {
            format!("done, as {basis}")
        } else {
            format!("REFUSED: {}", text("/outcomeDesc"))
        };
        println!("   {when:<13} {who:<14} {:<12} {:<24} {outcome}", text("/subtype/0/code"), short(&about(event)));
    }
}

/// The resource that an event is about, without its version.
fn about(event: &Value) -> String {
    let entities = event["entity"].as_array().map_or(&[][..], Vec::as_slice);
    let is_resource = |entity: &&Value| entity["type"]["code"] == "2";
    let Some(what) = entities.iter().find(is_resource).map(|entity| &entity["what"]) else { return String::new() };
    let reference = what["reference"].as_str().and_then(|reference| reference.split("/_history").next());
    reference.or(what["type"].as_str()).unwrap_or_default().to_owned()
}

/// What each payer was asked for, and what came of it.
pub(super) fn settlement(settled: &[Settled]) {
    println!("\n   {:<40} {:>12} {:>12} {:>12} {:>12}", "payer", "asked for", "paid", "refused", "open");
    for one in settled {
        let [requested, paid, refused, open] = [one.requested, one.paid, one.refused, one.open].map(euros);
        println!("   {:<40} {requested:>12} {paid:>12} {refused:>12} {open:>12}", one.payer);
    }
}

/// An amount in euro.
pub(super) fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// After the last act.
pub(super) fn farewell() {
    println!("\nThe story went as it should.");
}

/// What to type next.
pub(super) fn go_on(root: &str, patient: &str) {
    println!(
        "\nThe sandbox stays up; go on with it yourself:\n\n\
         TOKEN=$(curl -s {root}/sandbox/token -d client_id=edpbw-noord-ehr | cut -d '\"' -f 4)\n\
         curl -s -w '\\n' -H \"Authorization: Bearer $TOKEN\" {root}/fhir/{patient}\n\
         curl -s -w '\\n' -H \"Authorization: Bearer $TOKEN\" '{root}/fhir/AuditEvent?patient={patient}&outcome=8'\n\
         curl -s -w '\\n' {root}/sandbox     # every organisation with its client\n\n\
         Ctrl-C stops it."
    );
}

/// The text with its long ids cut: they are 32 hexadecimal digits, time first, and differ at the end.
fn short(text: &str) -> String {
    let mut shortened = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.chars().take_while(char::is_ascii_hexdigit).count();
        if run == 32 {
            shortened.push('…');
            shortened.push_str(&rest[26..32]);
            rest = &rest[32..];
        } else {
            let length = run.max(first.len_utf8());
            shortened.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_are_cut() {
        let id = "01a2016675a1728db95d5e3230972524";
        assert_eq!(short(&format!("GET Patient/{id}?é=added")), "GET Patient/…972524?é=added");
        assert_eq!(short("no id: decade, 404"), "no id: decade, 404");
    }
}
