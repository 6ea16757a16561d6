/*
 * A session: the connections to one hypervisor, their lanes, and the socket they are reached by.
 *
 *   Node --socket--> supervisor (reads) --> quick lane: 4 threads,  1 connection  --+
 *     ^                                 `-> slow lane: 16 threads,  4 connections --+--> writer
 *     |                                     event loop (one for the process) -------+      |
 *     +------------------------------------socket------------------------------------------+
 */
#ifndef LODGE_SESSION_H
#define LODGE_SESSION_H

#include <stdatomic.h>

#include "lane.h"

#define SLOW_CONNECTIONS MAX_CONNECTIONS

struct session {
    atomic_int refs;
    int fd;
    char *uri;
    struct writer writer;
    struct lane lanes[LANES];
    virConnectPtr conns[1 + SLOW_CONNECTIONS]; /* the first is the quick lane's, and has the events */
    int callbacks[EVENTS];
    atomic_int watched; /* connections whose loss libvirt holds us registered for */
};

/* libvirt's callbacks hold the session until libvirt says that it has let go of them. */
void session_ref(struct session *session);
void session_unref(void *session);

#endif
