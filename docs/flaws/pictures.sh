#!/bin/sh
# Draws docs/flaws/NAME.png for every scenario in scenarios/flaws, or for those named: what the visualizer shows where the
# run's first violation was committed. The same scenario gives the same bytes.
#
#     cargo build --release && cargo build --release -p odradek-visualizer
#     docs/flaws/pictures.sh [scenarios/flaws/NAME.toml ...]
set -eu
cd "$(dirname "$0")/../.."
programs=${CARGO_TARGET_DIR:-target}/release
[ $# -gt 0 ] || set -- scenarios/flaws/*.toml
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT
for scenario in "$@"; do
    name=$(basename "$scenario" .toml)
    "$programs/odradek" run "$scenario" --out "$runs/$name" >"$runs/story"
    # The words behind the trace: --at violation:1 --focus orders/0
    look=$(sed -n 's/^look:.*trace\.jsonl\.zst//p' "$runs/story")
    # shellcheck disable=SC2086 # these are several words
    "$programs/odradek-visualizer" render "$runs/$name" $look \
        --layout log --theme light --size 1200x640 --out "docs/flaws/$name.png"
    echo "docs/flaws/$name.png"
done
