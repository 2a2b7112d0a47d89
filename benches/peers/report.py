"""The generated part of docs/BENCHMARKS.md."""
import re
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
    is_better_higher = times or comparison["what"].startswith(("label agreement", "macro-F1"))
    bound = "at least" if is_better_higher else "at most"
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
    return (f", {result.get('processor', 'the machine above')}: load {result['load']:.2f} before the run, matrix products fp32 {rates['fp32'] / 1e9:.0f} and bf16 "
            f"{rates['bf16'] / 1e9:.0f} GFLOP/s, copies {rates['bandwidth'] / 1e9:.1f} GB/s")


def section(name: str, result: dict) -> str:
    programs = [program_row(program, result["unit"]) for program in result["programs"]]
    runs = len(result["programs"][0]["values"])
    parts = [
        f"### {name}: {result['title']}",
        table(["program", f"median of {runs}", "spread", "peak GiB", f"floor, {result['unit']}", "distance"], programs),
    ]
    if result["comparisons"]:
        rows = [comparison_row(comparison) for comparison in result["comparisons"]]
        parts.append(table(["comparison", "of", "found", "to reach", "reached"], rows))
    parts.extend(result["notes"])
    parts.append(f"Measured at {result['when']}{conditions(result)}.")
    return "\n\n".join(parts) + "\n"


def sections(text: str) -> dict[str, str]:
    """The sections of a generated part, by the name of their workload."""
    parts = re.split(r"^### ([^:\n]+):", text, flags=re.MULTILINE)
    return {name: f"### {name}:{body.rstrip()}\n" for name, body in zip(parts[1::2], parts[2::2])}


def generated(results: dict, order: list[str], earlier: str) -> str:
    """What was not measured anew stays as it stands; then the table of the machine is that of the earlier results."""
    new = {name: section(name, result) for name, result in results["workloads"].items()}
    known = sections(earlier) | new
    machine = table(["machine", ""], [[key, value] for key, value in results["machine"].items()])
    if known.keys() != new.keys():
        machine = earlier.split("\n### ")[0].strip()
    return "\n".join([machine, "", *(known[name] for name in order if name in known)])


def write(path: Path, results: dict, order: list[str]) -> None:
    """Puts the results between the two marks of the file."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    earlier, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n\n{generated(results, order, earlier)}\n{END}{after}", encoding="utf-8")
