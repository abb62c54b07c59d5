"""Kubernetes' own schemas."""

from __future__ import annotations

from typing import Any


def is_accepted(manifest: dict[str, Any], version: str) -> bool:
    """Tell whether that version of Kubernetes accepts a manifest; print what it finds wrong."""
    # The import takes a second, which every process that only collects tests would need.
    from kubernetes_validate import ValidationError, validate  # noqa: PLC0415

    try:
        validate(manifest, version, strict=True)
    except ValidationError as error:
        print(error)  # noqa: T201 - pytest shows it if the test fails
        return False
    return True
