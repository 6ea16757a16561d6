/* A lane: threads that make calls, each on one of the lane's connections, and the queue in front of them. */
#ifndef LODGE_LANE_H
#define LODGE_LANE_H

#include <pthread.h>

#include "table.h"
#include "writer.h"

/* libvirtd reads no more from a client that has five requests under way (max_client_requests); one is spare. */
#define THREADS_PER_CONNECTION 4
#define MAX_CONNECTIONS 4

struct job {
    struct job *next;
    uint32_t id;
    const struct row *row;
    union arg args[MAX_ARGS];
    unsigned char *frame; /* which the strings among the arguments point into */
};

void job_free(struct job *job);

struct lane;

struct worker {
    struct lane *lane;
    virConnectPtr conn;
    pthread_t thread;
};

struct lane {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct writer *writer;
    struct job *head, **tail;
    int stopping;
    struct worker workers[MAX_CONNECTIONS * THREADS_PER_CONNECTION];
    int started;
};

/* Starts the threads; 0, or an errno. The connections stay the caller's, and must live until lane_stop returns. */
int lane_start(struct lane *lane, const char *name, struct writer *writer, virConnectPtr *conns, int count);

/* Takes over the job. */
void lane_push(struct lane *lane, struct job *job);

/* Fails the jobs that wait, lets those under way finish, and ends the threads. */
void lane_stop(struct lane *lane);

/* Sends libvirt's error as the answer to a request (or, for 0, the session's own), and frees it. */
void send_libvirt_error(struct writer *writer, uint32_t id, virConnectPtr conn, virErrorPtr error);

/* The same for an error of ours. */
void send_error(struct writer *writer, uint32_t id, enum lodge_error code, const char *message);

#endif
