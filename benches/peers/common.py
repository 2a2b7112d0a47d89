"""What the peers' scripts share: their rows, their threads, and the line of JSON that each prints."""
import argparse
import json
import os
from pathlib import Path


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", type=Path, required=True, help="folder in Hugging Face layout")
    parser.add_argument("--rows", type=Path, required=True, help="what `workload rows` wrote")
    parser.add_argument("--max-length", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    return parser


def set_threads(threads: int) -> None:
    """For every library that reads the environment; to be called before any of them is imported."""
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["HF_HUB_OFFLINE"] = "1"


def read_rows(path: Path, limit: int | None = None) -> list[dict]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for _, line in zip(range(limit or 10**9), lines)]


def peak_rss_bytes() -> int:
    """The most physical memory that this process has had (VmHWM: unlike ru_maxrss, nothing of the parent's)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def report(**fields) -> None:
    fields.setdefault("peak_rss_bytes", peak_rss_bytes())
    print(json.dumps(fields), flush=True)
