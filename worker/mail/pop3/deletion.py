"""The end of a session that deletes one message, and that one alone. It blocks and belongs in a thread."""

from __future__ import annotations

from worker.errors import ConnectionFailed
from worker.mail.pop3.session import Pop3Session


def delete_and_quit(session: Pop3Session, number: int, uid: str | None) -> None:
    """Delete a message and end the session; return when the server says that it has done so.

    DELE comes only here, since some servers (GreenMail) delete a marked message also where the connection
    breaks before QUIT. Some (again) let another session's deletions change the numbers, which RFC 1939
    forbids; so where there is a unique id, it is compared before the mark and after. A message that is
    gone already is deleted.
    """
    if uid is not None and session.uid_at(number) != uid:
        number = _number_of(uid, session.uids() or {})
    if number:
        session.mark_deleted(number)
        # A server that keeps to the rules says nothing about a marked message.
        if uid is not None and session.uid_at(number) not in {uid, None}:
            session.unmark_all()
            session.cut()
            raise ConnectionFailed(
                f"Another session changed the numbers of the messages at {session.server}; none was deleted.",
                server=session.server,
            )
    session.quit()


def _number_of(uid: str, uids: dict[int, str]) -> int:
    return next((number for number, its_uid in uids.items() if its_uid == uid), 0)
