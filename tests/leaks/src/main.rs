//! The leak kit as a program: `wellgate-leaks --base URL --viewer Organization/…`, with the two tokens in the environment.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wellgate_leaks::channels::table;
use wellgate_leaks::compare::DECLARED;
use wellgate_leaks::run::{Options, run};

/// Asks a FHIR R4 server whether its answers tell of what a viewer may not see.
#[derive(Debug, Parser)]
#[command(name = "wellgate-leaks", version)]
struct Arguments {
    /// The FHIR base URL.
    #[arg(long, env = "LEAKS_BASE", required_unless_present = "channels")]
    base: Option<String>,
    /// The token of the client that makes the twins and their Consents.
    #[arg(long, env = "LEAKS_CUSTODIAN_TOKEN", hide_env_values = true, required_unless_present = "channels")]
    custodian_token: Option<String>,
    /// The token of the client that is tested.
    #[arg(long, env = "LEAKS_VIEWER_TOKEN", hide_env_values = true, required_unless_present = "channels")]
    viewer_token: Option<String>,
    /// The viewer as a Consent names it: `Organization/…` or `Practitioner/…`.
    #[arg(long, env = "LEAKS_VIEWER", required_unless_present = "channels")]
    viewer: Option<String>,
    /// The purpose of use in the viewer's token.
    #[arg(long, default_value = "TREAT")]
    purpose: String,
    /// About how many comparisons to make; fewer where the server offers less.
    #[arg(long, default_value_t = 20_000)]
    checks: usize,
    /// The seed of their choice and order.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests at once.
    #[arg(long, default_value_t = 16)]
    at_once: usize,
    /// How often the median time of one side may be that of the other.
    #[arg(long, default_value_t = 1.5)]
    timing_bound: f64,
    /// Samples a side of each timing; 0 for none.
    #[arg(long, default_value_t = 200)]
    timing_samples: usize,
    /// Where to write the report as JSON.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print the channels and the declared fields, and ask nothing.
    #[arg(long)]
    channels: bool,
}

/// The declared fields, a line each.
fn declared() -> String {
    DECLARED.map(|field| format!("- {field}\n")).concat()
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.channels {
        println!("{}", table());
        print!("{}", declared());
        return ExitCode::SUCCESS;
    }
    let options = Options {
        base: arguments.base.unwrap_or_default(),
        custodian_token: arguments.custodian_token.unwrap_or_default(),
        viewer_token: arguments.viewer_token.unwrap_or_default(),
        viewer: arguments.viewer.unwrap_or_default(),
        purpose: arguments.purpose,
        checks: arguments.checks,
        seed: arguments.seed,
        at_once: arguments.at_once,
        timing_bound: arguments.timing_bound,
        timing_samples: arguments.timing_samples,
    };
    let report = match run(&options).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("the kit could not run: {error}");
            return ExitCode::from(2);
        }
    };
    println!("Not compared, as declared:");
    print!("{}", declared());
    print!("\n{}", report.text());
    if let Some(path) = arguments.report
        && let Err(error) = std::fs::write(&path, format!("{:#}\n", report.json()))
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::from(2);
    }
    if report.differences() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
