"""The directory of the templates: the current ones, and every published version below `versioned/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from worker.template.templates import Template


class TemplateStore:
    """Writes templates and says which files are not as they should be.

    A published version never changes: diagrams that were drawn with it name it. A directory need not contain
    all of them, as Modeler's own does not: what was published there first begins its history.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, templates: Sequence[Template]) -> list[Path]:
        """Write the current files and return their paths."""
        self._directory.mkdir(parents=True, exist_ok=True)
        paths = [self._current(template) for template in templates]
        for path, template in zip(paths, templates, strict=True):
            path.write_text(_text(template), "utf-8")
        return paths

    def publish(self, templates: Sequence[Template]) -> list[Path]:
        """Keep a copy of each version that has none yet, and return the paths of the new ones."""
        new = [template for template in templates if not self._published(template).exists()]
        for template in new:
            path = self._published(template)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_text(template), "utf-8")
        return [self._published(template) for template in new]

    def faults(self, templates: Sequence[Template]) -> list[str]:
        """Return a sentence for each template that is outdated, or was changed after its publication."""
        return [fault for template in templates for fault in self._faults(template)]

    def _faults(self, template: Template) -> list[str]:
        faults = []
        if _read(self._current(template)) != _text(template):
            faults.append(f"{self._current(template)} is not current; run `email-worker templates`.")
        published = _read(self._published(template))
        if published is not None and published != _text(template):
            faults.append(
                f"{template.name} has changed since version {template.version} was published; raise its"
                f" version to {template.version + 1} in worker/template/versions.py."
            )
        faults += [
            f"{path} is missing: a published version is kept for the diagrams that were drawn with it."
            for path in self._gaps(template)
        ]
        return faults

    def _gaps(self, template: Template) -> list[Path]:
        """Return the versions that are missing since the first that is kept here."""
        since = [self._versioned(template, version) for version in range(1, template.version)]
        while since and not since[0].exists():
            del since[0]
        return [path for path in since if not path.exists()]

    def _current(self, template: Template) -> Path:
        return self._directory / f"{template.file_name}.json"

    def _published(self, template: Template) -> Path:
        return self._versioned(template, template.version)

    def _versioned(self, template: Template, version: int) -> Path:
        return self._directory / "versioned" / f"{template.file_name}-{version}.json"


def _read(path: Path) -> str | None:
    return path.read_text("utf-8", errors="replace") if path.exists() else None


def _text(template: Template) -> str:
    return json.dumps(template.content, indent=2, ensure_ascii=False) + "\n"
