//! The index image against the records that it points to.

use super::files::Files;
use super::table::{Table, IMAGE_FITS, IN_IMAGE};
use super::{Damage, DamageKind};
use crate::engine::image::{inspect, Group};
use crate::engine::meta::image_name;
use crate::engine::placement::Map;
use crate::engine::Home;
use crate::error::Error;
use crate::hash::{Hasher, KeyHash};
use crate::index::entry::Entry;
use crate::index::misplaced;
use crate::log::record::{Kind, Record};
use std::collections::HashMap;
use std::io::ErrorKind as IoKind;

/// An image's entry that waits for the record it points to.
struct Pointer {
    offset: u32,
    tag: u32,
    shard: u16,
    group: u16,
    met: bool,
}

/// The image that the checkpoint names, by the segments that its entries point into.
#[derive(Default)]
pub(crate) struct Image {
    name: String,
    slots: HashMap<u32, Vec<Pointer>>,
    /// It could be read and its own checksums fit, so what is missing from it is missing.
    pub(crate) whole: bool,
}

impl Image {
    /// Reads the image and checks all that it says about itself.
    pub(crate) fn read(home: &Home, files: &Files, damage: &mut Vec<Damage>) -> Image {
        let Some(checkpoint) = files.checkpoint.as_ref().filter(|c| c.image != 0) else {
            return Image::default();
        };
        let mut image = Image { name: image_name(checkpoint.image), ..Image::default() };
        let path = home.dir.join(&image.name);
        let read = || {
            let file = home.io.open(&path, false)?;
            let mut bytes = vec![0; file.len()? as usize];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(e) => {
                let e: std::io::Error = e;
                let missing = e.kind() == IoKind::NotFound;
                let kind = if missing { DamageKind::MissingFile } else { DamageKind::Unreadable };
                let what = if missing {
                    "missing; open rebuilds the index from the segments".to_owned()
                } else {
                    Error::os("read", &e).message().to_owned()
                };
                damage.push(Damage::new(kind, &image.name, what));
                return image;
            }
        };
        let before = damage.len();
        let slots = &mut image.slots;
        let mut group = |g: Group| {
            for word in misplaced(g.words) {
                let what = format!(
                    "the entry in word {word} of group {} of shard {} is where no search finds it",
                    g.group, g.shard
                );
                let at = g.offset + 8 * word;
                damage.push(Damage::new(DamageKind::Index, &image.name, what).at(at, at + 8));
            }
            for entry in g.words.iter().filter_map(|w| Entry::from_word(*w)) {
                let at = entry.location();
                slots.entry(at.slot).or_default().push(Pointer {
                    offset: at.offset,
                    tag: entry.tag(),
                    shard: g.shard as u16,
                    group: g.group as u16,
                    met: false,
                });
            }
        };
        let defects =
            inspect(&bytes, checkpoint.image_blocks, checkpoint.logs.len() / 2, &mut group);
        for (from, to, what) in defects {
            damage.push(Damage::new(DamageKind::File, &image.name, what).at(from, to));
        }
        image.whole = damage.len() == before;
        image.slots.values_mut().for_each(|p| p.sort_unstable_by_key(|p| p.offset));
        image
    }

    /// Whether an entry points to the record at `at`; if so it is checked, and the table told.
    pub(crate) fn meet(
        &mut self,
        (slot, at): (u32, usize),
        record: &Record,
        place: Option<(KeyHash, usize)>,
        table: &mut Table,
    ) -> Option<&'static str> {
        let pointers = self.slots.get_mut(&slot)?;
        let i = pointers.binary_search_by_key(&at, |p| p.offset as usize).ok()?;
        let pointer = &mut pointers[i];
        pointer.met = true;
        let mut wrong = None;
        if let Some((hash, shard)) = place {
            let fits = pointer.tag == hash.tag()
                && usize::from(pointer.group) == hash.group()
                && usize::from(pointer.shard) == shard;
            wrong = (!fits).then_some("an index entry for another key points to it");
        }
        if record.kind != Kind::Put {
            wrong = wrong.or(Some("an index entry points to it, but it is a delete"));
        }
        let print = table.print(record.key);
        if let Some(latest) = table.get(print) {
            if latest.flags & IN_IMAGE != 0 {
                wrong = wrong.or(Some("two index entries point to records of its key"));
            }
            latest.flags |= IN_IMAGE;
            if latest.seq == record.seq {
                latest.flags |= IMAGE_FITS;
            }
        }
        wrong
    }

    /// Lists the entries whose record was not met and is not in the list of damage itself. The
    /// segments' names by their slots.
    pub(crate) fn dangling(&self, names: &HashMap<u32, &str>, damage: &mut Vec<Damage>) {
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_unstable_by_key(|(slot, _)| **slot);
        for (slot, pointers) in slots {
            let Some(name) = names.get(slot).copied() else {
                let n = pointers.len();
                let what = format!("{n} entries point to slot {slot}, which no segment has");
                damage.push(Damage::new(DamageKind::Index, &self.name, what));
                continue;
            };
            let known: Vec<(u64, u64)> = damage
                .iter()
                .filter(|d| d.file == name)
                .filter_map(|d| Some((d.offset?, d.offset? + d.len?)))
                .collect();
            for pointer in pointers.iter().filter(|p| !p.met) {
                let at = u64::from(pointer.offset);
                if known.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                    continue;
                }
                let (shard, at) = (pointer.shard, pointer.offset);
                let what = format!(
                    "an entry of shard {shard} points to offset {at} of {name}, where no record \
                     verifies"
                );
                damage.push(Damage::new(DamageKind::Index, &self.name, what));
            }
        }
    }

    /// Name of the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Where a key belongs.
pub(crate) fn place(hasher: &Hasher, map: &Map, key: &[u8]) -> (KeyHash, usize) {
    let hash = map.hash(hasher, key);
    (hash, usize::from(map.table[hash.slot()]))
}
