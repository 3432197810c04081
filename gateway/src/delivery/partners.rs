//! Which connector speaks to a partner.

use std::sync::Arc;
use std::time::Duration;

use connectors::co_prev::CoPrev;
use connectors::credentials::Credential;
use connectors::delivery::Connector;
use connectors::ehr_fhir::EhrFhir;
use connectors::gen_async::GenAsync;
use connectors::guard::Guard;
use connectors::http::{HttpClient, HttpError};
use connectors::notify_mail::{MailSettings, MailSettingsError, NotifyMail};
use connectors::rest_hook::RestHook;
use connectors::sciensano_tdi::{SciensanoTdi, Settings};

use super::insurers::Insurers;
use crate::app::Registry;
use crate::config::{CoPrevConfig, TdiConfig};
use crate::referral::intake;
use crate::storage::channel::{Channel, ChannelKind};
use crate::storage::subscription;
use crate::tdi;

/// A lookup that takes longer is asked again.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Where treatment demands are submitted, if they are.
    pub tdi: Option<TdiConfig>,
    /// Where employers are looked up, if they are.
    pub co_prev: Option<CoPrevConfig>,
    /// Where insurers are reached, if they are.
    pub insurers: Insurers,
    /// By what it is proved to partners who the gateway is.
    pub credentials: Vec<Credential>,
}

/// Speaks to every partner that is registered or configured.
#[derive(Debug)]
pub(super) struct Partners {
    client: HttpClient,
    /// For addresses that subscribers chose: there the gateway proves to nobody who it is.
    hooks: HttpClient,
    /// For addresses of the operator's own configuration.
    configured: HttpClient,
    tdi: Option<TdiConfig>,
    co_prev: Option<CoPrevConfig>,
    insurers: Insurers,
    mail: Option<Arc<NotifyMail>>,
}

/// A partner that can be spoken to.
#[derive(Clone)]
pub(super) struct Partner {
    /// How.
    pub(super) connector: Arc<dyn Connector>,
    /// By what means the partner is told.
    pub(super) means: Means,
}

/// By what means a partner is told.
#[derive(Clone, Debug)]
pub(super) enum Means {
    /// By the channel that is registered for it.
    Channel(Channel),
    /// It is the register of treatment demands.
    Register,
    /// It is a mutuality or a care fund.
    Insurer,
    /// It is Co-prev.
    Lookup,
    /// It subscribed: what it is told, and where, is read when it is told.
    Subscription,
}

impl Partner {
    /// How many deliveries may be under way at once, where the settings allow so many. To a partner who cannot be asked only one: of
    /// whatever is under way when a gateway dies, a person has to find out whether it arrived.
    pub(super) fn at_once(&self, parallel_max: u32) -> u32 {
        match &self.means {
            Means::Channel(channel) if channel.kind == ChannelKind::Mail => 1,
            // Numbers are in order.
            Means::Subscription => 1,
            Means::Channel(_) | Means::Register | Means::Lookup | Means::Insurer => parallel_max,
        }
    }
}

impl Partners {
    /// # Errors
    /// [`PartnersError`].
    pub(super) fn new(outside: Outside) -> Result<Self, PartnersError> {
        let mail = outside.mail.map(NotifyMail::new).transpose()?.map(Arc::new);
        let hooks = HttpClient::guarded(outside.guard.clone())?;
        let client = HttpClient::guarded(outside.guard)?.proving(&outside.credentials)?;
        let configured = HttpClient::new()?.proving(&outside.credentials)?;
        let Outside { tdi, co_prev, insurers, .. } = outside;
        Ok(Self { client, hooks, configured, tdi, co_prev, insurers, mail })
    }

    /// How a partner is spoken to; none where it has no channel, or the gateway has no means for it: then nothing leaves to it.
    pub(super) fn of(&self, registry: &Registry, partner: &str) -> Option<Partner> {
        if partner == tdi::PARTNER {
            return self.register(registry);
        }
        if partner == intake::PARTNER {
            let CoPrevConfig { url, asker, .. } = self.co_prev.clone()?;
            let connector = CoPrev::new(self.configured.clone(), &url, asker, LOOKUP_TIMEOUT);
            return Some(Partner { connector: Arc::new(connector), means: Means::Lookup });
        }
        if partner.starts_with(subscription::PARTNER) {
            let connector = Arc::new(RestHook::new(self.hooks.clone()));
            return Some(Partner { connector, means: Means::Subscription });
        }
        if let Some(connector) = self.insurer(partner) {
            return Some(Partner { connector: Arc::new(connector), means: Means::Insurer });
        }
        let channel = registry.channel(partner)?.clone();
        let connector: Arc<dyn Connector> = match channel.kind {
            // What is sent there is what the organisation may see; an officer sees nothing by that right.
            ChannelKind::Ehr if !partner.starts_with("organization/") => return None,
            ChannelKind::Ehr => Arc::new(EhrFhir::new(self.client.clone(), channel.address.clone())),
            ChannelKind::Mail => Arc::<NotifyMail>::clone(self.mail.as_ref()?),
        };
        Some(Partner { connector, means: Means::Channel(channel) })
    }

    /// How an insurer is spoken to, also for its answers; none for anybody else, or where it is not configured.
    pub(super) fn insurer(&self, partner: &str) -> Option<GenAsync> {
        self.insurers.connector(self.configured.clone(), partner)
    }

    /// How often it is looked whether insurers have answered.
    pub(super) fn inbox_every(&self) -> Duration {
        self.insurers.every
    }

    fn register(&self, registry: &Registry) -> Option<Partner> {
        let TdiConfig { register_url, data_collection_id, data_collection_version, source_type } = self.tdi.clone()?;
        let settings = Settings {
            base_url: register_url,
            organizations: registry.register_ids().map(str::to_owned).collect(),
            data_collection_id,
            data_collection_version,
            source_type,
        };
        let connector = SciensanoTdi::new(self.configured.clone(), settings);
        Some(Partner { connector: Arc::new(connector), means: Means::Register })
    }
}
