"""Console logger: prints the messages of a run as plain lines."""

import logging
import sys

import dagster as dg

from catalog.escaping.terminal import terminal_line
from resources.settings import redacted


class _PlainFormatter(logging.Formatter):
    """Formats a record as the message of the step, in one line without secrets; Dagster's events are in the UI."""

    def format(self, record: logging.LogRecord) -> str:
        message = getattr(record, "dagster_meta", {}).get("orig_message", record.getMessage())
        return terminal_line(redacted(str(message)))


@dg.logger({"log_level": dg.Field(str, default_value="INFO", description="The lowest level that is printed.")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Logs the messages of assets at `log_level` and above to stderr."""
    logger = logging.Logger("shelfsight", level=context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    logger.addHandler(handler)
    return logger
