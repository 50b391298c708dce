//! The command line on what people give it: good files, and everything else.
#![expect(clippy::expect_used, reason = "a helper that fails, fails its test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::request;

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tracezip-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).expect("a file");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).expect("a file")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tracezip"))
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("the command runs")
    }

    /// What it says to standard error as it fails.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        said
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn put(request: &[u8], out: &mut Vec<u8>) {
    let mut len = request.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(request);
}

fn requests() -> Vec<u8> {
    let mut file = Vec::new();
    for seed in 0..20 {
        put(&request(seed), &mut file);
    }
    file
}

#[test]
fn files_come_back_from_compression_whatever_they_hold() {
    let folder = Folder::new("back");
    let mut strange = Vec::new();
    put(b"no protobuf", &mut strange);
    put(b"", &mut strange);
    // Larger than what a receiver takes from others.
    put(&vec![7; 17 << 20], &mut strange);
    for (name, contents) in [
        ("good", requests()),
        ("empty", Vec::new()),
        ("strange", strange),
    ] {
        folder.write(&format!("{name}.pbld"), &contents);
        for alone in [false, true] {
            let extra: &[&str] = if alone { &["--self-contained"] } else { &[] };
            let done = folder.run(&[&["compress", &format!("{name}.pbld")], extra].concat());
            assert!(done.status.success(), "{name}: {done:?}");
            fs::create_dir_all(folder.0.join("back")).expect("a folder");
            let done = folder.run(&["decompress", &format!("{name}.tzip"), "--out", "back"]);
            assert!(done.status.success(), "{name}: {done:?}");
            assert!(
                folder.read(&format!("back/{name}.pbld")) == contents,
                "{name}"
            );
            fs::remove_file(folder.0.join(format!("{name}.tzip"))).expect("it is there");
            fs::remove_dir_all(folder.0.join("back")).expect("it is there");
        }
    }
}

#[test]
fn what_is_no_file_of_requests_is_named_with_the_place() {
    let folder = Folder::new("no-file");
    let good = requests();
    folder.write("text.pbld", b"{ \"resourceSpans\": [] }");
    folder.write("cut.pbld", &good[..good.len() - 1]);
    folder.write("length.pbld", &[0xff; 12]);
    folder.write("cut.pbld.zst", b"\x28\xb5\x2f\xfd\x04");
    fs::create_dir_all(folder.0.join("folder.pbld")).expect("a folder");
    for command in ["stat", "inspect", "compress", "decompress"] {
        for (file, hint) in [
            ("text.pbld", "entry 0, which begins at byte 0"),
            ("cut.pbld", "entry 19"),
            ("length.pbld", "entry 0"),
            ("cut.pbld.zst", "cut.pbld.zst"),
            ("folder.pbld", "directory"),
            ("none.pbld", "No such file"),
            #[cfg(unix)]
            ("/dev/zero", "device"),
        ] {
            let said = folder.fails(&[command, file]);
            assert!(
                said.contains(file) && said.contains(hint),
                "{command} {file}: {said}"
            );
        }
    }
    let made = fs::read_dir(&folder.0).expect("the folder");
    assert_eq!(made.count(), 5, "nothing was written");
}

#[test]
fn files_that_are_there_are_not_written_over() {
    let folder = Folder::new("there");
    folder.write("a.pbld", &requests());
    folder.write("a.tzip", b"mine");
    assert!(folder.fails(&["compress", "a.pbld"]).contains("a.tzip"));
    assert_eq!(folder.read("a.tzip"), b"mine");
}

#[test]
fn frames_that_are_damaged_or_too_large_do_not_come_back() {
    let folder = Folder::new("damaged");
    folder.write("a.pbld", &requests());
    assert!(folder.run(&["compress", "a.pbld"]).status.success());
    let mut frames = folder.read("a.tzip");
    let middle = frames.len() / 2;
    frames[middle] ^= 1;
    folder.write("b.tzip", &frames);
    assert!(
        folder
            .fails(&["decompress", "b.tzip"])
            .contains("did not come back")
    );
    let said = folder.fails(&["decompress", "a.tzip", "--max-request", "10", "--out", "/"]);
    assert!(said.contains("limit"), "{said}");
    assert!(!Path::new("/a.pbld").exists());
}

#[test]
fn arguments_that_are_wrong_say_so() {
    let folder = Folder::new("arguments");
    for (arguments, hint) in [
        (&[][..], "which command?"),
        (&["stats"], "no command `stats`"),
        (&["stat"], "which files?"),
        (&["compress"], "which files?"),
        (&["stat", "--jsn", "a"], "--jsn"),
        (&["stat", "--rounds", "many", "a"], "many"),
        (&["stat", "--reassign-ids", "mine", "a"], "process or fleet"),
        // So many that there is no memory for them, and none.
        (&["stat", "--receivers", "100000000000", "a"], "1 to 1024"),
        (&["stat", "--receivers", "0", "a"], "1 to 1024"),
        // What would be without effect.
        (&["stat", "--out", "b", "a"], "`stat` has no option --out"),
        (&["inspect", "--json", "a"], "no option --json"),
        (&["inspect", "a", "--receivers=2"], "no option --receivers"),
        (
            &["compress", "--reassign-ids", "fleet", "a"],
            "--reassign-ids",
        ),
        (&["decompress", "--self-contained", "a"], "--self-contained"),
    ] {
        let said = folder.fails(arguments);
        assert!(
            said.contains(hint) && said.contains("--help"),
            "{arguments:?}: {said}"
        );
    }
    for option in ["--help", "--version"] {
        assert!(folder.run(&[option]).status.success());
    }
}

/// A file that is to get other ids is taken apart before it is measured.
#[test]
fn files_that_are_cut_off_or_absurd_are_named_before_they_get_other_ids() {
    let folder = Folder::new("reassigned");
    let good = requests();
    for len in [good.len() - 1, good.len() - 40, good.len() - 300] {
        folder.write("cut.pbld", &good[..len]);
        for command in ["stat", "inspect"] {
            let said = folder.fails(&[command, "--reassign-ids", "process", "cut.pbld"]);
            assert!(said.contains("entry 19"), "{said}");
        }
    }
    // A length that leads back to where it stands.
    folder.write(
        "back.pbld",
        &[0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    );
    let said = folder.fails(&["stat", "--reassign-ids", "fleet", "back.pbld"]);
    assert!(said.contains("entry 0"), "{said}");
}

#[test]
fn files_with_lengths_longer_than_need_be_are_not_compressed_to_others() {
    let folder = Folder::new("lengths");
    folder.write("long.pbld", &[1, b'a', 0x81, 0, b'b']);
    let said = folder.fails(&["compress", "long.pbld"]);
    assert!(said.contains("entry 1, at byte 2"), "{said}");
    // They can be measured.
    assert!(folder.run(&["stat", "long.pbld"]).status.success());
}

#[test]
fn files_that_zstd_has_packed_lose_both_endings() {
    let folder = Folder::new("endings");
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("memory");
    folder.write("a.pbld.zst", &zstd(&requests()));
    assert!(folder.run(&["compress", "a.pbld.zst"]).status.success());
    folder.write("b.tzip.zst", &zstd(&folder.read("a.tzip")));
    assert!(folder.run(&["decompress", "b.tzip.zst"]).status.success());
    assert_eq!(folder.read("b.pbld"), requests());
}

/// `/dev/full` is a disk that is full.
#[cfg(target_os = "linux")]
#[test]
fn figures_that_cannot_be_written_are_a_failure() {
    let folder = Folder::new("full");
    folder.write("a.pbld", &requests());
    for arguments in [&["stat", "--json", "a.pbld"][..], &["--help"]] {
        let full = fs::File::options().write(true).open("/dev/full");
        let output = Command::new(env!("CARGO_BIN_EXE_tracezip"))
            .args(arguments)
            .current_dir(&folder.0)
            .stdout(full.expect("a device"))
            .output()
            .expect("the command runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("No space left"), "{said}");
    }
}

/// Scripts read these names.
#[test]
fn figures_have_the_names_that_scripts_know() {
    let folder = Folder::new("json");
    folder.write("a.pbld", &requests());
    folder.write("empty.pbld", b"");
    let output = folder.run(&["stat", "--json", "--rounds", "1", "a.pbld", "empty.pbld"]);
    assert!(output.status.success());
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let files = figures["files"].as_array().expect("a list");
    assert_eq!(files.len(), 2);
    for object in files.iter().chain([&figures["total"]]) {
        for name in [
            "spans",
            "raw_bytes",
            "encode_ns_per_span",
            "zstd3_encode_ns_per_span",
            "decode_ns_per_span",
            "fallback_requests",
            "peak_state_bytes",
        ] {
            assert!(object[name].is_number(), "{name}: {object}");
        }
        for name in ["otlp", "gzip6", "zstd3", "tracezip"] {
            assert!(
                object["bytes_per_span"][name].is_number(),
                "{name}: {object}"
            );
        }
    }
    assert_eq!(figures["total"]["spans"], files[0]["spans"]);
    assert_eq!(files[1]["zstd3_encode_ns_per_span"], 0.0);
}
