//! Why a line has no price.

use crate::billing::{Language, Severity, explain};

/// Why a line has no price; each with a stable code whose words are in `billing-words.txt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PriceIssue {
    /// No tariff has this code, or is for such a contact.
    NoTariff,
    /// The code has a tariff, but not on this day.
    NotOnDay,
    /// The tariff changes between the first and the last day: bill the days before and after apart.
    ChangesWithin,
    /// Several tariffs are for such a contact.
    Ambiguous,
    /// The last day is before the first.
    DaysReversed,
    /// No unit is billed.
    NoUnits,
    /// The provider's qualification may not bill it.
    ProviderNotAllowed,
    /// It is not for contacts of this kind.
    ContactNotCovered,
    /// No channel is known for its scheme on that day.
    NoChannel,
    /// The person's mutuality is not known.
    NoMutuality,
    /// No mutuality with this number is known on that day.
    UnknownMutuality,
    /// The person's care fund is not known.
    NoCareFund,
    /// No care fund with this number is known on that day.
    UnknownCareFund,
    /// The person's insurability codes are not known, and the price depends on them.
    NoInsurability,
    /// The table says nothing of these insurability codes, and the price depends on them.
    UnknownInsurability,
    /// The tariff has no amount, and the line states none.
    NoAmount,
    /// The line states another amount, share or supplement than the tariff.
    AmountDiffers,
    /// More units than the person may have.
    LimitPassed,
    /// The amount is more than the file can say.
    TooMuch,
}

impl PriceIssue {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NoTariff,
        Self::NotOnDay,
        Self::ChangesWithin,
        Self::Ambiguous,
        Self::DaysReversed,
        Self::NoUnits,
        Self::ProviderNotAllowed,
        Self::ContactNotCovered,
        Self::NoChannel,
        Self::NoMutuality,
        Self::UnknownMutuality,
        Self::NoCareFund,
        Self::UnknownCareFund,
        Self::NoInsurability,
        Self::UnknownInsurability,
        Self::NoAmount,
        Self::AmountDiffers,
        Self::LimitPassed,
        Self::TooMuch,
    ];

    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoTariff => "wellgate-tariff-none",
            Self::NotOnDay => "wellgate-tariff-not-on-day",
            Self::ChangesWithin => "wellgate-tariff-changes",
            Self::Ambiguous => "wellgate-tariff-ambiguous",
            Self::DaysReversed => "wellgate-tariff-days",
            Self::NoUnits => "wellgate-tariff-units",
            Self::ProviderNotAllowed => "wellgate-tariff-provider",
            Self::ContactNotCovered => "wellgate-tariff-contact",
            Self::NoChannel => "wellgate-tariff-channel",
            Self::NoMutuality => "wellgate-tariff-no-mutuality",
            Self::UnknownMutuality => "wellgate-tariff-mutuality",
            Self::NoCareFund => "wellgate-tariff-no-care-fund",
            Self::UnknownCareFund => "wellgate-tariff-care-fund",
            Self::NoInsurability => "wellgate-tariff-no-insurability",
            Self::UnknownInsurability => "wellgate-tariff-insurability",
            Self::NoAmount => "wellgate-tariff-no-amount",
            Self::AmountDiffers => "wellgate-tariff-amount",
            Self::LimitPassed => "wellgate-tariff-limit",
            Self::TooMuch => "wellgate-tariff-too-much",
        }
    }

    /// What is wrong and what to do, in words.
    pub fn text(self, language: Language) -> String {
        explain(self.code(), language).text.unwrap_or_else(|| self.code().to_owned())
    }

    /// What it weighs: a line without a price is not billed.
    pub fn severity(self) -> Severity {
        crate::billing::severity(self.code()).unwrap_or(Severity::Record)
    }
}
