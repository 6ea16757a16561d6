/*
 * Drives the library as Node would, over libvirt's test driver, to be run under sanitizers: `make sanitize`.
 * Several sessions at once, each with many calls in flight that succeed and fail, typed parameters, lists and events;
 * sessions closed with calls pending, closed at once, cut off in the middle of a frame, and sent malformed frames.
 * With the URI of a libvirtd as its argument it keeps sessions with that one busy instead, until the libvirtd is
 * killed. Prints what it did; ends with status 1 at the first thing that is not as it should be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "table.h"

#define URI "test:///default"
#define CALLS 400

static void check(int good, const char *what)
{
    if (good) return;
    fprintf(stderr, "driver: %s (errno %d)\n", what, errno);
    _exit(1);
}

static int start(void)
{
    int fd = lodge_virt_start(URI);
    check(fd >= 0, "a session starts");
    struct timeval limit = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static int read_all(int fd, void *data, size_t length)
{
    unsigned char *at = data;
    while (length > 0) {
        ssize_t got = recv(fd, at, length, 0);
        if (got < 0 && errno == EINTR) continue;
        check(got >= 0 || errno == ECONNRESET, "the library answers in time");
        if (got <= 0) return -1;
        at += got;
        length -= (size_t)got;
    }
    return 0;
}

/* The next frame's kind, and the frame itself, to be freed; 0 at the end of the stream. */
static int next_frame(int fd, unsigned char **frame, struct in *in)
{
    unsigned char head[4];
    *frame = NULL;
    if (read_all(fd, head, sizeof head) < 0) return 0;
    *in = (struct in){head, sizeof head, 0};
    uint32_t length = get_u32(in);
    check(length > 0 && length <= LODGE_FRAME_MAX, "frames have lengths within bounds");
    *frame = malloc(length);
    check(*frame && read_all(fd, *frame, length) == 0, "frames arrive whole");
    *in = (struct in){*frame + 1, length - 1, 0};
    return **frame;
}

/* Events of the other sessions' doing may come before it: the test driver's domains are the process's. */
static void expect(int fd, int kind)
{
    unsigned char *frame;
    struct in in;
    int got;
    while ((got = next_frame(fd, &frame, &in)) == LODGE_EVENT) free(frame);
    check(got == kind, "the expected kind of frame");
    free(frame);
}

static unsigned row_number(const char *name)
{
    for (unsigned i = 0; table_row(i); i++)
        if (strcmp(table_row(i)->name, name) == 0) return i;
    check(0, name);
    return 0;
}

static void begin(struct out *out, uint32_t id, const char *call)
{
    out_begin(out, LODGE_REQUEST);
    put_u32(out, id);
    put_u16(out, (uint16_t)row_number(call));
}

static void send_bytes(int fd, const void *data, size_t length)
{
    check(send(fd, data, length, MSG_NOSIGNAL) == (ssize_t)length, "a request is taken");
}

static void finish(int fd, struct out *out)
{
    out_finish(out);
    send_bytes(fd, out->data, out->used);
    out_free(out);
}

/* One call of each kind of value, by turns; `uuid` is a running domain's. */
static void request(int fd, uint32_t id, const char *uuid)
{
    struct out out;
    virTypedParameter param = {.type = VIR_TYPED_PARAM_ULLONG, .field = "bandwidth", .value.ul = 7};
    switch (id % 10) {
    case 0: begin(&out, id, "connectGetCapabilities"); break;
    case 1:
        begin(&out, id, "domainGetState");
        put_string(&out, uuid);
        put_u32(&out, 0);
        break;
    case 2:
        begin(&out, id, "domainGetState");
        put_string(&out, "00000000-0000-4000-8000-000000000000");
        put_u32(&out, 0);
        break;
    case 3:
        begin(&out, id, "connectListAllDomains");
        put_u32(&out, 0);
        break;
    case 4:
        begin(&out, id, "connectGetAllDomainStats");
        put_u32(&out, VIR_DOMAIN_STATS_STATE);
        put_u32(&out, 0);
        break;
    case 5:
        begin(&out, id, id % 20 == 5 ? "domainSuspend" : "domainResume");
        put_string(&out, uuid);
        break;
    case 6:
        begin(&out, id, "domainBlockCopy");
        put_string(&out, uuid);
        put_string(&out, "vda");
        put_string(&out, "<disk/>");
        put_params(&out, &param, 1);
        put_u32(&out, 0);
        break;
    case 7:
        begin(&out, id, "domainFSFreeze");
        put_string(&out, uuid);
        put_u32(&out, 2);
        put_string(&out, "/");
        put_string(&out, "/home");
        put_u32(&out, 0);
        break;
    case 8:
        begin(&out, id, "nodeGetCPUStats");
        put_i32(&out, -1);
        put_u32(&out, 0);
        break;
    default:
        begin(&out, id, "connectGetDomainCapabilities");
        for (int i = 0; i < 4; i++) put_string_or_null(&out, NULL);
        put_u32(&out, 0);
        break;
    }
    finish(fd, &out);
}

static void find_domain(int fd, char *uuid)
{
    unsigned char *frame;
    struct in in;
    struct out out;
    begin(&out, 1, "domainLookupByName");
    put_string(&out, "test");
    finish(fd, &out);
    int kind;
    while ((kind = next_frame(fd, &frame, &in)) == LODGE_EVENT) free(frame);
    check(kind == LODGE_RESULT && get_u32(&in) == 1, "the domain is found");
    snprintf(uuid, VIR_UUID_STRING_BUFLEN, "%s", get_string(&in, 0));
    free(frame);
}

/* Sends from a thread of its own while the caller reads, so that neither waits for the other. */
struct sending {
    int fd;
    const char *uuid;
};

static void *send_requests(void *opaque)
{
    struct sending *sending = opaque;
    for (uint32_t id = 2; id < 2 + CALLS; id++) request(sending->fd, id, sending->uuid);
    return NULL;
}

/* Every call is answered once, and nothing else is. */
static void *converse(void *opaque)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    unsigned char answered[2 + CALLS] = {0}, *frame;
    struct in in;
    pthread_t sender;
    int events = 0, fd = start();
    expect(fd, LODGE_HELLO);
    expect(fd, LODGE_READY);
    find_domain(fd, uuid);
    struct sending sending = {fd, uuid};
    check(pthread_create(&sender, NULL, send_requests, &sending) == 0, "a thread starts");
    for (int left = CALLS; left > 0;) {
        int kind = next_frame(fd, &frame, &in);
        check(kind == LODGE_RESULT || kind == LODGE_ERROR || kind == LODGE_EVENT, "an answer or an event");
        if (kind == LODGE_EVENT) {
            events++;
        } else {
            uint32_t id = get_u32(&in);
            check(id >= 2 && id < 2 + CALLS && !answered[id], "an answer to a call that waits for one");
            check(kind == LODGE_ERROR || id % 10 != 2, "no state of a domain that does not exist");
            answered[id] = 1;
            left--;
        }
        free(frame);
    }
    pthread_join(sender, NULL);
    shutdown(fd, SHUT_WR);
    int kind;
    while ((kind = next_frame(fd, &frame, &in))) {
        check(kind == LODGE_EVENT, "only events after the last answer");
        events++;
        free(frame);
    }
    close(fd);
    *(int *)opaque = events;
    return NULL;
}

static void conversations(void)
{
    pthread_t threads[4];
    int events[4] = {0};
    for (int i = 0; i < 4; i++) check(pthread_create(&threads[i], NULL, converse, &events[i]) == 0, "a thread starts");
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("driver: 4 sessions at once, %d calls each; events seen: %d %d %d %d\n", CALLS, events[0], events[1],
           events[2], events[3]);
    check(events[0] + events[1] + events[2] + events[3] > 0, "events arrive");
}

static void closed_while_busy(void)
{
    for (int i = 0; i < 20; i++) {
        int fd = start();
        struct out out;
        for (uint32_t id = 1; id <= 50; id++) {
            begin(&out, id, "connectGetCapabilities");
            finish(fd, &out);
        }
        if (i % 2) { /* half-closed: every call still has its answer */
            unsigned char *frame;
            struct in in;
            int answers = 0, kind;
            shutdown(fd, SHUT_WR);
            while ((kind = next_frame(fd, &frame, &in))) {
                answers += kind == LODGE_RESULT || kind == LODGE_ERROR;
                free(frame);
            }
            check(answers == 50, "calls pending at the end are answered");
        }
        close(fd);
    }
    printf("driver: 20 sessions closed with calls pending\n");
}

static void closed_at_once(void)
{
    for (int i = 0; i < 20; i++) close(start());
    printf("driver: 20 sessions closed at once\n");
}

static void malformed(void)
{
    unsigned char bytes[64];
    unsigned seed = 12345;
    for (int i = 0; i < 60; i++) {
        int fd = start();
        struct out out;
        begin(&out, 1, table_row((unsigned)i % 40)->name);
        for (size_t n = 0; n < sizeof bytes; n++) bytes[n] = (unsigned char)(rand_r(&seed) >> 8);
        for (int n = 0; n < i % 16; n++) put_u16(&out, bytes[n]);
        out_finish(&out);
        /* Every third is cut off. */
        send_bytes(fd, out.data, i % 3 == 0 ? out.used / 2 : out.used);
        out_free(&out);
        shutdown(fd, SHUT_WR);
        unsigned char *frame;
        struct in in;
        while (next_frame(fd, &frame, &in)) free(frame);
        close(fd);
    }
    printf("driver: 60 sessions with malformed and cut frames\n");
}

static void refused(void)
{
    int fd = lodge_virt_start("qemu+unix:///system?socket=/nonexistent/socket");
    check(fd >= 0, "a session starts");
    expect(fd, LODGE_HELLO);
    expect(fd, LODGE_ERROR);
    unsigned char *frame;
    struct in in;
    check(next_frame(fd, &frame, &in) == 0, "a session that failed ends");
    close(fd);
    printf("driver: a connection that fails\n");
}

/* Of two sessions: one with calls under way when libvirtd goes, one idle. Both are told. */
static void until_killed(const char *uri)
{
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = lodge_virt_start(uri);
        check(fds[i] >= 0, "a session starts");
        expect(fds[i], LODGE_HELLO);
        expect(fds[i], LODGE_READY);
    }
    printf("driver: ready\n");
    for (int i = 0; i < 2; i++) {
        unsigned char *frame;
        struct in in;
        struct out out;
        uint32_t id = 0;
        int kind = LODGE_RESULT, told = 0;
        while (!told) {
            if (i == 0 && kind != LODGE_EVENT) {
                begin(&out, ++id, "connectListAllDomains");
                put_u32(&out, 0);
                finish(fds[i], &out);
            }
            kind = next_frame(fds[i], &frame, &in);
            check(kind != 0, "the session waits for us to end it");
            told = kind == LODGE_EVENT && get_u16(&in) == EVENT_CONNECTION_CLOSED;
            free(frame);
        }
        shutdown(fds[i], SHUT_WR);
        while (next_frame(fds[i], &frame, &in)) free(frame);
        close(fds[i]);
        printf("driver: told of the loss after %u calls\n", id);
    }
}

int main(int argc, char **argv)
{
    static void (*const parts[])(void) = {conversations, closed_while_busy, closed_at_once, malformed, refused};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) {
        until_killed(argv[1]);
        check(lodge_virt_drain(20000) == 0, "every session is released");
        return 0;
    }
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        parts[i]();
        check(lodge_virt_drain(20000) == 0, "every session is released");
    }
    return 0;
}
