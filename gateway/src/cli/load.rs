//! `wellgate load`: resources from files to a gateway.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// `wellgate load`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate load --url https://gateway.example.org/fhir --token-file token ./export

Transactions and batches are sent as they are. Other resources (one in a file, the entries of other Bundles, the lines of NDJSON) go together in
transactions, directories and people first; references between them follow the ids that the gateway gives. What is not taken is told by file and line,
and the rest goes on.")]
pub struct LoadArguments {
    /// Where the gateway is, with /fhir
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// File with a bearer token: on the command line others could read it
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Resources of one transaction, at most
    #[arg(long, value_name = "COUNT", default_value = "100")]
    pub together: NonZeroUsize,
    /// Files (.json, .ndjson) or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}
