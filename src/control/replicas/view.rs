//! What all replicas together say of a route, a target or a key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::census::{Comparison, Seen};
use super::health::{self, Health, KeyNote, TargetNote};
use super::word::{Said, Word, census, is_served, route_mark};
use super::{Fleet, Mark};
use crate::compile::ObjectReport;
use crate::table::{ObjectName, RouteTable};

/// The leader's own state and what the others say, at one moment.
#[derive(Debug)]
pub(in crate::control) struct View {
    own: Health,
    table: Arc<RouteTable>,
    /// Whether this replica counts: it does not while it drains.
    counts: bool,
    others: Others,
}

#[derive(Debug)]
enum Others {
    Unreadable(Arc<str>),
    Read(Vec<Other>),
}

/// Another replica.
#[derive(Debug)]
struct Other {
    name: Arc<str>,
    /// `None`: it says nothing that is understood.
    said: Option<(Arc<Word>, Comparison)>,
}

/// Whether all replicas serve what this one does.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::control) enum Serving {
    /// They do.
    Everywhere,
    /// Some do not.
    Waiting {
        /// How many do, this one included.
        serve: usize,
        /// How many there are.
        of: usize,
        /// Those that do not, by why not.
        absent: BTreeMap<Absence, Vec<Arc<str>>>,
        /// Whether it is known of one of them; else it is only not known that they do.
        certain: bool,
    },
    /// The others cannot be read, and why.
    Unreadable(Arc<str>),
}

/// Why a replica does not serve a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::control) enum Absence {
    /// It has taken the newest generation in and cannot serve it.
    Refuses,
    /// It has not taken the newest generation in yet.
    Lags,
    /// What it says is not understood.
    Unclear,
}

/// How a target or a key fares in the eyes of all replicas that say something of it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::control) struct Opinion<N> {
    /// What is said, each note as often as replicas say it.
    pub(in crate::control) notes: Vec<N>,
    /// How many hold nothing against it.
    pub(in crate::control) well: usize,
    /// Whether it has been asked somewhere, as far as is known.
    pub(in crate::control) asked: bool,
}

impl View {
    /// The view of a replica whose table is `table` and whose last compile reported `objects`; `None`
    /// before the others have been read.
    pub(in crate::control) fn new(
        table: Arc<RouteTable>,
        objects: &[ObjectReport],
        fleet: &Fleet,
        counts: bool,
    ) -> Option<Self> {
        let others = match fleet {
            Fleet::Unread => return None,
            Fleet::Unreadable(why) => Others::Unreadable(Arc::clone(why)),
            Fleet::Read(fleet) if fleet.is_empty() => Others::Read(Vec::new()),
            Fleet::Read(fleet) => {
                let census = census(objects);
                let other = |(name, word): (&Arc<str>, &Option<Arc<Word>>)| Other {
                    name: Arc::clone(name),
                    said: word
                        .as_ref()
                        .map(|word| (Arc::clone(word), census.compare(&word.serves.seen))),
                };
                Others::Read(fleet.iter().map(other).collect())
            }
        };
        let own = Health::read(&table);
        let alone = matches!(&others, Others::Read(others) if others.is_empty());
        // Who drains alone still serves what is running.
        Some(Self { own, table, counts: counts || alone, others })
    }

    /// Whether every ready replica serves that route as this one does.
    pub(in crate::control) fn serving(&self, route: &ObjectReport) -> Serving {
        let others = match &self.others {
            Others::Unreadable(why) => return Serving::Unreadable(Arc::clone(why)),
            Others::Read(others) => others,
        };
        let mark = route_mark(route);
        let (mut absent, mut count, mut certain) = (BTreeMap::new(), 0, false);
        for other in others {
            let Some((absence, is_known)) = other.absence(mark) else { continue };
            certain |= is_known;
            count += 1;
            let names: &mut Vec<_> = absent.entry(absence).or_default();
            names.push(Arc::clone(&other.name));
        }
        if absent.is_empty() {
            return Serving::Everywhere;
        }
        let of = others.len() + usize::from(self.counts);
        Serving::Waiting { serve: of - count, of, absent, certain }
    }

    /// The other replicas that are known to serve the newest generation of a route, for one that
    /// this replica itself does not serve.
    pub(in crate::control) fn served_elsewhere(&self, route: &ObjectReport) -> Vec<Arc<str>> {
        let Others::Read(others) = &self.others else { return Vec::new() };
        if is_served(route) {
            return Vec::new();
        }
        let mark = route_mark(route);
        let serve = others.iter().filter(|other| other.is_known_to_serve(mark));
        serve.map(|other| Arc::clone(&other.name)).collect()
    }

    /// How a target of a route fares.
    pub(in crate::control) fn target(&self, route: &ObjectName, name: &str) -> Opinion<TargetNote> {
        let found = self.table.routes.binary_search_by(|one| one.name.cmp(route));
        let target = found.ok().and_then(|at| self.table.routes[at].target(name));
        // The table may be newer than what was reported.
        let Some(upstream) = target.and_then(|target| target.upstream()) else {
            return Opinion { notes: Vec::new(), well: 0, asked: false };
        };
        let mark = health::target(upstream);
        let own = self.own.targets.get(&mark).map_or(Said::Nothing, |note| Said::This(*note));
        let mut opinion = Opinion { notes: Vec::new(), well: 0, asked: false };
        for said in self.all(own, |word| word.target(mark)) {
            match said {
                Said::This(TargetNote::Asked) | Said::Well => {
                    opinion.well += 1;
                    opinion.asked = true;
                }
                Said::This(note) => opinion.notes.push(note),
                Said::Nothing => opinion.well += 1,
                Said::NoRoom => {}
            }
        }
        opinion.asked |= !opinion.notes.is_empty();
        opinion
    }

    /// How a key of a store fares.
    pub(in crate::control) fn key(&self, store: &ObjectName, name: &str) -> Opinion<KeyNote> {
        let mark = health::key(store, name);
        let own = self.own.keys.get(&mark).map_or(Said::Nothing, |note| Said::This(*note));
        let mut opinion = Opinion { notes: Vec::new(), well: 0, asked: true };
        for said in self.all(own, |word| word.key(mark)) {
            match said {
                Said::This(note) => opinion.notes.push(note),
                Said::Nothing | Said::Well => opinion.well += 1,
                Said::NoRoom => {}
            }
        }
        opinion
    }

    fn all<N>(&self, own: Said<N>, of: impl Fn(&Word) -> Said<N>) -> impl Iterator<Item = Said<N>> {
        let others = match &self.others {
            Others::Read(others) => &others[..],
            Others::Unreadable(_) => &[],
        };
        let own = (self.counts || others.is_empty()).then_some(own);
        let said = others.iter().filter_map(|other| other.said.as_ref());
        own.into_iter().chain(said.map(move |(word, _)| of(word)))
    }
}

impl Other {
    /// Why it does not serve that route, and whether that is known for certain; `None` if it does.
    fn absence(&self, route: Mark) -> Option<(Absence, bool)> {
        let Some((word, comparison)) = &self.said else { return Some((Absence::Unclear, true)) };
        if word.serves.not.contains(&route) {
            return Some((Absence::Refuses, true));
        }
        match comparison.seen(route) {
            Seen::Newest => None,
            Seen::Older => Some((Absence::Lags, true)),
            // Mostly it is ahead, or behind with several routes: either is over in a moment.
            Seen::Unclear => Some((Absence::Lags, false)),
        }
    }

    fn is_known_to_serve(&self, route: Mark) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|(word, _)| word.serves.tells_all()) && self.absence(route).is_none()
    }
}

#[cfg(test)]
pub(super) mod tests;
