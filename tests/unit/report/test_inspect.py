# SPDX-License-Identifier: GPL-2.0-or-later
"""`dlkm inspect`: the document to the letter, what is added to modinfo's words, the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlkm.cli.main import main
from dlkm.report.inspect import absolute
from tests.unit.ko.elf_builder import Exported, tiny_module, trailer
from tests.unit.ko.test_signature import message

MODINFO = [
    ("alias", "pci:v1"),
    ("import_ns", "NS"),
    ("license", "GPL v2"),
    ("parm", "level:How much"),
    ("parmtype", "level:int"),
    ("parmtype", "quiet:bool"),
    ("srcversion", "ABCDEF"),
    ("depends", "mii,usbcore"),
    ("intree", "Y"),
    ("name", "tiny"),
    ("vermagic", "6.12.1-rt SMP preempt_rt mod_unload aarch64"),
]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    image = tiny_module(modinfo=MODINFO, exports=[Exported(name="given", crc=0xAB, gpl=True, namespace="MINE")])
    path = tmp_path / "tiny.ko"
    path.write_bytes(image.build() + message() + trailer(len(message())))
    return path


def test_the_document(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--json", str(module)]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["schema"] == "dlkm.inspect/1"
    (found,) = document["modules"]
    modinfo = found.pop("modinfo")
    assert [(one["key"], one["value"]) for one in modinfo] == MODINFO
    assert found == {
        "path": str(module),
        "name": "tiny",
        "vermagic": {
            "raw": "6.12.1-rt SMP preempt_rt mod_unload aarch64",
            "release": "6.12.1-rt",
            "smp": True,
            "preempt": "preempt_rt",
            "mod_unload": True,
            "modversions": False,
            "rest": ["aarch64"],
        },
        "compiler": "GCC: (Debian 12.2.0-14) 12.2.0",
        "license": "GPL v2",
        "depends": ["mii", "usbcore"],
        "import_ns": ["NS"],
        "alias": ["pci:v1"],
        "parm": {
            "level": {"description": "How much", "type": "int"},
            "quiet": {"description": None, "type": "bool"},
        },
        "srcversion": "ABCDEF",
        "intree": True,
        "signature": {
            "sig_id": "PKCS#7",
            "signer": "Builder",
            "sig_key": "66:F5",
            "sig_hashalgo": "sha256",
            "defect": None,
        },
        "versions": {"module_layout": "0x9060323f", "_printk": "0x92997ed8"},
        "extended_versions": None,
        "exports": [{"name": "given", "crc": "0x000000ab", "gpl": True, "namespace": "MINE"}],
        "compression": "none",
    }


def test_the_document_of_a_module_that_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.ko"
    image = tiny_module(modinfo=[("k", "\udcff")])
    image.parts = [part for part in image.parts if part.name == ".modinfo"]
    image.symbols = []
    path.write_bytes(image.build() + trailer(0))
    assert main(["inspect", "--json", str(path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["modules"]
    assert [found[key] for key in ("vermagic", "compiler", "license", "srcversion", "versions")] == [None] * 5
    assert [found[key] for key in ("depends", "import_ns", "alias", "exports")] == [[]] * 4
    assert found["intree"] is False
    assert found["signature"]["defect"].startswith("the trailer says 0 bytes")
    assert found["modinfo"] == [{"key": "k", "value": "\\xff"}]


def test_what_is_added(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(module)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[lines.index("built for:      6.12.1-rt") :] == [
        "built for:      6.12.1-rt",
        "built with:     SMP, preempt_rt, mod_unload, aarch64",
        "compiler:       GCC: (Debian 12.2.0-14) 12.2.0",
        "versions:       2 symbols",
        "exports:        1 symbol, 1 of them GPL-only",
        "export:         given 0x000000ab GPL-only namespace MINE",
        "signed:         yes (PKCS#7, sha256; not verified here)",
    ]


def test_one_bad_file_among_good_ones(module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.ko").write_bytes(b"no module")
    files = [str(tmp_path / "bad.ko"), str(module), str(tmp_path / "missing.ko")]
    assert main(["inspect", "-F", "name", *files]) == 3
    told = capsys.readouterr()
    assert told.out == "tiny\n"
    assert told.err.count("dlkm: error: ") == 2
    assert main(["inspect", "--json", *files]) == 3
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["modules"]] == ["tiny"]
    assert main(["inspect", files[2], files[1]]) == 2


def test_a_module_cut_off_half_way_shows_nothing(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tiny_module(exports=[Exported(name="x", crc=1)])
    image.parts[[part.name for part in image.parts].index("__ksymtab_strings")].size = 1 << 40
    module.write_bytes(image.build())
    assert main(["inspect", str(module)]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "do not lie within" in told.err


def test_an_object_file_is_no_module(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tiny_module()
    image.parts = [part for part in image.parts if part.name != ".modinfo"]
    module.write_bytes(image.build())
    assert main(["inspect", str(module)]) == 3
    assert "has no .modinfo section" in capsys.readouterr().err


def test_odd_things_are_warned_of(module: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lying = tmp_path / "tiny.ko.xz"
    lying.write_bytes(tiny_module(modinfo=[("parm", "nocolon")]).build())
    assert main(["inspect", str(lying)]) == 0
    told = capsys.readouterr()
    assert "its compression is none" in told.err
    assert "'parm=nocolon' has no ':'" in told.err
    assert "nocolon" not in told.out


@pytest.mark.parametrize("words", [["-F", "name"], ["-0"]])
def test_json_takes_no_other_form(module: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--json", *words, str(module)]) == 2
    assert "--json gives the whole document" in capsys.readouterr().err


def test_paths_are_spelled_as_the_shell_spells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "link")
    link, real = str(tmp_path / "link"), str(tmp_path.resolve() / "real")
    assert absolute("./x.ko", {"PWD": link}) == f"{link}/./x.ko"
    assert absolute("/a/../x.ko", {"PWD": link}) == "/a/../x.ko"
    for wrong in ("/nosuch", str(tmp_path), ".", ""):
        assert absolute("x.ko", {"PWD": wrong}) == f"{real}/x.ko"
