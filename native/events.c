#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <time.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int start_result;

static void start_once(void);
static void *loop(void *opaque);

int events_start(void)
{
    pthread_once(&once, start_once);
    return start_result;
}

static void say_nothing(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static void start_once(void)
{
    pthread_t thread;
    virSetErrorFunc(NULL, say_nothing); /* libvirt would print each error to stderr */
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
        start_result = -ENOSYS;
        return;
    }
    start_result = -pthread_create(&thread, NULL, loop, NULL);
    if (start_result == 0) pthread_detach(thread);
}

static void *loop(void *opaque)
{
    static const struct timespec pause = {0, 100000000};
    pthread_setname_np(pthread_self(), "lodge-events");
    for (;;)
        if (virEventRunDefaultImpl() < 0) nanosleep(&pause, NULL);
    return opaque;
}

/* Callbacks run on the event thread. They write a frame into memory and leave it to the writer. */

static void begin(struct out *out, enum event_number number, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    out_begin(out, LODGE_EVENT);
    put_u16(out, (uint16_t)number);
    if (!domain) return;
    virDomainGetUUIDString(domain, uuid);
    put_string(out, uuid);
    put_string(out, virDomainGetName(domain));
}

static void finish(struct out *out, void *session)
{
    if (out->failed) {
        out_free(out);
        return;
    }
    out_finish(out);
    writer_send(&((struct session *)session)->writer, out);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_lifecycle, domain);
    put_i32(&out, event);
    put_i32(&out, detail);
    finish(&out, session);
    return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr domain, void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_reboot, domain);
    finish(&out, session);
}

static void on_ioError(virConnectPtr conn, virDomainPtr domain, const char *path, const char *device, int action,
                       const char *reason, void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_ioError, domain);
    put_string(&out, path);
    put_string(&out, device);
    put_i32(&out, action);
    put_string(&out, reason);
    finish(&out, session);
}

static void on_blockJob(virConnectPtr conn, virDomainPtr domain, const char *disk, int type, int status,
                        void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_blockJob, domain);
    put_string(&out, disk);
    put_i32(&out, type);
    put_i32(&out, status);
    finish(&out, session);
}

static void on_jobCompleted(virConnectPtr conn, virDomainPtr domain, virTypedParameterPtr params, int count,
                            void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_jobCompleted, domain);
    put_params(&out, params, count);
    finish(&out, session);
}

static void on_agentLifecycle(virConnectPtr conn, virDomainPtr domain, int state, int reason, void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_agentLifecycle, domain);
    put_i32(&out, state);
    put_i32(&out, reason);
    finish(&out, session);
}

/* Must make no libvirt call on the connection, whose lock is held. */
static void on_closed(virConnectPtr conn, int reason, void *session)
{
    struct out out;
    (void)conn;
    begin(&out, EVENT_CONNECTION_CLOSED, NULL);
    put_i32(&out, reason);
    finish(&out, session);
}

static const struct {
    int id;
    virConnectDomainEventGenericCallback callback;
} registrations[EVENTS] = {
#define EVENT(name, id, fields) [EVENT_##name] = {id, VIR_DOMAIN_EVENT_CALLBACK(on_##name)},
#include "events.def"
#undef EVENT
};

int events_register(struct session *session, virConnectPtr conn)
{
    for (int i = 1; i < EVENTS; i++) {
        session_ref(session);
        session->callbacks[i] = virConnectDomainEventRegisterAny(conn, NULL, registrations[i].id,
                                                                 registrations[i].callback, session, session_unref);
        if (session->callbacks[i] < 0) {
            session_unref(session);
            return -1;
        }
    }
    return 0;
}

void events_unregister(struct session *session, virConnectPtr conn)
{
    for (int i = 1; i < EVENTS; i++)
        if (session->callbacks[i] >= 0) virConnectDomainEventDeregisterAny(conn, session->callbacks[i]);
}

static void closed_release(void *opaque)
{
    struct session *session = opaque;
    atomic_fetch_sub(&session->watched, 1);
    session_unref(session);
}

void closed_register(struct session *session, virConnectPtr conn)
{
    session_ref(session);
    atomic_fetch_add(&session->watched, 1);
    if (virConnectRegisterCloseCallback(conn, on_closed, session, closed_release) < 0) closed_release(session);
}

/*
 * libvirt calls closed_release before this returns, or did so after on_closed. A driver that cannot tell of closed
 * connections, as the test driver, takes the registration with success and forgets it: closed_forget then.
 */
void closed_unregister(virConnectPtr conn) { virConnectUnregisterCloseCallback(conn, on_closed); }

void closed_forget(struct session *session)
{
    while (atomic_load(&session->watched) > 0) closed_release(session);
}
