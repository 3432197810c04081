//! Sequences that are more than a question: page links out of place, the viewer's own trail, and everything that can be listed.

use reqwest::Method;
use serde_json::Value;

use crate::client::{Answer, Client, Request};
use crate::compare::{parting, shows, told, without_member};
use crate::report::Difference;
use crate::run::{Run, next_page};
use crate::samples::sample;
use crate::twins::{Kind, Twin, altered};

/// The longest page that is asked for.
const COUNT_MAX: usize = 500;

impl Run<'_> {
    fn holds(&mut self, channel: &'static str, path: &str, of: &str, failed: Option<(String, String)>) {
        let difference = failed.map(|(answered, otherwise)| Difference {
            asked: path.to_owned(),
            of: of.to_owned(),
            answered,
            otherwise,
        });
        self.report.check(channel, path, difference);
    }

    /// Notes whether the server claims a channel.
    pub(crate) fn offered(&mut self, channel: &'static str) {
        let offered = crate::channels::CHANNELS.iter().find(|row| row.name == channel);
        self.report.channel(channel).is_offered = offered.is_some_and(|row| (row.is_offered)(self.capabilities));
    }
}

/// Asks the same of each twin, and compares what the viewer's own trail says about it afterwards.
///
/// # Errors
/// The server does not answer.
pub async fn own_trail(run: &mut Run<'_>, hidden: &[Twin], never: &Twin) -> Result<(), String> {
    run.offered("own-trail");
    let questions = [
        Request::get("Patient/@Patient@"),
        Request::get("Patient/@Patient@/_history"),
        Request::get("Observation/@Observation@"),
        Request::get("Consent/@Consent@"),
        Request::new(Method::DELETE, "Observation/@Observation@"),
        Request::new(Method::PUT, "Observation/@Observation@").with_body(&with_id("Observation")),
        Request::post("Encounter", &sample("Encounter").unwrap_or_default()),
    ];
    let twins: Vec<&Twin> = [never].into_iter().chain(hidden).collect();
    for question in &questions {
        for twin in &twins {
            let question = question.rewritten(|text| twin.fill(text)).with("x-request-id", "leak-kit");
            run.viewer.send(&question).await?;
        }
    }
    let path = format!("AuditEvent?_count={COUNT_MAX}");
    let listed = run.viewer.send(&Request::get(&path)).await?.json();
    let about = |twin: &Twin| {
        let ids: Vec<&str> = twin.types().filter_map(|name| twin.value(name)).collect();
        let entries = listed["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].to_string());
        let mut events: Vec<String> = entries
            .filter(|event| ids.iter().any(|id| event.contains(id)))
            .map(|event| {
                ["id", "recorded", "lastUpdated", "versionId"]
                    .iter()
                    .fold(event, |event, member| without_member(&event, member))
            })
            .map(|event| twin.alike(&event))
            .collect();
        events.sort();
        events.join("\n")
    };
    let of_never = about(never);
    run.report.channel("own-trail").note = format!("{} events about each", of_never.lines().count());
    for twin in hidden {
        let of_hidden = about(twin);
        let failed = (of_hidden != of_never).then(|| parting(&of_hidden, &of_never));
        run.holds("own-trail", &path, twin.kind.name(), failed);
    }
    Ok(())
}

fn with_id(name: &str) -> Value {
    let mut resource = sample(name).unwrap_or_default();
    resource["id"] = Value::from(format!("@{name}@"));
    resource
}

/// Lists everything that can be listed, and looks for what is hidden in it.
///
/// # Errors
/// The server does not answer.
pub async fn nothing_shown(run: &mut Run<'_>, hidden: &[Twin]) -> Result<(), String> {
    run.offered("nothing-shown");
    // In the viewer's own trail stands what it asked for itself.
    let types = run.capabilities.types.iter().map(|served| served.name.clone()).filter(|name| name != "AuditEvent");
    let mut paths: Vec<String> = types
        .flat_map(|name| [format!("{name}?_count={COUNT_MAX}"), format!("{name}/_history?_count={COUNT_MAX}")])
        .collect();
    paths.push(format!("_history?_count={COUNT_MAX}"));
    for path in paths {
        let answer = run.viewer.send(&Request::get(&path)).await?;
        for twin in hidden {
            let own = Twin { kind: twin.kind, names: made_of(twin) };
            let failed = shows(&answer, &own).map(|shown| (shown, "nothing of it".to_owned()));
            run.holds("nothing-shown", &path, twin.kind.name(), failed);
        }
    }
    Ok(())
}

/// The twin's own names, without those of the viewer and the mark, which the viewer may have repeated itself.
pub(crate) fn made_of(twin: &Twin) -> Vec<(String, String)> {
    let is_own = |name: &str| !name.starts_with("Own.") && name != "viewer" && name != "mark";
    twin.names.iter().filter(|(name, _)| is_own(name)).cloned().collect()
}

/// Replays page links where they do not belong.
///
/// # Errors
/// The server does not answer.
pub async fn cursors(run: &mut Run<'_>) -> Result<(), String> {
    run.offered("cursors");
    let Some(observation) = run.capabilities.served("Observation").and_then(|_| sample("Observation")) else {
        "Observation is not served".clone_into(&mut run.report.channel("cursors").note);
        return Ok(());
    };
    let mut passing = run.maker.make(Kind::Permitted).await?;
    let mut apart = run.maker.make(Kind::Unconsented).await?;
    for _ in 0..3 {
        run.maker.create(&mut passing, &observation).await?;
        run.maker.create(&mut apart, &observation).await?;
    }
    let query = |twin: &Twin| twin.fill("Observation?subject=Patient/@Patient@&_count=1");
    let (viewer, custodian) = (run.viewer.clone(), run.maker.custodian.clone());
    let of_viewer = next_of(&viewer, &query(&passing)).await?;
    let of_custodian = next_of(&custodian, &query(&apart)).await?;
    let (Some(of_viewer), Some(of_custodian)) = (of_viewer, of_custodian) else {
        "the server gives no page links".clone_into(&mut run.report.channel("cursors").note);
        return Ok(());
    };
    // Another client's link shows nothing, and answers as one that nobody was given.
    same_as_altered(run, &viewer, &of_custodian, &apart, "a link of another client").await?;
    same_as_altered(run, &custodian, &of_viewer, &apart, "a link of the viewer, by another client").await?;
    for (from, to) in
        [("Observation?", "Condition?"), ("_count=1", "_count=2"), ("subject=Patient/", "patient=Patient/")]
    {
        if of_viewer.contains(from) {
            let moved = of_viewer.replacen(from, to, 1);
            same_as_altered(run, &viewer, &moved, &apart, "a link on another query").await?;
        }
    }
    // The withdrawal, between two pages.
    let second = viewer.send(&Request::get(&of_viewer)).await?;
    let was_shown = second.json()["entry"].as_array().is_some_and(|entries| !entries.is_empty());
    let failed = (!was_shown).then(|| (second.body.clone(), "the second page, before the withdrawal".to_owned()));
    run.holds("cursors", &of_viewer, "permitted", failed);
    withdraw(run, &mut passing).await?;
    let after = viewer.send(&Request::get(&of_viewer)).await?;
    let is_empty = after.json()["entry"].as_array().is_none_or(Vec::is_empty);
    let failed = (!is_empty).then(|| (after.body.clone(), "an empty page, after the withdrawal".to_owned()));
    run.holds("cursors", &of_viewer, "withdrawn", failed);
    Ok(())
}

async fn withdraw(run: &Run<'_>, twin: &mut Twin) -> Result<(), String> {
    let path = twin.fill("Consent/@Consent@");
    let mut consent = run.maker.custodian.send(&Request::get(&path)).await?.json();
    consent["status"] = Value::from("inactive");
    run.maker.change(twin, consent).await
}

async fn next_of(client: &Client, path: &str) -> Result<Option<String>, String> {
    Ok(next_page(client, &client.send(&Request::get(path)).await?))
}

/// A page link where it does not belong shows nothing of a twin, and answers as the same link with one digit of its cursor changed.
async fn same_as_altered(run: &mut Run<'_>, client: &Client, link: &str, of: &Twin, what: &str) -> Result<(), String> {
    let answer = client.send(&Request::get(link)).await?;
    let other = with_altered_cursor(link);
    let of_altered = client.send(&Request::get(&other)).await?;
    let names = |link: &str, answer: &Answer| {
        let told = told(answer, of, false);
        cursor_of(link).map_or(told.clone(), |cursor| told.replace(cursor, "<cursor>"))
    };
    let (one, other) = (names(link, &answer), names(&other, &of_altered));
    let failed = (one != other).then(|| parting(&one, &other));
    run.holds("cursors", link, what, failed);
    let own = Twin { kind: of.kind, names: made_of(of) };
    let failed = shows(&answer, &own).map(|shown| (shown, "nothing of it".to_owned()));
    run.holds("cursors", link, what, failed);
    Ok(())
}

/// The longest value in a page link: that is its cursor.
fn cursor_of(link: &str) -> Option<&str> {
    let (_, query) = link.split_once('?')?;
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value).max_by_key(|value| value.len())
}

fn with_altered_cursor(link: &str) -> String {
    let Some(cursor) = cursor_of(link) else { return link.to_owned() };
    link.replace(cursor, &altered(cursor, 1))
}
