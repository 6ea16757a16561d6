#define _GNU_SOURCE
#include "writer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static void *write_all(void *opaque);
static int send_all(int fd, const unsigned char *data, size_t length);

int writer_start(struct writer *writer, int fd)
{
    writer->fd = fd;
    writer->head = NULL;
    writer->tail = &writer->head;
    writer->bytes = 0;
    writer->closing = writer->dead = 0;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->wake, NULL);
    int error = pthread_create(&writer->thread, NULL, write_all, writer);
    if (error) writer_free(writer);
    return error;
}

void writer_send(struct writer *writer, struct out *out)
{
    struct written *frame = malloc(sizeof *frame);
    if (frame) {
        *frame = (struct written){NULL, out->data, out->used};
        out->data = NULL;
    }
    out_free(out);

    pthread_mutex_lock(&writer->lock);
    int lost = !frame || writer->bytes > WRITER_MAX;
    if (lost && !writer->dead && !writer->closing) {
        /* A missing frame would leave a caller waiting for ever; an ended session does not. */
        writer->dead = 1;
        shutdown(writer->fd, SHUT_RDWR);
    }
    if (frame && !writer->dead && !writer->closing) {
        writer->bytes += frame->length;
        *writer->tail = frame;
        writer->tail = &frame->next;
        frame = NULL;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->lock);
    if (frame) free(frame->data);
    free(frame);
}

void writer_stop(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->closing = 1;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
}

void writer_free(struct writer *writer)
{
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
}

static void *write_all(void *opaque)
{
    struct writer *writer = opaque;
    pthread_setname_np(pthread_self(), "lodge-writer");
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->head && !writer->closing) pthread_cond_wait(&writer->wake, &writer->lock);
        struct written *frame = writer->head;
        if (!frame) break;
        writer->head = frame->next;
        if (!writer->head) writer->tail = &writer->head;
        int dead = writer->dead;
        pthread_mutex_unlock(&writer->lock);

        int failed = !dead && send_all(writer->fd, frame->data, frame->length) < 0;

        pthread_mutex_lock(&writer->lock);
        writer->bytes -= frame->length;
        if (failed) writer->dead = 1;
        free(frame->data);
        free(frame);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

static int send_all(int fd, const unsigned char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return -1;
        data += sent;
        length -= (size_t)sent;
    }
    return 0;
}
