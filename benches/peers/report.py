"""The generated part of docs/BENCHMARKS.md."""
import statistics
from pathlib import Path

BEGIN = "<!-- begin: written by `cargo xtask peers`, do not edit -->"
END = "<!-- end: written by `cargo xtask peers` -->"


def table(header: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def program_row(program: dict, unit: str) -> list[str]:
    values, floor = program["values"], program["floor"]
    median = statistics.median(values)
    return [
        f"**{program['name']}**" if program["ours"] else program["name"],
        f"{number(median)} {unit}",
        f"{number(min(values))} to {number(max(values))}",
        f"{statistics.median(program['peaks']) / 2**30:.2f}",
        "" if floor is None else f"{number(floor)}",
        "" if floor is None else f"{number(median / floor)}x",
    ]


def comparison_row(comparison: dict) -> list[str]:
    times = comparison["what"] == "time"
    ratio, target = comparison["ratio"], comparison["target"]
    bound = "at least" if times or comparison["what"] == "label agreement" else "at most"
    suffix = "x" if comparison["what"] in ("time", "memory", "duration") else ""
    return [
        f"{comparison['ours']} against {comparison['theirs']}",
        comparison["what"],
        f"{number(ratio)}{suffix}",
        f"{bound} {number(target)}{suffix}",
        "yes" if comparison["reached"] else "**no**",
    ]


def conditions(result: dict) -> str:
    # Results in a cache of an earlier version do not know them.
    if "rates" not in result:
        return ""
    rates = result["rates"]
    return (f": load {result['load']:.2f} before the run, matrix products fp32 {rates['fp32'] / 1e9:.0f} and bf16 "
            f"{rates['bf16'] / 1e9:.0f} GFLOP/s, copies {rates['bandwidth'] / 1e9:.1f} GB/s")


def section(name: str, result: dict) -> str:
    programs = [program_row(program, result["unit"]) for program in result["programs"]]
    runs = len(result["programs"][0]["values"])
    parts = [
        f"### {name}: {result['title']}",
        table(["program", f"median of {runs}", "spread", "peak GiB", "floor, s", "distance"], programs),
    ]
    if result["comparisons"]:
        rows = [comparison_row(comparison) for comparison in result["comparisons"]]
        parts.append(table(["comparison", "of", "found", "to reach", "reached"], rows))
    parts.extend(result["notes"])
    parts.append(f"Measured at {result['when']}{conditions(result)}.")
    return "\n\n".join(parts) + "\n"


def generated(results: dict, order: list[str]) -> str:
    machine = [[key, value] for key, value in results["machine"].items()]
    sections = [section(name, results["workloads"][name]) for name in order if name in results["workloads"]]
    return "\n".join([table(["machine", ""], machine), "", *sections])


def write(path: Path, results: dict, order: list[str]) -> None:
    """Puts the results between the two marks of the file."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n\n{generated(results, order)}\n{END}{after}", encoding="utf-8")
