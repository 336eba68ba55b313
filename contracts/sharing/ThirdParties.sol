// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {IRequests, RequestState, RequestView} from "./IRequests.sol";

/// @title Third parties
/// @notice Consents of a provider that a requester passes granted data on to a named third party
/// (docs/protocol.md 3.4; Order 809 Art 25).
contract ThirdParties is RegistryUser {
    using ActBytes for bytes;

    error ItemsNotCovered(uint256 items, uint256 covered);

    /// @notice The act ThirdPartyConsented, which is its own proof (docs/protocol.md 3.2)
    event ThirdPartyConsented(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act ThirdPartyRevoked, which is its own proof (docs/protocol.md 3.2)
    event ThirdPartyRevoked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        CONSENTED,
        REVOKED
    }

    struct Consent {
        bytes32 grant;
        bytes32 provider;
        bytes32 thirdParty;
        uint256 items;
        uint64 validUntil;
        uint64 revision;
        State state;
        uint8 kind;
    }

    uint256 private constant DEPARTMENT = 1;
    uint256 private constant OUTSIDE = 2;

    /// @notice Requests and grants
    IRequests public immutable REQUESTS;

    /// @notice Consents by id
    mapping(bytes32 id => Consent consent) public consents;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param requests_ Requests and grants
    constructor(IRegistry registry_, IRequests requests_) RegistryUser(registry_) {
        REQUESTS = requests_;
    }

    /// @notice Whether a consent holds at a time: it lives no longer than its grant, and than the
    /// department that it is for
    /// @param id The consent
    /// @param time Unix seconds
    function isLive(bytes32 id, uint64 time) external view returns (bool) {
        Consent storage consent = consents[id];
        return
            consent.state == State.CONSENTED &&
            time <= consent.validUntil &&
            (consent.kind == OUTSIDE || REGISTRY.departmentView(consent.thirdParty).live) &&
            REQUESTS.isLive(consent.grant, time);
    }

    /// @notice Items that may be passed on: consent, grant, interface and current entry together
    /// @param id The consent
    function effectiveItems(bytes32 id) external view returns (uint256) {
        Consent storage consent = consents[id];
        if (consent.state != State.CONSENTED) return 0;
        return consent.items & REQUESTS.effectiveItems(consent.grant);
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.thirdpartiesLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.THIRD_PARTY_CONSENTED) return _consented(m, step);
        return _revoked(m, step);
    }

    function _consented(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        bytes32 id = bytes32(m.get(ActTypes.THIRD_PARTY_CONSENTED_GRANT));
        RequestView memory grant = REQUESTS.requestView(id);
        _requireValue(grant.requester != 0, ActTypes.THIRD_PARTY_CONSENTED_GRANT);
        _requireDepartment(step, 0, grant.provider);
        if (grant.state != RequestState.AGREED && grant.state != RequestState.PROVIDED) {
            revert StateInvalid();
        }
        _requireRange(m, ActTypes.THIRD_PARTY_CONSENTED_THIRD_PARTY_KIND, DEPARTMENT, OUTSIDE);
        _requireNonzero(m, ActTypes.THIRD_PARTY_CONSENTED_THIRD_PARTY);
        uint256 kind = m.get(ActTypes.THIRD_PARTY_CONSENTED_THIRD_PARTY_KIND);
        bytes32 thirdParty = bytes32(m.get(ActTypes.THIRD_PARTY_CONSENTED_THIRD_PARTY));
        _requireValue(
            kind == OUTSIDE ||
                (thirdParty != grant.requester &&
                    thirdParty != grant.provider &&
                    REGISTRY.departmentView(thirdParty).live),
            ActTypes.THIRD_PARTY_CONSENTED_THIRD_PARTY
        );
        uint256 until = m.get(ActTypes.THIRD_PARTY_CONSENTED_VALID_UNTIL);
        _requireValue(
            until > block.timestamp && until <= grant.validUntil,
            ActTypes.THIRD_PARTY_CONSENTED_VALID_UNTIL
        );
        _requireNonzero(m, ActTypes.THIRD_PARTY_CONSENTED_ITEMS);
        uint256 items = m.get(ActTypes.THIRD_PARTY_CONSENTED_ITEMS);
        if (items & ~grant.items != 0) revert ItemsNotCovered(items, grant.items);
        _requireNonzero(m, ActTypes.THIRD_PARTY_CONSENTED_PURPOSE);
        consents[step.actId] = Consent(
            id,
            grant.provider,
            thirdParty,
            items,
            uint64(until),
            1,
            State.CONSENTED,
            uint8(kind)
        );
        return (ThirdPartyConsented.selector, step.actId, 1);
    }

    function _revoked(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Consent storage consent = consents[step.target];
        _requireTarget(step, consent.revision);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, consent.provider);
        if (consent.state != State.CONSENTED) revert StateInvalid();
        _requireNonzero(m, ActTypes.THIRD_PARTY_REVOKED_REASON);
        consent.state = State.REVOKED;
        return (ThirdPartyRevoked.selector, step.target, ++consent.revision);
    }
}
