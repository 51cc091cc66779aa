"""Settings of the whole site, read from the environment (the README lists each variable)."""

import hashlib
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url

from config.environment import env_bool, env_int, env_str, kept_secret

ROOT = Path(__file__).resolve().parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

# --- where things live -------------------------------------------------------------------------
TESTING = "pytest" in sys.modules
DATA_DIR = Path(env_str("DATA_DIR", str(ROOT / (".test-data" if TESTING else "var")))).resolve()
PORT = env_int("PORT", 8000)
HOST = env_str("HOST", "127.0.0.1")
SITE_URL = env_str("SITE_URL", f"http://{'localhost' if HOST in {'127.0.0.1', '0.0.0.0'} else HOST}:{PORT}")


def _run_dir() -> Path:
    """Sockets live in DATA_DIR/run unless that path is too long for a UNIX socket (108 bytes)."""
    wanted = DATA_DIR / "run"
    if len(str(wanted)) <= 80:
        return wanted
    digest = hashlib.sha256(str(DATA_DIR).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"proving-ground-{digest}"


RUN_DIR = _run_dir()
LOG_DIR = DATA_DIR / "log"
SECRETS_DIR = DATA_DIR / "secrets"
DELTA_DIR = DATA_DIR / "delta"
MODEL_DIR = DATA_DIR / "models"
MLFLOW_DIR = DATA_DIR / "mlflow"
VOLUMES_DIR = DATA_DIR / "volumes"
UPLOADS_DIR = DATA_DIR / "uploads"
FIXTURES_DIR = Path(env_str("FIXTURES_DIR", str(ROOT / "fixtures")))

# --- Django ------------------------------------------------------------------------------------
SECRET_KEY = env_str("DJANGO_SECRET_KEY", "") or kept_secret(SECRETS_DIR / "django_secret_key")
DEBUG = env_bool("DEBUG", False)
ALLOWED_HOSTS = env_str("ALLOWED_HOSTS", "*" if HOST == "127.0.0.1" else SITE_URL.split("://")[1].split(":")[0]).split(",")
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SECURE_COOKIES = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_NAME = f"pg_session_{PORT}"
CSRF_COOKIE_NAME = f"pg_csrf_{PORT}"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_COOKIES else 0
X_FRAME_OPTIONS = "DENY"
# The reverse proxy that terminates TLS redirects to it; other names of its domain are not ours to bind to HTTPS.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

INSTALLED_APPS = [
    "config",
    "sandbox",
    "quizzes",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_htmx",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.error_pages.DataErrors",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "sandbox.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_VERBOSE = False  # no banner at each start
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "platform" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
            ]
        },
    }
]

# SQLite: IMMEDIATE and FULL; the default rollback journal, because SQLite before 3.51.3 can
# corrupt a database in WAL mode when several processes write (sqlite.org/wal.html#walresetbug).
_SQLITE_OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA synchronous=FULL;"}
DATABASES = {"default": dj_database_url.parse(env_str("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}"), conn_max_age=60)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = _SQLITE_OPTIONS
    DATABASES["default"]["CONN_MAX_AGE"] = 0
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "platform" / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        # the chart library and Tabler set style attributes; no style can run code
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "form-action": ["'self'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sandbox.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["sandbox.authentication.WorkspaceAdmin"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["sandbox.parsers.JsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "sandbox.parsers.JsonForAll",
    "EXCEPTION_HANDLER": "sandbox.errors.rest_exception_handler",
    "UNAUTHENTICATED_USER": None,
}

# --- Redis and Celery --------------------------------------------------------------------------
REDIS_SOCKET = RUN_DIR / "redis.sock"
EMBEDDED_REDIS = not env_str("REDIS_URL", "")
REDIS_URL = env_str("REDIS_URL", f"unix://{REDIS_SOCKET}")


def broker_url(redis_url: str) -> str:
    """The same Redis as Celery spells it: redis+socket:// for a UNIX socket."""
    return redis_url.replace("unix://", "redis+socket://", 1)


CELERY_BROKER_URL = broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # without the two restore options a message of a killed worker waits 100 s (measured)
    "visibility_timeout": 600,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
}
NODE_NAME = env_str("NODE_NAME", "node-1")
NODE_MEMORY_MB = env_int("NODE_MEMORY_MB", 0)  # 0: four fifths of the machine's
# Function that tells which processes are ready; the console asks it by this name, since apps do not import `config`.
HEALTH_CHECK = "config.health.health"

# --- MLflow ------------------------------------------------------------------------------------
MLFLOW_SOCKET = RUN_DIR / "mlflow.sock"

# --- serving: one named constant for each documented limit (sandbox/README.md has the sources) ---
INVOCATION_BODY_LIMIT_BYTES = 16 * 1024 * 1024
WEB_BODY_LIMIT_BYTES = 1024 * 1024
UPLOAD_BODY_LIMIT_BYTES = 33 * 1024 * 1024  # a file of 32 MB with the form around it, from authors alone
ARTIFACT_BODY_LIMIT_BYTES = 512 * 1024 * 1024
# Tables, volumes, models and what MLflow keeps of one workspace, together.
FILES_QUOTA_BYTES = env_int("FILES_QUOTA_MB", 10 * 1024) * 1024 * 1024
# Memory that the online tables of one workspace may take in Redis, together.
ONLINE_TABLES_QUOTA_BYTES = env_int("ONLINE_TABLES_QUOTA_MB", 1024) * 1024 * 1024
INVOCATION_TIMEOUT_S = float(env_str("INVOCATION_TIMEOUT_S", "297"))
MAX_SERVED_ENTITIES = 10
MAX_ENDPOINTS_PER_WORKSPACE = 1_000
MAX_CONCURRENCY_PER_ENTITY = 1_024
MAX_CONCURRENCY_PER_WORKSPACE = 4_096
SCALE_TO_ZERO_IDLE_S = 30 * 60
# A Large entity asks for up to 16 replicas; a small machine runs fewer of them, and says so.
REPLICAS_PER_ENTITY_MAX = env_int("REPLICAS_PER_ENTITY_MAX", max(2, os.cpu_count() or 2))

# --- e-mail: into files of DATA_DIR/mail unless the operator names a server -----------------------
_mail = urlsplit(env_str("EMAIL_URL", ""))
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if _mail.hostname else 'filebased'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT = _mail.hostname or "", _mail.port or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "proving-ground@localhost")

# --- providers ---------------------------------------------------------------------------------
PROVIDER_SIMULATOR_SOCKET = RUN_DIR / "provider-simulator.sock"
# External models of provider openai go to the local simulator unless the operator says otherwise.
OPENAI_API_BASE = env_str("OPENAI_API_BASE", "http://provider-simulator/v1")
# Base URLs that learners give reach public hosts only, and none at all until this is on.
CUSTOM_PROVIDER_URLS = env_bool("CUSTOM_PROVIDER_URLS", False)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # one line for each proxied request and health check would drown the rest
    "loggers": {"httpx": {"level": "WARNING"}},
}
