"""docs/recipes.md has the recipes in it: python document.py writes them there, a test compares them."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "recipes.md"
NAMES = {".sh": "bash", ".rs": "rust", ".rb": "ruby", ".py": "python", ".js": "js"}
BLOCK = re.compile(r"<!-- from (\S+) -->\n.*?<!-- end -->\n", re.DOTALL)


def block(match):
    path = ROOT / match[1]
    name = NAMES.get(path.suffix, path.suffix[1:])
    return f"<!-- from {match[1]} -->\n```{name}\n{path.read_text().rstrip()}\n```\n<!-- end -->\n"


def filled(text):
    return BLOCK.sub(block, text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
