"""Camunda's engine: what the parent may ask of it, and its record stream sent to the parent."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jpype

from worker.sandbox.java.channel import Methods, Notify
from worker.sandbox.java.machine import ENGINE_MEMORY_MB, start_java

# The client's own limit of 10 s is short for a busy machine.
_COMMAND_SECONDS = 50
# As at Camunda's gateway: how often a client may ask whether it is still there, and how long a request for
# the result of an instance waits if it does not say so.
_KEEP_ALIVE_SECONDS = 30
_USUAL_REQUEST_MILLISECONDS = 15_000
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
    _end_waiting_requests(engine, port)
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
    # The engine's public face has no such call; its log has one.
    listener = jpype.JProxy(
        "io.camunda.zeebe.logstreams.log.LogRecordAwaiter", dict={"onRecordAvailable": written.set}
    )
    _field(engine, "logStream").get(engine).registerRecordAvailableListener(listener)


def _end_waiting_requests(engine: Any, port: int) -> None:
    """Let a request for the result of an instance end at its own timeout, as Camunda's gateway does.

    The engine's gateway would wait for ever, and close the connection of a client that asks whether it is
    still there. So its server, which is not started yet, is replaced by one with this method changed.
    """
    gateway = _field(engine, "gateway").get(engine)
    service = gateway.bindService()
    method = jpype.JProxy(
        "io.grpc.stub.ServerCalls$UnaryMethod",
        dict={"invoke": lambda request, observer: _create_with_result(gateway, request, observer)},
    )
    handler = jpype.JClass("io.grpc.stub.ServerCalls").asyncUnaryCall(method)
    changed = jpype.JClass("io.grpc.ServerServiceDefinition").builder(service.getServiceDescriptor())
    for each in service.getMethods():
        descriptor = each.getMethodDescriptor()
        is_waiting = str(descriptor.getBareMethodName()) == "CreateProcessInstanceWithResult"
        changed.addMethod(descriptor, handler if is_waiting else each.getServerCallHandler())
    builder = jpype.JClass("io.grpc.ServerBuilder").forPort(port).addService(changed.build())
    seconds = jpype.JClass("java.util.concurrent.TimeUnit").SECONDS
    _field(engine, "grpcServer").set(
        engine, builder.permitKeepAliveTime(_KEEP_ALIVE_SECONDS, seconds).build()
    )


def _create_with_result(gateway: Any, request: Any, observer: Any) -> None:
    """Start an instance and answer once: with its result, a refusal, or at the request's timeout."""
    answered = threading.Lock()

    def answer(*calls: Callable[[], None]) -> None:
        if answered.acquire(blocking=False):
            timer.cancel()
            # A client that is gone must not stop the engine.
            with suppress(jpype.JException):
                for call in calls:
                    call()

    status = jpype.JClass("io.grpc.Status").DEADLINE_EXCEEDED
    late = status.withDescription("The instance did not end within the request's timeout.")
    milliseconds = int(request.getRequestTimeout()) or _USUAL_REQUEST_MILLISECONDS
    timer = threading.Timer(
        milliseconds / 1000, answer, [lambda: observer.onError(late.asRuntimeException())]
    )
    timer.daemon = True
    timer.start()
    once = {
        "onNext": lambda result: answer(lambda: observer.onNext(result), observer.onCompleted),
        "onError": lambda error: answer(lambda: observer.onError(error)),
        "onCompleted": lambda: None,
    }
    gateway.createProcessInstanceWithResult(request, jpype.JProxy("io.grpc.stub.StreamObserver", dict=once))


def _field(engine: Any, name: str) -> Any:
    """Return a private field: the engine's public face gives no access to its parts."""
    field = engine.getClass().getDeclaredField(name)
    field.setAccessible(True)
    return field
