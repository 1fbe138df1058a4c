"""A file with the blocks of another until one of the two changes (reflink), where the file system has that (btrfs, XFS)."""

from __future__ import annotations

import errno
import fcntl

_FICLONE = 0x40049409  # linux/fs.h
# what is said where a file system, or a pair of them, cannot
NO_CLONES = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM)


def clone_into(out: int, source: int) -> None:
    """Give an empty file, open to be written, the blocks of another. Raises OSError, one of NO_CLONES where that cannot be."""
    fcntl.ioctl(out, _FICLONE, source)
