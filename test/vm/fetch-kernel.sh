#!/bin/bash
# fetch-kernel.sh SERIES: makes Debian's newest cloud kernel of a series (6.1, 6.12) ready to boot in a VM,
# and prints where it is: a folder with boot/ and lib/modules/. The package is unpacked, not installed, and
# kept outside of the source tree, one folder a version.
set -euo pipefail

series=$1
arch=$(dpkg --print-architecture)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/l4lb/vm

say() { echo "fetch-kernel: $*" >&2; }
fail() {
	say "$*"
	exit 1
}

# The meta package names the kernel that Debian means; without one for this series the newest name counts.
resolve() {
	local meta package
	for meta in "linux-image-$series-cloud-$arch" "linux-image-cloud-$arch"; do
		package=$(apt-cache depends "$meta" 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
		if [[ $package == linux-image-"$series".* ]]; then
			echo "$package"
			return
		fi
	done
	apt-cache search --names-only "^linux-image-${series//./\\.}\.[0-9].*-cloud-$arch\$" |
		awk '{ print $1 }' | sort -V | tail -1
}

newest_kept() {
	find "$cache" -maxdepth 1 -name "linux-image-$series.*_*" -type d 2>/dev/null | sort -V | tail -1
}

# In a folder of its own, renamed when whole: a killed run leaves nothing that looks finished.
unpack() {
	local package=$1 target=$2 half release
	half=$(mktemp -d "$cache/half.XXXXXX")
	# shellcheck disable=SC2064
	trap "rm -rf '$half'" EXIT
	say "downloading $package for the VM tests, into $cache"
	(cd "$half" && apt-get download -qq -o APT::Sandbox::User=root "$package") || return 1
	dpkg -x "$half"/*.deb "$half/tree"
	release=$(basename "$half"/tree/lib/modules/*)
	depmod -b "$half/tree" "$release"
	mv -T "$half/tree" "$target" 2>/dev/null || [ -d "$target" ]
	rm -rf "$half"
	trap - EXIT
}

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
package=$(resolve)
if [ -z "$package" ] && [ "$(id -u)" = 0 ]; then
	apt-get update -qq >&2 || true
	package=$(resolve)
fi
version=$([ -z "$package" ] || apt-cache policy "$package" | awk '/Candidate:/ { print $2 }')
target=$cache/${package}_$version
if [ -z "$package" ] || { [ ! -d "$target" ] && ! unpack "$package" "$target"; }; then
	if [ -n "$package" ] && apt-get update -qq >&2 && unpack "$package" "$target"; then
		echo "$target"
		exit
	fi
	# Without a network the one from last time serves as well.
	target=$(newest_kept)
	[ -n "$target" ] || fail "apt offers no cloud kernel $series for $arch, and none is kept in $cache"
	say "apt cannot give a cloud kernel $series now; using $(basename "$target")"
fi
echo "$target"
