//! What is wrong with a Consent, element by element, and the cursor over JSON that finds it.

use serde_json::Value;

/// One reason why a Consent is refused: becomes one `OperationOutcome.issue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentIssue {
    /// The element, for instance `Consent.provision.provision[1].actor[0].role`.
    pub expression: String,
    /// The kind of issue.
    pub code: IssueCode,
    /// A sentence for whoever wrote the Consent: what is wrong and the way out. Holds no value of the Consent.
    pub details: String,
}

/// The kind of issue, a subset of <http://hl7.org/fhir/R4/valueset-issue-type.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueCode {
    /// An element is not of the form that FHIR JSON asks.
    Structure,
    /// An element is missing.
    Required,
    /// A value or code is not known.
    Value,
    /// Elements contradict each other.
    Invariant,
    /// The gateway does not enforce this, or not with certainty.
    BusinessRule,
}

impl IssueCode {
    /// The code as it stands in `OperationOutcome.issue.code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::BusinessRule => "business-rule",
        }
    }
}

/// One element of the Consent and the expression that names it.
#[derive(Clone)]
pub(super) struct Element<'a> {
    pub(super) expression: String,
    pub(super) value: &'a Value,
}

impl<'a> Element<'a> {
    pub(super) fn root(consent: &'a Value) -> Self {
        Self { expression: "Consent".to_owned(), value: consent }
    }

    /// The member of this name. A `null` counts as present: what reads it says that it has the wrong form.
    pub(super) fn member(&self, name: &str) -> Option<Element<'a>> {
        let value = self.value.get(name)?;
        Some(Element { expression: format!("{}.{name}", self.expression), value })
    }

    /// The entries of a repeating member; none where it is absent.
    ///
    /// An empty list is an issue, not "absent": absent means *any*, and no one opens a record by sending `[]`.
    pub(super) fn entries(&self, name: &str, issues: &mut Vec<ConsentIssue>) -> Vec<Element<'a>> {
        let Some(member) = self.member(name) else { return Vec::new() };
        let Some(values) = member.value.as_array().filter(|values| !values.is_empty()) else {
            member.issue(issues, IssueCode::Structure, "must be a list with at least one entry");
            return Vec::new();
        };
        values
            .iter()
            .enumerate()
            .map(|(index, value)| Element { expression: format!("{}[{index}]", member.expression), value })
            .collect()
    }

    /// The text of a member that must be there.
    pub(super) fn text(&self, name: &str, issues: &mut Vec<ConsentIssue>) -> Option<&'a str> {
        let Some(member) = self.member(name) else {
            self.missing(name, issues);
            return None;
        };
        let text = member.value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            member.issue(issues, IssueCode::Structure, "must be a string that is not empty");
        }
        text
    }

    /// Reports every member that is not one of the known: what is not understood is not enforced.
    ///
    /// Modifier extensions are reported by the reader, wherever they stand.
    pub(super) fn refuse_unknown(&self, known: &[&str], issues: &mut Vec<ConsentIssue>) {
        let Some(members) = self.value.as_object() else {
            self.issue(issues, IssueCode::Structure, "must be an object");
            return;
        };
        for name in members.keys().filter(|name| !known.contains(&name.as_str()) && *name != "modifierExtension") {
            if let Some(member) = self.member(name) {
                member.issue(
                    issues,
                    IssueCode::BusinessRule,
                    "is not enforced by this gateway, so an active Consent may not carry it: leave it out",
                );
            }
        }
    }

    pub(super) fn missing(&self, name: &str, issues: &mut Vec<ConsentIssue>) {
        issues.push(ConsentIssue {
            expression: format!("{}.{name}", self.expression),
            code: IssueCode::Required,
            details: format!("{name} is required"),
        });
    }

    pub(super) fn issue(&self, issues: &mut Vec<ConsentIssue>, code: IssueCode, predicate: &str) {
        let name = self.expression.rsplit('.').next().unwrap_or("Consent");
        issues.push(ConsentIssue {
            expression: self.expression.clone(),
            code,
            details: format!("{} {predicate}", name.split('[').next().unwrap_or(name)),
        });
    }
}
