"""All parts of one gateway: start, regular work, graceful end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from api.gateway.breaker import Breaker
from api.gateway.consultations import ConsultationService
from api.gateway.data_requests import DataService
from api.gateway.disposals import DisposalFiler
from api.gateway.evidence import Build, EvidenceService
from api.gateway.forward import Forwarder, load_providers
from api.gateway.gatekeeper import Gatekeeper
from api.gateway.limits import Limits
from api.gateway.live_restrictions import LiveRestrictions
from api.gateway.not_sent import NotSentService
from api.gateway.observations import ObservationService
from api.gateway.other_logs import OtherLogs
from api.gateway.outbound import OutboundPolicy
from api.gateway.parameter_digests import ParameterDigests
from api.gateway.restrictions import RestrictionService
from api.gateway.sealed import SealedService
from api.gateway.state import StateSource
from api.gateway.submit import ActSubmitter
from api.gateway.tail import UnanchoredTail, anchored_size
from api.gateway.testing import TestService
from api.gateway.transfers import TransferService
from api.gateway.verifiers import Verifiers
from api.gateway.workers import Workers
from crypto.errors import LedgerError, SanlianError
from crypto.sm2 import Signer
from ledger.log.keeping import Keeper
from ledger.log.kept_keys import KeptKeys
from ledger.log.parameter_keys import ParameterKeys
from ledger.log.process import LogProcess
from ledger.log.reader import LogReader
from ledger.log.recovery import AnchorPoint
from ledger.log.remote import RemoteLog
from ledger.log.writer import AccessLog, LogWriter
from ledger.sealed.store import SealedStore
from ledger.settings import Settings
from protocol.deployment import Deployment
from protocol.receipt import Receipt

POLL_INTERVAL_S = 0.25

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Gateway:
    """All parts of one gateway.

    Attributes:
        settings: settings.
        deployment: the deployment that it serves.
        key: the gateway's key.
        state: source of the state.
        build_evidence: builds the evidence of a record; without it none is handed out.
        on_fatal: called when the log must not be written; the process should end.
        make_log: opens the access log for a thread of this process; measurements put another in
            its place.
        log_process: writes the access log in place of a thread.
        fatal: why, once it was called.
    """

    settings: Settings
    deployment: Deployment
    key: Signer
    state: StateSource
    build_evidence: Build | None = None
    on_fatal: Callable[[], None] = lambda: None
    make_log: type[LogWriter] = LogWriter
    log_process: LogProcess | None = None
    fatal: SanlianError | None = None
    writer: AccessLog | None = None
    reader: LogReader | None = None
    log_id: bytes = b""
    gatekeeper: Gatekeeper | None = None
    data: DataService | None = None
    evidence: EvidenceService | None = None
    tests: TestService | None = None
    sealed: SealedService | None = None
    observations: ObservationService | None = None
    not_sent: NotSentService | None = None
    restrictions: RestrictionService | None = None
    transfers: TransferService | None = None
    consultations: ConsultationService | None = None
    envelopes: SealedStore | None = None
    others: OtherLogs | None = None
    live: LiveRestrictions | None = None
    workers: Workers = field(init=False)
    verifiers: Verifiers = field(init=False)
    tail: UnanchoredTail = field(default_factory=UnanchoredTail)
    _floor: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workers = Workers(self.settings.verify_processes)
        self.verifiers = Verifiers(self.settings.resolved_request_verifiers)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve for as long as the context lasts; at its end everything in work is finished."""
        settings = self.settings
        providers = load_providers(settings.providers_file)
        async with (
            Forwarder(
                self.key,
                timeout_s=settings.provider_timeout_s,
                max_bytes=settings.max_response_bytes,
                max_connections=settings.max_connections_per_provider,
                breaker=Breaker(settings.provider_failures, settings.provider_pause_s),
                policy=OutboundPolicy.of(settings),
            ) as forwarder,
            ActSubmitter(settings.resolved_api_url, self.key, self.deployment) as submitter,
        ):
            await self.verifiers.start()
            opened = asyncio.Event()
            self._tasks = [
                asyncio.create_task(self._poll(forwarder, submitter, providers, opened)),
                asyncio.create_task(self._count(opened)),
            ]
            try:
                yield
            finally:
                for task in self._tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                if self.data is not None:
                    await self.data.finish()
                if self.tests is not None:
                    await self.tests.finish()
                self.verifiers.close()
                await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.workers.close()
        if self.gatekeeper is not None:
            self._write_rejected(before_minute=None)
        if self.writer is not None:
            self.writer.close()
        elif self.log_process is not None:
            self.log_process.close()
        if self.others is not None:
            self.others.close()
        if self.reader is not None:
            self.reader.close()
        if self.envelopes is not None:
            self.envelopes.close()

    async def _poll(
        self,
        forwarder: Forwarder,
        submitter: ActSubmitter,
        providers: dict[str, str],
        opened: asyncio.Event,
    ) -> None:
        while True:
            try:
                await asyncio.to_thread(self.state.refresh)
                if self.writer is None:
                    await asyncio.to_thread(self._open, asyncio.get_running_loop())
                is_whole = (
                    self.others is not None
                    and self.live is not None
                    and await asyncio.to_thread(self.others.follow, self.live)
                )
                is_whole = is_whole and self._is_caught_up()
                if self.writer is not None and self.data is None and is_whole:
                    self._assemble(self.writer, forwarder, submitter, providers)
                    opened.set()
            except (SQLAlchemyError, OSError):
                _LOGGER.warning("the ledger's database cannot be read yet")
            except SanlianError as error:
                self._fail(error)
                return
            except Exception:
                # The last snapshot stays and ages, until nothing is decided any more.
                _LOGGER.exception("the ledger's state could not be read")
            await asyncio.to_thread(self._look_at_tail)
            await asyncio.sleep(POLL_INTERVAL_S)

    def _look_at_tail(self) -> None:
        snapshot, writer, reader = self.state.snapshot, self.writer, self.reader
        if snapshot is not None and writer is not None and reader is not None:
            anchored = anchored_size(snapshot, self.log_id)
            self.tail.look(reader, size=writer.size, anchored=anchored)

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the log once its registration is known; until then nothing is served."""
        snapshot = self.state.snapshot
        log = snapshot.store.find_log_by_origin(self.deployment.origin) if snapshot else None
        if snapshot is None or log is None:
            return
        if log.gateway_key != self.key.public_key.key_id:
            raise LedgerError("LOG_OTHER_IDENTITY", "the log is registered for another key")
        url = self.settings.resolved_log_database_url
        anchor = snapshot.store.find_anchor(log.id)
        options: dict[str, Any] = {
            "origin": log.origin,
            "log_id": log.id,
            "anchor": AnchorPoint(anchor.size, anchor.root) if anchor is not None else None,
            "heartbeat_interval_s": self.settings.heartbeat_interval_s,
        }
        writer: AccessLog
        if self.log_process is None:
            writer = self.make_log(url, key=self.key, **options)
        else:
            writer = RemoteLog(self.log_process, loop, self._fail, url=url, **options)
        self.reader = LogReader.open(url, log.origin)
        self.live = LiveRestrictions(self.reader.restrictions())
        self.others = OtherLogs(url, log.origin, self.reader)
        self._floor = self.reader.find_last_block() or 0
        self.log_id = log.id
        self.writer = writer

    def _fail(self, error: SanlianError) -> None:
        _LOGGER.error("the gateway cannot serve: %s", error)
        self.fatal = error
        self.on_fatal()

    def _is_caught_up(self) -> bool:
        """No decision may rest on an older block than one before it, as a rebuild would offer."""
        snapshot = self.state.snapshot
        return snapshot is not None and snapshot.number >= self._floor

    def _assemble(
        self,
        writer: AccessLog,
        forwarder: Forwarder,
        submitter: ActSubmitter,
        providers: dict[str, str],
    ) -> None:
        if self.reader is None or self.others is None or self.live is None:
            raise AssertionError
        self.gatekeeper = Gatekeeper(
            writer,
            self.state,
            authority=self.settings.resolved_gateway_authority,
            clock_skew_s=self.settings.clock_skew_s,
            head_max_age_s=self.settings.head_max_age_s,
            is_example=self.deployment.example,
        )
        limits = Limits(
            grant_rate=self.settings.grant_rate_per_minute,
            department_rate=self.settings.department_rate_per_minute,
            department_places=self.settings.max_requests_per_department,
        )
        digests = ParameterDigests(
            ParameterKeys(self.settings.parameter_keys_dir),
            self.settings.resolved_parameter_digests,
        )
        keeper = Keeper(
            KeptKeys(self.settings.kept_keys_dir),
            self.settings.resolved_kept_interfaces,
            writer.origin,
        )
        keeper.prepare(time.time_ns() // 1_000_000)
        self.data = DataService(
            self.gatekeeper,
            forwarder,
            providers,
            limits,
            digests=digests,
            keeper=keeper,
            restrictions=self.live,
            verifiers=self.verifiers,
        )
        self.restrictions = RestrictionService(self.gatekeeper, self.live)
        self.tests = TestService(
            self.gatekeeper, forwarder, submitter, providers, log_id=self.log_id
        )
        self.envelopes = SealedStore(self.settings.home / "sealed.db")
        self.sealed = SealedService(self.gatekeeper, self.envelopes)
        self.observations = ObservationService(
            self.gatekeeper, self.others, self.workers, is_example=self.deployment.example
        )
        self.not_sent = NotSentService(self.gatekeeper, self.others)
        self.transfers = TransferService(self.gatekeeper, self.reader, self.others)
        filer = DisposalFiler(self.reader, submitter, self.state, self.log_id)
        self._tasks.append(asyncio.create_task(filer.run()))
        self.consultations = ConsultationService(
            self.gatekeeper, auditor_departments=self.settings.resolved_auditor_departments
        )
        if self.build_evidence is not None:
            self.evidence = EvidenceService(
                self.gatekeeper,
                self.reader,
                self.build_evidence,
                auditor_departments=self.settings.resolved_auditor_departments,
            )
        _LOGGER.info("the access log is open at %d records", writer.size)

    def count_refused(self, source: str, code: str) -> None:
        """Count a connection that the server refused or ended."""
        if self.gatekeeper is not None:
            self.gatekeeper.rejected.add(source, code, int(time.time()))

    async def _count(self, opened: asyncio.Event) -> None:
        await opened.wait()
        while True:
            await asyncio.sleep(1.0)
            # A log that cannot be written finds that out by itself, with one record.
            if self.writer is not None and self.writer.is_healthy:
                self._write_rejected(before_minute=int(time.time()) // 60)

    def _write_rejected(self, before_minute: int | None) -> None:
        if self.gatekeeper is None or self.writer is None:
            return
        for draft in self.gatekeeper.rejected.take(before_minute):
            # What cannot be counted now is counted later; a closed log counts no more. Of what may
            # be in the log, nobody knows: it is counted twice rather than never.
            try:
                written = self.writer.append(draft)
            except LedgerError as error:
                self.gatekeeper.rejected.put_back(draft)
                _LOGGER.warning("rejected requests cannot be recorded now: %s", error.code)
                return
            written.add_done_callback(partial(self._recount, draft))

    def _recount(self, draft: Mapping[str, Any], written: "Future[Receipt]") -> None:
        """Count again what a flush that failed did not record; called in the writer's thread."""
        error = written.exception()
        if self.gatekeeper is not None and isinstance(error, LedgerError):
            self.gatekeeper.rejected.put_back(draft)
