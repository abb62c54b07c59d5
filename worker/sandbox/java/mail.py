"""GreenMail: mailboxes, delivery, and a notice of each email that arrives."""

from __future__ import annotations

import base64
import json
from typing import Any

import jpype

from worker.sandbox.java.channel import Methods, Notify
from worker.sandbox.java.machine import MAIL_MEMORY_MB, start_java

# GreenMail's own 2 s are too few on a machine that is busy.
_START_MILLISECONDS = 30_000


def start(
    notify: Notify,
    *,
    class_path: list[str],
    ports: dict[str, int],
    users: list[tuple[str, str]],
    keystore: tuple[str, str] | None,
) -> Methods:
    """Start one server for each protocol in `ports`."""
    start_java(class_path, MAIL_MEMORY_MB)
    if keystore is not None:
        system = jpype.JClass("java.lang.System")
        system.setProperty("greenmail.tls.keystore.file", keystore[0])
        system.setProperty("greenmail.tls.keystore.password", keystore[1])
    setup = jpype.JClass("com.icegreen.greenmail.util.ServerSetup")
    setups = [setup(port, "127.0.0.1", protocol) for protocol, port in ports.items()]
    for one in setups:
        one.setServerStartupTimeout(_START_MILLISECONDS)
    server = jpype.JClass("com.icegreen.greenmail.util.GreenMail")(jpype.JArray(setup)(setups))
    server.start()
    methods = _Methods(server)
    for address, password in users:
        methods.add_user(address, password, notify)
    return {
        "messages": methods.messages,
        "deliver": methods.deliver,
    }


class _Methods:
    def __init__(self, server: Any) -> None:
        self._users = server.getUserManager()
        self._mailboxes = server.getManagers().getImapHostManager()
        self._set_user = server.setUser

    def add_user(self, address: str, password: str, notify: Notify) -> None:
        inbox = self._mailboxes.getInbox(self._set_user(address, address, password))

        def arrived(_number: int) -> None:
            notify(json.dumps({"arrived": address}))

        def ignored(*_arguments: Any) -> None:
            """GreenMail tells of flags and removals too."""

        calls = {"added": arrived, "expunged": ignored, "flagsUpdated": ignored, "mailboxDeleted": ignored}
        inbox.addListener(jpype.JProxy("com.icegreen.greenmail.store.FolderListener", dict=calls))

    def messages(self, user: str) -> list[str]:
        owner = self._users.getUserByEmail(user)
        if owner is None:
            return []
        return [_raw(stored.getMimeMessage()) for stored in self._mailboxes.getInbox(owner).getMessages()]

    def deliver(self, user: str, content: str) -> None:
        owner = self._users.getUserByEmail(user)
        if owner is None:
            raise LookupError(f"there is no user {user}")
        source = jpype.JClass("java.io.ByteArrayInputStream")(base64.b64decode(content))
        message = jpype.JClass("jakarta.mail.internet.MimeMessage")(None, source)
        self._mailboxes.getInbox(owner).store(message)


def _raw(message: Any) -> str:
    output = jpype.JClass("java.io.ByteArrayOutputStream")()
    message.writeTo(output)
    return base64.b64encode(bytes(output.toByteArray())).decode()
