# Written by docs/generate.py from HOMES in __init__.py.
# ruff: noqa: I001
from .definitions.folders import load as load
from .definitions.connector import Connector as Connector, Outline as Outline
from .calls.action import Action as Action
from .definitions.forms import editor_schema as editor_schema
from .client import Client as Client, AsyncClient as AsyncClient
from .session import (
    ClientOptions as ClientOptions,
    CallOptions as CallOptions,
    ChoicesOptions as ChoicesOptions,
    DownloadOptions as DownloadOptions,
)
from .transport import Http as Http
from .model import Result as Result, Page as Page, Choices as Choices, Choice as Choice
from .calls.files import File as File
from .downloads.download import SavedFile as SavedFile
from .steps import Attempt as Attempt, Permit as Permit
from .pacing.pacer import Pacer as Pacer, pacer as pacer
from .pacing.permit import Pacing as Pacing
from .connections.connections import (
    Connections as Connections,
    ConnectionSummary as ConnectionSummary,
    CheckResult as CheckResult,
)
from .connections.oauth import (
    StoredConnection as StoredConnection,
    AsyncStoredConnection as AsyncStoredConnection,
    Health as Health,
    Authorization as Authorization,
)
from .connections.oauth_requests import App as App, Tokens as Tokens
from .connections import oauth as oauth
from .stores.databases import open_store as open_store, open_vault as open_vault
from .stores.store import Store as Store, Entry as Entry, Lease as Lease, MemoryStore as MemoryStore
from .triggers.webhook import Trigger as Trigger, Notification as Notification, UrlValidation as UrlValidation
from .triggers.receiver import (
    webhook_app as webhook_app,
    Receiver as Receiver,
    DeliverySettings as DeliverySettings,
    Reply as Reply,
)
from .service.app import service_app as service_app
from .service.settings import ServiceSettings as ServiceSettings
from .errors import (
    ConnectorError as ConnectorError,
    DefinitionError as DefinitionError,
    InputError as InputError,
    RequestError as RequestError,
    AuthError as AuthError,
    MissingScope as MissingScope,
    ApiError as ApiError,
    ValidationFailed as ValidationFailed,
    NotFound as NotFound,
    Conflict as Conflict,
    PlanRequired as PlanRequired,
    RateLimited as RateLimited,
    QuotaReached as QuotaReached,
    TransportError as TransportError,
    InternalError as InternalError,
    StoreError as StoreError,
    SignatureError as SignatureError,
    PayloadError as PayloadError,
    Problem as Problem,
)
