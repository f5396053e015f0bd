"""System folders: places of an operating system in which no image of a catalog lies, and many secrets do."""

from __future__ import annotations

import os
from pathlib import Path

# With everything below them.
_CLOSED = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/run/secrets")
# Only they themselves: below them are folders of users, disks and programs.
_SHALLOW = ("/", "/home", "/opt", "/root", "/run", "/tmp", "/usr", "/var", "/var/lib", "/var/log")  # noqa: S108


def system_folder_of(folder: Path) -> str | None:
    """Returns the real path of a folder that may not be an image root, None for any other.

    Refused are folders of the system, those that contain one, and a user's home folder itself, with its keys. Links are
    resolved first, so a link to /etc is /etc.
    """
    real = _real(folder)
    closed = [_real(Path(each)) for each in _CLOSED]
    if any(real.is_relative_to(each) or each.is_relative_to(real) for each in closed):
        return str(real)
    shallow = {Path(each) for each in _SHALLOW} | {_real(Path.home())}
    has_keys = ".ssh" in real.parts or os.path.exists(real / ".ssh")  # noqa: PTH110 which raises for no folder
    return str(real) if real in shallow or has_keys else None


def _real(folder: Path) -> Path:
    """Returns the real path; unlike `Path.resolve`, it raises for no loop of links."""
    return Path(os.path.realpath(folder))
