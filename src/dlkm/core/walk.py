# SPDX-License-Identifier: GPL-2.0-or-later
"""All that lies below directories, in no order. Loads nothing: it runs before anything else is."""

import os
from collections.abc import Iterable, Iterator


def entries_below(folders: Iterable[str]) -> Iterator["os.DirEntry[str]"]:
    """Files, links and directories; links are not followed, and what cannot be listed is passed over."""
    waiting = list(folders)
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    yield entry
        except OSError:
            continue
