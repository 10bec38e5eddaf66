#!/bin/sh
# Runs vitest with a network and a mount namespace of its own, so that tests
# that make devices, routes and pins never see the machine's. Arguments go to
# vitest: `test/run.sh test/kernel`.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "test/run.sh: the tests load BPF programs and make network namespaces: run as root" >&2
	exit 1
fi
# So that a test can tell that it is not in the namespaces it must not change.
export CANAL_OUTSIDE="$(readlink /proc/self/ns/net) $(readlink /proc/self/ns/mnt)"
exec unshare --net --mount --propagation private sh -c '
	ip link set lo up
	mount -t bpf bpf /sys/fs/bpf
	exec node node_modules/vitest/vitest.mjs run "$@"' sh "$@"
