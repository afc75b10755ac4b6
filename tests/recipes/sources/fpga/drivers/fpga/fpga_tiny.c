// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

int fpga_tiny_gates(void);

int fpga_tiny_gates(void)
{
	return 7;
}
EXPORT_SYMBOL(fpga_tiny_gates);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Seven gates");
