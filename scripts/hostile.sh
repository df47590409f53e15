#!/usr/bin/env bash
# Run pytest with the arguments given, on what looks like another machine: all that a test must not depend on differs.
# Twice, in a narrow and in a wide terminal, and each time in another random order. SEED=N gives an order again.
set -euo pipefail
python=$(realpath -s "${PYTHON:-.venv/bin/python}")
folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
export TZ=Pacific/Kiritimati LC_ALL=C PYTHONHASHSEED=1 OMP_NUM_THREADS=1
for columns in 40 300; do
    export COLUMNS=$columns TMPDIR="$folder/a folder with a long name, blanks and $columns letters that are not ASCII, as é and ж"
    mkdir "$TMPDIR"
    seed=${SEED:-$RANDOM}
    echo "== COLUMNS=$columns --random-order-seed=$seed"
    "$python" -m pytest --random-order-bucket=global --random-order-seed="$seed" "$@"
done
