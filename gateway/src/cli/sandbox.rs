//! `wellgate sandbox`: a gateway to try things out on, and its demo.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `wellgate sandbox`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate sandbox                      everything in a temporary directory, gone when it stops
  wellgate sandbox --data ./sandbox     keep data, keys and tokens between runs
  wellgate sandbox --demo               play the story of a referral and of a billed month, then stay up to be tried out
  wellgate sandbox --demo=once          play it and stop: exit code 0 if all went as it should, else 1
  wellgate sandbox --demo --contacts 2000   the month of a whole centre

GET /sandbox describes the made-up organisations and partners; POST /sandbox/token gives a token for one of their clients.
Never for real patients: anyone who reaches a sandbox may ask it for a token.")]
pub struct SandboxArguments {
    /// Address and port to listen on [default: 127.0.0.1:8080]; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Directory to keep database and keys in; without it a temporary one, removed at the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// First port of the made-up partners (Co-prev, a record system, mail, Sciensano), one after the other in the order of `GET /sandbox`;
    /// without it free ones
    #[arg(long, value_name = "PORT")]
    pub partners_from: Option<u16>,
    /// First play a whole referral and a billed month over HTTP and print them for a person; then stay up, or with `--demo=once` stop. If
    /// the story does not go as it should, the exit code is 1. Only warnings are logged, unless a log level is set, and files of billing
    /// go as often as they like
    #[arg(long, value_name = "WHAT_THEN", num_args = 0..=1, require_equals = true, default_missing_value = "stay")]
    pub demo: Option<Demo>,
    /// How many contacts the month of the demo has
    #[arg(long, value_name = "COUNT", default_value_t = 100, requires = "demo", value_parser = clap::value_parser!(u16).range(100..=4_000))]
    pub contacts: u16,
}

/// What a sandbox does after its demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Demo {
    /// It stays up, to be tried out
    Stay,
    /// It stops
    Once,
}
