"""Runs one job: interpret, bind, run the operation, decide, report, and then delete what had to wait."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from worker.errors import EmailError, SendOutcomeUnknown
from worker.event_loop import finish_in_thread
from worker.job import progress
from worker.job.admission import Admission, NotAdmitted
from worker.job.assignment import Assignment, Interpret
from worker.job.completed_work import CompletedWork, Entry
from worker.job.decision import RetryRule, after_the_work, decide, decide_failure, to_json
from worker.job.engine_errors import GatewayUnavailable, JobGone
from worker.job.gateway import Gateway
from worker.job.headers import ConnectorHeaders
from worker.job.job import Job
from worker.job.lease import Lease
from worker.job.operation_runner import OperationRunner
from worker.job.outcome import Completed, Failed, Outcome, Returned, outcome_class
from worker.job.report import JobReport, Observers
from worker.job.request import read_request
from worker.job.send_rate import SendRate
from worker.job.settlement import settle
from worker.job.work import Work, commit
from worker.mail.account import Account, MailProtocol
from worker.mail.command_trace import begin_command_trace
from worker.mail.operation_result import OperationResult
from worker.masking import Mask, masking
from worker.recent import Recent
from worker.secret_store import SecretStore
from worker.settings import Settings

log = structlog.get_logger(__name__)

_FAREWELL_SECONDS = 5.0
# Reading longer headers takes so long that other work would wait.
_LONG_HEADERS_CHARACTERS = 5_000


class Pipeline:
    """Runs jobs, each from activation to the command that ends it."""

    def __init__(
        self,
        gateway: Gateway,
        runner: OperationRunner,
        secrets: SecretStore,
        settings: Settings,
        observers: Observers | None = None,
    ) -> None:
        self._gateway = gateway
        self._runner = runner
        self._secrets = secrets
        self._settings = worker = settings.worker
        self._cluster_name = worker.cluster_name or settings.gateway.target
        self._observers = observers or Observers()
        self._completed_work = CompletedWork()
        # By job key: the most retries that a failing job is known to have had, and who has its email.
        self._most_retries: Recent[int, int] = Recent()
        self._delivered: Recent[int, set[str]] = Recent(progress.KEPT_RECIPIENTS, len)
        self._send_rate = SendRate(worker.max_sends_per_minute, time.monotonic)
        self.admission = Admission(max_jobs=worker.max_jobs, max_jobs_per_server=worker.max_jobs_per_server)

    async def run(self, job: Job, interpret: Interpret, lease: Lease) -> Outcome:
        """Work on `job` and report its outcome to Camunda; return it, also if the report failed.

        If cancelled at the end of the grace period, it returns the job within a few seconds; an email that is
        already sent is reported instead.
        """
        structlog.contextvars.bind_contextvars(
            job_key=job.key,
            task_type=job.type,
            process_instance_key=job.process_instance_key,
            bpmn_process_id=job.bpmn_process_id,
            element_id=job.element_id,
            tenant_id=job.tenant_id,
        )
        started_at = time.monotonic()
        work = Work(Mask(shared=self._secrets.mask), begin_command_trace(self._observers.step_begun))
        with masking(work.mask):
            await self._run(job, interpret, work, lease)
            self._report(job, work, started_at)
        return work.outcome

    async def _run(self, job: Job, interpret: Interpret, work: Work, lease: Lease) -> None:
        try:
            async with lease.kept():
                work.outcome = await self._outcome(job, interpret, work, lease)
            # The report is repeated until the deadline, which is no longer extended.
            if _is_told_to_stop():
                await self._finish_soon(job, work, lease)
            elif isinstance(work.outcome, Returned):
                with self.admission.returning():
                    await self._finish(job, work, lease)
            else:
                await self._finish(job, work, lease)
        except JobGone as error:
            log.warning("job_gone", reason=str(error))
            work.outcome = Returned("The job no longer belongs to this worker.")
        except asyncio.CancelledError:
            if not work.is_settled:
                await self._finish_soon(job, work, lease)

    def _report(self, job: Job, work: Work, started_at: float) -> None:
        report = JobReport(
            job=job,
            operation=work.operation or job.type,
            outcome=work.outcome,
            is_settled=work.is_settled,
            server=work.server,
            started_at=started_at,
            ended_at=time.monotonic(),
            trace=work.trace,
        )
        log.log(report.level, "job_ended", **report.line())
        self._observers.job_ended(report)

    async def _outcome(self, job: Job, interpret: Interpret, work: Work, lease: Lease) -> Outcome:
        """Do the work and decide; raises JobGone if another worker has the job."""
        try:
            done = self._completed_work.recall(job)
            # Checked first: a changed header or secret must not hide that the work is done.
            work.has_effect = isinstance(done, tuple)
            # Read before anything is done, so that an invalid header has no effect.
            work.headers = await _read_headers(job, is_done=done is not None)
            if done is None:
                await self._do(job, interpret, work, lease)
            else:
                work.result = _result_of(done)
            most = self._settings.max_result_bytes
            decided = partial(decide, job, work.headers, work.result, mask=work.mask, max_bytes=most)
            return await finish_in_thread(decided) if work.headers.has_expressions else decided()
        except NotAdmitted as refused:
            return Returned(work.mask.hide(str(refused)), backoff_seconds=refused.backoff_seconds)
        except JobGone:
            raise
        except Exception as error:
            work.has_failed = True
            if not isinstance(error, EmailError):
                log.exception("job_failed_unexpectedly")
            if work.has_effect:
                error = after_the_work(error)
            retry, most = self._retry_rule(job), self._settings.max_result_bytes
            decided = partial(decide_failure, job, work.headers, error, retry, mask=work.mask, max_bytes=most)
            return await finish_in_thread(decided)

    def _retry_rule(self, job: Job) -> RetryRule:
        chance = random.random()  # noqa: S311 - only spreads load
        most_retries = self._most_retries[job.key] = max(job.retries, self._most_retries.get(job.key, 0))
        return RetryRule(self._settings.retry_backoff_seconds, chance, most_retries)

    async def _do(self, job: Job, interpret: Interpret, work: Work, lease: Lease) -> None:
        if work.headers.job_timeout_seconds is not None:
            await lease.retime(work.headers.job_timeout_seconds)
        assignment = interpret(job.variables)
        work.operation = assignment.operation.task_type
        request = await read_request(assignment, self._secrets, work.mask, self._settings.secret_fields)
        account = self._runner.account(assignment.operation, request)
        work.server = account.server

        async def at_server(account: Account) -> None:
            # One session at a time. The password is a part of it: jobs with another do not delay the owner's.
            mailbox = account if account.protocol is MailProtocol.POP3 else None
            place = partial(self.admission.place, way=account.way, account=account, mailbox=mailbox)
            async with place(account.server, work.trace):
                if not work.is_counted:
                    self._send_rate.admit(account)
                    work.is_counted = True
                reference = _reference(job, self._cluster_name)
                work.delivered = progress.carried(job, reference) | self._delivered.get(job.key, set())
                context = self._runner.context(
                    account, reference, delivered=work.delivered, may_change=lease.check
                )
                perform = partial(assignment.operation.handler, request, context)
                await self._perform(job, assignment, work, perform)

        # A job that waits for an access token has a place at the token endpoint, none at the mail server.
        waiting = partial(self.admission.place, trace=work.trace)
        await self._runner.sign_in(account, at_server, waiting)

    async def _perform(
        self,
        job: Job,
        assignment: Assignment,
        work: Work,
        perform: Callable[[], Awaitable[OperationResult]],
    ) -> None:
        try:
            done = await perform()
        except BaseException as error:
            if isinstance(error, SendOutcomeUnknown):
                # A copy: this one keeps the frames that it came through, with the whole email.
                self._completed_work.record(job, SendOutcomeUnknown(error.message, **error.details))
            if work.delivered:  # the report of a failure may be lost
                self._delivered[job.key] = work.delivered
            raise
        self._delivered.pop(job.key, None)
        work.deferred = done.deferred
        work.result = assignment.reshape(to_json(done.result))
        if done.has_effect:
            work.has_effect = True
            self._completed_work.record(job, (work.result,))

    async def _finish(self, job: Job, work: Work, lease: Lease) -> None:
        """Report the outcome, and only then delete what Camunda has stored."""
        work.outcome = progress.carry(work.outcome, _reference(job, self._cluster_name), work.delivered)
        try:
            work.is_settled = await self._settle(job, work, lease)
        except asyncio.CancelledError:
            raise  # it is tried once more, for a short time
        except BaseException:
            await work.abandon()
            raise
        if work.is_settled:
            lease.end()
            self._forget(job, work)
        # A failure that the error expression ignores completes the job too, but without the result.
        if work.is_settled and isinstance(work.outcome, Completed) and not work.has_failed:
            await commit(work.deferred, work.server)
        else:
            await work.abandon()

    async def _settle(self, job: Job, work: Work, lease: Lease) -> bool:
        """Report the outcome; tell whether Camunda has accepted it."""
        is_done = bool(work.delivered or self._completed_work.recall(job))
        try:
            work.outcome = await settle(
                job,
                work.outcome,
                gateway=self._gateway,
                lease=lease,
                is_done=is_done,
                on_delay=self._observers.report_retried,
            )
        except JobGone as error:
            # The work stays recorded: a job that another worker failed meanwhile may come back.
            log.warning("job_gone", reason=str(error), outcome=outcome_class(work.outcome))
            if isinstance(work.outcome, Failed | Returned) and not is_done:
                lease.end()  # a job that was handed out again before is not run before its backoff
            return False
        except GatewayUnavailable as error:
            log.error("outcome_not_reported", reason=str(error), outcome=outcome_class(work.outcome))
            return False
        return True

    def _forget(self, job: Job, work: Work) -> None:
        """Forget what only another attempt at this job would need."""
        if not progress.is_lost(work.outcome):
            self._delivered.pop(job.key, None)
        # An email whose result could not be used stays recorded as sent: a retry must not send it again.
        if not (isinstance(work.outcome, Failed) and work.has_effect):
            self._completed_work.forget(job)

    async def _finish_soon(self, job: Job, work: Work, lease: Lease) -> None:
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._finish(job, work, lease)
        except TimeoutError:
            if not work.is_settled:
                log.warning("outcome_not_reported", outcome=outcome_class(work.outcome))
                await work.abandon()


async def _read_headers(job: Job, *, is_done: bool) -> ConnectorHeaders:
    read = partial(ConnectorHeaders.of, job.headers)
    if sum(len(name) + len(text) for name, text in job.headers.items()) <= _LONG_HEADERS_CHARACTERS:
        return read()
    # Work that is done is reported, also by a worker that is told to stop.
    return await (finish_in_thread(read) if is_done else asyncio.to_thread(read))


def _is_told_to_stop() -> bool:
    """Tell whether the work was cancelled but still reached an outcome, such as an email that may be sent."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _result_of(done: Entry) -> Any:
    """Return the result of work that was done before, or raise SendOutcomeUnknown."""
    log.info("job_already_done")
    if isinstance(done, SendOutcomeUnknown):
        raise SendOutcomeUnknown(done.message, **done.details)
    return done[0]


def _reference(job: Job, cluster_name: str) -> str:
    """Name the job, the same on every attempt, and apart from the jobs of other clusters."""
    home = f"{cluster_name} {job.process_instance_key} {job.element_instance_key}"
    return f"{job.key}.{hashlib.blake2b(home.encode(), digest_size=6).hexdigest()}"
