//! On which ground a referral without a target goes somewhere, and why it needs a person: stable codes, and what they mean.

macro_rules! worded {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $meaning:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $meaning] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code under which it is recorded.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The act under which it stands in the trail.
            pub const fn act(self) -> &'static str {
                match self { $(Self::$variant => concat!("intake-", $code)),+ }
            }

            /// What it means, for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

worded!(
    /// On which ground it goes to a room.
    Ground {
        Employer = "employer", "one employment, whose prevention service takes part: its own waiting room";
        Province = "province", "no employment: the prevention services of the province";
        ProvinceUnanswered = "province-unanswered", "Co-prev did not answer in all the time: the prevention services of the province";
        SelfEmployed = "self-employed", "self-employed: the psychologists (`elp`) or the centres (`cgg`) of the province, as was said";
        Chosen = "chosen", "the person chose one of those that were offered";
    }
);
worded!(
    /// Why a person has to decide.
    Need {
        PermissionRefused = "permission-refused", "the person does not permit that the employer is looked up, or did not say so";
        NoNumber = "no-number", "there is no national number to look up";
        LookupRefused = "lookup-refused", "Co-prev does not answer this question, however often it is asked";
        SeveralEmployments = "several-employments", "more than one employment: no rule picks one";
        ServiceUnknown = "service-unknown", "one employment, of whose prevention service nobody knows";
        ServiceTakesNoPart = "service-takes-no-part", "one employment, whose prevention service is not registered here";
        ServiceAmbiguous = "service-ambiguous", "one employment, whose prevention service is registered more than once";
        StepOpen = "step-open", "self-employed, and nobody said whether `elp` or `cgg`";
        NoPostcode = "no-postcode", "it would go by province, and there is no postcode";
        PostcodeUnknown = "postcode-unknown", "it would go by province, and the postcode lies in none";
        NoRoom = "no-room", "no pool of that kind serves the province";
        SeveralRooms = "several-rooms", "more than one pool of that kind serves the province";
    }
);

impl Need {
    /// Whether there is something to choose from.
    pub const fn offers(self) -> bool {
        matches!(self, Self::SeveralEmployments | Self::StepOpen | Self::SeveralRooms)
    }
}
