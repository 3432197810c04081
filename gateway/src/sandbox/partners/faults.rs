//! What may go wrong at a partner, and for how many calls.
//!
//! Pure: which fault a call meets follows from what was set and from nothing else, so a scenario can be written down as a list.

use std::time::Duration;

use serde_json::{Value, json};

/// Faults that may wait at one partner.
pub(super) const FAULTS_MAX: usize = 32;
const LATENCY_MS_MAX: u64 = 600_000;
const CALLS_MAX: u64 = 1_000_000;
const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;

/// What is answered instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nonsense {
    /// A page.
    Html,
    /// Nothing at all.
    Empty,
    /// JSON of a shape that nobody expects: it says that the message was rejected, under a status of success.
    Json,
    /// An answer without an end.
    Endless,
    /// An answer that announces two gigabytes.
    Huge,
}

impl Nonsense {
    const ALL: [(&'static str, Self); 5] = [
        ("html", Self::Html),
        ("empty", Self::Empty),
        ("json", Self::Json),
        ("endless", Self::Endless),
        ("huge", Self::Huge),
    ];
}

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The message is taken in, and its answer comes later.
    Latency(Duration),
    /// It is refused with a status, and perhaps a time to wait.
    Status(u16, Option<u64>),
    /// It is taken in, and the line is cut before the answer.
    CutAfterAccept,
    /// The line is cut before anything is taken in.
    CutBeforeAccept,
    /// It is taken in, and the answer breaks off half way.
    Truncated,
    /// It is taken in, and what comes back is no answer.
    Nonsense(Nonsense),
    /// It is taken in, and the answer of the call before comes once more instead of its own.
    Duplicate,
    /// It is taken in, and the answer is about somebody else.
    WrongPatient,
    /// Nobody listens: for a time, or until it is cleared.
    Down(Option<Duration>),
}

/// A fault, and how often it is still met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) fault: Fault,
    /// None: always.
    pub(super) calls: Option<u64>,
}

/// What one call meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) latency: Duration,
    pub(super) fault: Option<Fault>,
}

/// The faults that wait at a partner, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

impl Faults {
    /// Sets one more.
    ///
    /// # Errors
    /// Too many wait.
    pub(super) fn add(&mut self, planned: Planned) -> Result<(), String> {
        if self.0.len() >= FAULTS_MAX {
            return Err(format!("fault: {FAULTS_MAX} faults wait already, DELETE clears them"));
        }
        self.0.push(planned);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Ends that nobody listens.
    pub(super) fn come_up(&mut self) {
        self.0.retain(|planned| !matches!(planned.fault, Fault::Down(_)));
    }

    /// What a call meets: every latency, and the first of the others. A call that leaves nothing passes by what goes wrong with a message.
    pub(super) fn meet(&mut self, is_message: bool) -> Met {
        let mut met = Met::default();
        for planned in &mut self.0 {
            match planned.fault {
                Fault::Latency(latency) => met.latency = met.latency.saturating_add(latency),
                Fault::Down(_) => continue,
                Fault::CutAfterAccept | Fault::Duplicate | Fault::WrongPatient if !is_message => continue,
                _ if met.fault.is_some() => continue,
                fault => met.fault = Some(fault),
            }
            planned.calls = planned.calls.map(|calls| calls.saturating_sub(1));
        }
        self.0.retain(|planned| planned.calls != Some(0));
        met
    }

    /// All of them, as they would be set.
    pub(super) fn described(&self) -> Value {
        Value::Array(self.0.iter().map(Planned::described).collect())
    }
}

impl Planned {
    /// Reads a fault as it is set.
    ///
    /// # Errors
    /// What is wrong, beginning with the name of the member.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|_| "the body: it is not JSON".to_owned())?;
        let members = body.as_object().ok_or("the body: a JSON object is expected, such as {\"fault\": \"down\"}")?;
        if let Some(name) = members.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(format!("{name}: there is no such member, only {}", NAMES.join(", ")));
        }
        let fault = fault(&body)?;
        if !matches!(fault, Fault::Status(..)) && body.get("retryAfter").is_some() {
            return Err("retryAfter: it goes with the fault status only".to_owned());
        }
        Ok(Self { fault, calls: calls(&body, fault)? })
    }

    fn described(&self) -> Value {
        let (name, value) = match self.fault {
            Fault::Latency(latency) => ("latency", json!(milliseconds(latency))),
            Fault::Status(status, _) => ("status", json!(status)),
            Fault::CutAfterAccept => ("cut-after-accept", Value::Null),
            Fault::CutBeforeAccept => ("cut-before-accept", Value::Null),
            Fault::Truncated => ("truncated", Value::Null),
            Fault::Nonsense(kind) => {
                ("nonsense", json!(Nonsense::ALL.iter().find(|one| one.1 == kind).map(|one| one.0)))
            }
            Fault::Duplicate => ("duplicate", Value::Null),
            Fault::WrongPatient => ("wrong-patient", Value::Null),
            Fault::Down(time) => ("down", json!(time.map(milliseconds))),
        };
        let mut described = json!({"fault": name, "calls": self.calls.map_or(json!("always"), Value::from)});
        if !value.is_null() {
            described["value"] = value;
        }
        if let Fault::Status(_, Some(seconds)) = self.fault {
            described["retryAfter"] = json!(seconds);
        }
        described
    }
}

const NAMES: [&str; 4] = ["fault", "value", "calls", "retryAfter"];
const FAULTS: &str =
    "latency, status, cut-after-accept, cut-before-accept, truncated, nonsense, duplicate, wrong-patient, down";

fn fault(body: &Value) -> Result<Fault, String> {
    let name = body.get("fault").and_then(Value::as_str).unwrap_or_default();
    let value = body.get("value");
    let fault = match name {
        "latency" => {
            let latency =
                number(value, 1, LATENCY_MS_MAX).ok_or(format!("value: milliseconds, 1 to {LATENCY_MS_MAX}"))?;
            return Ok(Fault::Latency(Duration::from_millis(latency)));
        }
        "status" => return status(body, value),
        "nonsense" => {
            let kind = value.map_or(Some("html"), Value::as_str);
            let found = Nonsense::ALL.iter().find(|one| Some(one.0) == kind);
            return found
                .map(|one| Fault::Nonsense(one.1))
                .ok_or("value: html, empty, json, endless or huge".to_owned());
        }
        "down" => {
            let wrong = || format!("value: milliseconds, 1 to {LATENCY_MS_MAX}, or nothing: until it is cleared");
            let time = value.map(|value| number(Some(value), 1, LATENCY_MS_MAX).ok_or_else(wrong)).transpose()?;
            return Ok(Fault::Down(time.map(Duration::from_millis)));
        }
        "cut-after-accept" => Fault::CutAfterAccept,
        "cut-before-accept" => Fault::CutBeforeAccept,
        "truncated" => Fault::Truncated,
        "duplicate" => Fault::Duplicate,
        "wrong-patient" => Fault::WrongPatient,
        _ => return Err(format!("fault: one of {FAULTS}")),
    };
    if value.is_some() { Err(format!("value: the fault {name} takes none")) } else { Ok(fault) }
}

fn status(body: &Value, value: Option<&Value>) -> Result<Fault, String> {
    let status = number(value, 400, 599).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or("value: a status from 400 to 599")?;
    let wait = body.get("retryAfter").map(|wait| {
        let wrong = || format!("retryAfter: seconds, 0 to {RETRY_AFTER_SECONDS_MAX}");
        number(Some(wait), 0, RETRY_AFTER_SECONDS_MAX).ok_or_else(wrong)
    });
    Ok(Fault::Status(status, wait.transpose()?))
}

/// How often a fault is met: once, unless something else is said.
fn calls(body: &Value, fault: Fault) -> Result<Option<u64>, String> {
    let given = body.get("calls");
    if matches!(fault, Fault::Down(_)) {
        // Nobody counts the calls at a port at which nobody listens.
        let is_fine = given.is_none_or(|calls| calls.as_str() == Some("always"));
        return if is_fine {
            Ok(None)
        } else {
            Err("calls: the fault down lasts for a time, which value says".to_owned())
        };
    }
    match given {
        None => Ok(Some(1)),
        Some(Value::String(word)) if word == "always" => Ok(None),
        Some(calls) => number(Some(calls), 1, CALLS_MAX)
            .map(Some)
            .ok_or(format!("calls: a number from 1 to {CALLS_MAX}, or \"always\"")),
    }
}

fn number(value: Option<&Value>, min: u64, max: u64) -> Option<u64> {
    value.and_then(Value::as_u64).filter(|number| (min..=max).contains(number))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(body: &str) -> Planned {
        Planned::read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    fn faults(bodies: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for body in bodies {
            faults.add(planned(body)).expect("there is room");
        }
        faults
    }

    #[test]
    fn faults_are_met_one_after_the_other_and_latency_beside_them() {
        let mut faults = faults(&[
            r#"{"fault": "status", "value": 503, "calls": 2}"#,
            r#"{"fault": "latency", "value": 20, "calls": 2}"#,
            r#"{"fault": "truncated"}"#,
        ]);
        let met: Vec<Met> = (0..4).map(|_| faults.meet(true)).collect();
        let late = Duration::from_millis(20);
        let status = Some(Fault::Status(503, None));
        assert_eq!(met[0], Met { latency: late, fault: status });
        assert_eq!(met[1], Met { latency: late, fault: status });
        assert_eq!(met[2], Met { latency: Duration::ZERO, fault: Some(Fault::Truncated) });
        assert_eq!(met[3], Met::default());
    }

    #[test]
    fn what_goes_wrong_with_a_message_waits_for_one() {
        let mut faults = faults(&[r#"{"fault": "cut-after-accept"}"#, r#"{"fault": "status", "value": 500}"#]);
        assert_eq!(faults.meet(false).fault, Some(Fault::Status(500, None)));
        assert_eq!(faults.meet(false).fault, None);
        assert_eq!(faults.meet(true).fault, Some(Fault::CutAfterAccept));
    }

    #[test]
    fn a_wrong_fault_is_refused_by_the_name_of_its_member() {
        for (body, member) in [
            ("", "the body"),
            ("[]", "the body"),
            ("{}", "fault"),
            (r#"{"fault": "slow"}"#, "fault"),
            (r#"{"fault": 1}"#, "fault"),
            (r#"{"fault": "down", "color": 1}"#, "color"),
            (r#"{"fault": "latency"}"#, "value"),
            (r#"{"fault": "latency", "value": 0}"#, "value"),
            (r#"{"fault": "latency", "value": 600001}"#, "value"),
            (r#"{"fault": "latency", "value": "10"}"#, "value"),
            (r#"{"fault": "status", "value": 200}"#, "value"),
            (r#"{"fault": "status", "value": 600}"#, "value"),
            (r#"{"fault": "status", "value": 503, "retryAfter": -1}"#, "retryAfter"),
            (r#"{"fault": "truncated", "retryAfter": 1}"#, "retryAfter"),
            (r#"{"fault": "truncated", "value": 1}"#, "value"),
            (r#"{"fault": "nonsense", "value": "xml"}"#, "value"),
            (r#"{"fault": "truncated", "calls": 0}"#, "calls"),
            (r#"{"fault": "truncated", "calls": "ever"}"#, "calls"),
            (r#"{"fault": "truncated", "calls": 1.5}"#, "calls"),
            (r#"{"fault": "down", "calls": 2}"#, "calls"),
            (r#"{"fault": "down", "value": 0}"#, "value"),
        ] {
            let refused = Planned::read(body.as_bytes()).expect_err(body);
            assert!(refused.starts_with(&format!("{member}:")), "{body}: {refused}");
        }
    }

    #[test]
    fn a_fault_is_told_as_it_was_set() {
        for body in [
            r#"{"fault":"latency","calls":"always","value":20}"#,
            r#"{"fault":"status","calls":3,"value":503,"retryAfter":7}"#,
            r#"{"fault":"nonsense","calls":1,"value":"huge"}"#,
            r#"{"fault":"down","calls":"always","value":50}"#,
            r#"{"fault":"wrong-patient","calls":1}"#,
        ] {
            let faults = faults(&[body]);
            assert_eq!(faults.described().to_string(), format!("[{body}]"));
        }
    }

    #[test]
    fn faults_have_an_end() {
        let mut faults = Faults::default();
        let one = planned(r#"{"fault": "truncated"}"#);
        for _ in 0..FAULTS_MAX {
            faults.add(one).expect("there is room");
        }
        assert!(faults.add(one).is_err());
    }
}
