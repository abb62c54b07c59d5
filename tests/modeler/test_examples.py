"""The example processes, opened in Modeler with the committed templates."""

from __future__ import annotations

import re
from typing import Any

import pytest
from testkit.modeler import HOME, Modeler

DIRECTORY = HOME.parent.parent / "examples"
EXAMPLES = {path.stem: path.read_text("utf-8") for path in sorted(DIRECTORY.glob("*.bpmn"))}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_modeler_sees_no_problem(modeler: Modeler, templates: list[dict[str, Any]], name: str) -> None:
    await modeler.open(EXAMPLES[name], templates)
    assert await modeler.lint() == []


# send-email gets even its encryption as a variable, for the demo: a template offers that as a choice.
@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - {"send-email"}))
def test_every_task_was_made_with_the_newest_version_of_its_template(
    templates: list[dict[str, Any]], name: str
) -> None:
    newest = {(template["id"], str(template["version"])) for template in templates}
    tasks = re.findall(
        r'<bpmn:\w*[tT]ask .*?zeebe:modelerTemplate="(.*?)" zeebe:modelerTemplateVersion="(.*?)"',
        EXAMPLES[name],
    )
    assert len(tasks) == len(re.findall(r"<bpmn:\w*[tT]ask ", EXAMPLES[name]))
    assert set(tasks) <= newest
