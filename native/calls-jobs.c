/* The rows of calls.def about a domain's disks and long jobs. */
#include "calls.h"

int run_domainGetJobStats(struct call *call)
{
    int type = 0, count = 0;
    virTypedParameterPtr params = NULL;
    if (virDomainGetJobStats(call->domain, &type, &params, &count, call->args[1].u32) < 0) return -1;
    put_i32(call->out, type);
    put_params(call->out, params, count);
    virTypedParamsFree(params, count);
    return 0;
}

int run_domainAbortJob(struct call *call) { return virDomainAbortJob(call->domain) < 0 ? -1 : 0; }

int run_domainGetBlockInfo(struct call *call)
{
    virDomainBlockInfo info;
    if (virDomainGetBlockInfo(call->domain, call->args[1].string, &info, call->args[2].u32) < 0) return -1;
    put_u64(call->out, info.capacity);
    put_u64(call->out, info.allocation);
    put_u64(call->out, info.physical);
    return 0;
}

int run_domainGetBlockJobInfo(struct call *call)
{
    virDomainBlockJobInfo info = {0};
    int present = virDomainGetBlockJobInfo(call->domain, call->args[1].string, &info, call->args[2].u32);
    if (present < 0) return -1;
    put_i32(call->out, present);
    put_i32(call->out, info.type);
    put_u64(call->out, info.bandwidth);
    put_u64(call->out, info.cur);
    put_u64(call->out, info.end);
    return 0;
}

int run_domainBlockJobAbort(struct call *call)
{
    return virDomainBlockJobAbort(call->domain, call->args[1].string, call->args[2].u32) < 0 ? -1 : 0;
}

int run_domainBlockCopy(struct call *call)
{
    const union arg *args = call->args;
    return virDomainBlockCopy(call->domain, args[1].string, args[2].string, args[3].params.list,
                              args[3].params.count, args[4].u32) < 0
               ? -1
               : 0;
}

int run_domainBlockRebase(struct call *call)
{
    const union arg *args = call->args;
    return virDomainBlockRebase(call->domain, args[1].string, args[2].string, (unsigned long)args[3].u64,
                                args[4].u32) < 0
               ? -1
               : 0;
}

/* No mount points means all of them. */
static const char **mountpoints(const struct call *call)
{
    return call->args[1].strings.count > 0 ? call->args[1].strings.list : NULL;
}

int run_domainFSFreeze(struct call *call)
{
    int frozen =
        virDomainFSFreeze(call->domain, mountpoints(call), call->args[1].strings.count, call->args[2].u32);
    if (frozen < 0) return -1;
    put_i32(call->out, frozen);
    return 0;
}

int run_domainFSThaw(struct call *call)
{
    int thawed =
        virDomainFSThaw(call->domain, mountpoints(call), call->args[1].strings.count, call->args[2].u32);
    if (thawed < 0) return -1;
    put_i32(call->out, thawed);
    return 0;
}
