"""Settings: read once from `settings.toml` and the environment, then passed in.

Every setting can be given as `SANLIAN_<NAME>` in the environment, which wins over the file. The
home directory comes from `--home`, then `SANLIAN_HOME`, then `.sanlian` in the working directory.

Layout of the home directory:

    settings.toml      these settings
    deployment.json    chain id, contract addresses, platform and gateway keys
    trust.json         trust root for verifiers (protocol/trust.py)
    node/              journal and snapshots of the embedded engine
    ledger.db          outbox and read model; the api process is its only writer
    logs/gateway.db    access log; the gateway process is its only writer
    parameter-keys/    keys of the parameters' digests, one file per month; in no backup
    kept-keys/         keys of kept envelopes, files of 4096 for a month; in no backup
    sealed.db          envelopes of sealed texts, ciphertext; the gateway process alone uses it
    keys/              platform.pem, gateway.pem (encrypted PKCS#8), relay.json (EVM transport)
    witness/<name>/    a witness's key and state
    processes/         output of the supervised processes
"""

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from crypto.errors import ProtocolError
from protocol.networks import Network, parse_networks

#: With more of them, the event loop they work for is the limit.
MOST_REQUEST_VERIFIERS = 4


class Settings(BaseSettings):
    """Settings of one home directory; loopback and embedded parts by default."""

    model_config = SettingsConfigDict(env_prefix="SANLIAN_", extra="forbid", frozen=True)

    home: Path = Field(Path(".sanlian"), description="home directory")
    host: str = Field("127.0.0.1", description="address that api and gateway listen on")
    node_url: str = Field(
        "", description="JSON-RPC endpoint of the chain; empty: the embedded node"
    )
    node_port: int = Field(8545, ge=1, le=65535, description="port of the embedded node's JSON-RPC")
    api_port: int = Field(8440, ge=1, le=65535, description="port of the api")
    gateway_port: int = Field(8441, ge=1, le=65535, description="port of the gateway")
    gateway_authority: str = Field(
        "", description="host:port that requesters sign; empty: host and port of the gateway"
    )
    database_url: str = Field(
        "", repr=False, description="SQLAlchemy URL; empty: ledger.db in the home"
    )
    log_database_url: str = Field(
        "", repr=False, description="SQLAlchemy URL; empty: logs/gateway.db"
    )
    key_passphrase: str = Field(
        "", repr=False, description="passphrase of keys/*.pem; better in the environment"
    )
    platform_key: str = Field(
        "", description="pkcs11: URI of the platform's key; empty: keys/platform.pem"
    )
    gateway_key: str = Field(
        "", description="pkcs11: URI of the gateway's key; empty: keys/gateway.pem"
    )
    token_pin: str = Field(
        "", repr=False, description="PIN of the token with these keys; better in the environment"
    )
    clock_skew_s: int = Field(60, ge=1, le=300, description="allowed clock difference of requests")
    head_max_age_s: int = Field(
        60, ge=1, le=86400, description="the gateway refuses when the head was not seen for so long"
    )
    provider_timeout_s: float = Field(
        10.0, gt=0, le=120, description="longest wait for a provider's whole answer"
    )
    max_response_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="largest provider answer"
    )
    max_connections_per_provider: int = Field(
        32, ge=1, le=1024, description="most calls to one provider at a time"
    )
    provider_failures: int = Field(
        10,
        ge=0,
        le=10_000,
        description="calls of one department without an answer, one after another, that pause a "
        "provider for it; 0: none do",
    )
    provider_pause_s: float = Field(
        10.0, gt=0, le=3600, description="how long such a provider is not called"
    )
    grant_rate_per_minute: int = Field(
        0, ge=0, le=10_000_000, description="most data requests of a grant a minute; 0: no limit"
    )
    department_rate_per_minute: int = Field(
        0,
        ge=0,
        le=10_000_000,
        description="most data requests of a department a minute; 0: no limit",
    )
    max_requests_per_department: int = Field(
        256, ge=1, le=1024, description="most data requests of a department in work at a time"
    )
    verify_processes: int = Field(
        0,
        ge=0,
        le=64,
        description="processes that verify batches of access records; 0: one for each processor",
    )
    log_process: bool = Field(
        default=True,
        description="write the access log in a process of its own; with a gateway's key in a token "
        "it is a thread of the gateway",
    )
    request_verifiers: int | None = Field(
        None,
        ge=0,
        le=64,
        description="processes that verify the signatures of data requests beside the event loop; "
        "0: they are verified in it; empty: one for each processor but two, at most "
        f"{MOST_REQUEST_VERIFIERS}",
    )
    parameter_digests: str = Field(
        "",
        pattern=r"^((/([A-Za-z0-9_.-]|~[01])+){1,8}(,(/([A-Za-z0-9_.-]|~[01])+){1,8}){0,15})?$",
        max_length=1024,
        description="JSON pointers, with commas, of parameters whose keyed digests are recorded; "
        "empty: none",
    )
    kept_interfaces: str = Field(
        "",
        pattern=r"^([0-9a-f]{64}(,[0-9a-f]{64}){0,255})?$",
        description="ids of interfaces, with commas, whose requests' parameters law demands to "
        "keep; empty: none",
    )
    further_gateways: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]{1,128}(,https?://[A-Za-z0-9.:\[\]-]{1,128}){0,15})?$",
        description="base URLs, with commas, of further gateways whose logs the api anchors too",
    )
    anchor_interval_s: float = Field(
        5.0, ge=0.1, le=3600, description="time between two anchors while there are new records"
    )
    anchor_records: int = Field(
        5000, ge=1, le=10_000_000, description="anchor sooner after so many new records"
    )
    heartbeat_interval_s: int = Field(
        600, ge=10, le=86400, description="a heartbeat record when nothing else came for so long"
    )
    auditor_departments: str = Field(
        "",
        pattern=r"^([0-9a-f]{64}(,[0-9a-f]{64})*)?$",
        description="ids of departments, with commas, whose auditors may have all evidence; "
        "the authority's own always may",
    )
    api_url: str = Field(
        "", description="where the gateway hands in tests' results; empty: the api of this host"
    )
    trusted_proxies: str = Field(
        "",
        max_length=2000,
        description="networks, with commas, of reverse proxies whose X-Forwarded-For tells where a "
        "request came from; empty: nobody's does",
    )
    providers_file: Path | None = Field(
        None, description="JSON object from node name to base URL of the provider's service"
    )
    provider_networks: str = Field(
        "",
        description="networks in which providers are, with commas, such as 10.8.0.0/16; "
        "empty: any that is not forbidden",
    )
    allow_loopback_providers: bool = Field(
        False,  # noqa: FBT003 - a setting's default
        description="providers may run on this host, on ports that are not the platform's own",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, which wins over the file."""
        toml = settings_cls.model_config.get("toml_file")
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if toml is not None:
            sources = (*sources, TomlConfigSettingsSource(settings_cls))
        return sources

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        try:
            parse_networks(sorted(value.split(",")) if value else [])
        except ProtocolError as error:
            raise ValueError(error.message) from error
        return value

    @property
    def resolved_trusted_proxies(self) -> tuple[Network, ...]:
        """Networks of reverse proxies that are believed."""
        return parse_networks(
            sorted(self.trusted_proxies.split(",")) if self.trusted_proxies else []
        )

    @property
    def resolved_request_verifiers(self) -> int:
        """Processes that verify the signatures of data requests."""
        if self.request_verifiers is not None:
            return self.request_verifiers
        # The event loop has one processor, the log's process another.
        return min(MOST_REQUEST_VERIFIERS, max(0, len(os.sched_getaffinity(0)) - 2))

    @property
    def resolved_auditor_departments(self) -> frozenset[bytes]:
        """Ids of the departments whose auditors may have all evidence."""
        return frozenset(bytes.fromhex(one) for one in self.auditor_departments.split(",") if one)

    @property
    def resolved_parameter_digests(self) -> tuple[str, ...]:
        """JSON pointers of the parameters whose keyed digests are recorded, each once."""
        return tuple(dict.fromkeys(one for one in self.parameter_digests.split(",") if one))

    @property
    def resolved_gateway_urls(self) -> tuple[str, ...]:
        """Base URLs of the gateways whose logs are anchored: this home's, and the further ones."""
        further = tuple(one for one in self.further_gateways.split(",") if one)
        return (f"http://{self.host}:{self.gateway_port}", *further)

    @property
    def parameter_keys_dir(self) -> Path:
        """Directory of the keys of the parameters' digests."""
        return self.home / "parameter-keys"

    @property
    def resolved_kept_interfaces(self) -> frozenset[bytes]:
        """Ids of the interfaces whose requests' parameters are kept."""
        return frozenset(bytes.fromhex(one) for one in self.kept_interfaces.split(",") if one)

    @property
    def kept_keys_dir(self) -> Path:
        """Directory of the keys of kept envelopes."""
        return self.home / "kept-keys"

    @property
    def resolved_node_url(self) -> str:
        """JSON-RPC endpoint of the chain."""
        return self.node_url or f"http://127.0.0.1:{self.node_port}"

    @property
    def resolved_api_url(self) -> str:
        """Base URL of the api."""
        return self.api_url or f"http://{self.host}:{self.api_port}"

    @property
    def resolved_database_url(self) -> str:
        """SQLAlchemy URL of outbox and read model."""
        return self.database_url or f"sqlite:///{(self.home / 'ledger.db').absolute()}"

    @property
    def resolved_log_database_url(self) -> str:
        """SQLAlchemy URL of the gateway's log."""
        file = self.home / "logs" / "gateway.db"
        return self.log_database_url or f"sqlite:///{file.absolute()}"

    @property
    def resolved_gateway_authority(self) -> str:
        """Authority that a data request must be signed for."""
        return self.gateway_authority or f"{self.host}:{self.gateway_port}"


def load_settings(home: Path, **overrides: object) -> Settings:
    """Read the settings of a home directory.

    Args:
        home: home directory; it need not exist yet.
        overrides: settings that win over everything else.

    Raises:
        pydantic.ValidationError: a setting is unknown or out of range.
    """

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=home / "settings.toml")

    return FileSettings(home=home, **overrides)  # type: ignore[arg-type]  # checked by pydantic
