// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {IRequests, RequestState, RequestView} from "./IRequests.sol";

/// @title Disputes
/// @notice Disputes over refused, suspended and revoked sharing: the parties negotiate, then the
/// authority or a common superior mediates, then the government above both decides
/// (docs/protocol.md 3.4; Order 809 Art 28).
contract Disputes is RegistryUser {
    using ActBytes for bytes;

    error DisputePending(bytes32 dispute);
    error SuperiorWrong(bytes32 superior);
    error OwnDispute(bytes32 department);

    /// @notice The act DisputeOpened, which is its own proof (docs/protocol.md 3.2)
    event DisputeOpened(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DisputeSettled, which is its own proof (docs/protocol.md 3.2)
    event DisputeSettled(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DisputeEscalated, which is its own proof (docs/protocol.md 3.2)
    event DisputeEscalated(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DisputeMediated, which is its own proof (docs/protocol.md 3.2)
    event DisputeMediated(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DisputeDecided, which is its own proof (docs/protocol.md 3.2)
    event DisputeDecided(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        NEGOTIATION,
        AUTHORITY,
        GOVERNMENT,
        DECIDED
    }

    struct Dispute {
        bytes32 request;
        bytes32 requester;
        bytes32 provider;
        bytes32 superior;
        uint64 revision;
        State state;
        // 0 while open; 1 for the requester, 2 for the provider, 3 in part, 4 settled.
        uint8 ruling;
    }

    uint256 private constant MAX_STEPS = 8;
    uint256 private constant MAX_RULING = 3;
    uint8 private constant SETTLED = 4;
    // The authority of this ledger is a city's; it mediates between what is below the city.
    uint8 private constant CITY = 3;

    /// @notice Requests and grants
    IRequests public immutable REQUESTS;

    /// @notice Disputes by id
    mapping(bytes32 id => Dispute dispute) public disputes;
    /// @notice The newest dispute over a request
    mapping(bytes32 request => bytes32 dispute) public newest;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param requests_ Requests and grants
    constructor(IRegistry registry_, IRequests requests_) RegistryUser(registry_) {
        REQUESTS = requests_;
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.disputesLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32 topic, bytes32 target, uint64 revision) {
        if (step.code == ActTypes.DISPUTE_OPENED) return _disputeOpened(m, step);
        Dispute storage dispute = disputes[step.target];
        _requireTarget(step, dispute.revision);
        if (step.code == ActTypes.DISPUTE_SETTLED) topic = _settled(m, step, dispute);
        else if (step.code == ActTypes.DISPUTE_ESCALATED) topic = _escalated(m, step, dispute);
        else if (step.code == ActTypes.DISPUTE_MEDIATED) topic = _mediated(m, step, dispute);
        else topic = _decided(m, step, dispute);
        return (topic, step.target, ++dispute.revision);
    }

    function _disputeOpened(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        bytes32 id = bytes32(m.get(ActTypes.DISPUTE_OPENED_REQUEST));
        RequestView memory request = REQUESTS.requestView(id);
        _requireValue(request.requester != 0, ActTypes.DISPUTE_OPENED_REQUEST);
        _requireDepartment(step, 0, request.requester);
        if (
            request.state != RequestState.REFUSED &&
            request.state != RequestState.SUSPENDED &&
            request.state != RequestState.REVOKED
        ) revert StateInvalid();
        bytes32 former = newest[id];
        if (former != 0 && disputes[former].state != State.DECIDED) revert DisputePending(former);
        _requireNonzero(m, ActTypes.DISPUTE_OPENED_STATEMENT);
        Dispute storage dispute = disputes[step.actId];
        dispute.request = id;
        dispute.requester = request.requester;
        dispute.provider = request.provider;
        dispute.revision = 1;
        dispute.state = State.NEGOTIATION;
        newest[id] = step.actId;
        return (DisputeOpened.selector, step.actId, 1);
    }

    function _settled(
        bytes calldata m,
        Step memory step,
        Dispute storage dispute
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireRole(step, 1, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, dispute.requester);
        _requireDepartment(step, 1, dispute.provider);
        if (dispute.state == State.DECIDED) revert StateInvalid();
        _requireNonzero(m, ActTypes.DISPUTE_SETTLED_TERMS);
        dispute.state = State.DECIDED;
        dispute.ruling = SETTLED;
        return DisputeSettled.selector;
    }

    function _escalated(
        bytes calldata m,
        Step memory step,
        Dispute storage dispute
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        if (step.signers[0].department != dispute.requester) {
            _requireDepartment(step, 0, dispute.provider);
        }
        if (dispute.state != State.NEGOTIATION) revert StateInvalid();
        _requireRange(m, ActTypes.DISPUTE_ESCALATED_REQUESTER_STEPS, 1, MAX_STEPS);
        _requireRange(m, ActTypes.DISPUTE_ESCALATED_PROVIDER_STEPS, 1, MAX_STEPS);
        bytes32 superior = bytes32(m.get(ActTypes.DISPUTE_ESCALATED_SUPERIOR));
        uint256 steps = m.get(ActTypes.DISPUTE_ESCALATED_REQUESTER_STEPS);
        uint256 others = m.get(ActTypes.DISPUTE_ESCALATED_PROVIDER_STEPS);
        bytes32 one = _climb(dispute.requester, steps, superior);
        bytes32 other = _climb(dispute.provider, others, superior);
        // A department above both parties and below this one would be the lower superior.
        if (steps > 1 && others > 1 && one == other) revert SuperiorWrong(superior);
        _requireNonzero(m, ActTypes.DISPUTE_ESCALATED_STATEMENT);
        dispute.superior = superior;
        dispute.state = State.AUTHORITY;
        return DisputeEscalated.selector;
    }

    /// @dev Climb from a party to the superior; the last department below it.
    function _climb(
        bytes32 from,
        uint256 steps,
        bytes32 superior
    ) private view returns (bytes32 below) {
        bytes32 at = from;
        for (uint256 i = 0; i < steps; i++) {
            if (at == 0) revert SuperiorWrong(superior);
            below = at;
            at = REGISTRY.departmentView(at).parent;
        }
        if (at != superior || (at != 0 && !_isThere(at))) revert SuperiorWrong(superior);
    }

    /// @dev Whether there is a superior that can act: one that was named and has not ended.
    function _isThere(bytes32 superior) private view returns (bool) {
        return superior != 0 && REGISTRY.departmentView(superior).live;
    }

    function _mediated(
        bytes calldata m,
        Step memory step,
        Dispute storage dispute
    ) private returns (bytes32) {
        bytes32 superior = dispute.superior;
        if (
            step.signers[0].roles & ActTypes.ROLE_AUTHORITY != 0 &&
            (!_isThere(superior) || REGISTRY.departmentView(superior).level >= CITY)
        ) {
            _requireNoParty(step, dispute);
        } else {
            // Between higher levels, or where the authority is a party: the superior itself.
            _requireRole(step, 0, ActTypes.ROLE_OFFICER);
            _requireDepartment(step, 0, superior);
        }
        if (dispute.state != State.AUTHORITY) revert StateInvalid();
        _requireNonzero(m, ActTypes.DISPUTE_MEDIATED_PROPOSAL);
        dispute.state = State.GOVERNMENT;
        return DisputeMediated.selector;
    }

    function _decided(
        bytes calldata m,
        Step memory step,
        Dispute storage dispute
    ) private returns (bytes32) {
        if (!_isThere(dispute.superior)) {
            _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
            _requireNoParty(step, dispute);
        } else {
            _requireRole(step, 0, ActTypes.ROLE_HEAD);
            _requireDepartment(step, 0, dispute.superior);
        }
        if (dispute.state != State.GOVERNMENT) revert StateInvalid();
        _requireRange(m, ActTypes.DISPUTE_DECIDED_RULING, 1, MAX_RULING);
        _requireNonzero(m, ActTypes.DISPUTE_DECIDED_DECISION);
        dispute.state = State.DECIDED;
        dispute.ruling = uint8(m.get(ActTypes.DISPUTE_DECIDED_RULING));
        return DisputeDecided.selector;
    }

    /// @dev Nobody judges a dispute of the own department.
    function _requireNoParty(Step memory step, Dispute storage dispute) private view {
        bytes32 own = step.signers[0].department;
        if (own == dispute.requester || own == dispute.provider) revert OwnDispute(own);
    }
}
