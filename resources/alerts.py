"""Alerts: messages about failed runs, posted to a webhook."""

import asyncio
from collections.abc import Mapping

import dagster as dg

TIMEOUT_S = 10.0


class Alerts(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Posts JSON with the field `text` to a webhook, such as one of Slack or Teams; without a URL it is unused.

    A webhook inside a network of its own is allowed by `allowed_networks`, which commas separate.
    """

    webhook: str = ""
    allowed_networks: str = ""

    def post(self, text: str, details: Mapping[str, str]) -> None:
        """Posts a message with its details.

        No message quotes the webhook, whose path is a secret, nor the response of its server.

        Raises:
            ValueError: the webhook is no URL of http or https.
            OSError: the request failed, its address is not allowed, or it is redirected.
        """
        import aiohttp

        from catalog.network.guards import BlockedAddressError, Guard, InvalidUrlError
        from catalog.network.posting import post_json

        guard = Guard.allowing(tuple(filter(None, map(str.strip, self.allowed_networks.split(",")))))
        try:
            status = asyncio.run(post_json(self.webhook, {"text": text, **details}, guard, TIMEOUT_S))
        except InvalidUrlError:
            raise ValueError(
                "the webhook is not an HTTP URL; set SHELFSIGHT_WEBHOOK to an http or https URL without a password"
            ) from None
        except BlockedAddressError as error:
            raise OSError(f"the webhook cannot be reached: {error}; add its address to allowed_networks") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            kind = type(error).__name__
            raise OSError(f"the webhook cannot be reached ({kind}); correct SHELFSIGHT_WEBHOOK") from None
        if status >= 300:
            way_out = "name the address that it is redirected to" if status < 400 else "correct it"
            raise OSError(f"the webhook's server returned HTTP status {status}; {way_out} in SHELFSIGHT_WEBHOOK")
