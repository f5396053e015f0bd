"""Settings: everything that differs between installations, typed and validated. Only this module reads the environment.

Every field is a key of the project's `shelfsight.toml`, and the environment variable ``SHELFSIGHT_`` + its name in
capitals, unless another name is given. A variable counts before the file.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from catalog.escaping.secrets import HIDDEN, is_secret_name, redact
from resources.file_settings import SettingsError, key_of, near_names, written_settings
from resources.project_file import PROJECT_FILE, ProjectFile, find
from resources.setting_fields import PREFIX, SettingFields

if TYPE_CHECKING:
    from catalog.images.stored_image import ImageRules
    from catalog.storage.read_only import QueryLimits

# Variables with the prefix that are not settings, and the file or folder that reads them.
OTHER_VARIABLES = {
    "SHELFSIGHT_POSTGRES_URL": "deploy/dagster.yaml",
    "SHELFSIGHT_POSTGRES_PASSWORD": "deploy/compose.yaml",
    "SHELFSIGHT_POSTGRES_IMAGE": "deploy/compose.yaml",
    "SHELFSIGHT_SCREENSHOTS": "tests/end_to_end",
    "SHELFSIGHT_PHOTOGRAPHS": "benchmarks",
    "SHELFSIGHT_GROCERIES": "benchmarks",
    "SHELFSIGHT_TAXONOMY": "benchmarks",
    "SHELFSIGHT_PROJECT": "resources/settings.py",
}
# Kubernetes describes every service to its pods, and the Helm chart names that of the code location `shelfsight`.
SERVICE_LINK = re.compile(
    r"_SERVICE_HOST=|_SERVICE_PORT(_\w+)?=\d+$|_PORT=\w+://|_PORT_\d+_(TCP|UDP|SCTP)(_PORT|_PROTO|_ADDR)?="
)


class Settings(SettingFields):
    """The settings of one project."""

    @classmethod
    def read(cls, **overrides: Any) -> Self:
        """Reads the environment and the project's file; `overrides` take precedence.

        Raises:
            SettingsError: a value has the wrong type or is out of range, or a variable with the prefix, or a key of the
                file, is unknown.
            ProjectError: the project's file cannot be read.
        """
        refuse_unknown(os.environ)
        project = project_file()
        written = written_settings(project, cls.model_fields) if project.path is not None else {}
        chosen = {key: value for key, value in written.items() if not os.environ.get(variable_of(key))}
        try:
            return cls(**chosen | overrides)
        except ValidationError as error:
            from_file = chosen.keys() - overrides.keys()
            raise SettingsError("; ".join(_explained(each, project, from_file) for each in error.errors())) from None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yields names and values of `repr`, which is what errors and logs show: without secrets."""
        return [(name, shown_value(name or "", value)) for name, value in super().__repr_args__()]

    @property
    def root(self) -> str:
        """The store's absolute path, or its URL."""
        from catalog.storage.files import absolute  # it brings Polars, for which no command should wait

        return absolute(self.store)

    @property
    def image_rules(self) -> "ImageRules":
        """The limits of accepted images, and the size and quality of stored ones."""
        from catalog.images.stored_image import ImageRules

        return ImageRules(
            short_side_px=self.images_short_side_px,
            quality=self.images_quality,
            max_pixels=self.images_max_pixels,
            min_decoded_share=self.images_min_decoded_share,
        )

    @property
    def query_limits(self) -> "QueryLimits":
        """The limits of a query that a person writes."""
        from catalog.storage.read_only import QueryLimits

        return QueryLimits(
            timeout_s=self.query_timeout_s,
            memory_bytes=int(self.query_memory_gib * 2**30),
            num_threads=self.query_threads,
        )

    @property
    def image_places(self) -> dict[str, str]:
        """The image roots by name, folders as absolute paths."""
        places = self.image_roots.items()
        return {name: each if "://" in each or not each else os.path.abspath(each) for name, each in places}  # noqa: PTH100 which keeps '..'


def project_file() -> ProjectFile:
    """Returns the file of the project: that of SHELFSIGHT_PROJECT, or of the working directory, or an empty one.

    Raises:
        ProjectError: the file is missing or cannot be read.
    """
    named = os.environ.get("SHELFSIGHT_PROJECT")
    if named:
        place = Path(named).absolute()
        return ProjectFile.read(place / PROJECT_FILE if place.is_dir() else place)
    found = find(Path.cwd())
    return ProjectFile() if found is None else ProjectFile.read(found)


def variable_of(field: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{field.upper()}"


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Raises SettingsError where a variable has the prefix and is not a setting: most likely it is misspelled."""
    known = {*map(variable_of, Settings.model_fields), *OTHER_VARIABLES}
    unknown = [
        name
        for name, value in environment.items()
        if name.upper().startswith(PREFIX)
        and name.upper() not in known
        and not SERVICE_LINK.search(f"{name.upper()}={value}")
    ]
    if unknown:
        raise SettingsError("; ".join(_unknown(name, environment[name], known) for name in sorted(unknown)))


def service_address() -> str:
    """The address of the object store's service, which distinguishes two stores of one name."""
    return os.environ.get("AWS_ENDPOINT_URL", "")


def redacted(text: str) -> str:
    """Returns a text without secrets, among them those of the environment: passwords, tokens, keys, the webhook."""
    return redact(text, [value for name, value in os.environ.items() if is_secret_name(name)])


def shown_value(name: str, value: Any) -> Any:
    """Returns the value of a setting as errors and `repr` show it: no secret, and no text with one in it."""
    if value and is_secret_name(name):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    return {key: shown_value(str(key), each) for key, each in value.items()} if isinstance(value, dict) else value


def local_rank() -> int:
    """The rank of this process among those that torchrun started on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def num_local_ranks() -> int:
    """The number of processes that torchrun started on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def set_default(variable: str, value: str) -> None:
    """Sets a variable of this process and its children, unless the user has set it; an empty one counts as unset."""
    if not os.environ.get(variable):
        os.environ[variable] = value


def _unknown(name: str, value: str, known: Iterable[str]) -> str:
    near = near_names(name.upper().removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known])
    hint = f"did you mean {' or '.join(f'{PREFIX}{each}' for each in near)}?" if near else "unset it"
    shown = HIDDEN if any(map(is_secret_name, [name, *near])) else redacted(repr(value))
    return f"{name} is {shown}, but there is no such setting; {hint}"


def _explained(problem: Any, project: ProjectFile, from_file: Collection[str]) -> str:
    """One problem that pydantic found, with the name of the variable or key, its value and what is allowed."""
    field = str(problem["loc"][0])
    names = {variable_of(name): name for name in Settings.model_fields}
    if problem["type"] == "extra_forbidden":
        near = near_names(field, Settings.model_fields)
        return f"there is no setting {field!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")
    variable = variable_of(field) if field in Settings.model_fields else field
    described = Settings.model_fields[names[variable]].description
    message = str(problem["msg"]).removeprefix("Value error, ")
    is_written = bool({field, names.get(variable)} & set(from_file))
    named = f"{project.path} has {key_of(names[variable])} =" if is_written else f"{variable} is"
    shown = shown_value(names.get(variable, field), problem["input"])
    return f"{named} {shown!r}: {message[0].lower()}{message[1:]} ({described})"
