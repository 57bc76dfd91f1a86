"""A small file system of a case's own, whose writes can hang, and which can be full."""

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.outside.kit import CannotRunError

SIZE = 16 << 20


class Disk:
    """An ext4 image, mounted while the `with` lasts. It takes root, mount, fsfreeze, chattr.

    Frozen by fsfreeze(8) it is a disk that has gone: write(2), fsync(2) and the creation of a file
    sleep in the kernel, out of the reach of kill -9; what can be read is read.

    Args:
        folder: Where the image and its place are made.
    """

    def __init__(self, folder: Path) -> None:
        self.image, self.place = folder / "disk.img", folder / "disk"
        self._filler = self.place / "filler"
        self._frozen = False
        self._locked: list[Path] = []

    def __enter__(self) -> Self:
        self.place.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-m", "0", str(self.image))
        _run("mount", "-o", "loop", str(self.image), str(self.place))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.heal()
        _run("umount", "--lazy", str(self.place))  # a daemon may still have a file open

    def hang(self) -> None:
        """Let every write hang from now on."""
        _run("fsfreeze", "--freeze", str(self.place))
        self._frozen = True

    def fill(self) -> None:
        """Leave not one free block."""
        with self._filler.open("wb", buffering=0) as file:
            for step in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(step))
                except OSError:
                    continue

    def lock(self) -> None:
        """Let no folder take a new file, also not from root."""
        self._locked = [path for path in self.place.iterdir() if path.is_dir()]
        for path in self._locked:
            _run("chattr", "+i", str(path))

    def heal(self) -> None:
        """Let all writes go on, and give the space back."""
        for path in self._locked:
            _run("chattr", "-i", str(path))
        self._locked = []
        if self._frozen:
            _run("fsfreeze", "--unfreeze", str(self.place))
            self._frozen = False
        self._filler.unlink(missing_ok=True)


def _run(*argv: str) -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    try:
        subprocess.run(argv, check=True, capture_output=True, env=os.environ | {"PATH": path})
    except (OSError, subprocess.CalledProcessError) as error:
        message = f"no disk of its own (it takes root, mount, fsfreeze): {error}"
        raise CannotRunError(message) from error
