//! Packages that are right, and hostile ones: each is refused with the file named.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

const VALUE_SET: &str = r#"{"resourceType": "ValueSet", "url": "https://example.org/v", "text": {"div": "long"}}"#;

fn folder() -> TempDir {
    TempDir::new().expect("a temporary directory can be made")
}

/// An archive with these entries, each under its name as it is written, however wrong.
fn archive(entries: &[(&str, &[u8], tar::EntryType)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content, kind) in entries {
        let mut header = tar::Header::new_gnu();
        // By the bytes of the header: the library's own setter refuses a path that leads out.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(u64::try_from(content.len()).expect("it is short"));
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).expect("memory takes it");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("memory takes it")
}

fn read_archive(entries: &[(&str, &[u8], tar::EntryType)], bytes_max: u64) -> Result<Vec<Source>, PackagesError> {
    let folder = folder();
    let mut file = File::create(folder.path().join("a.tgz")).expect("the folder is there");
    file.write_all(&archive(entries)).expect("there is room");
    read(folder.path(), bytes_max)
}

#[test]
fn definitions_are_read_from_folders_and_archives_and_the_rest_is_passed_over() {
    use tar::EntryType::{Directory, Regular};
    let found = read_archive(
        &[
            ("package", b"", Directory),
            ("package/ValueSet-v.json", VALUE_SET.as_bytes(), Regular),
            ("package/package.json", b"{\"name\": \"x\"}", Regular),
            ("package/.index.json", b"no JSON", Regular),
            ("package/example/ValueSet-w.json", b"no JSON", Regular),
            ("package/Patient-1.json", b"{\"resourceType\": \"Patient\"}", Regular),
            ("package/readme.md", b"words", Regular),
        ],
        100_000,
    );
    let found = found.expect("it is right");
    assert_eq!(found.len(), 1);
    assert!(found[0].name.ends_with("a.tgz: package/ValueSet-v.json") && found[0].resource.get("text").is_none());

    let folder = folder();
    std::fs::create_dir(folder.path().join("guide")).expect("the folder is there");
    std::fs::write(folder.path().join("guide/ValueSet-v.json"), VALUE_SET).expect("there is room");
    assert_eq!(read(folder.path(), 10_000).expect("it is right").len(), 1);
}

#[test]
fn a_hostile_archive_is_refused_with_the_file_named() {
    use tar::EntryType::{Link, Regular, Symlink};
    let refused = |entries: &[(&str, &[u8], tar::EntryType)], expected: &str| {
        let error = read_archive(entries, 8_192).expect_err("it is hostile").to_string();
        assert!(error.contains("a.tgz") && error.contains(expected), "{error}");
    };
    refused(&[("../ValueSet-v.json", VALUE_SET.as_bytes(), Regular)], "leads out");
    refused(&[("/etc/ValueSet-v.json", VALUE_SET.as_bytes(), Regular)], "leads out");
    refused(&[("package/x/../../../ValueSet-v.json", VALUE_SET.as_bytes(), Regular)], "leads out");
    refused(&[("package/ValueSet-v.json", b"", Symlink)], "is a link");
    refused(&[("package/ValueSet-v.json", b"", Link)], "is a link");
    refused(&[("package/ValueSet-v.json", b"{", Regular)], "not JSON");
    refused(&[("package/ValueSet-v.json", b"{\"a\": 1, \"a\": 2}", Regular)], "twice");
    let deep = format!("{}{}", "{\"a\":".repeat(500), "1");
    refused(&[("package/ValueSet-v.json", deep.as_bytes(), Regular)], "ValueSet-v.json");
    let large = vec![b' '; 9_000];
    refused(&[("package/ValueSet-v.json", &large, Regular)], "more than 8192 bytes");
    // Zeros pack a thousandfold: what is passed over counts as well.
    let bomb = vec![0; 100_000];
    assert!(read_archive(&[("package/bomb.bin", &bomb, Regular)], 8_192).is_err());
}

#[test]
fn what_is_no_archive_and_no_folder_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("a.tgz"), "no archive").expect("there is room");
    assert!(read(folder.path(), 10_000).expect_err("it is none").to_string().contains("a.tgz cannot be read"));
    let missing = read(&folder.path().join("missing"), 10_000).expect_err("it is not there").to_string();
    assert!(missing.contains("missing cannot be read"), "{missing}");
    let within = folder.path().join("1/2/3/4/5/6");
    std::fs::create_dir_all(within).expect("there is room");
    std::fs::remove_file(folder.path().join("a.tgz")).expect("it is there");
    assert!(read(folder.path(), 10_000).expect_err("it is deep").to_string().contains("within each other"));
}
