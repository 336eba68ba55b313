// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyRecord, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {ILogs} from "./ILogs.sol";

/// @title Access logs and their anchors
/// @notice A gateway's checkpoints, each with the gateway's signature verified (docs/protocol.md 4).
contract Logs is RegistryUser, ILogs {
    using ActBytes for bytes;

    error OriginTaken(bytes32 origin);
    error SizeInvalid(uint64 size);
    error SizeShrinks(uint64 latest, uint64 size);
    error RootDiffers(bytes32 latest, bytes32 root);
    error AlreadyAnchored(uint64 size);
    error GatewayMismatch(bytes32 gatewayKey);

    /// @notice The act LogRegistered, which is its own proof (docs/protocol.md 3.2)
    event LogRegistered(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act ParametersDisposed, which is its own proof (docs/protocol.md 3.2)
    event ParametersDisposed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice A checkpoint is on the chain
    event CheckpointAnchored(
        bytes32 indexed log,
        uint64 size,
        bytes32 root,
        uint256 r,
        uint256 s
    );

    struct Log {
        bytes32 gatewayKey;
        bytes32 origin;
        bytes32 root;
        uint64 size;
        uint64 anchoredAt;
        uint64 revision;
    }

    uint64 private constant MAX_SIZE = type(uint64).max >> 1;
    uint256 private constant MAX_ORIGIN = 30;
    uint256 private constant FIRST_PERIOD = 200_000;
    uint256 private constant LAST_PERIOD = 999_912;
    bytes private constant BASE64 =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// @notice Logs by id, with their newest anchor; its time is in unix seconds
    mapping(bytes32 id => Log entry) public logs;
    /// @notice Log of an origin, zero for a free one
    mapping(bytes32 origin => bytes32 id) public origins;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    constructor(IRegistry registry_) RegistryUser(registry_) {}

    /// @notice Anchor a checkpoint; anybody may send it, the gateway's signature counts
    /// @param log The log
    /// @param size Number of records
    /// @param root Root hash of the tree
    /// @param r First half of the gateway's signature on the checkpoint's text
    /// @param s Second half
    function anchor(bytes32 log, uint64 size, bytes32 root, uint256 r, uint256 s) external {
        Log storage entry = logs[log];
        if (entry.revision == 0) revert TargetUnknown(log);
        if (size == 0 || size > MAX_SIZE) revert SizeInvalid(size);
        if (size < entry.size) revert SizeShrinks(entry.size, size);
        if (size == entry.size) {
            if (root != entry.root) revert RootDiffers(entry.root, root);
            revert AlreadyAnchored(size);
        }
        bytes32 keyId = entry.gatewayKey;
        KeyRecord memory key = _keyRecord(keyId);
        _requireActive(keyId, key.state);
        if (key.roles & ActTypes.ROLE_GATEWAY == 0) revert RoleMissing(ActTypes.ROLE_GATEWAY);
        bytes memory text = bytes(checkpointText(entry.origin, size, root));
        (, bool valid) = SM.verifyMessage(keyId, text, r, s, key.x, key.y);
        if (!valid) revert SignatureInvalid(keyId);
        entry.size = size;
        entry.root = root;
        entry.anchoredAt = uint64(block.timestamp);
        emit CheckpointAnchored(log, size, root, r, s);
    }

    /// @inheritdoc ILogs
    function gatewayKey(bytes32 log) external view override returns (bytes32) {
        return logs[log].gatewayKey;
    }

    /// @notice Whether a record is in a log, as of the log's newest anchor. Other contracts can ask,
    /// and nobody need believe the gateway (docs/protocol.md 4).
    /// @dev A proof is for one tree size: after the next anchor it must be fetched again.
    /// @param log The log
    /// @param record Canonical bytes of the access record
    /// @param index Its number in the log, from 0
    /// @param path Inclusion path in the tree of the newest anchor, from the leaf upwards
    /// @return included False also while the log has no anchor
    function isRecordIncluded(
        bytes32 log,
        bytes calldata record,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool included) {
        Log storage entry = logs[log];
        if (entry.revision == 0) revert TargetUnknown(log);
        return SM.isRecordIncluded(record, index, entry.size, path, entry.root);
    }

    /// @notice The text that a gateway signs (docs/protocol.md 6.2)
    /// @param origin Origin line, padded with zeros
    /// @param size Number of records
    /// @param root Root hash of the tree
    function checkpointText(
        bytes32 origin,
        uint64 size,
        bytes32 root
    ) public pure returns (string memory) {
        bytes memory name = abi.encodePacked(origin);
        uint256 length = 0;
        while (length < MAX_ORIGIN && origin[length] != 0) length++;
        // Shortened in place: what is cut off is the padding.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(name, length)
        }
        return string(bytes.concat(name, "\n", _decimal(size), "\n", _base64(root), "\n"));
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.logsLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.PARAMETERS_DISPOSED) return _parametersDisposed(m, step);
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
        _requireRole(step, 1, ActTypes.ROLE_GATEWAY);
        bytes32 keyId = bytes32(m.get(ActTypes.LOG_REGISTERED_GATEWAY_KEY));
        _requireValue(keyId == step.signers[1].keyId, ActTypes.LOG_REGISTERED_GATEWAY_KEY);
        bytes32 origin = bytes32(m.get(ActTypes.LOG_REGISTERED_ORIGIN));
        _requireValue(_isOrigin(origin), ActTypes.LOG_REGISTERED_ORIGIN);
        if (origins[origin] != 0) revert OriginTaken(origin);
        origins[origin] = step.actId;
        logs[step.actId] = Log(keyId, origin, 0, 0, 0, 1);
        return (LogRegistered.selector, step.actId, 1);
    }

    /// @dev What was disposed of stands in the log's record; here is who says so, and when.
    function _parametersDisposed(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Log storage entry = logs[step.target];
        _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_GATEWAY);
        if (entry.gatewayKey != step.signers[0].keyId) revert GatewayMismatch(entry.gatewayKey);
        _requireRange(m, ActTypes.PARAMETERS_DISPOSED_DISPOSED_KIND, 1, 3);
        uint256 period = m.get(ActTypes.PARAMETERS_DISPOSED_PERIOD);
        uint256 month = period % 100;
        _requireValue(
            period > FIRST_PERIOD && period <= LAST_PERIOD && month != 0 && month <= 12,
            ActTypes.PARAMETERS_DISPOSED_PERIOD
        );
        _requireRange(m, ActTypes.PARAMETERS_DISPOSED_RECORD, 1, MAX_SIZE);
        _requireNonzero(m, ActTypes.PARAMETERS_DISPOSED_RECORD_LEAF);
        return (ParametersDisposed.selector, step.target, ++entry.revision);
    }

    /// @dev 1 to 30 characters a-z 0-9 . / -; the act's form pads it with zeros.
    function _isOrigin(bytes32 origin) private pure returns (bool) {
        if (origin[0] == 0 || origin[MAX_ORIGIN] != 0) return false;
        for (uint256 i = 0; i < MAX_ORIGIN && origin[i] != 0; i++) {
            bytes1 c = origin[i];
            // "-", "." and "/" stand before "0".
            if (!(c >= "-" && c <= "9") && !(c >= "a" && c <= "z")) return false;
        }
        return true;
    }

    function _decimal(uint256 value) private pure returns (bytes memory text) {
        uint256 length = 1;
        for (uint256 rest = value / 10; rest != 0; rest /= 10) length++;
        text = new bytes(length);
        for (uint256 i = length; i > 0; i--) {
            text[i - 1] = bytes1(uint8(48 + (value % 10)));
            value /= 10;
        }
    }

    /// @dev RFC 4648 section 4: 32 bytes are 43 characters and one "=".
    function _base64(bytes32 data) private pure returns (bytes memory text) {
        bytes memory alphabet = BASE64;
        text = new bytes(44);
        // Shifts of 250 down to 4, the next one wraps round; indexes of six bits and places below 44.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let letters := add(alphabet, 32)
            let place := add(text, 32)
            for {
                let shift := 250
            } lt(shift, 251) {
                shift := sub(shift, 6)
            } {
                mstore8(place, byte(0, mload(add(letters, and(shr(shift, data), 63)))))
                place := add(place, 1)
            }
            mstore8(place, byte(0, mload(add(letters, and(shl(2, data), 63)))))
            mstore8(add(place, 1), 0x3d)
        }
    }
}
