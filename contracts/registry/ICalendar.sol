// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What the other contracts ask the calendar
/// @notice Working days as the State Council's yearly notice sets them. A day is a number: whole
/// days since 1970-01-01 in Asia/Shanghai, (unix seconds + 8 h) / 86,400.
interface ICalendar {
    error CalendarUnknown(uint256 year);

    /// @notice Whether a day is a working day
    /// @param day The day
    /// @return working True on a working day
    function isWorkingDay(uint32 day) external view returns (bool working);

    /// @notice The count-th working day after a day, which is not counted itself
    /// @param startDay The day of receipt
    /// @param count Working days, 0 to 400; 0 gives the start day
    /// @return due The last day on which an answer is in time
    function dueDay(uint32 startDay, uint32 count) external view returns (uint32 due);

    /// @notice Number of working days d with from < d <= to
    /// @param from The day that is not counted
    /// @param to The last day that is counted
    /// @return count Zero when to <= from
    function workingDays(uint32 from, uint32 to) external view returns (uint32 count);
}
