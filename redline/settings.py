"""Settings from the environment, with embedded defaults: SQLite and an in-memory layer, no server to install.

Every variable is documented in README.md. A bad value raises `ImproperlyConfigured` with one line that names it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from redline.addresses import BadAddress
from redline.channel_layer import channel_layer
from redline.database import database

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
T = TypeVar("T")


def setting(name: str, read: Callable[..., T], default: Any, **options: Any) -> T:
    """Read one environment variable; blank counts as unset, a bad value is one line that names it."""
    if not os.environ.get(name, "").strip():
        return read(f"\0{name}", default=default, **options)
    try:
        return read(name, **options)
    except Exception as error:
        raise ImproperlyConfigured(f"{name} has a bad value: {str(error).splitlines()[0]}") from None


def parsed(name: str, read: Callable[[str], T], default: str) -> T:
    """Read a variable by a function of its text, which raises ValueError for a bad one."""
    try:
        return read(os.environ.get(name, "").strip() or default)
    except Exception as error:
        raise ImproperlyConfigured(f"{name} has a bad value: {str(error).splitlines()[0]}") from None


def url(name: str, read: Callable[[str], T], default: str) -> T:
    """Read a URL, in which a password may stand: why it is bad is told without any part of it."""

    def reading(text: str) -> T:
        try:
            return read(text)
        except BadAddress:
            raise
        except Exception:
            raise BadAddress("it is no URL; in a password / # ? @ must be percent-encoded") from None

    return parsed(name, reading, default)


def number(name: str, default: float) -> float:
    value = setting(name, env.float, default)
    if not 0 <= value < float("inf"):
        raise ImproperlyConfigured(f"{name} has a bad value: {value} is not a number from 0 up")
    return value


def whole(name: str, default: int) -> int:
    value = setting(name, env.int, default)
    if value < 0:
        raise ImproperlyConfigured(f"{name} has a bad value: {value} is negative")
    return value


def interval(name: str, default: int) -> int:
    """Read milliseconds; less than a tenth of a second would be a flood."""
    value = whole(name, default)
    if value < 100:
        raise ImproperlyConfigured(f"{name} has a bad value: {value} ms is less than 100")
    return value


def names(name: str) -> list[str]:
    return [part.strip() for part in setting(name, env.list, []) if part.strip()]


def flag(name: str) -> bool:
    """Read yes or no, in any of the usual words; the default is no."""
    text = os.environ.get(name, "").strip().lower()
    if text not in YES | NO:
        raise ImproperlyConfigured(f"{name} has a bad value: {text!r} is neither true nor false")
    return text in YES


YES, NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def matching(name: str, form: re.Pattern[str], what: str) -> list[str]:
    """Read a list whose every member has one form."""
    found = names(name)
    for text in found:
        if form.fullmatch(text) is None:
            raise ImproperlyConfigured(f"{name} has a bad value: {text!r} is not {what}")
    return found


ORIGIN = re.compile(r"https?://[^/\s?#@]+")
HOST = re.compile(r"[^/\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


def networks(name: str) -> list[str]:
    """Read addresses and networks; `unix` stands for a Unix socket."""
    found = names(name)
    for text in found:
        try:
            text == "unix" or ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ImproperlyConfigured(f"{name} has a bad value: {text!r} is no address or network") from None
    return found


def local_secret() -> str:
    """Return the generated secret of this checkout, kept in a git-ignored file that only its owner can read."""
    file = BASE_DIR / ".secret-key"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip() or get_random_secret_key()
    except OSError:
        return get_random_secret_key()
    with os.fdopen(descriptor, "w") as handle:
        secret = get_random_secret_key()
        handle.write(secret)
    return secret


SECRET_KEY = os.environ.get("SECRET_KEY") or local_secret()
DEBUG = flag("DEBUG")
ALLOWED_HOSTS = names("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = matching("CSRF_TRUSTED_ORIGINS", ORIGIN, "a full origin such as https://app.example.com")
TRUSTED_PROXIES = networks("TRUSTED_PROXIES")

INSTALLED_APPS = [
    "streaming",  # before daphne: its runserver adds the back-pressure that daphne's lacks
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "flags",
    "redline.workspaces",
    "redline.monitoring",
    "redline.projects",
    "redline.dashboard",
    "redline.demo",
]

MIDDLEWARE = [
    "redline.errors.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "redline.workspaces.acting.ActingUserMiddleware",
]

ROOT_URLCONF = "redline.urls"
ASGI_APPLICATION = "redline.asgi.application"
AUTH_USER_MODEL = "workspaces.User"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "sign-in"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CSRF_FAILURE_VIEW = "redline.errors.csrf_failure"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]


def cache(url: str) -> dict[str, Any]:
    """Return the settings of the cache at `url`; no request waits for a Redis that hangs."""
    config: dict[str, Any] = dict(env.cache_url_config(url))
    if config["BACKEND"] == environ.REDIS_DRIVER:
        config["OPTIONS"] = {"socket_connect_timeout": 1.0, "socket_timeout": 1.0, **config.get("OPTIONS", {})}
    return config


DATABASES = {
    "default": url(
        "DATABASE_URL",
        partial(database, pool_size=whole("DATABASE_POOL_SIZE", 20)),
        f"sqlite:///{BASE_DIR / 'redline.sqlite3'}",
    )
}
CHANNEL_LAYERS = {
    "default": url(
        "CHANNELS_URL",
        partial(
            channel_layer,
            sentinel_master=setting("CHANNELS_SENTINEL_MASTER", env.str, ""),
            encryption_keys=names("CHANNELS_ENCRYPTION_KEYS"),
        ),
        "inmemory://",
    )
}
CACHES = {"default": url("CACHE_URL", cache, "locmemcache://")}
vars().update(url("EMAIL_URL", env.email_url_config, "consolemail://"))

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Without a collectstatic run the files are served from where they lie, so that nothing has to be built first.
SERVESTATIC_USE_FINDERS = not STATIC_ROOT.exists()

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
if flag("HTTPS_ONLY"):
    SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # the proxy in front sets it, whatever a client sent
    SECURE_HSTS_SECONDS = whole("HSTS_SECONDS", 3_600)
# HSTS for subdomains and in browsers' own lists is for the owner of the whole domain to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["streaming.rest.StreamAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["redline.parsers.LimitedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "redline.errors.envelope_handler",
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is nobody's parameter here, and REST framework answers it with 404
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Redline",
    "VERSION": "1",
    "DESCRIPTION": "Vendors, runs, changes, actions and entitlements; the streams are described in PROTOCOL.md.",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [],  # enums stand where they are used; hoisted, half of them would be named by a hash
}


def jwt_secret(text: str) -> str:
    """Check the secret of HS256: no shorter than what it makes."""
    if text and len(text.encode()) < 32:
        raise ValueError("it is shorter than 32 bytes")
    return text


def jwks_url(text: str) -> str:
    """Check where the keys of RS256 and ES256 are to be had: what comes without TLS, anybody may have written."""
    target = urlsplit(text)
    own = DEBUG or target.hostname in ("localhost", "127.0.0.1", "::1")
    if text and not (target.hostname and (target.scheme == "https" or (own and target.scheme == "http"))):
        raise BadAddress("it is no https:// address")
    return text


JWT = {
    "JWT_SECRET": parsed("JWT_SECRET", jwt_secret, ""),
    "JWT_JWKS_URL": url("JWT_JWKS_URL", jwks_url, ""),
    "JWT_ISSUER": parsed("JWT_ISSUER", str, ""),
    "JWT_AUDIENCE": parsed("JWT_AUDIENCE", str, ""),
    "JWT_ORG_CLAIM": parsed("JWT_ORG_CLAIM", str, ""),
}
if JWT["JWT_SECRET"] or JWT["JWT_JWKS_URL"]:
    for needed in ("JWT_ISSUER", "JWT_AUDIENCE"):
        if not JWT[needed]:
            raise ImproperlyConfigured(f"{needed} has a bad value: it is needed where JSON Web Tokens are taken")

FLAGS = {
    "ENABLE_EVENT_STREAM": [("boolean", flag("ENABLE_EVENT_STREAM"))],
    "ENABLE_SSE_HUB": [("boolean", flag("ENABLE_SSE_HUB"))],
}
FLAG_SOURCES = ["redline.workspaces.flags.Source"]

STREAMING = {
    **JWT,
    "ACCESS": "redline.access.Access",
    "SIMPLE_MODE": flag("SIMPLE_MODE"),
    "EVENT_STREAM_HEARTBEAT_INTERVAL_MS": interval("EVENT_STREAM_HEARTBEAT_INTERVAL_MS", 15_000),
    "EVENT_STREAM_REPLAY_LIMIT": whole("EVENT_STREAM_REPLAY_LIMIT", 100),
    "STREAM_ALLOWED_ORIGINS": matching(
        "STREAM_ALLOWED_ORIGINS", ORIGIN, "a full origin such as https://app.example.com"
    ),
    "STREAM_RETENTION_DAYS": number("STREAM_RETENTION_DAYS", 7),
    "STREAM_MAX_PER_USER": whole("STREAM_MAX_PER_USER", 10),
    "STREAM_MAX_PER_ORG": whole("STREAM_MAX_PER_ORG", 1_000),
    "STREAM_MAX_PER_ADDRESS": whole("STREAM_MAX_PER_ADDRESS", 200),
    "STREAM_CONNECTS_PER_SECOND": whole("STREAM_CONNECTS_PER_SECOND", 100),
    "STREAM_MAX_PER_PROCESS": whole("STREAM_MAX_PER_PROCESS", 10_000),
    "TRUSTED_PROXIES": TRUSTED_PROXIES,
}

SCHEDULER_CADENCE_SECONDS = number("SCHEDULER_CADENCE_SECONDS", 900)
if not SCHEDULER_CADENCE_SECONDS:
    raise ImproperlyConfigured("SCHEDULER_CADENCE_SECONDS has a bad value: it is a number of seconds, more than 0")
REDLINE_ALLOW_PRIVATE_FETCH = flag("REDLINE_ALLOW_PRIVATE_FETCH")
REDLINE_FETCH_HOSTS = matching("REDLINE_FETCH_HOSTS", HOST, "a host:port")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "streaming": {"level": "INFO"},
        "redline": {"level": "INFO"},
        # A traceback a second while Redis is away; streaming says once that it is, and once that it is back.
        "channels_redis": {"level": "CRITICAL"},
    },
}
