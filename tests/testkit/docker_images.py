"""The images of the container tests: ours, built here, and Camunda's and the mail server's or stand-ins."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from testkit.docker import ROOT, docker, run, succeeds
from worker.sandbox.archive import engine_java
from worker.sandbox.jars import class_path

STAND_IN = ROOT / "tests" / "container" / "standin"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@dataclass(frozen=True)
class Images:
    """Names of images; `are_stand_ins` says whether engine and mail server are the project's own sandbox.

    `mailboxes` always is: a mail server with IMAP and POP3, which Mailpit has not.
    """

    worker: str
    engine: str
    mail: str
    mailboxes: str
    are_stand_ins: bool

    def __str__(self) -> str:
        kind = (
            "stand-ins, since no registry is reached" if self.are_stand_ins else "those of docker-compose.yml"
        )
        return f"worker {self.worker} on {BASE_IMAGE}; engine {self.engine}, mail server {self.mail} ({kind})"


def with_defaults(text: str) -> str:
    """Put the environment, or its default, where docker-compose.yml says ${VARIABLE:-default}."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: os.environ.get(found[1], found[2]), text)


BASE_IMAGE = with_defaults(COMPOSE["worker"]["build"]["args"]["PYTHON_IMAGE"])


def prepare_images() -> Images:
    """Build the worker's image, and pull the other two or build what stands in for them."""
    worker = "camunda-email-worker-test"
    run("make", "image", f"IMAGE={worker}", f"PYTHON_IMAGE={BASE_IMAGE}")
    engine, mail = (with_defaults(COMPOSE[service]["image"]) for service in ("camunda", "mail"))
    mailboxes = _build_stand_in("mail")
    if all(_is_to_be_had(image) for image in (engine, mail)):
        return Images(worker, engine, mail, mailboxes, are_stand_ins=False)
    return Images(worker, _build_stand_in("engine"), mailboxes, mailboxes, are_stand_ins=True)


def environment_of(service: str) -> dict[str, str]:
    """The environment that docker-compose.yml gives to a service."""
    return {name: with_defaults(value) for name, value in COMPOSE[service]["environment"].items()}


def _is_to_be_had(image: str) -> bool:
    return succeeds("docker", "image", "inspect", image) or succeeds("docker", "pull", "--quiet", image)


def _build_stand_in(target: str) -> str:
    image = f"camunda-email-worker-standin:{target}"
    with tempfile.TemporaryDirectory() as directory:
        context = Path(directory)
        shutil.copy2(STAND_IN / "Dockerfile", context)
        _copy_modules(STAND_IN, context / "container" / "standin")
        shutil.copy2(ROOT / "locks" / "sandbox.txt", context)
        _copy_modules(ROOT / "worker", context / "worker")
        _copy_jars(context / "cache")
        build_argument = f"PYTHON_IMAGE={BASE_IMAGE}"
        docker(
            *("build", "--quiet", "--target", target, "--build-arg", build_argument),
            *("--tag", image, directory),
        )
    return image


def _copy_modules(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_jars(cache: Path) -> None:
    """What this machine has downloaded and prepared already need not be fetched in the container."""
    cache.mkdir()
    java = engine_java()
    for file in (*java["class_path"], java["archive"], *class_path("mail")):
        shutil.copy2(file, cache)
