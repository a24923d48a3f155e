#!/bin/sh
# Draws the pictures of README.md and docs/visualizer.md; those of the flaws are drawn by docs/flaws/pictures.sh.
#
#     cargo build --release && cargo build --release -p odradek-visualizer
#     docs/pictures/pictures.sh
set -eu
cd "$(dirname "$0")/../.."
programs=${CARGO_TARGET_DIR:-target}/release
runs=$(mktemp -d)
trap 'rm -rf "$runs"' EXIT

# PICTURE SCENARIO THEME WHERE...
draw() {
    picture=$1 scenario=$2 theme=$3
    shift 3
    "$programs/odradek" run "scenarios/$scenario.toml" --out "$runs/$scenario" >/dev/null
    "$programs/odradek-visualizer" render "$runs/$scenario" "$@" --theme "$theme" --size 1500x860 \
        --out "docs/pictures/$picture.png"
    echo "docs/pictures/$picture.png"
}

draw mail-failover mail dark --at 23s --focus email/0
draw split-brain split-brain dark --at 40s --focus orders/0
draw visualizer-triage acks-one-loses light --at violation:1 --focus orders/0
