"""What the numbers were measured on."""
import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

LIBRARIES = ["torch", "transformers", "tokenizers", "accelerate", "onnx", "onnxruntime"]


def output(*command: str, cwd: Path | None = None) -> str:
    try:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def processor() -> tuple[dict[str, str], list[str]]:
    """What `lscpu` says of it, and its features."""
    found = dict(line.split(":", 1) for line in output("lscpu").splitlines() if ":" in line)
    return found, found.get("Flags", "").split()


def number_formats() -> list[str]:
    """Those that the processor multiplies natively."""
    return ["fp32"] + (["bf16"] if {"avx512_bf16", "amx_bf16"} & set(processor()[1]) else [])


def describe(root: Path, threads: int) -> dict[str, str]:
    found, flags = processor()
    features = [flag for flag in ["avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16"] if flag in flags]
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "processor": f"{found.get('Model name', 'unknown').strip()}, {found.get('CPU(s)', '?').strip()} "
                     f"cores ({', '.join(features)}), {threads} threads used",
        "memory": f"{int(memory.split()[1]) / 2**20:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version() + ": " + ", ".join(
            f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES),
        "rust": output("rustc", "--version", cwd=root),
        "libtorch": "2.11.0, CPU part",
    }


def load() -> float:
    """Processes that ran in the last minute: more than a little says that the machine was shared."""
    return os.getloadavg()[0]


def commit(root: Path) -> str:
    changed = output("git", "status", "--porcelain", "--untracked-files=no", cwd=root)
    return output("git", "rev-parse", "--short", "HEAD", cwd=root) + (" with uncommitted changes" if changed else "")


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
