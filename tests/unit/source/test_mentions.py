# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that is named in a helper script, among files of all sorts."""

import os
import time
from pathlib import Path

from dlkm.source.mentions import FILES_LIMIT, SIZE_LIMIT, find_mention

NAME = "6.1.0-9-amd64"


def test_scripts_before_code_and_the_first_text_before_the_second(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(f"/* {NAME} */\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "make.py").write_text(f"import os\nK = '/k/{NAME}'\n")
    (tmp_path / "README").write_text(NAME)
    found = find_mention(tmp_path, ["/nowhere", NAME])
    assert found is not None
    assert found.shown == f"tools/make.py:2: K = '/k/{NAME}'"


def test_only_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "x.sh").write_text(f"{NAME}-rt x{NAME} {NAME}.1 {NAME}+")
    assert find_mention(tmp_path, [NAME]) is None
    (tmp_path / "x.sh").write_text(f"linux-headers-{NAME}/include")
    assert find_mention(tmp_path, [NAME]) is not None


def test_what_is_no_small_text_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\0" + NAME.encode())
    (tmp_path / "large").write_text(NAME + " " * SIZE_LIMIT)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(NAME)
    (tmp_path / "link").symlink_to("loop")
    (tmp_path / "loop").symlink_to("link")
    os.mkfifo(tmp_path / "fifo")
    assert find_mention(tmp_path, [NAME]) is None


def test_many_files_are_quick(tmp_path: Path) -> None:
    for number in range(FILES_LIMIT + 1):
        (tmp_path / f"{number:05}").write_text("x" if number < FILES_LIMIT else NAME)
    start = time.process_time()
    assert find_mention(tmp_path, [NAME]) is None
    assert time.process_time() - start < 5
