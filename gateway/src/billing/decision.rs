//! What a care fund decided about a request for an allowance: kept with its answer, without the fund's words, which may name somebody.

use connectors::care_requests::{DECISION, Decision};
use mappings::billing::Severity;

use super::answer::Answer;
use super::detail::Finding;
use crate::error::Failure;
use crate::storage::billing::BillingMessageRow;

/// What begins the code by which it is kept; the state follows.
const DECIDED: &str = "wellgate-care-";

/// A decision as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CareDecision {
    /// The 14 digits of the request.
    pub request: String,
    /// Where it stands, by the code of the envelope.
    pub state: String,
    /// The first day of what is allowed; may be empty.
    pub from: String,
    /// The last; may be empty.
    pub until: String,
    /// The class of the tariff; may be empty.
    pub tariff_class: String,
}

impl CareDecision {
    /// What a message that is no file says; none where it is no decision of a care fund.
    pub(super) fn read(answer: &Answer) -> Option<Finding> {
        let is_meant = answer.name == DECISION && answer.partner.starts_with("care-fund/");
        let Decision { request, state, from, until, tariff_class, reason: _ } =
            is_meant.then(|| Decision::read(&answer.content)).flatten()?;
        if !(answer.reference.is_empty() || answer.reference == request) {
            return None;
        }
        let class = tariff_class.map(|class| class.to_string()).unwrap_or_default();
        let about = form_urlencoded::Serializer::new(String::new())
            .append_pair("request", &request)
            .append_pair("from", &from.unwrap_or_default())
            .append_pair("until", &until.unwrap_or_default())
            .append_pair("class", &class)
            .finish();
        Some(Finding::new(format!("{DECIDED}{}", state.code()), Severity::Signal, about))
    }

    /// The decision of a kept message; none where it is another.
    ///
    /// # Errors
    /// The row is not what was written.
    pub fn of(row: &BillingMessageRow) -> Result<Option<Self>, Failure> {
        let found = Finding::read(&row.remark)?.into_iter().find_map(|finding| {
            let state = finding.code.strip_prefix(DECIDED)?.to_owned();
            let mut decision = Self { state, ..Self::default() };
            for (name, value) in form_urlencoded::parse(finding.about.as_bytes()) {
                match name.as_ref() {
                    "request" => decision.request = value.into_owned(),
                    "from" => decision.from = value.into_owned(),
                    "until" => decision.until = value.into_owned(),
                    "class" => decision.tariff_class = value.into_owned(),
                    _ => {}
                }
            }
            Some(decision)
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(partner: &str, content: &str) -> Answer {
        let [hash, name, third_party, reference] = ["", DECISION, "71000436000", ""].map(str::to_owned);
        Answer { hash, name, third_party, partner: partner.to_owned(), reference, content: content.as_bytes().to_vec() }
    }

    #[test]
    fn a_decision_is_kept_without_the_words_of_the_fund() {
        let said =
            r#"{"request": "20260000000001", "state": "approved", "from": "2026-03-01", "reason": "Jan is ill"}"#;
        let finding = CareDecision::read(&answer("care-fund/701", said)).expect("it is one");
        assert!(!finding.about.contains("Jan"), "{finding:?}");
        let row = BillingMessageRow { remark: Finding::write(&[finding]), ..BillingMessageRow::default() };
        let kept = CareDecision::of(&row).expect("it reads").expect("it is one");
        let expected = ("20260000000001", "approved", "2026-03-01", "", "");
        let CareDecision { request, state, from, until, tariff_class } = &kept;
        assert_eq!((request.as_str(), state.as_str(), from.as_str(), until.as_str(), tariff_class.as_str()), expected);
    }

    #[test]
    fn what_a_mutuality_says_or_is_of_another_form_is_no_decision() {
        let said = r#"{"request": "20260000000001", "state": "refused"}"#;
        assert!(CareDecision::read(&answer("mutuality/100", said)).is_none());
        assert!(CareDecision::read(&answer("care-fund/701", "approved")).is_none());
        let other = Answer { reference: "20260000000002".to_owned(), ..answer("care-fund/701", said) };
        assert!(CareDecision::read(&other).is_none(), "the envelope names another request");
    }
}
