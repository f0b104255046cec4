//! The kernel and the machine. Arguments are such that nothing happens even if the call goes through.

use std::ptr::null;

use libc::{c_long, syscall};

use crate::{Probe, c, harmless, probe};

const NONE: c_long = 0;

pub fn probes() -> Vec<Probe> {
    [mounts(), doors(), machine(), memory()].into_iter().flatten().collect()
}

fn mounts() -> Vec<Probe> {
    vec![
        probe("mount", |aims| unsafe {
            let dir = c(aims.config.state.dir.clone());
            i64::from(libc::mount(c"none".as_ptr(), dir.as_ptr(), c"tmpfs".as_ptr(), 0, null()))
        }),
        probe("unmount", |aims| unsafe { i64::from(libc::umount2(c(aims.config.state.dir.clone()).as_ptr(), 0)) }),
        probe("pivot the root", |aims| unsafe {
            let dir = c(aims.config.state.dir.clone());
            syscall(libc::SYS_pivot_root, dir.as_ptr(), dir.as_ptr())
        }),
        probe("open a file system", |_| unsafe { syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), NONE) }),
        probe("copy a mount", |_| unsafe { syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/".as_ptr(), 1_i64) }),
        probe("move a mount", |_| unsafe {
            syscall(libc::SYS_move_mount, libc::AT_FDCWD, c"/".as_ptr(), libc::AT_FDCWD, c"/".as_ptr(), NONE)
        }),
        probe("change a mount", |_| unsafe {
            syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, c"/".as_ptr(), NONE, NONE, NONE)
        }),
        probe("set a quota", |_| unsafe { syscall(libc::SYS_quotactl, NONE, NONE, NONE, NONE) }),
    ]
}

fn doors() -> Vec<Probe> {
    vec![
        harmless("make an io_uring", |_| unsafe {
            let parameters = [0_u64; 15];
            syscall(libc::SYS_io_uring_setup, 1_i64, parameters.as_ptr())
        }),
        probe("use an io_uring", |_| unsafe {
            syscall(libc::SYS_io_uring_enter, -1_i64, NONE, NONE, NONE, NONE, NONE)
        }),
        probe("load a BPF map", |_| unsafe { syscall(libc::SYS_bpf, NONE, NONE, NONE) }),
        probe("open performance counters", |_| unsafe {
            syscall(libc::SYS_perf_event_open, NONE, NONE, NONE, NONE, NONE)
        }),
        probe("handle page faults", |_| unsafe { syscall(libc::SYS_userfaultfd, NONE) }),
        harmless("add a key", |_| unsafe {
            let (kind, name) = (c"user", c"airlock-probe");
            // -2: the keyring of this process, which goes with it.
            syscall(libc::SYS_add_key, kind.as_ptr(), name.as_ptr(), name.as_ptr(), 4_i64, -2_i64)
        }),
        harmless("use the keyring", |_| unsafe { syscall(libc::SYS_keyctl, NONE, -2_i64, 1_i64, NONE, NONE) }),
        harmless("take a handle of a file", |aims| unsafe {
            let path = c(aims.outside.join("secret.txt"));
            let mut handle = [0_u32; 34];
            handle[0] = 128;
            let mut mount = 0_i32;
            syscall(
                libc::SYS_name_to_handle_at,
                libc::AT_FDCWD,
                path.as_ptr(),
                handle.as_mut_ptr(),
                &raw mut mount,
                NONE,
            )
        }),
        probe("open a file by handle", |_| unsafe { syscall(libc::SYS_open_by_handle_at, NONE, NONE, NONE) }),
        probe("watch a file system", |_| unsafe { syscall(libc::SYS_fanotify_init, NONE, NONE) }),
        // A request that no terminal has would be another error.
        probe("type into the terminal", |_| unsafe { i64::from(libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr())) }),
    ]
}

fn machine() -> Vec<Probe> {
    vec![
        probe("load a kernel", |_| unsafe { syscall(libc::SYS_kexec_load, NONE, NONE, NONE, u64::MAX) }),
        probe("load a module", |_| unsafe { syscall(libc::SYS_init_module, NONE, NONE, NONE) }),
        probe("remove a module", |_| unsafe { syscall(libc::SYS_delete_module, c"none-such".as_ptr(), NONE) }),
        probe("reboot", |_| unsafe { syscall(libc::SYS_reboot, NONE, NONE, NONE, NONE) }),
        probe("stop swapping", |_| unsafe { syscall(libc::SYS_swapoff, c"/none-such".as_ptr()) }),
        probe("set the clock", |_| unsafe { syscall(libc::SYS_clock_settime, NONE, NONE) }),
        probe("adjust the clock", |_| unsafe { syscall(libc::SYS_clock_adjtime, NONE, NONE) }),
        probe("set the time", |_| unsafe { syscall(libc::SYS_settimeofday, NONE, NONE) }),
        probe("account processes", |_| unsafe { syscall(libc::SYS_acct, c"/none-such".as_ptr()) }),
        probe("read the kernel's log", |_| unsafe { syscall(libc::SYS_syslog, 3_i64, NONE, NONE) }),
        probe("rename the machine", |_| unsafe { syscall(libc::SYS_sethostname, NONE, -1_i64) }),
    ]
}

fn memory() -> Vec<Probe> {
    let mut probes = vec![
        harmless("share memory with others", |_| unsafe {
            let id = i64::from(libc::shmget(libc::IPC_PRIVATE, 4096, 0o600));
            if id >= 0 {
                libc::shmctl(i32::try_from(id).expect("an id"), libc::IPC_RMID, std::ptr::null_mut());
            }
            id
        }),
        probe("open a message queue", |_| unsafe {
            syscall(libc::SYS_mq_open, c"none-such".as_ptr(), NONE, NONE, NONE)
        }),
        probe("make secret memory", |_| unsafe { syscall(libc::SYS_memfd_secret, NONE) }),
    ];
    #[cfg(target_arch = "x86_64")]
    probes.extend([
        probe("use ports of the hardware", |_| unsafe { syscall(libc::SYS_iopl, 3_i64) }),
        probe("use a port of the hardware", |_| unsafe { syscall(libc::SYS_ioperm, 0x80_i64, 1_i64, 1_i64) }),
        harmless("read its segments", |_| unsafe { syscall(libc::SYS_modify_ldt, NONE, NONE, NONE) }),
        probe("call by another number", |_| unsafe { syscall(0x4000_0000 | libc::SYS_getpid) }),
    ]);
    probes
}
