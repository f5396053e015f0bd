"""The console logger of a run: plain lines, so that a long step's progress can be read."""

import logging
import sys

import dagster as dg


class _Line(logging.Formatter):
    """The step's own words; Dagster's events stay in its log, where the UI shows them."""

    def format(self, record: logging.LogRecord) -> str:
        return str(getattr(record, "dagster_meta", {}).get("orig_message", record.getMessage()))


@dg.logger({"log_level": dg.Field(str, default_value="INFO", description="The least severe level that is shown.")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Messages of assets at INFO and above."""
    logger = logging.Logger("shelfsight", level=context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logger.addHandler(handler)
    return logger
