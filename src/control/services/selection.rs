//! Which pods of a namespace are watched.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, Selector};
use kube::runtime::watcher::Config;

/// A selector travels in the URL, of which proxies before an API server take 8 KiB as a rule, and
/// encoded it may be three times as long. This has room for some hundred names of Services.
const LONGEST: usize = 2048;

/// The labels that pods must have to be watched.
///
/// One watch has to do for the pods of all Services of a namespace, and most of its pods may be
/// somebody else's: jobs that come by the thousand. So it asks for the labels that all the Services'
/// selectors have, each with any of their values: `app in (llama, qwen)`. What a label alone would
/// make too long, or what not all of them have, is not asked for, and with no label left all pods
/// of the namespace come. Either way a Service gets those alone that its own selector selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection(BTreeMap<String, BTreeSet<String>>);

impl Selection {
    /// The narrowest that covers all these selectors; none for none.
    pub(super) fn covering<'s>(
        mut selectors: impl Iterator<Item = &'s BTreeMap<String, String>>,
    ) -> Option<Self> {
        let first = selectors.next()?;
        let alone = |value: &String| BTreeSet::from([value.clone()]);
        let mut labels: BTreeMap<_, _> =
            first.iter().map(|(label, value)| (label.clone(), alone(value))).collect();
        for selector in selectors {
            labels.retain(|label, values| {
                let value = selector.get(label);
                values.extend(value.cloned());
                value.is_some()
            });
        }
        let mut room = LONGEST;
        labels.retain(|label, values| {
            let length = label.len() + values.iter().map(|value| value.len() + 1).sum::<usize>();
            let fits = length <= room;
            if fits {
                room -= length;
            }
            fits
        });
        Some(Self(labels))
    }

    /// Whether all pods that `selector` selects are among these.
    pub(super) fn covers(&self, selector: &BTreeMap<String, String>) -> bool {
        self.0
            .iter()
            .all(|(label, values)| selector.get(label).is_some_and(|value| values.contains(value)))
    }

    /// Whether it asks for the same labels, with these values of each and perhaps more.
    pub(super) fn includes(&self, narrower: &Self) -> bool {
        self.0.keys().eq(narrower.0.keys())
            && self.0.iter().all(|(label, values)| values.is_superset(&narrower.0[label]))
    }

    /// How these are watched.
    pub(super) fn config(&self) -> Config {
        if self.0.is_empty() {
            return Config::default();
        }
        let expression = |(label, values): (&String, &BTreeSet<String>)| {
            let label = label.clone();
            match values.first() {
                Some(value) if values.len() == 1 => Expression::Equal(label, value.clone()),
                _ => Expression::In(label, values.clone()),
            }
        };
        let selector: Selector = self.0.iter().map(expression).collect();
        Config::default().labels_from(&selector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
        labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    fn asked(selectors: &[BTreeMap<String, String>]) -> Option<String> {
        let selection = Selection::covering(selectors.iter()).expect("there are selectors");
        assert!(selectors.iter().all(|one| selection.covers(one)), "{selection:?}");
        selection.config().label_selector
    }

    #[test]
    fn one_service_is_asked_for_by_its_own_selector() {
        assert_eq!(Selection::covering([].into_iter()), None);
        let one = selector(&[("app", "llama"), ("tier", "gpu")]);
        assert_eq!(asked(&[one]).as_deref(), Some("app=llama,tier=gpu"));
    }

    #[test]
    fn several_are_asked_for_by_the_labels_that_all_have() {
        let one = selector(&[("app", "llama"), ("tier", "gpu")]);
        let two = selector(&[("app", "qwen"), ("zone", "a")]);
        let both = [one.clone(), two];
        assert_eq!(asked(&both).as_deref(), Some("app in (llama,qwen)"));
        let selection = Selection::covering(both.iter()).expect("there are selectors");
        assert!(!selection.covers(&selector(&[("app", "phi")])));
        assert!(!selection.covers(&selector(&[("zone", "a")])));
        assert_eq!(asked(&[one, selector(&[("job", "x")])]), None, "all pods");
    }

    #[test]
    fn too_many_values_of_a_label_are_not_asked_for() {
        let many: Vec<_> = (0..1_000)
            .map(|number| selector(&[("app", &format!("model-{number}")), ("tier", "gpu")]))
            .collect();
        assert_eq!(asked(&many).as_deref(), Some("tier=gpu"));
    }
}
