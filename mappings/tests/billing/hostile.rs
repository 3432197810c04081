//! Files that nobody would send: cut, changed at random, full of other bytes. None breaks the reader, and none passes for right.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mappings::billing::{Checker, FileReader, Language, ReadError, ReadLimits, explain};

use crate::any::{Chance, file, variable};
use crate::sample::{checks, sample, written};

const SAMPLE: u64 = 2_000;

/// Reads whatever it is to its end, as the program does, and looks at everything.
fn look_at(bytes: &[u8]) -> Result<u64, ReadError> {
    let limits = ReadLimits { records_max: 1_000, ..ReadLimits::default() };
    let mut reader = FileReader::new(Cursor::new(bytes), limits)?;
    let mut checker = Checker::new(checks());
    checker.head(reader.head());
    let mut count = 0;
    while let Some(raw) = reader.next_record()? {
        assert!(matches!(raw.bytes().len(), 350 | 800));
        if let Some(Ok(record)) = raw.read() {
            // A record that is read can be written, though not always in the same characters: reserved zones are not kept.
            assert!(record.write().is_ok());
        }
        if let Some(Ok(detail)) = raw.detail() {
            assert!(detail.errors.len() <= 3);
            for error in &detail.errors {
                assert_eq!(explain(&error.code, Language::En).code, error.code);
            }
        }
        checker.record(raw);
        count += 1;
    }
    let report = checker.finish();
    assert!(report.findings.len() <= checks().findings_max);
    Ok(count)
}

/// One to four changes: bytes, pieces cut out, pieces doubled, the end cut off.
fn mutated(input: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.place(bytes.len() + 1);
        let until = (at + chance.place(400)).min(bytes.len());
        match chance.below(6) {
            0 => drop(bytes.drain(at..until)),
            1 => {
                let piece = bytes[at..until].to_vec();
                drop(bytes.splice(at..at, piece));
            }
            2 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] = u8::try_from(chance.below(256)).expect("it fits"),
            _ => bytes.push(b'0'),
        }
    }
    bytes
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seeds/billing")
}

/// An input that does not hold is kept, to be committed with what mends it.
fn held(input: &[u8]) {
    let looked = catch_unwind(AssertUnwindSafe(|| drop(look_at(input))));
    let Err(panic) = looked else { return };
    let name = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let file = seeds().join(format!("found-{name:016x}"));
    let _ = std::fs::create_dir_all(seeds()).and_then(|()| std::fs::write(&file, input));
    println!("billing: {} does not hold", file.display());
    resume_unwind(panic);
}

/// What was found by a long run, and files and answers that are right.
fn inputs() -> Vec<Vec<u8>> {
    let found = std::fs::read_dir(seeds()).into_iter().flatten().flatten();
    let mut inputs: Vec<Vec<u8>> = found.filter_map(|entry| std::fs::read(entry.path()).ok()).collect();
    inputs.sort();
    inputs.push(sample());
    inputs.extend(crate::answers::answers());
    for seed in 0..8 {
        let (sending, invoices) = file(&mut Chance::new(seed));
        inputs.push(written(sending, &invoices).0);
    }
    inputs
}

#[test]
fn fuzz_billing() {
    let inputs = inputs();
    for input in &inputs {
        held(input);
    }
    let minutes = variable("WELLGATE_FUZZ_MINUTES");
    let seed = variable("WELLGATE_FUZZ_SEED").unwrap_or(1);
    let mut chance = Chance::new(seed);
    let (begun, time) = (Instant::now(), minutes.map(|minutes| Duration::from_secs(60 * minutes)));
    let mut tried = 0;
    while time.map_or(tried < SAMPLE, |time| begun.elapsed() < time) {
        held(&mutated(&inputs[chance.place(inputs.len())], &mut chance));
        tried += 1;
    }
    println!("billing: {tried} inputs, seed {seed}");
}

#[test]
fn a_file_that_ends_anywhere_is_read_up_to_there_and_the_end_is_named() {
    let whole = sample();
    // Seven divides 350: each record is cut at the same places, and at its end.
    for length in (3..whole.len()).step_by(7) {
        match look_at(&whole[..length]) {
            Ok(_) => assert_eq!((length - 227) % 350, 0, "{length}"),
            Err(ReadError::Truncated { at, wanted, found }) => {
                assert_eq!(usize::try_from(at).expect("it fits") + found, length);
                assert!(found < wanted);
            }
            Err(error) => panic!("{length}: {error}"),
        }
    }
}
