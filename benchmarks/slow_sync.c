/* What if each sync took longer?  Adds TINKGIT_SYNC_DELAY_US to every fsync and fdatasync,
 * and to every write that waits as they do (RWF_DSYNC, RWF_SYNC).
 *
 * cc -shared -fPIC -O2 -o slow_sync.so slow_sync.c; LD_PRELOAD=./slow_sync.so command */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

static void wait_longer(void)
{
    const char *delay = getenv("TINKGIT_SYNC_DELAY_US");
    if (delay)
        usleep((useconds_t)atoi(delay));
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_longer();
    return real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_longer();
    return real(fd);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    static ssize_t (*real)(int, const struct iovec *, int, off64_t, int);
    if (!real)
        real = (ssize_t(*)(int, const struct iovec *, int, off64_t, int))dlsym(RTLD_NEXT,
                                                                              "pwritev64v2");
    if (flags & (RWF_DSYNC | RWF_SYNC))
        wait_longer();
    return real(fd, parts, count, at, flags);
}
