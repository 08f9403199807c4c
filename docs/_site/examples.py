"""What the site needs beside the pages: the examples, and fences that MkDocs understands.

The pages are written for whoever reads them in the repository. There a link into `examples`
leads to a file or a folder; on the site, to a copy of that file, or to the README of that folder,
which becomes a page. The second word of a fence tells the tests what a block is; where it is
a path, the site shows it above the block.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w+) (\S+)$", flags=re.MULTILINE)
_EXAMPLE = re.compile(r"\]\(\.\./examples(?:/([^)#]*))?([)#])")
_DOCUMENT = re.compile(r"\]\((?:\.\./)+docs/")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Adds what lies in `examples`."""
    for file in sorted((ROOT / "examples").rglob("*")):
        if file.is_file() and not any(part.startswith(("_", ".")) for part in _inner(file).parts):
            path = str(file.relative_to(ROOT))
            files.append(File.generated(config, path, abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links and fences of the repository into those of the site."""
    of_examples = page.file.src_uri.startswith("examples/")
    markdown = _FENCE.sub(_fence, markdown)
    if of_examples:
        up = "../" * page.file.src_uri.count("/")
        return _DOCUMENT.sub(f"]({up}", markdown)
    return _EXAMPLE.sub(lambda link: _example(link, "../" * page.file.src_uri.count("/")), markdown)


def _inner(file: Path) -> Path:
    return file.relative_to(ROOT / "examples")


def _fence(fence: re.Match[str]) -> str:
    indent, language, kind = fence.groups()
    return (
        f'{indent}```{language} title="{kind}"'
        if re.search(r"[/.]", kind)
        else f"{indent}```{language}"
    )


def _example(link: re.Match[str], up: str) -> str:
    inner = (link[1] or "").rstrip("/")
    if (ROOT / "examples" / inner).is_dir():
        inner = f"{inner}/README.md".lstrip("/")
    return f"]({up}examples/{inner}{link[2]}"
