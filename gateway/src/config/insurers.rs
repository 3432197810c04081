//! `[mutualities]` and `[care_funds]`: where files of invoices and requests go, and where their answers are fetched.

use std::path::PathBuf;
use std::time::Duration;

use mappings::identifiers::Cbe;

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::{Integer, Text};
use super::keys::{Key, key};
use super::reader::Reader;
use super::sections::check_url;

/// `[mutualities]` or `[care_funds]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsurerConfig {
    /// The address of the interface.
    pub url: String,
    /// The enterprise number of whoever sends.
    pub enterprise: Option<Cbe>,
    /// What signs messages, if they are signed.
    pub signer: Option<SignerFiles>,
    /// Whether content is compressed on its way.
    pub is_deflated: bool,
    /// How many messages are fetched at once.
    pub page: u32,
    /// How often the inbox is looked at.
    pub every: Duration,
}

/// A key store and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerFiles {
    /// The store in PKCS#12.
    pub store: PathBuf,
    /// The file with its password.
    pub password: PathBuf,
}

/// The keys of the sections.
pub(super) const KEYS: &[Key] = &[
    key(
        "mutualities",
        "url",
        Text,
        Absent,
        "The address of the interface to the mutualities (`docs/billing-transport.md`), such as \
         `https://mycarenet.example.org/gen-async/v1`. Without it no file of invoices leaves.",
    ),
    key("mutualities", "cbe", Text, Absent, "The enterprise number of whoever sends, where the interface wants one."),
    key(
        "mutualities",
        "signer_file",
        Text,
        Absent,
        "Key store (PKCS#12) with the key that signs what is sent. Without it nothing is signed. Read at start.",
    ),
    key(
        "mutualities",
        "signer_password_file",
        Text,
        Absent,
        "File with the password of `signer_file`. The two go together.",
    ),
    key("mutualities", "encoding", Text, Value("deflate"), "How content travels: `deflate`, or `none`."),
    key("mutualities", "page", Integer(1, 200), Value("64"), "How many messages are fetched at once."),
    key(
        "mutualities",
        "inbox_seconds",
        Integer(1, 86_400),
        Value("600"),
        "How often it is looked whether there are answers.",
    ),
    key(
        "care_funds",
        "url",
        Text,
        Absent,
        "The address of the interface to the care funds of the Flemish social protection, of the same form. Without it no invoice and no \
         request for an allowance leaves.",
    ),
    key("care_funds", "cbe", Text, Absent, "The enterprise number of whoever sends, where the interface wants one."),
    key("care_funds", "signer_file", Text, Absent, "As for `[mutualities]`."),
    key("care_funds", "signer_password_file", Text, Absent, "As for `[mutualities]`."),
    key("care_funds", "encoding", Text, Value("deflate"), "As for `[mutualities]`."),
    key("care_funds", "page", Integer(1, 200), Value("64"), "As for `[mutualities]`."),
    key("care_funds", "inbox_seconds", Integer(1, 86_400), Value("600"), "As for `[mutualities]`."),
];

pub(super) fn mutualities(reader: &mut Reader) -> Option<InsurerConfig> {
    let signer =
        (reader.optional_text("mutualities.signer_file"), reader.optional_text("mutualities.signer_password_file"));
    let given = Given {
        url: ("mutualities.url", reader.optional_text("mutualities.url")),
        cbe: ("mutualities.cbe", reader.optional_text("mutualities.cbe")),
        signer: ("mutualities.signer_file", signer),
        encoding: ("mutualities.encoding", reader.text("mutualities.encoding")),
        page: reader.integer("mutualities.page"),
        every: Duration::from_secs(reader.integer("mutualities.inbox_seconds").into()),
    };
    given.checked(reader)
}

pub(super) fn care_funds(reader: &mut Reader) -> Option<InsurerConfig> {
    let signer =
        (reader.optional_text("care_funds.signer_file"), reader.optional_text("care_funds.signer_password_file"));
    let given = Given {
        url: ("care_funds.url", reader.optional_text("care_funds.url")),
        cbe: ("care_funds.cbe", reader.optional_text("care_funds.cbe")),
        signer: ("care_funds.signer_file", signer),
        encoding: ("care_funds.encoding", reader.text("care_funds.encoding")),
        page: reader.integer("care_funds.page"),
        every: Duration::from_secs(reader.integer("care_funds.inbox_seconds").into()),
    };
    given.checked(reader)
}

type Named<T> = (&'static str, T);

/// What is given, with the names of its keys.
struct Given {
    url: Named<Option<String>>,
    cbe: Named<Option<String>>,
    signer: Named<(Option<String>, Option<String>)>,
    encoding: Named<String>,
    page: u32,
    every: Duration,
}

impl Given {
    fn checked(self, reader: &mut Reader) -> Option<InsurerConfig> {
        let url = self.url.1?;
        check_url(reader, self.url.0, &url);
        let enterprise = self.cbe.1.and_then(|text| {
            let cbe = Cbe::parse(&text).ok().filter(Cbe::check_digits_hold);
            if cbe.is_none() {
                reader.fail(
                    self.cbe.0,
                    "is an enterprise number: 10 digits, of which the last two follow from the others",
                );
            }
            cbe
        });
        let signer = match self.signer.1 {
            (Some(store), Some(password)) => Some(SignerFiles { store: store.into(), password: password.into() }),
            (None, None) => None,
            _ => {
                reader.fail(self.signer.0, "goes with signer_password_file, and neither without the other");
                None
            }
        };
        if !matches!(self.encoding.1.as_str(), "deflate" | "none") {
            reader.fail(self.encoding.0, "is deflate or none");
        }
        let is_deflated = self.encoding.1 == "deflate";
        Some(InsurerConfig { url, enterprise, signer, is_deflated, page: self.page, every: self.every })
    }
}
