//! Labels and traces that were read before: whole containers repeat, as they belong to workloads and not to flows.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::cursor::Cursor;
use super::hit::is_staged;
use super::limits::MEMBERS_MAX;
use super::{labels, traces};

/// Containers that are remembered; when there are more, all are forgotten. A table of half the size would be too small
/// for the workloads of a large cluster; what is not remembered costs some 100 ns.
const CONTAINERS_MAX: usize = 8 * 1_024;

/// Bytes of what is remembered: 512 for each, and one more record.
const ARENA_BYTES_MAX: usize = CONTAINERS_MAX * 512;

/// What one container says, and where its texts stand.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Container {
    begin: u32,
    // The texts follow each other: as the record spells it, then what the reader made of it.
    raw_bytes: u32,
    first_bytes: u32,
    second_bytes: u32,
    /// Whether labels are known.
    pub(super) is_known: bool,
}

/// What a reader makes of a container; reused.
#[derive(Default, Debug)]
struct Reading {
    first: String,
    second: String,
}

/// How one kind of container is read: nothing when it is not as usual, else whether anything is known.
type Read = fn(&mut Cursor<'_>, &mut Reading) -> Option<bool>;

/// Containers of one kind.
///
/// The key is the text of a whole JSON object, that was found to be one. So where a record has the same bytes, they are
/// the same object, and neither its inside nor its end needs to be looked for.
#[derive(Debug)]
pub(super) struct Containers {
    read: Read,
    hasher: RandomState,
    table: HashTable<Container>,
    arena: String,
    reading: Reading,
}

impl Containers {
    /// Remembers labels: the first text is one label a line.
    pub(super) fn of_labels() -> Self {
        Self::new(read_labels)
    }

    /// Remembers policies: the first text is the enforced trace, the second the pending one.
    pub(super) fn of_policies() -> Self {
        Self::new(read_policies)
    }

    fn new(read: Read) -> Self {
        Self {
            read,
            hasher: RandomState::default(),
            table: HashTable::new(),
            arena: String::new(),
            reading: Reading::default(),
        }
    }

    /// Forgets everything if it has become too much. What was found before is then no longer to be asked for.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.table.len() >= CONTAINERS_MAX || self.arena.len() >= ARENA_BYTES_MAX {
            self.table.clear();
            self.arena.clear();
        }
    }

    /// Reads a container, whose text is whole if it is one; nothing when it is not as usual.
    #[inline(never)]
    pub(super) fn read(&mut self, raw: &str) -> Option<Container> {
        let hash = hash(&self.hasher, raw);
        match self.table.find(hash, |it| it.raw(&self.arena) == raw) {
            Some(container) => Some(*container),
            None => self.learn(raw, hash),
        }
    }

    /// Returns the first text of a container.
    #[inline]
    pub(super) fn first(&self, container: Container) -> &str {
        let Container { begin, raw_bytes, first_bytes, .. } = container;
        text(&self.arena, begin + raw_bytes, first_bytes)
    }

    /// Returns the second text of a container.
    #[inline]
    pub(super) fn second(&self, container: Container) -> &str {
        let Container { begin, raw_bytes, first_bytes, second_bytes, .. } = container;
        text(&self.arena, begin + raw_bytes + first_bytes, second_bytes)
    }

    #[inline(never)]
    fn learn(&mut self, raw: &str, new_hash: u64) -> Option<Container> {
        let Self { read, hasher, table, arena, reading } = self;
        reading.first.clear();
        reading.second.clear();
        let mut cursor = Cursor::new(raw);
        let is_known = read(&mut cursor, reading).filter(|_| cursor.is_at_end())?;
        let size = |text: &str| u32::try_from(text.len()).ok();
        let container = Container {
            begin: size(arena)?,
            raw_bytes: size(raw)?,
            first_bytes: size(&reading.first)?,
            second_bytes: size(&reading.second)?,
            is_known,
        };
        arena.push_str(raw);
        arena.push_str(&reading.first);
        arena.push_str(&reading.second);
        table.insert_unique(new_hash, container, |it| hash(hasher, it.raw(arena)));
        Some(container)
    }
}

impl Container {
    #[inline]
    fn raw(self, arena: &str) -> &str {
        text(arena, self.begin, self.raw_bytes)
    }
}

#[inline]
fn text(arena: &str, begin: u32, bytes: u32) -> &str {
    let begin = begin as usize;
    arena.get(begin..begin + bytes as usize).unwrap_or_default()
}

#[inline]
fn hash(hasher: &RandomState, raw: &str) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(raw.as_bytes());
    hasher.finish()
}

/// Reads `{"labels":[...]}`, as [`labels::read`] would.
fn read_labels(cursor: &mut Cursor<'_>, reading: &mut Reading) -> Option<bool> {
    let mut known = None;
    members(cursor, |key, value| {
        if key != "labels" {
            return value.skip();
        }
        if known.is_some() {
            return None;
        }
        known = Some(!value.null());
        if known == Some(false) {
            return Some(());
        }
        value.strings(|position, label| labels::push(label, position, &mut reading.first).ok())
    })?;
    Some(known.unwrap_or(false))
}

/// Reads lists of hits by their names, as [`traces::read`] would. Those that are not needed may hold anything.
fn read_policies(cursor: &mut Cursor<'_>, reading: &mut Reading) -> Option<bool> {
    let (mut enforced, mut pending, mut all) = (None, None, None);
    members(cursor, |key, value| {
        let list = match key {
            "enforced_policies" => &mut enforced,
            "pending_policies" => &mut pending,
            "all_policies" => &mut all,
            "transit_policies" => return value.skip(),
            // Whatever it is, it may be one of the other spellings.
            _ => return None,
        };
        if list.replace(*value).is_some() {
            return None;
        }
        value.skip()
    })?;
    let Reading { first, second } = reading;
    match (enforced, all) {
        (Some(list), _) => read_hits(list, first, |_| true)?,
        (None, Some(list)) => read_hits(list, first, |hit| !is_staged(hit))?,
        (None, None) => {}
    }
    pending.map_or(Some(()), |list| read_hits(list, second, |_| true))?;
    Some(true)
}

fn read_hits(mut list: Cursor<'_>, lines: &mut String, is_wanted: impl Fn(&str) -> bool) -> Option<()> {
    if list.null() {
        return Some(());
    }
    list.strings(|_, hit| if is_wanted(hit) { traces::push(hit, lines).ok() } else { Some(()) })
}

/// Reads the members of an object; `visit` must read the value of each.
fn members<'a>(
    cursor: &mut Cursor<'a>,
    mut visit: impl FnMut(&'a str, &mut Cursor<'a>) -> Option<()>,
) -> Option<()> {
    cursor.expect(b'{')?;
    if cursor.take(b'}') {
        return Some(());
    }
    for _ in 0..MEMBERS_MAX {
        let key = cursor.key()?;
        visit(key, cursor)?;
        if !cursor.more(b'}')? {
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a container twice, the second time from memory; `None` is *not as usual*.
    #[track_caller]
    fn check(containers: &mut Containers, json: &str, expect: Option<(bool, &str, &str)>) {
        for _ in 0..2 {
            let behind = format!("{json},\"next\":{{}}");
            let raw = Cursor::new(&behind).flat_object();
            let found = raw.and_then(|raw| containers.read(raw));
            let found = found.map(|it| (it.is_known, containers.first(it), containers.second(it)));
            assert_eq!(found, expect, "{json}");
        }
    }

    #[test]
    fn labels_are_read_once_and_remembered() {
        let mut labels = Containers::of_labels();
        for (json, expect) in [
            (r#"{"labels":["a=b","c=d"]}"#, Some((true, "a=b\nc=d", ""))),
            (r#"{"labels":[]}"#, Some((true, "", ""))),
            (r#"{"labels":null}"#, Some((false, "", ""))),
            ("{}", Some((false, "", ""))),
            (r#"{"x": [1], "labels": ["a=b"]}"#, Some((true, "a=b", ""))),
            (r#"{"labels":["a"]}"#, None),
            (r#"{"labels":["a=}"]}"#, None),
            (r#"{"labels":["a=b"],"labels":["c=d"]}"#, None),
            (r#"{"labels":["a=b"] }"#, None),
            (r#"{"labels":{"a":"b"}}"#, None),
            (r#"["a=b"]"#, None),
        ] {
            check(&mut labels, json, expect);
        }
        assert_eq!(labels.table.len(), 5);
    }

    #[test]
    fn policies_are_read_once_and_remembered() {
        let mut policies = Containers::of_policies();
        for (json, expect) in [
            (
                r#"{"enforced_policies":["0|t|t.a|allow|0"],"pending_policies":["x","y"],"all_policies":[1]}"#,
                Some((true, "0|t|t.a|allow|0", "x\ny")),
            ),
            (
                r#"{"all_policies":["0|t|snp:a/b|deny|0","1|t|np:a/b|allow|0"]}"#,
                Some((true, "1|t|np:a/b|allow|0", "")),
            ),
            (r#"{"pending_policies":null,"transit_policies":[]}"#, Some((true, "", ""))),
            (r#"{"enforcedPolicies":["0|t|t.a|allow|0"]}"#, None),
            (r#"{"pending_policies":[],"pending_policies":[]}"#, None),
            (r#"{"pending_policies":[""]}"#, None),
            (r#"{"pending_policies":[{"kind":1}]}"#, None),
        ] {
            check(&mut policies, json, expect);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut labels = Containers::of_labels();
        for round in 0..3 * CONTAINERS_MAX {
            labels.make_room();
            let json = format!(r#"{{"labels":["a={round}"]}}"#);
            let container = labels.read(&json).unwrap();
            assert_eq!(labels.first(container), format!("a={round}"));
            assert!(labels.table.len() <= CONTAINERS_MAX);
        }
        let long = "k".repeat(200);
        for round in 0..50_000 {
            labels.make_room();
            let json = format!(r#"{{"labels":["{long}={round}","{long}2=v","{long}3=v"]}}"#);
            labels.read(&json).unwrap();
            assert!(labels.arena.len() < ARENA_BYTES_MAX + 2_048);
        }
    }
}
