use super::*;

fn config(dir: &Path, rotate_bytes: u64, keep: u32) -> ExportFile {
    ExportFile {
        path: dir.join("audit.jsonl"),
        rotate_bytes: NonZeroU64::new(rotate_bytes).expect("above zero"),
        rotate_s: None,
        keep: NonZeroU32::new(keep).expect("above zero"),
    }
}

fn lines(from: u64, to: u64) -> Vec<Line> {
    (from..=to).map(|seq| Line { seq, text: format!("record {seq}\n") }).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("one").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).expect("a file")
}

#[test]
fn a_full_file_is_put_aside_under_the_number_of_its_last_record() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut file = RotatedFile::new(&config(dir.path(), 30, 10)).expect("a place");
    file.append(&lines(1, 4)).expect("written");
    file.append(&lines(5, 7)).expect("written");
    let first = format!("audit.jsonl.{:020}", 3);
    let second = format!("audit.jsonl.{:020}", 6);
    assert_eq!(names(dir.path()), ["audit.jsonl", &first, &second]);
    assert_eq!(read(dir.path(), &first), "record 1\nrecord 2\nrecord 3\n");
    assert_eq!(read(dir.path(), &second), "record 4\nrecord 5\nrecord 6\n");
    assert_eq!(read(dir.path(), "audit.jsonl"), "record 7\n");
}

#[test]
fn a_line_that_is_longer_than_a_file_gets_one_for_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut file = RotatedFile::new(&config(dir.path(), 3, 10)).expect("a place");
    file.append(&lines(1, 3)).expect("written");
    assert_eq!(names(dir.path()).len(), 3);
    assert_eq!(read(dir.path(), "audit.jsonl"), "record 3\n");
}

#[test]
fn only_the_newest_files_are_kept_and_nothing_else_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let others = ["audit.jsonl.gz", "audit.jsonl.0001", "other.jsonl.00000000000000000001"];
    others.iter().for_each(|name| fs::write(dir.path().join(name), "x").expect("written"));
    let mut file = RotatedFile::new(&config(dir.path(), 9, 2)).expect("a place");
    file.append(&lines(1, 5)).expect("written");
    let kept: Vec<String> = [3, 4].map(|seq| format!("audit.jsonl.{seq:020}")).into();
    let mut expected: Vec<&str> = others.into_iter().chain(["audit.jsonl"]).collect();
    expected.extend(kept.iter().map(String::as_str));
    expected.sort_unstable();
    assert_eq!(names(dir.path()), expected);
}

#[test]
fn a_part_of_a_line_that_a_crash_left_is_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("audit.jsonl");
    let long = "y".repeat(200_000);
    for (left, whole) in [("record 1\nrecor", "record 1\n"), ("recor", ""), ("", ""), ("a\n", "a\n"), (&long, "")] {
        fs::write(&path, left).expect("written");
        let mut file = RotatedFile::new(&config(dir.path(), 1 << 20, 2)).expect("a place");
        file.append(&lines(2, 2)).expect("written");
        assert_eq!(read(dir.path(), "audit.jsonl"), format!("{whole}record 2\n"), "{}", left.len());
    }
}

#[test]
fn a_file_that_was_put_aside_is_never_written_over() {
    let dir = tempfile::tempdir().expect("a directory");
    for _ in 0..3 {
        // As after a crash before the cursor moved: the same records again.
        let mut file = RotatedFile::new(&config(dir.path(), 27, 10)).expect("a place");
        file.append(&lines(1, 4)).expect("written");
        fs::write(dir.path().join("audit.jsonl"), "").expect("emptied");
    }
    let aside: Vec<String> = names(dir.path()).into_iter().filter(|name| name.contains("jsonl.")).collect();
    assert_eq!(aside.len(), 3, "{aside:?}");
    assert!(aside.iter().all(|name| read(dir.path(), name) == "record 1\nrecord 2\nrecord 3\n"));
}

#[test]
fn a_file_that_somebody_moved_away_is_begun_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut file = RotatedFile::new(&config(dir.path(), 1 << 20, 2)).expect("a place");
    file.append(&lines(1, 1)).expect("written");
    fs::rename(dir.path().join("audit.jsonl"), dir.path().join("moved")).expect("moved");
    file.append(&lines(2, 2)).expect("written");
    assert_eq!(
        (read(dir.path(), "moved"), read(dir.path(), "audit.jsonl")),
        ("record 1\n".into(), "record 2\n".into())
    );
}

#[test]
fn a_place_that_cannot_be_written_is_said_before_anything_is() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("audit.jsonl")).expect("made");
    assert!(RotatedFile::new(&config(dir.path(), 9, 1)).is_err_and(|why| why.contains("no regular file")));
    let nowhere = config(&dir.path().join("nowhere"), 9, 1);
    assert!(RotatedFile::new(&nowhere).is_err_and(|why| why.contains("directory is not there")));
}
