#!/bin/sh
# Runs the suite on a cluster: KUBECONFIG=FILE NODE_EXEC='docker exec -i' test/kubernetes/run.sh [vitest's flags]; README.md says more.
set -eu
cd "$(dirname "$0")/../.."
for variable in KUBECONFIG NODE_EXEC; do
	eval "value=\${$variable:-}"
	[ -n "$value" ] || { echo "test/kubernetes/run.sh: $variable is not set; see test/kubernetes/README.md" >&2; exit 2; }
done
if [ -z "${NEXT_IMAGE:-}" ]; then
	test/kubernetes/next-image.sh "$PWD/build/next-version"
	NEXT_IMAGE=$PWD/build/next-version/build/canal-image.tar
	export NEXT_IMAGE
fi
exec node node_modules/vitest/vitest.mjs run --config test/kubernetes/vitest.config.ts "$@"
