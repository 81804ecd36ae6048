# To be sourced by the scripts beside it: a temporary folder that goes at the end, `packages` that
# makes a Python environment in it, and `expect` that compares what was seen with what the head says.
set -euo pipefail
unset PYTHONPATH PYTHONHOME
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

packages() {
    "${PYTHON:-python3}" -m venv "$folder/env"
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check "$@"
    python=$folder/env/bin/python
}

expect() {
    printf '%s\n' "$2"
    [ "$2" = "$1" ] || {
        printf 'CHANGED, it was:\n%s\n' "$1" >&2
        exit 1
    }
}
