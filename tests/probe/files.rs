//! Files outside, and tricks to bring them inside.

use std::path::PathBuf;

use libc::{AT_FDCWD, O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_WRONLY, c_int};

use crate::{Aims, Probe, c, harmless, probe};

/// Makes what tricks need, before the wall stands.
pub fn prepare(aims: &Aims) {
    let state = &aims.config.state.dir;
    for dir in ["here", "there"] {
        std::fs::create_dir_all(state.join(dir)).expect("a directory");
    }
    std::fs::write(state.join("here/own"), "own").expect("a file");
    let _kept = std::fs::remove_file(state.join("way-out"));
    std::os::unix::fs::symlink(&aims.outside, state.join("way-out")).expect("a link");
}

fn open(path: PathBuf, flags: c_int) -> i64 {
    unsafe { i64::from(libc::open(c(path).as_ptr(), flags, 0o600)) }
}

fn outside(aims: &Aims) -> PathBuf {
    aims.outside.join("secret.txt")
}

fn inside(aims: &Aims, name: &str) -> PathBuf {
    aims.config.state.dir.join(name)
}

pub fn probes() -> Vec<Probe> {
    [reading(), writing(), tricks(), attributes()].into_iter().flatten().collect()
}

fn reading() -> Vec<Probe> {
    vec![
        harmless("read a file outside", |aims| open(outside(aims), O_RDONLY)),
        harmless("read /etc/passwd", |_| open("/etc/passwd".into(), O_RDONLY)),
        harmless("list /", |_| open("/".into(), O_RDONLY | O_DIRECTORY)),
        harmless("list the directory outside", |aims| open(aims.outside.clone(), O_RDONLY | O_DIRECTORY)),
        harmless("read the environment of the parent", |aims| {
            open(format!("/proc/{}/environ", aims.parent).into(), O_RDONLY)
        }),
        harmless("open the memory of the parent", |aims| open(format!("/proc/{}/mem", aims.parent).into(), O_RDWR)),
        harmless("write to its own memory file", |_| open("/proc/self/mem".into(), O_RDWR)),
        probe("read /etc/shadow", |_| open("/etc/shadow".into(), O_RDONLY)),
        probe("write kernel settings", |_| open("/proc/sys/kernel/core_pattern".into(), O_WRONLY)),
        probe("open a kernel device", |_| {
            let device = ["/dev/mem", "/dev/kmsg"].into_iter().find(|device| PathBuf::from(device).exists());
            open(device.unwrap_or("/dev/zero").into(), O_RDWR)
        }),
    ]
}

fn writing() -> Vec<Probe> {
    vec![
        harmless("open the configuration for writing", |aims| open(aims.config_file.clone(), O_WRONLY)),
        harmless("create a file beside the configuration", |aims| {
            open(aims.config_file.with_file_name("more.toml"), O_WRONLY | O_CREAT)
        }),
        harmless("write to a file outside", |aims| open(outside(aims), O_WRONLY)),
        harmless("create a file outside", |aims| open(aims.outside.join("new"), O_WRONLY | O_CREAT)),
        harmless("make a directory outside", |aims| unsafe {
            i64::from(libc::mkdir(c(aims.outside.join("dir")).as_ptr(), 0o700))
        }),
        harmless("truncate a file outside", |aims| unsafe { i64::from(libc::truncate(c(outside(aims)).as_ptr(), 3)) }),
        harmless("rename a file outside", |aims| unsafe {
            let (from, to) = (c(outside(aims)), c(aims.outside.join("renamed")));
            let answer = libc::rename(from.as_ptr(), to.as_ptr());
            if answer == 0 {
                libc::rename(to.as_ptr(), from.as_ptr());
            }
            i64::from(answer)
        }),
        probe("remove a file outside", |aims| unsafe { i64::from(libc::unlink(c(outside(aims)).as_ptr())) }),
    ]
}

fn tricks() -> Vec<Probe> {
    vec![
        harmless("read through a link in the state directory", |aims| {
            open(inside(aims, "way-out/secret.txt"), O_RDONLY)
        }),
        harmless("make a symbolic link in the state directory", |aims| unsafe {
            i64::from(libc::symlink(c(outside(aims)).as_ptr(), c(inside(aims, "link")).as_ptr()))
        }),
        harmless("link a file outside into the state directory", |aims| unsafe {
            i64::from(libc::link(c(outside(aims)).as_ptr(), c(inside(aims, "linked")).as_ptr()))
        }),
        harmless("link a file of the state directory outside", |aims| unsafe {
            i64::from(libc::link(c(inside(aims, "here/own")).as_ptr(), c(aims.outside.join("linked")).as_ptr()))
        }),
        harmless("move a file of the state directory outside", |aims| unsafe {
            let (from, to) = (c(inside(aims, "here/own")), c(aims.outside.join("moved")));
            let answer = libc::rename(from.as_ptr(), to.as_ptr());
            if answer == 0 {
                libc::rename(to.as_ptr(), from.as_ptr());
            }
            i64::from(answer)
        }),
        harmless("move a file between directories", |aims| unsafe {
            i64::from(libc::rename(c(inside(aims, "here/own")).as_ptr(), c(inside(aims, "there/own")).as_ptr()))
        }),
        harmless("walk out with a path handle", |aims| unsafe {
            let dir = libc::open(c(aims.config.state.dir.clone()).as_ptr(), O_PATH | O_DIRECTORY);
            let up = c("../".repeat(20) + outside(aims).to_str().expect("UTF-8").trim_start_matches('/'));
            i64::from(libc::openat(dir, up.as_ptr(), O_RDONLY))
        }),
        harmless("make a pipe in the state directory", |aims| unsafe {
            i64::from(libc::mkfifo(c(inside(aims, "pipe")).as_ptr(), 0o600))
        }),
        probe("make a device in the state directory", |aims| unsafe {
            i64::from(libc::mknod(c(inside(aims, "device")).as_ptr(), libc::S_IFBLK | 0o600, libc::makedev(254, 0)))
        }),
        probe("leave by chroot", |aims| unsafe { i64::from(libc::chroot(c(aims.outside.clone()).as_ptr())) }),
    ]
}

fn attributes() -> Vec<Probe> {
    vec![
        harmless("change the mode of a file outside", |aims| unsafe {
            i64::from(libc::chmod(c(outside(aims)).as_ptr(), 0o644))
        }),
        harmless("change the owner of a file outside", |aims| unsafe {
            i64::from(libc::chown(c(outside(aims)).as_ptr(), libc::geteuid(), libc::getegid()))
        }),
        harmless("change the times of a file outside", |aims| unsafe {
            i64::from(libc::utimensat(AT_FDCWD, c(outside(aims)).as_ptr(), std::ptr::null(), 0))
        }),
        probe("set an attribute of a file outside", |aims| unsafe {
            let (path, name) = (c(outside(aims)), c"user.probe");
            i64::from(libc::setxattr(path.as_ptr(), name.as_ptr(), name.as_ptr().cast(), 4, 0))
        }),
    ]
}
