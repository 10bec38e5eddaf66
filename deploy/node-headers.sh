#!/bin/sh
# Prints the folder that node-gyp takes as nodedir (it holds include/node), so
# that nothing is downloaded: the running Node's own headers where they are
# installed, else the toolchain's. Node-API is stable, so any version's do.
for dir in "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" /usr /usr/local build/toolchain/node_modules/node-linux-*; do
	[ -e "$dir/include/node/node_api.h" ] && { readlink -f "$dir"; exit 0; }
done
