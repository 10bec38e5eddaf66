#!/bin/sh
# Makes and deletes kind clusters for `canal bench --driver kubernetes`.
#
#   kind.sh up NAME none|iptables|nftables    # kube-proxy's mode; prints the kubeconfig's path
#   kind.sh canal NAME IMAGE.tar              # canal into a cluster without kube-proxy
#   kind.sh down NAME
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..

usage() {
	sed -n '4,6s/^# *//p' "$0" >&2
	exit 2
}

config() { # MODE
	case $1 in
	none) cat "$here/no-kube-proxy.yaml" ;;
	iptables | nftables) sed "s/kubeProxyMode: iptables/kubeProxyMode: $1/" "$here/kube-proxy.yaml" ;;
	*) usage ;;
	esac
}

kubeconfig() { # NAME
	echo "$root/build/kind-$1.kubeconfig"
}

up() { # NAME MODE
	mkdir -p "$root/build"
	wanted=$(config "$2")
	echo "$wanted" | kind create cluster --name "$1" --config - --kubeconfig "$(kubeconfig "$1")" >&2
	kubeconfig "$1"
}

# Without kube-proxy nothing leads to the service kubernetes: the agents are told where the API server itself is.
canal() { # NAME IMAGE.tar
	kube="kubectl --kubeconfig $(kubeconfig "$1") -n kube-system"
	kind load image-archive "$2" --name "$1"
	server=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1-control-plane")
	$kube create configmap kubernetes-services-endpoint --from-literal=KUBERNETES_SERVICE_HOST="$server" --from-literal=KUBERNETES_SERVICE_PORT=6443
	$kube apply -f "$root/deploy/canal.yaml"
	$kube rollout status daemonset/canal --timeout=180s
}

case "$#:${1:-}" in
3:up) up "$2" "$3" ;;
3:canal) canal "$2" "$3" ;;
2:down)
	kind delete cluster --name "$2" --kubeconfig "$(kubeconfig "$2")"
	rm -f "$(kubeconfig "$2")"
	;;
*) usage ;;
esac
