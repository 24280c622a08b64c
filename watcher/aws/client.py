"""Sessions and clients, how their calls are reported, and how their failures are translated: once, here.

Retries: reads use botocore's standard mode with a few attempts. Mutations are sent once. The standard mode counts
LimitExceededException as throttling and would send an UpdateTable beyond the decrease budget four times over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from watcher import __version__
from watcher.aws.permissions import ASSUME_ROLE, Permission
from watcher.clock import process_seconds
from watcher.errors import AwsDenied, AwsError, AwsNotFound, AwsUnavailable

if TYPE_CHECKING:  # the stubs are a development dependency
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient

ClientT = TypeVar("ClientT")

SESSION_NAME = f"watcher-{__version__}"
BODY_LIMIT = 256  # characters of AWS's own words that are kept
_STARTED = "watcher_started"  # key in botocore's per-call context


class CallObserver(Protocol):
    """Told of every finished call, retries included in one. outcome: "ok", AWS's error code, or the transport error's
    class name. seconds: real ones."""

    def __call__(self, operation: str, outcome: str, seconds: float) -> None: ...


def unobserved(operation: str, outcome: str, seconds: float) -> None:
    """The observer of who does not care."""


@dataclass(frozen=True, slots=True)
class StaticCredentials:
    """Credentials given explicitly (sandbox, tests); nothing is then looked up in the environment or in files."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """How AWS is reached. endpoint_url: where every client goes instead of AWS, "" for AWS itself (botocore then still
    honours AWS_ENDPOINT_URL). role_arn: assumed through STS and renewed in time. Timeouts in seconds.
    """

    endpoint_url: str = ""
    role_arn: str = ""
    external_id: str = field(default="", repr=False)
    credentials: StaticCredentials | None = None
    connect_timeout: float = 3.0
    read_timeout: float = 15.0
    read_attempts: int = 3
    connections: int = 16


class AwsClients:
    """Makes clients that share one set of credentials, and closes them. Use one per process; not for many threads:
    clients are made at composition time (they themselves are thread-safe)."""

    def __init__(self, settings: AwsSettings, *, on_call: CallObserver = unobserved) -> None:
        self._settings = settings
        self._on_call = on_call
        self._opened: list[Any] = []
        self._sns: dict[str, SNSClient] = {}
        with _local_settings():
            self._plain = _session(settings.credentials)
            self._session = self._assuming() if settings.role_arn else self._plain

    def dynamodb(self, region: str, *, mutating: bool = False) -> DynamoDBClient:
        with _local_settings():
            return self._kept(self._session.client("dynamodb", region_name=region, **self._options(mutating=mutating)))

    def cloudwatch(self, region: str) -> CloudWatchClient:
        with _local_settings():
            return self._kept(self._session.client("cloudwatch", region_name=region, **self._options()))

    def application_autoscaling(self, region: str, *, mutating: bool = False) -> ApplicationAutoScalingClient:
        options = self._options(mutating=mutating)
        with _local_settings():
            return self._kept(self._session.client("application-autoscaling", region_name=region, **options))

    def sns(self, region: str) -> SNSClient:
        """For publishing, so never retried here: the outbox tries again, and knows that it does. The same one each
        time, because a reloaded config asks again."""
        if region not in self._sns:
            with _local_settings():
                client = self._session.client("sns", region_name=region, **self._options(mutating=True))
            self._sns[region] = self._kept(client)
        return self._sns[region]

    def credentials_method(self) -> str:
        """How the caller's own credentials are found, in botocore's words ("env", "iam-role", "explicit" ...), or ""
        where there are none. Raises AwsError. May ask the machine's metadata service."""
        with _local_settings():
            found = self._plain.get_credentials()
        return "" if found is None else str(found.method)

    def assume_role(self) -> None:
        """Assume the role once, to see whether it can be. Raises AwsError."""
        self._assume()

    def close(self) -> None:
        """Close every client's connections. Harmless when repeated."""
        while self._opened:
            self._opened.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _options(self, *, mutating: bool = False) -> dict[str, Any]:
        settings = self._settings
        config = Config(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            max_pool_connections=settings.connections,
            user_agent_extra=f"watcher/{__version__}",
            retries={"mode": "standard", "total_max_attempts": 1 if mutating else settings.read_attempts},
        )
        return {"config": config} | ({"endpoint_url": settings.endpoint_url} if settings.endpoint_url else {})

    def _kept(self, client: ClientT) -> ClientT:
        self._opened.append(client)
        observe_calls(client, self._on_call)
        return client

    def _assuming(self) -> boto3.Session:
        """A session whose credentials come from AssumeRole and renew themselves before they end."""
        session = _botocore_session()
        provider = _AssumedRole(self._assume)
        session.register_component("credential_provider", CredentialResolver(providers=[provider]))
        return boto3.Session(botocore_session=session)

    @functools.cached_property
    def _sts(self) -> Any:  # noqa: ANN401 - the stub's type adds nothing to one call
        # STS exists in every Region; the role's own session is regional, so any Region of the partition will do.
        region = self._plain.region_name or _home_region(self._settings.role_arn)
        return self._kept(self._plain.client("sts", region_name=region, **self._options()))

    def _assume(self) -> dict[str, str]:
        extra = {"ExternalId": self._settings.external_id} if self._settings.external_id else {}
        with aws_call(ASSUME_ROLE, f"role {self._settings.role_arn}"):
            answer = self._sts.assume_role(RoleArn=self._settings.role_arn, RoleSessionName=SESSION_NAME, **extra)
            given = answer["Credentials"]
            return {
                "access_key": given["AccessKeyId"],
                "secret_key": given["SecretAccessKey"],
                "token": given["SessionToken"],
                "expiry_time": given["Expiration"].isoformat(),
            }


class _AssumedRole(CredentialProvider):
    METHOD = "watcher-assume-role"

    def __init__(self, assume: Callable[[], dict[str, str]]) -> None:
        super().__init__()
        self._assume = assume

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._assume, method=self.METHOD)


def _botocore_session() -> botocore.session.Session:
    """A session that does not spend most of a long answer on its times: fourteen days of one metric have 20,160."""
    session = botocore.session.Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=timestamp)
    return session


def timestamp(value: float | str) -> datetime:
    """A time in an answer: seconds since the epoch directly, as text botocore's way, which first looks for the
    machine's own time zone. Raises ResponseParserError for what is no time."""
    try:
        return parse_timestamp(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError, RuntimeError) as error:
        raise ResponseParserError(f"{value!r} is no time") from error


def _session(credentials: StaticCredentials | None) -> boto3.Session:
    if credentials is None:
        return boto3.Session(botocore_session=_botocore_session())
    return boto3.Session(
        botocore_session=_botocore_session(),
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
    )


def _home_region(arn: str) -> str:
    """The Region for STS where none is configured: the first of the role's partition."""
    return {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}.get(arn.split(":")[1], "us-east-1")


def observe_calls(client: Any, on_call: CallObserver) -> None:  # noqa: ANN401 - any boto3 client
    """Report every call of ``client`` to ``on_call`` when it has ended, however it ended."""

    def started(context: dict[str, Any], **_event: object) -> None:
        context[_STARTED] = process_seconds()

    def answered(model: Any, parsed: dict[str, Any], context: dict[str, Any], **_event: object) -> None:  # noqa: ANN401
        outcome = str(parsed["Error"].get("Code", "")) if "Error" in parsed else "ok"
        on_call(model.name, outcome, process_seconds() - context[_STARTED])

    def failed(event_name: str, exception: Exception, context: dict[str, Any], **_event: object) -> None:
        operation = event_name.rpartition(".")[2]
        on_call(operation, type(exception).__name__, process_seconds() - context[_STARTED])

    client.meta.events.register("before-call", started)
    client.meta.events.register("after-call", answered)
    client.meta.events.register("after-call-error", failed)


@contextmanager
def _local_settings() -> Iterator[None]:
    """What botocore finds wrong on this machine, before any call: a profile that is not there, a broken file."""
    try:
        yield
    except BotoCoreError as error:
        hint = _RENEW if isinstance(error, _CREDENTIAL_ERRORS) else "correct AWS_PROFILE and AWS's own config files"
        raise AwsDenied(
            trimmed(str(error)), code=type(error).__name__, operation="reading AWS's own settings", hint=hint
        ) from error


@contextmanager
def aws_call(permission: Permission, subject: str) -> Iterator[None]:
    """Run one AWS call (or all its pages) and take its answer apart; whatever fails leaves as an AwsError.

    botocore makes an empty answer of a broken 200, so a field that every answer has can be missing: a KeyError here.
    """
    try:
        yield
    except KeyError as error:
        raise AwsUnavailable(
            f"the answer lacks {error}",
            code="MalformedAnswer",
            operation=permission.operation,
            subject=subject,
            hint="check endpoint_url",
            retryable=True,
        ) from error
    except (ClientError, BotoCoreError, ResponseParserError) as error:
        raise translated(error, permission, subject) from error
    except (TypeError, AttributeError, ValueError) as error:
        # botocore takes an answer apart as its model has it, and trips over one of another shape. What it says may
        # repeat the answer, and so other people's key values.
        raise AwsUnavailable(
            f"the answer is not of the shape that AWS gives ({type(error).__name__})",
            code="MalformedAnswer",
            operation=permission.operation,
            subject=subject,
            hint="check endpoint_url",
            retryable=True,
        ) from None


_CREDENTIAL_ERRORS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    NoAuthTokenError,
    TokenRetrievalError,
    SSOError,
)
_CREDENTIAL_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED_CODES = frozenset(
    {"AuthorizationError", "AuthorizationErrorException", "KMSAccessDenied", "NotAuthorized", "UnauthorizedOperation"}
)
_NOT_FOUND_CODES = frozenset(
    {
        "IndexNotFoundException",
        "NotFound",
        "NotFoundException",
        "ObjectNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "TableNotFoundException",
    }
)
THROTTLING_CODES = frozenset(
    {
        "KMSThrottling",
        "KMSThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_UNAVAILABLE_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceException",
        "InternalServiceFault",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionInProgressException",
    }
)
_RENEW = "provide valid AWS credentials: a profile, an instance or task role, or AWS_ACCESS_KEY_ID"


def translated(error: Exception, permission: Permission, subject: str) -> AwsError:
    """The one place where botocore's exceptions become ours, and where retryable or not is decided.

    A refusal of the credentials themselves is retryable: it passes when they are renewed. A refusal of a permission is
    not, nor is anything that AWS calls the caller's mistake.
    """
    if isinstance(error, ClientError):
        return _from_answer(error, permission, subject)
    kind = type(error).__name__
    where: dict[str, Any] = {"code": kind, "operation": permission.operation, "subject": subject}
    cause = trimmed(str(error)) or kind
    if isinstance(error, _CREDENTIAL_ERRORS):
        return AwsDenied(cause, hint=_RENEW, retryable=True, **where)
    if isinstance(error, BotoConnectionError | HTTPClientError):
        return AwsUnavailable(cause, hint="check the network and endpoint_url", retryable=True, **where)
    if isinstance(error, ResponseParserError):
        cause = "the answer is not what this service sends"
        return AwsUnavailable(cause, hint="check endpoint_url", retryable=True, **where)
    return AwsError(cause, **where)


def _from_answer(error: ClientError, permission: Permission, subject: str) -> AwsError:
    told = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code, message = str(told.get("Code", "")), str(told.get("Message", ""))
    if not code or code.isdigit():
        # Not AWS speaking: a proxy, or a stand-in server without this operation, answering with a web page.
        code, message = f"HTTP{status}", f"HTTP {status} without an AWS error"
    where: dict[str, Any] = {"code": code, "operation": permission.operation, "subject": subject}
    cause = trimmed(message) or code
    if code in _CREDENTIAL_CODES:
        return AwsDenied(cause, hint=_RENEW, retryable=True, **where)
    if code in _DENIED_CODES or code.startswith("AccessDenied"):
        return AwsDenied(cause, hint=f"allow {permission.action}", **where)
    if code in THROTTLING_CODES:
        return AwsUnavailable(
            cause, hint="AWS throttles these calls; they are tried again later", retryable=True, **where
        )
    if status >= 500 or code in _UNAVAILABLE_CODES:
        return AwsUnavailable(cause, retryable=True, **where)
    if code in _NOT_FOUND_CODES:
        return AwsNotFound(cause, **where)
    return AwsError(cause, **where)


def trimmed(text: str) -> str:
    """One line of at most BODY_LIMIT characters."""
    line = " ".join(text.split())
    return line if len(line) <= BODY_LIMIT else line[: BODY_LIMIT - 3] + "..."
