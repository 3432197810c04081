//! Write sets as the few fat statements of one transaction, in the order in which they must run.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::billing::changes;
use super::chain::Place;
use super::precondition::Ground;
use super::rows::{self, Cell, Fat, Rows};
use super::write_set::{NewVersion, ResourceKey, WriteSet};
use super::{
    async_job, audit, conflict, crisis, delivery, emergency, idempotency, intake, seals, subscription, text, treatment,
};
use crate::audit::AuditEvent;
use crate::labels::Facts;

/// How many columns of a version are facts: the last of them.
pub(super) const FACTS: usize = 6;

/// One fat statement with its rows.
pub(super) struct Statement<'a> {
    pub(super) fat: &'static Fat,
    pub(super) rows: Rows<'a>,
}

/// The statements of all sets together; tables without a row have none.
/// `place`: where the first event stands in its chain; the others follow.
pub(super) fn statements<'a>(sets: &[&'a WriteSet], place: Place) -> Vec<Statement<'a>> {
    let mut all = Vec::new();
    let mut add = |fat: &'static LazyLock<Fat>, rows: Rows<'a>| {
        if !rows.is_empty() {
            all.push(Statement { fat, rows });
        }
    };
    let each = |rows: fn(&'a WriteSet) -> Rows<'a>| -> Rows<'a> { sets.iter().flat_map(|set| rows(set)).collect() };
    add(&rows::NEW_RECORD, each(new_records));
    add(&rows::MOVE_RECORD, last_moves(sets));
    add(&rows::KEEP_VERSION, each(|set| replaced(set).map(key_row).collect()));
    add(&rows::DROP_INDEX, each(|set| replaced(set).map(key_row).collect()));
    add(&rows::PUT_RESOURCE, each(|set| set.versions.iter().map(version_row).collect()));
    add(&rows::PUT_INDEX, each(index_rows));
    add(&rows::DROP_TEXT, each(|set| replaced(set).map(key_row).collect()));
    add(&rows::PUT_TEXT, each(text::text_rows));
    add(&rows::DROP_GRANTS, each(|set| set.dropped_grants.iter().map(pair_row).collect()));
    add(&rows::PUT_GRANT, each(grant_rows));
    add(&rows::DROP_GRANT_DATA, each(|set| set.dropped_grants.iter().map(pair_row).collect()));
    add(&rows::PUT_GRANT_DATA, each(grant_data_rows));
    add(&rows::DROP_TEAM, each(|set| set.dropped_teams.iter().map(pair_row).collect()));
    add(&rows::PUT_TEAM_MEMBER, each(team_member_rows));
    add(&rows::DROP_REPRESENTATIVE, each(|set| set.dropped_representatives.iter().map(pair_row).collect()));
    add(&rows::PUT_REPRESENTATIVE, each(representative_rows));
    add(&rows::LIFT_CLOSURE, each(|set| set.lifted_causes.iter().map(pair_row).collect()));
    add(&rows::LIFT_RELEASE, each(|set| set.lifted_releases.iter().map(pair_row).collect()));
    add(&rows::PUT_CLOSURE, each(closure_rows));
    add(&rows::DROP_SIGHT, each(dropped_sight_rows));
    add(&rows::PUT_SIGHT, each(sight_rows));
    add(&rows::PUT_TASK, each(task_rows));
    // Settled before it is voided: what a worker reports of a delivery holds, and what is withdrawn with it does not leave again.
    add(&delivery::SETTLE_DELIVERY, each(delivery::settlement_rows));
    add(&delivery::VOID_DELIVERY, each(|set| set.voided_deliveries.iter().map(key_row).collect()));
    // Stopped before anything is queued: the handshake of a subscription that begins anew is queued with it.
    add(&subscription::STOP_DELIVERIES, each(subscription::stopped_rows));
    add(&delivery::PUT_DELIVERY, each(delivery::delivery_rows));
    add(&subscription::PUT_SUBSCRIPTION, each(subscription::put_rows));
    add(&subscription::MOVE_SUBSCRIPTION, each(subscription::state_rows));
    add(&subscription::TELL_EVENT, each(subscription::told_rows));
    add(&subscription::KEEP_EVENT, each(subscription::not_sent_rows));
    add(&subscription::DROP_SUBSCRIPTION, each(subscription::dropped_rows));
    add(&subscription::DROP_EVENTS, each(subscription::dropped_rows));
    add(&emergency::PUT_SESSION, each(emergency::session_rows));
    add(&emergency::END_SESSION, each(emergency::ended_rows));
    add(&emergency::PUT_VERDICT, each(emergency::verdict_rows));
    add(&crisis::PUT_DISCLOSURE, each(crisis::disclosure_rows));
    add(&conflict::RESOLVE_CONFLICT, each(conflict::resolved_rows));
    add(&conflict::PUT_CONFLICT, each(conflict::conflict_rows));
    // Ended before others begin: of one response only the newest counts.
    add(&treatment::END_DEMAND, each(treatment::ended_rows));
    add(&treatment::PUT_DEMAND, each(treatment::demand_rows));
    add(&treatment::SEE_DEMAND, each(treatment::seen_rows));
    add(&changes::PUT_PERSON, changes::person_rows(sets));
    add(&changes::PUT_LINE, each(changes::line_rows));
    add(&changes::PUT_SENDING, each(changes::sending_rows));
    add(&changes::TAKE_LINES, each(changes::taken_rows));
    // One by one before all together: what is left goes on with its sending.
    add(&changes::CHANGE_LINE, each(changes::changed_rows));
    add(&changes::CHECK_LINE, each(changes::checked_rows));
    add(&changes::MOVE_LINES, each(changes::moved_rows));
    add(&changes::CREDIT_LINES, each(changes::credited_rows));
    add(&changes::NUMBER_LINE, each(changes::numbered_rows));
    add(&changes::PUT_TOTAL, each(changes::total_rows));
    add(&changes::PUT_MESSAGE, each(changes::message_rows));
    add(&intake::PUT_INTAKE, each(intake::intake_rows));
    add(&idempotency::PUT_KEY, each(idempotency_rows));
    add(&async_job::PUT_ANSWER, each(async_job::answer_rows));
    let now_ms = sets.iter().flat_map(|set| &set.audit).map(|event| event.recorded_ms).max().unwrap_or(0);
    add(&rows::PUT_GUARD, Ground::moved_guards(sets.iter().copied(), now_ms));
    add(&seals::DROP_AUDIT, each(|set| set.erased_events.iter().map(pair_row).collect()));
    add(&audit::PUT_AUDIT, audit_rows(sets, place));
    all
}

fn new_records(set: &WriteSet) -> Rows<'_> {
    let created_ms = set.versions.first().map_or(0, |version| version.last_updated_ms);
    let mut rows: Rows<'_> = set.new_records.iter().map(record_row).collect();
    for row in &mut rows {
        row.push(created_ms.into());
    }
    rows
}

/// A record moves at most once a group: its epoch is a precondition of whoever moves it.
fn last_moves<'a>(sets: &[&'a WriteSet]) -> Rows<'a> {
    let records = sets.iter().flat_map(|set| &set.moved_records);
    records.map(record_row).collect()
}

fn record_row(record: &super::write_set::RecordState) -> Vec<Cell<'_>> {
    vec![
        record.compartment.as_str().into(),
        record.custodian.as_str().into(),
        record.epoch.into(),
        record.chain.as_deref().into(),
    ]
}

fn replaced(set: &WriteSet) -> impl Iterator<Item = &ResourceKey> {
    set.versions.iter().filter(|version| version.replaces).map(|version| &version.key)
}

pub(super) fn key_row(key: &ResourceKey) -> Vec<Cell<'_>> {
    vec![key.compartment.as_str().into(), key.resource_type.into(), key.id.as_str().into()]
}

fn pair_row(pair: &(String, String)) -> Vec<Cell<'_>> {
    vec![pair.0.as_str().into(), pair.1.as_str().into()]
}

fn version_row(version: &NewVersion) -> Vec<Cell<'_>> {
    let mut row = key_row(&version.key);
    row.extend([
        version.version.0.into(),
        version.last_updated_ms.into(),
        version.author.as_str().into(),
        version.method.verb().into(),
        i64::from(version.method == super::write_set::Method::Delete).into(),
        version.body.as_str().into(),
        version.minimum.as_deref().into(),
        version.holes.as_deref().into(),
    ]);
    row.extend(facts_cells(&version.facts));
    row
}

/// The facts of a version, in the order of their columns.
pub(super) fn facts_cells(facts: &Facts) -> [Cell<'_>; FACTS] {
    [
        facts.labels.bits().into(),
        facts.label_version.into(),
        facts.declared.bits().into(),
        facts.data.from_ms.into(),
        facts.data.until_ms.into(),
        facts.atoms.as_str().into(),
    ]
}

pub(super) fn index_rows(set: &WriteSet) -> Rows<'_> {
    let mut rows = Vec::new();
    for version in &set.versions {
        for (ordinal, (index, sight)) in (0_i64..).zip(&version.index) {
            rows.push(vec![
                version.key.compartment.as_str().into(),
                version.key.resource_type.into(),
                version.key.id.as_str().into(),
                ordinal.into(),
                index.parameter.into(),
                index.system.as_str().into(),
                index.value.as_str().into(),
                index.low_ms.into(),
                index.high_ms.into(),
                index.part.into(),
                (*sight).into(),
            ]);
        }
    }
    rows
}

fn grant_rows(set: &WriteSet) -> Rows<'_> {
    fn row(grant: &super::write_set::GrantRow) -> Vec<Cell<'_>> {
        vec![
            grant.compartment.as_str().into(),
            grant.consent_id.as_str().into(),
            grant.rule.into(),
            grant.grantee.as_str().into(),
            grant.effect.into(),
            grant.excepts.into(),
            grant.purposes.into(),
            grant.from_ms.into(),
            grant.until_ms.into(),
            grant.labels.into(),
            grant.uncovered.into(),
            grant.data_from_ms.into(),
            grant.data_until_ms.into(),
            grant.types.as_str().into(),
            i64::from(grant.has_data).into(),
        ]
    }
    set.grants.iter().map(row).collect()
}

fn representative_rows(set: &WriteSet) -> Rows<'_> {
    fn row(row: &super::representative::RepresentativeRow) -> Vec<Cell<'_>> {
        vec![
            row.compartment.as_str().into(),
            row.related_person.as_str().into(),
            row.scope.into(),
            row.from_ms.into(),
            row.until_ms.into(),
        ]
    }
    set.representatives.iter().map(row).collect()
}

fn grant_data_rows(set: &WriteSet) -> Rows<'_> {
    fn row(data: &super::write_set::GrantDataRow) -> Vec<Cell<'_>> {
        vec![
            data.compartment.as_str().into(),
            data.consent_id.as_str().into(),
            data.rule.into(),
            data.meaning.into(),
            data.reference_type.as_str().into(),
            data.reference_id.as_str().into(),
        ]
    }
    set.grant_data.iter().map(row).collect()
}

fn team_member_rows(set: &WriteSet) -> Rows<'_> {
    fn row(row: &super::write_set::TeamMemberRow) -> Vec<Cell<'_>> {
        vec![
            row.compartment.as_str().into(),
            row.team.as_str().into(),
            row.member.as_str().into(),
            row.role.into(),
            row.from_ms.into(),
            row.until_ms.into(),
        ]
    }
    set.team_members.iter().map(row).collect()
}

fn closure_rows(set: &WriteSet) -> Rows<'_> {
    fn row(closure: &super::write_set::Closure) -> Vec<Cell<'_>> {
        vec![
            closure.compartment.as_str().into(),
            closure.grantee.as_str().into(),
            closure.cause.as_str().into(),
            closure.since_ms.into(),
        ]
    }
    set.closures.iter().map(row).collect()
}

fn dropped_sight_rows(set: &WriteSet) -> Rows<'_> {
    fn row((key, grantee): &(ResourceKey, String)) -> Vec<Cell<'_>> {
        let mut row = key_row(key);
        row.push(grantee.as_str().into());
        row
    }
    set.dropped_sights.iter().map(row).collect()
}

fn sight_rows(set: &WriteSet) -> Rows<'_> {
    // PostgreSQL refuses a statement that writes one row twice: the last word counts.
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for sight in set.sights.iter().rev().filter(|sight| seen.insert((&sight.key, sight.grantee.as_str()))) {
        let mut row = key_row(&sight.key);
        row.extend([sight.grantee.as_str().into(), i64::from(sight.requires_consent).into()]);
        rows.push(row);
    }
    rows
}

fn task_rows(set: &WriteSet) -> Rows<'_> {
    // One write set may move a Task twice (a forward and its return): the last word counts.
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for task in set.tasks.iter().rev().filter(|task| seen.insert(task.id.as_str())) {
        rows.push(vec![
            task.compartment.as_str().into(),
            task.id.as_str().into(),
            task.kind.as_str().into(),
            task.state.as_str().into(),
            task.requester.as_str().into(),
            task.room.as_str().into(),
            task.owner.as_deref().into(),
            task.part_of.as_deref().into(),
            task.predecessor.as_deref().into(),
            task.service_request.as_str().into(),
            task.expires_ms.into(),
        ]);
    }
    rows
}

fn idempotency_rows(set: &WriteSet) -> Rows<'_> {
    fn row(key: &super::write_set::IdempotencyKey) -> Vec<Cell<'_>> {
        vec![
            key.client_id.as_str().into(),
            key.key.as_str().into(),
            key.fingerprint.as_str().into(),
            key.answer.as_str().into(),
            key.created_ms.into(),
        ]
    }
    set.idempotency.iter().map(row).collect()
}

fn audit_rows<'a>(sets: &[&'a WriteSet], first: Place) -> Rows<'a> {
    let mut rows = Vec::new();
    for set in sets {
        for (n, event) in set.audit.iter().enumerate() {
            let mark = set.marks.get(n).map_or("", String::as_str);
            let place = first.after(rows.len());
            let mut row = audit_row(event);
            row.extend([place.chain.into(), place.sequence.into(), mark.into()]);
            rows.push(row);
        }
    }
    rows
}

fn audit_row(event: &AuditEvent) -> Vec<Cell<'_>> {
    vec![
        event.compartment.as_str().into(),
        event.id.as_str().into(),
        event.recorded_ms.into(),
        event.action.into(),
        event.subtype.into(),
        event.outcome.code().into(),
        event.reason.as_str().into(),
        event.organization.as_str().into(),
        event.client.as_str().into(),
        event.practitioner.as_str().into(),
        event.purpose.as_str().into(),
        event.basis.into(),
        event.resource_type.as_str().into(),
        event.resource_id.as_str().into(),
        event.version_id.into(),
        event.request_id.as_str().into(),
        event.case_id.as_str().into(),
        event.network.as_str().into(),
        event.query.as_str().into(),
        event.consents.as_str().into(),
    ]
}
