/* The table of calls and events (calls.def, events.def), and the reading of a call's arguments by it. */
#ifndef LODGE_TABLE_H
#define LODGE_TABLE_H

#include <libvirt/virterror.h>

#include "wire.h"

#define MAX_ARGS 8

enum lane_name { QUICK, SLOW, LANES };

union arg {
    const char *string;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    struct {
        const char **list;
        unsigned count;
    } strings;
    struct {
        virTypedParameterPtr list;
        int count;
    } params;
};

/*
 * What a call works with. `domain` is NULL unless the row's first argument is `uuid`. A call that uses libvirt
 * after its failure, if only to free something, saves the failure in `error` first.
 */
struct call {
    virConnectPtr conn;
    virDomainPtr domain;
    const union arg *args;
    struct out *out;
    virErrorPtr error;
};

struct row {
    const char *name;
    enum lane_name lane;
    const char *args;
    const char *result;
    /* 0, or -1 with libvirt's last error set; writes its result in the order of the row. */
    int (*run)(struct call *call);
};

enum event_number {
    EVENT_CONNECTION_CLOSED,
#define EVENT(name, id, fields) EVENT_##name,
#include "events.def"
#undef EVENT
    EVENTS
};

/* The row of that number, or NULL. */
const struct row *table_row(unsigned number);

/* Whether the row works on a domain. */
int row_has_domain(const struct row *row);

/* Reads the row's arguments from all of `in`; -1 if they are not what the row says. Both ways, free them. */
int read_args(const struct row *row, struct in *in, union arg *args);
void free_args(const struct row *row, union arg *args);

/*
 * The table as text, a row a line, as src/libvirt/table.ts writes its own:
 *   call <name> quick|slow (<arguments>) (<result>)
 *   event <name> (<fields>)
 */
void put_table(struct out *out);

#define CALL(name, lane, args, result) int run_##name(struct call *call);
#include "calls.def"
#undef CALL

#endif
