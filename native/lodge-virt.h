/*
 * What the library offers to the process that loads it, and what both of its sides agree on.
 *
 * Frames, both ways, all numbers little-endian:
 *   u32 length of what follows, at most LODGE_FRAME_MAX; u8 kind; the rest by kind:
 *   to the library   REQUEST  u32 id (not 0), u16 row of the table, the row's arguments
 *   from it          HELLO    string: the table of calls and events; always the first frame
 *                    READY    nothing: all connections are open, events are registered
 *                    RESULT   u32 id, the row's result
 *                    ERROR    u32 id (0: the session itself has failed and ends), i32 libvirt's code (below 0:
 *                             one of ours), i32 domain, i32 level, u32 whether the connection lives, string
 *                    EVENT    u16 row of the table, the row's fields
 * Values: i32 u32 i64 u64; string: u32 length, the bytes, a zero byte that the length does not count (length
 * 0xffffffff and nothing after it: null, where the table allows it with `string?`); strings: u32 count, strings;
 * params: u32 count, then for each a string, u32 type as libvirt numbers it, the value (boolean: u32, double:
 * its 64 bits). A result that starts with `list` is a u32 count and as many records.
 */
#ifndef LODGE_VIRT_H
#define LODGE_VIRT_H

#include <stdint.h>

#define LODGE_FRAME_MAX (64u << 20)

enum lodge_frame {
    LODGE_REQUEST = 1,
    LODGE_HELLO = 2,
    LODGE_READY = 3,
    LODGE_RESULT = 4,
    LODGE_ERROR = 5,
    LODGE_EVENT = 6,
};

/* Error codes of ours beside libvirt's. */
enum lodge_error {
    LODGE_ERR_CLOSING = -1,
    LODGE_ERR_TOO_LARGE = -2,
    LODGE_ERR_MALFORMED = -3,
    LODGE_ERR_NO_MEMORY = -4,
};

/*
 * Starts a session with the hypervisor at `uri` (a NULL means libvirt's default) and returns the file descriptor
 * on which it speaks, or a negative errno. Does not wait for the connection. The session ends, and all that it
 * holds is released, when the other side closes or half-closes the descriptor; calls under way are let finish.
 */
__attribute__((visibility("default"))) int lodge_virt_start(const char *uri);

/* Waits until no session is left, at most `ms` milliseconds; returns how many are. */
__attribute__((visibility("default"))) int lodge_virt_drain(int ms);

#endif
