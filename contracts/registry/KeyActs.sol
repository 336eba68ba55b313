// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyState, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryState} from "./RegistryState.sol";

/// @title The life of a key
/// @notice Rotated, suspended, resumed, revoked, bound to a certificate (docs/protocol.md 3.4).
abstract contract KeyActs is RegistryState {
    using ActBytes for bytes;

    /// @notice The act KeyRevoked, which is its own proof (docs/protocol.md 3.2)
    event KeyRevoked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act KeyRotated, which is its own proof (docs/protocol.md 3.2)
    event KeyRotated(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act KeySuspended, which is its own proof (docs/protocol.md 3.2)
    event KeySuspended(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act KeyResumed, which is its own proof (docs/protocol.md 3.2)
    event KeyResumed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act CertificateBound, which is its own proof (docs/protocol.md 3.2)
    event CertificateBound(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    uint256 private constant MAX_SERIAL = type(uint160).max;

    function _keyRevoked(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _stoppableKey(step);
        if (key.generation != person.generation || key.state == KeyState.REVOKED) {
            revert StateInvalid();
        }
        _requireRange(m, ActTypes.KEY_REVOKED_REASON_CODE, 1, 4);
        key.state = KeyState.REVOKED;
        _stopCounting(person);
        return (KeyRevoked.selector, step.target, ++key.revision);
    }

    function _keySuspended(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _stoppableKey(step);
        if (key.generation != person.generation || key.state != KeyState.ACTIVE) {
            revert StateInvalid();
        }
        _requireRange(m, ActTypes.KEY_SUSPENDED_REASON_CODE, 2, 4);
        key.state = KeyState.SUSPENDED;
        _stopCounting(person);
        return (KeySuspended.selector, step.target, ++key.revision);
    }

    function _keyResumed(Step memory step) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _openKey(step);
        if (_isAuthority(person)) revert AuthorityKeyProtected(step.target);
        _requireHeadOf(step, person.department);
        if (key.generation != person.generation || key.state != KeyState.SUSPENDED) {
            revert StateInvalid();
        }
        key.state = KeyState.ACTIVE;
        return (KeyResumed.selector, step.target, ++key.revision);
    }

    function _keyRotated(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _openKey(step);
        if (step.signers[0].keyId != step.target) revert NotOwnKey(step.target);
        if (person.roles == 0) revert StateInvalid();
        uint256 until = _newEnd(m, ActTypes.KEY_ROTATED_VALID_UNTIL);
        _requireValue(until == 0 || !_isAuthority(person), ActTypes.KEY_ROTATED_VALID_UNTIL);
        key.state = KeyState.REVOKED;
        _putKey(m, step, key.person, ActTypes.KEY_ROTATED_KEY_X, until);
        return (KeyRotated.selector, step.target, ++key.revision);
    }

    function _certificateBound(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _openKey(step);
        bool isAuthority = _isAuthority(person);
        if (!isAuthority) _requireHeadOf(step, person.department);
        else if (step.signers[0].keyId != step.target) revert AuthorityKeyProtected(step.target);
        if (key.generation != person.generation || key.state == KeyState.REVOKED) {
            revert StateInvalid();
        }
        _requireNonzero(m, ActTypes.CERTIFICATE_BOUND_ISSUER);
        _requireRange(m, ActTypes.CERTIFICATE_BOUND_SERIAL, 1, MAX_SERIAL);
        _requireNonzero(m, ActTypes.CERTIFICATE_BOUND_CERTIFICATE);
        uint256 until = m.get(ActTypes.CERTIFICATE_BOUND_NOT_AFTER);
        _requireValue(until > block.timestamp, ActTypes.CERTIFICATE_BOUND_NOT_AFTER);
        // Time alone must never take the city's authority away: its keys end by acts.
        key.certificateUntil = isAuthority ? 0 : uint64(until);
        return (CertificateBound.selector, step.target, ++key.revision);
    }

    /// @dev The key that an act changes, and its person.
    function _openKey(
        Step memory step
    ) internal view returns (Key storage key, Person storage person) {
        key = keys[step.target];
        _requireTarget(step, key.revision);
        person = persons[key.person];
    }

    /// @dev A key that the actor may stop: its head, or itself; an authority person's key only by
    /// itself and only while more keys than the threshold are left.
    function _stoppableKey(
        Step memory step
    ) private view returns (Key storage key, Person storage person) {
        (key, person) = _openKey(step);
        bool own = step.signers[0].keyId == step.target;
        if (_isAuthority(person) && (!own || activeAuthorityKeys <= threshold)) {
            revert AuthorityKeyProtected(step.target);
        }
        if (!own) _requireHeadOf(step, person.department);
    }

    function _stopCounting(Person storage person) private {
        if (!person.hasActiveKey) return;
        person.hasActiveKey = false;
        activeAuthorityKeys--;
    }
}
