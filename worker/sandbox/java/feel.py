"""FEEL's reference engine, with the values as Camunda's engine turns them into JSON."""

from __future__ import annotations

import json
from typing import Any

import jpype

from worker.sandbox.java.channel import Methods, Notify
from worker.sandbox.java.machine import ENGINE_MEMORY_MB, start_java


def start(_notify: Notify, *, class_path: list[str], archive: str) -> Methods:
    """Build the engine once: it keeps no state between expressions."""
    start_java(class_path, ENGINE_MEMORY_MB, f"-XX:AOTCache={archive}")
    mapper = jpype.JClass("io.camunda.zeebe.feel.impl.MessagePackValueMapper")()
    builder = jpype.JClass("org.camunda.feel.api.FeelEngineBuilder").create()
    engine = builder.withCustomValueMapper(mapper).build()
    objects = jpype.JClass("com.fasterxml.jackson.databind.ObjectMapper")()

    def evaluate(expression: str, variables: dict[str, Any]) -> dict[str, Any]:
        context = objects.readValue(json.dumps(variables), jpype.JClass("java.util.Map").class_)
        result = engine.evaluateExpression(expression, context)
        if result.isFailure():
            return {"error": str(result.failure().message())}
        packed = jpype.JClass("io.camunda.zeebe.feel.impl.FeelToMessagePackTransformer")().toMessagePack(
            result.result()
        )
        convert = jpype.JClass("io.camunda.zeebe.protocol.impl.encoding.MsgPackConverter").convertToJson
        return {"value": json.loads(str(convert(packed)))}

    def evaluate_all(questions: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        return [evaluate(expression, variables) for expression, variables in questions]

    return {"evaluate_all": evaluate_all}
