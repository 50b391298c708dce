//! A profile as a folder of files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::snapshot::{Profile, ProfileKind};

/// Graphs of single span names; of more names, those with the most time get one.
const MAX_GRAPHS: usize = 64;

impl Profile {
    /// Writes into `folder`, which is made if need be: `profile.pb.gz` for pprof; `flamegraph.svg` and
    /// `profile.folded` of the CPU, the same with `off-cpu` in their names where there are sleeps; and in `spans/` a
    /// flame graph for each name of spans, up to 64 of them. Returns what it wrote. Each file is replaced as a whole.
    ///
    /// # Errors
    ///
    /// What the file system says; files that were written before stay.
    pub fn write_to(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut written = Vec::new();
        let mut put = |path: PathBuf, bytes: &[u8]| -> io::Result<()> {
            // Beside its place first: whoever reads it meanwhile has the one before, whole.
            let mut beside = path.clone().into_os_string();
            beside.push(".part");
            fs::write(&beside, bytes)?;
            fs::rename(&beside, &path)?;
            written.push(path);
            Ok(())
        };
        let spans = folder.join("spans");
        fs::create_dir_all(&spans)?;
        put(folder.join("profile.pb.gz"), &self.to_pprof())?;
        for (kind, infix) in [(ProfileKind::Cpu, ""), (ProfileKind::OffCpu, "-off-cpu")] {
            if kind == ProfileKind::OffCpu && self.samples_of(kind).next().is_none() {
                continue;
            }
            let title = match kind {
                ProfileKind::Cpu => "Where the process computed",
                ProfileKind::OffCpu => "What its spans waited for",
            };
            let graph = self.to_flame_graph(kind, title);
            put(
                folder.join(format!("flamegraph{infix}.svg")),
                graph.as_bytes(),
            )?;
            let folded = self.to_folded(kind);
            put(
                folder.join(format!("profile{infix}.folded")),
                folded.as_bytes(),
            )?;
        }
        let mut taken = Vec::new();
        for name in self.span_names().into_iter().take(MAX_GRAPHS) {
            let of_name = self.of_span_name(name);
            let file = file_name(name, &mut taken);
            for (kind, infix) in [(ProfileKind::Cpu, ""), (ProfileKind::OffCpu, "-off-cpu")] {
                if of_name.samples_of(kind).next().is_some() {
                    let graph = of_name.to_flame_graph(kind, name);
                    put(spans.join(format!("{file}{infix}.svg")), graph.as_bytes())?;
                }
            }
        }
        Ok(written)
    }
}

/// A name for files that every system takes, and that no other span has.
fn file_name(name: &str, taken: &mut Vec<String>) -> String {
    let mut plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(80)
        .collect();
    if plain.is_empty() {
        plain.push('-');
    }
    let mut file = plain.clone();
    let mut number = 2;
    while taken.contains(&file) {
        file = format!("{plain}-{number}");
        number += 1;
    }
    taken.push(file.clone());
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain_and_differ() {
        let mut taken = Vec::new();
        let mut file = |name: &str| file_name(name, &mut taken);
        assert_eq!(file("GET /orders/{id}"), "GET--orders--id-");
        assert_eq!(file("GET /orders/[id]"), "GET--orders--id--2");
        assert_eq!(file(""), "-");
        assert_eq!(file(&"../".repeat(100)).len(), 80);
    }
}
