//! Seccomp: the system calls that Landlock knows nothing about.
//!
//! A list of what is refused, because a server with a database, sockets and threads uses most of the others. Nearly all
//! verdicts do not look at arguments, and those the kernel remembers: they cost nothing at run time.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

use super::WallError;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, seccompiler::BackendError>;

/// Refused whatever the arguments are.
const REFUSED: &[i64] = &[
    // Other processes, and our own memory from outside.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    // File systems.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    // Attributes of files by name: Landlock lets them pass.
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    SYS_OPEN_TREE_ATTR,
    SYS_FILE_SETATTR,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_utimensat,
    // Namespaces, keys, identities.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    // System calls past the filter, code without a file.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_execveat,
    libc::SYS_memfd_secret,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_settimeofday,
    libc::SYS_adjtimex,
    // Memory and queues shared with others of the same user.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Since Linux 6.6; the C library's list lags behind.
const SYS_FCHMODAT2: i64 = 452;
// Newer than the `libc` crate knows, and the same on every architecture.
const SYS_SETXATTRAT: i64 = 463;
const SYS_REMOVEXATTRAT: i64 = 466;
const SYS_OPEN_TREE_ATTR: i64 = 467;
const SYS_FILE_SETATTR: i64 = 469;

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[i64] = &[];

/// These answer "not there", so that the C library takes the older call whose arguments can be judged (clone3), and the
/// engine does without (memfd_create: Landlock does not see what is executed from a memory file).
const ABSENT: &[i64] = &[libc::SYS_clone3, libc::SYS_memfd_create];

/// Raw frames as they were asked for before `AF_PACKET`.
const SOCK_PACKET: i32 = 10;

/// Bits of `clone` that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Restricts this thread and those it starts.
pub(super) fn restrict() -> Result<(), WallError> {
    install(refusals(), SeccompAction::Allow, errno(libc::EPERM))?;
    install(Ok(absences()), SeccompAction::Allow, errno(libc::ENOSYS))
}

pub(super) fn absences() -> Rules {
    ABSENT.iter().map(|call| (*call, Vec::new())).collect()
}

pub(super) fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

fn refusals() -> Built<Rules> {
    let whole = REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new()));
    let mut rules: Rules = whole.collect();
    rules.extend(sockets()?);
    let namespace =
        |bit: &i32| rule(&[(0, Is::MaskedEq(u64::from(bit.unsigned_abs())), u64::from(bit.unsigned_abs()))]);
    rules.insert(libc::SYS_clone, NAMESPACES.iter().map(namespace).collect::<Built<_>>()?);
    rules.insert(libc::SYS_prlimit64, vec![rule(&[(0, Is::Ne, 0)])?]);
    rules.insert(libc::SYS_prctl, vec![rule(&[(0, Is::Eq, value(libc::PR_SET_DUMPABLE)), (1, Is::Ne, 0)])?]);
    // Typing into the terminal that we were started from.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX].map(|request| rule(&[(1, Is::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Built<_>>()?);
    Ok(rules)
}

/// Local, IPv4 and IPv6 sockets; streams, datagrams and packets; TCP and UDP. Landlock knows the ports of plain TCP only,
/// and of `connect`: MPTCP and opening a connection with the first byte sent would go past it.
fn sockets() -> Built<Rules> {
    let family = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].map(|family| (0, Is::Ne, value(family)));
    let protocol = [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP].map(|protocol| (2, Is::Ne, value(protocol)));
    let mut socket = vec![rule(&family)?, rule(&protocol)?];
    for odd in [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_DCCP, SOCK_PACKET] {
        socket.push(rule(&[(1, Is::MaskedEq(0xf), value(odd))])?);
    }
    let fast = |at| rule(&[(at, Is::MaskedEq(value(libc::MSG_FASTOPEN)), value(libc::MSG_FASTOPEN))]);
    Ok(Rules::from([
        (libc::SYS_socket, socket),
        (libc::SYS_socketpair, vec![rule(&[(0, Is::Ne, value(libc::AF_UNIX))])?]),
        (libc::SYS_sendto, vec![fast(3)?]),
        (libc::SYS_sendmsg, vec![fast(2)?]),
        (libc::SYS_sendmmsg, vec![fast(3)?]),
    ]))
}

fn value(number: i32) -> u64 {
    u64::from(number.unsigned_abs())
}

/// Matches when all conditions on the lower half of arguments do: the kernel's own types are that wide.
pub(super) fn rule(conditions: &[(u8, Is, u64)]) -> Built<SeccompRule> {
    let one = |(at, is, value): &(u8, Is, u64)| SeccompCondition::new(*at, Length::Dword, is.clone(), *value);
    SeccompRule::new(conditions.iter().map(one).collect::<Built<_>>()?)
}

pub(super) fn install(rules: Built<Rules>, otherwise: SeccompAction, matched: SeccompAction) -> Result<(), WallError> {
    let refused = |why: String| WallError::Seccomp(why);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|why| refused(why.to_string()))?;
    let build = || -> Built<BpfProgram> { SeccompFilter::new(rules?, otherwise, matched, arch)?.try_into() };
    let mut program = other_numbers();
    program.extend(build().map_err(|why| refused(why.to_string()))?);
    apply_filter(&program).map_err(|why| refused(why.to_string()))
}

/// The x32 calls of an x86-64 kernel are the same calls under other numbers: none exists for us.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    let answer = u32::from(errno(libc::ENOSYS));
    vec![
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: X32 },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: answer },
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn other_numbers() -> BpfProgram {
    BpfProgram::new()
}
