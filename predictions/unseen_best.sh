#!/usr/bin/env bash
# Makes unseen_best.csv from the probabilities that are recorded in results/: predictions/unseen_best.sh RE > unseen_best.csv
# RE: the command line, as `cargo build --release --package re-cli` makes it. Weights are those under which the labels of
# the validation rows, which no member was trained on, are most likely.
set -euo pipefail
cd "$(dirname "$0")/../results"
k_fold=k_fold-typed-additional additional=mbert_additional_data-seed7 typed=typed_markers-seed7
"$1" vote k_fold=$k_fold additional=$additional typed=$typed \
    --tune likelihood --out-of-fold $k_fold,$additional,$typed --gold ../../shared/data/p-stage2/train.tsv --subset \
    --output-format submission
