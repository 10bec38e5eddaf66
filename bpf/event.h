// Flow events to the agent, at most config.log_rate a second and CPU.
#pragma once
#include "maps.h"
#include "packet.h"

static __always_inline bool event_allowed(const struct canal_config *config, __u32 now_s)
{
	__u32 zero = 0;
	struct canal_rate *rate;

	if (!(config->flags & CONFIG_EVENTS))
		return false;
	rate = bpf_map_lookup_elem(&canal_rate, &zero);
	if (!config->log_rate || !rate)
		return true;
	if (rate->second != now_s) {
		rate->second = now_s;
		rate->events = 0;
	}
	return rate->events++ < config->log_rate;
}

static __noinline int event_emit(struct __sk_buff *skb, const struct packet *packet, __u16 kind, __u16 reason)
{
	const struct canal_config *config = config_get();
	struct FAMILY_STRUCT(canal_event) *event;

	if (!config || !event_allowed(config, packet->now_s))
		return 0;
	event = bpf_ringbuf_reserve(&canal_events, sizeof(*event), 0);
	if (!event) {
		full_count(FULL_EVENTS);
		return 0;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->rule = packet->rule;
	event->family = CANAL_FAMILY;
	event->kind = kind;
	event->reason = reason;
	event->ifindex = skb->ifindex;
	event->length = packet->length;
	event->source = packet->source;
	event->destination = packet->destination;
	event->source_port_be = packet->source_port_be;
	event->destination_port_be = packet->destination_port_be;
	event->protocol = packet->protocol;
	event->direction = packet->direction;
	event->zero = 0;
	// The agent looks by the clock: nobody waits to be woken.
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}
