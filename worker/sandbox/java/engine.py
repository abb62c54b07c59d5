"""Camunda's engine: what the parent may ask of it, and its record stream sent to the parent."""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import jpype

from worker.sandbox.java.channel import Methods, Notify
from worker.sandbox.java.machine import ENGINE_MEMORY_MB, start_java

# The client's own limit of 10 s is short for a busy machine.
_COMMAND_SECONDS = 50
_TOLD_TYPES = {"PROCESS_INSTANCE", "VARIABLE", "JOB", "INCIDENT"}


def start(
    notify: Notify, *, class_path: list[str], port: int, archive: str, memory_mb: int = ENGINE_MEMORY_MB
) -> Methods:
    """Start Java with an archive of classes, and in it the engine."""
    start_java(class_path, memory_mb, f"-XX:AOTCache={archive}")
    return start_engine(notify, port)


def start_engine(notify: Notify, port: int) -> Methods:
    """Start the engine with its gateway on a port."""
    engine = jpype.JClass("io.camunda.zeebe.process.test.engine.EngineFactory").create(port)
    engine.start()
    threading.Thread(target=_tell_records, args=(engine, notify), daemon=True).start()
    methods = _Methods(engine)
    return {
        "deploy": methods.deploy,
        "create_instance": methods.create_instance,
        "cancel_instance": methods.cancel_instance,
        "increase_time": methods.increase_time,
        "set_retries": methods.set_retries,
        "resolve_incident": methods.resolve_incident,
    }


class _Methods:
    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._client = engine.createClient()

    def deploy(self, content: str, name: str) -> None:
        command = self._client.newDeployResourceCommand()
        _send(command.addResourceBytes(base64.b64decode(content), name))

    def create_instance(self, process_id: str, variables: dict[str, Any]) -> int:
        command = self._client.newCreateInstanceCommand().bpmnProcessId(process_id).latestVersion()
        return int(_send(command.variables(json.dumps(variables))).getProcessInstanceKey())

    def cancel_instance(self, key: int) -> None:
        _send(self._client.newCancelInstanceCommand(key))

    def increase_time(self, seconds: float) -> None:
        milliseconds = jpype.JLong(round(seconds * 1000))
        self._engine.increaseTime(jpype.JClass("java.time.Duration").ofMillis(milliseconds))

    def set_retries(self, job_key: int, retries: int) -> None:
        _send(self._client.newUpdateRetriesCommand(jpype.JLong(job_key)).retries(retries))

    def resolve_incident(self, key: int) -> None:
        _send(self._client.newResolveIncidentCommand(key))


def _send(command: Any) -> Any:
    limit = jpype.JClass("java.time.Duration").ofSeconds(_COMMAND_SECONDS)
    return command.requestTimeout(limit).send().join()


def _tell_records(engine: Any, notify: Notify) -> None:
    written = threading.Event()
    _call_when_written(engine, written)
    told = 0
    while True:
        written.clear()
        records = engine.getRecordStreamSource().getRecords()
        while told < records.size():
            record = records.get(told)
            told += 1
            if str(record.getRecordType()) != "EVENT":
                continue
            if str(record.getValueType()) in _TOLD_TYPES:
                notify(str(record.toJson()))
            elif str(record.getValueType()) == "JOB_BATCH":
                notify(_asked(record))
        written.wait()


def _asked(record: Any) -> str:
    """Return that a worker has asked for jobs, without the jobs themselves."""
    value = record.getValue()
    shown = {"type": str(value.getType()), "jobKeys": [int(key) for key in value.getJobKeys()]}
    return json.dumps(
        {
            "valueType": "JOB_BATCH",
            "intent": str(record.getIntent()),
            "key": int(record.getKey()),
            "timestamp": int(record.getTimestamp()),
            "value": shown,
        }
    )


def _call_when_written(engine: Any, written: threading.Event) -> None:
    # The engine's public face has no such call; its log, a private field, has one.
    field = engine.getClass().getDeclaredField("logStream")
    field.setAccessible(True)
    listener = jpype.JProxy(
        "io.camunda.zeebe.logstreams.log.LogRecordAwaiter", dict={"onRecordAvailable": written.set}
    )
    field.get(engine).registerRecordAvailableListener(listener)
