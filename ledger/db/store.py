"""The model's state in the tables: the store that the indexer applies acts to."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from crypto.sm2 import PublicKey, Signature
from ledger.db import models as table
from protocol import model
from protocol.description import Role
from protocol.model.claims import OPEN_CLAIMS


class SqlStore:
    """The model's store in a database session; new rows get the position of the current event."""

    def __init__(self, session: Session) -> None:
        """Create the store.

        Args:
            session: session of the transaction that everything is put into.
        """
        self._session = session
        self._block_number = 0
        self._position = 0
        self._transaction_hash = bytes(32)

    def at(self, block_number: int, event_index: int, transaction_hash: bytes) -> None:
        """Say which event of which block and transaction is being applied."""
        self._block_number = block_number
        self._transaction_hash = transaction_hash
        self._position = block_number * table.EVENTS_PER_BLOCK + event_index

    def _put(self, kind: type[table.Base], key: object, /, **values: object) -> None:
        row = self._session.get(kind, key)
        if row is None:
            if "position" in kind.__table__.columns:
                values["position"] = self._position
            self._session.add(kind(**values))
            self._session.flush()
            return
        for name, value in values.items():
            setattr(row, name, value)

    def find_authority(self) -> model.Authority | None:
        """Return the authority as it stands."""
        row = self._session.scalars(select(table.Authority)).first()
        return None if row is None else authority_of(row)

    def put_authority(self, authority: model.Authority) -> None:
        """Keep the authority."""
        self._put(
            table.Authority,
            authority.department,
            department=authority.department,
            threshold=authority.threshold,
            persons=authority.persons,
            active_keys=authority.active_keys,
            replacement_delay_s=authority.replacement_delay_s,
            block_number=self._block_number,
        )

    def find_department(self, department_id: bytes) -> model.Department | None:
        """Return a department."""
        row = self._session.get(table.Department, department_id)
        return None if row is None else department_of(row)

    def put_department(self, department: model.Department) -> None:
        """Keep a department."""
        d = department
        self._put(
            table.Department,
            d.id,
            id=d.id,
            level=d.level,
            kind=d.kind,
            region=d.region,
            parent=d.parent,
            uscc=d.uscc,
            uscc_override=d.uscc_override,
            name=d.name,
            ended_day=d.ended_day,
            successor=d.successor,
            revision=d.revision,
            block_number=d.block_number,
        )

    def find_person(self, person_id: bytes) -> model.Person | None:
        """Return a person."""
        row = self._session.get(table.Person, person_id)
        return None if row is None else person_of(row)

    def put_person(self, person: model.Person) -> None:
        """Keep a person."""
        self._put(
            table.Person,
            person.id,
            id=person.id,
            department=person.department,
            roles=int(person.roles),
            revision=person.revision,
            generation=person.generation,
            has_active_key=person.has_active_key,
            block_number=person.block_number,
        )

    def find_key(self, key_id: bytes) -> model.Key | None:
        """Return a key."""
        row = self._session.get(table.Key, key_id)
        return None if row is None else key_of(row)

    def put_key(self, key: model.Key) -> None:
        """Keep a key."""
        self._put(
            table.Key,
            key.id,
            id=key.id,
            public_key=key.public_key.to_bytes(),
            person=key.person,
            state=str(key.state),
            reason_code=key.reason_code,
            valid_until=key.valid_until,
            certificate_until=key.certificate_until,
            generation=key.generation,
            revision=key.revision,
            block_number=key.block_number,
        )

    def find_calendar_year(self, year: int) -> model.CalendarYear | None:
        """Return the published working days of a year."""
        row = self._session.scalars(
            select(table.CalendarYear).where(table.CalendarYear.year == year)
        ).first()
        return None if row is None else calendar_year_of(row)

    def find_calendar_publication(self, publication_id: bytes) -> model.CalendarYear | None:
        """Return the year that this act published."""
        row = self._session.get(table.CalendarYear, publication_id)
        return None if row is None else calendar_year_of(row)

    def put_calendar_year(self, calendar_year: model.CalendarYear) -> None:
        """Keep a year's working days."""
        c = calendar_year
        self._put(
            table.CalendarYear,
            c.id,
            id=c.id,
            year=c.year,
            working_days=c.working_days,
            source=c.source,
            reason=c.reason,
            revision=c.revision,
            block_number=c.block_number,
        )

    def find_certificate(self, key_id: bytes) -> model.CertificateBinding | None:
        """Return the certificate that a key is bound to."""
        row = self._session.get(table.Certificate, key_id)
        return None if row is None else certificate_of(row)

    def put_certificate(self, binding: model.CertificateBinding) -> None:
        """Keep the certificate that a key is bound to."""
        b = binding
        self._put(
            table.Certificate,
            b.key_id,
            key_id=b.key_id,
            issuer=b.issuer,
            serial=b.serial,
            certificate=b.certificate,
            not_after=b.not_after,
            act_id=b.act_id,
            block_number=b.block_number,
        )

    def find_proposal(self, person_id: bytes) -> model.HeadKeyProposal | None:
        """Return the newest proposal of a head's key."""
        row = self._session.scalars(
            select(table.Proposal)
            .where(table.Proposal.person == person_id)
            .order_by(table.Proposal.position.desc())
            .limit(1)
        ).first()
        return None if row is None else proposal_of(row)

    def put_proposal(self, proposal: model.HeadKeyProposal) -> None:
        """Keep a proposal."""
        p = proposal
        self._put(
            table.Proposal,
            p.id,
            id=p.id,
            person=p.person,
            public_key=p.public_key.to_bytes(),
            valid_until=p.valid_until,
            reason_code=p.reason_code,
            proposed_at=p.proposed_at,
            ready_at=p.ready_at,
            state=str(p.state),
            generation=p.generation,
            block_number=p.block_number,
        )

    def find_successor(self, contract: bytes) -> model.Successor | None:
        """Return the successor of the contract with this address."""
        row = self._session.get(table.Successor, contract)
        return None if row is None else successor_of(row)

    def put_successor(self, successor: model.Successor) -> None:
        """Keep a successor."""
        self._put(
            table.Successor,
            successor.contract,
            contract=successor.contract,
            successor=successor.successor,
            act_id=successor.act_id,
            block_number=successor.block_number,
        )

    def find_entry(self, entry_id: bytes) -> model.Entry | None:
        """Return an entry with its current and pending version."""
        row = self._session.get(table.Entry, entry_id)
        if row is None:
            return None
        return entry_of(
            row,
            self._version_or_none(entry_id, row.current),
            self._version_or_none(entry_id, row.pending),
        )

    def _version_or_none(self, entry_id: bytes, number: int | None) -> model.EntryVersion | None:
        return None if number is None else self.find_entry_version(entry_id, number)

    def put_entry(self, entry: model.Entry) -> None:
        """Keep an entry and the versions that it holds."""
        for version in (entry.current, entry.pending):
            if version is not None:
                self.put_entry_version(entry.id, version)
        self._put(
            table.Entry,
            entry.id,
            id=entry.id,
            department=entry.department,
            state=str(entry.state),
            current=None if entry.current is None else entry.current.number,
            pending=None if entry.pending is None else entry.pending.number,
            change_day=entry.change_day,
            extended_day=entry.extended_day,
            revision=entry.revision,
            block_number=entry.block_number,
        )

    def find_entry_version(self, entry_id: bytes, number: int) -> model.EntryVersion | None:
        """Return the version of this number."""
        row = self._session.get(table.EntryVersion, (entry_id, number))
        return None if row is None else entry_version_of(row)

    def put_entry_version(self, entry_id: bytes, version: model.EntryVersion) -> None:
        """Keep a version, published or pending, under its number."""
        v = version
        self._put(
            table.EntryVersion,
            (entry_id, v.number),
            entry=entry_id,
            number=v.number,
            sharing_class=v.sharing_class,
            library=v.library,
            update_cycle=v.update_cycle,
            openness=v.openness,
            mode=v.mode,
            grading=v.grading,
            items=v.items,
            sensitive=v.sensitive,
            document=v.document,
            secrecy_assessment=v.secrecy_assessment,
            privacy_assessment=v.privacy_assessment,
            basis=v.basis,
            submitted_day=v.submitted_day,
            published_day=v.published_day,
            returned_day=v.returned_day,
            returned_reason=v.returned_reason,
            change_day=v.change_day,
            extended_day=v.extended_day,
            act_id=v.act_id,
            block_number=v.block_number,
        )

    def find_claim(self, claim_id: bytes) -> model.Claim | None:
        """Return a claim."""
        row = self._session.get(table.Claim, claim_id)
        return None if row is None else claim_of(row)

    def find_source_claim(self, element: bytes) -> model.Claim | None:
        """Return the one claim to an element that is SOURCE."""
        kind = table.Claim
        row = self._session.scalars(
            select(kind).where(kind.element == element, kind.state == str(model.ClaimState.SOURCE))
        ).first()
        return None if row is None else claim_of(row)

    def find_open_claim(self, element: bytes, department: bytes) -> model.Claim | None:
        """Return the one claim of a department to an element that is SOURCE or CONFLICT."""
        kind = table.Claim
        row = self._session.scalars(
            select(kind).where(
                kind.element == element,
                kind.department == department,
                kind.state.in_([str(state) for state in OPEN_CLAIMS]),
            )
        ).first()
        return None if row is None else claim_of(row)

    def put_claim(self, claim: model.Claim) -> None:
        """Keep a claim."""
        self._put(
            table.Claim,
            claim.id,
            id=claim.id,
            element=claim.element,
            entry=claim.entry,
            item=claim.item,
            department=claim.department,
            state=str(claim.state),
            revision=claim.revision,
            block_number=claim.block_number,
        )

    def find_refresh(self, entry_id: bytes) -> model.Refresh | None:
        """Return the newest refresh of an entry's data."""
        row = self._session.scalars(
            select(table.Refresh)
            .where(table.Refresh.entry == entry_id)
            .order_by(table.Refresh.position.desc())
            .limit(1)
        ).first()
        return None if row is None else refresh_of(row)

    def put_refresh(self, refresh: model.Refresh) -> None:
        """Keep a refresh; it becomes its entry's newest."""
        self._put(
            table.Refresh,
            refresh.id,
            id=refresh.id,
            entry=refresh.entry,
            department=refresh.department,
            from_day=refresh.from_day,
            until_day=refresh.until_day,
            rows=refresh.rows,
            day=refresh.day,
            revision=refresh.revision,
            block_number=refresh.block_number,
        )

    def put_oversight_report(self, report: model.OversightReport) -> None:
        """Keep an oversight report."""
        self._put(
            table.OversightReport,
            report.id,
            id=report.id,
            department=report.department,
            person=report.person,
            from_day=report.from_day,
            until_day=report.until_day,
            report_kind=report.report_kind,
            report_digest=report.report_digest,
            findings=report.findings,
            day=report.day,
            revision=report.revision,
            block_number=report.block_number,
        )

    def find_interface(self, interface_id: bytes) -> model.Interface | None:
        """Return an interface with its current and pending version."""
        row = self._session.get(table.Interface, interface_id)
        if row is None:
            return None
        current, pending = row.current, row.pending
        return interface_of(
            row,
            None if current is None else self.find_interface_version(interface_id, current),
            None if pending is None else self.find_interface_version(interface_id, pending),
        )

    def put_interface(self, interface: model.Interface) -> None:
        """Keep an interface and the versions that it holds."""
        i = interface
        for version in (i.current, i.pending):
            if version is not None:
                self.put_interface_version(i.id, version)
        self._put(
            table.Interface,
            i.id,
            id=i.id,
            department=i.department,
            entry=i.entry,
            state=str(i.state),
            current=None if i.current is None else i.current.number,
            pending=None if i.pending is None else i.pending.number,
            suspended_by=None if i.suspended_by is None else str(i.suspended_by),
            revision=i.revision,
            block_number=i.block_number,
        )

    def find_interface_version(
        self, interface_id: bytes, number: int
    ) -> model.InterfaceVersion | None:
        """Return the version of this number."""
        row = self._session.get(table.InterfaceVersion, (interface_id, number))
        return None if row is None else interface_version_of(row)

    def put_interface_version(self, interface_id: bytes, version: model.InterfaceVersion) -> None:
        """Keep a version, online or pending, under its number."""
        v = version
        self._put(
            table.InterfaceVersion,
            (interface_id, v.number),
            interface=interface_id,
            number=v.number,
            entry_version=v.entry_version,
            rate_per_minute=v.rate_per_minute,
            max_rows=v.max_rows,
            items=v.items,
            document=v.document,
            node=v.node,
            test_result=v.test_result,
            test_log=v.test_log,
            test_report=v.test_report,
            act_id=v.act_id,
            block_number=v.block_number,
        )

    def find_request(self, request_id: bytes) -> model.Request | None:
        """Return a request with its grant."""
        row = self._session.get(table.Request, request_id)
        return None if row is None else request_of(row)

    def put_request(self, request: model.Request) -> None:
        """Keep a request."""
        r = request
        granted = r.granted_term
        self._put(
            table.Request,
            r.id,
            id=r.id,
            requester=r.requester,
            provider=r.provider,
            interface=r.interface,
            interface_version=r.interface_version,
            way=r.way,
            state=str(r.state),
            items=r.items,
            valid_from=r.term.valid_from,
            valid_until=r.term.valid_until,
            quota=r.term.quota,
            legal_basis=r.legal_basis,
            scenario=r.scenario,
            case=r.case,
            granted_items=r.granted_items,
            granted_valid_from=None if granted is None else granted.valid_from,
            granted_valid_until=None if granted is None else granted.valid_until,
            granted_quota=None if granted is None else granted.quota,
            suspended_by=None if r.suspended_by is None else str(r.suspended_by),
            answer_days=r.clock.answer_days,
            extension_days=r.clock.extension_days,
            filed_day=r.clock.filed_day,
            asked_day=r.clock.asked_day,
            supplemented_day=r.clock.supplemented_day,
            extended_day=r.clock.extended_day,
            answered_day=r.clock.answered_day,
            provision_day=r.clock.provision_day,
            reported_day=r.reported_day,
            revision=r.revision,
            block_number=r.block_number,
        )

    def find_correction(self, correction_id: bytes) -> model.Correction | None:
        """Return a correction."""
        row = self._session.get(table.Correction, correction_id)
        return None if row is None else correction_of(row)

    def put_correction(self, correction: model.Correction) -> None:
        """Keep a correction."""
        self._put(
            table.Correction,
            correction.id,
            id=correction.id,
            requester=correction.requester,
            provider=correction.provider,
            subject=correction.subject,
            subject_kind=correction.subject_kind,
            items=correction.items,
            errors=correction.errors,
            state=str(correction.state),
            filed_day=correction.filed_day,
            closed_day=correction.closed_day,
            revision=correction.revision,
            block_number=correction.block_number,
        )

    def find_dispute(self, dispute_id: bytes) -> model.Dispute | None:
        """Return a dispute."""
        row = self._session.get(table.Dispute, dispute_id)
        return None if row is None else dispute_of(row)

    def put_dispute(self, dispute: model.Dispute) -> None:
        """Keep a dispute."""
        self._put(
            table.Dispute,
            dispute.id,
            id=dispute.id,
            request=dispute.request,
            requester=dispute.requester,
            provider=dispute.provider,
            state=str(dispute.state),
            superior=dispute.superior,
            ruling=None if dispute.ruling is None else str(dispute.ruling),
            revision=dispute.revision,
            block_number=dispute.block_number,
        )

    def find_consent(self, consent_id: bytes) -> model.Consent | None:
        """Return a consent to a third party."""
        row = self._session.get(table.Consent, consent_id)
        return None if row is None else consent_of(row)

    def put_consent(self, consent: model.Consent) -> None:
        """Keep a consent to a third party."""
        self._put(
            table.Consent,
            consent.id,
            id=consent.id,
            grant=consent.grant,
            provider=consent.provider,
            third_party=consent.third_party,
            third_party_kind=consent.third_party_kind,
            items=consent.items,
            valid_until=consent.valid_until,
            purpose=consent.purpose,
            state=str(consent.state),
            revision=consent.revision,
            block_number=consent.block_number,
        )

    def find_newest_dispute(self, request_id: bytes) -> model.Dispute | None:
        """Return the dispute over a request that was opened last."""
        row = self._session.scalars(
            select(table.Dispute)
            .where(table.Dispute.request == request_id)
            .order_by(table.Dispute.position.desc())
            .limit(1)
        ).first()
        return None if row is None else dispute_of(row)

    def find_log(self, log_id: bytes) -> model.Log | None:
        """Return a log."""
        row = self._session.get(table.Log, log_id)
        return None if row is None else log_of(row)

    def find_log_by_origin(self, origin: str) -> model.Log | None:
        """Return the log with this origin."""
        row = self._session.scalars(select(table.Log).where(table.Log.origin == origin)).first()
        return None if row is None else log_of(row)

    def put_log(self, log: model.Log) -> None:
        """Keep a log."""
        self._put(
            table.Log,
            log.id,
            id=log.id,
            gateway_key=log.gateway_key,
            origin=log.origin,
            revision=log.revision,
            block_number=log.block_number,
        )

    def find_anchor(self, log_id: bytes) -> model.Anchor | None:
        """Return the newest anchor of a log."""
        row = self._session.scalars(
            select(table.Anchor)
            .where(table.Anchor.log == log_id)
            .order_by(table.Anchor.size.desc())
            .limit(1)
        ).first()
        return None if row is None else anchor_of(row)

    def put_anchor(self, anchor: model.Anchor) -> None:
        """Keep an anchor."""
        self._put(
            table.Anchor,
            (anchor.log, anchor.size),
            log=anchor.log,
            size=anchor.size,
            root=anchor.root,
            signature=anchor.signature.to_bytes(),
            block_number=anchor.block_number,
            block_time=anchor.block_time,
            transaction_hash=self._transaction_hash,
        )

    def nonce(self, contract: str, key_id: bytes) -> int:
        """Return how many acts of this key the named contract has accepted."""
        row = self._session.get(table.Nonce, (contract, key_id))
        return 0 if row is None else row.nonce

    def put_nonce(self, contract: str, key_id: bytes, nonce: int) -> None:
        """Keep that number."""
        self._put(
            table.Nonce,
            (contract, key_id),
            contract=contract,
            key_id=key_id,
            nonce=nonce,
            block_number=self._block_number,
        )


def authority_of(row: table.Authority) -> model.Authority:
    """Return the model's authority."""
    return model.Authority(
        department=row.department,
        threshold=row.threshold,
        persons=row.persons,
        active_keys=row.active_keys,
        replacement_delay_s=row.replacement_delay_s,
    )


def department_of(row: table.Department) -> model.Department:
    """Return the model's department."""
    return model.Department(
        id=row.id,
        level=row.level,
        kind=row.kind,
        region=row.region,
        parent=row.parent,
        uscc=row.uscc,
        uscc_override=row.uscc_override,
        name=row.name,
        ended_day=row.ended_day,
        successor=row.successor,
        revision=row.revision,
        block_number=row.block_number,
    )


def person_of(row: table.Person) -> model.Person:
    """Return the model's person."""
    return model.Person(
        id=row.id,
        department=row.department,
        roles=Role(row.roles),
        revision=row.revision,
        generation=row.generation,
        has_active_key=row.has_active_key,
        block_number=row.block_number,
    )


def key_of(row: table.Key) -> model.Key:
    """Return the model's key."""
    return model.Key(
        id=row.id,
        public_key=PublicKey.from_bytes(row.public_key),
        person=row.person,
        state=model.KeyState(row.state),
        reason_code=row.reason_code,
        valid_until=row.valid_until,
        certificate_until=row.certificate_until,
        generation=row.generation,
        revision=row.revision,
        block_number=row.block_number,
    )


def calendar_year_of(row: table.CalendarYear) -> model.CalendarYear:
    """Return the model's calendar year."""
    return model.CalendarYear(
        id=row.id,
        year=row.year,
        working_days=row.working_days,
        source=row.source,
        reason=row.reason,
        revision=row.revision,
        block_number=row.block_number,
    )


def certificate_of(row: table.Certificate) -> model.CertificateBinding:
    """Return the model's binding of a certificate."""
    return model.CertificateBinding(
        key_id=row.key_id,
        issuer=row.issuer,
        serial=row.serial,
        certificate=row.certificate,
        not_after=row.not_after,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def proposal_of(row: table.Proposal) -> model.HeadKeyProposal:
    """Return the model's proposal of a head's key."""
    return model.HeadKeyProposal(
        id=row.id,
        person=row.person,
        public_key=PublicKey.from_bytes(row.public_key),
        valid_until=row.valid_until,
        reason_code=row.reason_code,
        proposed_at=row.proposed_at,
        ready_at=row.ready_at,
        state=model.ProposalState(row.state),
        generation=row.generation,
        block_number=row.block_number,
    )


def successor_of(row: table.Successor) -> model.Successor:
    """Return the model's successor."""
    return model.Successor(row.contract, row.successor, row.act_id, row.block_number)


def entry_version_of(row: table.EntryVersion) -> model.EntryVersion:
    """Return the model's entry version."""
    return model.EntryVersion(
        number=row.number,
        sharing_class=row.sharing_class,
        library=row.library,
        update_cycle=row.update_cycle,
        openness=row.openness,
        mode=row.mode,
        grading=row.grading,
        items=row.items,
        sensitive=row.sensitive,
        document=row.document,
        secrecy_assessment=row.secrecy_assessment,
        privacy_assessment=row.privacy_assessment,
        basis=row.basis,
        submitted_day=row.submitted_day,
        published_day=row.published_day,
        returned_day=row.returned_day,
        returned_reason=row.returned_reason,
        change_day=row.change_day,
        extended_day=row.extended_day,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def entry_of(
    row: table.Entry, current: model.EntryVersion | None, pending: model.EntryVersion | None
) -> model.Entry:
    """Return the model's entry."""
    return model.Entry(
        id=row.id,
        department=row.department,
        state=model.EntryState(row.state),
        current=current,
        pending=pending,
        change_day=row.change_day,
        extended_day=row.extended_day,
        revision=row.revision,
        block_number=row.block_number,
    )


def claim_of(row: table.Claim) -> model.Claim:
    """Return the model's claim."""
    return model.Claim(
        id=row.id,
        element=row.element,
        entry=row.entry,
        item=row.item,
        department=row.department,
        state=model.ClaimState(row.state),
        revision=row.revision,
        block_number=row.block_number,
    )


def refresh_of(row: table.Refresh) -> model.Refresh:
    """Return the model's refresh."""
    return model.Refresh(
        id=row.id,
        entry=row.entry,
        department=row.department,
        from_day=row.from_day,
        until_day=row.until_day,
        rows=row.rows,
        day=row.day,
        revision=row.revision,
        block_number=row.block_number,
    )


def oversight_report_of(row: table.OversightReport) -> model.OversightReport:
    """Return the model's oversight report."""
    return model.OversightReport(
        id=row.id,
        department=row.department,
        person=row.person,
        from_day=row.from_day,
        until_day=row.until_day,
        report_kind=row.report_kind,
        report_digest=row.report_digest,
        findings=row.findings,
        day=row.day,
        revision=row.revision,
        block_number=row.block_number,
    )


def interface_version_of(row: table.InterfaceVersion) -> model.InterfaceVersion:
    """Return the model's interface version."""
    return model.InterfaceVersion(
        number=row.number,
        entry_version=row.entry_version,
        rate_per_minute=row.rate_per_minute,
        max_rows=row.max_rows,
        items=row.items,
        document=row.document,
        node=row.node,
        test_result=row.test_result,
        test_log=row.test_log,
        test_report=row.test_report,
        act_id=row.act_id,
        block_number=row.block_number,
    )


def interface_of(
    row: table.Interface,
    current: model.InterfaceVersion | None,
    pending: model.InterfaceVersion | None,
) -> model.Interface:
    """Return the model's interface."""
    return model.Interface(
        id=row.id,
        department=row.department,
        entry=row.entry,
        state=model.InterfaceState(row.state),
        current=current,
        pending=pending,
        suspended_by=None if row.suspended_by is None else model.Side(row.suspended_by),
        revision=row.revision,
        block_number=row.block_number,
    )


def request_of(row: table.Request) -> model.Request:
    """Return the model's request."""
    granted = None
    if (
        row.granted_valid_from is not None
        and row.granted_valid_until is not None
        and row.granted_quota is not None
    ):
        granted = model.Term(row.granted_valid_from, row.granted_valid_until, row.granted_quota)
    return model.Request(
        id=row.id,
        requester=row.requester,
        provider=row.provider,
        interface=row.interface,
        interface_version=row.interface_version,
        way=row.way,
        state=model.RequestState(row.state),
        items=row.items,
        term=model.Term(row.valid_from, row.valid_until, row.quota),
        legal_basis=row.legal_basis,
        scenario=row.scenario,
        case=row.case,
        granted_items=row.granted_items,
        granted_term=granted,
        suspended_by=None if row.suspended_by is None else model.Side(row.suspended_by),
        clock=model.Clock(
            answer_days=row.answer_days,
            filed_day=row.filed_day,
            extension_days=row.extension_days,
            asked_day=row.asked_day,
            supplemented_day=row.supplemented_day,
            extended_day=row.extended_day,
            answered_day=row.answered_day,
            provision_day=row.provision_day,
        ),
        reported_day=row.reported_day,
        revision=row.revision,
        block_number=row.block_number,
    )


def correction_of(row: table.Correction) -> model.Correction:
    """Return the model's correction."""
    return model.Correction(
        id=row.id,
        requester=row.requester,
        provider=row.provider,
        subject=row.subject,
        subject_kind=row.subject_kind,
        items=row.items,
        errors=row.errors,
        state=model.CorrectionState(row.state),
        filed_day=row.filed_day,
        closed_day=row.closed_day,
        revision=row.revision,
        block_number=row.block_number,
    )


def dispute_of(row: table.Dispute) -> model.Dispute:
    """Return the model's dispute."""
    return model.Dispute(
        id=row.id,
        request=row.request,
        requester=row.requester,
        provider=row.provider,
        state=model.DisputeState(row.state),
        superior=row.superior,
        ruling=None if row.ruling is None else model.Ruling(row.ruling),
        revision=row.revision,
        block_number=row.block_number,
    )


def consent_of(row: table.Consent) -> model.Consent:
    """Return the model's consent."""
    return model.Consent(
        id=row.id,
        grant=row.grant,
        provider=row.provider,
        third_party=row.third_party,
        third_party_kind=row.third_party_kind,
        items=row.items,
        valid_until=row.valid_until,
        purpose=row.purpose,
        state=model.ConsentState(row.state),
        revision=row.revision,
        block_number=row.block_number,
    )


def log_of(row: table.Log) -> model.Log:
    """Return the model's log."""
    return model.Log(row.id, row.gateway_key, row.origin, row.revision, row.block_number)


def anchor_of(row: table.Anchor) -> model.Anchor:
    """Return the model's anchor."""
    return model.Anchor(
        log=row.log,
        size=row.size,
        root=row.root,
        signature=Signature.from_bytes(row.signature),
        block_number=row.block_number,
        block_time=row.block_time,
    )
