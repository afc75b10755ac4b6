# SPDX-License-Identifier: GPL-2.0-or-later
# Questions about the kernel's version, answered from the kernel that dlkm was given.
def get_kernelversion_headers(p):
    return oe.utils.read_file(p + '/kernel-abiversion') or None

def get_kernelversion_file(p):
    return oe.utils.read_file(p + '/kernel-abiversion') or None

def linux_module_packages(s, d):
    return ' '.join('kernel-module-%s' % name.lower().replace('_', '-').replace('@', '+') for name in s.split())
