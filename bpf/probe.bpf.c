// Asked once at start through BPF_PROG_TEST_RUN, attached nowhere: can this
// kernel do what vxlan.h asks of it? TC_ACT_OK: yes.
#include "vxlan.h"

SEC("tc")
int canal_probe(struct __sk_buff *skb)
{
	return bpf_skb_adjust_room(skb, VXLAN_GROWTH, ADJUST_MAC, ADJUST_VXLAN) ? TC_ACT_SHOT : TC_ACT_OK;
}
