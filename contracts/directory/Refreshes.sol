// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {Deadlines} from "../registry/Deadlines.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {EntryView, IEntries} from "./IEntries.sol";

/// @title How fresh the data behind the entries is
/// @notice A provider states up to which day an entry's data is complete; with the entry's update
/// cycle anybody computes its freshness (docs/protocol.md 3.4 and 3.5). A contract of its own, so
/// that a daily statement does not change the revision that others see of the entry.
contract Refreshes is RegistryUser {
    using ActBytes for bytes;

    error EntryNotLive(bytes32 entry);

    /// @notice The act DataRefreshed, which is its own proof (docs/protocol.md 3.2)
    event DataRefreshed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    struct Refresh {
        uint32 untilDay;
        uint64 rows;
    }

    /// @notice Directory chain
    IEntries public immutable ENTRIES;

    /// @notice The newest refresh of each entry
    mapping(bytes32 entry => Refresh refresh) public refreshes;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param entries_ Directory chain
    constructor(IRegistry registry_, IEntries entries_) RegistryUser(registry_) {
        ENTRIES = entries_;
    }

    /// @notice Whether an entry's data is as fresh today as its update cycle promises
    /// @param entry The entry
    /// @return fresh False for an entry that is not live or was never refreshed
    function isFresh(bytes32 entry) external view returns (bool fresh) {
        EntryView memory view_ = ENTRIES.entryView(entry);
        uint32 untilDay = refreshes[entry].untilDay;
        return
            view_.live &&
            untilDay != 0 &&
            untilDay + cycleDays(view_.updateCycle) >= Deadlines.today();
    }

    /// @notice Longest number of days between two refreshes
    /// @param updateCycle 1 real time to 7 year
    /// @return count Calendar days: of the longest month, quarter and year
    function cycleDays(uint8 updateCycle) public pure returns (uint32 count) {
        if (updateCycle <= 2) return 1;
        if (updateCycle == 3) return 7;
        if (updateCycle == 4) return 11;
        if (updateCycle == 5) return 31;
        return updateCycle == 6 ? 92 : 366;
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.refreshesLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR | ActTypes.ROLE_PROVIDER);
        bytes32 entryId = bytes32(m.get(ActTypes.DATA_REFRESHED_ENTRY));
        EntryView memory entry = ENTRIES.entryView(entryId);
        if (!entry.live) revert EntryNotLive(entryId);
        _requireDepartment(step, 0, entry.department);
        uint256 untilDay = m.get(ActTypes.DATA_REFRESHED_UNTIL_DAY);
        _requireValue(
            m.get(ActTypes.DATA_REFRESHED_FROM_DAY) <= untilDay,
            ActTypes.DATA_REFRESHED_FROM_DAY
        );
        _requireValue(
            untilDay != 0 &&
                untilDay <= Deadlines.today() &&
                untilDay >= refreshes[entryId].untilDay,
            ActTypes.DATA_REFRESHED_UNTIL_DAY
        );
        refreshes[entryId] = Refresh(
            uint32(untilDay),
            uint64(m.get(ActTypes.DATA_REFRESHED_ROWS))
        );
        return (DataRefreshed.selector, step.actId, 1);
    }
}
