/* The rows of calls.def that ask about the host and the connection. */
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "calls.h"

int run_connectGetVersion(struct call *call)
{
    unsigned long library, hypervisor;
    if (virConnectGetLibVersion(call->conn, &library) < 0) return -1;
    if (virConnectGetVersion(call->conn, &hypervisor) < 0) return -1;
    const char *driver = virConnectGetType(call->conn);
    if (!driver) return -1;
    put_u64(call->out, library);
    put_u64(call->out, hypervisor);
    put_string(call->out, driver);
    return 0;
}

int run_connectGetHostname(struct call *call)
{
    return answer_string(call, virConnectGetHostname(call->conn));
}

int run_connectGetCapabilities(struct call *call)
{
    return answer_string(call, virConnectGetCapabilities(call->conn));
}

int run_connectGetDomainCapabilities(struct call *call)
{
    const union arg *args = call->args;
    return answer_string(call, virConnectGetDomainCapabilities(call->conn, args[0].string, args[1].string,
                                                               args[2].string, args[3].string, args[4].u32));
}

int run_connectGetSysinfo(struct call *call)
{
    return answer_string(call, virConnectGetSysinfo(call->conn, call->args[0].u32));
}

int run_nodeGetInfo(struct call *call)
{
    virNodeInfo info;
    if (virNodeGetInfo(call->conn, &info) < 0) return -1;
    put_string(call->out, info.model);
    put_u64(call->out, info.memory);
    put_u32(call->out, info.cpus);
    put_u32(call->out, info.mhz);
    put_u32(call->out, info.nodes);
    put_u32(call->out, info.sockets);
    put_u32(call->out, info.cores);
    put_u32(call->out, info.threads);
    return 0;
}

int run_nodeGetMemoryStats(struct call *call)
{
    int cell = call->args[0].i32, count = 0;
    unsigned flags = call->args[1].u32;
    if (virNodeGetMemoryStats(call->conn, cell, NULL, &count, flags) < 0) return -1;
    virNodeMemoryStatsPtr stats = calloc((size_t)count + 1, sizeof *stats);
    if (!stats || (count > 0 && virNodeGetMemoryStats(call->conn, cell, stats, &count, flags) < 0)) {
        free(stats);
        return -1;
    }
    put_u32(call->out, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        put_string(call->out, stats[i].field);
        put_u64(call->out, stats[i].value);
    }
    free(stats);
    return 0;
}

int run_nodeGetCPUStats(struct call *call)
{
    int cpu = call->args[0].i32, count = 0;
    unsigned flags = call->args[1].u32;
    if (virNodeGetCPUStats(call->conn, cpu, NULL, &count, flags) < 0) return -1;
    virNodeCPUStatsPtr stats = calloc((size_t)count + 1, sizeof *stats);
    if (!stats || (count > 0 && virNodeGetCPUStats(call->conn, cpu, stats, &count, flags) < 0)) {
        free(stats);
        return -1;
    }
    put_u32(call->out, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        put_string(call->out, stats[i].field);
        put_u64(call->out, stats[i].value);
    }
    free(stats);
    return 0;
}

int run_nodeGetFreeMemory(struct call *call)
{
    unsigned long long bytes = virNodeGetFreeMemory(call->conn);
    if (bytes == 0) return -1;
    put_u64(call->out, bytes);
    return 0;
}

/*
 * A domain may end between the list and the question for its state. It is then left out, as it would be from a
 * list made a moment later; every other failure is the call's.
 */
int run_connectListAllDomains(struct call *call)
{
    virDomainPtr *domains = NULL;
    int found = virConnectListAllDomains(call->conn, &domains, call->args[0].u32);
    if (found < 0) return -1;

    size_t at = call->out->used;
    uint32_t count = 0;
    int failed = 0;
    put_u32(call->out, 0);
    for (int i = 0; i < found && !failed; i++) {
        int state, reason;
        if (virDomainGetState(domains[i], &state, &reason, 0) < 0) {
            failed = virGetLastErrorCode() != VIR_ERR_NO_DOMAIN;
            continue;
        }
        put_domain(call->out, domains[i]);
        put_i32(call->out, state);
        put_i32(call->out, reason);
        count++;
    }
    out_patch_u32(call->out, at, count);
    if (failed) call->error = virSaveLastError();
    for (int i = 0; i < found; i++) virDomainFree(domains[i]);
    free(domains);
    return failed ? -1 : 0;
}

int run_connectGetAllDomainStats(struct call *call)
{
    virDomainStatsRecordPtr *records = NULL;
    int count = virConnectGetAllDomainStats(call->conn, call->args[0].u32, &records, call->args[1].u32);
    if (count < 0) return -1;
    put_u32(call->out, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        virDomainGetUUIDString(records[i]->dom, uuid);
        put_string(call->out, uuid);
        put_string(call->out, virDomainGetName(records[i]->dom));
        put_params(call->out, records[i]->params, records[i]->nparams);
    }
    virDomainStatsRecordListFree(records);
    return 0;
}
