//! `[outbound]`: which URLs are asked that a registration names, and by what the gateway proves who it is.

use std::path::PathBuf;

use connectors::guard::Origin;

use super::reader::Reader;

/// `[outbound]`
#[derive(Clone, Debug, Default)]
pub struct OutboundConfig {
    /// The only origins, where there are any.
    pub allowed: Vec<Origin>,
    /// Origins in a private network.
    pub private: Vec<Origin>,
    /// By what the gateway proves to partners who it is.
    pub credentials_file: Option<PathBuf>,
}

pub(super) fn read(reader: &mut Reader) -> OutboundConfig {
    let mut origins = |key: &str| {
        let texts = reader.list(key);
        let origins: Vec<Origin> = texts.iter().filter_map(|text| Origin::parse(text)).collect();
        if origins.len() < texts.len() {
            reader.fail(key, "lists origins such as https://host or https://host:8443, with nothing behind them");
        }
        origins
    };
    let (allowed, private) = (origins("outbound.allowed"), origins("outbound.private"));
    OutboundConfig {
        allowed,
        private,
        credentials_file: reader.optional_text("outbound.credentials_file").map(PathBuf::from),
    }
}
