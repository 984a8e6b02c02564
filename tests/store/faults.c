/* A disk that fails when told to: the n-th of a kind of system calls on files below a folder.
 *
 * TINK_FAULTS names a file that the test maps as well (see faults.py, which has the same
 * fields), TINK_FAULTS_UNDER the folder.  Children of the process are left alone.
 *
 * cc -shared -fPIC -O2 -o faults.so faults.c */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { OPEN, READ, WRITE, APPEND, SYNC, SYNCFS, RENAME, EXCHANGE, UNLINK, STAT, MKDIR, CHMOD, CLOSE, EVERY_WRITE };
enum how { NOT_DONE, DONE, HALF_DONE, KILLED_BEFORE, KILLED_AFTER };

struct faults {
    int call;      /* which calls; EVERY_WRITE is all that change something */
    int countdown; /* of them until the first that fails */
    int times;     /* how many fail in a row; negative: all, until it is set to 0 */
    int number;    /* the errno */
    int how;
    int fired;
};

static volatile struct faults *faults;
static char under[PATH_MAX];
static size_t under_length;

__attribute__((constructor)) static void prepare(void)
{
    const char *path = getenv("TINK_FAULTS"), *folder = getenv("TINK_FAULTS_UNDER");
    if (!path || !folder)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || faults == MAP_FAILED)
        _exit(99);
    under_length = (size_t)snprintf(under, sizeof under, "%s", folder);
    unsetenv("LD_PRELOAD");
}

/* Whether this call is the one: 1, or 0. */
static int hits(enum call call, const char *path)
{
    if (!faults || !faults->times || !path || strncmp(path, under, under_length))
        return 0;
    int is_write = call != READ && call != STAT && call != CLOSE;
    if (faults->call != (int)call && !(faults->call == EVERY_WRITE && is_write))
        return 0;
    if (__sync_sub_and_fetch(&faults->countdown, 1) > 0)
        return 0;
    if (faults->times > 0 && __sync_sub_and_fetch(&faults->times, 1) < 0) {
        faults->times = 0;
        return 0;
    }
    __sync_add_and_fetch(&faults->fired, 1);
    if (faults->how == KILLED_BEFORE)
        kill(getpid(), SIGKILL);
    return 1;
}

static int hits_fd(enum call call, int fd)
{
    char link[40], path[PATH_MAX];
    if (!faults || !faults->times)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return hits(call, path);
}

static int is_done(void) { return faults->how != NOT_DONE; }

static int failed(void)
{
    if (faults->how == KILLED_AFTER)
        kill(getpid(), SIGKILL);
    errno = faults->number;
    return -1;
}

#define REAL(type, name, arguments) \
    static type(*real) arguments;   \
    if (!real)                      \
    real = (type(*) arguments)dlsym(RTLD_NEXT, #name)

/* A call that fails either did its work or did not. */
#define FAULTY(name, arguments, hit, passed)   \
    int name arguments                         \
    {                                          \
        REAL(int, name, arguments);            \
        if (!(hit))                            \
            return real passed;                \
        if (is_done())                         \
            (void)real passed;                 \
        return failed();                       \
    }

FAULTY(fsync, (int fd), hits_fd(SYNC, fd), (fd))
FAULTY(fdatasync, (int fd), hits_fd(SYNC, fd), (fd))
FAULTY(syncfs, (int fd), hits_fd(SYNCFS, fd), (fd))
FAULTY(rename, (const char *from, const char *to), hits(RENAME, from), (from, to))
FAULTY(renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
       hits(EXCHANGE, from), (from_fd, from, to_fd, to, flags))
FAULTY(unlink, (const char *path), hits(UNLINK, path), (path))
FAULTY(mkdir, (const char *path, mode_t mode), hits(MKDIR, path), (path, mode))
FAULTY(chmod, (const char *path, mode_t mode), hits(CHMOD, path), (path, mode))
FAULTY(stat64, (const char *path, struct stat64 *found), hits(STAT, path), (path, found))
FAULTY(lstat64, (const char *path, struct stat64 *found), hits(STAT, path), (path, found))
FAULTY(fstat64, (int fd, struct stat64 *found), hits_fd(STAT, fd), (fd, found))

int close(int fd) /* closed it is in any case */
{
    REAL(int, close, (int));
    int hit = hits_fd(CLOSE, fd);
    int result = real(fd);
    return hit ? failed() : result;
}

int open64(const char *path, int flags, ...)
{
    REAL(int, open64, (const char *, int, ...));
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    int is_write = flags & (O_WRONLY | O_RDWR | O_CREAT);
    if ((!is_write && faults && faults->call == EVERY_WRITE) || !hits(OPEN, path))
        return real(path, flags, mode);
    if (is_done()) {
        int fd = real(path, flags, mode);
        if (fd >= 0)
            close(fd);
    }
    return failed();
}

/* What transfers bytes may also do half of its work, and say so. */
#define TRANSFER(name, arguments, call, passed, passed_half) \
    ssize_t name arguments                                   \
    {                                                        \
        REAL(ssize_t, name, arguments);                      \
        if (!hits_fd(call, fd))                              \
            return real passed;                              \
        if (faults->how == HALF_DONE)                        \
            return real passed_half;                         \
        if (is_done())                                       \
            (void)!real passed;                              \
        return failed();                                     \
    }

TRANSFER(write, (int fd, const void *bytes, size_t size), WRITE, (fd, bytes, size), (fd, bytes, size / 2))
TRANSFER(pwrite64, (int fd, const void *bytes, size_t size, off64_t at), WRITE,
         (fd, bytes, size, at), (fd, bytes, size / 2, at))
TRANSFER(read, (int fd, void *bytes, size_t size), READ, (fd, bytes, size), (fd, bytes, size / 2))
TRANSFER(pread64, (int fd, void *bytes, size_t size, off64_t at), READ,
         (fd, bytes, size, at), (fd, bytes, size / 2, at))

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    REAL(ssize_t, pwritev64v2, (int, const struct iovec *, int, off64_t, int));
    if (!hits_fd(APPEND, fd))
        return real(fd, parts, count, at, flags);
    if (faults->how == HALF_DONE) {
        struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
        return real(fd, &half, 1, at, flags);
    }
    if (is_done())
        (void)!real(fd, parts, count, at, flags);
    return failed();
}
