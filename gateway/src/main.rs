//! The `wellgate` command: reads the command line, calls the one function of the command, and says what went wrong.

use std::process::ExitCode;

use clap::Parser;
use gateway::cli::{
    BillingAction, Cli, ClientAction, Command, ConfigArguments, OrganizationAction, PersonAction, PoolAction,
    PractitionerAction, TdiAction,
};
use gateway::commands::{self, CommandError};
use gateway::config::{self, Config};

/// A request makes some hundred small values: with the system's allocator they are a seventh of its CPU time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Two TLS libraries would be possible in the dependency tree; the choice is made once, here.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("wellgate: a TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("wellgate: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            // A script tells a trail that was tampered with from one that could not be looked at.
            if matches!(error, CommandError::Tampered(_)) { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Sandbox(arguments) => Box::pin(commands::sandbox(arguments)).await,
        Command::Serve(arguments) => commands::serve(load(&arguments)?).await,
        Command::Migrate(arguments) => commands::migrate(load(&arguments)?).await,
        Command::Relabel(arguments) => commands::relabel(load(&arguments)?).await,
        Command::Organization(arguments) => {
            let config = match &arguments.action {
                OrganizationAction::Add(add) => &add.config,
                OrganizationAction::List(config) => config,
                OrganizationAction::Disable(disable) => &disable.config,
            };
            commands::organization(load(config)?, arguments.action).await
        }
        Command::Pool(arguments) => {
            let config = match &arguments.action {
                PoolAction::Add(add) => &add.config,
                PoolAction::List(config) => config,
            };
            commands::pool(load(config)?, arguments.action).await
        }
        Command::Client(arguments) => {
            let config = match &arguments.action {
                ClientAction::Add(add) => &add.config,
                ClientAction::List(config) => config,
                ClientAction::Rotate(rotate) => &rotate.config,
                ClientAction::Disable(disable) => &disable.config,
            };
            commands::client(load(config)?, arguments.action).await
        }
        Command::Practitioner(arguments) => {
            let config = match &arguments.action {
                PractitionerAction::Add(add) => &add.config,
                PractitionerAction::List(config) => config,
                PractitionerAction::Disable(disable) => &disable.config,
            };
            commands::practitioner(load(config)?, arguments.action).await
        }
        Command::Person(arguments) => {
            let config = match &arguments.action {
                PersonAction::Add(add) => &add.config,
                PersonAction::List(config) => config,
                PersonAction::Disable(disable) => &disable.config,
            };
            commands::person(load(config)?, arguments.action).await
        }
        Command::Audit(arguments) => Box::pin(commands::audit(arguments.action)).await,
        Command::Vault(arguments) => {
            Box::pin(commands::vault(load(arguments.action.config())?, arguments.action)).await
        }
        Command::Backup(arguments) => commands::backup(&load(&arguments.config)?, &arguments).await,
        Command::Restore(arguments) => commands::restore(&load(&arguments.config)?, &arguments).await,
        Command::Channel(arguments) => commands::channel(load(arguments.config())?, arguments.action).await,
        Command::Deliveries(arguments) => commands::deliveries(load(arguments.config())?, arguments.action).await,
        Command::Tdi(arguments) => {
            let config = match &arguments.action {
                TdiAction::Centre(centre) => &centre.config,
                TdiAction::Report(year) | TdiAction::File(year) => &year.config,
                TdiAction::Questionnaire(form) => return commands::print_questionnaire(form.language),
            };
            Box::pin(commands::tdi(load(config)?, arguments.action)).await
        }
        Command::Billing(arguments) => {
            let config = match &arguments.action {
                BillingAction::Party(party) => &party.config,
                BillingAction::Purge(purge) => &purge.config,
            };
            commands::billing(load(config)?, arguments.action).await
        }
        Command::Load(arguments) => commands::load(&arguments).await,
        Command::CheckConfig(arguments) => {
            print!("{}", commands::check_config(&arguments).await?);
            Ok(())
        }
    }
}

fn load(arguments: &ConfigArguments) -> Result<Config, CommandError> {
    Ok(Config::load(arguments.config.as_deref(), &config::environment())?)
}
