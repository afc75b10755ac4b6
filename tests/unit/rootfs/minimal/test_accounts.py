# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts of a fresh root, as base-passwd's masters and sysusers.d(5) say."""

from dlkm.rootfs.minimal.accounts import accounts

PASSWD = "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = "root:*:0:\ntty:*:5:\nnogroup:*:65534:\n"


def test_the_masters_stay_as_they_are() -> None:
    made = accounts(PASSWD, GROUP, {}, ())
    assert (made.passwd(), made.group()) == (PASSWD, GROUP)


def test_what_is_there_is_not_made_again() -> None:
    conf = "g tty 77 -\nu root 0 - /root /bin/sh\nu nobody 65534:65534 -\n"
    made = accounts(PASSWD, GROUP, {"basic.conf": conf}, ["tty"])
    assert (made.passwd(), made.group()) == (PASSWD, GROUP)


def test_a_user_gets_a_group_of_its_name_with_the_highest_free_number() -> None:
    conf = '# a comment\n\ng taken 999 -\nu! systemd-network - "systemd Network Management"\n'
    made = accounts("", "", {"x.conf": conf}, ())
    assert made.group() == "taken:x:999:\nsystemd-network:x:998:\n"
    assert made.passwd() == "systemd-network:*:998:998:systemd Network Management:/:/usr/sbin/nologin\n"


def test_a_user_may_name_its_group_by_name_or_number() -> None:
    made = accounts("", GROUP, {"x.conf": "u a 7:tty - /a /bin/a\nu b 8:65534\n"}, ())
    assert made.passwd() == "a:*:7:5::/a:/bin/a\nb:*:8:65534::/:/usr/sbin/nologin\n"
    assert made.group() == GROUP


def test_files_are_read_by_name_and_other_lines_passed_over() -> None:
    made = accounts("", "", {"b.conf": "g late -\n", "a.conf": "m root tty\nr - 500-900\ng early -\n"}, ["last"])
    assert made.group() == "early:x:999:\nlate:x:998:\nlast:x:997:\n"
