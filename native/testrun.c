#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include "internal.h"

int canal_test_run(int prog_fd, const void *in, uint32_t in_size, void *out, uint32_t *out_size,
		   void *skb_ctx, uint32_t ctx_size, uint32_t repeat, uint32_t *retval, uint32_t *duration_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = in_size, .data_out = out,
		    .data_size_out = *out_size, .ctx_in = ctx_size ? skb_ctx : NULL, .ctx_size_in = ctx_size,
		    .ctx_out = ctx_size ? skb_ctx : NULL, .ctx_size_out = ctx_size, .repeat = repeat);
	int err = bpf_prog_test_run_opts(prog_fd, &opts);

	if (err)
		return err;
	*out_size = opts.data_size_out;
	*retval = opts.retval;
	*duration_ns = opts.duration;
	return 0;
}

int canal_test_run_many(int prog_fd, const void *in, const uint32_t *sizes, uint32_t count, uint32_t ifindex, uint32_t *verdicts)
{
	const char *packet = in;

	for (uint32_t i = 0; i < count; i++) {
		struct __sk_buff context = { .ifindex = ifindex };
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizes[i],
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
		int err = bpf_prog_test_run_opts(prog_fd, &opts);

		if (err)
			return err;
		verdicts[i] = opts.retval;
		packet += sizes[i];
	}
	return 0;
}
