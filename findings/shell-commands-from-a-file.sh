#!/bin/bash
# Versions:  python-openstackclient 10.5.0, osc-lib 4.7.0, cliff 4.17.0, cmd2 4.3.1
# Behaviour: `openstack < commands` runs one command a line, and ends with status 1 whatever came of
#            them, also where all went well. What follows a semicolon in a line is dropped without a
#            word.
# One would guess: status 0 when nothing failed; a second command after the semicolon, or an error.
# Seen:
#   10.5.0
#   status 1
. "$(dirname "$0")/common.sh"

packages "python-openstackclient==10.5.0" "osc-lib==4.7.0" "cliff==4.17.0" "cmd2==4.3.1"
show='module list -f value -c openstackclient'
status=0
said=$(printf '%s\n' "$show; $show" | env -i HOME="$folder" "$folder/env/bin/openstack" 2>&1) || status=$?
expect "10.5.0
status 1" "$(grep . <<<"$said")
status $status"
