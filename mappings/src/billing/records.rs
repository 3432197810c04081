//! The records of the file as values: each field is a zone of the table of layouts under the same name.
//!
//! A record is read and written whole. What its values mean together is not asked here: that is the matter of the checks.

use super::Date;
use super::value::{Padded, PatientNumber, Signed};
use super::zones::zones;

zones! {
    /// Record 10: who sends what, and where the money goes.
    Header of Header {
        sequence: u32,
        accounts: u8,
        version: u32,
        old_account_a: u64,
        sending: u16,
        old_account_b: u64,
        paper: u8,
        wants_settlement: u8,
        content: u16,
        third_party: u64,
        accreditation: u64,
        profession: u16,
        billed_year: u16,
        billed_month: u8,
        created: Option<Date>,
        enterprise: u64,
        reference: String,
        bic_a: String,
        iban_a: String,
        bic_b: String,
        iban_b: String,
    }
}

zones! {
    /// Record 20: one invoice for one person.
    InvoiceHead of Invoice {
        sequence: u32,
        authorisation: u8,
        admission_hour: u32,
        admitted: Option<Date>,
        discharged: Option<Date>,
        affiliation: u16,
        patient: PatientNumber,
        sex: u8,
        invoice_type: u8,
        invoicing_kind: u8,
        admission_service: u16,
        third_party: u64,
        institution: u64,
        prescription_lifted: u8,
        treatment_reason: u16,
        destination: u16,
        admission: u64,
        rehabilitation_agreed: Option<Date>,
        discharge_hour: u32,
        invoice: u64,
        social_franchise: u8,
        insurability: u32,
        reference: String,
        previous_invoice: u64,
        patient_flag: u8,
        previous_sending: u16,
        previous_destination: u16,
        previous_payment_a: String,
        previous_month: u32,
        network_reference: Padded,
        invoice_date: Option<Date>,
        previous_payment_b: String,
        insured_from: Option<Date>,
        insured_until: Option<Date>,
        informed: Option<Date>,
        maf_year: u16,
        maf_year_1: u16,
        maf_year_2: u16,
    }
}

zones! {
    /// Record 25: the card of urgent medical aid (Mediprima).
    AidRecord of Aid {
        sequence: u32,
        affiliation: u16,
        patient: PatientNumber,
        sex: u8,
        urgent_aid: u8,
        third_party: u64,
        institution: u64,
        destination: u16,
        invoice: u64,
        coverage: u64,
        reference: String,
        patient_flag: u8,
        welfare_centre: String,
        aid_reference: String,
        card: u64,
        card_version: u32,
    }
}

zones! {
    /// Record 30: days of a stay, a fixed price, or the patient's share in either.
    StayRecord of Stay {
        sequence: u32,
        norm: u8,
        code: u32,
        first_day: Option<Date>,
        last_day: Option<Date>,
        affiliation: u16,
        patient: PatientNumber,
        sex: u8,
        delivery: u8,
        account: u8,
        service: u16,
        place: u64,
        convention: u64,
        relative_code: u32,
        amount: Signed,
        units: Signed,
        indicative_cost: Signed,
        patient_share: Signed,
        reference: String,
        supplement: Signed,
        payer_exception: Padded,
        share_code: u8,
        agreed: Option<Date>,
        transplantation: u8,
        site: u32,
        care_association: u64,
    }
}

zones! {
    /// Record 50: a service.
    ServiceRecord of Service {
        sequence: u32,
        norm: u8,
        code: u32,
        first_day: Option<Date>,
        last_day: Option<Date>,
        affiliation: u16,
        patient: PatientNumber,
        sex: u8,
        delivery: u8,
        account: u8,
        urgency: u8,
        service: u16,
        place: u64,
        provider: u64,
        provider_norm: u8,
        relative_code: u32,
        amount: Signed,
        prescribed: Option<Date>,
        units: Signed,
        identical: u8,
        prescriber: u64,
        prescriber_norm: u8,
        patient_share: Signed,
        reference: String,
        tooth: u8,
        supplement: Signed,
        payer_exception: Padded,
        share_code: u8,
        limb: u8,
        conventioned: u8,
        time: u16,
        blood_administrator: u64,
        administration: u64,
        delivery_note: Padded,
        implant: u64,
        product: String,
        ceiling_norm: u8,
        base_value: Signed,
        transplantation: u8,
        assistant: u64,
        site: u32,
        care_association: u64,
        run: Padded,
        implant_notification: u64,
        registration: u64,
    }
}

zones! {
    /// Record 51: the insurer's promise to pay for the service before it.
    CommitmentRecord of Commitment {
        sequence: u32,
        code: u32,
        first_day: Option<Date>,
        patient: PatientNumber,
        provider: u64,
        amount: Signed,
        insurability: u32,
        commitment: String,
        informed: Option<Date>,
    }
}

zones! {
    /// Record 52: how the person's document was read for the service before it, for months from 2017 on.
    ReadingRecord of Reading {
        sequence: u32,
        manual_reason: u8,
        code: u32,
        first_day: Option<Date>,
        read: Option<Date>,
        patient: PatientNumber,
        reading: Padded,
        medium: Padded,
        vignette_reason: u8,
        read_time: u16,
        provider: u64,
        serial: String,
        document: Padded,
        device: u64,
        agreement: Padded,
    }
}

zones! {
    /// Record 52 as it was for months before 2017.
    OldReadingRecord of OldReading {
        sequence: u32,
        code: u32,
        first_day: Option<Date>,
        read: Option<Date>,
        patient: PatientNumber,
        medium: String,
        reading: String,
        read_time: u16,
        provider: u64,
    }
}

zones! {
    /// Record 80: the totals of the invoice, and once more whom it is for.
    InvoiceTotal of InvoiceTotal {
        sequence: u32,
        admission_hour: u32,
        admitted: Option<Date>,
        discharged: Option<Date>,
        affiliation: u16,
        patient: PatientNumber,
        sex: u8,
        invoice_type: u8,
        admission_service: u16,
        third_party: u64,
        amount_b: Signed,
        treatment_reason: u16,
        destination: u16,
        amount_a: Signed,
        invoice_date: Option<Date>,
        discharge_hour: u32,
        invoice: u64,
        patient_share: Signed,
        reference: String,
        supplement: Signed,
        patient_flag: u8,
        advance_a: Signed,
        control: u8,
    }
}

zones! {
    /// Record 90: the totals of the sending, and once more who sends it.
    SendingTotal of SendingTotal {
        sequence: u32,
        old_account_a: u64,
        sending: u16,
        old_account_b: u64,
        third_party: u64,
        amount_b: Signed,
        amount_a: Signed,
        billed_year: u16,
        billed_month: u8,
        enterprise: u64,
        reference: String,
        bic_a: String,
        iban_a: String,
        bic_b: String,
        iban_b: String,
        control: u8,
    }
}
