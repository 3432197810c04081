//! The segments: what begins a message, what ends it with totals, and what an insurer puts beside each zone.

use super::Date;
use super::layout::{Form, Kind};
use super::value::Signed;
use super::zones::zones;

zones! {
    /// Segment 200: which message, in which environment, under which reference.
    Segment200 of Segment200 {
        message: u32,
        message_version: u8,
        environment: u8,
        message_status: u8,
        provider_reference: u64,
        insurer_reference: u64,
    }
}

zones! {
    /// Segment 300: which sending, and whom to ask.
    Segment300 of Segment300 {
        billed_month: u32,
        sending: u16,
        created: Option<Date>,
        file_reference: String,
        version: u32,
        contact_name: String,
        contact_first_name: String,
        contact_phone: u64,
        sector: u8,
        accounts: u8,
    }
}

zones! {
    /// Segment 300 of an answer that returns records: also how much of the sending is wrong.
    Segment300Error of Segment300Error {
        billed_month: u32,
        sending: u16,
        created: Option<Date>,
        file_reference: String,
        version: u32,
        contact_name: String,
        contact_first_name: String,
        contact_phone: u64,
        sector: u8,
        accounts: u8,
        error_share: u32,
        refusal_kind: u8,
    }
}

zones! {
    /// Segment 300 of a receipt.
    Segment300Stub of Segment300Stub {
        message: String,
    }
}

zones! {
    /// Record 95: the totals of one mutuality.
    Recap of Recap {
        destination: u16,
        recap: u64,
        amount_a: Signed,
        amount_b: Signed,
        amount_total: Signed,
        records: u32,
        control: u8,
        amount_c: Signed,
    }
}

zones! {
    /// Record 96: the totals of all mutualities.
    RecapTotal of RecapTotal {
        destination: u16,
        recap: u64,
        amount_a: Signed,
        amount_b: Signed,
        amount_total: Signed,
        records: u32,
        control: u8,
        amount_c: Signed,
    }
}

zones! {
    /// Record 91: what one mutuality was asked, takes and refuses.
    Settlement of Settlement {
        destination: u16,
        recap: u64,
        amount_a: Signed,
        amount_b: Signed,
        amount_total: Signed,
        records: u32,
        control: u8,
        accepted_a: Signed,
        refused_a: Signed,
        accepted_b: Signed,
        refused_b: Signed,
        accepted: Signed,
        refused: Signed,
        payment_a: String,
        payment_b: String,
    }
}

zones! {
    /// Record 92: what all mutualities were asked, take and refuse.
    SettlementTotal of SettlementTotal {
        destination: u16,
        recap: u64,
        amount_a: Signed,
        amount_b: Signed,
        amount_total: Signed,
        records: u32,
        control: u8,
        accepted_a: Signed,
        refused_a: Signed,
        accepted_b: Signed,
        refused_b: Signed,
        accepted: Signed,
        refused: Signed,
    }
}

zones! {
    /// What an answer puts behind a record that it returns. All of it is text: an insurer's odd character must not hide the rest.
    DetailZones of Detail {
        sending: String,
        created: String,
        billed_month: String,
        destination: String,
        error_kind_1: String,
        error_code_1: String,
        error_kind_2: String,
        error_code_2: String,
        error_kind_3: String,
        error_code_3: String,
        zone_114: String,
        zone_115: String,
        zone_116: String,
        zone_117: String,
        zone_118: String,
        result: String,
        comment: String,
        index: String,
    }
}

/// What an insurer found wrong with one zone of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFault {
    /// The zone's number, of three digits.
    pub zone: &'static str,
    /// What is wrong with it: the two characters as they came.
    pub fault: String,
}

impl SegmentFault {
    /// The code under which the catalogue has it: `302-20`.
    pub fn code(&self) -> String {
        format!("{}-{}", self.zone, self.fault)
    }
}

/// What an insurer found wrong with the zones of a segment, in their order: empty where each says `00` or nothing.
pub fn segment_faults(kind: Kind, bytes: &[u8]) -> Vec<SegmentFault> {
    let zones = &kind.layout().zones;
    let faults = zones.windows(2).filter(|pair| pair[1].form == Form::Fault);
    let said = faults.map(|pair| (pair[0].number(), pair[1].of(bytes)));
    let said = said.filter(|(_, fault)| !fault.iter().all(|byte| matches!(byte, b'0' | b' ')));
    said.map(|(zone, fault)| SegmentFault { zone, fault: fault.escape_ascii().to_string() }).collect()
}
