//! `wellgate client`: the programs that may call.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArguments, Disable, fhir_id, purpose};

/// `wellgate client`
#[derive(Args, Debug)]
pub struct ClientArguments {
    /// What to do with clients.
    #[command(subcommand)]
    pub action: ClientAction,
}

/// What can be done with clients.
#[derive(Debug, Subcommand)]
pub enum ClientAction {
    /// Let a client call for an organisation
    Add(ClientAdd),
    /// Print every client with its organisation, purposes, keys, scopes and state
    List(ConfigArguments),
    /// Put other keys in place of those by which a client proves itself
    Rotate(ClientRotate),
    /// Refuse a client from now on, whatever tokens it holds
    Disable(Disable),
}

/// `wellgate client add`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  wellgate client add --config wellgate.toml --id cgg-noord-ehr --organization cgg-noord --purpose TREAT \\
      --jwks cgg-noord.jwks.json --scope 'system/*.cruds'
  wellgate client add --config wellgate.toml --id cgg-noord-billing --organization cgg-noord --purpose HPAYMT
  wellgate client add --config wellgate.toml --id portal-app --organization portal --person-app \\
      --purpose PATRQT --purpose FAMRQT

The first gets its tokens from the gateway (/.well-known/smart-configuration), the others from the issuer in the configuration.
Who is registered again is changed: give everything anew.")]
pub struct ClientAdd {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// The `client_id` that its tokens carry
    #[arg(long, value_name = "CLIENT_ID")]
    pub id: String,
    /// The organisation that it calls for
    #[arg(long, value_name = "ORGANIZATION_ID", value_parser = fhir_id)]
    pub organization: String,
    /// Purpose that it may act for, such as TREAT, HPAYMT or HOPERAT; repeat it for several
    #[arg(long = "purpose", value_name = "CODE", value_parser = purpose, required = true)]
    pub purposes: Vec<String>,
    /// It is an app for people who sign in: its tokens name the person (`fhir_user`), and it never acts as the organisation.
    /// Its purposes are PATRQT and FAMRQT
    #[arg(long, conflicts_with = "keys")]
    pub person_app: bool,
    /// By which keys it proves itself.
    #[command(flatten)]
    pub keys: ClientKeyFiles,
    /// SMART scope that its tokens from the gateway may have, such as system/*.rs; repeat it for several
    #[arg(long = "scope", value_name = "SCOPE", requires = "keys")]
    pub scopes: Vec<String>,
}

/// Where the public keys of a client are.
#[derive(Args, Clone, Debug)]
#[group(id = "keys", multiple = false)]
pub struct ClientKeyFiles {
    /// File with its public keys (JWK Set), by which it proves itself at the gateway's token endpoint
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// URL where it publishes them; https unless its host is this machine itself
    #[arg(long, value_name = "URL")]
    pub jwks_url: Option<String>,
}

/// `wellgate client rotate`
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example:
  wellgate client rotate --config wellgate.toml cgg-noord-ehr --jwks new.jwks.json

To change keys without a gap, give a set that holds the old and the new one, and later one that holds the new one alone.")]
pub struct ClientRotate {
    /// Configuration that says which database.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// Its id
    #[arg(value_name = "ID")]
    pub id: String,
    /// The new keys.
    #[command(flatten)]
    pub keys: ClientKeyFiles,
}
