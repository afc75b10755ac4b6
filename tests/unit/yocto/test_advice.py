# SPDX-License-Identifier: GPL-2.0-or-later
"""What a failed recipe is told of the recipes whose symbols it wanted."""

from pathlib import Path

from dlkm.build.result import BuildOutcome, Cell
from dlkm.yocto.advice import advised
from dlkm.yocto.evaluation import Evaluation
from dlkm.yocto.layers import RecipeFile


def _cell(reason: str, outcome: BuildOutcome = BuildOutcome.FAILED, symvers: Path | None = None) -> Cell:
    return Cell(
        id="x@1", source=Path("x.bb"), kernel="1", arch="x86_64", outcome=outcome, reason=reason, symvers=symvers
    )


def _recipe(depends: str) -> Evaluation:
    return Evaluation(recipe=RecipeFile(path=Path("/x.bb"), layers=(), appends=()), facts={"DEPENDS": depends})


def test_a_symbol_of_a_recipe_that_is_not_called_right(tmp_path: Path) -> None:
    symvers = tmp_path / "Module.symvers"
    symvers.write_text("0x00000000\tcore_answer\tcore\tEXPORT_SYMBOL_GPL\t\n")
    done = {"core": _cell("", BuildOutcome.BUILT, symvers)}
    undefined = 'do_compile: modpost: "{}" [user.ko] undefined!'
    told = advised(_cell(undefined.format("core_answer")), _recipe("core"), done).reason
    assert "core_answer is exported by core" in told
    assert "kernel-module-core" in told
    plain = _cell(undefined.format("other"))
    assert advised(plain, _recipe("core"), done) == plain
    assert advised(plain, _recipe(""), done) == plain


def test_a_name_that_no_recipe_has() -> None:
    lost = "do_compile: modpost: /x/usr/include/kernel-module-core/Module.symvers: No such file or directory"
    told = advised(_cell(lost), _recipe("kernel-module-core"), {}).reason
    assert "kernel-module-core_VERSION.bb and not core" in told
    provided = {"kernel-module-core": _cell("", BuildOutcome.BUILT)}
    assert "recipe of another name" in advised(_cell(lost), _recipe("kernel-module-core"), provided).reason


def test_what_was_built_stays_as_it_is() -> None:
    built = _cell("", BuildOutcome.BUILT)
    assert advised(built, _recipe("core"), {}) == built
