//! What BPF has in the kernel.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

/// Programs, maps and links, by kind and number.
pub type Objects = BTreeSet<(&'static str, u32)>;

/// What this process has there, and nobody else's: other processes come and go as they like.
pub fn own_objects() -> Objects {
    objects_of(std::process::id())
}

/// What that process has there: what its descriptors are of, which is at least one program; that program's maps; every
/// program that has one of those, such as those which events run and no descriptor tells of; and the links to them.
pub fn objects_of(process: u32) -> Objects {
    // Another process's may come or go between its number and its name: once more, then, a little later.
    settled(|| {
        let mut all = Objects::new();
        for (kind, numbers) in held_by(process)? {
            all.extend(numbers.into_iter().map(|number| (kind, number)));
        }
        let maps: BTreeSet<u32> = programs()?
            .into_iter()
            .filter(|(number, _)| all.contains(&("program", *number)))
            .flat_map(|(_, maps)| maps)
            .collect();
        for (number, others) in programs()? {
            if others.iter().any(|map| maps.contains(map)) {
                all.insert(("program", number));
                all.extend(others.into_iter().map(|map| ("map", map)));
            }
        }
        for link in aya::programs::loaded_links() {
            let link = link?;
            if all.contains(&("program", link.program_id())) {
                all.insert(("link", link.id()));
            }
        }
        Ok(all)
    })
}

fn settled<T>(look: impl Fn() -> Result<T, Error>) -> T {
    for _ in 0..100 {
        if let Ok(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    look().expect("the kernel lists what it has")
}

/// What a process's descriptors are of, as the kernel tells beside each.
fn held_by(process: u32) -> Result<Vec<(&'static str, BTreeSet<u32>)>, Error> {
    let mut held = [
        ("program", "prog_id:"),
        ("map", "map_id:"),
        ("link", "link_id:"),
    ]
    .map(|(kind, key)| (kind, key, BTreeSet::new()));
    for entry in PathBuf::from(format!("/proc/{process}/fdinfo")).read_dir()? {
        // It may have been closed since.
        let Ok(text) = std::fs::read_to_string(entry?.path()) else {
            continue;
        };
        for line in text.lines() {
            for (_, key, numbers) in &mut held {
                if let Some(number) = line.strip_prefix(*key) {
                    numbers.insert(number.trim().parse()?);
                }
            }
        }
    }
    Ok(held.map(|(kind, _, numbers)| (kind, numbers)).into())
}

/// Every program there is, with its maps.
fn programs() -> Result<Vec<(u32, Vec<u32>)>, Error> {
    aya::programs::loaded_programs()
        .map(|program| {
            let program = program?;
            Ok((program.id(), program.map_ids()?.unwrap_or_default()))
        })
        .collect()
}

/// Everything that BPF has in the kernel, whoever loaded it.
fn listing() -> Result<Objects, Error> {
    let mut all = BTreeSet::new();
    for program in aya::programs::loaded_programs() {
        all.insert(("program", program?.id()));
    }
    for map in aya::maps::loaded_maps() {
        all.insert(("map", map?.id()));
    }
    for link in aya::programs::loaded_links() {
        all.insert(("link", link?.id()));
    }
    Ok(all)
}

/// Fails unless everything of `ours` is gone within a second: the kernel frees a little later.
pub fn assert_gone(ours: &Objects) {
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        let left: Vec<_> = settled(listing).intersection(ours).copied().collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// As a process tells another what it has: a line for each.
pub fn told(objects: &Objects) -> String {
    let line = |(kind, number): &(&str, u32)| format!("object {kind} {number}\n");
    objects.iter().map(line).collect()
}

/// What a process told in the way of [`told`], among whatever else it wrote.
pub fn heard(text: &str) -> Objects {
    let object = |line: &str| {
        let (kind, number) = line.split_once("object ")?.1.split_once(' ')?;
        let kind = ["program", "map", "link"]
            .into_iter()
            .find(|known| *known == kind)?;
        Some((kind, number.trim().parse().ok()?))
    };
    text.lines().filter_map(object).collect()
}
