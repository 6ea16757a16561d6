#include "table.h"

#include <stdlib.h>
#include <string.h>

static const struct row rows[] = {
#define CALL(name, lane, args, result) {#name, lane, args, result, run_##name},
#include "calls.def"
#undef CALL
};

#define ROWS (sizeof rows / sizeof rows[0])

const struct row *table_row(unsigned number) { return number < ROWS ? &rows[number] : NULL; }

int row_has_domain(const struct row *row) { return strncmp(row->args, "uuid:", 5) == 0; }

/* The type of the argument at *at, "name:type name:type"; moves *at to the next one. NULL at the end. */
static const char *next_type(const char **at, size_t *length)
{
    const char *colon = strchr(*at, ':');
    if (!colon) return NULL;
    *length = strcspn(colon + 1, " ");
    *at = colon + 1 + *length;
    return colon + 1;
}

static int is(const char *type, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(type, name, length) == 0;
}

int read_args(const struct row *row, struct in *in, union arg *args)
{
    const char *at = row->args, *type;
    size_t length;
    memset(args, 0, MAX_ARGS * sizeof *args);
    for (int i = 0; i < MAX_ARGS && (type = next_type(&at, &length)); i++) {
        if (is(type, length, "string"))
            args[i].string = get_string(in, 0);
        else if (is(type, length, "string?"))
            args[i].string = get_string(in, 1);
        else if (is(type, length, "i32"))
            args[i].i32 = (int32_t)get_u32(in);
        else if (is(type, length, "u32"))
            args[i].u32 = get_u32(in);
        else if (is(type, length, "i64"))
            args[i].i64 = (int64_t)get_u64(in);
        else if (is(type, length, "u64"))
            args[i].u64 = get_u64(in);
        else if (is(type, length, "strings"))
            args[i].strings.list = get_strings(in, &args[i].strings.count);
        else if (is(type, length, "params"))
            args[i].params.list = get_params(in, &args[i].params.count);
        else
            in->bad = 1;
    }
    return in->bad || in->left ? -1 : 0;
}

void free_args(const struct row *row, union arg *args)
{
    const char *at = row->args, *type;
    size_t length;
    for (int i = 0; i < MAX_ARGS && (type = next_type(&at, &length)); i++) {
        if (is(type, length, "strings")) free(args[i].strings.list);
        if (is(type, length, "params")) virTypedParamsFree(args[i].params.list, args[i].params.count);
    }
}

void put_table(struct out *out)
{
    static const char text[] =
#define QUICK_NAME "quick"
#define SLOW_NAME "slow"
#define CALL(name, lane, args, result) "call " #name " " lane##_NAME " (" args ") (" result ")\n"
#include "calls.def"
#undef CALL
        "event connectionClosed (reason:i32)\n"
#define EVENT(name, id, fields) "event " #name " (" fields ")\n"
#include "events.def"
#undef EVENT
        ;
    put_string(out, text);
}
