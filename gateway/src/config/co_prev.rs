//! `[co_prev]`: where it is asked which prevention service is behind somebody's employer.

use mappings::co_prev::Asker;
use mappings::identifiers::Cbe;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::Text;
use super::keys::{Key, key};
use super::reader::Reader;
use super::sections::check_url;

/// `[co_prev]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoPrevConfig {
    /// The address of the interface.
    pub url: String,
    /// Who asks, and on which legal basis.
    pub asker: Asker,
    /// What it is asked for: a code of the partner's.
    pub purpose: String,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "co_prev",
        "url",
        Text,
        Absent,
        "The address of Co-prev's interface, such as `https://co-prev.example.org/co-prev/v1`. Without it no employer is looked up: a \
         referral that names nobody goes by where the person lives.",
    ),
    key(
        "co_prev",
        "legal_basis",
        Text,
        Absent,
        "The number of the deliberation that allows the question. Needed with `url`.",
    ),
    key("co_prev", "cbe", Text, Absent, "The enterprise number of whoever asks. Needed with `url`."),
    key("co_prev", "purpose", Text, Value("reintegration"), "What it is asked for, as a code of Co-prev's."),
];

pub(super) fn read(reader: &mut Reader) -> Option<CoPrevConfig> {
    let purpose = reader.text("co_prev.purpose");
    let (legal_basis, cbe) = (reader.optional_text("co_prev.legal_basis"), reader.optional_text("co_prev.cbe"));
    let url = reader.optional_text("co_prev.url")?;
    check_url(reader, "co_prev.url", &url);
    let (Some(legal_basis), Some(cbe)) = (legal_basis, cbe) else {
        reader.fail("co_prev.legal_basis", "and co_prev.cbe are needed with co_prev.url");
        return None;
    };
    let Some(cbe) = Cbe::parse(&cbe).ok().filter(Cbe::check_digits_hold) else {
        reader.fail("co_prev.cbe", "is an enterprise number: 10 digits, of which the last two follow from the others");
        return None;
    };
    Some(CoPrevConfig { url, asker: Asker { legal_basis, cbe }, purpose })
}
