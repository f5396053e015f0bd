"""Alerts: messages about failed runs, posted to a webhook."""

import json
import urllib.request
from collections.abc import Mapping

import dagster as dg

TIMEOUT_S = 10.0


class Alerts(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Posts JSON with the field `text` to a webhook, such as one of Slack or Teams; without a URL it is unused."""

    webhook: str = ""

    def post(self, text: str, details: Mapping[str, str]) -> None:
        """Posts a message with its details.

        Raises:
            ValueError: the webhook is neither http nor https.
            OSError: the request failed.
        """
        if not self.webhook.startswith(("http://", "https://")):
            raise ValueError(
                f"the webhook {self.webhook!r} is not an HTTP URL; set SHELFSIGHT_WEBHOOK to an http or https URL"
            )
        body = json.dumps({"text": text, **details}).encode()
        request = urllib.request.Request(  # noqa: S310 its scheme was checked
            self.webhook, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 as above
            pass
