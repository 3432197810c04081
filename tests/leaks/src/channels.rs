//! The channels through which an answer could tell that something hidden exists: one table, and nothing is asked beside it.

use crate::capabilities::Capabilities;
use crate::client::Request;
use crate::reads;
use crate::searches;
use crate::sets;
use crate::writes;

/// Makes the questions of a channel from what the server says that it offers.
pub type Questions = fn(&Capabilities) -> Vec<Request>;

/// How a channel is asked.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// The same question about each hidden twin and about the one that never was: the answers must be equal.
    Pairs(Questions),
    /// As pairs, after all that only reads: the question may write.
    Writes(Questions),
    /// The same question before there is anything hidden, after it was made, and after it was changed: the answers must be equal.
    Sets(Questions),
    /// A sequence of its own.
    Scenario,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// Its name in reports.
    pub name: &'static str,
    /// What it must answer.
    pub must: &'static str,
    /// Whether the server claims that it offers this. What it does not offer is asked too: a refusal must not tell either.
    pub is_offered: fn(&Capabilities) -> bool,
    /// How it is asked.
    pub asked: Asked,
}

const fn row(name: &'static str, is_offered: fn(&Capabilities) -> bool, asked: Asked, must: &'static str) -> Channel {
    Channel { name, must, is_offered, asked }
}

const ALWAYS: fn(&Capabilities) -> bool = |_| true;
const SEARCH: fn(&Capabilities) -> bool = |offered| offered.offers("search-type");

/// The table.
#[rustfmt::skip]
pub const CHANNELS: &[Channel] = &[
    row("set-matches", SEARCH, Asked::Sets(sets::matches), "a search finds what it found before there was anything hidden"),
    row("set-totals", SEARCH, Asked::Sets(sets::totals), "totals and counts are those of what the viewer sees"),
    row("set-pages", SEARCH, Asked::Sets(sets::pages), "pages are full, and as many as what the viewer sees fills"),
    row("set-order", SEARCH, Asked::Sets(sets::order), "an order is that of what the viewer sees, whatever it sorts by"),
    row("set-since", SEARCH, Asked::Sets(sets::since), "`_lastUpdated` and `_since` do not jump when something hidden is written"),
    row("set-history", |offered| offered.offers("history-type"), Asked::Sets(sets::history), "a history of a type or of the system has the versions of what the viewer sees"),
    row("set-includes", |offered| offered.types.iter().any(|served| !served.includes.is_empty()), Asked::Sets(sets::includes), "an include adds what the viewer sees"),
    row("set-system", |offered| offered.offers("search-system"), Asked::Sets(sets::of_the_system), "a search over several types finds, counts and orders what the viewer sees"),

    row("read", |offered| offered.offers("read"), Asked::Pairs(reads::read), "404, as for an id that never was"),
    row("methods", ALWAYS, Asked::Pairs(reads::methods), "HEAD, OPTIONS and unserved methods as for an id that never was"),
    row("not-modified", |offered| offered.offers("read"), Asked::Pairs(reads::not_modified), "404 and never 304: sight comes before `If-None-Match` and `If-Modified-Since`"),
    row("vread", |offered| offered.offers("vread"), Asked::Pairs(reads::vread), "a true version is as unknown as a made-up one"),
    row("instance-history", |offered| offered.offers("history-instance"), Asked::Pairs(reads::instance_history), "404, as for an id that never was"),
    row("formats", ALWAYS, Asked::Pairs(reads::formats), "the same refusal in each format, by header and by parameter"),
    row("operations", |offered| !offered.operations.is_empty() || offered.types.iter().any(|served| !served.operations.is_empty()), Asked::Pairs(reads::operations), "an operation answers as for an id that never was"),
    row("validate", |offered| offered.operations.iter().any(|name| name == "validate"), Asked::Pairs(writes::validations), "`$validate` tells of the data that was sent, whatever it is about or refers to"),
    row("consent", |offered| offered.served("Consent").is_some(), Asked::Pairs(reads::consents), "a Consent about the viewer is as unknown as none"),
    row("trail-of-others", |offered| offered.served("AuditEvent").is_some() || offered.served("Provenance").is_some(), Asked::Pairs(reads::trail), "AuditEvent and Provenance name nothing hidden"),
    row("criteria", SEARCH, Asked::Pairs(searches::criteria), "a hidden value finds nothing, as one that nobody has"),
    row("totals", SEARCH, Asked::Pairs(searches::totals), "and counts nothing"),
    row("pages", SEARCH, Asked::Pairs(searches::pages), "and makes no further page"),
    row("order", SEARCH, Asked::Pairs(searches::order), "and moves nothing in an order"),
    row("last-updated", SEARCH, Asked::Pairs(searches::last_updated), "and nothing at any time"),
    row("two-criteria", SEARCH, Asked::Pairs(searches::two_criteria), "nor together with another criterion"),
    row("summaries", SEARCH, Asked::Pairs(searches::summaries), "nor in a summary or by elements"),
    row("search-by-form", SEARCH, Asked::Pairs(searches::by_form), "nor by POST"),
    row("include", |offered| offered.types.iter().any(|served| !served.includes.is_empty()), Asked::Pairs(searches::includes), "what is included is authorised by itself"),
    row("reverse-include", |offered| offered.types.iter().any(|served| !served.reverse_includes.is_empty()), Asked::Pairs(searches::reverse_includes), "and so what refers to a match"),
    row("iterate", |offered| offered.types.iter().any(|served| !served.includes.is_empty()), Asked::Pairs(searches::iterated), "and what goes on from there"),
    row("compartment", |offered| !offered.compartments.is_empty(), Asked::Pairs(searches::compartments), "a hidden compartment is as empty as one of nobody"),
    row("system-search", |offered| offered.offers("search-system"), Asked::Pairs(searches::of_the_system), "nor over several types at once"),
    row("match", |offered| offered.served("Patient").is_some_and(|served| served.operations.iter().any(|name| name == "match")), Asked::Pairs(searches::matching), "nobody hidden matches a description, however exact"),
    row("chain", SEARCH, Asked::Pairs(searches::chains), "each link of a chain is over what the viewer sees"),
    row("has", SEARCH, Asked::Pairs(searches::reverse_chains), "and so with `_has`"),
    row("batch", |offered| offered.offers("batch"), Asked::Pairs(searches::in_batch), "an entry of a batch answers as the request alone"),
    row("transaction", |offered| offered.offers("transaction"), Asked::Pairs(searches::in_transaction), "and so one of a transaction"),

    row("update", |offered| offered.offers("update"), Asked::Writes(writes::update), "404, whatever the body and `If-Match` say; nothing is written"),
    row("patch", |offered| offered.offers("patch"), Asked::Writes(writes::patch), "as for an id that never was"),
    row("delete", |offered| offered.offers("delete"), Asked::Writes(writes::delete), "404, and nothing is deleted"),
    row("malformed", ALWAYS, Asked::Writes(writes::malformed), "an error text tells of the request, not of what it is about"),
    row("write-in-bundle", |offered| offered.offers("batch") || offered.offers("transaction"), Asked::Writes(writes::in_bundle), "an entry of a Bundle answers as the request alone"),
    row("conditional-create", |offered| offered.types.iter().any(|served| served.conditional.create), Asked::Writes(writes::conditional_create), "a condition that only something hidden fulfils is fulfilled by nothing"),
    row("conditional-update", |offered| offered.types.iter().any(|served| served.conditional.update), Asked::Writes(writes::conditional_update), "and so for updates and patches"),
    row("conditional-delete", |offered| offered.types.iter().any(|served| served.conditional.delete), Asked::Writes(writes::conditional_delete), "and so for deletions"),
    row("conditional-reference", |offered| offered.offers("transaction"), Asked::Writes(writes::conditional_reference), "and so for the references of a transaction"),
    row("owner-reference", |offered| offered.offers("create"), Asked::Writes(writes::owner_reference), "a reference to something hidden is as unresolved as one to nothing"),
    row("other-reference", |offered| offered.offers("create"), Asked::Writes(writes::other_reference), "and so anywhere in a resource of the viewer's own"),
    row("move", |offered| offered.offers("update"), Asked::Writes(writes::moves), "nothing of the viewer's own moves into a hidden record, and the refusal is that for no record"),
    row("duplicate-identifier", |offered| offered.offers("create"), Asked::Writes(writes::duplicates), "an identifier that something hidden has is free"),

    row("cursors", SEARCH, Asked::Scenario, "a page link of another client, on another query, or from before a withdrawal shows nothing"),
    row("own-trail", |offered| offered.served("AuditEvent").is_some(), Asked::Scenario, "the viewer's own trail has the same events about each twin"),
    row("nothing-shown", ALWAYS, Asked::Scenario, "no list, feed or count of any type holds an id or mark of a hidden twin"),
    row("export", |offered| offered.operations.iter().any(|name| name == "export"), Asked::Scenario, "no file, manifest or error of an export holds an id or mark of a hidden twin"),
    row("timing", |offered| offered.offers("read"), Asked::Scenario, "the times of answers about the hidden and about what never was overlap"),
];

/// The table as a page prints it.
pub fn table() -> String {
    let rows = CHANNELS.iter().map(|channel| {
        let asked = match channel.asked {
            Asked::Pairs(_) => "pairs",
            Asked::Writes(_) => "pairs, may write",
            Asked::Sets(_) => "before and after",
            Asked::Scenario => "a scenario",
        };
        format!("| `{}` | {asked} | {} |\n", channel.name, channel.must)
    });
    format!("| channel | asked as | must answer |\n|---|---|---|\n{}", rows.collect::<String>())
}
