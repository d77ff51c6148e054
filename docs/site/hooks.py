"""Hooks of the documentation site: the README is its first page, and links that leave the pages become plain text.

The project has no public home yet; once mkdocs.yml has its `repo_url`, such links lead there.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[(?P<text>[^\[\]]+)\]\((?P<path>[^)#:\s]+)(?P<place>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as the first page."""

    def moved(link: re.Match[str]) -> str:
        path = link["path"].removeprefix("docs/") if link["path"].startswith("docs/") else f"../{link['path']}"
        return f"[{link['text']}]({path}{link['place'] or ''})"

    content = LINK.sub(moved, (ROOT / "README.md").read_text(encoding="utf-8"))
    files.append(File.generated(config, "index.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files that are no pages to the repository, or leave their text alone."""
    folder = (DOCS / page.file.src_uri).parent

    def led(link: re.Match[str]) -> str:
        target = (folder / link["path"]).resolve()
        is_page = (
            files.get_file_from_path(target.relative_to(DOCS).as_posix()) if target.is_relative_to(DOCS) else None
        )
        if is_page or not target.exists() or not target.is_relative_to(ROOT):
            return link[0]
        if not config.repo_url:
            return link["text"]
        kind, path = "tree" if target.is_dir() else "blob", target.relative_to(ROOT).as_posix()
        return f"[{link['text']}]({config.repo_url}/{kind}/main/{path}{link['place'] or ''})"

    return LINK.sub(led, markdown)
