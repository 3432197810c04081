//! The container files: what people copy from them works.

use std::process::Output;

use wellgate_tests::program::wellgate;
use wellgate_tests::project;

fn check_sample(variables: &[(&str, &str)]) -> Output {
    let mut command = wellgate();
    command.arg("check-config").arg("--config").arg(project().join("docker/wellgate.toml"));
    command.envs(variables.iter().copied()).output().expect("the program runs")
}

#[test]
fn the_sample_configuration_lacks_nothing_but_the_database() {
    let directory = tempfile::tempdir().expect("there is room");
    let ring = directory.path().join("key-ring");
    gateway::key_ring::add_key(&ring, 1).expect("there is room");
    let ring = ("WELLGATE_VAULT_KEY_RING_FILE", ring.to_str().expect("it is text"));
    let complete = check_sample(&[ring, ("WELLGATE_DATABASE_URL", "postgres://wellgate:PASSWORD@postgres/wellgate")]);
    assert!(complete.status.success(), "{}", String::from_utf8_lossy(&complete.stderr));
    let incomplete = check_sample(&[ring]);
    assert!(!incomplete.status.success());
    assert_eq!(String::from_utf8_lossy(&incomplete.stderr), "database.url: is required\n");
}
