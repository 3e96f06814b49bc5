//! The `warp` tool, end to end: every test runs the real program on a real directory, one
//! process a command, so that whatever one command wrote the next one must find on disk.

#![cfg(feature = "cli")]

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const WARP: &str = env!("CARGO_BIN_EXE_warp");

/// A directory of its own, with a database in it once something was put.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn db(&self) -> PathBuf {
        self.path("db")
    }

    /// `warp COMMAND DB ARGUMENTS…`
    fn warp<A: AsRef<OsStr>>(&self, command: &str, args: impl IntoIterator<Item = A>) -> Output {
        self.command(command, args).output().unwrap()
    }

    fn command<A: AsRef<OsStr>>(
        &self,
        command: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut process = Command::new(WARP);
        process.arg(command).arg(self.db()).args(args).stdin(Stdio::null());
        process
    }

    /// The same with `input` on standard input.
    fn feed(&self, command: &str, args: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(command, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // From a thread of its own: a command that stops early must not block the test.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output
    }

    fn put(&self, key: &str, value: &str) {
        ok(&self.warp("put", [key, value]));
    }

    fn get(&self, key: &str) -> Vec<u8> {
        ok(&self.warp("get", [key]))
    }
}

/// The standard output of a command that must have succeeded.
fn ok(output: &Output) -> Vec<u8> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert_eq!(stderr, "", "a command that succeeds is quiet on standard error");
    output.stdout.clone()
}

fn text(output: &Output) -> String {
    String::from_utf8(ok(output)).unwrap()
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

/// The error line of a command that must have failed with `code`.
fn fails(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "an error is one line: {stderr}");
    stderr.trim_end().to_owned()
}

fn sorted_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> =
        bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&b| b == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// A file of `n` records that hold every byte value, as TSV.
fn every_byte_tsv(path: &Path, n: u32) {
    let mut out = String::new();
    for i in 0..n {
        let (a, b) = (i as u8, (i >> 3) as u8);
        out += &format!("k{i:06}\\x{a:02x}\t\\x{b:02X}value\\t{i}\\\\\\n\n");
    }
    fs::write(path, out).unwrap();
}

#[test]
fn a_value_survives_the_process() {
    let place = Place::new();
    place.put("planet", "earth");
    assert_eq!(place.get("planet"), b"earth");
    place.put("planet", "mars");
    assert_eq!(place.get("planet"), b"mars", "the last value wins");
}

#[test]
fn an_empty_value_is_a_value() {
    let place = Place::new();
    place.put("k", "");
    assert_eq!(place.get("k"), b"");
}

#[test]
fn get_answers_1_for_a_key_that_does_not_exist() {
    let place = Place::new();
    place.put("a", "b");
    let error = fails(&place.warp("get", ["b"]), 1);
    assert_eq!(error, "warp: key \"b\" does not exist");
}

#[test]
fn delete_removes_once() {
    let place = Place::new();
    place.put("a", "b");
    ok(&place.warp("delete", ["a"]));
    fails(&place.warp("get", ["a"]), 1);
    fails(&place.warp("delete", ["a"]), 1);
}

#[test]
fn keys_and_values_may_be_any_bytes() {
    let place = Place::new();
    let key = OsStr::from_bytes(b"\xff\n\x01");
    ok(&place.warp("put", [key, OsStr::from_bytes(b"\xfe\tv")]));
    assert_eq!(ok(&place.warp("get", [key])), b"\xfe\tv");
    // The same key in the two spellings that a shell can pass.
    assert_eq!(ok(&place.warp("get", ["--hex", "ff0a01"])), b"\xfe\tv");
    assert_eq!(ok(&place.warp("get", ["--base64", "/woB"])), b"\xfe\tv");
    // Bytes that no argument can hold.
    ok(&place.warp("put", ["--hex", "00", "00ff00"]));
    assert_eq!(ok(&place.warp("get", ["--base64", "AA=="])), b"\0\xff\0");
}

#[test]
fn a_dash_is_standard_input_and_two_dashes_end_the_options() {
    let place = Place::new();
    let every_byte: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    ok(&place.feed("put", &["big", "-"], &every_byte));
    assert_eq!(place.get("big"), every_byte);
    ok(&place.warp("put", ["--", "-k", "--v"]));
    assert_eq!(ok(&place.warp("get", ["--", "-k"])), b"--v");
    ok(&place.warp("put", ["temperature", "-5"]));
    assert_eq!(place.get("temperature"), b"-5");
}

#[test]
fn a_value_comes_from_a_file() {
    let place = Place::new();
    let file = place.path("value");
    fs::write(&file, b"a\0b\n").unwrap();
    ok(&place.warp("put", [OsStr::new("k"), OsStr::new("--file"), file.as_os_str()]));
    assert_eq!(place.get("k"), b"a\0b\n");
    let error = fails(&place.warp("put", ["k", "--file", "/no/such/file"]), 3);
    assert_eq!(error, "warp: open /no/such/file: No such file or directory (errno 2)");
}

#[test]
fn json_is_told_apart_by_what_is_utf8() {
    let place = Place::new();
    place.put("clé", "a \"b\"\n");
    ok(&place.warp("put", ["--hex", "ff", "fe"]));
    let value = json(&ok(&place.warp("get", ["clé", "--json"])));
    assert_eq!(value, serde_json::json!({"key": "clé", "value": "a \"b\"\n"}));
    let value = json(&ok(&place.warp("get", ["--hex", "ff", "--json"])));
    assert_eq!(value, serde_json::json!({"key_base64": "/w==", "value_base64": "/g=="}));
}

#[test]
fn scan_takes_prefix_limit_and_keys_only() {
    let place = Place::new();
    for (key, value) in [("user:1", "a"), ("user:2", "b\tc"), ("order:1", "d")] {
        place.put(key, value);
    }
    let all = ok(&place.warp("scan", [""; 0]));
    let expected: [&[u8]; 3] = [b"order:1\td", b"user:1\ta", b"user:2\tb\\tc"];
    assert_eq!(sorted_lines(&all), expected);
    let keys = ok(&place.warp("scan", ["--prefix", "user:", "--keys-only"]));
    assert_eq!(sorted_lines(&keys), [b"user:1", b"user:2"]);
    let two = ok(&place.warp("scan", ["--limit", "2"]));
    assert_eq!(two.iter().filter(|&&b| b == b'\n').count(), 2);
    let hex = ok(&place.warp("scan", ["--hex", "--prefix", "6f"]));
    assert_eq!(hex, b"6f726465723a31\t64\n");
    assert_eq!(ok(&place.warp("scan", ["--prefix", "none"])), b"");
    assert_eq!(ok(&place.warp("scan", ["--limit", "0"])), b"");
}

#[test]
fn scan_in_json_is_json_lines() {
    let place = Place::new();
    place.put("a", "1");
    ok(&place.warp("put", ["--hex", "61ff", "00"]));
    let out = ok(&place.warp("scan", ["--json"]));
    let lines: Vec<_> = sorted_lines(&out).into_iter().map(json).collect();
    assert!(lines.contains(&serde_json::json!({"key": "a", "value": "1"})), "{lines:?}");
    assert!(lines.contains(&serde_json::json!({"key_base64": "Yf8=", "value": "\0"})));
    let out = ok(&place.warp("scan", ["--json", "--keys-only", "--limit", "1"]));
    assert_eq!(json(&out).as_object().unwrap().len(), 1);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    let file = place.path("in.tsv");
    every_byte_tsv(&file, 20_000);
    ok(&place.warp("load", [&file]));
    for command in ["scan", "dump"] {
        let mut child = place
            .command(command, [""; 0])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and hang up
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    }
}

#[test]
fn a_full_output_device_is_an_error() {
    let place = Place::new();
    place.put("k", "v");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = place.command("get", ["k"]).stdout(full).output().unwrap();
    let error = fails(&output, 7);
    assert!(error.starts_with("warp: write standard output: "), "{error}");
}

#[test]
fn load_and_dump_are_inverse_in_every_pair_of_formats() {
    let place = Place::new();
    let source = place.path("source.tsv");
    every_byte_tsv(&source, 3_000);
    ok(&place.warp("load", [&source]));
    let tsv = ok(&place.warp("dump", ["--format", "tsv"]));
    assert_eq!(tsv.iter().filter(|&&b| b == b'\n').count(), 3_000);
    let jsonl = ok(&place.warp("dump", ["--format", "jsonl"]));
    for (format, dumped) in [("tsv", &tsv), ("jsonl", &jsonl)] {
        let copy = Place::new();
        ok(&copy.feed("load", &["-", "--format", format], dumped));
        let again = ok(&copy.warp("dump", ["--format", "tsv"]));
        assert_eq!(sorted_lines(&again), sorted_lines(&tsv), "through {format}");
    }
}

#[test]
fn dump_to_a_file_names_the_format_by_its_extension() {
    let place = Place::new();
    place.put("k", "v");
    let file = place.path("out.jsonl");
    let said = text(&place.warp("dump", [OsStr::new("--output"), file.as_os_str()]));
    assert_eq!(said, format!("dumped 1 record to {}\n", file.display()));
    assert_eq!(fs::read(&file).unwrap(), b"{\"key\":\"k\",\"value\":\"v\"}\n");
    let said =
        ok(&place.warp("dump", [OsStr::new("--json"), OsStr::new("--output"), file.as_os_str()]));
    assert_eq!(json(&said)["records"], 1);
}

#[test]
fn the_last_line_of_a_key_wins() {
    let place = Place::new();
    ok(&place.feed("load", &["-"], b"k\t1\nk\t2\n\nother\t3\r\nk\t4"));
    assert_eq!(place.get("k"), b"4");
    assert_eq!(place.get("other"), b"3", "the ending of a CRLF file is not data");
}

#[test]
fn load_reports_what_it_did() {
    let place = Place::new();
    let said = text(&place.feed("load", &["-"], b"a\t1\nbb\t22\n"));
    assert!(said.starts_with("loaded 2 records, 6 B, in "), "{said}");
    let said = json(&ok(&place.feed("load", &["-", "--json"], b"a\t1\n")));
    assert_eq!((&said["records"], &said["bytes"]), (&1.into(), &2.into()));
}

#[test]
fn a_malformed_line_stops_the_load_at_the_last_full_batch() {
    let place = Place::new();
    let mut lines: Vec<String> = (1..=30).map(|i| format!("k{i}\tv{i}\n")).collect();
    lines[24] = "no tab here\n".to_owned();
    let output = place.feed("load", &["-", "--batch", "10"], lines.concat().as_bytes());
    assert_eq!(
        fails(&output, 65),
        "warp: standard input: line 25: no tab between key and value; stopped with 20 records \
         stored; nothing after them went in"
    );
    assert_eq!(place.get("k20"), b"v20");
    fails(&place.warp("get", ["k21"]), 1);
    fails(&place.warp("get", ["k26"]), 1);
    let keys = ok(&place.warp("scan", ["--keys-only"]));
    assert_eq!(sorted_lines(&keys).len(), 20);
}

#[test]
fn every_malformed_line_is_named() {
    let place = Place::new();
    let cases: [(&str, &[u8], &str); 6] = [
        ("tsv", b"a\tb\nk\tx\\q\n", "line 2: column 4: unknown escape"),
        ("tsv", b"\tv\n", "line 1: the key is empty"),
        ("jsonl", b"{\"key\":\"a\"}\n", "line 1: neither value nor value_base64"),
        ("jsonl", b"{\"key\":\"a\",\"value\":\"b\"}\nk\tv\n", "line 2: column 1"),
        ("jsonl", b"{\"key_base64\":\"*\",\"value\":\"b\"}\n", "line 1: key_base64: invalid"),
        ("jsonl", b"{\"key\":\"\xff\",\"value\":\"b\"}\n", "line 1: column"),
    ];
    for (format, input, wanted) in cases {
        let error = fails(&place.feed("load", &["-", "--format", format], input), 65);
        assert!(error.contains(wanted), "{error} should contain {wanted}");
        assert!(error.contains("stopped with 0 records stored"), "{error}");
    }
    let long = [&[b'k'; 65_536], &b"\tv\n"[..]].concat();
    let error = fails(&place.feed("load", &["-"], &long), 65);
    assert!(error.contains("line 1: key length 65536 exceeds 65535"), "{error}");
}

#[test]
fn progress_off_a_terminal_is_lines_and_only_if_asked_for() {
    let place = Place::new();
    ok(&place.feed("load", &["-", "--progress=auto"], b"a\t1\n"));
    ok(&place.feed("load", &["-", "--progress=never"], b"a\t1\n"));
    let output = place.feed("load", &["-", "--progress"], b"a\t1\n");
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains('\x1b') && !stderr.contains('\r'), "{stderr:?}");
}

#[test]
fn reading_commands_create_nothing() {
    let place = Place::new();
    let none: [&str; 0] = [];
    let copy = place.path("copy");
    let copy = copy.to_str().unwrap();
    for (command, args) in [
        ("get", &["k"][..]),
        ("delete", &["k"]),
        ("scan", &none),
        ("stats", &none),
        ("dump", &none),
        ("verify", &none),
        ("checkpoint", &none),
        ("sync", &none),
        ("compact", &none),
        ("backup", &[copy]),
        ("restore", &[copy]),
    ] {
        let output = place.warp(command, args);
        assert!(!output.status.success(), "{command} of no database succeeded");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(place.db().to_str().unwrap()), "{command}: {error}");
        assert!(!place.db().exists(), "{command} created the database");
        assert!(!Path::new(copy).exists(), "{command} created the copy");
    }
    let mut kept = place.command("get", ["k"]);
    let output = kept.args(["-o", "create_if_missing=true", "-o", "read_only=false"]).output();
    fails(&output.unwrap(), 1);
}

#[test]
fn reading_commands_write_nothing() {
    let place = Place::new();
    place.put("k", "v");
    let before = listing(&place.db());
    for (command, args) in
        [("get", &["k"][..]), ("scan", &[]), ("stats", &[]), ("dump", &[]), ("verify", &[])]
    {
        ok(&place.warp(command, args));
        assert_eq!(listing(&place.db()), before, "{command} changed a file");
    }
}

/// Every file below `dir` with its bytes.
fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "a database is files");
    found
}

#[test]
fn options_go_through_by_name() {
    let place = Place::new();
    ok(&place.warp("put", ["-o", "shards=3", "-o", "durability=sync", "k", "v"]));
    let table = text(&place.warp("stats", [""; 0]));
    assert!(table.lines().any(|l| l.starts_with("shards ") && l.ends_with(" 3")), "{table}");
    let error = fails(&place.warp("get", ["-o", "shard=3", "k"]), 2);
    assert!(error.starts_with("warp: unknown option \"shard\"; the options are "), "{error}");
    let error = fails(&place.warp("get", ["-o", "durability=maybe", "k"]), 2);
    assert!(error.contains("option durability"), "{error}");
    fails(&place.warp("get", ["-o", "shards", "k"]), 2);
    fails(&place.warp("put", ["-o", "read_only=true", "k", "v"]), 8);
}

#[test]
fn stats_are_a_table_or_json() {
    let place = Place::new();
    ok(&place.feed("load", &["-"], b"a\t1\nb\t2\nc\t3\n"));
    let table = text(&place.warp("stats", [""; 0]));
    assert!(table.lines().any(|l| l.starts_with("keys ") && l.ends_with(" 3")), "{table}");
    assert!(table.lines().any(|l| l.starts_with("shards ") && l.ends_with(" 24")), "{table}");
    assert!(table.lines().any(|l| l.starts_with("write amplification ")), "{table}");
    let stats = json(&ok(&place.warp("stats", ["--json"])));
    assert_eq!(stats["keys"], 3, "{stats}");
    for name in ["put_bytes", "moved_bytes", "freed_bytes", "slowdown_micros"] {
        assert_eq!(stats[name], 0, "nothing was written since this open: {stats}");
    }
}

#[test]
fn upkeep_commands_work_on_what_is_there() {
    let place = Place::new();
    place.put("k", "v");
    assert!(text(&place.warp("checkpoint", [""; 0])).starts_with("checkpoint done in "));
    assert!(text(&place.warp("sync", [""; 0])).starts_with("sync done in "));
    let said = json(&ok(&place.warp("checkpoint", ["--json"])));
    assert!(said["checkpoint"]["seconds"].is_number(), "{said}");
    assert_eq!(place.get("k"), b"v");
}

#[test]
fn compact_gives_back_what_was_overwritten() {
    let place = Place::new();
    let lines = |value: &str, step| -> Vec<u8> {
        let value = value.repeat(100);
        (0..500).step_by(step).flat_map(|i| format!("key{i}\t{value}{i}\n").into_bytes()).collect()
    };
    // Of what the first load wrote, every third record lives.
    ok(&place.feed("load", &["-", "-o", "shards=2"], &lines("old", 1)));
    ok(&place.feed("load", &["-"], &[lines("mid", 2), lines("mid", 3)].concat()));
    ok(&place.feed("load", &["-"], &[lines("new", 2), lines("new", 3)].concat()));
    let said = json(&ok(&place.warp("compact", ["--json"])));
    let number = |name: &str| said["compact"][name].as_u64().unwrap();
    assert!(number("log_bytes") < number("log_bytes_before") / 3 * 2, "{said}");
    assert_eq!(number("log_bytes"), number("live_bytes"), "{said}");
    assert!(number("freed_bytes") > 0 && number("moved_bytes") > 0, "{said}");
    for (key, value) in [("key499", "old"), ("key498", "new"), ("key495", "new")] {
        let expected = format!("{}{}", value.repeat(100), &key[3..]);
        assert_eq!(place.get(key), expected.as_bytes());
    }
    let said = text(&place.warp("compact", [""; 0]));
    assert!(said.starts_with("compact done in "), "{said}");
    fails(&place.warp("compact", ["-o", "read_only=true"]), 8);
}

#[test]
fn a_backup_is_restored_as_it_was() {
    let place = Place::new();
    let (copy, back) = (place.path("copies/one"), place.path("back"));
    place.put("k", "old");
    let said = text(&place.warp("backup", [&copy]));
    assert!(said.starts_with("backed up 1 record, "), "{said}");
    place.put("k", "new");
    place.put("later", "v");

    let before = listing(&copy);
    let restore = || Command::new(WARP).arg("restore").arg(&copy).arg(&back).output().unwrap();
    let said = text(&restore());
    assert!(said.starts_with("restored 1 record, "), "{said}");
    assert_eq!(listing(&copy), before, "a restore leaves the backup a backup");
    let error = fails(&restore(), 2);
    assert_eq!(error, format!("warp: {} is not empty; name a new directory", back.display()));

    let get = |key: &str| Command::new(WARP).arg("get").arg(&back).arg(key).output().unwrap();
    assert_eq!(ok(&get("k")), b"old");
    fails(&get("later"), 1);
    ok(&Command::new(WARP).arg("put").arg(&back).args(["k", "own"]).output().unwrap());
    assert_eq!((&*ok(&get("k")), &*place.get("k")), (&b"own"[..], &b"new"[..]));
    assert_eq!(listing(&copy), before, "the restored database shares no file with the backup");
}

#[test]
fn a_backup_is_brought_up_to_date_only_if_asked_for() {
    let place = Place::new();
    let copy = place.path("copy");
    let args = |extra: &'static str| [copy.as_os_str().to_owned(), extra.into()];
    place.put("k", "old");
    ok(&place.warp("backup", args("--incremental")));
    place.put("k", "new");
    let error = fails(&place.warp("backup", args("--json")), 2);
    assert!(error.contains("is not empty") && error.contains("--incremental"), "{error}");
    let said =
        json(&ok(&place.command("backup", args("--incremental")).arg("--json").output().unwrap()));
    assert_eq!(said["backup"]["records"], 1, "{said}");
    assert!(said["backup"]["bytes"].as_u64().unwrap() > 0, "{said}");
    let get = Command::new(WARP).arg("get").arg(&copy).arg("k").output().unwrap();
    assert_eq!(ok(&get), b"new");
    // Neither another database's backup nor somebody's files are written over.
    let other = Place::new();
    other.put("x", "y");
    fails(&other.warp("backup", args("--incremental")), 2);
    let files = other.path("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("precious"), "data").unwrap();
    for args in [&[files.as_os_str()][..], &[files.as_os_str(), OsStr::new("--incremental")]] {
        fails(&other.warp("backup", args), 2);
    }
    assert_eq!(fs::read_dir(&files).unwrap().count(), 1);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let place = Place::new();
    let (copy, back) = (place.path("copy"), place.path("back"));
    let value = "0123456789abcdef".repeat(64);
    place.put("k", &value);
    ok(&place.warp("backup", [&copy]));
    let (path, mut bytes) = listing(&copy)
        .into_iter()
        .find(|(_, bytes)| bytes.windows(value.len()).any(|w| w == value.as_bytes()))
        .unwrap();
    let at = bytes.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    fails(&Command::new(WARP).arg("restore").arg(&copy).arg(&back).output().unwrap(), 4);
    assert!(!back.exists());
}

#[test]
fn verify_reads_every_record() {
    let place = Place::new();
    ok(&place.feed("load", &["-"], b"a\t1\nbb\t22\n"));
    let said = text(&place.warp("verify", [""; 0]));
    assert_eq!(said, "sound: 2 records, 3 B of keys, 3 B of values\n");
    let said = json(&ok(&place.warp("verify", ["--json"])));
    assert_eq!(said["sound"], true, "{said}");
    for (field, n) in [("keys", 2), ("records", 2), ("key_bytes", 3), ("value_bytes", 3)] {
        assert_eq!(said[field], n, "{field}: {said}");
    }
    assert_eq!(said["damage"], serde_json::json!([]), "{said}");
}

#[test]
fn verify_answers_4_for_a_flipped_byte() {
    let place = Place::new();
    let value = "0123456789abcdef".repeat(64);
    place.put("k", &value);
    let (path, mut bytes) = listing(&place.db())
        .into_iter()
        .find(|(_, bytes)| bytes.windows(value.len()).any(|w| w == value.as_bytes()))
        .expect("some file holds the value as it is");
    let at = bytes.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let output = place.warp("verify", [""; 0]);
    let error = fails(&output, 4);
    assert!(error.starts_with("warp: 1 defect; warp repair"), "{error}");
    let file = path.file_name().unwrap().to_str().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.starts_with(&format!("{file}: offset ")), "{listed}");
    assert!(listed.contains("does not match its checksum"), "{listed}");
    assert!(listed.contains("; key \"k\"\n"), "{listed}");
    let output = place.warp("verify", ["--json"]);
    fails(&output, 4);
    let said = json(&output.stdout);
    assert_eq!((&said["sound"], &said["keys"]), (&false.into(), &0.into()), "{said}");
    assert_eq!(said["damage"][0]["kind"], "record", "{said}");
    assert_eq!(
        (&said["damage"][0]["file"], &said["damage"][0]["key"]),
        (&file.into(), &"k".into())
    );
}

#[test]
fn repair_saves_what_verifies_and_lists_the_rest() {
    let place = Place::new();
    place.put("kept", "1");
    place.put("old", "before");
    let value = "0123456789abcdef".repeat(64);
    place.put("old", &value);
    let (path, mut bytes) = listing(&place.db())
        .into_iter()
        .find(|(_, bytes)| bytes.windows(value.len()).any(|w| w == value.as_bytes()))
        .expect("some file holds the value as it is");
    let at = bytes.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let before = listing(&place.db());
    let to = place.path("repaired");
    let said = text(&place.warp("repair", [&to]));
    assert!(said.contains("key \"old\"") && said.contains("older value"), "{said}");
    assert!(said.contains("saved 2 records") && said.contains("1 defect"), "{said}");
    assert_eq!(listing(&place.db()), before, "the damaged database was written");
    let repaired = Place { dir: place.dir };
    let get = |key: &str| {
        let mut process = Command::new(WARP);
        ok(&process.arg("get").arg(&to).arg(key).output().unwrap())
    };
    assert_eq!((get("kept"), get("old")), (b"1".to_vec(), b"before".to_vec()));
    // Neither over a database nor twice to one place.
    let error = fails(&repaired.warp("repair", [&to]), 2);
    assert!(error.contains("is not empty"), "{error}");
    let again = repaired.path("again");
    let said = json(&ok(&repaired.command("repair", [&again]).arg("--json").output().unwrap()));
    assert_eq!(
        (&said["keys"], &said["damage"][0]["kind"]),
        (&2.into(), &"record".into()),
        "{said}"
    );
}

#[test]
fn a_database_in_use_answers_5() {
    let place = Place::new();
    place.put("k", "v");
    // A load that waits for its input holds the database.
    let mut holder = place
        .command("load", ["-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = holder.stdin.take().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let output = loop {
        let output = place.warp("put", ["-o", "open_timeout_ms=0", "x", "y"]);
        if !output.status.success() || std::time::Instant::now() > deadline {
            break output;
        }
    };
    fails(&output, 5);
    let error = fails(&place.warp("put", ["-o", "open_timeout_ms=50", "--json", "x", "y"]), 5);
    assert_eq!(json(error.as_bytes())["error"], "busy");
    input.write_all(b"a\t1\n").unwrap();
    drop(input);
    assert!(holder.wait().unwrap().success());
    assert_eq!(place.get("a"), b"1");
}

/// `warp bench` in a directory of its own, which must be empty afterwards.
fn bench(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let output =
        Command::new(WARP).arg("bench").args(args).arg("--dir").arg(dir.path()).output().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the benchmark removes its files");
    output
}

const SMALL: [&str; 4] = ["--keys", "2000", "--value-len", "40"];
const SHORT: [&str; 6] = ["--operations", "4000", "--rounds", "1", "--seconds", "0.1"];

#[test]
fn the_core_benchmark_measures_everything() {
    let said = json(&ok(&bench(&[&["core", "--json"][..], &SMALL, &SHORT].concat())));
    let rows = said["rows"].as_array().unwrap();
    let figure = |name: &str| {
        let row = rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert!(row["unit"].is_string(), "{row}");
        row["engine"].as_f64().unwrap()
    };
    for name in [
        "empty database, on disk",
        "fill random, 1 thread",
        "index",
        "get uniform, 1 thread",
        "get zipfian, 2 threads",
        "multi_get(32), 1 thread",
        "overwrite uniform, 2 threads",
        "mixed 50/50 zipfian, 2 threads",
        "mixed 50/50 zipfian, 24 threads",
        "latency of get, mixed, 1 thread, 99.99 %",
        "latency of put, mixed, 1 thread, longest",
        "close",
        "open after a clean close",
        "durable put, 1 thread",
        "durable put, 24 threads",
        "open after SIGKILL under load",
    ] {
        assert!(figure(name) > 0.0, "{name}: {said}");
    }
    assert_eq!(figure("open after SIGKILL, keys checked"), 2000.0);
}

#[test]
fn the_core_benchmark_measures_what_is_asked_for() {
    let args = [&["core", "--only", "SIGKILL"][..], &SMALL, &SHORT].concat();
    let said = text(&bench(&args));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("2000 keys of 16 bytes, values of 40, durability "), "{said}");
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[1..].iter().all(|l| l.starts_with("open after SIGKILL")), "{said}");
    let args = [&["core", "--only", "no such figure"][..], &SMALL, &SHORT].concat();
    assert!(fails(&bench(&args), 2).contains("no such figure"));
}

#[test]
fn the_sweep_stands_beside_the_target() {
    let args = [&["sweep", "--threads", "2,4", "--seconds", "0.1"][..], &SMALL].concat();
    let said = text(&bench(&args));
    assert_eq!(said.lines().count(), 4, "{said}");
    let said = json(&ok(&bench(&[&["--json"][..], &args].concat())));
    let rows = said["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{said}");
    assert_eq!((&rows[0]["threads"], &rows[0]["efficiency"]), (&2.into(), &1.0.into()));
    let linear = |row: usize| rows[row]["linear"].as_f64().unwrap();
    assert!((linear(1) / linear(0) - 2.0).abs() < 1e-9, "{said}");
    assert!(rows[1]["operations_per_second"].as_f64().unwrap() > 0.0, "{said}");
    // Puts of 2 threads to 24 shards meet in 4 % of the cases if spread evenly, and never in none;
    // those of 4 threads meet more often.
    let collisions = |row: usize| rows[row]["shard_collisions"].as_f64().unwrap();
    assert!(collisions(0) > 0.04 && collisions(0) < collisions(1), "{said}");
    assert!(collisions(1) < 1.0, "{said}");
    assert!(rows[1]["waits_per_1000_operations"].as_f64().unwrap() >= 0.0, "{said}");
}

#[test]
fn a_feature_is_measured_on_against_off() {
    let said = json(&ok(&bench(&[
        "--json",
        "features",
        "--data",
        "1M",
        "--trials",
        "1",
        "--only",
        "placement",
    ])));
    let rows = said["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{said}");
    assert!(rows.iter().all(|row| row["feature"] == "placement"), "{said}");
}

#[test]
fn rules_come_go_and_are_listed() {
    let place = Place::new();
    place.put("user:1", "u");
    place.put("profile:1", "p");
    let none: [&str; 0] = [];
    assert_eq!(ok(&place.warp("rules", none)), b"");
    let line = "user:*,profile:*  (place, link)\n";
    assert_eq!(text(&place.warp("rules", ["--add", "user:*,profile:*"])), line);
    assert_eq!(text(&place.warp("rules", none)), line);
    let group = "user:1\tu\nprofile:1\tp\n";
    assert_eq!(text(&place.warp("linked", ["user:1"])), group);
    assert_eq!(ok(&place.warp("rules", ["--remove", "user:*"])), b"");
    assert!(fails(&place.warp("rules", ["--remove", "user:*"]), 1).contains("user:*"));
    assert!(fails(&place.warp("rules", ["--add", "user"]), 2).contains("exactly one *"));
    assert_eq!(text(&place.warp("linked", ["user:1"])), "user:1\tu\n");
    assert_eq!(place.get("profile:1"), b"p");
}

#[test]
fn links_are_made_and_taken_away() {
    let place = Place::new();
    for key in ["a", "b", "c"] {
        place.put(key, key);
    }
    ok(&place.warp("link", ["a", "b", "--strength", "0.25"]));
    ok(&place.warp("link", ["a", "c"]));
    assert_eq!(text(&place.warp("linked", ["a"])), "a\ta\nc\tc\nb\tb\n");
    ok(&place.warp("unlink", ["a", "c"]));
    fails(&place.warp("unlink", ["a", "c"]), 1);
    fails(&place.warp("link", ["a", "a"]), 2);
    fails(&place.warp("linked", ["none"]), 1);
    assert_eq!(text(&place.warp("linked", ["a"])), "a\ta\nb\tb\n");
    let none: [&str; 0] = [];
    assert!(text(&place.warp("rebalance", none)).contains("slots moved"));
    assert_eq!(place.get("b"), b"b");
}

#[test]
fn wrong_options_of_a_benchmark_are_refused() {
    for args in [
        &["core", "--durability", "maybe", "--only", "empty"][..],
        &["core", "-o", "shard=3", "--only", "empty"],
        &["sweep", "--threads", "0"],
        &["sweep", "--seconds", "-1"],
        &["core", "--keys", "0"],
    ] {
        fails(&bench(args), 2);
    }
    fails(&Command::new(WARP).arg("bench").output().unwrap(), 2);
    let nowhere = ["bench", "sweep", "--dir", "/no/such/directory"];
    fails(&Command::new(WARP).args(nowhere).output().unwrap(), 3);
}

#[test]
fn errors_in_json_are_one_object() {
    let place = Place::new();
    place.put("k", "v");
    let error = json(fails(&place.warp("get", ["x", "--json"]), 1).as_bytes());
    assert_eq!(
        error,
        serde_json::json!({
            "error": "not_found", "message": "key \"x\" does not exist", "exit_code": 1
        })
    );
    let error = json(fails(&place.warp("get", ["--json"]), 2).as_bytes());
    assert_eq!(error["error"], "invalid_argument");
    let error = json(fails(&place.feed("load", &["-", "--json"], b"x\n"), 65).as_bytes());
    assert_eq!(error["error"], "malformed_input");
}

#[test]
fn wrong_usage_answers_2_on_one_line() {
    let place = Place::new();
    let cases: [&[&str]; 6] = [
        &[],
        &["frobnicate"],
        &["get"],
        &["get", "db", "k", "--hex", "--base64"],
        &["put", "db", "k", "v", "--file", "f"],
        &["load", "db", "-", "--batch", "0"],
    ];
    for args in cases {
        let output = Command::new(WARP).args(args).output().unwrap();
        let error = fails(&output, 2);
        assert!(error.starts_with("warp: ") && error.contains("warp --help"), "{error}");
    }
    fails(&place.warp("get", ["--hex", "abc"]), 2);
    let error = fails(&place.warp("put", ["", "v"]), 2);
    assert_eq!(error, "warp: the key is empty; keys are 1 to 65535 bytes");
}

#[test]
fn a_key_over_the_limit_answers_9() {
    let place = Place::new();
    let key = "k".repeat(65_536);
    assert_eq!(
        fails(&place.warp("put", [&key[..], "v"]), 9),
        "warp: key length 65536 exceeds 65535"
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    let help = Command::new(WARP).arg("--help").output().unwrap();
    let help = text(&help);
    for word in ["Exit codes:", "load", "checkpoint", "restore", "--hex"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    let version = text(&Command::new(WARP).arg("--version").output().unwrap());
    assert_eq!(version, concat!("warp ", env!("CARGO_PKG_VERSION"), "\n"));
    let load = text(&Command::new(WARP).args(["load", "--help"]).output().unwrap());
    assert!(load.contains("\\xHH") && load.contains("key_base64"), "{load}");
}
