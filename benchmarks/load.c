/* Many workers in one process, at a few microseconds a request: the load must not take the
 * processor from the server that is measured.  (pgbench, the peer's load, is C as well.)
 *
 * load HOST PORT CLIENTS SECONDS SCRIPTS LATENCIES
 *
 * SCRIPTS: scripts one after the other, each a uint32 count of requests, and for each request
 * a uint32 length and its bytes.  A client sends the requests of a script one by one, waits
 * for each answer, then takes the next script that nobody has.  LATENCIES gets a double for
 * each answer, in milliseconds.  Prints how many scripts were begun and how many answers were
 * errors, and on a second line the first of these.
 *
 * cc -O2 -o load load.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 65536 };

struct client {
    int socket;
    uint32_t left; /* requests of its script */
    const uint8_t *next;
    size_t filled;
    double sent_at;
    char buffer[BUFFER];
};

static const uint8_t *scripts, *scripts_end;
static long begun, errors;
static char first_error[512];
static FILE *latencies;

static double now_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint32_t number(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Take a script that nobody has; 0 when there is none. */
static int take(struct client *client)
{
    if (scripts >= scripts_end)
        return 0;
    client->left = number(scripts);
    client->next = scripts += 4;
    for (uint32_t each = 0; each < client->left; each++)
        scripts += 4 + number(scripts);
    begun++;
    return 1;
}

static int send_next(struct client *client)
{
    if (!client->left && !take(client))
        return 0;
    uint32_t size = number(client->next);
    client->sent_at = now_ms();
    if (send(client->socket, client->next + 4, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("send");
    client->next += 4 + size;
    client->left--;
    return 1;
}

/* The size of the answer at the start of the buffer, or 0 while it is not whole. */
static size_t answer_size(struct client *client)
{
    char *blank = memmem(client->buffer, client->filled, "\r\n\r\n", 4);
    if (!blank)
        return 0;
    size_t head = (size_t)(blank - client->buffer) + 4, body = 0;
    *blank = 0;
    char *length = strcasestr(client->buffer, "\r\ncontent-length:");
    *blank = '\r';
    if (length)
        body = strtoul(length + 17, NULL, 10);
    return client->filled >= head + body ? head + body : 0;
}

static int receive(struct client *client)
{
    ssize_t got = recv(client->socket, client->buffer + client->filled,
                       BUFFER - 1 - client->filled, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (got <= 0)
        fail("the server closed a connection");
    client->filled += (size_t)got;
    client->buffer[client->filled] = 0;
    size_t size = answer_size(client);
    if (!size)
        return 1;
    double took = now_ms() - client->sent_at;
    fwrite(&took, sizeof took, 1, latencies);
    if (client->buffer[9] >= '4' && !errors++)
        snprintf(first_error, sizeof first_error, "%.*s", (int)size, client->buffer);
    client->filled = 0;
    return send_next(client);
}

int main(int count, char **words)
{
    if (count != 7)
        return 2;
    int clients = atoi(words[3]), poll = epoll_create1(0), file = open(words[5], O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about))
        fail(words[5]);
    scripts = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    scripts_end = scripts + about.st_size;
    latencies = fopen(words[6], "wb");
    struct client *all = calloc((size_t)clients, sizeof *all);
    if (scripts == MAP_FAILED || !latencies || !all)
        fail("load");
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    inet_pton(AF_INET, words[1], &server.sin_addr);
    for (int each = 0; each < clients; each++) {
        int one = 1, opened = socket(AF_INET, SOCK_STREAM, 0);
        if (opened < 0 || connect(opened, (struct sockaddr *)&server, sizeof server))
            fail("connect");
        setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[each]};
        epoll_ctl(poll, EPOLL_CTL_ADD, opened, &event);
        all[each].socket = opened;
    }
    double end = now_ms() + atof(words[4]) * 1e3;
    int active = 0;
    for (int each = 0; each < clients; each++)
        active += send_next(&all[each]);
    while (active && now_ms() < end) {
        struct epoll_event ready[256];
        int many = epoll_wait(poll, ready, 256, 100);
        for (int each = 0; each < many; each++)
            active -= !receive(ready[each].data.ptr);
    }
    fclose(latencies);
    printf("%ld %ld\n%s\n", begun, errors, first_error);
    return 0;
}
