//! A line priced by the tables: what the insurer pays, what the patient pays, by which channel it goes and to whom.

use super::channel::Channel;
use super::insurability::Class;
use super::insurer::Destination;
use super::price_issue::PriceIssue;
use super::tables::Tables;
use super::tariffs::{Amounts, Contact, RecordKind, Tariff};
use crate::billing::{Cents, Date, InvoiceType};
use crate::identifiers::Nihdi;

/// Zone 27 has nine digits: below this, every amount of a line fits.
const TOTAL_MAX: i64 = 1_000_000_000;

/// What is known of how a person is insured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insured {
    /// The mutuality of affiliation.
    pub affiliation: Option<u16>,
    /// Insurability code 1.
    pub ct1: Option<u16>,
    /// Insurability code 2.
    pub ct2: Option<u16>,
    /// The care fund of the Flemish social protection.
    pub care_fund: Option<u16>,
}

/// Amounts that a line brings along, for all its units. They must be those of the tariff, or stand where it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// What the insurer pays.
    pub amount: Option<Cents>,
    /// What the patient pays.
    pub share: Option<Cents>,
    /// What the patient pays above that.
    pub supplement: Option<Cents>,
}

/// What is to be priced.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The code.
    pub code: u32,
    /// The first day.
    pub first_day: Date,
    /// The last day.
    pub last_day: Date,
    /// How many.
    pub units: u16,
    /// Who did it.
    pub provider: &'a Nihdi,
    /// How the person is insured.
    pub person: Insured,
    /// The contact that it comes from; none where it was claimed by its code.
    pub contact: Option<Contact<'a>>,
    /// How many units the person has already of what [`Tables::limit_of`] names, without this line.
    pub used: u32,
    /// What the line states itself.
    pub stated: Stated,
}

/// What a line costs and where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// By which channel.
    pub channel: Channel,
    /// The mutuality or care fund that pays.
    pub payer: u16,
    /// The federation to which the file goes; of a care fund its own number.
    pub federation: u16,
    /// Which record it becomes.
    pub record: RecordKind,
    /// The type of the invoice.
    pub invoice_type: InvoiceType,
    /// What the insurer pays for all units, the patient's share not included.
    pub amount: Cents,
    /// What the patient pays.
    pub share: Cents,
    /// What the patient pays above that.
    pub supplement: Cents,
    /// The code of the patient's share where it is a record of its own. The day's record asks amount and share together then, and
    /// that of the share takes the share off again.
    pub share_record: Option<u32>,
    /// The code of the service (zone 13).
    pub service: u16,
    /// The class of tariff; 0 for none.
    pub relative_code: u32,
    /// How many units the person may have after these; none where there is no limit.
    pub units_left: Option<u32>,
}

/// Prices a line.
///
/// # Errors
/// Everything that is wrong with it, each once; not empty.
pub fn price(tables: &Tables, asked: &Asked<'_>) -> Result<Priced, Vec<PriceIssue>> {
    let tariff = tariff(tables, asked).map_err(|issue| vec![issue])?;
    let mut issues = conditions(tariff, asked);
    let destination = noted(destination(tables, tariff, asked), &mut issues);
    let amounts = noted(amounts(tables, tariff, asked), &mut issues);
    let units_left = noted(units_left(tariff, asked), &mut issues);
    let (Some((channel, destination)), Some((amounts, supplement)), Some(units_left), true) =
        (destination, amounts, units_left, issues.is_empty())
    else {
        return Err(issues);
    };
    Ok(Priced {
        channel,
        payer: destination.payer,
        federation: destination.federation,
        record: tariff.record,
        invoice_type: tariff.invoice_type,
        amount: amounts.amount,
        share: amounts.share,
        supplement,
        share_record: tariff.share_record,
        service: tariff.service,
        relative_code: tariff.relative_code,
        units_left,
    })
}

fn noted<T>(result: Result<T, PriceIssue>, issues: &mut Vec<PriceIssue>) -> Option<T> {
    result.map_err(|issue| issues.push(issue)).ok()
}

/// The tariff of the first day, which must be that of the last one too.
fn tariff<'t>(tables: &'t Tables, asked: &Asked<'_>) -> Result<&'t Tariff, PriceIssue> {
    if asked.last_day < asked.first_day {
        return Err(PriceIssue::DaysReversed);
    }
    let of_day = |day| tables.tariff(asked.code, day);
    match (of_day(asked.first_day), of_day(asked.last_day)) {
        // Rows of one code never overlap, so one that covers both ends covers what lies between.
        (Some(first), Some(last)) if first == last => Ok(first),
        (Some(_), _) | (_, Some(_)) => Err(PriceIssue::ChangesWithin),
        (None, None) if tables.has_code(asked.code) => Err(PriceIssue::NotOnDay),
        (None, None) => Err(PriceIssue::NoTariff),
    }
}

fn conditions(tariff: &Tariff, asked: &Asked<'_>) -> Vec<PriceIssue> {
    let is_other_contact =
        asked.contact.is_some_and(|contact| tariff.encounter.is_given() && !tariff.encounter.applies(&contact));
    [
        (asked.units == 0, PriceIssue::NoUnits),
        (!tariff.is_for(asked.provider), PriceIssue::ProviderNotAllowed),
        (is_other_contact, PriceIssue::ContactNotCovered),
    ]
    .into_iter()
    .filter_map(|(is_wrong, issue)| is_wrong.then_some(issue))
    .collect()
}

fn destination(tables: &Tables, tariff: &Tariff, asked: &Asked<'_>) -> Result<(Channel, Destination), PriceIssue> {
    let day = asked.last_day;
    let channel = tables.channel(tariff, asked.provider, day).ok_or(PriceIssue::NoChannel)?;
    if tables.channel(tariff, asked.provider, asked.first_day) != Some(channel) {
        return Err(PriceIssue::ChangesWithin);
    }
    let destination = match channel {
        Channel::Efact | Channel::MhcPortal => {
            let number = asked.person.affiliation.ok_or(PriceIssue::NoMutuality)?;
            tables.mutuality(number, day).ok_or(PriceIssue::UnknownMutuality)?
        }
        Channel::Vsb => {
            let number = asked.person.care_fund.ok_or(PriceIssue::NoCareFund)?;
            tables.care_fund(number, day).ok_or(PriceIssue::UnknownCareFund)?
        }
    };
    Ok((channel, destination))
}

fn amounts(tables: &Tables, tariff: &Tariff, asked: &Asked<'_>) -> Result<(Amounts, Cents), PriceIssue> {
    let Stated { amount, share, supplement } = asked.stated;
    let own_supplement = times(tariff.supplement, asked.units)?;
    let own = if let Some(unit) = of_class(tables, tariff, asked)? {
        Amounts { amount: times(unit.amount, asked.units)?, share: times(unit.share, asked.units)? }
    } else {
        Amounts { amount: amount.ok_or(PriceIssue::NoAmount)?, share: share.unwrap_or(Cents(0)) }
    };
    let differs = |stated: Option<Cents>, own: Cents| stated.is_some_and(|stated| stated != own);
    if differs(amount, own.amount) || differs(share, own.share) || differs(supplement, own_supplement) {
        return Err(PriceIssue::AmountDiffers);
    }
    if [own.amount, own.share].iter().any(|cents| !(0..TOTAL_MAX).contains(&cents.0)) {
        return Err(PriceIssue::TooMuch);
    }
    Ok((own, own_supplement))
}

/// The price of a unit for this person; none where the line states it.
fn of_class(tables: &Tables, tariff: &Tariff, asked: &Asked<'_>) -> Result<Option<Amounts>, PriceIssue> {
    let (Some(normal), Some(increased)) = (tariff.normal, tariff.increased) else { return Ok(tariff.normal) };
    if normal == increased {
        return Ok(Some(normal));
    }
    let codes = asked.person.ct1.zip(asked.person.ct2).ok_or(PriceIssue::NoInsurability)?;
    match tables.class(codes.0, codes.1, asked.first_day).ok_or(PriceIssue::UnknownInsurability)? {
        Class::Normal => Ok(Some(normal)),
        Class::Increased => Ok(Some(increased)),
    }
}

fn times(cents: Cents, units: u16) -> Result<Cents, PriceIssue> {
    let total = cents.0.checked_mul(i64::from(units)).filter(|total| *total < TOTAL_MAX);
    total.map(Cents).ok_or(PriceIssue::TooMuch)
}

fn units_left(tariff: &Tariff, asked: &Asked<'_>) -> Result<Option<u32>, PriceIssue> {
    let Some(limit) = &tariff.limit else { return Ok(None) };
    let after = asked.used.saturating_add(u32::from(asked.units));
    limit.units_max.checked_sub(after).map(Some).ok_or(PriceIssue::LimitPassed)
}
