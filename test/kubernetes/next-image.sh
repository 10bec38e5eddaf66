#!/bin/sh
# Builds an image of "the next version" from this tree: the same program, but with another layout of the maps that hold
# endpoints, flows and services, and its own version. `next-image.sh FOLDER` leaves FOLDER/build/canal-image.tar.
set -eu
cd "$(dirname "$0")/../.."
folder=$1
mkdir -p "$folder"
cp -a Makefile package.json package-lock.json tsconfig.json agent bpf native deploy "$folder/"
rm -f "$folder/agent/kernel/abi.generated.ts"
[ -e "$folder/node_modules" ] || cp -al node_modules "$folder/"
# Eight bytes more in front of every field: no offset stays as it was.
for struct in canal_flow canal_config canal_front; do
	sed -i "s|^struct $struct {|&\n\t__u64 zero_next;|" "$folder"/bpf/abi_*.h
	cat "$folder"/bpf/abi_*.h | grep -A1 "^struct $struct {" | grep -q zero_next || { echo "next-image.sh: bpf/abi_*.h have no struct $struct" >&2; exit 1; }
done
# Its codecs leave these out, as all padding.
sed -i "s/member.name !== 'zero'/!member.name.startsWith('zero')/; s/member.name === 'zero'/member.name.startsWith('zero')/" "$folder/agent/kernel/codegen.mjs"
sed -i 's/"version": "\([0-9.]*\)"/"version": "\1-next"/' "$folder/package.json"
# npm has nothing to do for a version.
[ ! -e "$folder/node_modules/.package-lock.json" ] || touch "$folder/node_modules/.package-lock.json"
cd "$folder"
make --no-print-directory image
