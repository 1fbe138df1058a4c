"""AWS Step Functions as we ask it: by botocore, with the credentials of its own chain, and one clear error for what fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from shipway.kernel.errors import ShipwayError
from shipway.pipeline._attempts import Away, Patience, one_line, retry_after
from shipway.pipeline._engine import EngineRefused

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

Answer = Mapping[str, object]

_TIMEOUT, _PATIENCE = 30.0, 300.0  # seconds: of one request, and of one thing that is asked again and again
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ARN = re.compile(r"arn:(aws[a-z-]*):states:([a-z0-9-]+):([0-9]{12}):stateMachine:([A-Za-z0-9_-]{1,80})")
_BUSY = re.compile(r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|RequestTimeout$|ServiceUnavailable|InternalFailure")
_ACCESS = re.compile(
    r"AccessDenied|UnrecognizedClient|ExpiredToken|InvalidSignature|InvalidClientTokenId|NotAuthorized|MissingAuth"
)
_CONSOLES = {"aws": "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


class EngineClientMissing(ShipwayError):
    """The library that speaks to an engine is not installed."""

    code = "pipeline.engine-client-missing"


class StatesClient:
    """machine: a state machine's ARN, or its name in that region and account; account: that of the credentials when None.

    Raises EngineRefused for a name that is none and where AWS has no credentials, EngineClientMissing, EngineUnreachable.
    """

    def __init__(
        self,
        machine: str,
        *,
        region: str,
        account: str | None = None,
        timeout: float = _TIMEOUT,
        patience: float = _PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._timeout, self._patience = timeout, Patience(patience, clock, pause)
        match = _ARN.fullmatch(machine)
        if not match and not _NAME.fullmatch(machine):
            mend = "SHIPWAY_STATE_MACHINE: its name, or arn:aws:states:REGION:ACCOUNT:stateMachine:NAME"
            raise EngineRefused("this is no state machine's name", where=one_line(machine) or "an empty text", mend=mend)
        self.region = match[2] if match else region
        self.name = match[4] if match else machine
        self._client = self._open("stepfunctions")
        self.partition = match[1] if match else str(self._client.meta.partition)
        self._account = match[3] if match else account or self._whoami()

    @property
    def arn(self) -> str:
        return self._arn("stateMachine")

    def execution(self, run: str) -> str:
        """The ARN of a run of the machine."""
        return f"{self._arn('execution')}:{run}"

    def page(self, run: str) -> str:
        """Where a person finds a run; its ARN where we know no console."""
        host, arn = _CONSOLES.get(self.partition), self.execution(run)
        return f"https://{host}/states/home?region={self.region}#/v2/executions/details/{arn}" if host else arn

    def ask(self, action: str, **given: str | int | bool) -> Answer:
        """What AWS answers to an action, by botocore's name; asked again while it is busy or away, and done each time, maybe.

        Raises EngineUnreachable, and EngineRefused whose status is AWS's word for what is wrong.
        """
        return self._asked(self._client, action, given)

    def _arn(self, kind: str) -> str:
        return f"arn:{self.partition}:states:{self.region}:{self._account}:{kind}:{self.name}"

    def _whoami(self) -> str:
        said = self._asked(self._open("sts"), "get_caller_identity", {}).get("Account")
        if not isinstance(said, str) or not re.fullmatch(r"[0-9]{12}", said):
            raise EngineRefused(
                "AWS does not say whose credentials these are", where="sts", mend="targets: {aws: {account: ...}}"
            )
        return said

    def _open(self, service: str) -> BaseClient:
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ModuleNotFoundError as missing:
            what = "to ask AWS, botocore is needed, which is not installed"
            raise EngineClientMissing(what, where=service, mend="pip install 'shipway[aws]'") from missing
        once = {"total_max_attempts": 1}  # patience is ours
        config = Config(connect_timeout=self._timeout, read_timeout=self._timeout, retries=once)
        try:
            return Session().create_client(service, region_name=self.region, config=config)
        except (BotoCoreError, ValueError) as problem:  # a profile that is not there, an address that is none
            raise _refused(problem, service) from problem

    def _asked(self, client: BaseClient, action: str, given: Mapping[str, str | int | bool]) -> Answer:
        where = f"{client.meta.endpoint_url} {action}"
        mend = "the same command follows the run when AWS is back"
        return self._patience.ask(partial(_once, client, action, given, where), who="AWS", where=where, mend=mend)


def _once(client: BaseClient, action: str, given: Mapping[str, str | int | bool], where: str) -> Answer:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, SSLError
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.parsers import ResponseParserError

    call = getattr(client, action)
    try:
        answer = call(**given)
    except ClientError as problem:
        raise _told(problem, where) from problem
    except SSLError as problem:
        raise _refused(problem, where) from problem
    except (HTTPClientError, NoConnection) as problem:
        raise Away(one_line(str(problem))) from problem
    except (BotoCoreError, ResponseParserError) as problem:
        raise _refused(problem, where) from problem
    except (AttributeError, TypeError, ValueError, RecursionError) as problem:  # its parsers believe in the shapes of AWS
        raise stranger(where) from problem
    found: dict[str, object] = dict(answer) if isinstance(answer, Mapping) else {}
    return found


def stranger(where: str) -> EngineRefused:
    """What is raised when an answer has not the shape of AWS's."""
    return EngineRefused("what answers for AWS is no Step Functions", where=where, mend="look at AWS_ENDPOINT_URL")


def _refused(problem: Exception, where: str) -> EngineRefused:
    mend = "the standard chain: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, `aws sso login`, the machine's role"
    return EngineRefused(f"AWS cannot be asked: {one_line(str(problem))}", where=where, mend=mend)


def _told(problem: ClientError, where: str) -> Away | EngineRefused:
    """What AWS answered, as an error: to be asked again, or not."""
    error, meta = problem.response.get("Error", {}), problem.response.get("ResponseMetadata", {})
    code, status = one_line(str(error.get("Code", ""))), int(meta.get("HTTPStatusCode", 0))
    said = one_line(str(error.get("Message", "")))
    what = f"AWS answered {code or status}{': ' + said if said else ''}"
    if status == 429 or status >= 500 or _BUSY.search(code):
        return Away(what, wait=retry_after(str(meta.get("HTTPHeaders", {}).get("retry-after", ""))))
    mend = None
    if _ACCESS.search(code):
        mend = "credentials that may start, stop and describe executions of the machine, and read their history"
    return EngineRefused(what, where=where, mend=mend, status=code)
