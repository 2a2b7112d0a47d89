"""Our programs and their peers, alternating in one run: what `cargo xtask peers` starts.

Every program is a process of its own that prints one line of JSON. With A and B to compare, the order is
A B A B ..: what slows the machine down for a while slows both. Medians are compared, minimum and maximum are
told. Results are kept in the cache, so that `--only` measures some workloads anew and leaves the others.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import machine
import report
import workloads
from harness import Harness

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="a few steps and rows of each, to see that all works; docs/BENCHMARKS.md stays as it is")
    parser.add_argument("--only", default=",".join(workloads.DEFAULT),
                        help=f"workloads, separated by commas; of {', '.join(workloads.ALL)}")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--model", type=Path, help="the stand-in encoder; made in the cache where left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shared", type=Path, default=ROOT / "../shared", help="where the real data is")
    parser.add_argument("--cache", type=Path, required=True, help="where models, rows and results are kept")
    parser.add_argument("--workload", type=Path, required=True, help="our program, built for release")
    parser.add_argument("--engine", type=Path, help="example `rows` of re-infer, built for release; E, F and I leave it out "
                                                    "without")
    parser.add_argument("--candle", type=Path, help="the peer in candle, built for release; E leaves it out without")
    args = parser.parse_args()
    args.only = args.only.split(",")
    if unknown := set(args.only) - set(workloads.ALL):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}; there are {', '.join(workloads.ALL)}")
    if not (args.shared / "data/p-stage2/train.tsv").exists():
        parser.error(f"no data in {args.shared}; name its folder with --shared")
    return args


def stand_in(args: argparse.Namespace) -> Path:
    folder = args.model or args.cache / "e5-small"
    if not (folder / "model.safetensors").exists():
        print(f"making the stand-in encoder in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, args.shared / "tools/make_e5_small.py", folder], check=True)
    return folder


def main() -> None:
    args = arguments()
    args.cache.mkdir(parents=True, exist_ok=True)
    harness = Harness(args, ROOT, stand_in(args))
    stored = args.cache / "results.json"
    results = json.loads(stored.read_text()) if stored.exists() and not args.quick else {}
    results["machine"] = machine.describe(ROOT, args.threads)
    # Before our own load.
    load = machine.load()
    harness.rates = harness.rate()
    # Before the first result is written into the document, which is in the repository itself.
    commit = machine.commit(ROOT)
    for name in args.only:
        result = workloads.ALL[name](harness)
        results.setdefault("workloads", {})[name] = result | {
            "when": f"{commit}, {machine.now()}", "load": load, "rates": harness.rates,
            "processor": results["machine"]["processor"]}
        print(report.section(name, results["workloads"][name]), flush=True)
        if not args.quick:
            # After each workload, so that a run that is cut off loses only the one it is in.
            stored.write_text(json.dumps(results, indent=1, ensure_ascii=False))
            report.write(ROOT / "docs/BENCHMARKS.md", results, list(workloads.ALL))


main()
