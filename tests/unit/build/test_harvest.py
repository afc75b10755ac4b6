# SPDX-License-Identifier: GPL-2.0-or-later
"""What is taken from where a build wrote: its own files, never what its links lead to elsewhere."""

from pathlib import Path

from dlkm.build.harvest import collect_symvers

ROW = "0x1\tanswer\tcore\tEXPORT_SYMBOL\t"


def test_every_table_of_a_build(tmp_path: Path) -> None:
    copy, output = tmp_path / "copy", tmp_path / "out"
    for folder in (copy / "a", copy / "b", output):
        folder.mkdir(parents=True)
    (copy / "a" / "Module.symvers").write_text(f"{ROW}\n")
    (copy / "b" / "Module.symvers").symlink_to("../a/Module.symvers")
    path = collect_symvers(copy, output)
    assert path is not None
    assert path.read_text() == f"{ROW}\n"


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    copy, output = tmp_path / "copy", tmp_path / "out"
    copy.mkdir()
    output.mkdir()
    (tmp_path / "secret").write_text("mine\n")
    (copy / "Module.symvers").symlink_to(tmp_path / "secret")
    path = collect_symvers(copy, output)
    assert path is not None
    assert path.read_text() == ""
