/* systemd's notification protocol, sd_notify(3): Node.js has no datagrams over unix sockets. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Sends `message` to the socket at `path`, where a leading @ stands for the abstract namespace; 0, or a negative
 * errno.
 */
__attribute__((visibility("default"))) int lodge_sd_notify(const char *path, const char *message);

int lodge_sd_notify(const char *path, const char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length < 2 || (path[0] != '/' && path[0] != '@')) return -EINVAL;
    if (length >= sizeof address.sun_path) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';

    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    /* Called on the main thread, which must not wait for a receiver whose queue is full. */
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    int result = sent < 0 ? -errno : 0;
    close(fd);
    return result;
}
