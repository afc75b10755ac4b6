# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a load fails: what the module was built for, where a symbol went, which of several modules is to blame."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlkm.kernel.facts import Facts
from dlkm.kernel.kernel import Kernel
from dlkm.ko.modinfo import softdeps_before
from dlkm.verdict.background import Background
from dlkm.verdict.candidate import Candidate
from dlkm.verdict.check import judge
from dlkm.verdict.conditions import Conditions
from dlkm.verdict.era import rules
from dlkm.verdict.others import Others
from dlkm.verdict.session import Session
from dlkm.verdict.supply import Supply, near_name
from dlkm.verdict.verdict import Finding, Outcome, Severity, Verdict
from dlkm.verdict.why import families, family_of, renamed
from tests.unit.ko.elf_builder import Exported
from tests.unit.verdict.trials import CRCS, PROPRIETARY, SYMVERS, VERMAGIC, World, module
from tests.unit.verdict.world import make_kernel

OTHER = {"module_layout": 0x0BADCAFE, "_printk": 0x92997ED8, "gpl_symbol": 0x11112222}


def _kernel(root: Path, name: str = "kernel", **world: Any) -> Kernel:
    (root / name).mkdir()
    return make_kernel(root / name, World(**world))


def _other(root: Path, release: str, rows: dict[str, int], like: Kernel, kind: str = "EXPORT_SYMBOL") -> Kernel:
    path = root / f"{release}.symvers"
    path.write_text("".join(f"{crc:#010x}\t{name}\tvmlinux\t{kind}\t\n" for name, crc in rows.items()))
    return replace(like, id=release, release=release, symvers=path)


def _verdict(root: Path, kernel: Kernel, data: bytes, others: Sequence[Kernel] = (), folder: str = ".") -> Verdict:
    (root / folder).mkdir(exist_ok=True)
    path = root / folder / "tiny.ko"
    path.write_bytes(data)
    supply = Supply(facts=Facts(kernel), others=Others(lambda: others))
    return judge(Candidate(path, data, kernel.arch), supply.facts, Conditions(), supply)


def _cause(verdict: Verdict) -> Finding:
    """The finding that decides."""
    return next(one for one in verdict.findings if one.severity is Severity.ERROR and not one.masked)


FOREIGN: dict[str, Any] = {
    "versions": OTHER,
    "undefined": ["_printk", "gpl_symbol"],
    "vermagic": VERMAGIC.replace("-56-", "-50-"),
}


def test_the_kernel_that_a_module_was_built_for_is_named(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    near = _other(tmp_path, "6.1.0-49-amd64", OTHER | {"gpl_symbol": 5}, kernel)
    exact = _other(tmp_path, "6.1.0-50-amd64", OTHER, kernel)
    cause = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), [kernel, near, exact]))
    assert cause.rule == "crc-mismatch"
    assert cause.message == (
        "built for 6.1.0-50-amd64: all its symbol versions are that kernel's, and 2 of 3 differ here: "
        "module_layout, gpl_symbol"
    )
    assert "boot 6.1.0-50-amd64" in cause.hint
    assert "dlkm build SOURCE -k 6.1.0-56-amd64" in cause.hint


def test_a_copy_is_named_for_neither_the_kernel_nor_the_kernel_asked(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    exact = _other(tmp_path, "6.1.0-50-amd64", OTHER, kernel)
    copies = [replace(one, id=f"{one.release}@source") for one in (exact, kernel)]
    cause = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), [*copies, exact]))
    assert "built for 6.1.0-50-amd64: " in cause.message
    alone = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), copies[1:]))
    assert "@source" not in alone.message + alone.hint


def test_the_nearest_is_named_where_none_is_the_same(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    near = _other(tmp_path, "6.1.0-49-amd64", OTHER | {"gpl_symbol": 5}, kernel)
    cause = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), [near]))
    assert "(6.1.0-50-amd64): 2 of 3 symbol versions differ: module_layout, gpl_symbol" in cause.message
    assert "6.1.0-49-amd64 is nearest, with 2 of 3" in cause.message
    assert "dlkm kernel add debian:6.1.0-50-amd64" in cause.hint


def test_kernels_of_other_architectures_are_not_looked_at(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    arm = _kernel(tmp_path, "arm", arch="arm64")
    cause = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), [_other(tmp_path, "6.1.0-50-arm64", OTHER, arm)]))
    assert "arm64" not in cause.message


def test_a_stale_module_symvers_is_told_by_the_same_vermagic(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    data = module(versions=OTHER, undefined=["_printk", "gpl_symbol"])
    cause = _cause(_verdict(tmp_path, kernel, data))
    assert "Module.symvers that is not this kernel's: the release is the same (6.1.0-56-amd64), and 2 of 3" in (
        cause.message
    )
    assert "headers (Module.symvers)" in cause.hint


def test_a_module_symvers_beside_the_module_is_compared(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside/Module.symvers").write_text(SYMVERS.replace("0x9060323f", "0x0badcafe"))
    cause = _cause(_verdict(tmp_path, kernel, module(**FOREIGN), folder="beside"))
    assert "the Module.symvers beside it is of another kernel too: 1 of its 4 rows are not this kernel's" in (
        cause.message
    )
    (tmp_path / "beside/Module.symvers").write_bytes(b"\xff\0")
    assert "beside it" not in _cause(_verdict(tmp_path, kernel, module(**FOREIGN), folder="beside")).message


def test_versions_of_another_module_are_its_business(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    giver = tmp_path / "helper.ko"
    giver.write_bytes(module("helper", exports=[Exported(name="given_symbol", crc=7)]))
    user = tmp_path / "tiny.ko"
    user.write_bytes(module(undefined=["given_symbol"]))
    cause = _cause(Session(kernel, Conditions(), [giver, user]).verdict(user))
    assert cause.message.startswith("built with another version of the module helper: 1 of the 1 symbols")
    assert "KBUILD_EXTRA_SYMBOLS" in cause.hint


# ---- where a symbol went


def _missing(root: Path, symbol: str, others: Sequence[Kernel] = (), **world: Any) -> Finding:
    cause = _cause(_verdict(root, _kernel(root, **world), module(undefined=[symbol]), others))
    assert cause.rule == "unknown-symbol"
    assert cause.message.startswith(f"the kernel has no symbol {symbol}: ")
    return cause


@pytest.mark.parametrize(
    ("symbol", "option"),
    [
        ("__stack_chk_fail", "STACKPROTECTOR"),
        ("__fentry__", "FUNCTION_TRACER"),
        ("mcount", "FUNCTION_TRACER"),
        ("__x86_return_thunk", "RETHUNK"),
        ("__x86_indirect_thunk_rax", "RETPOLINE"),
        ("__asan_load8_noabort", "KASAN"),
        ("__tsan_read4", "KCSAN"),
        ("__cfi_slowpath", "CFI"),
        ("__ubsan_handle_out_of_bounds", "UBSAN"),
    ],
)
def test_what_the_compiler_calls_for_names_its_option(symbol: str, option: str, tmp_path: Path) -> None:
    cause = _missing(tmp_path, symbol)
    assert f"CONFIG_{option}, which this kernel has not turned on" in cause.message
    assert "dlkm build SOURCE -k 6.1.0-56-amd64" in cause.hint


def test_an_option_that_is_off_is_named(tmp_path: Path) -> None:
    cause = _missing(tmp_path, "usb_register_driver")
    assert "CONFIG_USB, which is off in this kernel" in cause.message
    assert "CONFIG_USB=y" in cause.hint


def test_an_option_that_is_on_is_not_blamed(tmp_path: Path) -> None:
    assert "CONFIG_USB" not in _missing(tmp_path, "usb_register_driver", with_="USB").message


def test_without_a_configuration_the_option_is_a_guess(tmp_path: Path) -> None:
    assert "configuration is not at hand" in _missing(tmp_path, "usb_register_driver", config=False).message


def test_renamed_symbols_are_known_since_their_version(tmp_path: Path) -> None:
    assert "since 5.17 it is pde_data()" in _missing(tmp_path, "PDE_DATA").message


def test_a_newer_name_does_not_explain_an_older_kernel(tmp_path: Path) -> None:
    assert "kmemdup_noprof" not in _missing(tmp_path, "kmemdup").message  # 6.10, and the kernel is 6.1


@pytest.mark.parametrize("symbol", ["printk", "_Printk", "_PRINTK", "__printk", "_prink"])
def test_near_names(symbol: str) -> None:
    assert near_name(symbol, CRCS) == "_printk"


def test_a_near_name_is_told(tmp_path: Path) -> None:
    assert "the kernel has gpl_symbol" in _missing(tmp_path, "GPL_symbol").message


def test_another_kernel_that_has_it_is_named(tmp_path: Path) -> None:
    like = _kernel(tmp_path, "like")
    other = _other(tmp_path, "6.12.117+deb12-amd64", {"brand_new_call": 1}, like)
    cause = _missing(tmp_path, "brand_new_call", [other])
    assert "6.12.117+deb12-amd64 has it, this kernel has not" in cause.message
    assert "use 6.12.117+deb12-amd64" in cause.hint


def test_a_file_beside_it_that_exports_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "x-helper.ko").write_bytes(module("x_helper", exports=[Exported(name="given_symbol", crc=1)]))
    cause = _missing(tmp_path, "given_symbol")
    assert "the module x_helper, whose file lies beside it, exports it" in cause.message
    assert "modprobe tiny" in cause.hint


def test_a_dependency_that_is_nowhere_is_named(tmp_path: Path) -> None:
    data = module(undefined=["given_symbol"], info=[("depends", "giver,helper")])
    cause = _cause(_verdict(tmp_path, _kernel(tmp_path), data))
    assert "depends on helper, which is neither installed nor given" in cause.message


def test_symbols_of_one_cause_are_one_finding(tmp_path: Path) -> None:
    data = module(undefined=["usb_a", "usb_b", "no_such_thing"])
    found = [one for one in _verdict(tmp_path, _kernel(tmp_path), data).findings if one.rule == "unknown-symbol"]
    assert [one.message.partition(":")[0] for one in found] == [
        "the kernel lacks 2 symbols",
        "the kernel has no symbol no_such_thing",
    ]


def test_gpl_only_now_names_who_gives_it_to_all(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    free = _other(tmp_path, "6.1.0-40-amd64", CRCS, kernel)
    cause = _cause(_verdict(tmp_path, kernel, module(undefined=["gpl_symbol"], info=PROPRIETARY), [free]))
    assert cause.rule == "gpl-only-symbol"
    assert cause.message.endswith("; 6.1.0-40-amd64 gives it to every module")


def test_thousands_of_missing_symbols_are_told_soon(tmp_path: Path) -> None:
    data = module(undefined=[f"usb_{number}_missing" for number in range(3000)], versions={})
    verdict = _verdict(tmp_path, _kernel(tmp_path), data)
    assert len([one for one in verdict.findings if one.rule == "unknown-symbol"]) <= 33


def test_the_tables_are_whole() -> None:
    assert all(one.names and one.options and one.why for one in families())
    assert family_of("_printk") is None
    assert renamed("_printk") is None


# ---- several modules


def _files(root: Path, **modules: bytes) -> dict[str, Path]:
    paths = {name: root / f"{name}.ko" for name in modules}
    for name, path in paths.items():
        path.write_bytes(modules[name])
    return paths


def _gives(name: str, symbol: str, needs: str = "", **changes: Any) -> bytes:
    wanted = [needs] if needs else ["_printk"]
    crcs = CRCS | {"a_symbol": 0xA, "b_symbol": 0xB, "c_symbol": 0xC}
    versions = {key: crcs[key] for key in ("module_layout", *wanted)}
    exports = [Exported(name=symbol, crc=crcs[symbol])] if symbol else []
    return module(name, undefined=wanted, exports=exports, versions=versions, **changes)


def test_the_chain_leads_to_the_one_to_blame(tmp_path: Path) -> None:
    files = _files(
        tmp_path,
        a=_gives("a", "", "b_symbol"),
        b=_gives("b", "b_symbol", "c_symbol"),
        c=_gives("c", "c_symbol", vermagic="6.1.0-56-amd64 SMP mod_unload modversions "),
    )
    session = Session(_kernel(tmp_path), Conditions(), files.values())
    verdict = session.verdict(files["a"])
    assert (verdict.outcome, verdict.errno) == (Outcome.FAILS, "ENOENT")
    assert verdict.log == ("a: Unknown symbol b_symbol (err -2)",)
    cause = _cause(verdict)
    assert cause.rule == "provider-refused"
    assert "a → b → c: ENOEXEC, built for another kind of kernel" in cause.message
    assert "see to c first" in cause.hint


def test_modules_in_a_ring_have_no_order(tmp_path: Path) -> None:
    files = _files(tmp_path, a=_gives("a", "a_symbol", "b_symbol"), b=_gives("b", "b_symbol", "a_symbol"))
    session = Session(_kernel(tmp_path), Conditions(), files.values())
    for path in files.values():
        verdict = session.verdict(path)
        assert verdict.errno == "ENOENT"
        assert "each of them needs the other" in _cause(verdict).message


def test_who_uses_a_proprietary_module_counts_as_one(tmp_path: Path) -> None:
    """inherit_taint, kernel/module/main.c: the bit is the module's then, and its users find it there."""
    both = module(
        "a", undefined=["gpl_symbol", "b_symbol"], versions={**CRCS, "b_symbol": 0xB, "gpl_symbol": CRCS["gpl_symbol"]}
    )
    files = _files(
        tmp_path,
        c=_gives("c", "c_symbol", info=PROPRIETARY),
        b=_gives("b", "b_symbol", "c_symbol"),
        a=both,
        d=_gives("d", "", "b_symbol"),
    )
    session = Session(_kernel(tmp_path), Conditions(), files.values())
    assert session.verdict(files["b"]).taint == session.verdict(files["d"]).taint == "POE"
    refused = session.verdict(files["a"])
    assert refused.errno == "ENOENT"
    assert _cause(refused).rule == "proprietary-provider"


def test_of_two_files_of_one_name_the_one_that_loads_serves(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = _files(tmp_path / "old", b=_gives("b", "b_symbol", vermagic="5.10.0 SMP "))
    files = _files(tmp_path, a=_gives("a", "", "b_symbol"), b=_gives("b", "b_symbol"))
    session = Session(_kernel(tmp_path), Conditions(), [*old.values(), *files.values()])
    assert session.verdict(old["b"]).outcome is Outcome.FAILS
    assert session.verdict(files["a"]).outcome is Outcome.LOADS


def test_companions_serve_and_are_not_asked_about(tmp_path: Path) -> None:
    files = _files(tmp_path, a=_gives("a", "", "b_symbol"), b=_gives("b", "b_symbol"))
    background = Background(companions=(files["b"],))
    assert Session(_kernel(tmp_path), Conditions(), [files["a"]], background).verdict(files["a"]).outcome is (
        Outcome.LOADS
    )


def _installed(kernel: Kernel, **modules: bytes) -> None:
    assert kernel.modules is not None
    (kernel.modules / "updates").mkdir()
    _files(kernel.modules / "updates", **modules)


def test_installed_modules_serve_whatever_depends_says(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    _installed(kernel, b=_gives("b", "b_symbol", "c_symbol"), c=_gives("c", "c_symbol"))
    files = _files(tmp_path, a=_gives("a", "", "b_symbol"))
    assert Session(kernel, Conditions(), files.values()).verdict(files["a"]).outcome is Outcome.LOADS


def test_an_installed_module_that_will_not_load_is_in_the_chain(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    info = [("depends", "c")]
    _installed(kernel, b=_gives("b", "b_symbol", "c_symbol", info=info), c=_gives("c", "c_symbol"))
    files = _files(tmp_path, a=_gives("a", "", "b_symbol"))
    session = Session(kernel, Conditions(cmdline="module_blacklist=c"), files.values())
    assert "a → b → c: EPERM" in _cause(session.verdict(files["a"])).message


def test_a_blacklisted_module_of_the_kernel_makes_its_users_fail(tmp_path: Path) -> None:
    kernel = _kernel(tmp_path)
    files = _files(tmp_path, tiny=module(undefined=["modular_symbol"]))
    session = Session(kernel, Conditions(cmdline="module_blacklist=giver"), files.values())
    assert "tiny → giver: EPERM" in _cause(session.verdict(files["tiny"])).message
    loaded = Conditions(cmdline="module_blacklist=giver", loaded=frozenset({"giver"}))
    assert Session(kernel, loaded, files.values()).verdict(files["tiny"]).outcome is Outcome.LOADS


def test_a_giver_that_is_loaded_already_serves(tmp_path: Path) -> None:
    files = _files(tmp_path, a=_gives("a", "", "b_symbol"), b=_gives("b", "b_symbol"))
    session = Session(_kernel(tmp_path), Conditions(loaded=frozenset({"b"})), files.values())
    assert session.verdict(files["b"]).errno == "EEXIST"
    assert session.verdict(files["a"]).outcome is Outcome.LOADS


def test_softdeps_before() -> None:
    assert softdeps_before("pre: a b post: c") == ("a", "b")
    assert softdeps_before("post: c pre: d") == ("d",)
    assert softdeps_before("a b") == ()


@pytest.mark.parametrize(
    ("release", "line"),
    [("6.1.0-56-amd64", "source: MODULE_IMPORT_NS(SPACE); ("), ("6.18.0", 'source: MODULE_IMPORT_NS("SPACE"); (')],
)
def test_what_to_import_is_in_the_kernels_own_syntax(release: str, line: str, tmp_path: Path) -> None:
    vermagic = VERMAGIC.replace("6.1.0-56-amd64", release)
    kernel = _kernel(tmp_path, release=release, vermagic=vermagic)
    cause = _cause(_verdict(tmp_path, kernel, module(undefined=["spaced_symbol"], vermagic=vermagic)))
    assert cause.rule == "namespace"
    assert line in cause.hint
    assert cause.hint.count("SPACE") == 2


def test_every_unsure_rule_names_what_decides() -> None:
    unsure = [(name, rule) for name, rule in rules().items() if rule.severity == "unsure"]
    words = ("--", " -k ", "dlkm", "sign-file", "build it again", "ls -d", "abi_gki")
    assert [name for name, rule in unsure if not any(word in rule.hint for word in words)] == []
