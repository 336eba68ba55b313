// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Days and years of the Gregorian calendar
/// @notice A day is the number of days since 1970-01-01; years repeat after 400 with 146,097 days.
library CivilDays {
    uint256 private constant CYCLE_YEARS = 400;
    uint256 private constant CYCLE_DAYS = 146_097;
    /// @dev Leap days before 1970.
    uint256 private constant LEAP_DAYS_BEFORE = 477;

    /// @notice The year of a day and the day's number in it
    /// @param day The day, at most 32 bits
    /// @return year The year, 1970 or later
    /// @return index 0 on 1 January
    function place(uint256 day) internal pure returns (uint256 year, uint256 index) {
        // By the average year: at most one off.
        year = 1970 + (day * CYCLE_YEARS) / CYCLE_DAYS;
        uint256 first = firstDay(year);
        if (day < first) {
            year--;
            first = firstDay(year);
        } else if (day >= first + daysIn(year)) {
            first += daysIn(year);
            year++;
        }
        index = day - first;
    }

    /// @notice The day of 1 January
    /// @param year The year, 1970 or later
    /// @return day The day
    function firstDay(uint256 year) internal pure returns (uint256 day) {
        uint256 before = year - 1;
        day = 365 * (year - 1970) + before / 4 - before / 100 + before / 400 - LEAP_DAYS_BEFORE;
    }

    /// @notice How many days a year has
    /// @param year The year
    /// @return count 365 or 366
    function daysIn(uint256 year) internal pure returns (uint256 count) {
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;
    }
}
