#define _GNU_SOURCE
#include "lane.h"

#include <libvirt/virterror.h>
#include <stdlib.h>

static void *work(void *opaque);
static void run(struct writer *writer, virConnectPtr conn, const struct job *job);
static struct job *next_job(struct lane *lane);

int lane_start(struct lane *lane, const char *name, struct writer *writer, virConnectPtr *conns, int count)
{
    lane->writer = writer;
    lane->head = NULL;
    lane->tail = &lane->head;
    lane->stopping = lane->started = 0;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->wake, NULL);
    for (int i = 0; i < count * THREADS_PER_CONNECTION; i++) {
        struct worker *worker = &lane->workers[i];
        worker->lane = lane;
        worker->conn = conns[i % count]; /* spread, so that a few calls do not share a connection */
        int error = pthread_create(&worker->thread, NULL, work, worker);
        if (error) {
            lane_stop(lane);
            return error;
        }
        pthread_setname_np(worker->thread, name);
        lane->started++;
    }
    return 0;
}

void lane_push(struct lane *lane, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&lane->lock);
    *lane->tail = job;
    lane->tail = &job->next;
    pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->lock);
}

void lane_stop(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    struct job *waiting = lane->head;
    lane->head = NULL;
    lane->tail = &lane->head;
    lane->stopping = 1;
    pthread_cond_broadcast(&lane->wake);
    pthread_mutex_unlock(&lane->lock);

    while (waiting) {
        struct job *job = waiting;
        waiting = job->next;
        send_error(lane->writer, job->id, LODGE_ERR_CLOSING, "The connection is being closed");
        job_free(job);
    }
    while (lane->started > 0) pthread_join(lane->workers[--lane->started].thread, NULL);
    pthread_cond_destroy(&lane->wake);
    pthread_mutex_destroy(&lane->lock);
}

void job_free(struct job *job)
{
    free_args(job->row, job->args);
    free(job->frame);
    free(job);
}

static void *work(void *opaque)
{
    struct worker *worker = opaque;
    struct job *job;
    while ((job = next_job(worker->lane))) {
        run(worker->lane->writer, worker->conn, job);
        job_free(job);
    }
    return NULL;
}

/* Waits for a job; NULL when the lane stops. */
static struct job *next_job(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    while (!lane->head && !lane->stopping) pthread_cond_wait(&lane->wake, &lane->lock);
    struct job *job = lane->head;
    if (job) {
        lane->head = job->next;
        if (!lane->head) lane->tail = &lane->head;
    }
    pthread_mutex_unlock(&lane->lock);
    return job;
}

static void run(struct writer *writer, virConnectPtr conn, const struct job *job)
{
    struct out out;
    out_begin(&out, LODGE_RESULT);
    put_u32(&out, job->id);

    struct call call = {.conn = conn, .args = job->args, .out = &out};
    int done = 0;
    virResetLastError();
    if (row_has_domain(job->row)) {
        call.domain = virDomainLookupByUUIDString(conn, job->args[0].string);
        if (!call.domain) done = -1;
    }
    if (done == 0) done = job->row->run(&call);
    /* The error is this thread's, and only until its next libvirt call, be it a free. */
    if (done < 0) send_libvirt_error(writer, job->id, conn, call.error ? call.error : virSaveLastError());
    if (call.domain) virDomainFree(call.domain);

    if (done < 0) {
        out_free(&out);
    } else if (out.failed) {
        send_error(writer, job->id, out.failed, "The answer does not fit into a frame");
        out_free(&out);
    } else {
        out_finish(&out);
        writer_send(writer, &out);
    }
}

static void send_error_frame(struct writer *writer, uint32_t id, int code, int domain, int level, int alive,
                             const char *message)
{
    struct out out;
    out_begin(&out, LODGE_ERROR);
    put_u32(&out, id);
    put_i32(&out, code);
    put_i32(&out, domain);
    put_i32(&out, level);
    put_u32(&out, (uint32_t)alive);
    put_string(&out, message);
    out_finish(&out);
    writer_send(writer, &out);
}

void send_libvirt_error(struct writer *writer, uint32_t id, virConnectPtr conn, virErrorPtr error)
{
    int alive = conn ? virConnectIsAlive(conn) != 0 : 0;
    if (error && error->code != VIR_ERR_OK)
        send_error_frame(writer, id, error->code, error->domain, error->level, alive, error->message);
    else
        send_error_frame(writer, id, VIR_ERR_INTERNAL_ERROR, VIR_FROM_NONE, VIR_ERR_ERROR, alive,
                         "libvirt reported a failure without a reason");
    virFreeError(error);
}

void send_error(struct writer *writer, uint32_t id, enum lodge_error code, const char *message)
{
    send_error_frame(writer, id, code, VIR_FROM_NONE, VIR_ERR_ERROR, 1, message);
}
