#!/usr/bin/env bash
# From a spec to a verified model and a heat map, on a public scene that comes with a package.
# Usage: examples/demo.sh [FOLDER]
set -euo pipefail
folder="${1:-demo}"
spec=specs/anomaly.yaml

say() { printf '\n$ %s\n' "$*"; "$@"; }

say cuvisc validate "$spec"
say cuvisc show "$spec"
run="$folder/run-$(date +%Y%m%d-%H%M%S)"
say cuvisc train "$spec" --out "$run"
say cuvisc export "$run" -o "$folder/artifact" --force
say cuvisc verify "$folder/artifact"
say cuvisc data indian-pines -o "$folder/indian_pines.npz" --force
say cuvisc predict "$folder/artifact" "$folder/indian_pines.npz" -o "$folder/scores.npz" --force
say cuvisc evaluate "$folder/artifact" "$folder/indian_pines.npz" -o "$folder/evaluation" --force
say python examples/heatmap.py "$folder/scores.npz" "$folder/heatmap.png"
printf '\nlook at %s and %s\n' "$folder/heatmap.png" "$run/report.html"
