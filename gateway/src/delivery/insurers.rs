//! Which connector speaks to a mutuality or a care fund: `mutuality/300` and `care-fund/701` are partners.

use std::sync::Arc;
use std::time::Duration;

use connectors::gen_async::{Flow, GenAsync, Settings};
use connectors::http::HttpClient;

use crate::auth_keys::{CredentialsError, stored};
use crate::config::{Config, InsurerConfig};

/// What a mutuality as a partner begins with; its federation follows.
pub const MUTUALITY: &str = "mutuality/";
/// What a care fund as a partner begins with; its number follows.
pub const CARE_FUND: &str = "care-fund/";

/// How often it is looked whether something was left half made, where no insurer is configured.
const IDLE: Duration = Duration::from_mins(10);

/// Where insurers are reached, if they are.
#[derive(Clone, Debug, Default)]
pub struct Insurers {
    /// The mutualities.
    pub mutualities: Option<Settings>,
    /// The care funds.
    pub care_funds: Option<Settings>,
    /// How often it is looked whether they have answered.
    pub every: Duration,
}

impl Insurers {
    /// As they are configured, with the keys that sign.
    ///
    /// # Errors
    /// A key store that is of no use.
    pub fn of(config: &Config) -> Result<Self, CredentialsError> {
        Ok(Self {
            mutualities: config.mutualities.as_ref().map(settings).transpose()?,
            care_funds: config.care_funds.as_ref().map(settings).transpose()?,
            every: [&config.mutualities, &config.care_funds]
                .into_iter()
                .flatten()
                .map(|config| config.every)
                .min()
                .unwrap_or(IDLE),
        })
    }

    /// The connector to an insurer; none where the partner is none, or nothing is configured for it. To which insurer a message goes, the
    /// message says.
    pub fn connector(&self, http: HttpClient, partner: &str) -> Option<GenAsync> {
        let (flow, number, settings) = if let Some(number) = partner.strip_prefix(MUTUALITY) {
            (Flow::Mutualities, number, &self.mutualities)
        } else {
            (Flow::CareFunds, partner.strip_prefix(CARE_FUND)?, &self.care_funds)
        };
        let is_number = number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit());
        let settings = settings.clone().filter(|_| is_number)?;
        Some(GenAsync::new(http, flow, settings))
    }
}

fn settings(config: &InsurerConfig) -> Result<Settings, CredentialsError> {
    let signer = config.signer.as_ref().map(|files| stored(&files.store, &files.password)).transpose()?;
    Ok(Settings {
        base_url: config.url.clone(),
        enterprise: config.enterprise.as_ref().map(|cbe| cbe.as_str().to_owned()),
        signer: signer.map(Arc::new),
        is_deflated: config.is_deflated,
        page: usize::try_from(config.page).unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached() -> Settings {
        let base_url = "http://127.0.0.1:1".to_owned();
        Settings { base_url, enterprise: None, signer: None, is_deflated: true, page: 1 }
    }

    #[test]
    fn an_insurer_is_spoken_to_where_it_is_configured_and_nobody_else_is() {
        let speaks = |insurers: &Insurers, partner: &str| {
            insurers.connector(HttpClient::new().expect("a client"), partner).is_some()
        };
        let mutualities = Insurers { mutualities: Some(reached()), ..Insurers::default() };
        for (partner, expected) in [
            ("mutuality/300", true),
            ("mutuality/30", false),
            ("mutuality/3000", false),
            ("mutuality/x00", false),
            ("care-fund/701", false),
            ("organization/300", false),
        ] {
            assert_eq!(speaks(&mutualities, partner), expected, "{partner}");
        }
        let funds = Insurers { care_funds: Some(reached()), ..Insurers::default() };
        assert!(speaks(&funds, "care-fund/701") && !speaks(&funds, "mutuality/300"));
    }
}
