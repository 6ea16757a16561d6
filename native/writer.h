/*
 * The one thread that writes to the socket, and its queue. Nobody who sends ever waits for the reader: when it has
 * left more than WRITER_MAX bytes unread, the socket is shut down, which ends the session.
 */
#ifndef LODGE_WRITER_H
#define LODGE_WRITER_H

#include <pthread.h>

#include "wire.h"

#define WRITER_MAX (256u << 20)

struct written {
    struct written *next;
    unsigned char *data;
    size_t length;
};

struct writer {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct written *head, **tail;
    size_t bytes;
    int fd;
    int closing; /* nothing new is taken */
    int dead;    /* the socket is gone: what is queued is dropped */
};

/* 0, or an errno. */
int writer_start(struct writer *writer, int fd);

/* Takes over the finished frame; never blocks on the socket. Frames after writer_stop are dropped. */
void writer_send(struct writer *writer, struct out *out);

/* Writes what is queued, or finds the socket gone, and ends the thread. */
void writer_stop(struct writer *writer);

/* For the last user of the session: a callback may still send, into the void, after writer_stop. */
void writer_free(struct writer *writer);

#endif
