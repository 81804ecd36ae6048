#!/bin/bash
# Versions:  qemu-img 7.2.22 (Debian 12)
# Behaviour: the size of a disk in a VHD is rounded up to cylinders, heads and sectors. An image
#            that was raw, became a VHD and comes back is larger than it was, and has another
#            checksum. -o force_size=on keeps the size.
# One would guess: that converting there and back gives the same bytes.
# Seen:
#   raw 1073741824, vhd 1073995776, force_size 1073741824
. "$(dirname "$0")/common.sh"

command -v qemu-img >/dev/null || { echo "qemu-img is not here (Debian: qemu-utils)" >&2; exit 1; }
size() {
    qemu-img info "$1" | sed -n 's/^virtual size: .*(\([0-9]*\) bytes)$/\1/p'
}
truncate -s 1G "$folder/disk.raw"
qemu-img convert -f raw -O vpc "$folder/disk.raw" "$folder/disk.vhd"
qemu-img convert -f raw -O vpc -o force_size=on "$folder/disk.raw" "$folder/forced.vhd"
expect "raw 1073741824, vhd 1073995776, force_size 1073741824" \
    "raw $(stat -c %s "$folder/disk.raw"), vhd $(size "$folder/disk.vhd"), force_size $(size "$folder/forced.vhd")"
