//! The compile child's own, stricter wall: it reads bytes, computes, writes its cache.

use std::{collections::BTreeMap, path::Path};

use rustix::thread::set_no_new_privs;
use seccompiler::{BackendError, SeccompAction, SeccompCmpOp as Is, SeccompRule};

use super::{WallError, process, rules, syscalls};

/// Everything the compiler, its threads and its cache ask of the kernel.
const ALLOWED: &[i64] = &[
    // Bytes in and out.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    // The cache; Landlock says where.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_ftruncate,
    libc::SYS_fchmod,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getcwd,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads; `clone` below, and `clone3` answers "not there".
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time, randomness, facts.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_unlink,
    libc::SYS_time,
    libc::SYS_poll,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// Locks this process to its cache directory. Call it with one thread, and with the cache open.
///
/// # Errors
/// When a part is not to be had. What could be done stays done.
pub(crate) fn lock_down(cache_dir: Option<&Path>) -> Result<(), WallError> {
    // The parent's wall may hide our own /proc from us; then the caller's word has to do.
    if let Err(WallError::Threads(count)) = process::require_one_thread() {
        return Err(WallError::Threads(count));
    }
    set_no_new_privs(true).map_err(WallError::process("no_new_privs"))?;
    process::hide()?;
    let landlock = restrict_paths(cache_dir);
    // Seccomp is worth having without Landlock too: it alone stops sockets and programs.
    syscalls::install(Ok(syscalls::absences()), SeccompAction::Allow, syscalls::errno(libc::ENOSYS))?;
    syscalls::install(allowed(), syscalls::errno(libc::EPERM), SeccompAction::Allow)?;
    landlock
}

/// No port, no signal, no socket, no program; no path but the cache.
fn restrict_paths(cache_dir: Option<&Path>) -> Result<(), WallError> {
    rules::require_abi()?;
    let mut closed = rules::closed()?;
    // A cache that is not there yet costs time and nothing else.
    if let Some(Ok(dir)) = cache_dir.map(rules::target) {
        closed = rules::allow(closed, &dir, rules::writing())?;
    }
    closed.restrict_self()?;
    Ok(())
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<_, _> = ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(libc::SYS_clone, vec![syscalls::rule(&[(0, Is::MaskedEq(thread), thread)])?]);
    // Reading its own limits, as the C library does for the stacks of threads.
    rules.insert(libc::SYS_prlimit64, vec![syscalls::rule(&[(0, Is::Eq, 0), (2, Is::Eq, 0)])?]);
    let naming = u64::from(libc::PR_SET_NAME.unsigned_abs());
    rules.insert(libc::SYS_prctl, vec![syscalls::rule(&[(0, Is::Eq, naming)])?]);
    Ok(rules)
}
