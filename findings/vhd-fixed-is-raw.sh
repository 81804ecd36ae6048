#!/bin/bash
# Versions:  qemu-img 7.2.22 (Debian 12); oslo.utils 9.1.0
# Behaviour: a fixed VHD has its only mark at the end, and nothing that looks at the beginning of a
#            file finds it: qemu-img calls its own work raw, 512 bytes larger, and the image
#            inspection that image services use sees nothing but raw data.
# One would guess: vpc, as for a dynamic VHD.
# Seen:
#   dynamic: qemu-img vpc, oslo.utils vhd
#   fixed: qemu-img raw, oslo.utils raw
. "$(dirname "$0")/common.sh"

command -v qemu-img >/dev/null || { echo "qemu-img is not here (Debian: qemu-utils)" >&2; exit 1; }
packages oslo.utils==9.1.0
cat >"$folder/look.py" <<'END'
import sys

from oslo_utils.imageutils import format_inspector

print(format_inspector.detect_file_format(sys.argv[1]))
END
seen=
for kind in dynamic fixed; do
    qemu-img create -q -f vpc -o subformat=$kind "$folder/$kind.vhd" 8M
    format=$(qemu-img info "$folder/$kind.vhd" | sed -n 's/^file format: //p')
    seen+="$kind: qemu-img $format, oslo.utils $("$python" "$folder/look.py" "$folder/$kind.vhd")"$'\n'
done
expect "dynamic: qemu-img vpc, oslo.utils vhd
fixed: qemu-img raw, oslo.utils raw" "${seen%$'\n'}"
