/* The rows of calls.def about moving a domain to another host. */
#include "calls.h"

int run_connectCompareHypervisorCPU(struct call *call)
{
    const union arg *args = call->args;
    int result = virConnectCompareHypervisorCPU(call->conn, args[0].string, args[1].string, args[2].string,
                                                args[3].string, args[4].string, args[5].u32);
    if (result == VIR_CPU_COMPARE_ERROR) return -1;
    put_i32(call->out, result);
    return 0;
}

/* Ends when the domain has moved or stays: minutes, while its other calls go on on other threads. */
int run_domainMigrateToURI3(struct call *call)
{
    const union arg *args = call->args;
    return virDomainMigrateToURI3(call->domain, args[1].string, args[2].params.list,
                                  (unsigned)args[2].params.count, args[3].u32) < 0
               ? -1
               : 0;
}

int run_domainMigrateGetMaxDowntime(struct call *call)
{
    unsigned long long milliseconds = 0;
    if (virDomainMigrateGetMaxDowntime(call->domain, &milliseconds, call->args[1].u32) < 0) return -1;
    put_u64(call->out, milliseconds);
    return 0;
}

int run_domainMigrateSetMaxDowntime(struct call *call)
{
    return virDomainMigrateSetMaxDowntime(call->domain, call->args[1].u64, call->args[2].u32) < 0 ? -1 : 0;
}

int run_domainMigrateStartPostCopy(struct call *call)
{
    return virDomainMigrateStartPostCopy(call->domain, call->args[1].u32) < 0 ? -1 : 0;
}

int run_domainStartDirtyRateCalc(struct call *call)
{
    return virDomainStartDirtyRateCalc(call->domain, call->args[1].i32, call->args[2].u32) < 0 ? -1 : 0;
}

/* The statistics of one domain: all of them at once is a question to each QEMU. */
int run_domainGetStats(struct call *call)
{
    virDomainPtr domains[] = {call->domain, NULL};
    virDomainStatsRecordPtr *records = NULL;
    int count = virDomainListGetStats(domains, call->args[1].u32, &records, call->args[2].u32);
    if (count < 0) return -1;
    if (count == 0)
        put_params(call->out, NULL, 0);
    else
        put_params(call->out, records[0]->params, records[0]->nparams);
    virDomainStatsRecordListFree(records);
    return 0;
}
