# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read of a booted guest about its modules."""

from dlkm.prove.rooted.facts import Facts, look
from dlkm.prove.rooted.observer import Ran
from dlkm.prove.rooted.settle import Settled
from tests.unit.prove.rooted.support import Told

JOURNAL = "journalctl -b -u systemd-modules-load -o cat --no-pager"
SETTLED = Settled(state="running", init="/sbin/init")
KMSG = (
    b"6,1,100,-;hello: loading out-of-tree module taints kernel.\n SUBSYSTEM=pci\n DEVICE=+pci:0\n"
    b"4,2,200,-;kver: disagrees about version of symbol module_layout\n"
    b"30,3,300,-;systemd-modules-load[125]: Failed to insert module 'kver': Exec format error\n"
    b"30,4,300,-;somebody: Failed to insert module 'other': Exec format error\n"
    b"nonsense\n"
)
FILES = {
    "/proc/modules": b"hello 16384 0 - Live 0x0\nuser 16384 0 - Live 0x0\nslow 8192 1 - Loading 0x0\n",
    "/dev/kmsg": KMSG,
    "/sys/module/hello/initstate": b"live\n",
    "/sys/module/hello/taint": b"OE\n",
    "/sys/module/hello/srcversion": b"ABC\n",
    "/sys/module/hello/notes/.note.gnu.build-id": b"\x04\x00note",
    "/sys/module/hello/parameters/whom": b"you\n",
    "/sys/module/other/parameters/whom": b"not mine\n",
    "/sys/kernel/tracing/trace": b"# tracer: nop\n modprobe-1 [000] ... 1.2: module_load: hello OE\n",
}
STATES = {
    "/sys/module/hello": "40755:0:0:0:0",
    "/sys/module/printk": "40755:0:0:0:0",
    "/sys/module/hello/holders/user": "x",
}


def _facts(*names: str) -> Facts:
    told = Told(files=FILES, states=STATES, programs={JOURNAL: Ran(status=0, output="Inserted module 'hello-2'\n")})
    return look(told, SETTLED, names)


def test_a_loaded_module_is_described() -> None:
    hello = _facts("hello", "printk").loaded["hello"]
    assert (hello.taint, hello.srcversion, hello.note) == ("OE", "ABC", b"\x04\x00note")
    assert (hello.parameters, hello.holders) == ({"whom": "you"}, ("user",))


def test_what_is_in_sys_and_not_loaded_is_built_in() -> None:
    facts = _facts("hello", "printk", "absent")
    assert facts.builtin == {"printk"}
    assert set(facts.loaded) == {"hello"}
    assert facts.every == {"hello", "user", "slow"}
    assert facts.unfinished == {"slow"}


def test_the_kernel_s_log_is_the_kernel_s_alone() -> None:
    facts = _facts("kver")
    assert facts.log == (
        "hello: loading out-of-tree module taints kernel.",
        "kver: disagrees about version of symbol module_layout",
    )
    assert facts.accepted == frozenset({"hello"})


def test_the_loader_is_heard_in_the_log_and_in_the_journal() -> None:
    said = _facts("kver").said
    assert (said["kver"].kind, said["kver"].errno) == ("failed", "ENOEXEC")
    assert said["hello_2"].kind == "inserted"
    assert "other" not in said


def test_a_name_that_is_a_pattern_is_not_asked_for() -> None:
    assert _facts("*", "hel?o").loaded == {}
