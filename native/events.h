/* libvirt's event loop, and the events of a connection as frames. */
#ifndef LODGE_EVENTS_H
#define LODGE_EVENTS_H

#include "session.h"

/*
 * Makes libvirt ready and starts its event loop on a thread of its own, once for the process; that thread stays,
 * because connections are taken apart on it even after they were closed. 0, or a negative errno.
 */
int events_start(void);

/* Registers every event of the table on the connection; -1 with libvirt's error set. */
int events_register(struct session *session, virConnectPtr conn);

void events_unregister(struct session *session, virConnectPtr conn);

/* Registers for the loss of the connection, where its driver can tell. When all are unregistered, closed_forget. */
void closed_register(struct session *session, virConnectPtr conn);
void closed_unregister(virConnectPtr conn);
void closed_forget(struct session *session);

#endif
