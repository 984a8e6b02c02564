/* What if each sync took longer?  Adds TINKGIT_SYNC_DELAY_US to every fsync and fdatasync.
 *
 * cc -shared -fPIC -O2 -o slow_sync.so slow_sync.c; LD_PRELOAD=./slow_sync.so command */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
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
