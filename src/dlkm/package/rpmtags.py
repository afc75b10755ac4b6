# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of an .rpm: its lead, tags, flags of files and relations. Source: rpm's include/rpm/rpmtag.h, rpmds.h."""

from enum import IntEnum, IntFlag

LEAD_SIZE = 96
LEAD_MAGIC = b"\xed\xab\xee\xdb"


class Tag(IntEnum):
    """The values of a header that are read or written here."""

    SIGNATURES = 62  # the region of the signature header
    IMMUTABLE = 63  # the region of the main one
    I18N = 100
    SHA1 = 269
    SHA256 = 273
    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    SUMMARY = 1004
    DESCRIPTION = 1005
    BUILD_TIME = 1006
    BUILD_HOST = 1007
    SIZE = 1009
    LICENSE = 1014
    PACKAGER = 1015
    GROUP = 1016
    URL = 1020
    OS = 1021
    ARCH = 1022
    FILE_SIZES = 1028
    FILE_MODES = 1030
    FILE_RDEVS = 1033
    FILE_MTIMES = 1034
    FILE_DIGESTS = 1035
    FILE_LINKS = 1036
    FILE_FLAGS = 1037
    FILE_USERS = 1039
    FILE_GROUPS = 1040
    SOURCE_RPM = 1044
    FILE_VERIFY = 1045
    CHANGELOG_TIME = 1080
    CHANGELOG_NAME = 1081
    CHANGELOG_TEXT = 1082
    RPM_VERSION = 1064
    FILE_DEVICES = 1095
    FILE_INODES = 1096
    FILE_LANGS = 1097
    DIR_INDEXES = 1116
    BASENAMES = 1117
    DIR_NAMES = 1118
    PAYLOAD_FORMAT = 1124
    PAYLOAD_COMPRESSOR = 1125
    PAYLOAD_FLAGS = 1126
    PLATFORM = 1132
    FILE_COLOURS = 1140
    FILE_CLASS = 1141
    CLASS_DICT = 1142
    FILE_DIGEST_ALGORITHM = 5011
    ENCODING = 5062
    PAYLOAD_DIGEST = 5092
    PAYLOAD_DIGEST_ALGORITHM = 5093


# What a relation is called, and its three tags: name, flags, version.
RELATIONS = {
    "provides": (1047, 1112, 1113),
    "depends": (1049, 1048, 1050),
    "conflicts": (1054, 1053, 1055),
    "replaces": (1090, 1114, 1115),  # Obsoletes
    "recommends": (5046, 5048, 5047),
    "suggests": (5049, 5051, 5050),
}
# A script and the program that runs it.
SCRIPTS = {"preinst": (1023, 1085), "postinst": (1024, 1086), "prerm": (1025, 1087), "postrm": (1026, 1088)}


class Sense(IntFlag):
    """The flags of a relation."""

    LESS = 1 << 1
    GREATER = 1 << 2
    EQUAL = 1 << 3
    POSTTRANS = 1 << 5
    PREREQ = 1 << 6
    INTERP = 1 << 8
    SCRIPT_PRE = 1 << 9
    SCRIPT_POST = 1 << 10
    SCRIPT_PREUN = 1 << 11
    SCRIPT_POSTUN = 1 << 12
    RPMLIB = 1 << 24


class FileFlag(IntFlag):
    """The flags of a file."""

    CONFIG = 1 << 0
    DOC = 1 << 1
    NO_REPLACE = 1 << 4
    GHOST = 1 << 6
    LICENSE = 1 << 7


COMPARISONS = {
    Sense.LESS: "<",
    Sense.GREATER: ">",
    Sense.EQUAL: "=",
    Sense.LESS | Sense.EQUAL: "<=",
    Sense.GREATER | Sense.EQUAL: ">=",
}
