// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {Bits} from "./Bits.sol";
import {CivilDays} from "./CivilDays.sol";
import {Deadlines} from "./Deadlines.sol";
import {ICalendar} from "./ICalendar.sol";
import {IRegistry} from "./IRegistry.sol";

/// @title Working days, year by year
/// @notice The authority publishes each year once, from the State Council's notice; a correction
/// takes the authority's threshold. What is not published is not guessed (docs/protocol.md 3.5).
contract Calendar is RegistryUser, ICalendar {
    using ActBytes for bytes;
    using Bits for uint256;

    error YearTaken(uint256 year);
    error CountInvalid(uint32 count);

    /// @notice The act CalendarPublished, which is its own proof (docs/protocol.md 3.2)
    event CalendarPublished(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act CalendarCorrected, which is its own proof (docs/protocol.md 3.2)
    event CalendarCorrected(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    /// @dev Bit i of low is day i of the year, bit i of high day 256 + i; set on a working day.
    struct CalendarYear {
        uint256 low;
        uint128 high;
        uint64 revision;
    }

    uint256 private constant FIRST_YEAR = 2000;
    uint256 private constant LAST_YEAR = 2199;
    uint256 private constant MIN_WORKING_DAYS = 200;
    uint256 private constant MAX_WORKING_DAYS = 300;
    uint32 private constant MAX_COUNT = 400;

    /// @notice Published years; revision is zero for any other
    mapping(uint256 year => CalendarYear entry) public calendarYears;
    /// @notice Year of a publication, zero for an unknown id
    mapping(bytes32 id => uint256 year) public publications;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    constructor(IRegistry registry_) RegistryUser(registry_) {}

    /// @inheritdoc ICalendar
    function isWorkingDay(uint32 day) external view override returns (bool) {
        (uint256 year, uint256 index) = CivilDays.place(day);
        (uint256 low, uint256 high) = _bitsOf(year);
        return (index < 256 ? low >> index : high >> (index - 256)) & 1 == 1;
    }

    /// @inheritdoc ICalendar
    function dueDay(uint32 startDay, uint32 count) external view override returns (uint32) {
        if (count > MAX_COUNT) revert CountInvalid(count);
        if (count == 0) return startDay;
        uint256 first = uint256(startDay) + 1;
        (uint256 year, uint256 index) = CivilDays.place(first);
        first -= index;
        (uint256 low, uint256 high) = _bitsOf(year);
        (low, high) = _without(low, high, index);
        uint256 left = count;
        while (true) {
            uint256 found = low.ones();
            if (left <= found) return uint32(first + low.nth(left));
            left -= found;
            found = high.ones();
            if (left <= found) return uint32(first + 256 + high.nth(left));
            left -= found;
            first += CivilDays.daysIn(year);
            year++;
            (low, high) = _bitsOf(year);
        }
        // Not reached: the loop ends with a return, or in a year that is not published.
        return 0;
    }

    /// @inheritdoc ICalendar
    function workingDays(uint32 from, uint32 to) external view override returns (uint32) {
        if (to <= from) return 0;
        (uint256 year, uint256 index) = CivilDays.place(uint256(from) + 1);
        (uint256 lastYear, uint256 lastIndex) = CivilDays.place(to);
        uint256 count = 0;
        while (year < lastYear) {
            count += _onesFrom(year, index);
            index = 0;
            year++;
        }
        // All of the last year, less what lies behind its last day.
        return uint32(count + _onesFrom(year, index) - _onesFrom(year, lastIndex + 1));
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.calendarLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.CALENDAR_PUBLISHED) return _published(m, step);
        return _corrected(m, step);
    }

    function _published(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
        uint256 year = m.get(ActTypes.CALENDAR_PUBLISHED_YEAR);
        (uint256 thisYear, ) = CivilDays.place(Deadlines.today());
        // The notice for a year comes in the year before it.
        _requireValue(
            year >= FIRST_YEAR && year <= LAST_YEAR && year <= thisYear + 1,
            ActTypes.CALENDAR_PUBLISHED_YEAR
        );
        uint256 field = ActTypes.CALENDAR_PUBLISHED_WORKING_DAYS;
        (uint256 low, uint128 high) = _requireWorkingDays(m, field, year);
        _requireNonzero(m, ActTypes.CALENDAR_PUBLISHED_SOURCE);
        if (calendarYears[year].revision != 0) revert YearTaken(year);
        calendarYears[year] = CalendarYear(low, high, 1);
        publications[step.actId] = year;
        return (CalendarPublished.selector, step.actId, 1);
    }

    function _corrected(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        uint256 year = publications[step.target];
        CalendarYear storage entry = calendarYears[year];
        _requireTarget(step, entry.revision);
        for (uint256 i = 0; i < step.signers.length; i++) {
            _requireRole(step, i, ActTypes.ROLE_AUTHORITY);
        }
        _requireValue(
            m.get(ActTypes.CALENDAR_CORRECTED_YEAR) == year,
            ActTypes.CALENDAR_CORRECTED_YEAR
        );
        uint256 field = ActTypes.CALENDAR_CORRECTED_WORKING_DAYS;
        (uint256 low, uint128 high) = _requireWorkingDays(m, field, year);
        _requireNonzero(m, ActTypes.CALENDAR_CORRECTED_SOURCE);
        _requireNonzero(m, ActTypes.CALENDAR_CORRECTED_REASON);
        entry.low = low;
        entry.high = high;
        return (CalendarCorrected.selector, step.target, ++entry.revision);
    }

    function _bitsOf(uint256 year) private view returns (uint256, uint256) {
        CalendarYear storage entry = calendarYears[year];
        if (entry.revision == 0) revert CalendarUnknown(year);
        return (entry.low, entry.high);
    }

    /// @dev Working days of a year from the day of an index on; the index may be the year's length.
    function _onesFrom(uint256 year, uint256 index) private view returns (uint256) {
        (uint256 low, uint256 high) = _bitsOf(year);
        (low, high) = _without(low, high, index);
        return low.ones() + high.ones();
    }

    /// @dev Two words of which the lowest bits are cleared.
    function _without(
        uint256 low,
        uint256 high,
        uint256 count
    ) private pure returns (uint256, uint256) {
        if (count < 256) return ((low >> count) << count, high);
        count -= 256;
        return (0, (high >> count) << count);
    }

    /// @dev The words of the field, the higher one first: within the year, and as many as a year
    /// has within reason.
    function _requireWorkingDays(
        bytes calldata m,
        uint256 field,
        uint256 year
    ) private pure returns (uint256 low, uint128 high) {
        uint256 offset = (field >> 8) & 0xffff;
        uint256 upper = m.word(offset);
        low = m.word(offset + 32);
        uint256 count = upper.ones() + low.ones();
        _requireValue(
            upper >> (CivilDays.daysIn(year) - 256) == 0 &&
                count >= MIN_WORKING_DAYS &&
                count <= MAX_WORKING_DAYS,
            field
        );
        return (low, uint128(upper));
    }
}
