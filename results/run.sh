#!/usr/bin/env bash
# Trains what docs/RESULTS.md tells of, in the order of experiments.txt, and keeps each run's record in this folder.
#
#   results/run.sh MODELDIR RUNS [PATTERN]
#
# MODELDIR: the stand-in encoder that ../shared/tools/make_e5_small.py makes; where experiments.txt says MPNET, the folder
# that ../shared/tools/make_mpnet_base.py makes, which RE_MPNET names. RUNS: where run folders grow, checkpoints
# included (some GB each), which nothing removes. PATTERN: only experiments whose name matches this glob.
# What is recorded already is skipped, and what was interrupted goes on where it was. The examples are those of
# `cargo build --release --package re-examples --examples`, or of the folder that RE_EXAMPLES names; `re` is that of
# `cargo build --release --package re-cli`, or what RE_CLI names.
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2; }
model=$(realpath "$1") runs=$(mkdir -p "$2" && realpath "$2") pattern=${3:-*}
cd "$(dirname "$0")/.."
data=../shared/data
p_stage2=(--train $data/p-stage2/train.tsv --labels $data/p-stage2/label_type.pkl --test $data/p-stage2/unseen.tsv)
binaries=${RE_EXAMPLES:-target/release/examples}
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -1)
machine="$(nproc --all) cores, ${cpu:-processor unknown}${OMP_NUM_THREADS:+, threads: $OMP_NUM_THREADS}"
export OMP_WAIT_POLICY=passive GLIBC_TUNABLES=glibc.malloc.hugetlb=1

# The files of a run that are kept: no weights; probabilities of the whole run alone, to five digits unless hard votes have
# broken ties in later ones.
record() {
    local from=$1 to=$2 part=${3:-} file
    for file in config.toml metrics.jsonl summary.json submission.csv graph.json {validation,test}_scores.json; do
        if [[ -e $from/$file ]]; then install -D -m 644 "$from/$file" "$to/$file"; fi
    done
    for file in "$from"/*_probabilities.csv; do
        if [[ -e $file && -z $part ]]; then
            mkdir -p "$to"
            if grep -q '^how = "hard"' "$from/config.toml"; then install -m 644 "$file" "$to"; continue; fi
            awk -F, -v OFS=, 'NR > 1 { for (i = 2; i <= NF; i++) $i = sprintf("%.5f", $i) + 0 } 1' "$file" > "$to/${file##*/}"
        fi
    done
    for file in "$from"/*/; do
        if [[ -e $file/config.toml ]]; then record "${file%/}" "$to/$(basename "$file")" part; fi
    done
}

# What each checkpoint says of the validation rows, where a run has kept more than it needs to go on.
predict_checkpoints() {
    local from=$1 to=$2 folder step
    [[ $(find "$from" -maxdepth 1 -name 'checkpoint-*' | wc -l) -gt 3 ]] || return 0
    awk -F'\t' 'NR == FNR { split($1, id, ","); asked[id[1]]; next } $1 in asked' \
        "$to/validation_probabilities.csv" $data/p-stage2/train.tsv > "$from/validation.tsv"
    for folder in "$from"/checkpoint-*; do
        step=${folder##*-}
        "${RE_CLI:-target/release/re}" predict "$from@$((10#$step))" "$from/validation.tsv" --quiet \
            --output "$to/checkpoint-$step.csv"
    done
}

# The training rows without the fixed split's validation rows, for runs that set rows aside among these.
training_part() {
    awk -F'\t' 'NR == FNR { split($1, id, ","); kept_out[id[1]]; next } !($1 in kept_out)' \
        results/mbert_baseline-seed7/validation_probabilities.csv $data/p-stage2/train.tsv > "$1"
}

# Entity types of the competition's rows by the tagger of Korean names.
own_types() {
    "${RE_CLI:-target/release/re}" types "$runs/klue_ner-seed7" $data/p-stage2/{train,test,unseen}.tsv --quiet --output "$1"
}

while read -r name example arguments; do
    [[ -n $name && $name != \#* && $name == $pattern ]] || continue
    [[ ! -e results/$name/summary.json ]] || continue
    if [[ $arguments == *RUNS/training_part.tsv* ]]; then training_part "$runs/training_part.tsv"; fi
    if [[ $arguments == *RUNS/own_types.tsv* ]]; then own_types "$runs/own_types.tsv"; fi
    # shellcheck disable=SC2206
    arguments=(${arguments//RUNS/$runs})
    arguments=("${arguments[@]//DATA/$data}")
    if [[ " ${arguments[*]} " == *" MPNET "* ]]; then
        [[ -n ${RE_MPNET:-} ]] || { echo "$name is left out: RE_MPNET names no folder"; continue; }
        arguments=("${arguments[@]//MPNET/$(realpath "$RE_MPNET")}")
    fi
    # Other rows than the report's, or a model that has seen others, give figures that do not stand beside its own.
    about=()
    if [[ " ${arguments[*]} " == *" --train "* || " ${arguments[*]} " == *" --model "* ]]; then
        about=(experiment "${name%-seed*}")
    fi
    [[ " ${arguments[*]} " == *" --train "* ]] || arguments=("${p_stage2[@]}" "${arguments[@]}")
    [[ " ${arguments[*]} " == *" --model "* ]] || arguments=(--model "$model" "${arguments[@]}")
    out=$runs/$name commit=$(git rev-parse --short HEAD)
    command="cargo run --release --example $example -- ${arguments[*]} --out $out"
    if [[ -n ${RE_MPNET:-} ]]; then command=${command//$(realpath "$RE_MPNET")/MPNET}; fi
    command=${command//$model/MODELDIR} command=${command//$runs/RUNS}
    echo "$(date -u +%H:%M:%S) $name: $command"
    if [[ -e $out/config.toml ]]; then
        "$binaries/$example" --out "$out" --resume
    else
        "$binaries/$example" "${arguments[@]}" --out "$out"
    fi < /dev/null >> "$runs/$name.log" 2>&1 || { echo "$name ended with $?; see $runs/$name.log"; continue; }
    record "$out" "results/$name"
    predict_checkpoints "$out" "results/$name"
    printf '%s = "%s"\n' "${about[@]}" machine "$machine" commit "$commit" command "$command" \
        > "results/$name/about.toml"
    tail -n 3 "$runs/$name.log"
done < results/experiments.txt
