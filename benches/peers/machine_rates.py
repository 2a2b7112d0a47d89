"""What this machine can do: matrix products in both precisions, and copying memory."""
import argparse
import time

import common

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each")
args = parser.parse_args()
common.set_threads(args.threads)

import torch  # noqa: E402

SIDE = 2048
COPIED = 256 * 2**20


def best_seconds(work) -> float:
    """The fastest of many runs: the rate that nothing disturbed."""
    work()
    best, end = float("inf"), time.perf_counter() + args.seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def product(kind: torch.dtype) -> float:
    a, b = (torch.randn(SIDE, SIDE).to(kind) for _ in range(2))
    out = torch.empty(SIDE, SIDE, dtype=kind)
    return 2 * SIDE**3 / best_seconds(lambda: torch.matmul(a, b, out=out))


def copy() -> float:
    a, b = torch.ones(COPIED // 4), torch.empty(COPIED // 4)
    return 2 * COPIED / best_seconds(lambda: b.copy_(a))


torch.set_num_threads(args.threads)
with torch.inference_mode():
    common.report(workload="rates", fp32=product(torch.float32), bf16=product(torch.bfloat16), bandwidth=copy())
