#include "wire.h"

#include <stdlib.h>
#include <string.h>

#define NO_STRING 0xffffffffu
#define MAX_ITEMS 4096u

static unsigned char *grow(struct out *out, size_t more)
{
    if (out->failed) return NULL;
    if (more > LODGE_FRAME_MAX || out->used + more > LODGE_FRAME_MAX) {
        out->failed = LODGE_ERR_TOO_LARGE;
        return NULL;
    }
    if (out->used + more > out->room) {
        size_t room = out->room ? out->room : 256;
        while (room < out->used + more) room *= 2;
        unsigned char *data = realloc(out->data, room);
        if (!data) {
            out->failed = LODGE_ERR_NO_MEMORY;
            return NULL;
        }
        out->data = data;
        out->room = room;
    }
    unsigned char *at = out->data + out->used;
    out->used += more;
    return at;
}

static void store(unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static void put(struct out *out, uint64_t value, size_t bytes)
{
    unsigned char *at = grow(out, bytes);
    if (at) store(at, value, bytes);
}

void out_begin(struct out *out, enum lodge_frame kind)
{
    memset(out, 0, sizeof *out);
    put(out, 0, 4);
    put(out, (uint64_t)kind, 1);
}

void out_finish(struct out *out)
{
    if (!out->failed) store(out->data, out->used - 4, 4);
}

void out_patch_u32(struct out *out, size_t at, uint32_t value)
{
    if (!out->failed) store(out->data + at, value, 4);
}

void out_free(struct out *out)
{
    free(out->data);
    memset(out, 0, sizeof *out);
}

void put_u16(struct out *out, uint16_t value) { put(out, value, 2); }
void put_u32(struct out *out, uint32_t value) { put(out, value, 4); }
void put_i32(struct out *out, int32_t value) { put(out, (uint32_t)value, 4); }
void put_u64(struct out *out, uint64_t value) { put(out, value, 8); }
void put_i64(struct out *out, int64_t value) { put(out, (uint64_t)value, 8); }

void put_string_or_null(struct out *out, const char *value)
{
    if (value)
        put_string(out, value);
    else
        put_u32(out, NO_STRING);
}

void put_string(struct out *out, const char *value)
{
    if (!value) value = "";
    size_t length = strlen(value);
    if (length > LODGE_FRAME_MAX) length = LODGE_FRAME_MAX; /* grow() then refuses */
    put_u32(out, (uint32_t)length);
    unsigned char *at = grow(out, length + 1);
    if (at) memcpy(at, value, length + 1);
}

void put_params(struct out *out, const virTypedParameter *params, int count)
{
    put_u32(out, (uint32_t)count);
    for (const virTypedParameter *param = params; param < params + count; param++) {
        uint64_t bits;
        put_string(out, param->field);
        put_u32(out, (uint32_t)param->type);
        switch (param->type) {
        case VIR_TYPED_PARAM_INT: put_i32(out, param->value.i); break;
        case VIR_TYPED_PARAM_UINT: put_u32(out, param->value.ui); break;
        case VIR_TYPED_PARAM_LLONG: put_i64(out, param->value.l); break;
        case VIR_TYPED_PARAM_ULLONG: put_u64(out, param->value.ul); break;
        case VIR_TYPED_PARAM_BOOLEAN: put_u32(out, param->value.b != 0); break;
        case VIR_TYPED_PARAM_STRING: put_string(out, param->value.s); break;
        case VIR_TYPED_PARAM_DOUBLE:
            memcpy(&bits, &param->value.d, sizeof bits);
            put_u64(out, bits);
            break;
        default: out->failed = LODGE_ERR_MALFORMED; break;
        }
    }
}

static const unsigned char *take(struct in *in, size_t bytes)
{
    if (in->bad || bytes > in->left) {
        in->bad = 1;
        return NULL;
    }
    const unsigned char *at = in->data;
    in->data += bytes;
    in->left -= bytes;
    return at;
}

static uint64_t get(struct in *in, size_t bytes)
{
    const unsigned char *at = take(in, bytes);
    uint64_t value = 0;
    for (size_t i = 0; at && i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

uint16_t get_u16(struct in *in) { return (uint16_t)get(in, 2); }
uint32_t get_u32(struct in *in) { return (uint32_t)get(in, 4); }
uint64_t get_u64(struct in *in) { return get(in, 8); }

const char *get_string(struct in *in, int nullable)
{
    uint32_t length = get_u32(in);
    if (length == NO_STRING) {
        if (!nullable) in->bad = 1;
        return NULL;
    }
    const unsigned char *at = take(in, (size_t)length + 1);
    if (!at) return NULL;
    if (memchr(at, 0, (size_t)length + 1) != at + length) { /* ends where it says, and not before */
        in->bad = 1;
        return NULL;
    }
    return (const char *)at;
}

const char **get_strings(struct in *in, unsigned *count)
{
    *count = 0;
    uint32_t wanted = get_u32(in);
    if (in->bad || wanted > MAX_ITEMS) {
        in->bad = 1;
        return NULL;
    }
    const char **list = calloc((size_t)wanted + 1, sizeof *list);
    if (!list) {
        in->bad = 1;
        return NULL;
    }
    while (*count < wanted && !in->bad) list[(*count)++] = get_string(in, 0);
    return list;
}

static int add_param(struct in *in, virTypedParameterPtr *params, int *count, int *room)
{
    const char *name = get_string(in, 0);
    uint32_t type = get_u32(in);
    if (in->bad) return -1;
    if (type == VIR_TYPED_PARAM_STRING) {
        const char *value = get_string(in, 0);
        return in->bad ? -1 : virTypedParamsAddString(params, count, room, name, value);
    }
    int wide = type == VIR_TYPED_PARAM_LLONG || type == VIR_TYPED_PARAM_ULLONG || type == VIR_TYPED_PARAM_DOUBLE;
    uint64_t bits = wide ? get_u64(in) : get_u32(in);
    double real;
    if (in->bad) return -1;
    switch (type) {
    case VIR_TYPED_PARAM_INT: return virTypedParamsAddInt(params, count, room, name, (int32_t)(uint32_t)bits);
    case VIR_TYPED_PARAM_UINT: return virTypedParamsAddUInt(params, count, room, name, (uint32_t)bits);
    case VIR_TYPED_PARAM_LLONG: return virTypedParamsAddLLong(params, count, room, name, (long long)bits);
    case VIR_TYPED_PARAM_ULLONG: return virTypedParamsAddULLong(params, count, room, name, bits);
    case VIR_TYPED_PARAM_BOOLEAN: return virTypedParamsAddBoolean(params, count, room, name, bits != 0);
    case VIR_TYPED_PARAM_DOUBLE:
        memcpy(&real, &bits, sizeof real);
        return virTypedParamsAddDouble(params, count, room, name, real);
    default: return -1;
    }
}

virTypedParameterPtr get_params(struct in *in, int *count)
{
    virTypedParameterPtr params = NULL;
    int room = 0;
    *count = 0;
    uint32_t wanted = get_u32(in);
    if (wanted > MAX_ITEMS) in->bad = 1;
    for (uint32_t i = 0; i < wanted && !in->bad; i++)
        if (add_param(in, &params, count, &room) < 0) in->bad = 1;
    return params;
}
