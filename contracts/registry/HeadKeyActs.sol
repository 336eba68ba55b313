// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyState, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {AuthorityActs} from "./AuthorityActs.sol";

/// @title The replacement of a head's keys, with delay and objection
/// @notice So that a lost key is no dead end, and the authority still cannot speak for a department
/// unseen (docs/protocol.md 3.4).
abstract contract HeadKeyActs is AuthorityActs {
    using ActBytes for bytes;

    error ReplacementTooEarly(uint64 readyAt);

    /// @notice The act HeadKeyProposed, which is its own proof (docs/protocol.md 3.2)
    event HeadKeyProposed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act HeadKeyObjected, which is its own proof (docs/protocol.md 3.2)
    event HeadKeyObjected(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act HeadKeyReplaced, which is its own proof (docs/protocol.md 3.2)
    event HeadKeyReplaced(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    struct HeadKeyProposal {
        uint256 x;
        uint256 y;
        bytes32 keyId;
        uint64 validUntil;
        uint64 readyAt;
    }

    /// @dev A proposal that nobody carries out for so long behind its delay has lapsed.
    uint256 private constant REPLACEMENT_WINDOW = 30 days;

    uint256 private immutable REPLACEMENT_DELAY;

    /// @notice Pending proposal by head; readyAt is zero where there is none
    mapping(bytes32 person => HeadKeyProposal proposal) public proposals;

    constructor(uint256 replacementDelay_) {
        REPLACEMENT_DELAY = replacementDelay_;
    }

    /// @notice Seconds between the proposal of a head's key and its replacement, at least
    function replacementDelay() external view returns (uint256) {
        return REPLACEMENT_DELAY;
    }

    function _headKeyProposed(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        Person storage person = persons[step.target];
        _requireTarget(step, person.revision);
        _requireAuthority(step);
        if (person.roles & ActTypes.ROLE_HEAD == 0 || _isPending(proposals[step.target])) {
            revert StateInvalid();
        }
        uint256 readyAt = block.timestamp + REPLACEMENT_DELAY;
        uint256 until = m.get(ActTypes.HEAD_KEY_PROPOSED_VALID_UNTIL);
        _requireValue(until == 0 || until > readyAt, ActTypes.HEAD_KEY_PROPOSED_VALID_UNTIL);
        _requireRange(m, ActTypes.HEAD_KEY_PROPOSED_REASON_CODE, 2, 4);
        proposals[step.target] = HeadKeyProposal(
            m.get(ActTypes.HEAD_KEY_PROPOSED_KEY_X),
            m.get(ActTypes.HEAD_KEY_PROPOSED_KEY_Y),
            step.newKey,
            uint64(until),
            uint64(readyAt)
        );
        return (HeadKeyProposed.selector, step.target, ++person.revision);
    }

    function _headKeyObjected(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        Person storage person = persons[step.target];
        _requireTarget(step, person.revision);
        _requireHeadOf(step, person.department);
        _requirePending(m, step.target, ActTypes.HEAD_KEY_OBJECTED_KEY);
        delete proposals[step.target];
        return (HeadKeyObjected.selector, step.target, ++person.revision);
    }

    function _headKeyReplaced(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        Person storage person = persons[step.target];
        _requireTarget(step, person.revision);
        _requireAuthority(step);
        HeadKeyProposal memory proposal = _requirePending(
            m,
            step.target,
            ActTypes.HEAD_KEY_REPLACED_KEY
        );
        if (block.timestamp < proposal.readyAt) revert ReplacementTooEarly(proposal.readyAt);
        if (keys[proposal.keyId].person != 0) revert KeyTaken(proposal.keyId);
        if (_isPast(proposal.validUntil)) revert KeyExpired(proposal.keyId);
        delete proposals[step.target];
        keys[proposal.keyId] = Key(
            proposal.x,
            proposal.y,
            step.target,
            1,
            proposal.validUntil,
            0,
            ++person.generation,
            KeyState.ACTIVE
        );
        return (HeadKeyReplaced.selector, step.target, ++person.revision);
    }

    function _requirePending(
        bytes calldata m,
        bytes32 person,
        uint256 keyField
    ) private view returns (HeadKeyProposal memory proposal) {
        if (!_isPending(proposals[person])) revert StateInvalid();
        proposal = proposals[person];
        _requireValue(bytes32(m.get(keyField)) == proposal.keyId, keyField);
    }

    function _isPending(HeadKeyProposal storage proposal) private view returns (bool) {
        uint256 readyAt = proposal.readyAt;
        return readyAt != 0 && block.timestamp <= readyAt + REPLACEMENT_WINDOW;
    }
}
