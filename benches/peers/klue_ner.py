"""Files of KLUE-NER, and its two metrics."""
import json
from pathlib import Path


def read(path: Path) -> list[tuple[str, list[str]]]:
    """The text of each sentence, and the tag of each of its characters."""
    sentences, characters, tags = [], [], []

    def end() -> None:
        if characters:
            sentences.append(("".join(characters), list(tags)))
            characters.clear()
            tags.clear()

    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.strip("\r"):
            end()
        elif not line.startswith("## "):
            character, _, tag = line.rstrip("\r").rpartition("\t")
            characters.append(character)
            tags.append(tag)
    end()
    return sentences


def write(path: Path, sentences: list[tuple[str, list[str]]]) -> None:
    with open(path, "w", encoding="utf-8") as out:
        for number, (text, tags) in enumerate(sentences):
            out.write(f"## {number}\t{text}\n")
            out.writelines(f"{character}\t{tag}\n" for character, tag in zip(text, tags))
            out.write("\n")


def through_spaces(text: str, tags: list[str]) -> list[str]:
    """White space between two parts of a name belongs to it, as in the files."""
    tags = list(tags)
    for at in range(len(text) - 2, 0, -1):
        behind = tags[at + 1]
        if text[at].isspace() and behind.startswith("I-") and tags[at - 1][2:] == behind[2:]:
            tags[at] = behind
    return tags


def tags_of_documents(sentences: list, path: Path) -> list[list[str]]:
    """The tags of the mentions in a file of documents, which are those sentences in their order."""
    found = []
    for (text, _), line in zip(sentences, open(path, encoding="utf-8"), strict=True):
        document, tags = json.loads(line), ["O"] * len(text)
        if document["text"] != text:
            raise ValueError(f"{path}: {document['text']!r} instead of {text!r}")
        for mention in document["mentions"]:
            for at in range(mention["start"], mention["end"]):
                tags[at] = f"{'B' if at == mention['start'] else 'I'}-{mention['type']}"
        found.append(tags)
    return found


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """Start, end and type of each name; a tag that goes on with no name begins one."""
    found, before = [], "O"
    for at, tag in enumerate(tags):
        if tag.startswith("I-") and before[2:] == tag[2:]:
            found[-1][1] = at + 1
        elif tag != "O":
            found.append([at, at + 1, tag[2:]])
        before = tag
    return {tuple(span) for span in found}


def f1(correct: int, gold: int, found: int) -> float:
    return 2 * correct / (gold + found) if gold + found else 0.0


def macro_f1(gold: list[list[str]], found: list[list[str]]) -> dict[str, float]:
    """KLUE's metrics, each in percent: over the types of names, which must be found exactly, and over the tags of characters
    but `O`."""
    expected = {(row, *span) for row, tags in enumerate(gold) for span in spans(tags)}
    told = {(row, *span) for row, tags in enumerate(found) for span in spans(tags)}
    types = sorted({span[-1] for span in expected})
    of_type = [f1(*(sum(span[-1] == kind for span in part) for part in [expected & told, expected, told]))
               for kind in types]
    pairs = [pair for one, other in zip(gold, found, strict=True) for pair in zip(one, other, strict=True)]
    tags = sorted({tag for tag, _ in pairs if tag != "O"})
    of_tag = [f1(sum(pair == (tag, tag) for pair in pairs), sum(one == tag for one, _ in pairs),
                 sum(other == tag for _, other in pairs)) for tag in tags]
    return {"entities": 100 * sum(of_type) / len(of_type), "characters": 100 * sum(of_tag) / len(of_tag)}
