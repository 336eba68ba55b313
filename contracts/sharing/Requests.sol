// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IInterfaces, InterfaceView} from "../interfaces/IInterfaces.sol";
import {Deadlines} from "../registry/Deadlines.sol";
import {ICalendar} from "../registry/ICalendar.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {IRequests, RequestState, RequestView} from "./IRequests.sol";

/// @title Sharing chain
/// @notice Requests for data and the grants that they become (docs/protocol.md 3.4).
contract Requests is RegistryUser, IRequests {
    using ActBytes for bytes;

    error InterfaceNotLive(bytes32 id);
    error OwnData(bytes32 department);
    error VersionNotCurrent(uint32 current);
    error ItemsNotCovered(uint256 items, uint256 covered);
    error SuspendedByOther();

    /// @notice The act RequestFiled, which is its own proof (docs/protocol.md 3.2)
    event RequestFiled(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestAgreed, which is its own proof (docs/protocol.md 3.2)
    event RequestAgreed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestRefused, which is its own proof (docs/protocol.md 3.2)
    event RequestRefused(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantSuspended, which is its own proof (docs/protocol.md 3.2)
    event GrantSuspended(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantResumed, which is its own proof (docs/protocol.md 3.2)
    event GrantResumed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantRevoked, which is its own proof (docs/protocol.md 3.2)
    event GrantRevoked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act SupplementAsked, which is its own proof (docs/protocol.md 3.2)
    event SupplementAsked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestSupplemented, which is its own proof (docs/protocol.md 3.2)
    event RequestSupplemented(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestExtended, which is its own proof (docs/protocol.md 3.2)
    event RequestExtended(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestWithdrawn, which is its own proof (docs/protocol.md 3.2)
    event RequestWithdrawn(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DataProvided, which is its own proof (docs/protocol.md 3.2)
    event DataProvided(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantRenewed, which is its own proof (docs/protocol.md 3.2)
    event GrantRenewed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act UseReported, which is its own proof (docs/protocol.md 3.2)
    event UseReported(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DataDisposed, which is its own proof (docs/protocol.md 3.2)
    event DataDisposed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    struct Request {
        bytes32 requester;
        bytes32 provider;
        bytes32 interfaceId;
        uint64 revision;
        RequestState state;
        uint8 suspendedBy;
        // The clock of the answer: working days from the day of filing, and what changes it.
        uint8 answerDays;
        uint8 extensionDays;
        uint32 filedDay;
        uint32 askedDay;
        uint32 supplementedDay;
        uint32 extendedDay;
        uint32 answeredDay;
        // Asked for while FILED, granted from AGREED on.
        uint256 items;
        uint64 validFrom;
        uint64 validUntil;
        uint64 quota;
        // Day on which the data were provided, or the grant ended before.
        uint32 provisionDay;
        // Last day that a use report covers.
        uint24 reportedDay;
        // How the data are to be provided (Art 20).
        uint8 way;
    }

    uint256 private constant UNCONDITIONAL = 1;
    uint256 private constant CAUSE_PURPOSE_ENDED = 4;
    uint256 private constant MAX_WAY = 3;

    /// @notice Interface chain
    IInterfaces public immutable INTERFACES;
    /// @notice Working days
    ICalendar public immutable CALENDAR;
    /// @notice Whether the clock of the answer stands still until the supplement arrives
    bool public immutable SUPPLEMENT_STOPS_CLOCK;

    /// @notice Requests by id; items and term are those asked for until it is agreed, then those
    /// granted
    mapping(bytes32 id => Request request) public requests;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param interfaces_ Interface chain
    /// @param calendar_ Working days
    /// @param supplementStopsClock_ Order 809 leaves it open; see SUPPLEMENT_STOPS_CLOCK
    constructor(
        IRegistry registry_,
        IInterfaces interfaces_,
        ICalendar calendar_,
        bool supplementStopsClock_
    ) RegistryUser(registry_) {
        INTERFACES = interfaces_;
        CALENDAR = calendar_;
        SUPPLEMENT_STOPS_CLOCK = supplementStopsClock_;
    }

    /// @inheritdoc IRequests
    function requestView(bytes32 id) external view override returns (RequestView memory) {
        Request storage request = requests[id];
        RequestState state = request.state;
        return
            RequestView(
                request.requester,
                request.provider,
                request.items,
                request.validUntil,
                state,
                _isInForce(state) ||
                    state == RequestState.SUSPENDED ||
                    state == RequestState.REVOKED ||
                    state == RequestState.DISPOSED
            );
    }

    /// @inheritdoc IRequests
    function isLive(bytes32 id, uint64 time) external view override returns (bool) {
        Request storage request = requests[id];
        return
            _isInForce(request.state) &&
            request.validFrom <= time &&
            time <= request.validUntil &&
            REGISTRY.departmentView(request.requester).live &&
            INTERFACES.interfaceView(request.interfaceId).live;
    }

    /// @inheritdoc IRequests
    function effectiveItems(bytes32 id) external view override returns (uint256) {
        Request storage request = requests[id];
        if (!_isInForce(request.state) && request.state != RequestState.SUSPENDED) return 0;
        return request.items & INTERFACES.interfaceView(request.interfaceId).effectiveItems;
    }

    /// @notice Whether the provider is or was late, as seen from a day
    /// @param id The request
    /// @param day The day; what happened after it counts as not done yet
    /// @return answer Late to agree or refuse (Art 21)
    /// @return provision Late to provide (Art 22)
    function isLate(bytes32 id, uint32 day) external view returns (bool answer, bool provision) {
        Request storage request = requests[id];
        answer = _isBehind(answerDue(id), request.answeredDay, day);
        provision = _isBehind(provideDue(id), request.provisionDay, day);
    }

    /// @notice Last day on which the answer is in time (Art 21)
    /// @param id The request
    /// @return due Zero while the clock stands still. A notice or an extension that came when the
    /// answer was late already changes nothing. The days from the notice to the supplement, both
    /// included, are not counted.
    function answerDue(bytes32 id) public view returns (uint32 due) {
        Request storage request = _get(id);
        uint32 filed = request.filedDay;
        uint32 count = request.answerDays;
        uint32 extension = request.extensionDays;
        due = CALENDAR.dueDay(filed, count);
        if (extension != 0 && request.extendedDay <= due) {
            count += extension;
            extension = 0;
            due = CALENDAR.dueDay(filed, count);
        }
        uint32 asked = request.askedDay;
        if (asked == 0 || asked > due || !SUPPLEMENT_STOPS_CLOCK) return due;
        uint32 supplemented = request.supplementedDay;
        if (supplemented == 0) return 0;
        uint32 used = asked == filed ? 0 : CALENDAR.workingDays(filed, asked - 1);
        due = CALENDAR.dueDay(supplemented, count - used);
        if (extension != 0 && request.extendedDay <= due) {
            due = CALENDAR.dueDay(supplemented, count - used + extension);
        }
    }

    /// @notice Last day on which the data are provided in time (Art 22)
    /// @param id The request
    /// @return due Zero unless the request was agreed
    function provideDue(bytes32 id) public view returns (uint32 due) {
        Request storage request = _get(id);
        RequestState state = request.state;
        // A refusal and a withdrawal are answers too; the others wait for one.
        if (
            request.answeredDay == 0 ||
            state == RequestState.REFUSED ||
            state == RequestState.WITHDRAWN
        ) return 0;
        return CALENDAR.dueDay(request.answeredDay, Deadlines.PROVISION);
    }

    function _get(bytes32 id) private view returns (Request storage request) {
        request = requests[id];
        if (request.revision == 0) revert TargetUnknown(id);
    }

    function _isBehind(uint32 due, uint32 done, uint32 day) private pure returns (bool) {
        if (done != 0 && done < day) day = done;
        return due != 0 && day > due;
    }

    function _isInForce(RequestState state) private pure returns (bool) {
        return state == RequestState.AGREED || state == RequestState.PROVIDED;
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.requestsLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32 topic, bytes32 target, uint64 revision) {
        if (step.code == ActTypes.REQUEST_FILED) return _requestFiled(m, step);
        Request storage request = requests[step.target];
        _requireTarget(step, request.revision);
        if (step.code == ActTypes.REQUEST_AGREED) topic = _requestAgreed(m, step, request);
        else if (step.code == ActTypes.REQUEST_REFUSED) topic = _requestRefused(m, step, request);
        else if (step.code == ActTypes.GRANT_SUSPENDED) topic = _grantSuspended(m, step, request);
        else if (step.code == ActTypes.GRANT_RESUMED) topic = _grantResumed(step, request);
        else if (step.code == ActTypes.GRANT_REVOKED) topic = _grantRevoked(m, step, request);
        else if (step.code == ActTypes.SUPPLEMENT_ASKED) topic = _supplementAsked(m, step, request);
        else if (step.code == ActTypes.REQUEST_SUPPLEMENTED) {
            topic = _requestSupplemented(m, step, request);
        } else if (step.code == ActTypes.REQUEST_EXTENDED) {
            topic = _requestExtended(m, step, request);
        } else if (step.code == ActTypes.REQUEST_WITHDRAWN) {
            topic = _requestWithdrawn(step, request);
        } else if (step.code == ActTypes.DATA_PROVIDED) topic = _dataProvided(m, step, request);
        else if (step.code == ActTypes.GRANT_RENEWED) topic = _grantRenewed(m, step, request);
        else if (step.code == ActTypes.USE_REPORTED) topic = _useReported(m, step, request);
        else topic = _dataDisposed(m, step, request);
        return (topic, step.target, ++request.revision);
    }

    function _requestFiled(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        bytes32 requester = step.signers[0].department;
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRole(step, 1, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 1, requester);
        InterfaceView memory one = _requireAsked(m, step.code, requester);
        Request storage request = requests[step.actId];
        request.requester = requester;
        request.provider = one.department;
        request.interfaceId = bytes32(m.get(ActTypes.REQUEST_FILED_INTERFACE));
        request.revision = 1;
        request.answerDays = uint8(
            one.sharingClass == UNCONDITIONAL
                ? Deadlines.ANSWER_UNCONDITIONAL
                : Deadlines.ANSWER_CONDITIONAL
        );
        request.filedDay = Deadlines.today();
        _keepAsked(m, request);
        return (RequestFiled.selector, step.actId, 1);
    }

    function _requestSupplemented(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        bytes32 requester = request.requester;
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRole(step, 1, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, requester);
        _requireDepartment(step, 1, requester);
        if (request.state != RequestState.SUPPLEMENT) revert StateInvalid();
        _requireValue(
            bytes32(m.get(ActTypes.REQUEST_SUPPLEMENTED_INTERFACE)) == request.interfaceId,
            ActTypes.REQUEST_SUPPLEMENTED_INTERFACE
        );
        _requireAsked(m, step.code, requester);
        request.supplementedDay = Deadlines.today();
        _keepAsked(m, request);
        return RequestSupplemented.selector;
    }

    /// @dev What a request states, when it is filed and when it is supplemented: the words of the
    /// two act types are the same, and so is the place of their fields.
    function _requireAsked(
        bytes calldata m,
        uint32 code,
        bytes32 requester
    ) private view returns (InterfaceView memory one) {
        bytes32 interfaceId = bytes32(m.get(ActTypes.REQUEST_FILED_INTERFACE));
        one = INTERFACES.interfaceView(interfaceId);
        if (!one.live) revert InterfaceNotLive(interfaceId);
        if (one.department == requester) revert OwnData(requester);
        if (m.get(ActTypes.REQUEST_FILED_INTERFACE_VERSION) != one.version) {
            revert VersionNotCurrent(one.version);
        }
        uint256 until = m.get(ActTypes.REQUEST_FILED_VALID_UNTIL);
        _requireValue(
            m.get(ActTypes.REQUEST_FILED_VALID_FROM) <= until && until > block.timestamp,
            _of(ActTypes.REQUEST_FILED_VALID_UNTIL, code)
        );
        _requireNonzero(m, _of(ActTypes.REQUEST_FILED_QUOTA, code));
        _requireRange(m, _of(ActTypes.REQUEST_FILED_WAY, code), 1, MAX_WAY);
        _requireNonzero(m, _of(ActTypes.REQUEST_FILED_ITEMS, code));
        _requireNonzero(m, _of(ActTypes.REQUEST_FILED_LEGAL_BASIS, code));
        _requireNonzero(m, _of(ActTypes.REQUEST_FILED_SCENARIO, code));
        _requireNonzero(m, _of(ActTypes.REQUEST_FILED_CASE, code));
        uint256 items = m.get(ActTypes.REQUEST_FILED_ITEMS);
        if (items & ~one.items != 0) revert ItemsNotCovered(items, one.items);
    }

    function _of(uint256 field, uint32 code) private pure returns (uint256) {
        return (uint256(code) << 32) | uint32(field);
    }

    function _keepAsked(bytes calldata m, Request storage request) private {
        request.state = RequestState.FILED;
        request.items = m.get(ActTypes.REQUEST_FILED_ITEMS);
        request.validFrom = uint64(m.get(ActTypes.REQUEST_FILED_VALID_FROM));
        request.validUntil = uint64(m.get(ActTypes.REQUEST_FILED_VALID_UNTIL));
        request.quota = uint64(m.get(ActTypes.REQUEST_FILED_QUOTA));
        request.way = uint8(m.get(ActTypes.REQUEST_FILED_WAY));
    }

    function _requestAgreed(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireFiledToActor(step, request);
        InterfaceView memory one = INTERFACES.interfaceView(request.interfaceId);
        if (!one.live) revert InterfaceNotLive(request.interfaceId);
        _requireNonzero(m, ActTypes.REQUEST_AGREED_ITEMS);
        uint256 from = m.get(ActTypes.REQUEST_AGREED_VALID_FROM);
        uint256 until = m.get(ActTypes.REQUEST_AGREED_VALID_UNTIL);
        _requireValue(from >= request.validFrom, ActTypes.REQUEST_AGREED_VALID_FROM);
        _requireValue(
            from <= until && until <= request.validUntil,
            ActTypes.REQUEST_AGREED_VALID_UNTIL
        );
        _requireRange(m, ActTypes.REQUEST_AGREED_QUOTA, 1, request.quota);
        uint256 items = m.get(ActTypes.REQUEST_AGREED_ITEMS);
        uint256 covered = request.items & one.effectiveItems;
        if (items & ~covered != 0) revert ItemsNotCovered(items, covered);
        request.state = RequestState.AGREED;
        request.answeredDay = Deadlines.today();
        request.items = items;
        request.validFrom = uint64(from);
        request.validUntil = uint64(until);
        request.quota = uint64(m.get(ActTypes.REQUEST_AGREED_QUOTA));
        return RequestAgreed.selector;
    }

    function _requestRefused(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireFiledToActor(step, request);
        _requireNonzero(m, ActTypes.REQUEST_REFUSED_REASON);
        request.state = RequestState.REFUSED;
        request.answeredDay = Deadlines.today();
        return RequestRefused.selector;
    }

    function _supplementAsked(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireFiledToActor(step, request);
        // One single notice of everything that is missing (Art 21).
        if (request.askedDay != 0) revert StateInvalid();
        _requireNonzero(m, ActTypes.SUPPLEMENT_ASKED_MISSING);
        request.state = RequestState.SUPPLEMENT;
        request.askedDay = Deadlines.today();
        return SupplementAsked.selector;
    }

    function _requestExtended(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireRole(step, 1, ActTypes.ROLE_AUTHORITY);
        _requireDepartment(step, 0, request.provider);
        if (request.state != RequestState.FILED || request.extensionDays != 0) {
            revert StateInvalid();
        }
        _requireRange(
            m,
            ActTypes.REQUEST_EXTENDED_EXTENSION_DAYS,
            1,
            Deadlines.ANSWER_EXTENSION
        );
        _requireNonzero(m, ActTypes.REQUEST_EXTENDED_REASON);
        request.extensionDays = uint8(m.get(ActTypes.REQUEST_EXTENDED_EXTENSION_DAYS));
        request.extendedDay = Deadlines.today();
        return RequestExtended.selector;
    }

    function _requestWithdrawn(
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireOfficer(step, request.requester);
        if (request.state != RequestState.FILED && request.state != RequestState.SUPPLEMENT) {
            revert StateInvalid();
        }
        request.state = RequestState.WITHDRAWN;
        request.answeredDay = Deadlines.today();
        return RequestWithdrawn.selector;
    }

    function _dataProvided(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireOfficer(step, request.provider);
        if (request.state != RequestState.AGREED) revert StateInvalid();
        _requireRange(m, ActTypes.DATA_PROVIDED_WAY, request.way, request.way);
        request.state = RequestState.PROVIDED;
        request.provisionDay = Deadlines.today();
        return DataProvided.selector;
    }

    function _grantRenewed(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireRole(step, 1, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, request.requester);
        _requireDepartment(step, 1, request.provider);
        if (!_isInForce(request.state)) revert StateInvalid();
        if (!INTERFACES.interfaceView(request.interfaceId).live) {
            revert InterfaceNotLive(request.interfaceId);
        }
        uint256 until = m.get(ActTypes.GRANT_RENEWED_VALID_UNTIL);
        _requireValue(
            until >= request.validUntil && until > block.timestamp,
            ActTypes.GRANT_RENEWED_VALID_UNTIL
        );
        uint256 quota = m.get(ActTypes.GRANT_RENEWED_QUOTA);
        _requireValue(quota >= request.quota, ActTypes.GRANT_RENEWED_QUOTA);
        _requireNonzero(m, ActTypes.GRANT_RENEWED_CASE);
        request.validUntil = uint64(until);
        request.quota = uint64(quota);
        return GrantRenewed.selector;
    }

    function _grantSuspended(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        uint8 side = _side(step, request.provider);
        if (!_isInForce(request.state)) revert StateInvalid();
        _requireNonzero(m, ActTypes.GRANT_SUSPENDED_REASON);
        // Service does not stop without cause (Art 27).
        _requireRange(m, ActTypes.GRANT_SUSPENDED_CAUSE, 1, CAUSE_PURPOSE_ENDED - 1);
        request.state = RequestState.SUSPENDED;
        request.suspendedBy = side;
        return GrantSuspended.selector;
    }

    function _grantResumed(
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        uint8 side = _side(step, request.provider);
        if (request.state != RequestState.SUSPENDED) revert StateInvalid();
        if (request.suspendedBy != side) revert SuspendedByOther();
        request.state = request.provisionDay == 0 ? RequestState.AGREED : RequestState.PROVIDED;
        request.suspendedBy = 0;
        return GrantResumed.selector;
    }

    function _grantRevoked(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        bool own = step.signers[0].department == request.requester;
        if (!own) _requireDepartment(step, 0, request.provider);
        if (!_isInForce(request.state) && request.state != RequestState.SUSPENDED) {
            revert StateInvalid();
        }
        _requireNonzero(m, ActTypes.GRANT_REVOKED_REASON);
        // Only the requester says that its purpose has ended, and nothing else.
        uint256 low = own ? CAUSE_PURPOSE_ENDED : 1;
        uint256 high = own ? CAUSE_PURPOSE_ENDED : CAUSE_PURPOSE_ENDED - 1;
        _requireRange(m, ActTypes.GRANT_REVOKED_CAUSE, low, high);
        request.state = RequestState.REVOKED;
        _endProvision(request);
        return GrantRevoked.selector;
    }

    function _useReported(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireDepartment(step, 0, request.requester);
        if (
            !_isInForce(request.state) &&
            request.state != RequestState.SUSPENDED &&
            request.state != RequestState.REVOKED
        ) revert StateInvalid();
        uint256 from = m.get(ActTypes.USE_REPORTED_FROM_DAY);
        uint256 until = m.get(ActTypes.USE_REPORTED_UNTIL_DAY);
        _requireValue(from > request.reportedDay, ActTypes.USE_REPORTED_FROM_DAY);
        _requireValue(
            from <= until && until <= Deadlines.today(),
            ActTypes.USE_REPORTED_UNTIL_DAY
        );
        _requireNonzero(m, ActTypes.USE_REPORTED_REPORT);
        request.reportedDay = uint24(until);
        return UseReported.selector;
    }

    function _dataDisposed(
        bytes calldata m,
        Step memory step,
        Request storage request
    ) private returns (bytes32) {
        _requireOfficer(step, request.requester);
        if (request.state != RequestState.REVOKED) {
            bool ended = block.timestamp > request.validUntil;
            bool granted = _isInForce(request.state) || request.state == RequestState.SUSPENDED;
            if (!granted || !ended) revert StateInvalid();
        }
        _requireNonzero(m, ActTypes.DATA_DISPOSED_DISPOSAL);
        request.state = RequestState.DISPOSED;
        _endProvision(request);
        return DataDisposed.selector;
    }

    /// @dev The provider's duty to provide ends with the grant.
    function _endProvision(Request storage request) private {
        if (request.provisionDay == 0) request.provisionDay = Deadlines.today();
    }

    function _requireOfficer(Step memory step, bytes32 department) private pure {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, department);
    }

    function _requireFiledToActor(Step memory step, Request storage request) private view {
        _requireOfficer(step, request.provider);
        if (request.state != RequestState.FILED) revert StateInvalid();
    }
}
