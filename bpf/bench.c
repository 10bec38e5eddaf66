// What running a program costs when it does nothing: `canal bench programs`
// subtracts it.
#include "kernel.h"

SEC("tc")
int canal_empty(struct __sk_buff *skb __attribute__((unused)))
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
