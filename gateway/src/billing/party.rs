//! Who is paid: what the operator registered of an organisation's third party.

use mappings::billing::{Account, Contact, Content, Date, Environment, Month, Sector, Sending, iban_holds};
use mappings::identifiers::{Cbe, Nihdi};
use serde::{Deserialize, Serialize};

use super::Books;
use crate::error::{Failure, Issue};
use crate::storage::StorageError;
use crate::storage::billing::SendingRow;

/// A third party: who sends, and into which account it is paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BillingParty {
    /// NIHDI number, 11 digits.
    pub nihdi: String,
    /// Enterprise number.
    pub enterprise: String,
    /// The account.
    pub iban: String,
    /// The bank.
    pub bic: String,
    /// `hospital`, `ambulatory` or `mixed`.
    pub sector: String,
    /// The code of the profession; 0 for none.
    pub profession: u16,
    /// The number of accreditation by CIN/NIC; 0 for none.
    pub accreditation: u64,
    /// Whom the insurer asks: last name.
    pub contact_name: String,
    /// First name.
    pub contact_first_name: String,
    /// Telephone.
    pub contact_phone: u64,
}

impl BillingParty {
    /// What is wrong with it, in a sentence; none where every file can begin with it.
    pub fn fault(&self) -> Option<&'static str> {
        let is_nihdi = |nihdi: &Nihdi| nihdi.as_str().len() == 11 && nihdi.check_digits_hold();
        if !Nihdi::parse(&self.nihdi).is_ok_and(|nihdi| is_nihdi(&nihdi)) {
            return Some("--nihdi is a number of 11 digits, of which the seventh and eighth follow from the others");
        }
        if !Cbe::parse(&self.enterprise).is_ok_and(|cbe| cbe.check_digits_hold()) {
            return Some("--cbe is a number of 10 digits, of which the last two follow from the others");
        }
        if !iban_holds(&self.iban) {
            return Some("--iban is no account: its check digits do not hold");
        }
        if !matches!(self.bic.len(), 8 | 11) || !self.bic.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Some("--bic has 8 or 11 letters and digits");
        }
        if self.contact_phone > 9_999_999_999 {
            return Some("--contact-phone has at most ten digits");
        }
        if self.profession > 999 || self.accreditation > 999_999_999_999 {
            return Some("--profession has at most three digits, --accreditation twelve");
        }
        None
    }

    /// What begins a file of this third party.
    ///
    /// # Errors
    /// What is registered is no number: the operator has to mend it.
    pub(super) fn sending(
        &self,
        row: &SendingRow,
        created: Date,
        environment: Environment,
    ) -> Result<Sending, Failure> {
        const WRONG: Failure = Failure::Internal("what is registered of a third party is no number");
        let month = u32::try_from(row.month).ok().and_then(Month::from_number).ok_or(WRONG)?;
        Ok(Sending {
            environment,
            number: u16::try_from(row.number).map_err(|_| WRONG)?,
            reference: u64::try_from(row.reference).map_err(|_| WRONG)?,
            month,
            created,
            content: if row.channel == "efact" { Content::EFact } else { Content::Other },
            sector: match self.sector.as_str() {
                "hospital" => Sector::Hospital,
                "mixed" => Sector::Mixed,
                _ => Sector::Ambulatory,
            },
            third_party: Nihdi::parse(&self.nihdi).map_err(|_| WRONG)?,
            profession: self.profession,
            enterprise: Cbe::parse(&self.enterprise).map_err(|_| WRONG)?,
            accreditation: self.accreditation,
            account_a: Account { iban: self.iban.clone(), bic: self.bic.clone() },
            account_b: None,
            contact: Contact {
                name: self.contact_name.clone(),
                first_name: self.contact_first_name.clone(),
                phone: self.contact_phone,
            },
            file_reference: String::new(),
            establishment_reference: row.id.clone(),
            recap: 0,
        })
    }
}

impl Books<'_> {
    /// Who is paid for this organisation, by NIHDI number.
    ///
    /// # Errors
    /// The database is away.
    pub async fn parties(&self) -> Result<Vec<BillingParty>, Failure> {
        let rows = self.app.store.billing_parties(&self.compartment).await?;
        let read = |(_, _, record): &(String, String, String)| serde_json::from_str(record);
        let parties: Result<Vec<BillingParty>, _> = rows.iter().map(read).collect();
        Ok(parties.map_err(|_| StorageError::Corrupt("a third party"))?)
    }

    /// One of them.
    ///
    /// # Errors
    /// 422 where the operator did not register it.
    pub(super) async fn party(&self, third_party: &str) -> Result<BillingParty, Failure> {
        let parties = self.parties().await?;
        parties.into_iter().find(|party| party.nihdi == third_party).ok_or_else(|| {
            let details = "the operator registers who is paid: wellgate billing party";
            Failure::Unprocessable(vec![Issue::at("third_party", "business-rule", details)])
        })
    }
}
