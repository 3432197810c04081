//! The drill: the real program is backed up under load, killed, restored elsewhere and started; what it showed before it shows again,
//! byte for byte.

use super::*;
use wellgate_tests::program::wellgate;
use wellgate_tests::vault::with_vault;

use crate::opening::execute;

/// Runs a command of the program on a place's database.
fn run(place: &Place, arguments: &[&str]) -> (bool, String) {
    let mut command = wellgate();
    with_vault(&mut command, place.directory.path()).args(arguments).env("WELLGATE_DATABASE_URL", place.url());
    command.env("WELLGATE_SERVER_BASE_URL", "https://gateway.example.org/fhir");
    command.env("WELLGATE_AUTH_AUDIENCE", "https://gateway.example.org/fhir");
    command.env("WELLGATE_AUTH_SIGNING_KEY_FILE", "unread.pem");
    let ended = tokio::task::block_in_place(|| command.output()).expect("the program is built");
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// What is at this address: the body and its version.
async fn shown(gateway: &Gateway, path: &str) -> (String, String) {
    let client = client();
    let token = gateway.token(&client).await;
    let answer =
        client.get(format!("{}/fhir/{path}", gateway.root)).bearer_auth(&token).send().await.expect("it answers");
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let version = answer.headers()["etag"].to_str().expect("text").to_owned();
    (version, answer.text().await.expect("a body"))
}

/// Writes a transaction, and answers where its resources are.
async fn written(gateway: &Gateway, client: &Client, token: &str, tag: &str) -> Vec<String> {
    let (status, body) = send(client, &gateway.root, token, tag).await.expect("it answers");
    assert_eq!(status, StatusCode::OK, "{body}");
    let bundle: Value = serde_json::from_str(&body).expect("a Bundle");
    let location = |entry: &Value| entry["response"]["location"].as_str().expect("a location").to_owned();
    let path = |location: String| {
        let parts: Vec<&str> = location.split("/_history").next().unwrap_or_default().rsplit('/').take(2).collect();
        format!("{}/{}", parts[1], parts[0])
    };
    bundle["entry"].as_array().expect("entries").iter().map(|entry| path(location(entry))).collect()
}

async fn drilled(kind: &str) {
    let Some(place) = Place::new(kind) else { return };
    let backups = tempfile::tempdir().expect("there is room");
    let folder = backups.path().display().to_string();
    let gateway = place.start().await;
    let client = client();
    let token = gateway.token(&client).await;
    let (mut paths, mut tags) = (Vec::new(), Vec::new());
    for number in 0..cases("WELLGATE_DRILL", 12) {
        let tag = format!("drill-{number}");
        paths.extend(written(&gateway, &client, &token, &tag).await);
        tags.push(tag);
    }
    let mut before = Vec::new();
    for path in &paths {
        before.push(shown(&gateway, path).await);
    }
    execute(
        &place.url(),
        "INSERT INTO delivery (compartment, id, partner, kind, resource_type, resource_id, version_id, state, attempts, due_ms, \
         leased_until_ms, fence) VALUES ('r', 'notice-1', 'organization/elp-beuk', 'status', 'Task', 'task-1', 1, 'waiting', 0, 1, 0, 0)",
    )
    .await;

    let load = load(&gateway, "load").await;
    load.is_under_way().await;
    let (is_taken, told) = run(&place, &["backup", "--to", &folder]);
    assert!(is_taken, "{kind}: {told}");
    assert!(!load.clients.is_finished(), "{kind}: the load goes on");
    gateway.kill();
    let known = load.ended().await;
    assert!(known.refused.is_empty(), "{kind}: a backup disturbs nobody: {:?}", known.refused);

    let files: Vec<_> =
        std::fs::read_dir(backups.path()).expect("it is there").map(|entry| entry.expect("listed").path()).collect();
    let backup = files.iter().find(|file| file.extension().is_none_or(|ending| ending != "json")).expect("a backup");
    let backup = backup.display().to_string();
    assert_eq!(files.len(), 2, "{kind}: {files:?}");
    let elsewhere = Place::new(kind).expect("there was one just now");
    // Keys are in no backup: whoever restores brings the key store of today, and the ring.
    for file in ["key-ring", "keys.sqlite", "keys.sqlite-wal"] {
        let (from, to) = (place.directory.path().join(file), elsewhere.directory.path().join(file));
        std::fs::copy(from, to).map_or_else(|error| assert_eq!(file, "keys.sqlite-wal", "{error}"), drop);
    }
    let (is_restored, told) = run(&elsewhere, &["restore", "--from", &backup, "--verify"]);
    assert!(is_restored && told.contains("each row is that of the backup"), "{kind}: {told}");
    let (is_again, told) = run(&elsewhere, &["restore", "--from", &backup]);
    assert!(!is_again, "{kind}: {told}");

    let restored = elsewhere.start().await;
    for (path, before) in paths.iter().zip(&before) {
        assert_eq!(&shown(&restored, path).await, before, "{kind}: {path}");
    }
    assert_eq!(missing(&restored, &tags).await, 0, "{kind}");
    assert_eq!(torn(&elsewhere.url()).await, 0, "{kind}: the backup is of one moment");
    // Whoever was acknowledged after the backup repeats the request under its key: it is done once.
    repeat(&restored, &known.acknowledged[known.acknowledged.len() - 1..]).await;
    assert_eq!(torn(&elsewhere.url()).await, 0, "{kind}");

    let (_, told) = run(&elsewhere, &["deliveries", "list", "--state", "held"]);
    assert!(told.contains("1 deliveries are held"), "{kind}: {told}");
    let named = ["notice-1", "status to organization/elp-beuk", "Task/task-1", " d ", "was waiting"];
    assert!(named.iter().all(|part| told.contains(part)), "{kind}: {told}");
    let (is_known, told) = run(&elsewhere, &["deliveries", "release", "notice-2"]);
    assert!(!is_known && told.contains("notice-2"), "{kind}: {told}");
    let (is_dropped, told) = run(&elsewhere, &["deliveries", "abandon", "notice-1"]);
    assert!(is_dropped && told.contains("1 deliveries are given up"), "{kind}: {told}");
    let (_, told) = run(&elsewhere, &["deliveries", "list", "--state", "held"]);
    assert!(told.contains("0 deliveries are held"), "{kind}: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backed_up_under_load_and_killed_it_shows_after_a_restore_what_it_showed_before_on_sqlite() {
    drilled("sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backed_up_under_load_and_killed_it_shows_after_a_restore_what_it_showed_before_on_postgresql() {
    drilled("postgres").await;
}
