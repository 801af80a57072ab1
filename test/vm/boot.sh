#!/bin/bash
# boot.sh KERNEL RESULTS -- COMMAND...: runs COMMAND as root in a virtual machine of its own, under the
# kernel in the folder KERNEL (see fetch-kernel.sh), on this machine's files and in this working directory.
#
# The files are the host's, read-only, below a layer of memory: the command may write anywhere, and all of it
# is gone afterwards. What it prints, and the status it ends with, are those of boot.sh. It writes results to
# the device in $VM_RESULTS; they arrive in the file RESULTS.
#
#   VM_TIMEOUT   seconds until the machine is switched off, default 600; the status is then 124
#   VM_CPUS      default 2
#   VM_MEMORY    MiB, default 3072
#
#   VM_ACCEL     default tcg, emulation, which works everywhere and takes about 13 times as long as kvm. A
#                /dev/kvm may be there and hang, so kvm has to be asked for.
#
# Status 125: the VM ended without one; the end of its console follows. Needs root, because the host's files
# are shared by a mount of their own.
set -euo pipefail

fail() {
	echo "boot: $*" >&2
	exit 125
}

[ $# -ge 4 ] && [ "$3" = -- ] || fail "usage: boot.sh KERNEL RESULTS -- COMMAND..."
[ "$(id -u)" = 0 ] || fail "run this as root"

# Mounts and processes of its own: nothing of them outlives this script, however it ends.
if [ -z "${VM_INSIDE:-}" ]; then
	VM_INSIDE=1 exec unshare --mount --propagation private --pid --fork --kill-child=KILL --mount-proc -- "$0" "$@"
fi
unset VM_INSIDE

kernel=$(realpath "$1") results=$(realpath "$2")
shift 3
here=$(dirname "$(realpath "$0")")
release=$(basename "$kernel"/lib/modules/*)
image=$kernel/boot/vmlinuz-$release
[ -e "$image" ] || fail "no kernel in $kernel"
memory=${VM_MEMORY:-3072}

find_virtiofsd() {
	local candidate
	for candidate in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
		if [ -x "$candidate" ]; then
			echo "$candidate"
			return
		fi
	done
	fail "virtiofsd is missing: on Debian 12 it comes with qemu-system-common, later with virtiofsd"
}

# Only what it takes to reach the host's files; the others come from there.
pack_modules() {
	local into=$1 module
	for module in virtio_pci virtio_console virtiofs overlay; do
		modprobe -d "$kernel" -S "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
		case $module in
		*.xz) xz -dc "$module" >"$into/$(basename "$module" .xz)" ;;
		*) cp "$module" "$into/" ;;
		esac
		basename "$module" .xz >>"$into/order"
	done
}

# What the job is, in shell: the working directory, the command, and where its output goes.
write_job() {
	local into=$1 variable
	shift
	echo "$kernel/lib/modules/$release" >"$into/modules"
	{
		for variable in PATH L4LB_BUILD_DIR L4LB_PRODUCT L4LB_PATIENCE VM_CHECKS; do
			[ -z "${!variable:-}" ] || printf 'export %s=%q\n' "$variable" "${!variable}"
		done
		echo 'export HOME=/root LANG=C.UTF-8 VM_RESULTS=/dev/vm-results'
		printf 'cd %q\nexec' "$PWD"
		printf ' %q' "$@"
		echo
	} >"$into/command"
	cat >"$into/job" <<-'JOB'
		bash /run/vm/command </dev/null >/dev/vm-output 2>&1
		echo $? >/dev/vm-status
		/run/vm/busybox sync
		/run/vm/busybox poweroff -f
	JOB
}

pack() {
	(cd "$1" && find . | cpio -o -H newc --quiet -R 0:0)
}

# In memory, and in this mount namespace only: every machine has its own.
room=$(dirname "$kernel")/.room
mkdir -p "$room" /run/virtiofsd
mount -t tmpfs -o mode=700 vm "$room"
# virtiofsd keeps a lock here, by the name of its socket.
mount -t tmpfs -o mode=700 vm /run/virtiofsd
mkdir -p "$room/initrd/bin" "$room/initrd/modules" "$room/initrd/job" "$room/view"
cp "$(command -v busybox)" "$room/initrd/bin/busybox"
install -m 755 "$here/init" "$room/initrd/init"
pack_modules "$room/initrd/modules"
write_job "$room/initrd/job" "$@"
pack "$room/initrd" >"$room/initrd.cpio"

# One view of the host's files without /proc, /sys and what else is mounted, save where our own things are.
mount --bind / "$room/view"
for path in "$PWD" "$kernel" "$(readlink -f "$(command -v node)")" /usr; do
	mounted=$(findmnt -n -o TARGET -T "$path")
	if [ "$mounted" != / ] && ! mountpoint -q "$room/view$mounted"; then mount --bind "$mounted" "$room/view$mounted"; fi
done
mount -o remount,bind,ro "$room/view"

"$(find_virtiofsd)" --socket-path="$room/fs" -o source="$room/view" -o cache=always -o sandbox=chroot \
	>"$room/fs.log" 2>&1 &
for _ in {1..400}; do
	[ ! -S "$room/fs" ] || break
	sleep 0.05
done
[ -S "$room/fs" ] || fail "virtiofsd does not start: $(tail -n 3 "$room/fs.log")"

# QEMU takes no socket for a file, and a socket is what some programs give their children as output.
exec 8> >(exec cat)
printer=$!

status=0
touch "$room/status"
timeout -k 5 "${VM_TIMEOUT:-600}" qemu-system-x86_64 \
	-accel "${VM_ACCEL:-tcg,thread=multi,tb-size=512}" -cpu max -machine q35 -smp "${VM_CPUS:-2}" -m "$memory" \
	-object memory-backend-memfd,id=memory,size="${memory}M",share=on -numa node,memdev=memory \
	-display none -nodefaults -no-reboot -serial "file:$room/console" \
	-chardev socket,id=fs,path="$room/fs" -device vhost-user-fs-pci,chardev=fs,tag=host,queue-size=1024 \
	-device virtio-serial-pci \
	-add-fd fd=8,set=1 -chardev file,id=output,path=/dev/fdset/1,append=on \
	-device virtserialport,chardev=output,name=output \
	-chardev file,id=results,path="$results" -device virtserialport,chardev=results,name=results \
	-chardev file,id=status,path="$room/status" -device virtserialport,chardev=status,name=status \
	-kernel "$image" -initrd "$room/initrd.cpio" -append "console=ttyS0 quiet panic=-1" \
	</dev/null || status=$?
exec 8>&-
wait "$printer" || true

if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	echo "boot: not done within ${VM_TIMEOUT:-600} s" >&2
	tail -n 20 "$room/console" >&2
	exit 124
fi
inner=$(tr -d '\r\n' <"$room/status")
[ -z "$inner" ] || exit "$inner"
echo "boot: the VM ended without a status (qemu: $status); the end of its console:" >&2
tail -n 40 "$room/console" >&2
tail -n 5 "$room/fs.log" >&2
exit 125
