//! Backups and databases from them: whole or not at all, and nothing written over.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gateway::backup::{BackupError, Manifest, restore, take};
use gateway::storage::{OpenError, Store, StoreSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::opening::execute;
use crate::world::{NOW_MS, ask, beginning, first, key, open, read, rows, stores, viewer};

/// Something that is done to a manifest.
type Edit = fn(&mut Value);

/// A backup of one record, and where to restore it.
struct Backed {
    kind: &'static str,
    folder: TempDir,
    file: PathBuf,
    url: String,
}

async fn backed() -> Vec<Backed> {
    let mut all = Vec::new();
    for (kind, url, store) in stores().await {
        let patient = first(key("r", "Patient", "r"), &json!({"id": "r", "name": "Ünïcode 'quoted'"}));
        store.apply(beginning("r", "a", vec![patient])).await.expect("new");
        let folder = tempfile::tempdir().expect("there is room");
        let taken = take(&url, folder.path(), NOW_MS).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        store.close().await;
        all.push(Backed { kind, folder, file: taken.file, url });
    }
    all
}

impl Backed {
    /// An empty database of the same kind.
    fn fresh(&self) -> String {
        let database = wellgate_tests::databases().into_iter().find(|(kind, _)| *kind == self.kind);
        database.expect("there was one just now").1
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("it is there");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn edit_manifest(&self, edit: impl FnOnce(&mut Value)) {
        let path = Manifest::path(&self.file);
        let mut manifest: Value =
            serde_json::from_slice(&std::fs::read(&path).expect("it is there")).expect("it is JSON");
        edit(&mut manifest);
        std::fs::write(path, manifest.to_string()).expect("there is room");
    }

    async fn refused(&self, url: &str, verify: bool) -> BackupError {
        restore(&self.file, url, verify, NOW_MS).await.err().unwrap_or_else(|| panic!("{}: not refused", self.kind))
    }
}

/// Nothing is under the database's name, nor beside it.
fn is_untouched(url: &str) -> bool {
    let path = Path::new(url.trim_start_matches("sqlite:"));
    std::fs::read_dir(path.parent().expect("a folder")).expect("it is there").count() == 0
}

#[tokio::test]
async fn a_backup_becomes_a_database_with_every_row_of_the_first() {
    for backed in backed().await {
        for verify in [true, false] {
            let url = backed.fresh();
            let restored = restore(&backed.file, &url, verify, NOW_MS).await.expect(backed.kind);
            assert!(restored.manifest.rows() > 1);
            let store = open(&url).await;
            assert_eq!(rows(&url).await, rows(&backed.url).await, "{}", backed.kind);
            let seen = read(&store, viewer("a"), "Patient", "r").await.expect("it is there");
            assert_eq!(seen.body, r#"{"id":"r","name":"Ünïcode 'quoted'"}"#, "{}", backed.kind);
            // It can be backed up itself.
            let again =
                take(&url, &backed.folder.path().join(format!("again-{verify}")), NOW_MS).await.expect(backed.kind);
            let third = backed.fresh();
            restore(&again.file, &third, true, NOW_MS).await.expect(backed.kind);
            open(&third).await.close().await;
        }
    }
}

#[tokio::test]
async fn a_backup_is_its_owners_alone_and_leaves_nothing_half_behind() {
    for backed in backed().await {
        let ending = if backed.kind == "sqlite" { "sqlite" } else { "dump" };
        let name = format!("wellgate-2026-01-01T000000Z.{ending}");
        assert_eq!(backed.names(), [name.clone(), format!("{name}.manifest.json")], "{}", backed.kind);
        for file in [backed.file.clone(), Manifest::path(&backed.file)] {
            let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
        let before = std::fs::read(&backed.file).expect("it is there");
        for to in [backed.folder.path(), &backed.file] {
            let refused = take(&backed.url, to, NOW_MS).await.expect_err("the name is taken");
            assert!(matches!(refused, BackupError::Exists(_)), "{refused}");
        }
        assert_eq!(std::fs::read(&backed.file).expect("it is there"), before);
        let nowhere = if backed.kind == "sqlite" { "sqlite:/nonexistent/x" } else { "postgres://nobody@127.0.0.1:1/x" };
        assert!(take(nowhere, &backed.folder.path().join("other"), NOW_MS).await.is_err());
        assert_eq!(backed.names().len(), 2, "a backup that fails leaves nothing");
    }
}

#[tokio::test]
async fn nothing_is_restored_over_what_is_there() {
    for backed in backed().await {
        let url = backed.fresh();
        execute(&url, "CREATE TABLE kept (id BIGINT)").await;
        let refused = backed.refused(&url, true).await;
        assert!(matches!(refused, BackupError::Exists(_) | BackupError::NotEmpty), "{refused}");
        assert_eq!(ask(&url, "SELECT CAST(COUNT(*) AS TEXT) FROM kept").await, "0", "{}", backed.kind);
        if backed.kind == "sqlite" {
            let url = backed.fresh();
            let log = format!("{}-wal", url.trim_start_matches("sqlite:"));
            std::fs::write(&log, "of a database that was removed").expect("there is room");
            assert!(matches!(backed.refused(&url, true).await, BackupError::Exists(path) if path == Path::new(&log)));
        }
    }
}

#[tokio::test]
async fn a_backup_that_is_not_what_its_manifest_says_becomes_no_database() {
    for backed in backed().await {
        let url = backed.fresh();
        let whole = std::fs::read(&backed.file).expect("it is there");
        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        for bytes in [&altered[..], &whole[..whole.len() - 1], b""] {
            std::fs::write(&backed.file, bytes).expect("there is room");
            assert!(matches!(backed.refused(&url, false).await, BackupError::Differs(_)), "{}", backed.kind);
        }
        std::fs::write(&backed.file, &whole).expect("there is room");
        let refusals: [(&str, Edit); 4] = [
            ("form 2", |manifest| manifest["format"] = json!(2)),
            ("newer version", |manifest| manifest["contents"]["schema_version"] = json!(9999)),
            ("backup of", |manifest| {
                let other = if manifest["database"] == "sqlite" { "postgres" } else { "sqlite" };
                manifest["database"] = json!(other);
            }),
            ("SHA-256", |manifest| manifest["sha256"] = json!("0")),
        ];
        let manifest = std::fs::read(Manifest::path(&backed.file)).expect("it is there");
        for (named, edit) in refusals {
            backed.edit_manifest(edit);
            let refused = backed.refused(&url, true).await.to_string();
            assert!(refused.contains(named), "{}: {refused}", backed.kind);
            std::fs::write(Manifest::path(&backed.file), &manifest).expect("there is room");
        }
        if backed.kind == "sqlite" {
            assert!(is_untouched(&url));
        }
        std::fs::remove_file(Manifest::path(&backed.file)).expect("it was there");
        let refused = backed.refused(&url, true).await;
        assert!(matches!(refused, BackupError::Manifest { .. }), "{refused}");
    }
}

#[tokio::test]
async fn rows_that_are_not_those_of_the_manifest_open_no_more() {
    for backed in backed().await {
        let table = |manifest: &mut Value, edit: fn(&mut Value)| {
            let tables = manifest["contents"]["tables"].as_array_mut().expect("tables");
            edit(tables.iter_mut().find(|table| table["name"] == "resource").expect("it is there"));
        };
        backed.edit_manifest(|manifest| table(manifest, |table| table["hash"] = json!("0".repeat(64))));
        let unverified = backed.fresh();
        restore(&backed.file, &unverified, false, NOW_MS).await.expect("hashes were not asked for");
        for edit in [|_: &mut Value| {}, |table: &mut Value| table["rows"] = json!(2)] {
            backed.edit_manifest(|manifest| table(manifest, edit));
            let url = backed.fresh();
            let refused = backed.refused(&url, true).await;
            assert!(matches!(&refused, BackupError::Differs(what) if what.contains("resource")), "{refused}");
            if backed.kind == "sqlite" {
                assert!(is_untouched(&url));
            } else {
                let opened = Store::open(&StoreSettings::new(&url)).await;
                assert!(matches!(opened, Err(OpenError::Unfinished)), "{}", backed.kind);
            }
        }
    }
}

#[tokio::test]
async fn an_older_schema_is_restored_as_it_was_and_brought_up_to_date_when_it_is_opened() {
    for (kind, url, store) in stores().await {
        store.close().await;
        let later = "channel treatment_centre treatment_demand subscription subscription_event intake billing_party \
                     insured_person claim_line sending sending_total billing_message billing_part export_job async_answer async_job stale_index \
                     text_index index_setting";
        for table in later.split_whitespace() {
            execute(&url, &format!("DROP TABLE {table}")).await;
        }
        if kind == "sqlite" {
            execute(&url, "DROP TABLE text_words").await;
        }
        for index in [
            "delivery_id",
            "delivery_of_subscription",
            "delivery_of_resource",
            "team_member_by_member",
            "access_grant_of_period",
            "search_index_of_value",
        ] {
            execute(&url, &format!("DROP INDEX {index}")).await;
        }
        let by_value = "CREATE INDEX search_index_by_value ON search_index (resource_type, parameter, value, system)";
        execute(&url, by_value).await;
        for column in ["asks", "inquiries", "made_ms", "settled_ms", "cause", "cause_text", "parent"] {
            execute(&url, &format!("ALTER TABLE delivery DROP COLUMN {column}")).await;
        }
        execute(&url, "ALTER TABLE search_index DROP COLUMN part").await;
        execute(&url, "DELETE FROM _sqlx_migrations WHERE version >= 13").await;
        let folder = tempfile::tempdir().expect("there is room");
        let taken = take(&url, folder.path(), NOW_MS).await.expect(kind);
        let older = wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind).expect("as before").1;
        restore(&taken.file, &older, true, NOW_MS).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let store = open(&older).await;
        let held = store.list_deliveries(Some("held"), None, 1).await.expect("the columns are there");
        assert_eq!(held, (Vec::new(), 0), "{kind}");
    }
}
