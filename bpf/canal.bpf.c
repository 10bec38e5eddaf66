// One object a family with every program and map: one load, one set of types.
#include "from_pod.bpf.c"
#include "to_pod.bpf.c"
#include "from_overlay.bpf.c"
#include "from_uplink.bpf.c"
#include "to_uplink.bpf.c"
#include "sock.bpf.c"
#include "probe.bpf.c"

char LICENSE[] SEC("license") = "GPL";
