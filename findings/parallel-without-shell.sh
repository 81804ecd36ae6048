#!/bin/bash
# Versions:  GNU parallel 20221122 (Debian 12)
# Behaviour: where the other side of --ssh has no variable SHELL, which sshd sets and other ways
#            may not, no job is run, and all are reported as done: exit status 0, Exitval 0 in the
#            joblog, not a word. PARALLEL_SHELL=/bin/sh on this side helps.
# One would guess: /bin/sh, as parallel does here, or an error.
# Seen:
#   SHELL: ran 1, status 1, joblog 7; no SHELL: ran 0, status 0, joblog 0; PARALLEL_SHELL: ran 1, status 1, joblog 7
. "$(dirname "$0")/common.sh"

(cd "$folder" && apt-get -qq download parallel=20221122+ds-2 && dpkg-deb -x parallel_*.deb parallel) 2>/dev/null
PATH=$folder/parallel/usr/bin:$PATH
# In place of ssh: the host and -- before the command, which gets the environment in $other.
cat >"$folder/ssh" <<'SSH'
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec env -i PATH="$PATH" $other sh -c "$*"
SSH
chmod +x "$folder/ssh"
unset PARALLEL_SHELL
run() {
    local status=0 ran=0
    rm -f "$folder/ran" "$folder/log"
    parallel --ssh "$folder/ssh" --sshlogin there --jobs 1 --joblog "$folder/log" \
        "touch $folder/ran; exit {}" ::: 7 2>/dev/null || status=$?
    [ ! -e "$folder/ran" ] || ran=1
    echo "ran $ran, status $status, joblog $(awk 'NR == 2 {print $7}' "$folder/log")"
}
with=$(other=SHELL=/bin/sh; export other; run)
without=$(other=; export other; run)
told=$(other=; export other PARALLEL_SHELL=/bin/sh; run)
expect "SHELL: ran 1, status 1, joblog 7; no SHELL: ran 0, status 0, joblog 0; PARALLEL_SHELL: ran 1, status 1, joblog 7" \
    "SHELL: $with; no SHELL: $without; PARALLEL_SHELL: $told"
