//! Consents of one record that contradict each other. Deny wins all the same: this only finds what somebody should look at.
//!
//! Two active Consents disagree where one permits by name whom the other denies, itself or as one of those whom it means (everyone,
//! or a kind of organisation), for a purpose and at a moment still to come that both are about. A deny of one among many whom
//! another Consent permits is no contradiction: that is how a patient excludes somebody.

use std::collections::{BTreeMap, BTreeSet};

use super::about::Meaning;
use super::decide::Request;
use super::grantee::Grantee;
use super::grants::{Grant, evaluate};
use super::provision::ConsentId;
use super::purpose::{PurposeSet, classes};
use super::rules::Effect;
use crate::labels::{Facts, LabelSet, ResourceFacts};

/// About the most that is found for one Consent: what lies beyond contradicts the same ones.
pub const CONFLICTS_MAX: usize = 500;

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The Consent that permits.
    pub permit: ConsentId,
    /// The Consent that denies.
    pub deny: ConsentId,
    /// Whom the first names.
    pub grantee: Grantee,
}

/// The contradictions between each changed Consent and the others of its record, each once, sorted. `identities` are all those
/// of whoever is meant by a grantee: an organisation's kind among them.
pub fn conflicts(
    changed: &BTreeSet<ConsentId>,
    grants: &[(ConsentId, Grant)],
    now_ms: i64,
    identities: &dyn Fn(&Grantee) -> Vec<Grantee>,
) -> Vec<Conflict> {
    let mut by_consent: BTreeMap<&ConsentId, Vec<(ConsentId, Grant)>> = BTreeMap::new();
    for (consent, grant) in grants.iter().filter(|(_, grant)| grant.until_ms > now_ms) {
        by_consent.entry(consent).or_default().push((consent.clone(), grant.clone()));
    }
    let mut found = BTreeSet::new();
    for (id, own) in by_consent.iter().filter(|(id, _)| changed.contains(**id)) {
        let mut of_this = 0;
        for other in by_consent.iter().filter(|(other, _)| *other != id).map(|(_, grants)| grants) {
            for (permitting, denying) in [(own, other), (other, own)] {
                let contradicted = contradicted(permitting, denying, now_ms, identities);
                of_this += contradicted.len();
                found.extend(contradicted);
            }
            if of_this >= CONFLICTS_MAX {
                break;
            }
        }
    }
    found.into_iter().collect()
}

/// Whom one Consent permits by name and the other denies.
fn contradicted(
    permitting: &[(ConsentId, Grant)],
    denying: &[(ConsentId, Grant)],
    now_ms: i64,
    identities: &dyn Fn(&Grantee) -> Vec<Grantee>,
) -> Vec<Conflict> {
    let mut found: Vec<Conflict> = Vec::new();
    let denies: Vec<&(ConsentId, Grant)> = denying.iter().filter(|(_, deny)| deny.effect == Effect::Deny).collect();
    if denies.is_empty() {
        return found;
    }
    for (permit, grant) in permitting.iter().filter(|(_, grant)| grant.effect != Effect::Deny) {
        if found.iter().any(|known| known.grantee == grant.grantee) {
            continue;
        }
        let meant = identities(&grant.grantee);
        let witness = |(_, deny): &&&(ConsentId, Grant)| {
            deny.grantee.covers(&meant) && has_witness((permitting, grant), (denying, deny), &meant, now_ms)
        };
        if let Some((deny, _)) = denies.iter().find(witness) {
            let (permit, deny, grantee) = (permit.clone(), deny.clone(), grant.grantee.clone());
            found.push(Conflict { permit, deny, grantee });
        }
    }
    found
}

/// Whether there is a purpose and a moment at which the one Consent, with all that it says, permits and the other denies.
/// Between two bounds of their periods neither changes, so the bounds stand for all time.
fn has_witness(
    (permitting, permit): (&[(ConsentId, Grant)], &Grant),
    (denying, deny): (&[(ConsentId, Grant)], &Grant),
    identities: &[Grantee],
    now_ms: i64,
) -> bool {
    let purposes = PurposeSet::from_bits(permit.purposes & deny.purposes);
    if !may_meet(permit, deny) {
        return false;
    }
    let (permitting, denying) = (of_all(permitting, permit, deny), of_all(denying, permit, deny));
    let from_ms = permit.from_ms.max(deny.from_ms).max(now_ms);
    let until_ms = permit.until_ms.min(deny.until_ms);
    let both = || permitting.iter().chain(&denying).map(|(_, grant)| grant);
    let moments = both().flat_map(|grant| [grant.from_ms, grant.until_ms]);
    let mut moments: Vec<i64> = moments.chain([from_ms]).filter(|ms| (from_ms..until_ms).contains(ms)).collect();
    moments.sort_unstable();
    moments.dedup();
    let classes = classes(both().map(|grant| PurposeSet::from_bits(grant.purposes)));
    let mut asked =
        classes.iter().filter_map(|class| class.iter().copied().find(|purpose| purposes.contains(*purpose)));
    asked.any(|purpose| {
        let request = Request { grantees: identities, former_teams: &[], purpose };
        let (facts, moments) = (ResourceFacts::of("", "", &Facts::UNKNOWN, 0), &moments);
        let disagree =
            |ms: i64| evaluate(&permitting, &request, &facts, ms) && is_denied(&denying, &request, &facts, ms);
        moments.iter().any(|ms| disagree(*ms))
    })
}

/// Whether there may be a resource that both rules are about. Lists of single resources that have none in common never meet; what
/// belongs to a resource is not looked at.
fn may_meet(permit: &Grant, deny: &Grant) -> bool {
    // What is sensitive is restricted too, so a permit for it opens what is labelled so.
    let named = LabelSet::from_bits(permit.labels);
    let labels = named.union(named.of_resource());
    let types = |grant: &Grant| grant.types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let (permitted, denied): (Vec<String>, Vec<String>) = (types(permit), types(deny));
    let is_single =
        |grant: &Grant| !grant.data.is_empty() && grant.data.iter().all(|data| data.meaning == Meaning::Instance);
    labels.meets(LabelSet::from_bits(deny.labels))
        && permit.data_from_ms < deny.data_until_ms
        && deny.data_from_ms < permit.data_until_ms
        && (permitted.is_empty() || denied.is_empty() || permitted.iter().any(|name| denied.contains(name)))
        && !(is_single(permit) && is_single(deny) && !permit.data.iter().any(|data| deny.data.contains(data)))
}

/// The rules that are about all of what the permit or the deny is about, as if they were about everything: what is narrower leaves
/// something on which the two disagree.
fn of_all(grants: &[(ConsentId, Grant)], permit: &Grant, deny: &Grant) -> Vec<(ConsentId, Grant)> {
    let is_wide = |grant: &Grant| is_about_all_of(grant, permit) || is_about_all_of(grant, deny);
    let wide = grants.iter().filter(|(_, grant)| is_wide(grant));
    wide.map(|(id, grant)| (id.clone(), about_everything(grant))).collect()
}

fn is_about_all_of(grant: &Grant, other: &Grant) -> bool {
    grant.labels & other.labels == other.labels
        && grant.data_from_ms <= other.data_from_ms
        && grant.data_until_ms >= other.data_until_ms
        && (grant.types.is_empty() || grant.types == other.types)
        && (grant.data.is_empty() || grant.data == other.data)
}

fn about_everything(grant: &Grant) -> Grant {
    Grant {
        labels: LabelSet::EVERY.bits(),
        uncovered: LabelSet::NONE.bits(),
        data_from_ms: i64::MIN,
        data_until_ms: i64::MAX,
        types: String::new(),
        data: Vec::new(),
        ..grant.clone()
    }
}

/// Whether a Consent denies by itself: with a permit for everyone beside it, the answer would still be no.
fn is_denied(denying: &[(ConsentId, Grant)], request: &Request, facts: &ResourceFacts, at_ms: i64) -> bool {
    let anything = whole(0, Effect::Permit, Grantee::everyone(), PurposeSet::ANY.bits());
    let mut grants = denying.to_vec();
    grants.push((ConsentId(String::new()), anything));
    !evaluate(&grants, request, facts, at_ms)
}

/// A rule at all times and about everything.
fn whole(rule: i32, effect: Effect, grantee: Grantee, purposes: i64) -> Grant {
    Grant {
        rule,
        effect,
        grantee,
        purposes,
        from_ms: i64::MIN,
        until_ms: i64::MAX,
        labels: LabelSet::EVERY.bits(),
        uncovered: LabelSet::NONE.bits(),
        data_from_ms: i64::MIN,
        data_until_ms: i64::MAX,
        types: String::new(),
        data: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Purpose;

    const NOW_MS: i64 = 1_000;

    fn grant(consent: &str, rule: i32, effect: Effect, grantee: &Grantee) -> (ConsentId, Grant) {
        let treatment = Purpose::from_code("TREAT").expect("a purpose");
        let purposes = PurposeSet::NONE.with(treatment).bits();
        let grant = whole(rule, effect, grantee.clone(), purposes);
        (ConsentId(consent.to_owned()), grant)
    }

    /// Organisation x is of the kind k.
    fn identities(grantee: &Grantee) -> Vec<Grantee> {
        match grantee.as_str() {
            "*" => Vec::new(),
            "organization/x" => vec![grantee.clone(), Grantee::kind("k")],
            _ => vec![grantee.clone()],
        }
    }

    fn found(changed: &str, grants: &[(ConsentId, Grant)]) -> Vec<String> {
        let found = conflicts(&BTreeSet::from([ConsentId(changed.to_owned())]), grants, NOW_MS, &identities);
        found.into_iter().map(|one| format!("{} {} {}", one.permit.0, one.deny.0, one.grantee)).collect()
    }

    #[test]
    fn a_permit_by_name_is_contradicted_by_a_deny_of_the_same_of_its_kind_or_of_everyone() {
        let x = Grantee::organization("x");
        for denied in [x.clone(), Grantee::kind("k"), Grantee::everyone()] {
            let grants = [grant("p", 0, Effect::Permit, &x), grant("d", 0, Effect::Deny, &denied)];
            assert_eq!(found("p", &grants), ["p d organization/x"], "{denied}");
            assert_eq!(found("d", &grants), ["p d organization/x"], "{denied}: whichever was written last");
        }
    }

    #[test]
    fn an_exclusion_of_one_among_many_is_no_contradiction() {
        let x = Grantee::organization("x");
        for permitted in [Grantee::kind("k"), Grantee::everyone(), Grantee::organization("y")] {
            let grants = [grant("p", 0, Effect::Permit, &permitted), grant("d", 0, Effect::Deny, &x)];
            assert_eq!(found("d", &grants), Vec::<String>::new(), "{permitted}");
        }
    }

    #[test]
    fn what_is_over_or_never_meets_is_no_contradiction() {
        let x = Grantee::organization("x");
        let both = || [grant("p", 0, Effect::Permit, &x), grant("d", 0, Effect::Deny, &x)];
        let mut over = both();
        over[1].1.until_ms = NOW_MS;
        let mut apart = both();
        (apart[0].1.from_ms, apart[1].1.until_ms) = (NOW_MS + 10, NOW_MS + 10);
        let mut other_purpose = both();
        other_purpose[1].1.purposes = PurposeSet::NONE.with(Purpose::from_code("HPAYMT").expect("a purpose")).bits();
        for grants in [over, apart, other_purpose] {
            assert_eq!(found("p", &grants), Vec::<String>::new(), "{grants:?}");
        }
    }

    #[test]
    fn a_deny_with_an_exception_for_whom_the_other_permits_agrees_with_it() {
        let x = Grantee::organization("x");
        let mut grants = vec![
            grant("p", 0, Effect::Permit, &x),
            grant("d", 0, Effect::Deny, &Grantee::everyone()),
            grant("d", 1, Effect::Exception { of: 0 }, &x),
        ];
        assert_eq!(found("p", &grants), Vec::<String>::new());
        // Once the exception has ended they disagree.
        grants[2].1.until_ms = NOW_MS + 10;
        assert_eq!(found("p", &grants), ["p d organization/x"]);
    }

    #[test]
    fn rules_about_different_data_are_no_contradiction() {
        let x = Grantee::organization("x");
        let both = || [grant("p", 0, Effect::Permit, &x), grant("d", 0, Effect::Deny, &x)];
        let of_type = |name: &str| format!(",{name},");
        let mut types = both();
        (types[0].1.types, types[1].1.types) = (of_type("Condition"), of_type("Observation"));
        let mut labels = both();
        (labels[0].1.labels, labels[1].1.labels) = (0b1, 0b100_0000);
        let mut times = both();
        (times[0].1.data_until_ms, times[1].1.data_from_ms) = (NOW_MS, NOW_MS);
        for grants in [types, labels, times] {
            assert_eq!(found("p", &grants), Vec::<String>::new(), "{grants:?}");
        }
        let mut part = both();
        part[1].1.types = of_type("Observation");
        assert_eq!(found("p", &part), ["p d organization/x"]);
    }

    #[test]
    fn an_exception_about_a_part_leaves_the_rest_in_contradiction() {
        let x = Grantee::organization("x");
        let mut grants = vec![
            grant("p", 0, Effect::Permit, &x),
            grant("d", 0, Effect::Deny, &Grantee::everyone()),
            grant("d", 1, Effect::Exception { of: 0 }, &x),
        ];
        grants[2].1.types = ",Condition,".to_owned();
        assert_eq!(found("p", &grants), ["p d organization/x"]);
        grants[0].1.types = ",Condition,".to_owned();
        assert_eq!(found("p", &grants), Vec::<String>::new());
    }

    #[test]
    fn one_consent_alone_never_contradicts_itself() {
        let x = Grantee::organization("x");
        let grants = [grant("p", 0, Effect::Permit, &x), grant("p", 1, Effect::Deny, &x)];
        assert_eq!(found("p", &grants), Vec::<String>::new());
    }
}
