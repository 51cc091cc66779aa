"""People, their workspaces, and what is kept for them: access tokens and secrets."""

import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


def new_id() -> str:
    """A random identifier of 32 hexadecimal digits, the form in which the REST API shows ids."""
    return secrets.token_hex(16)


class Role(models.TextChoices):
    """What a person comes for; each role may also have a workspace of its own."""

    LEARNER = "learner"
    INSTRUCTOR = "instructor"
    AUTHOR = "author"
    OPERATOR = "operator"


class User(AbstractUser):
    """A person who signs in."""

    role = models.CharField(max_length=16, choices=Role, default=Role.LEARNER)


class Workspace(models.Model):
    """One learner's isolated tenant: endpoints, models, tables, tokens and secrets belong to it.

    The clock is piecewise linear: since `clock_set_at` it has advanced `clock_factor` seconds for each real second,
    from `clock_set_to` on (`sandbox.workspaces.clock`).
    """

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    owner = models.OneToOneField(User, null=True, on_delete=models.CASCADE, related_name="workspace")
    """None only for the system workspace of the preconfigured foundation endpoints."""
    catalog = models.CharField(max_length=100, default="main")
    clock_factor = models.FloatField(default=1.0)
    clock_set_at = models.DateTimeField(default=timezone.now)
    clock_set_to = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(clock_factor__gt=0), name="workspace_clock_advances"),
        ]

    def __str__(self) -> str:
        return self.name


class Member(models.Model):
    """Somebody besides the owner who works in a workspace. Admin rights and permissions say what they may do."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    is_admin = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="member_is_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.workspace_id}"


class Group(models.Model):
    """A named set of a workspace's people; `users` and `admins` exist without a row."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="groups")
    name = models.CharField(max_length=128)
    people = models.ManyToManyField(User, related_name="workspace_groups")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="group_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class Token(models.Model):
    """A personal access token; only its SHA-256 is kept."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    sha256 = models.CharField(max_length=64, unique=True)
    comment = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    """None: the token does not expire."""
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    """Kept to the minute, so that a busy token does not write on each request."""

    def __str__(self) -> str:
        return f"{self.comment or 'token'} of {self.user_id}"


class SecretScope(models.Model):
    """A named group of secrets."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="secret_scopes")
    name = models.CharField(max_length=128)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="secret_scope_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """One value, readable only with the keys in the secrets directory."""

    scope = models.ForeignKey(SecretScope, on_delete=models.CASCADE, related_name="secrets")
    key = models.CharField(max_length=128)
    ciphertext = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="secret_key_is_unique")]

    def __str__(self) -> str:
        return self.key
