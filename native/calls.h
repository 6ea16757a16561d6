/* What the functions behind the rows share. */
#ifndef LODGE_CALLS_H
#define LODGE_CALLS_H

#include "table.h"

/* A result of one string, which it frees; NULL is the call's failure. */
int answer_string(struct call *call, char *value);

/* The fields uuid, name and id. */
void put_domain(struct out *out, virDomainPtr domain);

#endif
