"""Element templates for Camunda Modeler, made from the catalogue and the models.

What belongs to a field (its title, description, example, default, choices) is next to it in
`worker.models`; what only Modeler asks (groups, order, FEEL, conditions) stands in `panel`.
"""

from __future__ import annotations

from worker.template.store import TemplateStore
from worker.template.templates import make_templates

__all__ = ["TemplateStore", "make_templates"]
