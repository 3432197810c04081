//! What a mail says, in each language. `{organization}` and `{url}` are all that is put in.

/// A language in which mails are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Dutch,
    French,
    English,
}

impl Language {
    /// The language of a code; Dutch where it is none of these.
    pub(super) fn from_code(code: &str) -> Self {
        match code {
            "fr" => Self::French,
            "en" => Self::English,
            _ => Self::Dutch,
        }
    }
}

/// A mail.
pub(super) struct Text {
    pub(super) subject: &'static str,
    pub(super) body: &'static str,
}

/// The text in a language.
pub(super) const fn of(language: Language) -> Text {
    match language {
        Language::Dutch => Text {
            subject: "Er is iets voor u in Wellgate",
            body: "Voor {organization} staat er iets klaar in Wellgate. Meld u aan om het te zien:\r\n\r\n{url}\r\n\r\n\
                   Deze mail bevat bewust geen gegevens over personen. Antwoorden worden niet gelezen.\r\n",
        },
        Language::French => Text {
            subject: "Il y a du nouveau pour vous dans Wellgate",
            body: "Un élément attend {organization} dans Wellgate. Connectez-vous pour le consulter :\r\n\r\n{url}\r\n\r\n\
                   Ce message ne contient volontairement aucune donnée personnelle. Les réponses ne sont pas lues.\r\n",
        },
        Language::English => Text {
            subject: "There is something for you in Wellgate",
            body: "Something waits for {organization} in Wellgate. Sign in to see it:\r\n\r\n{url}\r\n\r\n\
                   This mail holds no data about persons, on purpose. Replies are not read.\r\n",
        },
    }
}
