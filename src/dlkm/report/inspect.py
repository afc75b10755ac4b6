# SPDX-License-Identifier: GPL-2.0-or-later
"""A module's own words as text, line for line as modinfo writes them and then ours, and as dlkm.inspect/1."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlkm.core.names import Vermagic, format_crc
from dlkm.core.text import utf8
from dlkm.ko.exports import Export
from dlkm.ko.modinfo import Parameter
from dlkm.ko.module import Module
from dlkm.ko.pkcs7 import Signer
from dlkm.ko.signature import Signature
from dlkm.report.document import document, plain

_HEX_PER_LINE = 20
_SIGNATURE = ("sig_id", "signer", "sig_key", "sig_hashalgo", "signature")
_PARAMETERS = ("parm", "parmtype")


def modinfo_entries(module: Module, *, given: str | None = None, null: bool = False) -> Iterator[str]:
    """What `modinfo FILE` prints, entry by entry, without the newline or (`null`) the NUL that ends each.

    `given` is the path as the user wrote it, which a Path does not keep ("./x.ko").
    """
    yield f"{'filename:':16}{absolute(given or str(module.path))}"
    for key, value in (*module.modinfo, *_signature_fields(module)):
        if key not in _PARAMETERS:
            yield f"{key}={value}" if null else _line(key, value)
    for parameter in reversed(module.parameters):
        type_alone = f"{parameter.name}:{parameter.type}"
        yield f"{'parm:':16}{type_alone if parameter.description is None else _parameter(parameter)}"


def field_values(module: Module, field: str, *, given: str | None = None) -> Iterator[str]:
    """What `modinfo -F FIELD` prints, value by value; nothing for a field the module does not have."""
    if field == "filename":
        yield absolute(given or str(module.path))
    elif field == "parm":
        yield from (_parameter(parameter) for parameter in reversed(module.parameters))
    else:
        yield from module.all(field)
        if field in _SIGNATURE:  # reading it takes longer than all the rest
            yield from (value for key, value in _signature_fields(module) if key == field)


def added_lines(module: Module) -> Iterator[str]:
    """What modinfo does not tell: for which kernel it was built, with what, its versions, exports and signature."""
    if module.vermagic is not None:
        vermagic = Vermagic.parse(module.vermagic)
        yield _line("built for", vermagic.release)
        yield _line("built with", ", ".join(_features(vermagic)) or "none of SMP, preempt, mod_unload, modversions")
    yield _line("compiler", module.compiler or "unknown")
    yield _line("versions", _versions(module))
    yield _line("exports", _exports(module.exports))
    yield from (_line("export", _export(export)) for export in module.exports)
    yield _line("signed", _signed(module.signature))


def inspect_document(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """dlkm.inspect/1 of what `module_entry` gave."""
    return document("inspect", modules=entries)


def module_entry(module: Module) -> dict[str, Any]:
    """One of the document's `modules`, as JSON has it; bytes that are not UTF-8 become backslash, x, two digits."""
    entry: dict[str, Any] = _clean(plain(_entry(module)))
    return entry


def absolute(path: str, env: Mapping[str, str] = os.environ) -> str:
    """The path as modinfo names it: below the directory we are in, spelled as the shell does, and not tidied up."""
    here = env.get("PWD", "")
    if path.startswith("/"):
        return path
    try:
        known = here.startswith("/") and Path(here).samefile(".")
    except OSError:
        known = False
    return f"{here if known else Path.cwd()}/{path}"


def _line(key: str, value: str) -> str:
    # As kmod 34 does; kmod 30 pads after a key of more than 15 bytes by what it has too many.
    width = 15 - len(key.encode("utf-8", "surrogateescape"))
    return f"{key}:{'':{width}}{value}" if width > 0 else f"{key}:{value}"


def _parameter(parameter: Parameter) -> str:
    kind = "" if parameter.type is None else f" ({parameter.type})"
    return f"{parameter.name}:{parameter.description or ''}{kind}"


def _signature_fields(module: Module) -> list[tuple[str, str]]:
    """The signature's entries; none where modinfo could not read it either."""
    signer = None if module.signature is None else module.signature.signer
    if module.signature is None or not isinstance(signer, Signer):
        return []
    values = (module.signature.kind, signer.name, _hex(signer.key_id), signer.hash_algo, _hex(signer.value))
    return list(zip(_SIGNATURE, values, strict=True))


def _hex(raw: bytes) -> str:
    rows = (raw[start : start + _HEX_PER_LINE] for start in range(0, len(raw), _HEX_PER_LINE))
    return ":\n\t\t".join(row.hex(":").upper() for row in rows)


def _features(vermagic: Vermagic) -> Iterator[str]:
    if vermagic.smp:
        yield "SMP"
    if vermagic.preempt is not None:
        yield vermagic.preempt
    if vermagic.mod_unload:
        yield "mod_unload"
    if vermagic.modversions:
        yield "modversions"
    yield from vermagic.rest


def _versions(module: Module) -> str:
    if module.versions is None and module.extended_versions is None:
        return "none"
    plain = _symbols(len(module.versions or ()))
    extended = module.extended_versions
    return plain if extended is None else f"{plain}, extended: {_symbols(len(extended))}"


def _exports(exports: Sequence[Export]) -> str:
    gpl = sum(export.gpl for export in exports)
    return f"{_symbols(len(exports))}, {gpl} of them GPL-only" if exports else "none"


def _symbols(count: int) -> str:
    return "1 symbol" if count == 1 else f"{count} symbols"


def _export(export: Export) -> str:
    crc = "no CRC" if export.crc is None else format_crc(export.crc)
    namespace = f" namespace {export.namespace}" if export.namespace else ""
    return f"{export.name} {crc}{' GPL-only' if export.gpl else ''}{namespace}"


def _signed(signature: Signature | None) -> str:
    if signature is None:
        return "no"
    if isinstance(signature.signer, str):
        return f"yes, but the signature cannot be read: {signature.signer}"
    return f"yes ({signature.kind}, {signature.signer.hash_algo}; not verified here)"


def _entry(module: Module) -> dict[str, Any]:
    return {
        "path": str(module.path),
        "name": module.name,
        "vermagic": None if module.vermagic is None else Vermagic.parse(module.vermagic),
        "compiler": module.compiler,
        "license": module.license,
        "depends": module.depends,
        "import_ns": module.import_ns,
        "alias": module.all("alias"),
        "parm": {one.name: {"description": one.description, "type": one.type} for one in module.parameters},
        "srcversion": module.field("srcversion"),
        "intree": module.intree,
        "signature": None if module.signature is None else _signature(module.signature),
        "versions": _crcs(module.versions),
        "extended_versions": _crcs(module.extended_versions),
        "exports": [
            {"name": one.name, "crc": None if one.crc is None else format_crc(one.crc)}
            | {"gpl": one.gpl, "namespace": one.namespace}
            for one in module.exports
        ],
        "compression": module.compression,
        "modinfo": [{"key": key, "value": value} for key, value in module.modinfo],
    }


def _crcs(versions: Mapping[str, int] | None) -> dict[str, str] | None:
    return None if versions is None else {name: format_crc(crc) for name, crc in versions.items()}


def _signature(signature: Signature) -> dict[str, Any]:
    """As modinfo names it; `defect` says why the other values are missing."""
    signer = signature.signer
    if isinstance(signer, str):
        return {"sig_id": signature.kind, "signer": None, "sig_key": None, "sig_hashalgo": None, "defect": signer}
    return {
        "sig_id": signature.kind,
        "signer": signer.name,
        "sig_key": signer.key_id.hex(":").upper(),
        "sig_hashalgo": signer.hash_algo,
        "defect": None,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value
