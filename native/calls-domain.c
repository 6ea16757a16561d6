/* The rows of calls.def that define, start, stop and ask about a domain. */
#include <libvirt/libvirt-qemu.h>
#include <stdlib.h>

#include "calls.h"

int answer_string(struct call *call, char *value)
{
    if (!value) return -1;
    put_string(call->out, value);
    free(value);
    return 0;
}

void put_domain(struct out *out, virDomainPtr domain)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    virDomainGetUUIDString(domain, uuid);
    put_string(out, uuid);
    put_string(out, virDomainGetName(domain));
    put_i32(out, (int32_t)virDomainGetID(domain)); /* -1: not running */
}

/* A result of the domain that a call made or found, which it frees; NULL is the call's failure. */
static int answer_domain(struct call *call, virDomainPtr domain)
{
    if (!domain) return -1;
    put_domain(call->out, domain);
    virDomainFree(domain);
    return 0;
}

/* A result of one number that is negative only at a failure. */
static int answer_number(struct call *call, int value)
{
    if (value < 0) return -1;
    put_i32(call->out, value);
    return 0;
}

int run_domainDefineXMLFlags(struct call *call)
{
    return answer_domain(call, virDomainDefineXMLFlags(call->conn, call->args[0].string, call->args[1].u32));
}

int run_domainCreateXML(struct call *call)
{
    return answer_domain(call, virDomainCreateXML(call->conn, call->args[0].string, call->args[1].u32));
}

int run_domainLookupByName(struct call *call)
{
    return answer_domain(call, virDomainLookupByName(call->conn, call->args[0].string));
}

int run_domainLookupByUUID(struct call *call)
{
    put_domain(call->out, call->domain);
    return 0;
}

int run_domainCreateWithFlags(struct call *call)
{
    if (virDomainCreateWithFlags(call->domain, call->args[1].u32) < 0) return -1;
    put_i32(call->out, (int32_t)virDomainGetID(call->domain));
    return 0;
}

int run_domainIsPersistent(struct call *call) { return answer_number(call, virDomainIsPersistent(call->domain)); }

int run_domainGetState(struct call *call)
{
    int state, reason;
    if (virDomainGetState(call->domain, &state, &reason, call->args[1].u32) < 0) return -1;
    put_i32(call->out, state);
    put_i32(call->out, reason);
    return 0;
}

int run_domainGetInfo(struct call *call)
{
    virDomainInfo info;
    if (virDomainGetInfo(call->domain, &info) < 0) return -1;
    put_u32(call->out, info.state);
    put_u64(call->out, info.maxMem);
    put_u64(call->out, info.memory);
    put_u32(call->out, info.nrVirtCpu);
    put_u64(call->out, info.cpuTime);
    return 0;
}

int run_domainGetXMLDesc(struct call *call)
{
    return answer_string(call, virDomainGetXMLDesc(call->domain, call->args[1].u32));
}

/* The calls that take a domain and flags, and answer nothing. */
#define PLAIN(row, function) \
    int run_##row(struct call *call) { return function(call->domain, call->args[1].u32) < 0 ? -1 : 0; }
PLAIN(domainUndefineFlags, virDomainUndefineFlags)
PLAIN(domainShutdownFlags, virDomainShutdownFlags)
PLAIN(domainReboot, virDomainReboot)
PLAIN(domainReset, virDomainReset)
PLAIN(domainDestroyFlags, virDomainDestroyFlags)
PLAIN(domainManagedSave, virDomainManagedSave)
PLAIN(domainManagedSaveRemove, virDomainManagedSaveRemove)
PLAIN(domainInjectNMI, virDomainInjectNMI)
#undef PLAIN

int run_domainSuspend(struct call *call) { return virDomainSuspend(call->domain) < 0 ? -1 : 0; }

int run_domainResume(struct call *call) { return virDomainResume(call->domain) < 0 ? -1 : 0; }

int run_domainHasManagedSaveImage(struct call *call)
{
    return answer_number(call, virDomainHasManagedSaveImage(call->domain, call->args[1].u32));
}

int run_domainSetTime(struct call *call)
{
    const union arg *args = call->args;
    return virDomainSetTime(call->domain, args[1].i64, args[2].u32, args[3].u32) < 0 ? -1 : 0;
}

int run_domainSetMetadata(struct call *call)
{
    const union arg *args = call->args;
    return virDomainSetMetadata(call->domain, args[1].i32, args[2].string, args[3].string, args[4].string,
                                args[5].u32) < 0
               ? -1
               : 0;
}

int run_domainGetMetadata(struct call *call)
{
    const union arg *args = call->args;
    return answer_string(call, virDomainGetMetadata(call->domain, args[1].i32, args[2].string, args[3].u32));
}

int run_domainSetMemoryStatsPeriod(struct call *call)
{
    return virDomainSetMemoryStatsPeriod(call->domain, call->args[1].i32, call->args[2].u32) < 0 ? -1 : 0;
}

int run_domainMemoryStats(struct call *call)
{
    virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
    int count = virDomainMemoryStats(call->domain, stats, VIR_DOMAIN_MEMORY_STAT_NR, call->args[1].u32);
    if (count < 0) return -1;
    put_u32(call->out, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        put_i32(call->out, stats[i].tag);
        put_u64(call->out, stats[i].val);
    }
    return 0;
}

int run_domainQemuAgentCommand(struct call *call)
{
    const union arg *args = call->args;
    return answer_string(call,
                         virDomainQemuAgentCommand(call->domain, args[1].string, args[2].i32, args[3].u32));
}
