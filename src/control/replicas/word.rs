//! What one replica says of itself, as it stands in its Lease.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Mark;
use super::census::{Buckets, Census};
use super::health::{Health, KeyNote, TargetNote};
use crate::api::Kind;
use crate::compile::{Details, ObjectReport};

/// Of this format. A reader that finds another one takes the replica for one that says nothing.
const VERSION: u32 = 1;
/// Entries of each list, so that a word stays below 9 KiB however many routes are broken and however
/// many targets are down. Where there are more, the word says how many.
const LISTED: usize = 128;
/// The same for keys, which take the most room and of which there are the fewest.
const LISTED_KEYS: usize = 64;

/// What one replica says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::control) struct Word {
    version: u32,
    /// What it serves.
    #[serde(flatten)]
    pub(super) serves: Serves,
    /// How targets fare: those that have been asked or that something is held against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    targets: BTreeMap<Mark, TargetNote>,
    /// Keys that something is held against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    keys: BTreeMap<Mark, KeyNote>,
    #[serde(default, skip_serializing_if = "is_none")]
    unlisted: Unlisted,
}

/// Which routes a replica serves at their newest generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Serves {
    /// The generations that it has taken in.
    pub(super) seen: Buckets,
    /// Routes that it has taken in and does not serve at that generation.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) not: BTreeSet<Mark>,
}

/// How many there are that the lists have no room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Unlisted {
    /// Targets that something is held against.
    targets: usize,
    /// Targets that have been asked.
    asked: usize,
    /// Keys.
    keys: usize,
}

/// What a replica says of a target or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::control) enum Said<N> {
    /// This.
    This(N),
    /// Nothing is held against it; of a target, and it has not been asked.
    Nothing,
    /// Nothing is held against a target, and whether it has been asked there was no room to say.
    Well,
    /// There was no room to say.
    NoRoom,
}

fn is_none(unlisted: &Unlisted) -> bool {
    *unlisted == Unlisted::default()
}

/// The mark of a route: its uid, since one that is made again is another.
pub(super) fn route_mark(route: &ObjectReport) -> Mark {
    Mark::of(&["route", &route.uid])
}

/// Whether a replica that reports this serves it at that generation; what is no route, always.
pub(super) fn is_served(object: &ObjectReport) -> bool {
    match &object.details {
        Details::Route { served_generation, .. } => *served_generation == Some(object.generation),
        _ => true,
    }
}

/// The routes of a report and the generations that were looked at.
pub(super) fn census(objects: &[ObjectReport]) -> Census {
    let routes = objects.iter().filter(|object| object.object.kind == Kind::ModelRoute);
    routes.map(|route| (route_mark(route), route.generation)).collect()
}

impl Serves {
    /// What a replica serves whose last compile reported these objects.
    ///
    /// Of more broken routes than have a place in the list, the rest is left out without a trace: a
    /// spec that one replica cannot serve no other can, so what the leader itself makes of it
    /// stands. Otherwise one tenant's broken routes would hold up everybody's status.
    pub(super) fn of(objects: &[ObjectReport]) -> Self {
        let not = objects.iter().filter(|object| !is_served(object)).map(route_mark);
        Self { seen: census(objects).buckets(), not: not.take(LISTED).collect() }
    }

    /// Whether every route that it does not serve is in the list.
    pub(super) fn tells_all(&self) -> bool {
        self.not.len() < LISTED
    }
}

impl Word {
    pub(super) fn new(serves: Serves, health: &Health) -> Self {
        let mut unlisted = Unlisted::default();
        let mut targets: Vec<_> =
            health.targets.iter().map(|(mark, note)| (*note, *mark)).collect();
        targets.sort_unstable();
        for (note, _) in targets.iter().skip(LISTED) {
            *(match note.against() {
                Some(_) => &mut unlisted.targets,
                None => &mut unlisted.asked,
            }) += 1;
        }
        let mut keys: Vec<_> = health.keys.iter().map(|(mark, note)| (*note, *mark)).collect();
        keys.sort_unstable();
        unlisted.keys = keys.len().saturating_sub(LISTED_KEYS);
        Self {
            version: VERSION,
            serves,
            targets: targets.into_iter().take(LISTED).map(|(note, mark)| (mark, note)).collect(),
            keys: keys.into_iter().take(LISTED_KEYS).map(|(note, mark)| (mark, note)).collect(),
            unlisted,
        }
    }

    /// From the text in a Lease; `None` if it is of another version or not ours.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|word| word.version == VERSION)
    }

    #[cfg(test)]
    pub(in crate::control) fn of(objects: &[ObjectReport]) -> Self {
        Self::new(Serves::of(objects), &Health::default())
    }

    pub(super) fn target(&self, target: Mark) -> Said<TargetNote> {
        match self.targets.get(&target) {
            Some(note) => Said::This(*note),
            None if self.unlisted.targets > 0 => Said::NoRoom,
            None if self.unlisted.asked > 0 => Said::Well,
            None => Said::Nothing,
        }
    }

    pub(super) fn key(&self, key: Mark) -> Said<KeyNote> {
        match self.keys.get(&key) {
            Some(note) => Said::This(*note),
            None if self.unlisted.keys > 0 => Said::NoRoom,
            None => Said::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::health::KeyFault;
    use super::*;
    use crate::compile::ObjectRef;
    use crate::table::ObjectName;

    fn route(name: &str, generation: i64, served: Option<i64>) -> ObjectReport {
        ObjectReport {
            object: ObjectRef { kind: Kind::ModelRoute, name: ObjectName::new("ai", name) },
            uid: name.into(),
            generation,
            conditions: Vec::new(),
            details: Details::Route {
                served_generation: served,
                models: Vec::new(),
                targets: Vec::new(),
            },
        }
    }

    fn mark(number: usize) -> Mark {
        Mark::of(&[&number.to_string()])
    }

    fn word(health: &Health) -> Word {
        Word::new(Serves::of(&[]), health)
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let objects =
            [route("good", 2, Some(2)), route("stale", 3, Some(2)), route("bad", 1, None)];
        let health = Health {
            targets: [(mark(1), TargetNote::Breaker), (mark(2), TargetNote::Asked)].into(),
            keys: [(mark(3), KeyNote { fault: KeyFault::Refused, until: 60 })].into(),
        };
        let word = Word::new(Serves::of(&objects), &health);
        assert_eq!(word.serves.not.len(), 2, "{word:?}");
        let text = serde_json::to_string(&word).unwrap();
        assert_eq!(Word::parse(&text), Some(word), "{text}");
    }

    #[test]
    fn another_version_says_nothing_and_further_fields_do_no_harm() {
        let text = serde_json::to_string(&word(&Health::default())).unwrap();
        assert!(Word::parse(&text.replace("\"version\":1", "\"version\":2")).is_none());
        assert!(Word::parse("{}").is_none() && Word::parse("?").is_none());
        assert!(Word::parse(&text.replacen('{', "{\"later\":[],", 1)).is_some());
    }

    #[test]
    fn it_has_a_bound_and_says_what_it_left_out() {
        let broken: Vec<_> = (0..5000).map(|n| route(&n.to_string(), 7, None)).collect();
        let note = |n| if n % 2 == 0 { TargetNote::Asked } else { TargetNote::Breaker };
        let key = KeyNote { fault: KeyFault::Refused, until: 1_800_000_000 };
        let health = Health {
            targets: (0..300).map(|n| (mark(n), note(n))).collect(),
            keys: (0..300).map(|n| (mark(n), key)).collect(),
        };
        let word = Word::new(Serves::of(&broken), &health);
        let length = serde_json::to_string(&word).unwrap().len();
        assert!(length < 9 << 10, "{length}");
        assert_eq!(
            (word.unlisted.targets, word.unlisted.asked, word.unlisted.keys),
            (22, 150, 236)
        );
        assert_eq!(word.target(mark(9999)), Said::NoRoom);
    }

    #[test]
    fn what_is_against_a_target_comes_before_what_is_not() {
        let mut targets: BTreeMap<_, _> =
            (0..LISTED).map(|n| (mark(n), TargetNote::Asked)).collect();
        targets.insert(mark(LISTED), TargetNote::Throttled);
        let word = word(&Health { targets, keys: BTreeMap::new() });
        assert_eq!(word.target(mark(LISTED)), Said::This(TargetNote::Throttled));
        assert_eq!(word.target(mark(9999)), Said::Well);
        assert_eq!(word.key(mark(9999)), Said::Nothing);
    }
}
