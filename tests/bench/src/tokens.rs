//! What it costs to believe a token: one that was never seen, and one that was.

use std::io;
use std::time::{Duration, Instant};

use gateway::auth::{Issuer, KeySet, TokenGrant, Verifier};
use gateway::config::TokenAlgorithm;

use crate::report::{Goal, Report};

const ISSUER: &str = "https://issuer.example.org";
const AUDIENCE: &str = "https://gateway.example.org/fhir";
const NOW_MS: i64 = 1_772_366_400_000;
const TOKENS: usize = 4_000;

/// One thread does nothing else, so its time is that of the processor. Each round has tokens that no other had.
pub(crate) fn measure(report: &mut Report, rounds: usize) -> io::Result<()> {
    (0..rounds).try_for_each(|_| round(report))
}

fn round(report: &mut Report) -> io::Result<()> {
    let key = Issuer::generate_key().map_err(io::Error::other)?;
    let issuer = Issuer::new(ISSUER, AUDIENCE, &key).map_err(io::Error::other)?;
    let keys = KeySet::from_jwks(issuer.jwks(), &[TokenAlgorithm::Es256]).map_err(io::Error::other)?;
    let verifier = Verifier::new(ISSUER, AUDIENCE, Duration::from_mins(1), keys);
    let grant = TokenGrant {
        client_id: "client-1",
        organization_id: "organization-1",
        practitioner_id: None,
        fhir_user: None,
        purpose: "TREAT",
        scope: "system/*.cruds",
        certificate: None,
        lifetime_seconds: 3_600,
    };
    let issue = |n: usize| issuer.issue(&grant, &n.to_string(), NOW_MS).map_err(io::Error::other);
    let tokens: Vec<String> = (0..TOKENS).map(issue).collect::<io::Result<_>>()?;
    for (name, limit_us) in [("token, seen first", 60.0), ("token, seen before", 60.0)] {
        let begun = Instant::now();
        for token in &tokens {
            verifier.verify(token, NOW_MS).map_err(io::Error::other)?;
        }
        let each_us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(TOKENS).unwrap_or(1));
        report.add(name, ("µs", Goal::AtMost(limit_us)), (each_us, None), "");
    }
    Ok(())
}
