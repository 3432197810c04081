//! Whether a contact begins a new episode of treatment, which is registered, or belongs to one that is.

use super::date::Date;

/// Somebody who was not seen for so many calendar months in a centre begins a new episode there when seen again.
pub const OUTPATIENT_MONTHS: u16 = 6;

/// An episode of one person in one centre, as known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Its first day.
    pub started: Date,
    /// The last day on which the person was seen in it; the first day where nothing later is known.
    pub last_seen: Date,
    /// Whether it was a stay.
    pub is_residential: bool,
}

/// What a contact is to the episodes that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeDecision {
    /// It begins a new one.
    New,
    /// It belongs to this one, by its place in the list.
    Continues(usize),
    /// It lies before this one, by its place in the list, and so near that both are one episode: that one begins earlier than it says.
    Precedes(usize),
}

/// What a contact on a day is to the person's episodes in the same centre. A stay begins with each admission; a visit begins an episode
/// where the person was not seen for six calendar months, by which neither side of a visit counts stays.
pub fn decide_episode(episodes: &[Episode], day: Date, is_residential: bool) -> EpisodeDecision {
    let same_kind = |(_, episode): &(usize, &Episode)| episode.is_residential == is_residential;
    let mut known = episodes.iter().enumerate().filter(same_kind);
    if is_residential {
        let same_admission = known.find(|(_, episode)| episode.started == day);
        return same_admission.map_or(EpisodeDecision::New, |(n, _)| EpisodeDecision::Continues(n));
    }
    let known: Vec<(usize, &Episode)> = known.collect();
    let is_seen = |episode: &Episode| episode.started <= day && day < episode.last_seen.plus_months(OUTPATIENT_MONTHS);
    if let Some((n, _)) = known.iter().find(|(_, episode)| is_seen(episode)) {
        return EpisodeDecision::Continues(*n);
    }
    let is_soon = |episode: &Episode| day < episode.started && episode.started < day.plus_months(OUTPATIENT_MONTHS);
    match known.iter().find(|(_, episode)| is_soon(episode)) {
        Some((n, _)) => EpisodeDecision::Precedes(*n),
        None => EpisodeDecision::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        Date::parse(text).expect("it is a day")
    }

    fn episode(started: &str, last_seen: &str, is_residential: bool) -> Episode {
        Episode { started: date(started), last_seen: date(last_seen), is_residential }
    }

    #[test]
    fn a_visit_begins_an_episode_after_six_calendar_months_and_not_a_day_before() {
        let known = [episode("2026-01-10", "2026-02-28", false)];
        for (day, expected) in [
            ("2026-01-10", EpisodeDecision::Continues(0)),
            ("2026-02-28", EpisodeDecision::Continues(0)),
            ("2026-08-27", EpisodeDecision::Continues(0)),
            ("2026-08-28", EpisodeDecision::New),
            ("2026-08-29", EpisodeDecision::New),
            ("2026-01-09", EpisodeDecision::Precedes(0)),
            ("2025-07-11", EpisodeDecision::Precedes(0)),
            ("2025-07-10", EpisodeDecision::New),
        ] {
            assert_eq!(decide_episode(&known, date(day), false), expected, "{day}");
        }
    }

    #[test]
    fn a_month_that_is_shorter_ends_the_six_months_on_its_last_day() {
        let known = [episode("2025-08-31", "2025-08-31", false)];
        assert_eq!(decide_episode(&known, date("2026-02-27"), false), EpisodeDecision::Continues(0));
        assert_eq!(decide_episode(&known, date("2026-02-28"), false), EpisodeDecision::New);
    }

    #[test]
    fn each_admission_is_an_episode_however_soon_and_the_same_admission_is_one() {
        let known = [episode("2026-01-10", "2026-01-20", true)];
        assert_eq!(decide_episode(&known, date("2026-01-10"), true), EpisodeDecision::Continues(0));
        for day in ["2026-01-09", "2026-01-11", "2026-01-20", "2026-01-21"] {
            assert_eq!(decide_episode(&known, date(day), true), EpisodeDecision::New, "{day}");
        }
    }

    #[test]
    fn stays_and_visits_do_not_count_for_each_other() {
        let known = [episode("2026-01-10", "2026-01-20", true), episode("2024-01-01", "2024-01-01", false)];
        assert_eq!(decide_episode(&known, date("2026-01-12"), false), EpisodeDecision::New);
        assert_eq!(decide_episode(&known, date("2024-01-01"), true), EpisodeDecision::New);
        assert_eq!(decide_episode(&known, date("2024-02-01"), false), EpisodeDecision::Continues(1));
        assert_eq!(decide_episode(&[], date("2026-01-10"), false), EpisodeDecision::New);
    }
}
