"""The smallest process that makes a job: start, one service task, end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Mapping

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"


def one_task_process(
    process_id: str,
    task_type: str,
    *,
    headers: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    retries: int = 3,
    boundary_error: str | None = None,
) -> bytes:
    """A process whose one task takes its variables from the instance as they are.

    `inputs` are its input mappings, by target: FEEL after `=`, else a text. With a `boundary_error` code,
    that BPMN error leads to the end event `caught`.
    """
    lines = "".join(
        f"<zeebe:header key={quoteattr(key)} value={quoteattr(value)}/>"
        for key, value in (headers or {}).items()
    )
    mappings = "".join(
        f"<zeebe:input source={quoteattr(source)} target={quoteattr(target)}/>"
        for target, source in (inputs or {}).items()
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="{BPMN}" xmlns:zeebe="{ZEEBE}" targetNamespace="http://example.com">
  {_error(boundary_error)}
  <bpmn:process id="{process_id}" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="to-task" sourceRef="start" targetRef="task"/>
    <bpmn:serviceTask id="task">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type="{task_type}" retries="{retries}"/>
        <zeebe:ioMapping>{mappings}</zeebe:ioMapping>
        <zeebe:taskHeaders>{lines}</zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="to-end" sourceRef="task" targetRef="end"/>
    <bpmn:endEvent id="end"/>
    {_boundary(boundary_error)}
  </bpmn:process>
</bpmn:definitions>""".encode()


def calling_process(process_id: str, called: str) -> bytes:
    """A process that calls another one."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="{BPMN}" xmlns:zeebe="{ZEEBE}" targetNamespace="http://example.com">
  <bpmn:process id="{process_id}" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="to-call" sourceRef="start" targetRef="call"/>
    <bpmn:callActivity id="call">
      <bpmn:extensionElements><zeebe:calledElement processId="{called}"/></bpmn:extensionElements>
    </bpmn:callActivity>
    <bpmn:sequenceFlow id="to-end" sourceRef="call" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>""".encode()


def _error(code: str | None) -> str:
    return f'<bpmn:error id="error" errorCode={quoteattr(code)}/>' if code else ""


def _boundary(code: str | None) -> str:
    if not code:
        return ""
    return """<bpmn:boundaryEvent id="boundary" attachedToRef="task">
      <bpmn:errorEventDefinition errorRef="error"/>
    </bpmn:boundaryEvent>
    <bpmn:sequenceFlow id="to-caught" sourceRef="boundary" targetRef="caught"/>
    <bpmn:endEvent id="caught"/>"""
