/* Reading and writing of values in frames; lodge-virt.h says how they look. */
#ifndef LODGE_WIRE_H
#define LODGE_WIRE_H

#include <libvirt/libvirt.h>
#include <stddef.h>
#include <stdint.h>

#include "lodge-virt.h"

/* A frame being written. Once `failed` is an error code of ours, later puts do nothing. */
struct out {
    unsigned char *data;
    size_t used, room;
    int failed;
};

/* Begins a frame; its length is filled in by out_finish. */
void out_begin(struct out *out, enum lodge_frame kind);
void out_finish(struct out *out);
/* Puts another number where one was put when `used` was `at`. */
void out_patch_u32(struct out *out, size_t at, uint32_t value);
void out_free(struct out *out);

void put_u16(struct out *out, uint16_t value);
void put_u32(struct out *out, uint32_t value);
void put_i32(struct out *out, int32_t value);
void put_u64(struct out *out, uint64_t value);
void put_i64(struct out *out, int64_t value);
/* NULL becomes null; only for rows that say `string?`. */
void put_string_or_null(struct out *out, const char *value);
/* NULL becomes the empty string. */
void put_string(struct out *out, const char *value);
void put_params(struct out *out, const virTypedParameter *params, int count);

/* The rest of a frame being read. Once `bad`, the gets return zeros. */
struct in {
    const unsigned char *data;
    size_t left;
    int bad;
};

uint16_t get_u16(struct in *in);
uint32_t get_u32(struct in *in);
uint64_t get_u64(struct in *in);
/* Points into the frame. NULL for null, which is bad unless `nullable`. */
const char *get_string(struct in *in, int nullable);
/* Returns an array for free(), of strings that point into the frame. */
const char **get_strings(struct in *in, unsigned *count);
/* Returns an array for virTypedParamsFree(). */
virTypedParameterPtr get_params(struct in *in, int *count);

#endif
