//! Other processes, other programs, other identities.

use std::ptr::null;

use libc::{SIGCONT, c_long, syscall};

use crate::{Probe, c, harmless, probe};

/// A pointer's worth of nothing.
const NONE: c_long = 0;

pub fn probes() -> Vec<Probe> {
    [others(), programs(), identities(), namespaces()].into_iter().flatten().collect()
}

fn others() -> Vec<Probe> {
    vec![
        harmless("signal the parent", |aims| unsafe { i64::from(libc::kill(pid(aims.parent), 0)) }),
        harmless("signal the parent by handle", |aims| unsafe {
            let handle = syscall(libc::SYS_pidfd_open, aims.parent, NONE);
            syscall(libc::SYS_pidfd_send_signal, handle, c_long::from(SIGCONT), NONE, NONE)
        }),
        probe("trace the parent", |aims| unsafe {
            syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, aims.parent, NONE, NONE)
        }),
        probe("be traced", |_| unsafe { syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, NONE, NONE, NONE) }),
        harmless("read the memory of the parent", |aims| unsafe {
            syscall(
                libc::SYS_process_vm_readv,
                aims.parent,
                null::<libc::iovec>(),
                NONE,
                null::<libc::iovec>(),
                NONE,
                NONE,
            )
        }),
        harmless("write the memory of the parent", |aims| unsafe {
            syscall(
                libc::SYS_process_vm_writev,
                aims.parent,
                null::<libc::iovec>(),
                NONE,
                null::<libc::iovec>(),
                NONE,
                NONE,
            )
        }),
        harmless("take a descriptor of the parent", |aims| unsafe {
            let handle = syscall(libc::SYS_pidfd_open, aims.parent, NONE);
            syscall(libc::SYS_pidfd_getfd, handle, 1, NONE)
        }),
        harmless("read the limits of the parent", |aims| unsafe {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            syscall(libc::SYS_prlimit64, aims.parent, libc::RLIMIT_CORE, null::<libc::rlimit>(), &raw mut limit)
        }),
        harmless("compare descriptors with the parent", |aims| unsafe {
            let own = i64::from(libc::getpid());
            if syscall(libc::SYS_kcmp, own, aims.parent, NONE, 1, 1) >= 0 { 0 } else { -1 }
        }),
    ]
}

fn programs() -> Vec<Probe> {
    vec![
        harmless("execute a shell", |_| execute("/bin/sh")),
        harmless("execute a file of the state directory", |aims| {
            let script = aims.config.state.dir.join("script");
            std::fs::write(&script, "#!/bin/sh\ntrue\n").expect("writable");
            // The mode is set through the handle: by name it is refused already.
            let file = std::fs::File::open(&script).expect("readable");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            file.set_permissions(mode).expect("own file");
            drop(file);
            execute(script.to_str().expect("UTF-8"))
        }),
        harmless("execute by descriptor", |_| {
            let child = unsafe { libc::fork() };
            if child == 0 {
                unsafe {
                    let shell = libc::open(c"/bin/true".as_ptr(), libc::O_PATH);
                    let words = [c"true".as_ptr(), null()];
                    syscall(
                        libc::SYS_execveat,
                        shell,
                        c"".as_ptr(),
                        words.as_ptr(),
                        null::<*const i8>(),
                        libc::AT_EMPTY_PATH,
                    );
                    libc::_exit(errno());
                }
            }
            ended(child)
        }),
        harmless("make a memory file", |_| unsafe { syscall(libc::SYS_memfd_create, c"code".as_ptr(), NONE) }),
        harmless("start with clone3", |_| unsafe {
            // An empty request is an error of its own, so success is only that the kernel looked at it.
            let answer = syscall(libc::SYS_clone3, NONE, NONE);
            if answer < 0 && errno() == libc::ENOSYS { -1 } else { 0 }
        }),
    ]
}

/// Executes in a child; its errno is the child's status.
fn execute(program: &str) -> i64 {
    let path = c(program);
    let child = unsafe { libc::fork() };
    if child == 0 {
        let words = [c"-c".as_ptr(), c"-c".as_ptr(), c"true".as_ptr(), null()];
        unsafe {
            libc::execve(path.as_ptr(), words.as_ptr(), [null()].as_ptr());
            libc::_exit(errno());
        }
    }
    ended(child)
}

fn ended(child: libc::pid_t) -> i64 {
    let mut status = 0;
    unsafe {
        libc::waitpid(child, &raw mut status, 0);
        let code = libc::WEXITSTATUS(status);
        *libc::__errno_location() = code;
        if code == 0 { 0 } else { -1 }
    }
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn identities() -> Vec<Probe> {
    vec![
        harmless("set its user", |_| unsafe { syscall(libc::SYS_setuid, libc::getuid()) }),
        harmless("set its group", |_| unsafe { syscall(libc::SYS_setgid, libc::getgid()) }),
        probe("become root", |_| unsafe { syscall(libc::SYS_setresuid, NONE, NONE, NONE) }),
        probe("drop its groups", |_| unsafe { syscall(libc::SYS_setgroups, NONE, NONE) }),
        probe("gain capabilities", |_| unsafe {
            let header: [u32; 2] = [0x2008_0522, 0];
            let all = [u32::MAX; 6];
            syscall(libc::SYS_capset, header.as_ptr(), all.as_ptr())
        }),
        harmless("make itself dumpable", |_| unsafe { i64::from(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0)) }),
        probe("allow core files", |_| unsafe {
            let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
            i64::from(libc::setrlimit(libc::RLIMIT_CORE, &raw const limit))
        }),
        harmless("change its personality", |_| unsafe { i64::from(libc::personality(0xffff_ffff)) }),
    ]
}

fn namespaces() -> Vec<Probe> {
    vec![
        probe("make a user namespace", |_| unsafe { i64::from(libc::unshare(libc::CLONE_NEWUSER)) }),
        probe("make a mount namespace", |_| unsafe { i64::from(libc::unshare(libc::CLONE_NEWNS)) }),
        probe("clone into a user namespace", |_| unsafe {
            let child =
                syscall(libc::SYS_clone, c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD), NONE, NONE, NONE, NONE);
            if child == 0 {
                libc::_exit(0);
            }
            child
        }),
        probe("enter a namespace", |_| unsafe { syscall(libc::SYS_setns, 0, NONE) }),
    ]
}

fn pid(number: i64) -> libc::pid_t {
    libc::pid_t::try_from(number).expect("a process id")
}
