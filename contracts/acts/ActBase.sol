// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISm} from "../sm/ISm.sol";
import {ActBytes, KeyRecord, KeyState, Sig, Signer, Step} from "./Act.sol";
import {ActTypes} from "./ActTypes.sol";

/// @title What every contract that accepts acts checks first
/// @notice The one way in: `act`. Authority comes from SM2 signatures alone; who sends the
/// transaction does not matter. The order of checks is that of docs/protocol.md 3.3.
abstract contract ActBase {
    using ActBytes for bytes;

    error ActMalformed();
    error WrongChain(uint64 chainId);
    error WrongContract(address contractAddress);
    error ActTypeUnknown(uint32 code);
    error ActExpired(uint64 expiresAt);
    error ExpiryTooFar(uint64 expiresAt);
    error SignatureCount(uint256 expected);
    error ActorMismatch();
    error NonceMismatch(uint64 expected);
    error KeyUnknown(bytes32 keyId);
    error KeyNotActive(bytes32 keyId);
    error KeyExpired(bytes32 keyId);
    error KeyTaken(bytes32 keyId);
    error SignatureInvalid(bytes32 keyId);
    error SignerRepeated(bytes32 person);
    error TargetUnknown(bytes32 target);
    error StaleRevision(uint64 current);
    error RoleMissing(uint256 role);
    error DepartmentMismatch(bytes32 department);
    error StateInvalid();
    error ValueInvalid(uint32 code, uint256 index);

    uint256 internal constant MAX_LIFETIME = 30 days;
    uint256 internal constant MAX_SIGNATURES = 8;

    ISm internal immutable SM;

    /// @notice Number of acts of a key that this contract has accepted
    mapping(bytes32 keyId => uint64 count) public nonces;

    constructor(ISm sm_) {
        SM = sm_;
    }

    /// @notice Check an act and record it
    /// @param m The act's bytes
    /// @param signatures Its signatures, the actor's first
    function act(bytes calldata m, Sig[] calldata signatures) external {
        Step memory step;
        uint256 layout = _checkForm(m, signatures, step);
        _checkSigners(m, signatures, layout, step);
        (bytes32 topic, bytes32 target, uint64 revision) = _apply(m, step);
        nonces[signatures[0].keyId]++;
        bytes memory data = abi.encode(revision, m, signatures);
        bytes32 actId = step.actId;
        // All events have one shape; only the topic differs.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            log3(add(data, 32), mload(data), topic, actId, target)
        }
    }

    /// @notice SM2 and SM3
    function sm() public view virtual returns (ISm) {
        return SM;
    }

    /// @dev The layout of an act type that this contract accepts, zero for any other.
    function _layoutOf(uint32 code) internal pure virtual returns (uint256);

    /// @dev What the registry knows of a key; person is zero for an unknown one.
    function _keyRecord(bytes32 keyId) internal view virtual returns (KeyRecord memory);

    /// @dev How many authority persons sign an act of weight.
    function _threshold() internal view virtual returns (uint256);

    /// @notice Check the type's own rules and change the state.
    /// @return topic The event's signature hash
    /// @return target What was created or changed
    /// @return revision Its new revision
    function _apply(
        bytes calldata m,
        Step memory step
    ) internal virtual returns (bytes32 topic, bytes32 target, uint64 revision);

    function _checkForm(
        bytes calldata m,
        Sig[] calldata signatures,
        Step memory step
    ) private view returns (uint256 layout) {
        if (
            m.length < ActBytes.HEADER ||
            m.length > ActBytes.MAX_SIZE ||
            m.length % 32 != 0 ||
            bytes8(m[:8]) != ActBytes.TAG
        ) revert ActMalformed();
        uint256 first = m.word(0);
        uint64 chainId = uint64(first >> 128);
        if (chainId != block.chainid) revert WrongChain(chainId);
        uint256 second = m.word(32);
        address contractAddress = address(uint160(second >> 96));
        if (contractAddress != address(this)) revert WrongContract(contractAddress);
        step.code = uint32(second >> 64);
        layout = _layoutOf(step.code);
        if (layout == 0) revert ActTypeUnknown(step.code);
        if (m.length != ActBytes.HEADER + 32 * (layout >> 248) || !m.fits(layout)) {
            revert ActMalformed();
        }
        uint64 expiresAt = uint64(first);
        if (block.timestamp > expiresAt) revert ActExpired(expiresAt);
        if (expiresAt > block.timestamp + MAX_LIFETIME) revert ExpiryTooFar(expiresAt);
        uint256 count = (layout >> 240) & 0xff;
        if ((layout >> 232) & 0xff == 1) count += _threshold() - 1;
        if (signatures.length != count || count > MAX_SIGNATURES) revert SignatureCount(count);
        if (m.word(64) != uint256(signatures[0].keyId)) revert ActorMismatch();
        uint64 nonce = nonces[signatures[0].keyId];
        if (uint64(first >> 64) != nonce) revert NonceMismatch(nonce);
        step.revision = uint64(second);
        step.target = bytes32(m.word(96));
    }

    function _checkSigners(
        bytes calldata m,
        Sig[] calldata signatures,
        uint256 layout,
        Step memory step
    ) private view {
        uint256 keyWord = (layout >> 224) & 0xff;
        uint256 known = signatures.length;
        KeyRecord[] memory keys = new KeyRecord[](known);
        if (keyWord != 0xff) known--;
        step.signers = new Signer[](known);
        for (uint256 i = 0; i < known; i++) {
            bytes32 keyId = signatures[i].keyId;
            keys[i] = _keyRecord(keyId);
            if (keys[i].person == 0) revert KeyUnknown(keyId);
            _requireActive(keyId, keys[i].state);
            step.signers[i] = Signer(keyId, keys[i].person, keys[i].department, keys[i].roles);
        }
        if (keyWord != 0xff) {
            KeyRecord memory added = keys[known];
            added.x = m.word(ActBytes.HEADER + 32 * keyWord);
            added.y = m.word(ActBytes.HEADER + 32 * keyWord + 32);
            step.newKey = SM.keyId(added.x, added.y);
            if (_keyRecord(step.newKey).person != 0) revert KeyTaken(step.newKey);
            if (signatures[known].keyId != step.newKey) revert KeyUnknown(signatures[known].keyId);
        }
        for (uint256 i = 0; i < signatures.length; i++) {
            Sig calldata one = signatures[i];
            (bytes32 e, bool valid) = SM.verifyMessage(
                one.keyId,
                m,
                one.r,
                one.s,
                keys[i].x,
                keys[i].y
            );
            if (!valid) revert SignatureInvalid(one.keyId);
            if (i == 0) step.actId = e;
        }
        for (uint256 i = 1; i < known; i++) {
            for (uint256 j = 0; j < i; j++) {
                if (keys[i].person == keys[j].person) revert SignerRepeated(keys[i].person);
            }
        }
    }

    /// @dev A signature counts by the key's state at the time of the block that records it.
    function _requireActive(bytes32 keyId, KeyState state) internal pure {
        if (state == KeyState.EXPIRED) revert KeyExpired(keyId);
        if (state != KeyState.ACTIVE) revert KeyNotActive(keyId);
    }

    /// @dev For an act that creates something: it names no target, and the id is free by its making.
    function _requireNew(Step memory step) internal pure {
        if (step.target != 0) revert TargetUnknown(step.target);
        _requireRevision(step, 0);
    }

    function _requireRevision(Step memory step, uint64 current) internal pure {
        if (step.revision != current) revert StaleRevision(current);
    }

    /// @dev For an act on something that exists: its revision is above zero.
    function _requireTarget(Step memory step, uint64 current) internal pure {
        if (current == 0) revert TargetUnknown(step.target);
        _requireRevision(step, current);
    }

    function _requireRole(Step memory step, uint256 index, uint256 role) internal pure {
        if (step.signers[index].roles & role == 0) revert RoleMissing(role);
    }

    function _requireDepartment(Step memory step, uint256 index, bytes32 wanted) internal pure {
        if (step.signers[index].department != wanted) revert DepartmentMismatch(wanted);
    }

    /// @dev On which side of a suspension the actor stands: 2 the authority, 1 the provider.
    function _side(Step memory step, bytes32 provider) internal pure returns (uint8) {
        if (step.signers[0].roles & ActTypes.ROLE_AUTHORITY != 0) return 2;
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, provider);
        return 1;
    }

    function _requireValue(bool ok, uint256 field) internal pure {
        if (!ok) revert ValueInvalid(uint32(field >> 32), (field >> 24) & 0xff);
    }

    function _requireRange(
        bytes calldata m,
        uint256 field,
        uint256 low,
        uint256 high
    ) internal pure {
        uint256 value = m.get(field);
        _requireValue(value >= low && value <= high, field);
    }

    function _requireNonzero(bytes calldata m, uint256 field) internal pure {
        _requireValue(m.get(field) != 0, field);
    }
}
