#!/usr/bin/env bash
# Makes unseen_best.csv from the probabilities that are recorded in results/.
#
#   predictions/unseen_best.sh RE
#
# RE: the command line, as `cargo build --release --package re-cli` makes it.
set -euo pipefail
[[ $# -eq 1 ]] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }
re=$(realpath "$1")
cd "$(dirname "$0")/../results"
"$re" vote k_fold-plain-additional k_fold-typed-additional typed_markers-additional-all mbert_additional_data-all \
    --output-format submission --output ../predictions/unseen_best.csv
