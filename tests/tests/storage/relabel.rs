//! Labelling anew: by the table in use, everything once, and nothing that was written meanwhile.

use gateway::labels::{Facts, Label, LabelSet, LabelTable};
use gateway::relabel::relabel;
use gateway::storage::sight::Viewer;
use gateway::storage::write_set::{GrantRow, Method, NewVersion, VersionId, WriteSet};
use serde_json::{Value, json};
use wellgate_tests::program::wellgate;
use wellgate_tests::vault::with_vault;

use crate::world::{ask, beginning, first, grant, key, put, read, stores, viewer};

/// More than a step has.
const MANY: usize = 230;

fn table(text: &str) -> LabelTable {
    LabelTable::read(text).expect("it is a table")
}

/// The built-in table is older; this one finds a code more.
fn newer() -> LabelTable {
    table("version 7\nsystem local urn:local\ncode local black PSY\n")
}

fn labels(codes: &[&str]) -> LabelSet {
    codes.iter().filter_map(|code| Label::from_code(code)).fold(LabelSet::NONE, LabelSet::with).of_resource()
}

fn observation(code: &str) -> Value {
    json!({"resourceType": "Observation", "code": {"coding": [{"system": "urn:local", "code": code}]}})
}

fn second(version: NewVersion) -> NewVersion {
    NewVersion { version: VersionId(2), method: Method::Put, replaces: true, ..version }
}

/// Who sees what is normal, for whom the newer table is in use.
fn limited() -> (GrantRow, Viewer) {
    let normal = labels(&[]);
    let permit = GrantRow {
        labels: normal.with_those_below().bits(),
        uncovered: normal.uncovered().bits(),
        ..grant("r", "c", 0, "permit", "organization/b")
    };
    (permit, Viewer { label_version: newer().version(), ..viewer("b") })
}

#[tokio::test]
async fn everything_is_labelled_by_the_newer_table_and_a_permit_of_labels_opens_it_again() {
    for (kind, url, store) in stores().await {
        let black = first(key("r", "Observation", "black"), &observation("black"));
        let white = first(key("r", "Observation", "white"), &observation("white"));
        let mut declared = observation("white");
        declared["meta"] =
            json!({"security": [{"system": Label::from_code("HIV").expect("a label").system(), "code": "HIV"}]});
        let declared = first(key("r", "Observation", "declared"), &declared);
        let gone = ["gone", "black-gone"]
            .map(|id| first(key("r", "Observation", id), &observation(id.strip_suffix("-gone").unwrap_or("white"))));
        let mut versions: Vec<NewVersion> =
            (0..MANY).map(|n| first(key("r", "Observation", &n.to_string()), &observation("white"))).collect();
        versions.extend([black.clone(), white.clone(), declared.clone()]);
        versions.extend(gone.clone());
        let mut set = beginning("r", "a", versions);
        let (permit, limited) = limited();
        set.grants.push(permit);
        store.apply(set).await.expect("new");
        let mut set = WriteSet::default();
        // An update that no longer says what was declared, one that says less, and two deletions.
        put(&mut set, second(first(declared.key.clone(), &observation("white"))));
        put(&mut set, second(first(black.key.clone(), &observation("white"))));
        for gone in gone.clone() {
            let body = String::new();
            put(&mut set, NewVersion { method: Method::Delete, body, facts: Facts::UNKNOWN, ..second(gone) });
        }
        store.apply(set).await.expect("nothing is asked");
        let bodies = "SELECT COALESCE(SUM(LENGTH(body) + version_id), 0) FROM resource";
        let before = ask(&url, &format!("SELECT CAST(({bodies}) AS TEXT)")).await;
        assert!(
            read(&store, limited.clone(), "Observation", "white").await.is_none(),
            "{kind}: labelled by nobody yet"
        );

        let stale = store.count_stale(newer().version()).await.expect("it answers");
        assert_eq!(stale, u64::try_from(MANY + 9).expect("few"), "{kind}");
        let mut told = Vec::new();
        let done = relabel(&store, &newer(), "", |progress| told.push(progress)).await.expect("it is done");
        assert_eq!(done, stale, "{kind}");
        assert!(told.len() > 1 && told.is_sorted_by_key(|progress| progress.done), "{kind}: {told:?}");
        assert!(told.last().is_some_and(|last| last.done == stale && last.total == stale), "{kind}: {told:?}");
        assert_eq!(store.count_stale(newer().version()).await.expect("it answers"), 0, "{kind}");
        let again = relabel(&store, &newer(), "", |_| panic!("there is nothing to do")).await.expect("it is done");
        assert_eq!(again, 0, "{kind}");

        let located = async |id: &str| store.locate("Observation", id).await.expect("it answers").expect("there").facts;
        assert_eq!(located("white").await.labels, labels(&[]), "{kind}");
        assert_eq!(located("black").await.labels, labels(&[]), "{kind}");
        assert!(
            located("declared").await.labels.contains(Label::from_code("HIV").expect("a label")),
            "{kind}: it stays"
        );
        for (gone, expected) in gone.iter().zip([labels(&[]), labels(&["PSY"])]) {
            let found = located(&gone.key.id).await;
            assert_eq!(found.labels, expected, "{kind}: a deletion by what it deleted");
            assert_eq!((found.data, found.atoms), (gone.facts.data, gone.facts.atoms.clone()), "{kind}: they stay");
        }
        let of_old = "SELECT CAST(labels AS TEXT) FROM resource_history WHERE id = 'black'";
        assert_eq!(
            ask(&url, of_old).await,
            labels(&["PSY"]).bits().to_string(),
            "{kind}: an old version by what it says"
        );
        assert_eq!(
            ask(&url, &format!("SELECT CAST(({bodies}) AS TEXT)")).await,
            before,
            "{kind}: nothing else changes"
        );

        assert!(read(&store, limited.clone(), "Observation", "white").await.is_some(), "{kind}");
        assert!(read(&store, limited.clone(), "Observation", "declared").await.is_none(), "{kind}");
        let more = store.relabel_deletions(newer().version(), 200).await.expect("it answers");
        assert_eq!(more, 0, "{kind}");
        let seen = read(&store, limited.clone(), "Observation", "gone").await;
        assert!(seen.is_some_and(|seen| seen.deleted), "{kind}");
        assert!(read(&store, limited.clone(), "Observation", "black-gone").await.is_none(), "{kind}");
    }
}

#[tokio::test]
async fn what_the_program_knows_better_by_now_is_labelled_anew_under_the_same_table() {
    for (kind, _, store) in stores().await {
        let mut bytes = first(key("r", "Binary", "b"), &json!({"resourceType": "Binary", "contentType": "text/plain"}));
        bytes.facts.labels = labels(&[]);
        bytes.facts.label_version = newer().version() - 1;
        let mut set = beginning("r", "a", vec![bytes]);
        let (permit, limited) = limited();
        set.grants.push(permit);
        store.apply(set).await.expect("new");
        assert!(read(&store, limited.clone(), "Binary", "b").await.is_none(), "{kind}");
        assert_eq!(relabel(&store, &newer(), "", |_| {}).await.expect("it is done"), 1, "{kind}");
        let found = store.locate("Binary", "b").await.expect("it answers").expect("it is there");
        assert_eq!(found.facts.labels, LabelSet::EVERY, "{kind}: bytes may be about anything");
        assert!(read(&store, limited, "Binary", "b").await.is_none(), "{kind}");
    }
}

#[tokio::test]
async fn a_step_takes_no_more_than_fits_but_one_at_least() {
    for (kind, _, store) in stores().await {
        let versions: Vec<NewVersion> =
            (0..5).map(|n| first(key("r", "Observation", &n.to_string()), &observation("black"))).collect();
        let bytes = u32::try_from(versions[0].body.len()).expect("short");
        store.apply(beginning("r", "a", versions)).await.expect("new");
        for (bytes_max, expected) in [(1, 1), (bytes, 1), (bytes + 1, 2), (3 * bytes, 3), (u32::MAX, 5)] {
            let found = store.stale(newer().version(), (200, bytes_max)).await.expect("it answers");
            assert_eq!(found.len(), expected, "{kind}: {bytes_max}");
        }
    }
}

#[tokio::test]
async fn it_goes_on_where_it_was_and_leaves_alone_what_was_written_meanwhile() {
    for (kind, _, store) in stores().await {
        let versions: Vec<NewVersion> =
            (0..5).map(|n| first(key("r", "Observation", &n.to_string()), &observation("black"))).collect();
        store.apply(beginning("r", "a", versions)).await.expect("new");
        let begun = store.stale(newer().version(), (2, u32::MAX)).await.expect("it answers");
        assert_eq!(begun.len(), 2, "{kind}");
        // Between question and answer one of the two is written by a gateway with a still newer table, the other is moved into
        // the history.
        let written = Facts { label_version: newer().version() + 2, labels: labels(&["HIV"]), ..Facts::UNKNOWN };
        let mut set = WriteSet::default();
        for version in &begun {
            put(
                &mut set,
                NewVersion { facts: written.clone(), ..second(first(version.key.clone(), &observation("white"))) },
            );
        }
        store.apply(set).await.expect("nothing is asked");
        let late = Facts { label_version: newer().version(), labels: labels(&["PSY"]), ..Facts::UNKNOWN };
        let late: Vec<_> = begun.into_iter().map(|version| (late.clone(), version)).collect();
        store.put_facts(&late).await.expect("it is written");
        for (_, version) in &late {
            let now = store.locate("Observation", &version.key.id).await.expect("it answers").expect("it is there");
            assert_eq!(
                (now.facts.label_version, now.facts.labels),
                (newer().version() + 2, labels(&["HIV"])),
                "{kind}: {:?}",
                version.key
            );
        }
        assert_eq!(
            store.count_stale(newer().version()).await.expect("it answers"),
            3,
            "{kind}: their old versions have theirs"
        );
        assert_eq!(relabel(&store, &newer(), "", |_| {}).await.expect("it is done"), 3, "{kind}");
        assert_eq!(store.count_stale(newer().version() + 2).await.expect("it answers"), 5, "{kind}");
    }
}

#[tokio::test]
async fn the_command_tells_how_far_it_is_and_what_it_did() {
    for (kind, url, store) in stores().await {
        let versions: Vec<NewVersion> =
            (0..MANY).map(|n| first(key("r", "Observation", &n.to_string()), &observation("black"))).collect();
        store.apply(beginning("r", "a", versions)).await.expect("new");
        let table = tempfile::NamedTempFile::new().expect("there is room");
        std::fs::write(table.path(), "version 7\nsystem local urn:local\ncode local black PSY\n")
            .expect("there is room");
        let keys = tempfile::tempdir().expect("there is room");
        let run = || {
            let mut command = wellgate();
            with_vault(&mut command, keys.path());
            command.arg("relabel").env("WELLGATE_LABELS_FILE", table.path()).env("WELLGATE_DATABASE_URL", &url);
            command.env("WELLGATE_SERVER_BASE_URL", "https://gateway.example.org/fhir");
            command.env("WELLGATE_AUTH_ISSUER", "https://login.example.org").env("WELLGATE_AUTH_AUDIENCE", "gateway");
            command.env("WELLGATE_AUTH_JWKS_URL", "https://login.example.org/jwks.json");
            let output = command.output().expect("the program is built");
            assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("it is text")
        };
        let said = run();
        assert!(said.starts_with("200 of 230\n230 of 230\n"), "{kind}: {said}");
        assert!(said.ends_with("by version 7 of the table; 230 versions were not.\n"), "{kind}: {said}");
        let located = store.locate("Observation", "0").await.expect("it answers").expect("it is there");
        assert_eq!(
            (located.facts.label_version, located.facts.labels),
            (newer().version(), labels(&["PSY"])),
            "{kind}"
        );
        assert_eq!(run(), "Everything is labelled by version 7 of the table; 0 versions were not.\n", "{kind}");
    }
}
