//! What BPF has in the kernel.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Programs, maps and links, by kind and number.
pub type Objects = BTreeSet<(&'static str, u32)>;

/// Everything that BPF has in the kernel, whoever loaded it.
pub fn objects() -> Objects {
    // Another process's may come or go between its number and its name: once more, then, a little later.
    let try_again = |_| {
        let listed = listing().ok();
        if listed.is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        listed
    };
    (0..100)
        .find_map(try_again)
        .unwrap_or_else(|| listing().expect("the kernel lists what it has"))
}

fn listing() -> Result<Objects, Box<dyn std::error::Error>> {
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
        let left: Vec<_> = objects().intersection(ours).copied().collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
