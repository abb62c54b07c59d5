"""Camunda's engine and a mail server on this machine, without Docker, Java or Maven.

For the tests, the demo and `email-worker sandbox`; needs the extra `camunda-email-worker[sandbox]`.
"""

from __future__ import annotations

from worker.sandbox.engine import Engine, Incident, JobEvent
from worker.sandbox.errors import SandboxError
from worker.sandbox.feel_reference import FeelAnswer, FeelReference
from worker.sandbox.mail_server import Keystore, MailServer
from worker.sandbox.records import Record
from worker.sandbox.run import run_sandbox

__all__ = [
    "Engine",
    "FeelAnswer",
    "FeelReference",
    "Incident",
    "JobEvent",
    "Keystore",
    "MailServer",
    "Record",
    "SandboxError",
    "run_sandbox",
]
