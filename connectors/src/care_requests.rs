//! What a care fund decides about a request for an allowance, as it comes in the inbox.

use mappings::json::{Limits, parse};
use serde_json::Value;

/// The name of the message in which it comes.
pub const DECISION: &str = "care-decision";
const LIMITS: Limits = Limits { depth_max: 4, values_max: 100 };
const REASON_CHARACTERS_MAX: usize = 500;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionState {
    /// The fund has it.
    Submitted,
    /// It is not complete, and is not looked at.
    Inadmissible,
    /// It is being looked at.
    InTreatment,
    /// It is allowed.
    Approved,
    /// Some of it is allowed.
    PartlyApproved,
    /// It is not allowed.
    Refused,
    /// An allowance lasts longer.
    Extended,
    /// An allowance ended.
    Stopped,
}

impl DecisionState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Submitted,
        Self::Inadmissible,
        Self::InTreatment,
        Self::Approved,
        Self::PartlyApproved,
        Self::Refused,
        Self::Extended,
        Self::Stopped,
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Inadmissible => "inadmissible",
            Self::InTreatment => "in-treatment",
            Self::Approved => "approved",
            Self::PartlyApproved => "partly-approved",
            Self::Refused => "refused",
            Self::Extended => "extended",
            Self::Stopped => "stopped",
        }
    }
}

/// What a care fund decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The 14 digits of the request.
    pub request: String,
    /// Where it stands.
    pub state: DecisionState,
    /// The first day of what is allowed, `YYYY-MM-DD`.
    pub from: Option<String>,
    /// The last.
    pub until: Option<String>,
    /// The class of the tariff, up to 7 digits.
    pub tariff_class: Option<u32>,
    /// The fund's words; may be empty.
    pub reason: String,
}

impl Decision {
    /// Reads the content of a message; none where it is not of its form. What is allowed has a first day.
    pub fn read(content: &[u8]) -> Option<Self> {
        let value = parse(content, LIMITS).ok()?;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let request = text("request").filter(|text| super::gen_async::is_digits(text, 14))?.to_owned();
        let state = DecisionState::ALL.into_iter().find(|state| Some(state.code()) == text("state"))?;
        let day = |name: &str| match text(name) {
            None => Some(None),
            Some(text) => is_day(text).then(|| Some(text.to_owned())),
        };
        let (from, until) = (day("from")?, day("until")?);
        let is_allowed =
            matches!(state, DecisionState::Approved | DecisionState::PartlyApproved | DecisionState::Extended);
        let is_backwards = matches!((&from, &until), (Some(from), Some(until)) if until < from);
        if is_allowed && from.is_none() || is_backwards {
            return None;
        }
        let tariff_class = match value.get("tariffClass") {
            None | Some(Value::Null) => None,
            Some(class) => {
                Some(class.as_u64().and_then(|one| u32::try_from(one).ok()).filter(|one| *one <= 9_999_999)?)
            }
        };
        let reason = text("reason").unwrap_or_default().chars().filter(|character| !character.is_control());
        Some(Self { request, state, from, until, tariff_class, reason: reason.take(REASON_CHARACTERS_MAX).collect() })
    }
}

/// Whether a text has the form of a day. Whether there is such a day, whoever uses it sees.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes
            .iter()
            .enumerate()
            .all(|(n, byte)| if matches!(n, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REQUEST: &str = "20260000000001";

    #[test]
    fn every_state_of_a_decision_is_read() {
        for state in DecisionState::ALL {
            let content = json!({"request": REQUEST, "state": state.code(), "from": "2026-03-01", "until": "2026-12-31",
                "tariffClass": 12, "reason": "a\nb"});
            let decision = Decision::read(content.to_string().as_bytes()).expect("it is one");
            assert_eq!((decision.state, decision.tariff_class, decision.reason.as_str()), (state, Some(12), "ab"));
        }
    }

    #[test]
    fn what_is_no_decision_is_not_read_as_one() {
        for content in [
            json!({"request": REQUEST, "state": "granted"}),
            json!({"request": "2026", "state": "refused"}),
            json!({"state": "refused"}),
            json!({"request": REQUEST, "state": "approved"}),
            json!({"request": REQUEST, "state": "approved", "from": "1-3-2026"}),
            json!({"request": REQUEST, "state": "approved", "from": "2026-03-02", "until": "2026-03-01"}),
            json!({"request": REQUEST, "state": "refused", "tariffClass": "12"}),
            json!([REQUEST]),
        ] {
            assert_eq!(Decision::read(content.to_string().as_bytes()), None, "{content}");
        }
        assert!(Decision::read(b"approved").is_none());
    }
}
