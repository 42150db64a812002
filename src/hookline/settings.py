"""Settings: the only reader of the environment (prefix HOOKLINE_, and a `.env` file beside it)."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hookline.domain.errors import StartupError

PREFIX = "HOOKLINE_"
ENV_FILE = ".env"
MAX_DAYS = 36_500
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # as the Prometheus client reads it, when it is imported


class Environment(StrEnum):
    """Development starts with nothing set; production refuses what is unsafe or missing."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ProviderSetting(msgspec.Struct, frozen=True):
    """A setting that a provider's folder declares.

    name: without the prefix. many: comma-separated values. required: production refuses to start without it.
    made: development makes a random value once when there is none. default: otherwise.
    simulated: for a platform's URL, its path at the simulator, which is the default while that is on.
    """

    name: str
    label: str
    secret: bool = False
    required: bool = False
    many: bool = False
    made: bool = False
    default: str = ""
    simulated: str = ""


class Settings(BaseSettings):
    """Everything that can be set but what providers declare themselves. Units are in the names."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Environment = Field(Environment.DEVELOPMENT, description="development or production")
    allow_unsigned_webhooks: bool | None = Field(
        None,
        description="take webhooks without a signature header; default: true in development; production refuses it",
    )
    database_url: str | None = Field(
        None, description="PostgreSQL 15 or later; unset: an embedded server under HOOKLINE_DATA_DIR"
    )
    data_dir: Path = Field(Path(".hookline"), description="the embedded database and development's secrets")
    host: str = Field("127.0.0.1", description="address that the API listens on")
    port: int = Field(3000, ge=0, le=65535, description="port that the API listens on")
    public_url: str | None = Field(None, description="the URL under which platforms and browsers reach the API")
    return_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="comma-separated addresses below which the CRM may have browsers sent back after connecting an "
        "account; development also allows this machine",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="comma-separated origins of the CRM's own front end"
    )
    jwt_secret: str | None = Field(None, description="HS256 secret that verifies the CRM's tokens; 32 bytes or more")
    jwt_jwks_url: str | None = Field(None, description="or: where the keys that verify the CRM's tokens are published")
    jwt_audience: str | None = Field(None, description="the audience that a token must name, if any")
    jwt_issuer: str | None = Field(None, description="the issuer that a token must name, if any")
    simulator: bool | None = Field(
        None, description="talk to the simulated platforms; default: true in development; production refuses it"
    )
    simulator_port: int = Field(3001, ge=0, le=65535, description="port that the simulated platforms listen on")
    kms_uri: str | None = Field(
        None,
        pattern="^aws-kms://arn:aws:kms:[a-z0-9-]+:[0-9]+:.+$",
        description="the AWS KMS key that wraps what encrypts tokens, as aws-kms://arn:…; required in production; "
        "development uses a key file under HOOKLINE_DATA_DIR",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    media_url: str | None = Field(
        None,
        pattern="^(s3|gs|az|file)://.+$",
        description="where files are kept, as s3://bucket/prefix, gs://…, az://… or file:///folder; default: a folder "
        "under HOOKLINE_DATA_DIR, which every process must reach",
    )
    max_media_bytes: int = Field(100 * 1024 * 1024, gt=0, description="larger files are neither fetched nor taken")
    max_webhook_bytes: int = Field(4 * 1024 * 1024, gt=0, description="larger webhooks are answered 413")
    max_job_attempts: int = Field(
        5, ge=0, description="failed attempts after which a job is FAILED at its next failure"
    )
    backoff_cap_minutes: int = Field(60, gt=0, description="longest delay before a failed job runs again")
    unowned_days: int = Field(7, gt=0, description="days for which webhooks of no connected account wait for one")
    send_unknown_minutes: int = Field(
        10, gt=0, description="minutes for which a message waits for the platform's report before a person decides"
    )
    send_expiry_hours: int = Field(
        72, gt=0, description="hours after which a message that could not be sent is not sent any more"
    )
    profile_refresh_days: int = Field(
        30,
        ge=0,
        le=MAX_DAYS,
        description="days after which somebody's profile is fetched again when they write; 0: never",
    )
    retain_jobs_days: int = Field(
        7, ge=0, le=MAX_DAYS, description="days for which jobs that are done are kept; 0: for ever"
    )
    retain_events_days: int = Field(
        30, ge=0, le=MAX_DAYS, description="days for which processed webhook events are kept; 0: for ever"
    )
    retain_failed_days: int = Field(
        90, ge=0, le=MAX_DAYS, description="days for which failed jobs and webhook events are kept; 0: for ever"
    )
    retain_messages_days: int = Field(0, ge=0, le=MAX_DAYS, description="days for which messages are kept; 0: for ever")
    retain_feed_days: int = Field(
        30, ge=0, le=MAX_DAYS, description="days for which the feed can be read back; 0: for ever"
    )
    worker_batch: int = Field(1000, gt=0, le=5000, description="jobs that a worker claims at once")
    worker_concurrency: int = Field(
        200, gt=0, le=5000, description="jobs, other than webhooks, that one worker process runs side by side"
    )
    worker_slots: int = Field(
        2,
        gt=0,
        le=32,
        description="batches of webhooks, and as many claims of other jobs, that a worker makes at a time",
    )
    notify: bool = Field(
        True, description="wake idle workers by NOTIFY; false behind a pooler in transaction mode: they only poll then"
    )
    database_pool_size: int = Field(8, ge=2, description="connections that one process opens for its own queries")

    @field_validator("cors_origins", "return_urls", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return split_commas(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _refuse_open_doors(self) -> Self:
        if self.production and self.allow_unsigned_webhooks:
            raise ValueError("HOOKLINE_ALLOW_UNSIGNED_WEBHOOKS may not be true in production")
        if self.production and self.simulator:
            raise ValueError("HOOKLINE_SIMULATOR may not be true in production")
        if self.production and not (self.jwt_secret or self.jwt_jwks_url):
            raise ValueError("production needs HOOKLINE_JWT_SECRET or HOOKLINE_JWT_JWKS_URL")
        if self.production and self.kms_uri is None:
            raise ValueError("production needs HOOKLINE_KMS_URI")
        if 2 * self.worker_slots + 2 > self.database_pool_size:
            raise ValueError("HOOKLINE_DATABASE_POOL_SIZE must be at least twice HOOKLINE_WORKER_SLOTS, and 2 more")
        if self.jwt_secret is not None and len(self.jwt_secret.encode()) < 32:
            raise ValueError("HOOKLINE_JWT_SECRET must have 32 bytes or more")
        return self

    @property
    def production(self) -> bool:
        """Whether this is production."""
        return self.environment is Environment.PRODUCTION

    @property
    def unsigned_webhooks_allowed(self) -> bool:
        """Whether a webhook without a signature header is taken."""
        return not self.production if self.allow_unsigned_webhooks is None else self.allow_unsigned_webhooks

    @property
    def simulator_url(self) -> str | None:
        """Where the simulated platforms are; None if the real ones are meant."""
        on = not self.production if self.simulator is None else self.simulator
        return f"http://127.0.0.1:{self.simulator_port}" if on else None

    @property
    def base_url(self) -> str | None:
        """Where platforms and browsers reach the API; None if production does not say."""
        given = self.public_url or (None if self.production else f"http://localhost:{self.port}")
        return given and given.rstrip("/")


def split_commas(text: str) -> tuple[str, ...]:
    """Split a comma-separated setting; empty pieces do not count."""
    return tuple(piece.strip() for piece in text.split(",") if piece.strip())


def read_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` (a command's options) win over the environment.

    Raises: StartupError, which names each setting that does not fit.
    """
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise StartupError("\n".join(_complaint(dict(one)) for one in error.errors(include_input=False))) from None


def _complaint(error: dict[str, object]) -> str:
    location = error.get("loc")
    name = "".join(str(piece) for piece in location[:1]) if isinstance(location, tuple) else ""
    message = str(error.get("msg", "")).removeprefix("Value error, ")
    return f"{PREFIX}{name.upper()}: {message}" if name else message


def read_provider_settings(
    declared: Iterable[ProviderSetting], *, production: bool, simulator_url: str | None = None
) -> dict[str, str]:
    """Read what the providers' folders declare, as text by name; empty where nothing is set.

    simulator_url: where the platforms' URLs lead by default, if the simulator stands in for them.
    Raises: StartupError in production, naming every required setting that is missing.
    """
    fields = list(declared)
    file = _env_file_values()
    values = {
        field.name: os.environ.get(PREFIX + field.name, file.get(PREFIX + field.name, "")).strip()
        or (simulator_url + field.simulated if simulator_url and field.simulated else field.default)
        for field in fields
    }
    missing = [f"{PREFIX}{field.name} ({field.label})" for field in fields if field.required and not values[field.name]]
    if production and missing:
        raise StartupError("production needs " + ", ".join(missing))
    return values


def child_environment(*, metrics_folder: str) -> dict[str, str]:
    """Give what a child process inherits: this environment, and the folder in which it counts beside its siblings."""
    return {**os.environ, _METRICS_FOLDER: metrics_folder}


def metrics_folder() -> str | None:
    """Name the folder in which several processes count together, if this is one of several."""
    return os.environ.get(_METRICS_FOLDER)


def _env_file_values() -> dict[str, str]:
    from dotenv import dotenv_values

    return {key: value for key, value in dotenv_values(ENV_FILE).items() if value is not None}
