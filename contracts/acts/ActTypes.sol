// SPDX-License-Identifier: Apache-2.0
// Made by scripts/act_types.py from protocol/description.py. Do not edit.
pragma solidity ^0.8.24;

/// @title Act types
/// @notice Codes, layouts and fields of the act types, and the role bits.
/// @dev `NAME` is a code. `NAME_FIELD` places a field: 2 bytes code of its act type, 1 byte number
/// of the field from 0, 2 bytes offset in the act, 1 byte size, in the low 6 bytes. `NAME_LAYOUT`:
/// byte 0 number of words; 1 number of signers; 2 whether the first stands for the authority's
/// threshold; 3 word of the new key's x, 0xff if the act brings none; 4 to 19 number of unused
/// bytes at the end of each word; then up to 3 texts of 4 bytes: 2 offset from the first
/// word, 1 size, 1 kind (1 ASCII, 2 UTF-8).
library ActTypes {
    uint256 internal constant ROLE_OPERATOR = 1;
    uint256 internal constant ROLE_OFFICER = 2;
    uint256 internal constant ROLE_HEAD = 4;
    uint256 internal constant ROLE_AUTHORITY = 8;
    uint256 internal constant ROLE_AUDITOR = 16;
    uint256 internal constant ROLE_SYSADMIN = 32;
    uint256 internal constant ROLE_SECADMIN = 64;
    uint256 internal constant ROLE_SYSTEM = 128;
    uint256 internal constant ROLE_GATEWAY = 256;
    uint256 internal constant ROLE_WITNESS = 512;
    uint256 internal constant ROLE_CDO = 1024;
    uint256 internal constant ROLE_PROVIDER = 2048;
    uint256 internal constant ROLE_PLATFORM = 4096;

    uint32 internal constant DEPARTMENT_REGISTERED = 0x0101;
    uint256 internal constant DEPARTMENT_REGISTERED_LAYOUT =
        0x080201051a000d00000000180000000000000000004012010060400200000000;
    uint256 internal constant DEPARTMENT_REGISTERED_LEVEL = 0x010100008001;
    uint256 internal constant DEPARTMENT_REGISTERED_KIND = 0x010101008101;
    uint256 internal constant DEPARTMENT_REGISTERED_REGION = 0x010102008204;
    uint256 internal constant DEPARTMENT_REGISTERED_PARENT = 0x01010300a020;
    uint256 internal constant DEPARTMENT_REGISTERED_USCC = 0x01010400c012;
    uint256 internal constant DEPARTMENT_REGISTERED_USCC_OVERRIDE = 0x01010500d201;
    uint256 internal constant DEPARTMENT_REGISTERED_NAME = 0x01010600e040;
    uint256 internal constant DEPARTMENT_REGISTERED_KEY_X = 0x010107012020;
    uint256 internal constant DEPARTMENT_REGISTERED_KEY_Y = 0x010108014020;
    uint256 internal constant DEPARTMENT_REGISTERED_VALID_UNTIL = 0x010109016008;

    uint32 internal constant PERSON_ENROLLED = 0x0102;
    uint256 internal constant PERSON_ENROLLED_LAYOUT =
        0x0402000100000018000000000000000000000000000000000000000000000000;
    uint256 internal constant PERSON_ENROLLED_ROLES = 0x010200008020;
    uint256 internal constant PERSON_ENROLLED_KEY_X = 0x01020100a020;
    uint256 internal constant PERSON_ENROLLED_KEY_Y = 0x01020200c020;
    uint256 internal constant PERSON_ENROLLED_VALID_UNTIL = 0x01020300e008;

    uint32 internal constant PERSON_ROLES_SET = 0x0103;
    uint256 internal constant PERSON_ROLES_SET_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant PERSON_ROLES_SET_ROLES = 0x010300008020;

    uint32 internal constant KEY_ADDED = 0x0104;
    uint256 internal constant KEY_ADDED_LAYOUT =
        0x0302000000001800000000000000000000000000000000000000000000000000;
    uint256 internal constant KEY_ADDED_KEY_X = 0x010400008020;
    uint256 internal constant KEY_ADDED_KEY_Y = 0x01040100a020;
    uint256 internal constant KEY_ADDED_VALID_UNTIL = 0x01040200c008;

    uint32 internal constant KEY_REVOKED = 0x0105;
    uint256 internal constant KEY_REVOKED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant KEY_REVOKED_REASON_CODE = 0x010500008020;

    uint32 internal constant KEY_ROTATED = 0x0106;
    uint256 internal constant KEY_ROTATED_LAYOUT =
        0x0302000000001800000000000000000000000000000000000000000000000000;
    uint256 internal constant KEY_ROTATED_KEY_X = 0x010600008020;
    uint256 internal constant KEY_ROTATED_KEY_Y = 0x01060100a020;
    uint256 internal constant KEY_ROTATED_VALID_UNTIL = 0x01060200c008;

    uint32 internal constant KEY_SUSPENDED = 0x0107;
    uint256 internal constant KEY_SUSPENDED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant KEY_SUSPENDED_REASON_CODE = 0x010700008020;

    uint32 internal constant KEY_RESUMED = 0x0108;
    uint256 internal constant KEY_RESUMED_LAYOUT =
        0x000100ff00000000000000000000000000000000000000000000000000000000;

    uint32 internal constant AUTHORITY_KEY_RESUMED = 0x0109;
    uint256 internal constant AUTHORITY_KEY_RESUMED_LAYOUT =
        0x000101ff00000000000000000000000000000000000000000000000000000000;

    uint32 internal constant HEAD_KEY_PROPOSED = 0x010a;
    uint256 internal constant HEAD_KEY_PROPOSED_LAYOUT =
        0x0402010000001800000000000000000000000000000000000000000000000000;
    uint256 internal constant HEAD_KEY_PROPOSED_KEY_X = 0x010a00008020;
    uint256 internal constant HEAD_KEY_PROPOSED_KEY_Y = 0x010a0100a020;
    uint256 internal constant HEAD_KEY_PROPOSED_VALID_UNTIL = 0x010a0200c008;
    uint256 internal constant HEAD_KEY_PROPOSED_REASON_CODE = 0x010a0300e020;

    uint32 internal constant HEAD_KEY_OBJECTED = 0x010b;
    uint256 internal constant HEAD_KEY_OBJECTED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant HEAD_KEY_OBJECTED_KEY = 0x010b00008020;

    uint32 internal constant HEAD_KEY_REPLACED = 0x010c;
    uint256 internal constant HEAD_KEY_REPLACED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant HEAD_KEY_REPLACED_KEY = 0x010c00008020;

    uint32 internal constant THRESHOLD_SET = 0x010d;
    uint256 internal constant THRESHOLD_SET_LAYOUT =
        0x010101ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant THRESHOLD_SET_THRESHOLD = 0x010d00008020;

    uint32 internal constant AUTHORITY_PERSON_ADDED = 0x010e;
    uint256 internal constant AUTHORITY_PERSON_ADDED_LAYOUT =
        0x0302010000001800000000000000000000000000000000000000000000000000;
    uint256 internal constant AUTHORITY_PERSON_ADDED_KEY_X = 0x010e00008020;
    uint256 internal constant AUTHORITY_PERSON_ADDED_KEY_Y = 0x010e0100a020;
    uint256 internal constant AUTHORITY_PERSON_ADDED_VALID_UNTIL = 0x010e0200c008;

    uint32 internal constant AUTHORITY_PERSON_REMOVED = 0x010f;
    uint256 internal constant AUTHORITY_PERSON_REMOVED_LAYOUT =
        0x010101ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant AUTHORITY_PERSON_REMOVED_REASON_CODE = 0x010f00008020;

    uint32 internal constant CERTIFICATE_BOUND = 0x0110;
    uint256 internal constant CERTIFICATE_BOUND_LAYOUT =
        0x040100ff00000018000000000000000000000000000000000000000000000000;
    uint256 internal constant CERTIFICATE_BOUND_ISSUER = 0x011000008020;
    uint256 internal constant CERTIFICATE_BOUND_SERIAL = 0x01100100a020;
    uint256 internal constant CERTIFICATE_BOUND_CERTIFICATE = 0x01100200c020;
    uint256 internal constant CERTIFICATE_BOUND_NOT_AFTER = 0x01100300e008;

    uint32 internal constant SUCCESSOR_NAMED = 0x0111;
    uint256 internal constant SUCCESSOR_NAMED_LAYOUT =
        0x020101ff0c0c0000000000000000000000000000000000000000000000000000;
    uint256 internal constant SUCCESSOR_NAMED_CONTRACT = 0x011100008014;
    uint256 internal constant SUCCESSOR_NAMED_SUCCESSOR = 0x01110100a014;

    uint32 internal constant DEPARTMENT_CHANGED = 0x0112;
    uint256 internal constant DEPARTMENT_CHANGED_LAYOUT =
        0x060101ff1a000d00000000000000000000000000004012010060400200000000;
    uint256 internal constant DEPARTMENT_CHANGED_LEVEL = 0x011200008001;
    uint256 internal constant DEPARTMENT_CHANGED_KIND = 0x011201008101;
    uint256 internal constant DEPARTMENT_CHANGED_REGION = 0x011202008204;
    uint256 internal constant DEPARTMENT_CHANGED_PARENT = 0x01120300a020;
    uint256 internal constant DEPARTMENT_CHANGED_USCC = 0x01120400c012;
    uint256 internal constant DEPARTMENT_CHANGED_USCC_OVERRIDE = 0x01120500d201;
    uint256 internal constant DEPARTMENT_CHANGED_NAME = 0x01120600e040;
    uint256 internal constant DEPARTMENT_CHANGED_REASON = 0x011207012020;

    uint32 internal constant DEPARTMENT_ENDED = 0x0113;
    uint256 internal constant DEPARTMENT_ENDED_LAYOUT =
        0x020101ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DEPARTMENT_ENDED_SUCCESSOR = 0x011300008020;
    uint256 internal constant DEPARTMENT_ENDED_REASON = 0x01130100a020;

    uint32 internal constant CALENDAR_PUBLISHED = 0x0201;
    uint256 internal constant CALENDAR_PUBLISHED_LAYOUT =
        0x040100ff1e000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CALENDAR_PUBLISHED_YEAR = 0x020100008002;
    uint256 internal constant CALENDAR_PUBLISHED_WORKING_DAYS = 0x02010100a040;
    uint256 internal constant CALENDAR_PUBLISHED_SOURCE = 0x02010200e020;

    uint32 internal constant CALENDAR_CORRECTED = 0x0202;
    uint256 internal constant CALENDAR_CORRECTED_LAYOUT =
        0x050101ff1e000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CALENDAR_CORRECTED_YEAR = 0x020200008002;
    uint256 internal constant CALENDAR_CORRECTED_WORKING_DAYS = 0x02020100a040;
    uint256 internal constant CALENDAR_CORRECTED_SOURCE = 0x02020200e020;
    uint256 internal constant CALENDAR_CORRECTED_REASON = 0x020203010020;

    uint32 internal constant OVERSIGHT_REPORTED = 0x0301;
    uint256 internal constant OVERSIGHT_REPORTED_LAYOUT =
        0x030100ff17000000000000000000000000000000000000000000000000000000;
    uint256 internal constant OVERSIGHT_REPORTED_FROM_DAY = 0x030100008004;
    uint256 internal constant OVERSIGHT_REPORTED_UNTIL_DAY = 0x030101008404;
    uint256 internal constant OVERSIGHT_REPORTED_REPORT_KIND = 0x030102008801;
    uint256 internal constant OVERSIGHT_REPORTED_REPORT_DIGEST = 0x03010300a020;
    uint256 internal constant OVERSIGHT_REPORTED_FINDINGS = 0x03010400c020;

    uint32 internal constant ENTRY_SUBMITTED = 0x1001;
    uint256 internal constant ENTRY_SUBMITTED_LAYOUT =
        0x070200ff1a000000000000000000000000000000000000000000000000000000;
    uint256 internal constant ENTRY_SUBMITTED_SHARING_CLASS = 0x100100008001;
    uint256 internal constant ENTRY_SUBMITTED_LIBRARY = 0x100101008101;
    uint256 internal constant ENTRY_SUBMITTED_UPDATE_CYCLE = 0x100102008201;
    uint256 internal constant ENTRY_SUBMITTED_OPENNESS = 0x100103008301;
    uint256 internal constant ENTRY_SUBMITTED_MODE = 0x100104008401;
    uint256 internal constant ENTRY_SUBMITTED_GRADING = 0x100105008501;
    uint256 internal constant ENTRY_SUBMITTED_ITEMS = 0x10010600a020;
    uint256 internal constant ENTRY_SUBMITTED_SENSITIVE = 0x10010700c020;
    uint256 internal constant ENTRY_SUBMITTED_DOCUMENT = 0x10010800e020;
    uint256 internal constant ENTRY_SUBMITTED_SECRECY_ASSESSMENT = 0x100109010020;
    uint256 internal constant ENTRY_SUBMITTED_PRIVACY_ASSESSMENT = 0x10010a012020;
    uint256 internal constant ENTRY_SUBMITTED_BASIS = 0x10010b014020;

    uint32 internal constant ENTRY_PUBLISHED = 0x1002;
    uint256 internal constant ENTRY_PUBLISHED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant ENTRY_PUBLISHED_DOCUMENT = 0x100200008020;

    uint32 internal constant ENTRY_RETIRED = 0x1003;
    uint256 internal constant ENTRY_RETIRED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant ENTRY_RETIRED_REASON = 0x100300008020;

    uint32 internal constant ENTRY_RETURNED = 0x1004;
    uint256 internal constant ENTRY_RETURNED_LAYOUT =
        0x020100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant ENTRY_RETURNED_DOCUMENT = 0x100400008020;
    uint256 internal constant ENTRY_RETURNED_REASON = 0x10040100a020;

    uint32 internal constant CHANGE_NOTED = 0x1005;
    uint256 internal constant CHANGE_NOTED_LAYOUT =
        0x020100ff1c000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CHANGE_NOTED_CHANGE_DAY = 0x100500008004;
    uint256 internal constant CHANGE_NOTED_REASON = 0x10050100a020;

    uint32 internal constant UPDATE_EXTENDED = 0x1006;
    uint256 internal constant UPDATE_EXTENDED_LAYOUT =
        0x010200ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant UPDATE_EXTENDED_REASON = 0x100600008020;

    uint32 internal constant ELEMENT_CLAIMED = 0x1101;
    uint256 internal constant ELEMENT_CLAIMED_LAYOUT =
        0x030200ff00001f00000000000000000000000000000000000000000000000000;
    uint256 internal constant ELEMENT_CLAIMED_ENTRY = 0x110100008020;
    uint256 internal constant ELEMENT_CLAIMED_ELEMENT = 0x11010100a020;
    uint256 internal constant ELEMENT_CLAIMED_ITEM = 0x11010200c001;

    uint32 internal constant ELEMENT_RELEASED = 0x1102;
    uint256 internal constant ELEMENT_RELEASED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant ELEMENT_RELEASED_REASON = 0x110200008020;

    uint32 internal constant CONFLICT_DECIDED = 0x1103;
    uint256 internal constant CONFLICT_DECIDED_LAYOUT =
        0x020100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CONFLICT_DECIDED_SOURCE_DEPARTMENT = 0x110300008020;
    uint256 internal constant CONFLICT_DECIDED_REASON = 0x11030100a020;

    uint32 internal constant DATA_REFRESHED = 0x1201;
    uint256 internal constant DATA_REFRESHED_LAYOUT =
        0x020100ff00100000000000000000000000000000000000000000000000000000;
    uint256 internal constant DATA_REFRESHED_ENTRY = 0x120100008020;
    uint256 internal constant DATA_REFRESHED_FROM_DAY = 0x12010100a004;
    uint256 internal constant DATA_REFRESHED_UNTIL_DAY = 0x12010200a404;
    uint256 internal constant DATA_REFRESHED_ROWS = 0x12010300a808;

    uint32 internal constant INTERFACE_REGISTERED = 0x2001;
    uint256 internal constant INTERFACE_REGISTERED_LAYOUT =
        0x050100ff00140000000000000000000000000000008020010000000000000000;
    uint256 internal constant INTERFACE_REGISTERED_ENTRY = 0x200100008020;
    uint256 internal constant INTERFACE_REGISTERED_ENTRY_VERSION = 0x20010100a004;
    uint256 internal constant INTERFACE_REGISTERED_RATE_PER_MINUTE = 0x20010200a404;
    uint256 internal constant INTERFACE_REGISTERED_MAX_ROWS = 0x20010300a804;
    uint256 internal constant INTERFACE_REGISTERED_ITEMS = 0x20010400c020;
    uint256 internal constant INTERFACE_REGISTERED_DOCUMENT = 0x20010500e020;
    uint256 internal constant INTERFACE_REGISTERED_NODE = 0x200106010020;

    uint32 internal constant INTERFACE_ONLINE = 0x2002;
    uint256 internal constant INTERFACE_ONLINE_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant INTERFACE_ONLINE_DOCUMENT = 0x200200008020;

    uint32 internal constant INTERFACE_SUSPENDED = 0x2003;
    uint256 internal constant INTERFACE_SUSPENDED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant INTERFACE_SUSPENDED_REASON = 0x200300008020;

    uint32 internal constant INTERFACE_RESUMED = 0x2004;
    uint256 internal constant INTERFACE_RESUMED_LAYOUT =
        0x000100ff00000000000000000000000000000000000000000000000000000000;

    uint32 internal constant INTERFACE_RETIRED = 0x2005;
    uint256 internal constant INTERFACE_RETIRED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant INTERFACE_RETIRED_REASON = 0x200500008020;

    uint32 internal constant INTERFACE_TESTED = 0x2006;
    uint256 internal constant INTERFACE_TESTED_LAYOUT =
        0x040100ff001f0000000000000000000000000000000000000000000000000000;
    uint256 internal constant INTERFACE_TESTED_DOCUMENT = 0x200600008020;
    uint256 internal constant INTERFACE_TESTED_TEST_RESULT = 0x20060100a001;
    uint256 internal constant INTERFACE_TESTED_LOG = 0x20060200c020;
    uint256 internal constant INTERFACE_TESTED_REPORT = 0x20060300e020;

    uint32 internal constant REQUEST_FILED = 0x3001;
    uint256 internal constant REQUEST_FILED_LAYOUT =
        0x060200ff00030000000000000000000000000000006020010080200100000000;
    uint256 internal constant REQUEST_FILED_INTERFACE = 0x300100008020;
    uint256 internal constant REQUEST_FILED_VALID_FROM = 0x30010100a008;
    uint256 internal constant REQUEST_FILED_VALID_UNTIL = 0x30010200a808;
    uint256 internal constant REQUEST_FILED_QUOTA = 0x30010300b008;
    uint256 internal constant REQUEST_FILED_INTERFACE_VERSION = 0x30010400b804;
    uint256 internal constant REQUEST_FILED_WAY = 0x30010500bc01;
    uint256 internal constant REQUEST_FILED_ITEMS = 0x30010600c020;
    uint256 internal constant REQUEST_FILED_LEGAL_BASIS = 0x30010700e020;
    uint256 internal constant REQUEST_FILED_SCENARIO = 0x300108010020;
    uint256 internal constant REQUEST_FILED_CASE = 0x300109012020;

    uint32 internal constant REQUEST_AGREED = 0x3002;
    uint256 internal constant REQUEST_AGREED_LAYOUT =
        0x020100ff00080000000000000000000000000000000000000000000000000000;
    uint256 internal constant REQUEST_AGREED_ITEMS = 0x300200008020;
    uint256 internal constant REQUEST_AGREED_VALID_FROM = 0x30020100a008;
    uint256 internal constant REQUEST_AGREED_VALID_UNTIL = 0x30020200a808;
    uint256 internal constant REQUEST_AGREED_QUOTA = 0x30020300b008;

    uint32 internal constant REQUEST_REFUSED = 0x3003;
    uint256 internal constant REQUEST_REFUSED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant REQUEST_REFUSED_REASON = 0x300300008020;

    uint32 internal constant GRANT_SUSPENDED = 0x3004;
    uint256 internal constant GRANT_SUSPENDED_LAYOUT =
        0x020100ff001f0000000000000000000000000000000000000000000000000000;
    uint256 internal constant GRANT_SUSPENDED_REASON = 0x300400008020;
    uint256 internal constant GRANT_SUSPENDED_CAUSE = 0x30040100a001;

    uint32 internal constant GRANT_RESUMED = 0x3005;
    uint256 internal constant GRANT_RESUMED_LAYOUT =
        0x000100ff00000000000000000000000000000000000000000000000000000000;

    uint32 internal constant GRANT_REVOKED = 0x3006;
    uint256 internal constant GRANT_REVOKED_LAYOUT =
        0x020100ff001f0000000000000000000000000000000000000000000000000000;
    uint256 internal constant GRANT_REVOKED_REASON = 0x300600008020;
    uint256 internal constant GRANT_REVOKED_CAUSE = 0x30060100a001;

    uint32 internal constant SUPPLEMENT_ASKED = 0x3007;
    uint256 internal constant SUPPLEMENT_ASKED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant SUPPLEMENT_ASKED_MISSING = 0x300700008020;

    uint32 internal constant REQUEST_SUPPLEMENTED = 0x3008;
    uint256 internal constant REQUEST_SUPPLEMENTED_LAYOUT =
        0x060200ff00030000000000000000000000000000006020010080200100000000;
    uint256 internal constant REQUEST_SUPPLEMENTED_INTERFACE = 0x300800008020;
    uint256 internal constant REQUEST_SUPPLEMENTED_VALID_FROM = 0x30080100a008;
    uint256 internal constant REQUEST_SUPPLEMENTED_VALID_UNTIL = 0x30080200a808;
    uint256 internal constant REQUEST_SUPPLEMENTED_QUOTA = 0x30080300b008;
    uint256 internal constant REQUEST_SUPPLEMENTED_INTERFACE_VERSION = 0x30080400b804;
    uint256 internal constant REQUEST_SUPPLEMENTED_WAY = 0x30080500bc01;
    uint256 internal constant REQUEST_SUPPLEMENTED_ITEMS = 0x30080600c020;
    uint256 internal constant REQUEST_SUPPLEMENTED_LEGAL_BASIS = 0x30080700e020;
    uint256 internal constant REQUEST_SUPPLEMENTED_SCENARIO = 0x300808010020;
    uint256 internal constant REQUEST_SUPPLEMENTED_CASE = 0x300809012020;

    uint32 internal constant REQUEST_EXTENDED = 0x3009;
    uint256 internal constant REQUEST_EXTENDED_LAYOUT =
        0x020200ff1f000000000000000000000000000000000000000000000000000000;
    uint256 internal constant REQUEST_EXTENDED_EXTENSION_DAYS = 0x300900008001;
    uint256 internal constant REQUEST_EXTENDED_REASON = 0x30090100a020;

    uint32 internal constant REQUEST_WITHDRAWN = 0x300a;
    uint256 internal constant REQUEST_WITHDRAWN_LAYOUT =
        0x000100ff00000000000000000000000000000000000000000000000000000000;

    uint32 internal constant DATA_PROVIDED = 0x300b;
    uint256 internal constant DATA_PROVIDED_LAYOUT =
        0x010100ff1f000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DATA_PROVIDED_WAY = 0x300b00008001;

    uint32 internal constant GRANT_RENEWED = 0x300c;
    uint256 internal constant GRANT_RENEWED_LAYOUT =
        0x020200ff10000000000000000000000000000000000000000000000000000000;
    uint256 internal constant GRANT_RENEWED_VALID_UNTIL = 0x300c00008008;
    uint256 internal constant GRANT_RENEWED_QUOTA = 0x300c01008808;
    uint256 internal constant GRANT_RENEWED_CASE = 0x300c0200a020;

    uint32 internal constant USE_REPORTED = 0x300d;
    uint256 internal constant USE_REPORTED_LAYOUT =
        0x020100ff10000000000000000000000000000000000000000000000000000000;
    uint256 internal constant USE_REPORTED_FROM_DAY = 0x300d00008004;
    uint256 internal constant USE_REPORTED_UNTIL_DAY = 0x300d01008404;
    uint256 internal constant USE_REPORTED_USES = 0x300d02008808;
    uint256 internal constant USE_REPORTED_REPORT = 0x300d0300a020;

    uint32 internal constant DATA_DISPOSED = 0x300e;
    uint256 internal constant DATA_DISPOSED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DATA_DISPOSED_DISPOSAL = 0x300e00008020;

    uint32 internal constant LOG_REGISTERED = 0x4001;
    uint256 internal constant LOG_REGISTERED_LAYOUT =
        0x020200ff00000000000000000000000000000000002020010000000000000000;
    uint256 internal constant LOG_REGISTERED_GATEWAY_KEY = 0x400100008020;
    uint256 internal constant LOG_REGISTERED_ORIGIN = 0x40010100a020;

    uint32 internal constant PARAMETERS_DISPOSED = 0x4002;
    uint256 internal constant PARAMETERS_DISPOSED_LAYOUT =
        0x020100ff13000000000000000000000000000000000000000000000000000000;
    uint256 internal constant PARAMETERS_DISPOSED_DISPOSED_KIND = 0x400200008001;
    uint256 internal constant PARAMETERS_DISPOSED_PERIOD = 0x400201008104;
    uint256 internal constant PARAMETERS_DISPOSED_RECORD = 0x400202008508;
    uint256 internal constant PARAMETERS_DISPOSED_RECORD_LEAF = 0x40020300a020;

    uint32 internal constant CORRECTION_FILED = 0x3101;
    uint256 internal constant CORRECTION_FILED_LAYOUT =
        0x040100ff001f0000000000000000000000000000000000000000000000000000;
    uint256 internal constant CORRECTION_FILED_SUBJECT = 0x310100008020;
    uint256 internal constant CORRECTION_FILED_SUBJECT_KIND = 0x31010100a001;
    uint256 internal constant CORRECTION_FILED_ITEMS = 0x31010200c020;
    uint256 internal constant CORRECTION_FILED_ERRORS = 0x31010300e020;

    uint32 internal constant CORRECTION_VERIFIED = 0x3102;
    uint256 internal constant CORRECTION_VERIFIED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CORRECTION_VERIFIED_FINDING = 0x310200008020;

    uint32 internal constant CORRECTION_CLOSED = 0x3103;
    uint256 internal constant CORRECTION_CLOSED_LAYOUT =
        0x020100ff1f000000000000000000000000000000000000000000000000000000;
    uint256 internal constant CORRECTION_CLOSED_RESULT = 0x310300008001;
    uint256 internal constant CORRECTION_CLOSED_REPORT = 0x31030100a020;

    uint32 internal constant DISPUTE_OPENED = 0x3201;
    uint256 internal constant DISPUTE_OPENED_LAYOUT =
        0x020100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DISPUTE_OPENED_REQUEST = 0x320100008020;
    uint256 internal constant DISPUTE_OPENED_STATEMENT = 0x32010100a020;

    uint32 internal constant DISPUTE_SETTLED = 0x3202;
    uint256 internal constant DISPUTE_SETTLED_LAYOUT =
        0x010200ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DISPUTE_SETTLED_TERMS = 0x320200008020;

    uint32 internal constant DISPUTE_ESCALATED = 0x3203;
    uint256 internal constant DISPUTE_ESCALATED_LAYOUT =
        0x030100ff001e0000000000000000000000000000000000000000000000000000;
    uint256 internal constant DISPUTE_ESCALATED_SUPERIOR = 0x320300008020;
    uint256 internal constant DISPUTE_ESCALATED_REQUESTER_STEPS = 0x32030100a001;
    uint256 internal constant DISPUTE_ESCALATED_PROVIDER_STEPS = 0x32030200a101;
    uint256 internal constant DISPUTE_ESCALATED_STATEMENT = 0x32030300c020;

    uint32 internal constant DISPUTE_MEDIATED = 0x3204;
    uint256 internal constant DISPUTE_MEDIATED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DISPUTE_MEDIATED_PROPOSAL = 0x320400008020;

    uint32 internal constant DISPUTE_DECIDED = 0x3205;
    uint256 internal constant DISPUTE_DECIDED_LAYOUT =
        0x020100ff1f000000000000000000000000000000000000000000000000000000;
    uint256 internal constant DISPUTE_DECIDED_RULING = 0x320500008001;
    uint256 internal constant DISPUTE_DECIDED_DECISION = 0x32050100a020;

    uint32 internal constant THIRD_PARTY_CONSENTED = 0x3301;
    uint256 internal constant THIRD_PARTY_CONSENTED_LAYOUT =
        0x050100ff00001700000000000000000000000000000000000000000000000000;
    uint256 internal constant THIRD_PARTY_CONSENTED_GRANT = 0x330100008020;
    uint256 internal constant THIRD_PARTY_CONSENTED_THIRD_PARTY = 0x33010100a020;
    uint256 internal constant THIRD_PARTY_CONSENTED_THIRD_PARTY_KIND = 0x33010200c001;
    uint256 internal constant THIRD_PARTY_CONSENTED_VALID_UNTIL = 0x33010300c108;
    uint256 internal constant THIRD_PARTY_CONSENTED_ITEMS = 0x33010400e020;
    uint256 internal constant THIRD_PARTY_CONSENTED_PURPOSE = 0x330105010020;

    uint32 internal constant THIRD_PARTY_REVOKED = 0x3302;
    uint256 internal constant THIRD_PARTY_REVOKED_LAYOUT =
        0x010100ff00000000000000000000000000000000000000000000000000000000;
    uint256 internal constant THIRD_PARTY_REVOKED_REASON = 0x330200008020;

    /// @notice The layout of an act type that Registry accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function registryLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == DEPARTMENT_REGISTERED) return DEPARTMENT_REGISTERED_LAYOUT;
        if (code == PERSON_ENROLLED) return PERSON_ENROLLED_LAYOUT;
        if (code == PERSON_ROLES_SET) return PERSON_ROLES_SET_LAYOUT;
        if (code == KEY_ADDED) return KEY_ADDED_LAYOUT;
        if (code == KEY_REVOKED) return KEY_REVOKED_LAYOUT;
        if (code == KEY_ROTATED) return KEY_ROTATED_LAYOUT;
        if (code == KEY_SUSPENDED) return KEY_SUSPENDED_LAYOUT;
        if (code == KEY_RESUMED) return KEY_RESUMED_LAYOUT;
        if (code == AUTHORITY_KEY_RESUMED) return AUTHORITY_KEY_RESUMED_LAYOUT;
        if (code == HEAD_KEY_PROPOSED) return HEAD_KEY_PROPOSED_LAYOUT;
        if (code == HEAD_KEY_OBJECTED) return HEAD_KEY_OBJECTED_LAYOUT;
        if (code == HEAD_KEY_REPLACED) return HEAD_KEY_REPLACED_LAYOUT;
        if (code == THRESHOLD_SET) return THRESHOLD_SET_LAYOUT;
        if (code == AUTHORITY_PERSON_ADDED) return AUTHORITY_PERSON_ADDED_LAYOUT;
        if (code == AUTHORITY_PERSON_REMOVED) return AUTHORITY_PERSON_REMOVED_LAYOUT;
        if (code == CERTIFICATE_BOUND) return CERTIFICATE_BOUND_LAYOUT;
        if (code == SUCCESSOR_NAMED) return SUCCESSOR_NAMED_LAYOUT;
        if (code == DEPARTMENT_CHANGED) return DEPARTMENT_CHANGED_LAYOUT;
        if (code == DEPARTMENT_ENDED) return DEPARTMENT_ENDED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Calendar accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function calendarLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == CALENDAR_PUBLISHED) return CALENDAR_PUBLISHED_LAYOUT;
        if (code == CALENDAR_CORRECTED) return CALENDAR_CORRECTED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Oversight accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function oversightLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == OVERSIGHT_REPORTED) return OVERSIGHT_REPORTED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Entries accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function entriesLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == ENTRY_SUBMITTED) return ENTRY_SUBMITTED_LAYOUT;
        if (code == ENTRY_PUBLISHED) return ENTRY_PUBLISHED_LAYOUT;
        if (code == ENTRY_RETIRED) return ENTRY_RETIRED_LAYOUT;
        if (code == ENTRY_RETURNED) return ENTRY_RETURNED_LAYOUT;
        if (code == CHANGE_NOTED) return CHANGE_NOTED_LAYOUT;
        if (code == UPDATE_EXTENDED) return UPDATE_EXTENDED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Elements accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function elementsLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == ELEMENT_CLAIMED) return ELEMENT_CLAIMED_LAYOUT;
        if (code == ELEMENT_RELEASED) return ELEMENT_RELEASED_LAYOUT;
        if (code == CONFLICT_DECIDED) return CONFLICT_DECIDED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Refreshes accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function refreshesLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == DATA_REFRESHED) return DATA_REFRESHED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Interfaces accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function interfacesLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == INTERFACE_REGISTERED) return INTERFACE_REGISTERED_LAYOUT;
        if (code == INTERFACE_ONLINE) return INTERFACE_ONLINE_LAYOUT;
        if (code == INTERFACE_SUSPENDED) return INTERFACE_SUSPENDED_LAYOUT;
        if (code == INTERFACE_RESUMED) return INTERFACE_RESUMED_LAYOUT;
        if (code == INTERFACE_RETIRED) return INTERFACE_RETIRED_LAYOUT;
        if (code == INTERFACE_TESTED) return INTERFACE_TESTED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Requests accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function requestsLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == REQUEST_FILED) return REQUEST_FILED_LAYOUT;
        if (code == REQUEST_AGREED) return REQUEST_AGREED_LAYOUT;
        if (code == REQUEST_REFUSED) return REQUEST_REFUSED_LAYOUT;
        if (code == GRANT_SUSPENDED) return GRANT_SUSPENDED_LAYOUT;
        if (code == GRANT_RESUMED) return GRANT_RESUMED_LAYOUT;
        if (code == GRANT_REVOKED) return GRANT_REVOKED_LAYOUT;
        if (code == SUPPLEMENT_ASKED) return SUPPLEMENT_ASKED_LAYOUT;
        if (code == REQUEST_SUPPLEMENTED) return REQUEST_SUPPLEMENTED_LAYOUT;
        if (code == REQUEST_EXTENDED) return REQUEST_EXTENDED_LAYOUT;
        if (code == REQUEST_WITHDRAWN) return REQUEST_WITHDRAWN_LAYOUT;
        if (code == DATA_PROVIDED) return DATA_PROVIDED_LAYOUT;
        if (code == GRANT_RENEWED) return GRANT_RENEWED_LAYOUT;
        if (code == USE_REPORTED) return USE_REPORTED_LAYOUT;
        if (code == DATA_DISPOSED) return DATA_DISPOSED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Logs accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function logsLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == LOG_REGISTERED) return LOG_REGISTERED_LAYOUT;
        if (code == PARAMETERS_DISPOSED) return PARAMETERS_DISPOSED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Corrections accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function correctionsLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == CORRECTION_FILED) return CORRECTION_FILED_LAYOUT;
        if (code == CORRECTION_VERIFIED) return CORRECTION_VERIFIED_LAYOUT;
        if (code == CORRECTION_CLOSED) return CORRECTION_CLOSED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that Disputes accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function disputesLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == DISPUTE_OPENED) return DISPUTE_OPENED_LAYOUT;
        if (code == DISPUTE_SETTLED) return DISPUTE_SETTLED_LAYOUT;
        if (code == DISPUTE_ESCALATED) return DISPUTE_ESCALATED_LAYOUT;
        if (code == DISPUTE_MEDIATED) return DISPUTE_MEDIATED_LAYOUT;
        if (code == DISPUTE_DECIDED) return DISPUTE_DECIDED_LAYOUT;
        return 0;
    }

    /// @notice The layout of an act type that ThirdParties accepts
    /// @param code Code of the act type
    /// @return layout Zero for any other code
    function thirdpartiesLayout(uint32 code) internal pure returns (uint256 layout) {
        if (code == THIRD_PARTY_CONSENTED) return THIRD_PARTY_CONSENTED_LAYOUT;
        if (code == THIRD_PARTY_REVOKED) return THIRD_PARTY_REVOKED_LAYOUT;
        return 0;
    }
}
