SUMMARY = "From an archive of its maker's server"
LICENSE = "GPL-2.0-only"
LIC_FILES_CHKSUM = "file://one.c;endline=1;md5=fcab174c20ea2e2bc0be64b493708266"

inherit module

SRC_URI = "https://downloads.example.com/tiny/${BP}.tar"
SRC_URI[sha256sum] = "@archive@"
