//! Which connector speaks to a partner.

use std::sync::Arc;

use connectors::delivery::Connector;
use connectors::ehr_fhir::EhrFhir;
use connectors::guard::Guard;
use connectors::http::{HttpClient, HttpError};
use connectors::notify_mail::{MailSettings, MailSettingsError, NotifyMail};

use crate::app::Registry;
use crate::storage::channel::{Channel, ChannelKind};

/// There can be no connectors with these settings.
#[derive(Debug, thiserror::Error)]
pub enum PartnersError {
    /// No client for HTTP.
    #[error("deliveries: {0}")]
    Http(#[from] HttpError),
    /// No mails.
    #[error("mail: {0}")]
    Mail(#[from] MailSettingsError),
}

/// What is asked of the network by whoever delivers. Not to be printed: the settings of mail hold a password.
pub struct Outside {
    /// Which URLs may be asked.
    pub guard: Guard,
    /// Where mails go out, if they do.
    pub mail: Option<MailSettings>,
}

/// Speaks to every partner that is registered or configured.
#[derive(Debug)]
pub(super) struct Partners {
    client: HttpClient,
    mail: Option<Arc<NotifyMail>>,
}

/// A partner that can be spoken to.
#[derive(Clone)]
pub(super) struct Partner {
    /// How.
    pub(super) connector: Arc<dyn Connector>,
    /// Where the partner is told what happens.
    pub(super) channel: Channel,
}

impl Partner {
    /// How many deliveries may be under way at once, where the settings allow so many. To a partner who cannot be asked only one: of
    /// whatever is under way when a gateway dies, a person has to find out whether it arrived.
    pub(super) fn at_once(&self, parallel_max: u32) -> u32 {
        match self.channel.kind {
            ChannelKind::Ehr => parallel_max,
            ChannelKind::Mail => 1,
        }
    }
}

impl Partners {
    /// # Errors
    /// [`PartnersError`].
    pub(super) fn new(outside: Outside) -> Result<Self, PartnersError> {
        let mail = outside.mail.map(NotifyMail::new).transpose()?.map(Arc::new);
        Ok(Self { client: HttpClient::guarded(outside.guard)?, mail })
    }

    /// How a partner is spoken to; none where it has no channel, or the gateway has no means for it: then nothing leaves to it.
    pub(super) fn of(&self, registry: &Registry, partner: &str) -> Option<Partner> {
        let channel = registry.channel(partner)?.clone();
        let connector: Arc<dyn Connector> = match channel.kind {
            // What is sent there is what the organisation may see; an officer sees nothing by that right.
            ChannelKind::Ehr if !partner.starts_with("organization/") => return None,
            ChannelKind::Ehr => Arc::new(EhrFhir::new(self.client.clone(), channel.address.clone())),
            ChannelKind::Mail => Arc::<NotifyMail>::clone(self.mail.as_ref()?),
        };
        Some(Partner { connector, channel })
    }
}
