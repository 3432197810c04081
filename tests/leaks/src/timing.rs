//! How long answers take about the hidden and about what never was: two samples, interleaved, and how far they lie apart.

use std::time::Duration;

use serde_json::Value;

use crate::client::Request;
use crate::report::Difference;
use crate::run::Run;
use crate::samples::sample;
use crate::twins::Twin;

/// How clearly one side must be the slower (the chance that a sample of one is above one of the other) before a ratio of medians
/// counts: below it, the samples overlap, and the medians of a busy machine wander.
const RANKS_APART: f64 = 0.75;

/// Two samples beside each other.
#[derive(Clone, Copy, Debug)]
struct Apart {
    medians: (Duration, Duration),
    /// The greater median by the smaller.
    ratio: f64,
    /// The chance that a time of the first is above one of the second: 0.5 where they are alike (Mann and Whitney's U by nm).
    above: f64,
}

/// Measures a read, searches by record, code, date and words, and a refused write.
///
/// # Errors
/// The server does not answer.
pub async fn timing(run: &mut Run<'_>, hidden: &[Twin], never: &Twin) -> Result<(), String> {
    let mut body: Value = sample("Observation").unwrap_or_default();
    body["id"] = Value::from("@Observation@");
    let mut questions = vec![
        Request::get("Patient/@Patient@"),
        Request::get("Observation?subject=Patient/@Patient@&_total=accurate"),
        Request::get("Observation?subject=Patient/@Patient@&code=twin"),
        Request::get("Observation?subject=Patient/@Patient@&date=ge2026-01-01&code:text=@mark@"),
        Request::new(reqwest::Method::PUT, "Observation/@Observation@").with_body(&body),
    ];
    let parameters = run.capabilities.served("Observation").map_or(&[][..], |served| &served.parameters);
    if parameters.iter().any(|(name, _)| name == "_content") {
        questions.push(Request::get("Observation?_content=@mark@"));
        questions.push(Request::get("Observation?subject=Patient/@Patient@&_content=twin"));
    }
    let (samples, bound) = (run.options.timing_samples, run.options.timing_bound);
    let mut notes = vec![format!("bound {bound}, where ranks lie {RANKS_APART} apart")];
    run.report.channel("timing").is_offered = true;
    for question in &questions {
        for twin in hidden.iter().take(if samples == 0 { 0 } else { 2 }) {
            let apart = measured(run, question, twin, never, samples).await?;
            let is_apart = apart.ratio > bound && (apart.above - 0.5).abs() > RANKS_APART - 0.5;
            let figures = format!(
                "{} {} {}: {:.2?} and {:.2?}, ratio {:.2}, above {:.2}",
                twin.kind.name(),
                question.method,
                question.path.replace("Patient/@Patient@", "…"),
                apart.medians.0,
                apart.medians.1,
                apart.ratio,
                apart.above
            );
            let difference = is_apart.then(|| Difference {
                asked: question.line(),
                of: twin.kind.name().to_owned(),
                answered: figures.clone(),
                otherwise: format!("a ratio of medians of at most {bound}"),
            });
            notes.push(figures);
            run.report.check("timing", &question.path, difference);
        }
    }
    run.report.channel("timing").note = notes.join("; ");
    Ok(())
}

async fn measured(
    run: &mut Run<'_>,
    question: &Request,
    twin: &Twin,
    never: &Twin,
    samples: usize,
) -> Result<Apart, String> {
    let sides = [twin, never].map(|twin| question.rewritten(|text| twin.fill(text)));
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..samples + samples / 10 {
        // Which comes first is by chance, so that what the first warms up serves both.
        let first = run.random.below(2);
        for side in [first, 1 - first] {
            let took = run.viewer.send(&sides[side]).await?.took;
            if n >= samples / 10 {
                times[side].push(took);
            }
        }
    }
    let [of_hidden, of_never] = times;
    Ok(apart(of_hidden, of_never))
}

fn apart(mut one: Vec<Duration>, mut other: Vec<Duration>) -> Apart {
    one.sort_unstable();
    other.sort_unstable();
    let median = |times: &[Duration]| times.get(times.len() / 2).copied().unwrap_or_default();
    let medians = (median(&one), median(&other));
    let [low, high] = if medians.0 < medians.1 { [medians.0, medians.1] } else { [medians.1, medians.0] };
    let ratio = high.as_secs_f64() / low.as_secs_f64().max(1e-9);
    let mut twice_wins = 0.0;
    for time in &one {
        let below = other.partition_point(|other| other < time);
        let not_above = other.partition_point(|other| other <= time);
        twice_wins += f64::from(u32::try_from(below + not_above).unwrap_or(u32::MAX));
    }
    let pairs = f64::from(u32::try_from(one.len() * other.len()).unwrap_or(u32::MAX));
    Apart { medians, ratio, above: twice_wins / (2.0 * pairs.max(1.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(list: &[u64]) -> Vec<Duration> {
        list.iter().map(|ms| Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn equal_samples_are_not_apart() {
        let apart = apart(times(&[3, 1, 2]), times(&[2, 3, 1]));
        assert!((apart.above - 0.5).abs() < 1e-9 && (apart.ratio - 1.0).abs() < 1e-9, "{apart:?}");
    }

    #[test]
    fn a_slower_side_is_above() {
        let apart = apart(times(&[30, 10, 20]), times(&[2, 3, 1]));
        assert!((apart.above - 1.0).abs() < 1e-9 && (apart.ratio - 10.0).abs() < 1e-9, "{apart:?}");
    }
}
