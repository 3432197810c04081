//! What these tests build their stores from.

use std::str::FromStr as _;
use std::time::Duration;

use gateway::audit::{AuditEvent, Outcome};
use gateway::consent::{LawRule, Purpose, PurposeSet, Standing, without_consent};
use gateway::labels::{LabelTable, Source, facts};
use gateway::search::index::{IndexRow, index};
use gateway::search::parameters::type_name;
use gateway::search::query::{Query, QueryLimits, parse};
use gateway::storage::delivery::NewDelivery;
use gateway::storage::resource::{Seen, Shows, Unrecorded};
use gateway::storage::search::Page;
use gateway::storage::sight::Viewer;
use gateway::storage::write_set::{GrantRow, Method, NewVersion, RecordState, ResourceKey, VersionId, WriteSet};
use gateway::storage::{Store, StoreSettings};
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

/// A write set with the given members, or another with them replaced: its versions are private, for a permit is needed.
macro_rules! set {
    ($($member:ident $(: $value:expr)?),* $(,)?) => {
        set!($($member $(: $value)?),*; gateway::storage::write_set::WriteSet::default())
    };
    ($($member:ident $(: $value:expr)?),*; $base:expr) => {{
        let mut set = $base;
        $(set!(@put set $member $($value)?);)*
        set
    }};
    (@put $set:ident $member:ident $value:expr) => { $set.$member = $value };
    (@put $set:ident $member:ident) => { $set.$member = $member };
}
pub(crate) use set;

/// The moment at which everything here happens, unless it says otherwise.
pub(crate) const NOW_MS: i64 = 1_767_225_600_000;

/// A fresh store of each kind, with its kind and URL.
pub(crate) async fn stores() -> Vec<(&'static str, String, Store)> {
    let mut stores = Vec::new();
    for (kind, url) in wellgate_tests::databases() {
        let store = open(&url).await;
        stores.push((kind, url, store));
    }
    stores
}

pub(crate) async fn open(url: &str) -> Store {
    Store::open(&StoreSettings::new(url)).await.expect("a database of the tests can be opened")
}

/// The number in the environment, or what is enough for every run of all tests.
pub(crate) fn cases(variable: &str, usually: usize) -> usize {
    wellgate_tests::variable(variable).map_or(usually, |text| text.parse().expect("the variable is a number"))
}

/// Asks a database without the store: one text of one row.
pub(crate) async fn ask(url: &str, sql: &str) -> String {
    if !url.starts_with("sqlite:") {
        return wellgate_tests::postgres::query(url, sql);
    }
    let options =
        SqliteConnectOptions::from_str(url).expect("a URL of the tests").busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("the file is there");
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let text = sqlx::query_scalar::<_, Option<String>>(sql).fetch_one(&pool).await.expect("the statement is right");
    pool.close().await;
    text.unwrap_or_default()
}

/// The number of rows of every table that a write set writes.
pub(crate) async fn rows(url: &str) -> String {
    let tables = [
        "record",
        "resource",
        "resource_history",
        "search_index",
        "access_grant",
        "access_grant_data",
        "team_member",
        "closure",
        "representative",
        "sight",
        "referral_task",
        "audit_event",
        "delivery",
        "emergency_session",
        "crisis_disclosure",
        "consent_conflict",
        "idempotency_key",
    ];
    let counts: Vec<String> =
        tables.iter().map(|table| format!("'{table} ' || CAST((SELECT COUNT(*) FROM {table}) AS TEXT)")).collect();
    // A guard that was asked for and did not move says the same as none.
    let guards = "' guard ' || CAST((SELECT COUNT(*) FROM guard WHERE epoch > 0) AS TEXT)";
    let epochs = "' epochs ' || CAST((SELECT COALESCE(SUM(epoch), 0) FROM record) AS TEXT)";
    let versions = "' versions ' || CAST((SELECT COALESCE(SUM(version_id), 0) FROM resource) AS TEXT)";
    ask(url, &format!("SELECT {} || {guards} || {epochs} || {versions}", counts.join(" || ' ' || "))).await
}

/// An organisation of kind `elp` that asks for treatment.
pub(crate) fn viewer(organization: &str) -> Viewer {
    let treatment = Purpose::from_code("TREAT").expect("TREAT is a purpose");
    Viewer {
        organization: format!("organization/{organization}"),
        practitioner: String::new(),
        kind: "kind/elp".to_owned(),
        purpose: PurposeSet::NONE.with(treatment).bits(),
        now_ms: NOW_MS,
        person: String::new(),
        types: String::new(),
        label_version: LabelTable::built_in().version(),
    }
}

pub(crate) fn key(compartment: &str, resource_type: &str, id: &str) -> ResourceKey {
    let resource_type = type_name(resource_type).expect("a type of R4");
    ResourceKey { compartment: compartment.to_owned(), resource_type, id: id.to_owned() }
}

pub(crate) fn record(compartment: &str, custodian: &str) -> RecordState {
    let custodian = format!("organization/{custodian}");
    RecordState { compartment: compartment.to_owned(), custodian, epoch: 1, chain: None }
}

/// The first version of a resource, found by all that it says.
pub(crate) fn first(key: ResourceKey, resource: &Value) -> NewVersion {
    let index = index(key.resource_type, resource).into_iter().map(|row| (row, 1)).collect();
    let source = Source { id: &key.id, author: "organization/a", recorded_ms: NOW_MS, base_url: "" };
    let facts = facts(&LabelTable::built_in(), key.resource_type, resource, source);
    NewVersion {
        key,
        version: VersionId(1),
        last_updated_ms: NOW_MS,
        author: "organization/a".to_owned(),
        method: Method::Post,
        body: resource.to_string(),
        minimum: None,
        holes: None,
        index,
        facts,
        replaces: false,
    }
}

/// A rule about everything, for one grantee.
pub(crate) fn grant(compartment: &str, consent_id: &str, rule: i64, effect: &'static str, grantee: &str) -> GrantRow {
    GrantRow {
        compartment: compartment.to_owned(),
        consent_id: consent_id.to_owned(),
        rule,
        grantee: grantee.to_owned(),
        effect,
        excepts: None,
        purposes: i64::MAX,
        from_ms: i64::MIN,
        until_ms: i64::MAX,
        labels: -1,
        uncovered: 0,
        data_from_ms: i64::MIN,
        data_until_ms: i64::MAX,
        types: String::new(),
        has_data: false,
    }
}

/// A version with the given index rows, sight bits beside them.
pub(crate) fn indexed(key: ResourceKey, rows: Vec<(IndexRow, i64)>) -> NewVersion {
    NewVersion { index: rows, ..first(key, &Value::Null) }
}

pub(crate) fn row(parameter: &'static str, system: &str, value: &str) -> IndexRow {
    IndexRow { parameter, system: system.to_owned(), value: value.to_owned(), low_ms: None, high_ms: None, part: 0 }
}

pub(crate) fn date_row(parameter: &'static str, low_ms: i64, high_ms: i64) -> IndexRow {
    let (low_ms, high_ms) = (Some(low_ms), Some(high_ms));
    IndexRow { parameter, system: String::new(), value: String::new(), low_ms, high_ms, part: 0 }
}

pub(crate) fn put(set: &mut WriteSet, version: NewVersion) {
    let permit = without_consent(Standing::Law { rule: LawRule("test") }).expect("a named rule needs no consent");
    set.write(&permit, version);
}

/// A write set that begins a record and puts these versions into it.
pub(crate) fn beginning(compartment: &str, custodian: &str, versions: Vec<NewVersion>) -> WriteSet {
    let mut set = set!(new_records: vec![record(compartment, custodian)], );
    for version in versions {
        put(&mut set, version);
    }
    set
}

pub(crate) fn event(compartment: &str, recorded_ms: i64, outcome: Outcome) -> AuditEvent {
    AuditEvent {
        compartment: compartment.to_owned(),
        id: AuditEvent::fresh_id(),
        recorded_ms,
        action: "R",
        subtype: "read",
        outcome,
        reason: if outcome == Outcome::Success { String::new() } else { "no-consent".to_owned() },
        organization: "organization/b".to_owned(),
        client: "b-ehr".to_owned(),
        practitioner: String::new(),
        purpose: "TREAT".to_owned(),
        basis: "consent",
        resource_type: "Patient".to_owned(),
        resource_id: "1".to_owned(),
        version_id: 1,
        request_id: "request".to_owned(),
        case_id: String::new(),
        network: "192.0.2.1".to_owned(),
        query: String::new(),
        consents: "consent-1 consent-2".to_owned(),
    }
}

/// Records what was read, as everyone must, and looks into it.
pub(crate) async fn recorded<T: Shows>(store: &Store, value: Unrecorded<T>) -> T {
    let event = |touched: &gateway::storage::resource::Touched| event(&touched.compartment, NOW_MS, Outcome::Success);
    store.record(value, event, Vec::new()).await.expect("the trail can be written")
}

pub(crate) async fn read(store: &Store, viewer: Viewer, resource_type: &'static str, id: &str) -> Option<Seen> {
    let found = store.read(viewer, resource_type, id).await.expect("the database answers");
    recorded(store, found).await
}

/// A query as a client writes it: `family=claes&_sort=-birthdate`.
pub(crate) fn query(resource_type: &str, text: &str) -> Query {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse(resource_type, &pairs, QueryLimits::default()).expect("a query that is served")
}

/// The ids that a query finds on its first page.
pub(crate) async fn found(store: &Store, viewer: &Viewer, resource_type: &'static str, text: &str) -> Vec<String> {
    ids(&search(store, viewer, resource_type, &query(resource_type, text)).await)
}

/// The first page, which must have as many matches as it counts unless it is cut.
pub(crate) async fn search(store: &Store, viewer: &Viewer, resource_type: &'static str, query: &Query) -> Page {
    let page =
        store.search(viewer, resource_type, query, (None, usize::MAX), true).await.expect("the database answers");
    let page = recorded(store, page).await;
    if page.next.is_none() && query.count > 0 {
        assert_eq!(page.total, u64::try_from(page.matches.len()).ok(), "the total is the number of matches");
    }
    page
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    page.matches.iter().map(|seen| seen.key.id.clone()).collect()
}

/// A delivery about a Task of the record `r`, due now.
pub(crate) fn delivery(id: &str, partner: &str, resource: &str) -> NewDelivery {
    NewDelivery {
        compartment: "r".to_owned(),
        id: id.to_owned(),
        partner: partner.to_owned(),
        kind: "status".into(),
        resource_type: "Task",
        resource_id: resource.to_owned(),
        version: VersionId(1),
        due_ms: NOW_MS,
    }
}
