use super::*;

fn wall(write: &[&str], connect: &[u16]) -> Wall {
    let mut wall = Wall::new();
    write.iter().for_each(|dir| wall.write(Path::new(dir)));
    connect.iter().for_each(|port| wall.connect(*port));
    wall
}

#[test]
fn a_wall_covers_what_lies_below_it_and_nothing_beside_it() {
    let standing = wall(&["/srv/airlock"], &[443]);
    assert!(wall(&["/srv/airlock/state"], &[443]).beyond(&standing).is_empty());
    let more = wall(&["/srv/airlock2"], &[444]).beyond(&standing);
    assert_eq!(more, ["writing to `/srv/airlock2`", "connecting to port 444"]);
}

#[test]
fn what_may_be_written_may_be_read_but_not_the_other_way_round() {
    let mut reads = Wall::new();
    reads.read(Path::new("/srv/airlock/keys.json"));
    assert!(reads.beyond(&wall(&["/srv/airlock"], &[])).is_empty());
    assert_eq!(wall(&["/srv/airlock/keys.json"], &[]).beyond(&reads).len(), 1);
}

#[test]
fn a_replaced_file_is_read_by_its_directory_but_a_system_directory_never_is() {
    let mut wall = Wall::new();
    wall.read_replaceable(Path::new("/srv/airlock/keys.json"));
    wall.read_replaceable(Path::new("/etc/airlock-nowhere.toml"));
    let read: Vec<_> = wall.read.iter().map(PathBuf::as_path).collect();
    let wanted = ["/etc/airlock-nowhere.toml", "/srv/airlock", "/srv/airlock/keys.json"];
    assert_eq!(read, wanted.map(Path::new));
}

#[test]
fn a_process_with_threads_is_refused() {
    // The test runner's own threads are enough, and nothing is restricted before they are counted.
    let running = std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_millis(500)));
    assert!(matches!(Wall::new().raise(), Err(WallError::Threads(2..))));
    running.join().expect("a thread that sleeps");
}
