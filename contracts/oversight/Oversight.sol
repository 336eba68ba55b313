// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {Deadlines} from "../registry/Deadlines.sol";
import {IRegistry} from "../registry/IRegistry.sol";

/// @title Oversight reports of chief data officers
/// @notice A chief data officer (首席数据官) states what was found in a period that is over. The
/// figures come from the chain: whoever computes them again gets the bytes whose digest stands here
/// (docs/performance.md). The event holds it all; no contract rests on it.
contract Oversight is RegistryUser {
    using ActBytes for bytes;

    /// @notice The act OversightReported, which is its own proof (docs/protocol.md 3.2)
    event OversightReported(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    uint256 private constant OTHER = 2;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    constructor(IRegistry registry_) RegistryUser(registry_) {}

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.oversightLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal view override returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_CDO);
        uint256 fromDay = m.get(ActTypes.OVERSIGHT_REPORTED_FROM_DAY);
        uint256 untilDay = m.get(ActTypes.OVERSIGHT_REPORTED_UNTIL_DAY);
        _requireValue(
            fromDay != 0 && fromDay <= untilDay,
            ActTypes.OVERSIGHT_REPORTED_FROM_DAY
        );
        _requireValue(
            untilDay < Deadlines.today(),
            ActTypes.OVERSIGHT_REPORTED_UNTIL_DAY
        );
        _requireRange(m, ActTypes.OVERSIGHT_REPORTED_REPORT_KIND, 1, OTHER);
        _requireNonzero(m, ActTypes.OVERSIGHT_REPORTED_REPORT_DIGEST);
        return (OversightReported.selector, step.actId, 1);
    }
}
