"""Fuzz of TOML: whatever the bytes of a project's file, it is read, or refused with a message."""

import json
import tempfile
from pathlib import Path

from catalog.storage.toml_files import MAX_DEPTH, TomlError, parse_toml
from resources.file_settings import SettingsError, written_settings
from resources.project_file import ProjectError, ProjectFile
from resources.settings import Settings

TEXTS = [
    'store = "store"\ntimeout_s = 10\n\n[encoders.photos]\nextends = "imagenet"\n\n[plan]\nclassifiers = ["a"]\n',
    '[images]\nshort_side_px = 256\nquality = 9_0\n[image_roots]\nphotos = "/photos" # a comment\n"b c" = \'s3://b\'\n',
    'connections_per_host = 0x10\nrequests_per_s_per_host = 1.5e3\nhonor_robots = true\nwebhook = """\nhttp://a"""\n',
    "a = [1, [2, 3], {b = 1, c.d = 2}]\nday = 1979-05-27T07:32:00Z\n[[x]]\n[[x.y]]\n[x.y.z]\nt = 07:32:00\n",
    '[hosts."images.example.com"]\nmax_connections = 2\nrate_per_s = inf\n',
    "[partners.shop]\nfeeds = ['http://a/b.xml']\ngolden = false\nmax_feed_age_days = -1\n",
]


def corpus() -> list[bytes]:
    """Small files."""
    return [text.encode() for text in TEXTS]


def check(data: bytes) -> None:
    """Raises AssertionError, or the error itself, where a promise is broken."""
    try:
        content = parse_toml(data)
    except (TomlError, UnicodeDecodeError):
        content = None
    if content is not None:
        assert _depth(content) <= MAX_DEPTH + 1
        json.dumps(content, default=str, allow_nan=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shelfsight.toml"
        path.write_bytes(data)
        try:
            project = ProjectFile.read(path)
            written_settings(project, Settings.model_fields)
        except (ProjectError, SettingsError) as error:
            assert str(path) in str(error)
        else:
            assert content is not None


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)
