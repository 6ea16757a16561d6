#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

/* A connection on which libvirtd is silent for 5 s is asked; after 6 questions without an answer it is lost. */
#define KEEPALIVE_SECONDS 5
#define KEEPALIVE_COUNT 6

static pthread_mutex_t sessions_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sessions_wake = PTHREAD_COND_INITIALIZER;
static int sessions;

static int spawn(struct session *session);
static void *supervise(void *opaque);
static int open_connections(struct session *session);
static void close_connections(struct session *session);
static int start_lanes(struct session *session);
static void serve(struct session *session);
static struct job *read_job(struct session *session, const char **problem);
static int read_exactly(int fd, void *data, size_t length);
static void say_hello(struct session *session);

int lodge_virt_start(const char *uri)
{
    int fds[2];
    int error = events_start();
    if (error) return error;
    struct session *session = calloc(1, sizeof *session);
    if (!session) return -ENOMEM;
    atomic_init(&session->refs, 1);
    for (int i = 0; i < EVENTS; i++) session->callbacks[i] = -1;
    if (uri && !(session->uri = strdup(uri))) {
        free(session);
        return -ENOMEM;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        error = -errno;
        free(session->uri);
        free(session);
        return error;
    }
    session->fd = fds[0];
    error = spawn(session);
    if (error) {
        close(fds[0]);
        close(fds[1]);
        free(session->uri);
        free(session);
        return -error;
    }
    return fds[1];
}

int lodge_virt_drain(int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&sessions_lock);
    while (sessions > 0 && pthread_cond_timedwait(&sessions_wake, &sessions_lock, &until) == 0) continue;
    int left = sessions;
    pthread_mutex_unlock(&sessions_lock);
    return left;
}

void session_ref(struct session *session) { atomic_fetch_add(&session->refs, 1); }

void session_unref(void *opaque)
{
    struct session *session = opaque;
    if (atomic_fetch_sub(&session->refs, 1) > 1) return;
    writer_free(&session->writer);
    free(session->uri);
    free(session);
    pthread_mutex_lock(&sessions_lock);
    sessions--;
    pthread_cond_broadcast(&sessions_wake);
    pthread_mutex_unlock(&sessions_lock);
}

/* Starts the writer and the supervisor, with signals left to the threads of the process that loaded us. */
static int spawn(struct session *session)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = writer_start(&session->writer, session->fd);
    if (!error) {
        pthread_mutex_lock(&sessions_lock);
        sessions++;
        pthread_mutex_unlock(&sessions_lock);
        error = pthread_create(&thread, NULL, supervise, session);
        if (!error) {
            pthread_detach(thread);
        } else {
            writer_stop(&session->writer);
            writer_free(&session->writer);
            pthread_mutex_lock(&sessions_lock);
            sessions--;
            pthread_mutex_unlock(&sessions_lock);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void *supervise(void *opaque)
{
    struct session *session = opaque;
    pthread_setname_np(pthread_self(), "lodge-session");
    say_hello(session);
    if (open_connections(session) < 0)
        send_libvirt_error(&session->writer, 0, NULL, virSaveLastError());
    else if (start_lanes(session) < 0)
        send_error(&session->writer, 0, LODGE_ERR_NO_MEMORY, "The threads for calls could not be started");
    else
        serve(session);
    close_connections(session);
    writer_stop(&session->writer);
    close(session->fd);
    session_unref(session);
    return NULL;
}

static void say_hello(struct session *session)
{
    struct out out;
    out_begin(&out, LODGE_HELLO);
    put_table(&out);
    out_finish(&out);
    writer_send(&session->writer, &out);
}

static int open_connections(struct session *session)
{
    for (int i = 0; i < 1 + SLOW_CONNECTIONS; i++) {
        virConnectPtr conn = session->conns[i] = virConnectOpen(session->uri);
        if (!conn) return -1;
        closed_register(session, conn);
        virConnectSetKeepAlive(conn, KEEPALIVE_SECONDS, KEEPALIVE_COUNT); /* the test driver has none */
    }
    return events_register(session, session->conns[0]);
}

static void close_connections(struct session *session)
{
    if (session->conns[0]) events_unregister(session, session->conns[0]);
    for (int i = 0; i < 1 + SLOW_CONNECTIONS; i++) {
        if (!session->conns[i]) continue;
        closed_unregister(session->conns[i]);
        virConnectClose(session->conns[i]);
    }
    closed_forget(session);
}

static int start_lanes(struct session *session)
{
    if (lane_start(&session->lanes[QUICK], "lodge-quick", &session->writer, session->conns, 1)) return -1;
    if (lane_start(&session->lanes[SLOW], "lodge-slow", &session->writer, session->conns + 1, SLOW_CONNECTIONS)) {
        lane_stop(&session->lanes[QUICK]);
        return -1;
    }
    return 0;
}

/* Hands requests to their lanes until the socket ends or something else than a request arrives. */
static void serve(struct session *session)
{
    const char *problem = NULL;
    struct job *job;
    struct out ready;
    out_begin(&ready, LODGE_READY);
    out_finish(&ready);
    writer_send(&session->writer, &ready);

    while ((job = read_job(session, &problem))) lane_push(&session->lanes[job->row->lane], job);
    if (problem) send_error(&session->writer, 0, LODGE_ERR_MALFORMED, problem);
    for (int lane = 0; lane < LANES; lane++) lane_stop(&session->lanes[lane]);
}

/* The next request; NULL at the end of the socket, or with a problem. */
static struct job *read_job(struct session *session, const char **problem)
{
    unsigned char header[4];
    if (read_exactly(session->fd, header, sizeof header) < 0) return NULL;
    struct in in = {header, sizeof header, 0};
    uint32_t length = get_u32(&in);
    if (length > LODGE_FRAME_MAX) {
        *problem = "A request frame is longer than frames may be";
        return NULL;
    }
    unsigned char *frame = malloc((size_t)length + 1);
    struct job *job = calloc(1, sizeof *job);
    if (!frame || !job) {
        *problem = "There is no memory for a request frame";
    } else if (read_exactly(session->fd, frame, length) == 0) {
        in = (struct in){frame, length, 0};
        uint32_t kind = in.left > 0 ? *in.data : 0;
        in.data++;
        in.left = in.left > 0 ? in.left - 1 : 0;
        job->id = get_u32(&in);
        job->row = table_row(get_u16(&in));
        job->frame = frame;
        if (in.bad || kind != LODGE_REQUEST || job->id == 0 || !job->row) {
            *problem = "A frame is malformed: it is no request for a call of the table";
        } else if (read_args(job->row, &in, job->args) < 0) {
            *problem = "A frame is malformed: its arguments are not what the table says";
            free_args(job->row, job->args);
        } else {
            return job;
        }
    }
    free(frame);
    free(job);
    return NULL;
}

static int read_exactly(int fd, void *data, size_t length)
{
    unsigned char *at = data;
    while (length > 0) {
        ssize_t got = recv(fd, at, length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return -1;
        at += got;
        length -= (size_t)got;
    }
    return 0;
}
