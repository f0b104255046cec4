/* A disk that remembers and that fails, for tests: loaded with LD_PRELOAD into a process that writes to a state directory.
 *
 * AIRLOCK_DISK_DIR   the directory; nothing outside of it is seen
 * AIRLOCK_DISK_LOG   a file that gets every operation on it, in the order in which they took effect: tests/harness/disk/log.rs
 * AIRLOCK_DISK_FAIL  `KINDS ERRNO FIRST COUNT`: operations of these kinds (w write, s sync, t truncate, o open, r rename, u unlink,
 *                    m mkdir), counted from 1, fail from the FIRST on, COUNT of them. ERRNO 0 is a short write: half of the bytes.
 * AIRLOCK_DISK_SPACE a file; while it exists nothing fails
 * AIRLOCK_CLOCK      a file; the wall clock is ahead by so many seconds as stand in it
 *
 * One lock is held around each operation and its line in the log, so a sync covers exactly what stands before it. The shared
 * memory of SQLite is mapped and not seen: it is worth nothing after a crash.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, SYNC, SYNC_DIR, RENAME, UNLINK, MKDIR, MARK, FAILED };

struct entry {
    uint32_t kind, file;
    uint64_t offset, length;
    uint32_t text, data;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char dir[4096];
static size_t dir_length;
static int log_fd = -1;

#define FILES_MAX 65536
static struct { dev_t dev; ino_t ino; } files[FILES_MAX];
static uint32_t files_count;

static char fail_kinds[16];
static int fail_errno;
static long fail_first, fail_count, seen;
static const char *space;
static int clock_fd = -1;

static void put(uint32_t kind, uint32_t file, uint64_t offset, uint64_t length, const char *text, const void *data, size_t bytes) {
    if (log_fd < 0) return;
    struct entry entry = { kind, file, offset, length, text ? (uint32_t)strlen(text) : 0, (uint32_t)bytes };
    struct iovec parts[3] = { { &entry, sizeof entry }, { (void *)text, entry.text }, { (void *)data, bytes } };
    if (syscall(SYS_writev, log_fd, parts, 3) != (long)(sizeof entry + entry.text + bytes)) abort();
}

__attribute__((constructor)) static void begin(void) {
    /* What this process starts is not watched: files have numbers of one process each. */
    unsetenv("LD_PRELOAD");
    const char *clock = getenv("AIRLOCK_CLOCK");
    if (clock) clock_fd = (int)syscall(SYS_open, clock, O_RDONLY | O_CLOEXEC);
    const char *name = getenv("AIRLOCK_DISK_DIR"), *log = getenv("AIRLOCK_DISK_LOG"), *fail = getenv("AIRLOCK_DISK_FAIL");
    if (!name) return;
    snprintf(dir, sizeof dir, "%s", name);
    dir_length = strlen(dir);
    if (log) log_fd = (int)syscall(SYS_open, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fail && sscanf(fail, "%15s %d %ld %ld", fail_kinds, &fail_errno, &fail_first, &fail_count) != 4) abort();
    space = getenv("AIRLOCK_DISK_SPACE");
    put(MARK, 0, 0, 0, "process", NULL, 0);
}

/* Whether this operation is to fail; 2 for a short write. */
static int fails(char kind, uint32_t file) {
    if (!fail_kinds[0] || !strchr(fail_kinds, kind)) return 0;
    seen++;
    if (seen < fail_first || seen >= fail_first + fail_count) return 0;
    struct stat found;
    if (space && syscall(SYS_stat, space, &found) == 0) return 0;
    char text[32];
    snprintf(text, sizeof text, "%c %ld", kind, seen);
    put(FAILED, file, 0, 0, text, NULL, 0);
    if (fail_errno == 0 && kind == 'w') return 2;
    errno = fail_errno ? fail_errno : ENOSPC;
    return 1;
}

/* The path below the directory, or nothing. */
static const char *inside(const char *path) {
    if (!dir_length || !path || strncmp(path, dir, dir_length)) return NULL;
    if (path[dir_length] == 0) return ".";
    return path[dir_length] == '/' ? path + dir_length + 1 : NULL;
}

static uint32_t known(int fd) {
    struct stat found;
    if (!dir_length || fstat(fd, &found)) return 0;
    for (uint32_t n = files_count; n > 0; n--)
        if (files[n - 1].dev == found.st_dev && files[n - 1].ino == found.st_ino) return n;
    return 0;
}

static uint32_t add(int fd, int is_new) {
    uint32_t file = is_new ? 0 : known(fd);
    struct stat found;
    if (file || fstat(fd, &found)) return file;
    if (files_count == FILES_MAX) abort();
    files[files_count].dev = found.st_dev;
    files[files_count].ino = found.st_ino;
    return ++files_count;
}

/* Directories are files 0: their path says which. */
static int is_dir(int fd, char *path) {
    struct stat found;
    char link[64];
    if (!dir_length || fstat(fd, &found) || !S_ISDIR(found.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, 4095);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path) != NULL;
}

#define GUARDED(type, body) do { pthread_mutex_lock(&lock); type result; body; int kept = errno; pthread_mutex_unlock(&lock); errno = kept; return result; } while (0)

static int opened(const char *path, int flags, mode_t mode) {
    const char *name = inside(path);
    if (!name) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    GUARDED(int, {
        struct stat found;
        int is_new = syscall(SYS_lstat, path, &found) != 0;
        int changes = (flags & O_ACCMODE) != O_RDONLY;
        if (changes && fails('o', 0)) result = -1;
        else result = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
        if (result >= 0 && !(flags & O_DIRECTORY) && !fstat(result, &found) && S_ISREG(found.st_mode)) {
            uint32_t file = add(result, is_new);
            put(OPEN, file, (uint64_t)is_new, 0, name, NULL, 0);
            if (!is_new && (flags & O_TRUNC)) put(TRUNCATE, file, 0, 0, NULL, NULL, 0);
        }
    });
}

static mode_t mode_of(int flags, va_list arguments) { return flags & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(arguments, int) : 0; }
#define OPENER(name) int name(const char *path, int flags, ...) { va_list arguments; va_start(arguments, flags); mode_t mode = mode_of(flags, arguments); va_end(arguments); return opened(path, flags, mode); }
OPENER(open)
OPENER(open64)
#define OPENER_AT(name) int name(int at, const char *path, int flags, ...) { va_list arguments; va_start(arguments, flags); mode_t mode = mode_of(flags, arguments); va_end(arguments); if (path[0] != '/') return (int)syscall(SYS_openat, at, path, flags, mode); return opened(path, flags, mode); }
OPENER_AT(openat)
OPENER_AT(openat64)

/* At `offset`, or at -1 where the file stands. */
static ssize_t written(int fd, const void *bytes, size_t count, off_t offset) {
    uint32_t file = fd == log_fd ? 0 : known(fd);
    off_t at = offset;
    if (file && at < 0) {
        int flags = fcntl(fd, F_GETFL);
        at = lseek(fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    int how = file ? fails('w', file) : 0;
    if (how == 1) return -1;
    size_t most = how == 2 && count > 1 ? count / 2 : count;
    ssize_t wrote = offset < 0 ? syscall(SYS_write, fd, bytes, most) : syscall(SYS_pwrite64, fd, bytes, most, offset);
    if (file && wrote > 0) put(WRITE, file, (uint64_t)at, (uint64_t)wrote, NULL, bytes, (size_t)wrote);
    return wrote;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    /* Nothing else may wait for a pipe under the lock. */
    if (!dir_length || !known(fd)) return syscall(SYS_write, fd, bytes, count);
    GUARDED(ssize_t, result = written(fd, bytes, count, -1));
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { GUARDED(ssize_t, result = written(fd, bytes, count, offset)); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) { GUARDED(ssize_t, result = written(fd, bytes, count, offset)); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (dir_length && known(fd)) return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
    return syscall(SYS_writev, fd, parts, count);
}

static int truncated(int fd, off_t length) {
    uint32_t file = known(fd);
    if (file && fails('t', file)) return -1;
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (file && result == 0) put(TRUNCATE, file, 0, (uint64_t)length, NULL, NULL, 0);
    return result;
}
int ftruncate(int fd, off_t length) { GUARDED(int, result = truncated(fd, length)); }
int ftruncate64(int fd, off64_t length) { GUARDED(int, result = truncated(fd, length)); }

static int synced(int fd, long call) {
    char path[4096];
    uint32_t file = known(fd);
    int directory = !file && is_dir(fd, path);
    if ((file || directory) && fails('s', file)) return -1;
    int result = (int)syscall(call, fd);
    if (result == 0 && file) put(SYNC, file, 0, 0, NULL, NULL, 0);
    if (result == 0 && directory) put(SYNC_DIR, 0, 0, 0, inside(path), NULL, 0);
    return result;
}
int fsync(int fd) { GUARDED(int, result = synced(fd, SYS_fsync)); }
int fdatasync(int fd) { GUARDED(int, result = synced(fd, SYS_fdatasync)); }

int rename(const char *from, const char *to) {
    const char *old = inside(from), *new = inside(to);
    if (!old || !new) return (int)syscall(SYS_rename, from, to);
    GUARDED(int, {
        if (fails('r', 0)) result = -1;
        else result = (int)syscall(SYS_rename, from, to);
        char both[8192];
        snprintf(both, sizeof both, "%s\n%s", old, new);
        if (result == 0) put(RENAME, 0, 0, 0, both, NULL, 0);
    });
}

int unlink(const char *path) {
    const char *name = inside(path);
    if (!name) return (int)syscall(SYS_unlink, path);
    GUARDED(int, {
        if (fails('u', 0)) result = -1;
        else result = (int)syscall(SYS_unlink, path);
        if (result == 0) put(UNLINK, 0, 0, 0, name, NULL, 0);
    });
}

int mkdir(const char *path, mode_t mode) {
    const char *name = inside(path);
    if (!name) return (int)syscall(SYS_mkdir, path, mode);
    GUARDED(int, {
        if (fails('m', 0)) result = -1;
        else result = (int)syscall(SYS_mkdir, path, mode);
        if (result == 0) put(MKDIR, 0, 0, 0, name, NULL, 0);
    });
}

/* The file is opened once: behind its wall a server may not open it. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result || clock != CLOCK_REALTIME || clock_fd < 0) return result;
    char text[24] = { 0 };
    if (syscall(SYS_pread64, clock_fd, text, sizeof text - 1, 0) > 0) time->tv_sec += atol(text);
    return 0;
}
