"""Alerts: messages about failed runs, posted to a webhook, and kept in the store until it has taken them."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from catalog.escaping.chat import chat_line
from catalog.escaping.secrets import without_path
from catalog.escaping.terminal import terminal_line
from catalog.storage.files import StoreNotWritableError, store_path
from resources.pending_alerts import Alert, PendingAlerts, Sent
from resources.settings import redacted

ALERTS = "alerts"  # the folder of the store
TIMEOUT_S = 10.0  # of one post, from the lookup of the name to the status


class AlertNotPostedError(OSError):
    """A webhook that did not take an alert; the message names its host and the cause, and no part of its path."""


class Alerts(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Posts JSON with the field `text` to a webhook, such as one of Slack or Teams; without a URL it is unused.

    The webhook's address is its password, so no error, log or `repr` shows more than its host. A webhook inside a
    network of its own is allowed by `allowed_networks`, which commas separate.
    """

    webhook: str = Field(default="", repr=False)
    allowed_networks: str = ""
    folder: str = ""  # of alerts that wait, a folder or a URL

    @property
    def pending(self) -> PendingAlerts:
        """The alerts that the webhook has not taken yet."""
        return PendingAlerts(store_path(self.folder))

    def queue(self, alert_id: str, text: str, details: Mapping[str, str]) -> None:
        """Keeps an alert until it is posted; one of the same id is kept once.

        Args:
            alert_id: a plain name, such as a run's id.
            text: what people read; a chat finds no mention, no link and no secret in it.
            details: further fields of the JSON, as they are but for secrets.

        Raises:
            AlertNotPostedError: the store cannot keep it, and the webhook does not take it.
        """
        fields = {name: redacted(value) for name, value in details.items()}
        alert = Alert(id=alert_id, text=chat_line(redacted(text)), details=fields)
        try:
            self.pending.add(alert)
        except StoreNotWritableError:  # a full disk is what an alert may be about
            self.post(alert)

    def deliver(self, now: datetime | None = None) -> Sent:
        """Posts the alerts that are due, the oldest first; the first that fails ends it, and waits for its next turn.

        An alert is removed after the webhook has taken it: if the process dies in between, it is posted once more,
        with the same `id`.
        """
        return self.pending.deliver(self.post, now or datetime.now(UTC))

    def post(self, alert: Alert) -> None:
        """Posts an alert once; redirects are not followed.

        Raises:
            AlertNotPostedError: the webhook is no HTTP URL, cannot be reached in time, or refuses.
        """
        from catalog.network.guards import BlockedAddressError, Guard, InvalidUrlError
        from catalog.network.posting import post_json

        guard = Guard.allowing(tuple(filter(None, map(str.strip, self.allowed_networks.split(",")))))
        try:
            status = asyncio.run(post_json(self.webhook, alert.message(), guard, TIMEOUT_S))
        except InvalidUrlError:
            raise AlertNotPostedError(
                f"{self._shown} is not an HTTP URL; set SHELFSIGHT_WEBHOOK to an http or https URL without a password"
            ) from None
        except BlockedAddressError as error:
            raise AlertNotPostedError(
                f"{self._shown} cannot be reached: {error}; add its address to allowed_networks"
            ) from None
        except Exception as error:  # of any library below; its text may have the address, so only its class is shown
            raise AlertNotPostedError(f"{self._shown} cannot be reached: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise AlertNotPostedError(f"{self._shown} responds with the status {status}")

    @property
    def _shown(self) -> str:
        return f"the webhook {terminal_line(without_path(self.webhook))}"
