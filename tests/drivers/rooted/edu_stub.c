// SPDX-License-Identifier: GPL-2.0-or-later
/* Serves QEMU's teaching device, as its twin does: whichever is not blacklisted is loaded for it. */
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id edu_stub_ids[] = { { PCI_DEVICE(0x1234, 0x11e8) }, {} };
MODULE_DEVICE_TABLE(pci, edu_stub_ids);

static int edu_stub_probe(struct pci_dev *device, const struct pci_device_id *id)
{
	pci_info(device, "served\n");
	return 0;
}

static struct pci_driver edu_stub = { .name = KBUILD_MODNAME, .id_table = edu_stub_ids, .probe = edu_stub_probe };
module_pci_driver(edu_stub);

MODULE_DESCRIPTION("One of two drivers for one device");
MODULE_LICENSE("GPL");
