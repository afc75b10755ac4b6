// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>

int fpga_tiny_gates(void);

static int __init symbol_user_init(void)
{
	return fpga_tiny_gates() == 7 ? 0 : -EINVAL;
}
module_init(symbol_user_init);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Counts gates");
