//! Which connector speaks to a partner.

use std::sync::Arc;

use connectors::delivery::Connector;
use connectors::ehr_fhir::EhrFhir;
use connectors::http::{HttpClient, HttpError};

use crate::app::Registry;
use crate::storage::channel::{Channel, ChannelKind};

/// Speaks to every partner that is registered or configured.
#[derive(Clone, Debug)]
pub(super) struct Partners {
    client: HttpClient,
}

/// A partner that can be spoken to.
#[derive(Clone)]
pub(super) struct Partner {
    /// How.
    pub(super) connector: Arc<dyn Connector>,
    /// Where the partner is told what happens; none of one that is configured.
    pub(super) channel: Option<Channel>,
}

impl Partners {
    /// # Errors
    /// There can be no client for HTTP.
    pub(super) fn new(guard: connectors::guard::Guard) -> Result<Self, HttpError> {
        Ok(Self { client: HttpClient::guarded(guard)? })
    }

    /// How a partner is spoken to; none where it has no channel, so that nothing leaves to it.
    pub(super) fn of(&self, registry: &Registry, partner: &str) -> Option<Partner> {
        let channel = registry.channel(partner)?;
        match channel.kind {
            ChannelKind::Ehr => {
                let connector = EhrFhir::new(self.client.clone(), channel.address.clone());
                Some(Partner { connector: Arc::new(connector), channel: Some(channel.clone()) })
            }
            ChannelKind::Mail => None,
        }
    }
}
