"""Sixty pages of the documentation of two Django releases, from their source distributions (BSD; LICENSE beside them).

    python get_docs.py DEST [--all]

asks pip for the source distributions that corpus-5.1.lock and corpus-5.2.lock pin by their hashes, and writes the pages that
pages.txt names (--all: every page) to

    DEST/5.1/...    DEST/5.2/...

A release that is already there is left alone. Of the archives only text is unpacked; pip itself asks their build backend
for the metadata.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent
RELEASES = ("5.1", "5.2")


def fetch(release: str, folder: Path) -> Path:
    """The source distribution of a release, by pip."""
    folder.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob(f"*-{release}.tar.gz"))
    if not found:
        lock = HERE / f"corpus-{release}.lock"
        options = ["--quiet", "--no-deps", "--no-binary", "django", "--require-hashes", "--disable-pip-version-check"]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, "-d", folder, "-r", lock], check=True)
        found = sorted(folder.glob(f"*-{release}.tar.gz"))
    return found[0]


def unpack(archive: Path, folder: Path, pages: frozenset[str] | None) -> int:
    """The text pages of the archive's docs folder, and its licence; how many. The folder appears whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if not member.isfile() or ".." in parts or len(parts) < 2:
                continue
            name = "/".join(parts[2:]) if parts[1] == "docs" else ""
            wanted = name.endswith(".txt") and not name.startswith("_") and (pages is None or name in pages)
            if wanted or parts[1:] == ("LICENSE",):
                target = partial / (name or "LICENSE")
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                target.write_bytes(source.read())
                count += bool(name)
    partial.rename(folder)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dest", type=Path)
    parser.add_argument("--all", action="store_true", help="every page, not the sixty of pages.txt")
    options = parser.parse_args()
    pages = None if options.all else frozenset((HERE / "pages.txt").read_text().split())
    for release in RELEASES:
        folder = options.dest / release
        if not folder.exists():
            print(f"{release}: {unpack(fetch(release, options.dest / 'archives'), folder, pages)} pages")


if __name__ == "__main__":
    main()
