//! The month of a billing office: contacts come in, are checked and mended, sealed, sent, refused, corrected, resent, and settled to the cent.
//!
//! Every act of the clerk is a form of the pages; the insurers are the sandbox's own, which read files by a reader of theirs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::StoryError;
use super::centre::{Centre, Mend, OF_SHEET, Recorded, Row, Seeded, sheet};
use super::client::{Ask, Client, LEIE, Reply};
use super::office::{Listed, Office, Settled, between, fields};
use super::page::euros;
use super::story::location;
use super::{page, resources};

/// Who works at the pages.
const CLERK: &str = "Guy Voorbeeld";
/// What insurers are told to refuse with.
const WISHED: [&str; 4] = ["500540", "500542", "300540", "300419"];
/// The record that is refused alone, with its invoice, and that is remarked and paid.
const OF_MUTUALITIES: [(i64, &str); 3] = [(131, "R500540"), (306, "F500542"), (403, "E500548")];

/// Plays the month; nothing where the books of the centre are not empty.
pub(super) async fn billed(client: &Client, root: &str, centre: &Centre) -> Result<(), StoryError> {
    let mut office = Office::open(root).await?;
    if !office.lines("").await?.is_empty() {
        page::remark("The books of CGG Leie have lines already: this month is played in a sandbox of its own.");
        return Ok(());
    }
    let seeded = entered(client, &mut office, centre).await?;
    mended(&mut office, centre, &seeded).await?;
    let refused = sent(&mut office, centre).await?;
    settled(&mut office, centre, refused).await
}

/// Tells what the clerk did, and what the page says of it.
fn did(method: &str, path: &str, note: &str, telling: &str) {
    page::request(CLERK, method, path, note);
    page::answer(200, telling);
}

fn broken(step: &str, expected: impl Into<String>, found: impl Into<String>) -> StoryError {
    StoryError::Unexpected { step: format!("the office: {step}"), expected: expected.into(), found: found.into() }
}

/// Holds the story to what it says.
fn hold(holds: bool, step: &str, expected: &str, found: impl FnOnce() -> String) -> Result<(), StoryError> {
    if holds { Ok(()) } else { Err(broken(step, expected, found())) }
}

/// Contacts come in, by the record system and by a file; answers what of them is entered wrongly.
async fn entered(client: &Client, office: &mut Office, centre: &Centre) -> Result<Vec<Seeded>, StoryError> {
    let told = format!(
        "CGG Leie bills {}: {} contacts of {} people over five mutualities and two care funds. Some come from its record
         system, by FHIR; the rest is a file, which is looked at before anything of it is taken in.",
        centre.month, centre.contacts, centre.people
    );
    page::act(11, "A month is billed: contacts come in", &told);
    let (mut people, mut contacts) = (0, 0);
    for one in centre.recorded() {
        record(client, &one, people == 0).await?;
        (people, contacts) = (people + 1, contacts + one.contacts.len());
    }
    page::remark(&format!("{people} people with {contacts} contacts come in so: each contact is a line by its tariff"));
    let (rows, seeded) = centre.entered();
    let wrong: Vec<Row> = rows.iter().take(OF_SHEET.len()).zip(OF_SHEET).map(spoiled).collect();
    let first = [&wrong[..], &rows[..]].concat();
    let looked = office.give("/billing/import", ("file", &sheet(&first))).await?;
    let told: BTreeSet<&str> =
        looked.text.split("<li><strong>").skip(1).filter_map(|one| one.split_once("</li>")).map(|one| one.0).collect();
    let note = format!("{} rows", first.len());
    did("POST", "/billing/import", &note, &format!("{} rows are wrong, and nothing is taken in:", wrong.len()));
    for one in &told {
        page::remark(&one.replace("</strong>", ""));
    }
    let faulty = looked.text.matches("<tr class=\"suspect\">").count();
    hold(faulty == wrong.len(), "POST /billing/import", &format!("{} wrong rows", wrong.len()), || faulty.to_string())?;
    take_in(office, &rows).await?;
    Ok(seeded)
}

fn spoiled((row, spoil): (&Row, fn(&mut Row))) -> Row {
    let mut row = row.clone();
    spoil(&mut row);
    row
}

/// Looks at a file, and takes it in as it was looked at.
async fn take_in(office: &mut Office, rows: &[Row]) -> Result<(), StoryError> {
    let looked = office.give("/billing/import", ("file", &sheet(rows))).await?;
    let content = between(&looked.text, "name=\"content\" value=\"", "\"").map(str::to_owned).unwrap_or_default();
    let taken = office.give("/billing/import/confirm", ("content", &content)).await?;
    let said = between(&taken.text, "<p class=\"done\" role=\"status\">", "</p>").unwrap_or_default().trim();
    did("POST", "/billing/import/confirm", &format!("{} rows", rows.len()), said);
    let number: String = said.chars().filter(char::is_ascii_digit).collect();
    hold(number == rows.len().to_string(), "POST /billing/import/confirm", &rows.len().to_string(), || said.to_owned())
}

/// The record system writes who somebody is and how they are insured, and what was done.
async fn record(client: &Client, one: &Recorded, is_shown: bool) -> Result<(), StoryError> {
    let (patient, coverage) =
        ("urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:22222222-2222-4222-8222-222222222222");
    let who = resources::transaction(&[
        (patient, resources::insured(one)),
        (coverage, resources::coverage(patient, &one.row)),
    ]);
    let reply = tell(client, &who, is_shown.then_some("transaction: Patient and Coverage")).await?;
    let patient = reply.locations().into_iter().next().unwrap_or_default();
    let urn = |n: usize| format!("urn:uuid:{n:08}-3333-4333-8333-333333333333");
    let contacts: Vec<(String, Value)> =
        one.contacts.iter().enumerate().map(|(n, contact)| (urn(n), resources::billable(&patient, contact))).collect();
    let contacts: Vec<(&str, Value)> = contacts.iter().map(|(urn, contact)| (urn.as_str(), contact.clone())).collect();
    tell(client, &resources::transaction(&contacts), is_shown.then_some("transaction: the contacts of the month"))
        .await?;
    Ok(())
}

async fn tell(client: &Client, bundle: &Value, shown: Option<&'static str>) -> Result<Reply, StoryError> {
    let ask = Ask::post(LEIE, "", bundle);
    match shown {
        Some(note) => client.show(ask.saying(note), 200, location).await,
        None => client.send(ask).await?.must_be(200),
    }
}

/// The month is checked, and what is wrong mended, until nothing is.
async fn mended(office: &mut Office, centre: &Centre, seeded: &[Seeded]) -> Result<(), StoryError> {
    page::act(
        12,
        "Checked, and mended",
        "Every line is priced by the tariff of its day, written into a file of its own and held to the rules of the insurers, and
         looked for among what was billed before. What is wrong has its official code, and says what to do.",
    );
    check(office).await?;
    let faulty = office.lines("faulty").await?;
    told_by_code(office, centre, &faulty).await?;
    let found: BTreeSet<&str> = faulty.iter().flat_map(|line| line.wrong.iter().map(String::as_str)).collect();
    let missing: Vec<&str> = Centre::codes().filter(|code| !found.contains(code)).collect();
    hold(missing.is_empty(), "the check of a month", "every error that was entered", || {
        format!("not found: {missing:?}")
    })?;
    let (mut anew, mut counts, mut known): (Vec<Row>, [usize; 3], BTreeSet<&str>) = <_>::default();
    for line in &faulty {
        let is_it = |one: &&Seeded| {
            line.wrong.iter().any(|code| code == one.fault.code)
                && (&line.person, &line.day) == (&one.entered.name, &one.entered.day)
        };
        match seeded.iter().find(is_it) {
            Some(one) => {
                counts[one.fault.mend as usize] += 1;
                mend(office, line, one).await?;
                anew.extend((one.fault.mend == Mend::Anew).then(|| one.right.clone()));
            }
            // How somebody is insured is mended once, with the first of their lines.
            None if known.insert(&line.person) => insure(office, centre, line).await?,
            None => {}
        }
    }
    let [corrected, out_and_anew, out] = counts;
    did(
        "POST",
        "/billing/lines/…/correct",
        &format!("{corrected} lines, and how {} people are insured", known.len()),
        "ready",
    );
    did("POST", "/billing/lines/…/remove", &format!("{} lines, with a reason", out_and_anew + out), "taken out");
    take_in(office, &anew).await?;
    still_faulty(office).await?;
    check(office).await?;
    let rest = office.lines("faulty").await?;
    hold(rest.is_empty(), "the check of a month", "no line with an error", || format!("{:?}", rest.first()))?;
    let ready = office.lines("ready").await?;
    hold(ready.len() == centre.contacts, "the check of a month", &format!("{} lines", centre.contacts), || {
        ready.len().to_string()
    })?;
    did("POST", "/billing/month/check", "", &format!("{} lines can be sent: each contact once", ready.len()));
    Ok(())
}

/// Checks every month that has open lines.
async fn check(office: &mut Office) -> Result<(), StoryError> {
    let mut months: BTreeSet<String> = BTreeSet::new();
    for state in ["draft", "faulty", "ready"] {
        months.extend(office.lines(state).await?.into_iter().map(|line| line.month));
    }
    for month in months {
        office.check(&month).await?;
    }
    Ok(())
}

/// What the check found: by code, in how many lines, and in the words of one of them.
async fn told_by_code(office: &mut Office, centre: &Centre, faulty: &[Listed]) -> Result<(), StoryError> {
    let told = format!("{} lines with an error:", faulty.len());
    did("POST", "/billing/month/check", &format!("month: {}", centre.month), &told);
    let mut by_code: BTreeMap<&str, Vec<&Listed>> = BTreeMap::new();
    for line in faulty {
        for code in &line.wrong {
            by_code.entry(code).or_default().push(line);
        }
    }
    for (code, lines) in by_code {
        let shown = office.get(&format!("/billing/lines/{}", lines[0].id)).await?;
        let said = between(&shown.text, &format!("<span class=\"code\">{code}</span>"), "</p>").unwrap_or_default();
        let words = said.rsplit('>').next().unwrap_or_default().trim().replace("&#39;", "'");
        page::remark(&format!("{:>4}  {code:<31} {words}", lines.len()));
    }
    Ok(())
}

async fn mend(office: &mut Office, line: &Listed, seeded: &Seeded) -> Result<(), StoryError> {
    let (at, expected) = match seeded.fault.mend {
        Mend::Correct => (office.correct(&line.id, &seeded.typed(), "keep").await?.0, "corrected"),
        Mend::Anew => (office.decide(&line.id, "remove", "it was entered wrongly").await?.0, "removed"),
        Mend::Out => (office.decide(&line.id, "remove", "it is not to be billed").await?.0, "removed"),
    };
    hold(at.ends_with(&format!("done={expected}")), &format!("{line:?}"), expected, || at.clone())
}

async fn insure(office: &mut Office, centre: &Centre, line: &Listed) -> Result<(), StoryError> {
    let is_told = centre.wrong_with(&line.person).is_some_and(|code| line.wrong.iter().any(|one| one == code));
    let Some(right) = centre.insured(&line.person).filter(|_| is_told) else {
        return Err(broken("the check of a month", "nothing wrong with it", format!("{line:?}")));
    };
    let typed =
        [("affiliation", right.mutuality), ("ct1", right.ct1), ("ct2", right.ct2), ("care_fund", right.care_fund)];
    let (at, _) = office.correct(&line.id, &typed, "keep").await?;
    hold(at.ends_with("done=corrected"), "how somebody is insured", "done=corrected", || at.clone())
}

/// A contact at the centre is no home visit: a correction that is wrong itself is told at once.
async fn still_faulty(office: &mut Office) -> Result<(), StoryError> {
    let ready = office.lines("draft").await?.into_iter().chain(office.lines("ready").await?);
    let contact = ready.into_iter().find(|line| line.person == "Testpersoon 0" && line.code == "990010");
    let Some(line) = contact else { return Err(broken("the list of lines", "a contact of the record system", "none")) };
    let (at, shown) = office.correct(&line.id, &[("code", "990021".to_owned())], "keep").await?;
    let says = shown.text.contains("wellgate-tariff-contact");
    hold(at.ends_with("done=still-faulty") && says, "a wrong correction", "wellgate-tariff-contact", || at.clone())?;
    did("POST", "/billing/lines/…/correct", "code: 990021", "still faulty: wellgate-tariff-contact");
    let (at, _) = office.correct(&line.id, &[("code", line.code)], "keep").await?;
    hold(at.ends_with("done=corrected"), "a right correction", "done=corrected", || at.clone())
}

/// Seals and sends every file that can be made of a channel, to one federation or to all; answers how many there were.
async fn seal(office: &mut Office, centre: &Centre, only: Option<&str>) -> Result<usize, StoryError> {
    let mut sealed = 0;
    for channel in ["efact", "vsb"] {
        let path = format!("/billing/month?month={}&channel={channel}", centre.month);
        let shown = office.get(&path).await?;
        let forms: Vec<_> = shown.text.split("action=\"/billing/month/seal\"").skip(1).map(fields).collect();
        for form in forms {
            let get = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
            let (third_party, federation) = (get("third_party"), get("federation"));
            if only.is_some_and(|only| only != federation) {
                continue;
            }
            let fields = [
                ("month", centre.month.as_str()),
                ("channel", channel),
                ("third_party", third_party),
                ("federation", federation),
            ];
            let (at, shown) = office.post("/billing/month/seal", &fields).await?;
            let number = between(&shown.text, "<h1>", " <span").unwrap_or_default();
            let lines = between(&shown.text, "<dt>Lines</dt><dd>", "</dd>").unwrap_or_default();
            let requested = between(&shown.text, "<dt>Asked for</dt><dd>", "</dd>").unwrap_or_default();
            did(
                "POST",
                "/billing/month/seal",
                &format!("federation: {federation}"),
                &format!("{number}: lines {lines}, {requested}"),
            );
            hold(at.ends_with("done=sealed"), "POST /billing/month/seal", "a sealed file", || at.clone())?;
            sealed += 1;
        }
    }
    Ok(sealed)
}

/// The files leave, and insurers answer; answers the lines that are refused.
async fn sent(office: &mut Office, centre: &Centre) -> Result<Vec<Listed>, StoryError> {
    page::act(
        13,
        "Sealed, sent, and answered",
        "What psychologists are conventioned for goes by a portal of its own; of the rest a file goes to each federation and care
         fund. The insurers of the sandbox read it by a reader of their own. One refuses a file whole, and others single lines.",
    );
    let portal = office.post("/billing/portal", &[("month", centre.month.as_str())]).await?.1;
    let sessions = portal.text.lines().count().saturating_sub(1);
    did("POST", "/billing/portal", "", &format!("{sessions} sessions for the portal of the mutualities"));
    office.tell("mutualities", Some(&json!({"answer": "refuse-file", "errors": ["B201812"]}))).await?;
    let first = seal(office, centre, Some("200")).await?;
    let states = office.answered().await?;
    let state = states.first().map(String::as_str).unwrap_or_default();
    hold(first == 1 && state == "refused-content", "the first file", "refused-content", || format!("{states:?}"))?;
    page::remark("201812: the insurer refuses this file whole. Nothing of it was booked: its lines can go again.");
    refuse_some(office, centre).await?;
    let files = seal(office, centre, None).await?;
    hold(files == 7, "POST /billing/month/seal", "a file for each of five federations and two care funds", || {
        files.to_string()
    })?;
    let states = office.answered().await?;
    let count = |state: &str| states.iter().filter(|one| *one == state).count();
    page::remark(&format!("answered: {} settled, {} settled in part", count("settled"), count("partly-settled")));
    let refused = office.lines("refused").await?;
    let is_wished =
        |line: &&Listed| line.wrong.iter().all(|code| WISHED.contains(&code.as_str())) && !line.wrong.is_empty();
    let other = refused.iter().find(|line| !is_wished(line));
    hold(other.is_none() && refused.len() > 3, "what was refused", "what was wished for, and nothing else", || {
        format!("{other:?}")
    })?;
    page::remark(&format!("{} lines are refused:", refused.len()));
    for line in refused.iter().take(6) {
        page::remark(&format!(
            "  {} {}, {} for {}: {}",
            line.person,
            line.day,
            euros(line.cents),
            line.payer,
            line.wrong.join(" ")
        ));
    }
    Ok(refused)
}

/// Tells the insurers which lines to refuse, by every letter.
async fn refuse_some(office: &mut Office, centre: &Centre) -> Result<(), StoryError> {
    let ready = office.lines("ready").await?;
    for (payer, error) in OF_MUTUALITIES {
        let Some(line) = ready.iter().find(|line| line.payer == payer) else {
            return Err(broken("the list of lines", format!("one of {payer}"), "none"));
        };
        let wish = json!({"answer": "refuse-line", "reference": line.id, "errors": [error], "files": "always"});
        office.tell("mutualities", Some(&wish)).await?;
    }
    let every = if centre.contacts < 1_000 { 4 } else { 20 };
    let wish = json!({"answer": "refuse-line", "every": every, "errors": ["R300540"], "files": "always"});
    office.tell("care-funds", Some(&wish)).await
}

/// One refused line is given up, one that was paid is taken back, and everything else goes again, until all is settled.
async fn settled(office: &mut Office, centre: &Centre, refused: Vec<Listed>) -> Result<(), StoryError> {
    page::act(
        14,
        "Corrected, resent, and settled to the cent",
        "From a refusal to its resend there are two clicks. What no insurer will pay is given up with a reason, and what was paid by
         mistake is taken back by a credit note. (In a demo files go as often as they like; else each federation gets one a day.)",
    );
    for insurer in ["mutualities", "care-funds"] {
        office.tell(insurer, None).await?;
    }
    let mut due: BTreeMap<i64, i64> = BTreeMap::new();
    centre.owed().for_each(|(payer, cents)| *due.entry(payer).or_default() += cents);
    let mut refused = refused.into_iter();
    let Some(given_up) = refused.next() else { return Err(broken("what was refused", "a line", "none")) };
    let (at, _) = office.decide(&given_up.id, "write-off", "no longer a member").await?;
    hold(at.ends_with("done=written-off"), "a write-off", "done=written-off", || at.clone())?;
    did(
        "POST",
        "/billing/lines/…/write-off",
        "reason: no longer a member",
        &format!("given up: {} of {}", euros(given_up.cents), given_up.payer),
    );
    *due.entry(given_up.payer).or_default() -= given_up.cents;
    let mut resent = 0;
    for line in refused {
        let then = if resent == 0 { "send" } else { "keep" };
        let (at, _) = office.correct(&line.id, &[], then).await?;
        let expected = if resent == 0 { "done=resent" } else { "done=corrected" };
        hold(at.ends_with(expected), "a correction", expected, || at.clone())?;
        resent += 1;
    }
    did("POST", "/billing/lines/…/correct", &format!("{resent} lines, the first with then: send"), "they go again");
    let paid = office.lines("paid").await?.into_iter().find(|line| line.payer == 403);
    let Some(back) = paid else { return Err(broken("the list of lines", "a paid one of 403", "none")) };
    let (at, _) = office.decide(&back.id, "credit", "it was not done").await?;
    hold(at.ends_with("done=credited"), "a credit note", "done=credited", || at.clone())?;
    did(
        "POST",
        "/billing/lines/…/credit",
        "reason: it was not done",
        &format!("taken back: {} of {}", euros(back.cents), back.payer),
    );
    *due.entry(back.payer).or_default() -= back.cents;
    check(office).await?;
    seal(office, centre, None).await?;
    office.answered().await?;
    for state in ["draft", "faulty", "ready", "sealed", "sent", "accepted", "refused"] {
        let open = office.lines(state).await?;
        hold(open.is_empty(), "the list of lines", "nothing is open", || format!("{:?}", open.first()))?;
    }
    reconciled(office, &due).await
}

/// What the settlement says, held to what is owed by the printed list of tariffs.
async fn reconciled(office: &mut Office, due: &BTreeMap<i64, i64>) -> Result<(), StoryError> {
    let shown = office.get("/billing/settlement").await?;
    let is_calm = shown.text.contains("All of it reconciles to the cent.") && !shown.text.contains("class=\"suspect\"");
    hold(is_calm, "GET /billing/settlement", "that all of it reconciles", || "it does not".to_owned())?;
    let settled = office.settlement().await?;
    page::request(CLERK, "GET", "/billing/settlement", "");
    page::answer(200, "All of it reconciles to the cent:");
    page::settlement(&settled);
    let of = |one: &Settled| one.payer.split(' ').next().and_then(|number| number.parse::<i64>().ok()).unwrap_or(0);
    let mut paid: BTreeMap<i64, i64> = BTreeMap::new();
    for one in &settled {
        *paid.entry(of(one)).or_default() += one.paid;
    }
    hold(paid == *due, "the settlement", &format!("{due:?}"), || format!("{paid:?}"))?;
    let adds_up =
        settled.iter().all(|one| one.open == 0 && one.difference == 0 && one.requested == one.paid + one.refused);
    hold(adds_up, "the settlement", "every cent is paid or refused", || format!("{settled:?}"))
}
