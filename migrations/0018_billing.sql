-- Who is paid by third-party billing: an organisation and one NIHDI number of it. `record` has account, enterprise and contact as JSON.
CREATE TABLE billing_party (
    compartment code_point_text NOT NULL,
    third_party code_point_text NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (compartment, third_party)
) /*SQLITE WITHOUT ROWID */;

-- Numbers, answers and the rule of one file a day are of the number, wherever it is used.
CREATE UNIQUE INDEX billing_party_third_party ON billing_party (third_party);

-- Who is billed for, in the compartment of the organisation that bills: number, name and insurance are sealed, with a key of the person's
-- own; `id` is a keyed name of the number. It is joined to no record, and stays when the dossier moves on.
CREATE TABLE insured_person (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    sealed TEXT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;

-- One service, or one period of days, from draft to payment. `source_key` is a keyed name of what it was made from: nothing is taken in
-- twice. Amounts are cents as they were invoiced, also of a credit note (kind 3).
CREATE TABLE claim_line (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    person code_point_text NOT NULL,
    third_party code_point_text NOT NULL,
    channel code_point_text NOT NULL,
    payer BIGINT NOT NULL,
    month BIGINT NOT NULL,
    first_day code_point_text NOT NULL,
    last_day code_point_text NOT NULL,
    code BIGINT NOT NULL,
    units BIGINT NOT NULL,
    amount_cents BIGINT NOT NULL,
    share_cents BIGINT NOT NULL,
    supplement_cents BIGINT NOT NULL,
    provider code_point_text NOT NULL,
    detail TEXT NOT NULL,
    state code_point_text NOT NULL,
    findings TEXT NOT NULL,
    source code_point_text NOT NULL,
    source_key code_point_text,
    sending code_point_text NOT NULL,
    invoice BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    corrects code_point_text NOT NULL,
    paid_cents BIGINT NOT NULL,
    refusal TEXT NOT NULL,
    decided_by code_point_text NOT NULL,
    decided_why TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE UNIQUE INDEX claim_line_source ON claim_line (compartment, source_key);
CREATE INDEX claim_line_state ON claim_line (compartment, state, month, channel, payer);
CREATE INDEX claim_line_sending ON claim_line (compartment, sending, invoice) WHERE sending <> '';
CREATE INDEX claim_line_twin ON claim_line (compartment, person, code, first_day);
CREATE INDEX claim_line_corrects ON claim_line (compartment, corrects) WHERE corrects <> '';

-- One file to one federation or care fund. A number is used once for a third party in a year, and a file that was not sent is `void`.
CREATE TABLE sending (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    third_party code_point_text NOT NULL,
    year BIGINT NOT NULL,
    number BIGINT NOT NULL,
    reference BIGINT NOT NULL,
    channel code_point_text NOT NULL,
    federation BIGINT NOT NULL,
    month BIGINT NOT NULL,
    state code_point_text NOT NULL,
    created_on code_point_text NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    invoices BIGINT NOT NULL,
    requested_cents BIGINT NOT NULL,
    accepted_cents BIGINT NOT NULL,
    refused_cents BIGINT NOT NULL,
    file_bytes BIGINT NOT NULL,
    file_hash code_point_text NOT NULL,
    delivery code_point_text NOT NULL,
    parts code_point_text NOT NULL,
    remark TEXT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE UNIQUE INDEX sending_number ON sending (third_party, year, number);
CREATE UNIQUE INDEX sending_reference ON sending (reference);
CREATE INDEX sending_state ON sending (compartment, state, created_ms);
CREATE INDEX sending_day ON sending (third_party, created_on);

-- What one mutuality or care fund is asked for by a sending, and what it made of that.
CREATE TABLE sending_total (
    compartment code_point_text NOT NULL,
    sending code_point_text NOT NULL,
    payer BIGINT NOT NULL,
    requested_cents BIGINT NOT NULL,
    accepted_cents BIGINT NOT NULL,
    refused_cents BIGINT NOT NULL,
    records BIGINT NOT NULL,
    invoices BIGINT NOT NULL,
    payment_reference code_point_text NOT NULL,
    PRIMARY KEY (compartment, sending, payer)
) /*SQLITE WITHOUT ROWID */;

-- Every answer that came in, by the hash under which it is confirmed; also those that nobody understands.
CREATE TABLE billing_message (
    compartment code_point_text NOT NULL,
    hash code_point_text NOT NULL,
    third_party code_point_text NOT NULL,
    partner code_point_text NOT NULL,
    name code_point_text NOT NULL,
    sending code_point_text NOT NULL,
    state code_point_text NOT NULL,
    remark TEXT NOT NULL,
    received_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, hash)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX billing_message_sending ON billing_message (compartment, sending, received_ms);
CREATE INDEX billing_message_state ON billing_message (compartment, state, received_ms);

-- The bytes of a file that is sent, or of an answer, sealed in parts: neither has to fit into memory.
CREATE TABLE billing_part (
    compartment code_point_text NOT NULL,
    owner code_point_text NOT NULL,
    attempt BIGINT NOT NULL,
    part BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (compartment, owner, attempt, part)
);
