//! Sets and maps made of iterators, a step at a time. `collect` sorts first, with an instance of
//! the library's sort for every type: 4 kB each in a program that is mapped at every start.

use std::collections::{BTreeMap, BTreeSet};

/// The set of `items`.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// The map of `entries`; of two with one key the last counts.
pub fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}
