"""What can be wrong with a webhook."""

from shared_kernel.errors import ConflictError, InvalidError, NotFoundError


class WebhookNotFound(NotFoundError):
    """The store has no such webhook."""

    code = "webhook_not_found"


class InvalidWebhook(InvalidError):
    """Its URL is none that messages may be sent to."""

    code = "invalid_webhook"


class TooManyWebhooks(ConflictError):
    """The store has as many as it may have."""

    code = "too_many_webhooks"


class WebhookAlreadyDisabled(ConflictError):
    """Nothing is sent already."""

    code = "webhook_already_disabled"


class WebhookAlreadyEnabled(ConflictError):
    """It is told already."""

    code = "webhook_already_enabled"
